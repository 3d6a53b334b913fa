/*
 * split_kernel with NEON (64 bytes as four vectors).
 */
#include "gateway/token/split_kernel.h"

#if defined(__aarch64__)

#include <arm_neon.h>

struct quad {
    uint8x16_t at[4];
};

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

/* The bytes from `first` to `last`. */
static inline uint64_t range(struct quad in, uint8_t first, uint8_t last)
{
    for (int i = 0; i < 4; i++)
        in.at[i] =
            vcleq_u8(vsubq_u8(in.at[i], vdupq_n_u8(first)), vdupq_n_u8((uint8_t)(last - first)));
    return lanes_of(in);
}

void split_classify_neon(const char *at, struct split_lanes *ret_lanes)
{
    const uint8_t *from = (const uint8_t *)at;
    struct quad in = { { vld1q_u8(from), vld1q_u8(from + 16), vld1q_u8(from + 32),
                         vld1q_u8(from + 48) } };

    ret_lanes->upper = range(in, 'A', 'Z');
    ret_lanes->lower = range(in, 'a', 'z');
    ret_lanes->digit = range(in, '0', '9');
    ret_lanes->space = equal(in, ' ');
    ret_lanes->newline = equal(in, '\n') | equal(in, '\r');
    ret_lanes->blank = range(in, '\t', '\r') & ~ret_lanes->newline;
    ret_lanes->quote = equal(in, '\'');
    ret_lanes->slash = equal(in, '/');
    ret_lanes->wide = range(in, 0x80, 0xff);
    ret_lanes->continued = range(in, 0x80, 0xbf);
}

#endif
