/*
 * Token ids in a row that grows.
 *
 * One owner, one thread. How many there may be is bounded by the text they are made from: an id
 * stands for at least one byte of it, or is one of the few that a post-processor adds.
 */
#ifndef SLUICE_TOKEN_IDS_H
#define SLUICE_TOKEN_IDS_H

#include "gateway/base/check.h"

struct ids {
    uint32_t *at;
    size_t count, room;
};

void ids_init(struct ids *ids);
void ids_release(struct ids *ids);
/* Room for `more` ids behind the last one; written at the returned place, then counted by adding to
 * `count`. Valid until the next call. */
uint32_t *ids_reserve(struct ids *ids, size_t more);
void ids_append(struct ids *ids, const struct ids *more);

static inline void ids_add(struct ids *ids, uint32_t id)
{
    if (UNLIKELY(ids->count == ids->room))
        ids_reserve(ids, 1);
    ids->at[ids->count++] = id;
}

#endif
