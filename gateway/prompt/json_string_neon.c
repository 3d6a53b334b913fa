/*
 * json_string with NEON (64 bytes as four vectors).
 */
#include "gateway/prompt/json_string.h"

#include "gateway/prompt/json_string_lanes.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

struct quad {
    uint8x16_t at[4];
};

/* Past the end there are zeros, and a zero ends every run. */
static inline struct quad load(const char *at, const char *end)
{
    uint8_t bytes[64];
    const uint8_t *from = (const uint8_t *)at;

    if (end - at < 64) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, at, (size_t)(end - at));
        from = bytes;
    }
    return (struct quad){ { vld1q_u8(from), vld1q_u8(from + 16), vld1q_u8(from + 32),
                            vld1q_u8(from + 48) } };
}

/* A bit a byte, from bytes that are all ones or all zeros: NEON has no movemask. */
static inline uint64_t lanes_of(struct quad truth)
{
    static const uint8_t bits[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t weights = vld1q_u8(bits);
    uint8x16_t low = vpaddq_u8(vandq_u8(truth.at[0], weights), vandq_u8(truth.at[1], weights));
    uint8x16_t high = vpaddq_u8(vandq_u8(truth.at[2], weights), vandq_u8(truth.at[3], weights));
    uint8x16_t sums = vpaddq_u8(low, high);

    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
}

static inline uint64_t equal(struct quad in, uint8_t c)
{
    for (int i = 0; i < 4; i++)
        in.at[i] = vceqq_u8(in.at[i], vdupq_n_u8(c));
    return lanes_of(in);
}

static inline uint64_t below(struct quad in, uint8_t limit)
{
    for (int i = 0; i < 4; i++)
        in.at[i] = vcltq_u8(in.at[i], vdupq_n_u8(limit));
    return lanes_of(in);
}

static inline uint64_t hex(struct quad in)
{
    struct quad digits, letters;

    for (int i = 0; i < 4; i++) {
        digits.at[i] = vsubq_u8(in.at[i], vdupq_n_u8('0'));
        letters.at[i] = vsubq_u8(vorrq_u8(in.at[i], vdupq_n_u8(0x20)), vdupq_n_u8('a'));
    }
    return below(digits, 10) | below(letters, 6);
}

static inline uint8x16_t look_up(const uint8_t table[16], uint8x16_t halves)
{
    return vqtbl1q_u8(vld1q_u8(table), halves);
}

/* Where escapes are wrong, given the lanes that are escaped. */
static inline uint64_t escape_faults(struct json_string_run *run, struct quad in, uint64_t escaped)
{
    uint64_t wanted = json_string_hex_lanes(run, escaped & equal(in, 'u'));
    uint64_t faults = wanted & ~hex(in);

    for (int i = 0; i < 4; i++) {
        uint8x16_t high = look_up(json_string_escape_high, vshrq_n_u8(in.at[i], 4));
        uint8x16_t low = look_up(json_string_escape_low, vandq_u8(in.at[i], vdupq_n_u8(0x0f)));

        in.at[i] = vceqzq_u8(vandq_u8(high, low));
    }
    return faults | (escaped & lanes_of(in));
}

/* Nonzero bytes where a fault of UTF-8 shows; `before` is the vector in front. */
static inline uint8x16_t utf8_faults(uint8x16_t in, uint8x16_t before)
{
    uint8x16_t back1 = vextq_u8(before, in, 15);
    uint8x16_t high1 = look_up(json_string_first_high, vshrq_n_u8(back1, 4));
    uint8x16_t low1 = look_up(json_string_first_low, vandq_u8(back1, vdupq_n_u8(0x0f)));
    uint8x16_t high2 = look_up(json_string_second_high, vshrq_n_u8(in, 4));
    /* the third byte after e0..ff and the fourth after f0..ff must be continuations, others must
     * not */
    uint8x16_t third = vqsubq_u8(vextq_u8(before, in, 14), vdupq_n_u8(0xe0 - 0x80));
    uint8x16_t fourth = vqsubq_u8(vextq_u8(before, in, 13), vdupq_n_u8(0xf0 - 0x80));
    uint8x16_t owed = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80));

    return veorq_u8(vandq_u8(vandq_u8(high1, low1), high2), owed);
}

static inline uint64_t quad_faults(struct quad in, uint8x16_t before)
{
    struct quad faults;

    for (int i = 0; i < 4; i++) {
        uint8x16_t bytes = utf8_faults(in.at[i], i == 0 ? before : in.at[i - 1]);

        faults.at[i] = vtstq_u8(bytes, bytes);
    }
    return lanes_of(faults);
}

const char *json_string_neon(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    uint8x16_t before = vdupq_n_u8(0);

    for (*ret_escaped = false; at < end; at += 64) {
        struct quad in = load(at, end);
        uint64_t slashes = equal(in, '\\'), control = below(in, 0x20);
        uint64_t beyond = ~below(in, 0x80);
        uint64_t escaped = 0, faults = 0, stops, seen;

        if (slashes | run.escapes_next)
            escaped = json_string_escaped(&run, slashes);
        if (escaped | run.hex_wanted)
            faults = escape_faults(&run, in, escaped);
        if (run.open || beyond)
            faults |= quad_faults(in, before);
        stops = (equal(in, '"') & ~escaped) | control;
        seen = stops ^ (stops - 1); /* the lanes up to the first stop, all without one */
        *ret_escaped |= (slashes & seen) != 0;
        if ((faults & seen) || (control & seen))
            return NULL;
        if (stops)
            return at + __builtin_ctzll(stops);
        run.open = (beyond >> 61) != 0;
        before = in.at[3];
    }
    return NULL;
}

const char *json_string_close_neon(const char *at, const char *end, bool *ret_escaped)
{
    struct json_string_run run = { .open = false };
    uint64_t closing = 0;

    for (; at < end; at += 64) {
        struct quad in = load(at, end);
        closing = json_string_closing(&run, equal(in, '\\'), equal(in, '"'));
        if (closing)
            break;
    }
    *ret_escaped = run.slashes != 0;
    return closing ? at + __builtin_ctzll(closing) : NULL;
}

#endif
