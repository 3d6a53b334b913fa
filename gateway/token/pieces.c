/*
 * The cache of pieces.
 */
#include "gateway/token/pieces.h"

#include <stdlib.h>

#define LINE 64

static bool is_long(const struct piece *piece)
{
    return piece->high >> 56 > PIECE_SHORT;
}

void pieces_init(struct pieces *pieces, size_t bytes)
{
    size_t sets = 1, set_bytes = 2 * sizeof(struct pieces_slot);

    while (sets * 2 * set_bytes <= bytes - bytes / 4)
        sets *= 2;
    *pieces = (struct pieces){ .set_mask = sets - 1 };
    pieces->slots = aligned_alloc(LINE, sets * set_bytes);
    CHECK(pieces->slots);
    memset(pieces->slots, 0, sets * set_bytes);
    if (bytes < 2 * (set_bytes + PIECES_LONG))
        return;
    pieces->ring_bytes = bytes - sets * set_bytes;
    pieces->ring = xmalloc(pieces->ring_bytes);
}

void pieces_release(struct pieces *pieces)
{
    free(pieces->slots);
    free(pieces->ring);
}

/* What a slot has in the ring: its ids, then its bytes. NULL: overwritten since. */
static const char *ring_at(const struct pieces *pieces, const struct pieces_slot *slot)
{
    uint64_t at = (uint64_t)slot->at[1] << 32 | slot->at[0];

    return pieces->head <= at + pieces->ring_bytes ? pieces->ring + at % pieces->ring_bytes : NULL;
}

/* `ids` may be NULL where there are none. */
static void copy_ids(void *to, const uint32_t *ids, size_t count)
{
    if (count > 0)
        memcpy(to, ids, count * sizeof(*ids));
}

/* Room for a record, which never wraps around; its place counted from the ring's first byte ever.
 */
static uint64_t ring_take(struct pieces *pieces, size_t bytes)
{
    uint64_t at = pieces->head, left = pieces->ring_bytes - at % pieces->ring_bytes;

    if (left < bytes)
        at += left;
    pieces->head = at + bytes;
    return at;
}

bool pieces_get_ring(const struct pieces *pieces, const struct pieces_slot *slot,
                     const struct piece *piece, struct slice bytes, struct ids *ids)
{
    const char *record = ring_at(pieces, slot);
    size_t id_bytes = (slot->count & ~PIECES_IN_RING) * sizeof(uint32_t);

    if (!record || (is_long(piece) && memcmp(record + id_bytes, bytes.at, bytes.len) != 0))
        return false;
    memcpy(ids->at + ids->count, record, id_bytes);
    ids->count += id_bytes / sizeof(uint32_t);
    return true;
}

void pieces_put(struct pieces *pieces, const struct piece *piece, struct slice bytes,
                const uint32_t *ids, size_t count)
{
    size_t kept = is_long(piece) ? bytes.len : 0, id_bytes = count * sizeof(*ids);
    struct pieces_slot *set, slot = { .low = piece->low, .high = piece->high };

    if (bytes.len > PIECES_LONG || id_bytes + kept > pieces->ring_bytes / 4)
        return;
    slot.count = (uint32_t)count;
    if (count <= PIECES_INLINE && !kept) {
        copy_ids(slot.ids, ids, count);
    } else {
        uint64_t at = ring_take(pieces, (id_bytes + kept + 3) & ~(size_t)3);
        char *record = pieces->ring + at % pieces->ring_bytes;

        copy_ids(record, ids, count);
        memcpy(record + id_bytes, bytes.at, kept);
        slot.at[0] = (uint32_t)at;
        slot.at[1] = (uint32_t)(at >> 32);
        slot.count |= PIECES_IN_RING;
    }
    set = pieces_set(pieces, piece->hash);
    set[1] = set[0];
    set[0] = slot;
}
