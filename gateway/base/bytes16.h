/*
 * Sixteen bytes looked at together: GNU vectors, which become SSE2 or NEON where there is one and
 * plain code elsewhere. A comparison gives 0xff in each lane where it holds.
 */
#ifndef SLUICE_BASE_BYTES16_H
#define SLUICE_BASE_BYTES16_H

#include "gateway/base/check.h"

#include <stdbool.h>
#include <string.h>

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* From anywhere, aligned or not. */
static inline bytes16 bytes16_load(const void *at)
{
    bytes16 bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/* The same byte in each lane. */
static inline bytes16 bytes16_all(uint8_t byte)
{
    return (bytes16){ 0 } + byte;
}

/* Whether a lane is not 0. */
static inline bool bytes16_any(bytes16 bytes)
{
    uint64_t half[2];

    memcpy(half, &bytes, sizeof(half));
    return half[0] | half[1];
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "lanes are counted from a half's low end");

/* The first lane that is not 0; 16 when all are. */
static inline size_t bytes16_first(bytes16 bytes)
{
    uint64_t half[2];

    memcpy(half, &bytes, sizeof(half));
    if (half[0])
        return (size_t)__builtin_ctzll(half[0]) / 8;
    return half[1] ? 8 + (size_t)__builtin_ctzll(half[1]) / 8 : 16;
}

#endif
