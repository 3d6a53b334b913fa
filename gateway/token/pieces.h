/*
 * The cache of pieces met before and what they became, within a fixed number of bytes.
 *
 * One thread. Sets of two slots, a cache line each: what comes in takes the first place, what was
 * there the second. Ids that do not fit a slot, and the bytes of long pieces, lie in a ring that
 * forgets the oldest.
 */
#ifndef SLUICE_TOKEN_PIECES_H
#define SLUICE_TOKEN_PIECES_H

#include "gateway/token/ids.h"
#include "gateway/token/piece.h"

#define PIECES_INLINE  3   /* ids that a slot has room for */
#define PIECES_LONG    256 /* bytes of the longest piece that is kept */
#define PIECES_IN_RING (1u << 31)

struct pieces_slot {
    uint64_t low, high; /* struct piece's; 0, 0: empty, since no piece is */
    union {
        uint32_t ids[PIECES_INLINE];
        uint32_t at[2]; /* the low and high half of where in the ring the rest is */
    };
    uint32_t count; /* of ids; with PIECES_IN_RING where they lie there */
};

struct pieces {
    struct pieces_slot *slots; /* aligned to a cache line; no cache: a set that stays empty */
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
    __builtin_prefetch(pieces_set(pieces, hash));
}

/* The same for what lies in the ring. */
bool pieces_get_ring(const struct pieces *pieces, const struct pieces_slot *slot,
                     const struct piece *piece, struct slice bytes, struct ids *ids);

/* Appends the ids of a piece that is known; false: it is not. `ids` has room for bytes.len and
 * PIECES_INLINE more. */
static inline bool pieces_get(const struct pieces *pieces, const struct piece *piece,
                              struct slice bytes, struct ids *ids)
{
    const struct pieces_slot *slot = pieces_set(pieces, piece->hash);

    /* without a branch: which of the two it is cannot be predicted */
    slot += (slot[1].low == piece->low) & (slot[1].high == piece->high);
    if (UNLIKELY(slot->low != piece->low || slot->high != piece->high))
        return false;
    if (UNLIKELY(slot->count & PIECES_IN_RING))
        return pieces_get_ring(pieces, slot, piece, bytes, ids);
    memcpy(ids->at + ids->count, slot->ids, sizeof(slot->ids));
    ids->count += slot->count;
    return true;
}

/* Keeps what a piece became; no ids at all is possible, and `ids` NULL then. */
void pieces_put(struct pieces *pieces, const struct piece *piece, struct slice bytes,
                const uint32_t *ids, size_t count);

#endif
