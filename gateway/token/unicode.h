/*
 * What the reference tokenizer takes code points to be: classes (regular expressions' are Unicode
 * 16.0's, others have versions of their own) and how it normalizes them.
 *
 * The tables are made by unicode_tables.py from what was probed of the reference, not from this
 * system's Unicode. Lookups are in the C subset that is device code as well. Stateless; any thread.
 */
#ifndef SLUICE_TOKEN_UNICODE_H
#define SLUICE_TOKEN_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum unicode_bit {
#define UNICODE_CLASS(name, source) UNICODE_BIT_##name,
#include "gateway/token/unicode.def"
#undef UNICODE_CLASS
    UNICODE_BITS
};

/* The mask of a class: UNICODE_MASK(LU) | UNICODE_MASK(LT). */
#define UNICODE_MASK(name) (1ull << UNICODE_BIT_##name)

#define UNICODE_LIMIT 0x110000u /* code points are below */

/*
 * A code point's kind, then the classes of that kind: two stages of blocks of UNICODE_BLOCK code
 * points, and a mask a kind. There are fewer than 256 kinds, so a scanner can have tables of its
 * own by kind.
 */
#define UNICODE_BLOCK 128u
#ifdef __CUDACC__
#define UNICODE_TABLE    static __device__ const
#define UNICODE_FUNCTION static __device__ inline
#include "gateway/token/unicode_classes.inc"
#else
#define UNICODE_FUNCTION static inline
extern const uint16_t unicode_block[UNICODE_LIMIT / UNICODE_BLOCK];
extern const uint8_t unicode_kind_of[];
extern const uint64_t unicode_kind_mask[];
extern const size_t unicode_kinds;
#endif

UNICODE_FUNCTION uint8_t unicode_kind(uint32_t code)
{
    return unicode_kind_of[unicode_block[code / UNICODE_BLOCK] * UNICODE_BLOCK +
                           code % UNICODE_BLOCK];
}

/* All classes that `code`, which is below UNICODE_LIMIT, is in. */
UNICODE_FUNCTION uint64_t unicode_mask(uint32_t code)
{
    return unicode_kind_mask[unicode_kind(code)];
}

/* The code point at `at`, which is well-formed UTF-8; `*ret_bytes` is how many it has. */
UNICODE_FUNCTION uint32_t unicode_read(const char *at, uint32_t *ret_bytes)
{
    const uint8_t *byte = (const uint8_t *)at;

    if (byte[0] < 0x80) {
        *ret_bytes = 1;
        return byte[0];
    }
    if (byte[0] < 0xe0) {
        *ret_bytes = 2;
        return (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
    }
    if (byte[0] < 0xf0) {
        *ret_bytes = 3;
        return (byte[0] & 0x0fu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
    }
    *ret_bytes = 4;
    return (byte[0] & 0x07u) << 18 | (byte[1] & 0x3fu) << 12 | (byte[2] & 0x3fu) << 6 |
           (byte[3] & 0x3fu);
}

/* Writes `code` as UTF-8, at most four bytes; returns how many. */
UNICODE_FUNCTION uint32_t unicode_write(char *at, uint32_t code)
{
    if (code < 0x80) {
        at[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        at[0] = (char)(0xc0 | code >> 6);
        at[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        at[0] = (char)(0xe0 | code >> 12);
        at[1] = (char)(0x80 | (code >> 6 & 0x3f));
        at[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    at[0] = (char)(0xf0 | code >> 18);
    at[1] = (char)(0x80 | (code >> 12 & 0x3f));
    at[2] = (char)(0x80 | (code >> 6 & 0x3f));
    at[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

#endif
