/*
 * json_span with NEON, 16 bytes a step.
 */
#include "gateway/prompt/json_span.h"

#include "gateway/prompt/json_span_utf8.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdbool.h>

/* Four bits a lane, all set where the lane is: NEON has no movemask. */
static inline uint64_t lanes_of(uint8x16_t truth)
{
    uint8x8_t halves = vshrn_n_u16(vreinterpretq_u16_u8(truth), 4);

    return vget_lane_u64(vreinterpret_u64_u8(halves), 0);
}

static inline uint64_t faults_neon(uint8x16_t in, uint8x16_t before)
{
    uint8x16_t back1 = vextq_u8(before, in, 15);
    uint8x16_t back2 = vextq_u8(before, in, 14);
    uint8x16_t back3 = vextq_u8(before, in, 13);
    uint8x16_t high1 = vqtbl1q_u8(vld1q_u8(json_span_first_high), vshrq_n_u8(back1, 4));
    uint8x16_t low1 = vqtbl1q_u8(vld1q_u8(json_span_first_low), vandq_u8(back1, vdupq_n_u8(0x0f)));
    uint8x16_t high2 = vqtbl1q_u8(vld1q_u8(json_span_second_high), vshrq_n_u8(in, 4));
    uint8x16_t third = vqsubq_u8(back2, vdupq_n_u8(0xe0 - 0x80));
    uint8x16_t fourth = vqsubq_u8(back3, vdupq_n_u8(0xf0 - 0x80));
    uint8x16_t owed = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80));
    uint8x16_t faults = veorq_u8(vandq_u8(vandq_u8(high1, low1), high2), owed);

    return lanes_of(vtstq_u8(faults, faults));
}

const char *json_span_neon(const char *at, const char *end)
{
    const char *start = at;
    uint8x16_t before = vdupq_n_u8(0);
    bool open = false; /* the block before may end inside a sequence */

    for (; end - at >= 16; at += 16) {
        uint8x16_t in = vld1q_u8((const uint8_t *)at);
        uint8x16_t quote = vceqq_u8(in, vdupq_n_u8('"'));
        uint8x16_t slash = vceqq_u8(in, vdupq_n_u8('\\'));
        uint8x16_t control = vcltq_u8(in, vdupq_n_u8(0x20));
        uint64_t stops = lanes_of(vorrq_u8(vorrq_u8(quote, slash), control));
        uint64_t beyond = lanes_of(vcgeq_u8(in, vdupq_n_u8(0x80)));
        uint64_t seen = stops ^ (stops - 1); /* the lanes up to the stop, all without one */

        if ((open || beyond) && (faults_neon(in, before) & seen))
            return NULL;
        if (stops)
            return at + __builtin_ctzll(stops) / 4;
        open = (beyond >> 52) != 0;
        before = in;
    }
    if (open) { /* back to where the last character begins */
        while (at > start && ((unsigned char)at[-1] & 0xc0) == 0x80)
            at--;
        at -= at > start && (unsigned char)at[-1] >= 0xc0;
    }
    return json_span_scalar(at, end);
}

#endif
