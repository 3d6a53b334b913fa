/*
 * The bytes of something unfinished, kept until the rest arrives: bounded, and nothing while empty.
 */
#ifndef SLUICE_HTTP_REMNANT_H
#define SLUICE_HTTP_REMNANT_H

#include "gateway/base/slice.h"

struct remnant {
    char *at; /* ours; NULL: nothing is held */
    uint32_t len, size;
};

/* Copies `bytes` behind what is held. False, and nothing added, when more than `limit` would be
 * held. */
bool remnant_add(struct remnant *remnant, struct slice bytes, size_t limit) MUST_USE;
void remnant_release(struct remnant *remnant);

static inline struct slice remnant_bytes(const struct remnant *remnant)
{
    return slice_of(remnant->at, remnant->len);
}

#endif
