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

/* How many lanes hold, after a comparison. */
static inline unsigned bytes16_count(bytes16 bytes)
{
    uint64_t half[2];

    memcpy(half, &bytes, sizeof(half));
    return (unsigned)(__builtin_popcountll(half[0]) + __builtin_popcountll(half[1])) / 8;
}

/* All of 1 to 16 bytes, in no order and some of them twice. */
static inline bytes16 bytes16_load_short(const char *at, size_t len)
{
    uint64_t half[2];
    uint32_t quarter[4];
    bytes16 bytes;

    if (len >= 8) {
        memcpy(&half[0], at, 8);
        memcpy(&half[1], at + len - 8, 8);
        memcpy(&bytes, half, sizeof(bytes));
    } else if (len >= 4) {
        memcpy(&quarter[0], at, 4);
        memcpy(&quarter[1], at + len - 4, 4);
        memcpy(&quarter[2], quarter, 8);
        memcpy(&bytes, quarter, sizeof(bytes));
    } else {
        bytes = bytes16_all((uint8_t)at[0]);
        bytes[1] = (uint8_t)at[len / 2];
        bytes[2] = (uint8_t)at[len - 1];
    }
    return bytes;
}

/* Lanes that are not 0 where `bytes` has something. Pure. */
typedef bytes16 bytes16_fn(bytes16 bytes);

/* Whether any of `len` bytes is something. `what` is known where this is called, and inlined. */
static inline __attribute__((always_inline)) bool bytes16_has(const char *at, size_t len,
                                                              bytes16_fn *what)
{
    if (len <= sizeof(bytes16))
        return len > 0 && bytes16_any(what(bytes16_load_short(at, len)));
    for (size_t i = 0; i < len - sizeof(bytes16); i += sizeof(bytes16))
        if (bytes16_any(what(bytes16_load(at + i))))
            return true;
    return bytes16_any(what(bytes16_load(at + len - sizeof(bytes16))));
}

#endif
