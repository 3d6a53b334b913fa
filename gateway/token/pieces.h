/*
 * The cache of pieces met before and what they became, within a fixed number of bytes.
 *
 * One thread. Sets of two slots, a cache line each: what comes in takes the first place, what was
 * there the second; what is found in the second place is moved to the first. Ids that do not fit a
 * slot, and the bytes of long pieces, lie in a ring that forgets the oldest.
 */
#ifndef SLUICE_TOKEN_PIECES_H
#define SLUICE_TOKEN_PIECES_H

#include "gateway/token/ids.h"
#include "gateway/token/piece.h"

#define PIECES_INLINE 3   /* ids that a slot has room for */
#define PIECES_LONG   256 /* bytes of the longest piece that is kept */

struct pieces_slot {
    uint64_t low, high; /* struct piece's; 0, 0: empty, since no piece is */
    union {
        uint32_t ids[PIECES_INLINE];
        uint32_t at[2]; /* the low and high half of where in the ring the rest is */
    };
    uint32_t count; /* of ids */
};

struct pieces {
    struct pieces_slot *slots; /* aligned to a cache line; NULL: no cache */
    uint64_t set_mask;
    char *ring;
    uint64_t ring_bytes;
    uint64_t head; /* bytes ever written to the ring; what lies further back than ring_bytes is
                      gone */
};

/* `bytes`: the most that it may take; too few for a set and a ring: no cache. */
void pieces_init(struct pieces *pieces, size_t bytes);
void pieces_release(struct pieces *pieces);

static inline struct pieces_slot *pieces_set(const struct pieces *pieces, uint64_t hash)
{
    return pieces->slots + (hash & pieces->set_mask) * 2;
}

static inline void pieces_prefetch(const struct pieces *pieces, uint64_t hash)
{
    if (pieces->slots)
        __builtin_prefetch(pieces_set(pieces, hash));
}

/* Appends the ids of a piece that is known; false: it is not. `ids` has room for bytes.len and
 * PIECES_INLINE more. */
bool pieces_get(struct pieces *pieces, const struct piece *piece, struct slice bytes,
                struct ids *ids);

/* Keeps what a piece became. */
void pieces_put(struct pieces *pieces, const struct piece *piece, struct slice bytes,
                const uint32_t *ids, size_t count);

#endif
