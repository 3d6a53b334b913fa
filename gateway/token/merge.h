/*
 * The merges of a byte-pair vocabulary, and merging of pieces of any length by them: strictly the
 * lowest rank first, the leftmost of those.
 *
 * Built once, immutable, shared by threads; the scratch memory belongs to one thread. Short pieces
 * are merged by merge_core.h, long ones with a queue: n log n.
 */
#ifndef SLUICE_TOKEN_MERGE_H
#define SLUICE_TOKEN_MERGE_H

#include "gateway/token/bpe.h"
#include "gateway/token/merge_core.h"
#include "gateway/token/merge_queue.h"

struct merge {
    struct merge_table table;
    struct merge_pairs joints; /* initial symbols that stand side by side in some result */
    bool cuts;                 /* joints is right: long pieces are cut where it has no pair */
    uint64_t *slots, *joint_slots;
    uint32_t *results;
    bool *made; /* by id: some merge gives it */
    uint32_t ids;
};

/* Memory for long pieces: 32 bytes a symbol of the piece at hand; MERGE_KEPT symbols' worth stays.
 */
#define MERGE_KEPT (1u << 16)

struct merge_scratch {
    struct merge_node *nodes;
    struct merge_queue queue;
    size_t room;
};

/* `ids`: one more than the largest id. Of equal pairs the last one counts, as in the reference. */
void merge_init(struct merge *merge, const struct bpe_merge *merges, size_t count, uint32_t ids);
void merge_release(struct merge *merge);

/* Symbols that pieces begin as must not be results as well for pieces to be cut: `id` is one. */
void merge_note_initial(struct merge *merge, uint32_t id);

/* Whether two neighbours can never come to stand in one symbol, whatever stands around them. */
static inline bool merge_parts(const struct merge *merge, uint32_t left, uint32_t right)
{
    return merge->cuts && merge_find(&merge->joints, left, right) == MERGE_NONE;
}

void merge_scratch_release(struct merge_scratch *scratch);
/* Gives back what an unusually long piece took. */
void merge_scratch_trim(struct merge_scratch *scratch);

/* Merges `count` symbols in place; returns how many are left. */
size_t merge_run(const struct merge *merge, struct merge_scratch *scratch, uint32_t *symbols,
                 size_t count);

#endif
