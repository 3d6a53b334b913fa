/*
 * The bytes of something unfinished, kept until the rest arrives: bounded, and nothing while empty.
 */
#ifndef SLUICE_HTTP_HOLD_H
#define SLUICE_HTTP_HOLD_H

#include "gateway/base/slice.h"

struct hold {
    char *at; /* ours; NULL: nothing is held */
    uint32_t len, size;
};

/* Copies `bytes` behind what is held. False, and nothing added, when more than `limit` would be
 * held. */
bool hold_add(struct hold *hold, struct slice bytes, size_t limit) MUST_USE;
void hold_release(struct hold *hold);

static inline struct slice hold_bytes(const struct hold *hold)
{
    return slice_of(hold->at, hold->len);
}

#endif
