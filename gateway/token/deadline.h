/*
 * How long the work on one text may take: what is slow at every byte, and what is slow as one
 * piece, is given up in time. One thread.
 */
#ifndef SLUICE_TOKEN_DEADLINE_H
#define SLUICE_TOKEN_DEADLINE_H

#include "gateway/base/clock.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes between two looks at the clock: 2 ms of the slowest work. */
#define DEADLINE_STRIDE (16u * 1024)
/* What a byte of a long piece takes to merge: measured on one letter repeated, in megabytes. */
#define DEADLINE_BYTE_NS 100

struct deadline {
    uint64_t at_us;   /* of clock_now_us; 0: none */
    size_t unchecked; /* bytes since the last look */
    bool passed;
};

static inline void deadline_begin(struct deadline *deadline)
{
    deadline->unchecked = 0;
    deadline->passed = false;
}

/* Whether work on `bytes` more can still be begun. Once it cannot, nothing can. */
static inline bool deadline_allows(struct deadline *deadline, size_t bytes)
{
    if (deadline->at_us == 0 || deadline->passed)
        return !deadline->passed;
    deadline->unchecked += bytes;
    if (deadline->unchecked < DEADLINE_STRIDE)
        return true;
    deadline->unchecked = 0;
    deadline->passed = clock_now_us() + bytes / 1000 * DEADLINE_BYTE_NS > deadline->at_us;
    return !deadline->passed;
}

#endif
