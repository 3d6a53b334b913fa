/*
 * Byte-pair merging of short pieces: while there is a pair of neighbours that merges, the one of
 * lowest rank does, the leftmost of those.
 *
 * Core (core.h): also device code. Tables are built on the host (merge.h).
 */
#ifndef SLUICE_TOKEN_MERGE_CORE_H
#define SLUICE_TOKEN_MERGE_CORE_H

#include "gateway/token/core.h"

/* What a slot of the pair table has room for. */
#define MERGE_ID_BITS   21
#define MERGE_RANK_BITS 22
#define MERGE_NONE      ((1u << MERGE_RANK_BITS) - 1) /* no rank: does not merge */

/* Pieces of up to so many symbols are merged by looking at all pairs for each merge. */
#define MERGE_SHORT 32

/* Pairs of symbols to ranks: open addressing; a slot is left, right and rank, all ones when empty.
 */
struct merge_pairs {
    const uint64_t *slots;
    uint32_t shift; /* 64 less the bits of a slot's number */
    uint32_t mask;
};

struct merge_table {
    struct merge_pairs pairs;
    const uint32_t *results; /* by rank: the symbol that the merge gives */
};

CORE_FUNCTION uint64_t merge_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << MERGE_ID_BITS | right;
}

/* Where to begin looking for a pair (Knuth's multiplicative hash by the golden ratio). */
CORE_FUNCTION uint32_t merge_slot(const struct merge_pairs *pairs, uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> pairs->shift);
}

/* The rank of a pair, or MERGE_NONE. */
CORE_FUNCTION uint32_t merge_find(const struct merge_pairs *pairs, uint32_t left, uint32_t right)
{
    uint64_t key = merge_key(left, right), slot;

    for (uint32_t i = merge_slot(pairs, key);; i = (i + 1) & pairs->mask) {
        slot = pairs->slots[i];
        if (slot >> MERGE_RANK_BITS == key)
            return (uint32_t)slot & MERGE_NONE;
        if (slot == ~(uint64_t)0)
            return MERGE_NONE;
    }
}

/* The place of the lowest rank, the leftmost of those. */
CORE_FUNCTION uint32_t merge_lowest(const uint32_t *ranks, uint32_t count)
{
    uint32_t lowest = 0;

    for (uint32_t i = 1; i < count; i++)
        lowest = ranks[i] < ranks[lowest] ? i : lowest;
    return lowest;
}

/*
 * Merges `count` symbols in place, at least 1 and at most MERGE_SHORT; `ranks` is room for as many.
 * Returns how many are left.
 */
CORE_FUNCTION uint32_t merge_short(const struct merge_table *table, uint32_t *symbols,
                                   uint32_t *ranks, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++)
        ranks[i] = merge_find(&table->pairs, symbols[i], symbols[i + 1]);
    ranks[count - 1] = MERGE_NONE;
    for (;;) {
        uint32_t at = merge_lowest(ranks, count);

        if (ranks[at] == MERGE_NONE)
            return count;
        symbols[at] = table->results[ranks[at]];
        count--;
        for (uint32_t i = at + 1; i < count; i++) {
            symbols[i] = symbols[i + 1];
            ranks[i] = ranks[i + 1];
        }
        ranks[at] =
            at + 1 < count ? merge_find(&table->pairs, symbols[at], symbols[at + 1]) : MERGE_NONE;
        if (at > 0)
            ranks[at - 1] = merge_find(&table->pairs, symbols[at - 1], symbols[at]);
    }
}

#endif
