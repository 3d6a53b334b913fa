/*
 * Builds the tables of merge_core.h, and merges long pieces.
 */
#include "gateway/token/merge.h"

#include <stdlib.h>

#define UNKNOWN UINT32_MAX

/* ---- pair tables ---- */

/* Slots for `count` pairs at a load of at most one half. */
static uint64_t *pairs_init(struct merge_pairs *pairs, size_t count)
{
    uint32_t bits = 4;
    uint64_t *slots;

    while (((size_t)1 << bits) < 2 * count)
        bits++;
    slots = xmalloc(sizeof(*slots) << bits);
    memset(slots, 0xff, sizeof(*slots) << bits);
    *pairs = (struct merge_pairs){ slots, 64 - bits, (1u << bits) - 1 };
    return slots;
}

static void pairs_put(const struct merge_pairs *pairs, uint64_t *slots, uint32_t left,
                      uint32_t right, uint32_t rank)
{
    uint64_t key = merge_key(left, right);
    uint32_t i = merge_slot(pairs, key);

    while (slots[i] != ~(uint64_t)0 && slots[i] >> MERGE_RANK_BITS != key)
        i = (i + 1) & pairs->mask;
    slots[i] = key << MERGE_RANK_BITS | rank;
}

/* ---- joints ---- */

/* By id: the initial symbol that it begins or ends with; UNKNOWN: not found yet. */
struct edges {
    uint32_t *first, *last;
};

static uint32_t edge_of(const struct merge *merge, const uint32_t *edge, uint32_t id)
{
    return merge->made[id] ? edge[id] : id;
}

/* Sets what is not known; false when it is known and otherwise. */
static bool edge_set(uint32_t *edge, uint32_t value, bool *changed)
{
    if (*edge == UNKNOWN && value != UNKNOWN) {
        *edge = value;
        *changed = true;
    }
    return value == UNKNOWN || *edge == value;
}

/* Merges are not always in order of what they need, so this goes on while something is learned. */
static bool find_edges(const struct merge *merge, const struct bpe_merge *merges, size_t count,
                       struct edges *edges)
{
    bool changed = true, same = true;

    while (changed && same) {
        changed = false;
        for (size_t i = 0; i < count && same; i++) {
            const struct bpe_merge *m = &merges[i];

            same =
                edge_set(&edges->first[m->result], edge_of(merge, edges->first, m->left),
                         &changed) &&
                edge_set(&edges->last[m->result], edge_of(merge, edges->last, m->right), &changed);
        }
    }
    return same;
}

/* A merge whose parts have no edges needs itself to come about: it never happens. */
static void find_joints(struct merge *merge, const struct bpe_merge *merges, size_t count)
{
    struct edges edges = { xmalloc(sizeof(uint32_t) * merge->ids),
                           xmalloc(sizeof(uint32_t) * merge->ids) };

    memset(edges.first, 0xff, sizeof(uint32_t) * merge->ids);
    memset(edges.last, 0xff, sizeof(uint32_t) * merge->ids);
    merge->cuts = find_edges(merge, merges, count, &edges);
    merge->joint_slots = pairs_init(&merge->joints, merge->cuts ? count : 0);
    for (size_t i = 0; i < count && merge->cuts; i++) {
        uint32_t left = edge_of(merge, edges.last, merges[i].left);
        uint32_t right = edge_of(merge, edges.first, merges[i].right);

        if (left != UNKNOWN && right != UNKNOWN)
            pairs_put(&merge->joints, merge->joint_slots, left, right, 0);
    }
    free(edges.first);
    free(edges.last);
}

void merge_init(struct merge *merge, const struct bpe_merge *merges, size_t count, uint32_t ids)
{
    CHECK(ids <= BPE_IDS_MAX && count <= BPE_MERGES_MAX);
    *merge = (struct merge){ .ids = ids };
    merge->slots = pairs_init(&merge->table.pairs, count);
    merge->results = xmalloc(sizeof(uint32_t) * (count + 1));
    merge->made = xcalloc(ids + 1, sizeof(bool));
    for (size_t i = 0; i < count; i++) {
        CHECK(merges[i].left < ids && merges[i].right < ids && merges[i].result < ids);
        pairs_put(&merge->table.pairs, merge->slots, merges[i].left, merges[i].right, (uint32_t)i);
        merge->results[i] = merges[i].result;
        merge->made[merges[i].result] = true;
    }
    merge->table.results = merge->results;
    find_joints(merge, merges, count);
}

void merge_release(struct merge *merge)
{
    free(merge->slots);
    free(merge->joint_slots);
    free(merge->results);
    free(merge->made);
}

void merge_note_initial(struct merge *merge, uint32_t id)
{
    if (id < merge->ids && merge->made[id])
        merge->cuts = false;
}

/* ---- long pieces ---- */

/* A symbol and its neighbours; one that was merged into the one before it has no rank. */
struct merge_node {
    uint32_t symbol, rank; /* rank: of the pair with the next one */
    uint32_t before, after;
};

/* By rank, then by place. */
static uint64_t entry_of(uint32_t rank, uint32_t at)
{
    return (uint64_t)rank << 32 | at;
}

static void scratch_fit(struct merge_scratch *scratch, size_t count)
{
    /* a merge takes one entry and gives at most two: never more than one more a symbol */
    merge_queue_fit(&scratch->queue, 2 * count);
    if (scratch->room >= count)
        return;
    free(scratch->nodes);
    scratch->nodes = xmalloc(sizeof(*scratch->nodes) * count);
    scratch->room = count;
}

void merge_scratch_release(struct merge_scratch *scratch)
{
    free(scratch->nodes);
    merge_queue_release(&scratch->queue);
    *scratch = (struct merge_scratch){ 0 };
}

void merge_scratch_trim(struct merge_scratch *scratch)
{
    if (scratch->room > MERGE_KEPT)
        merge_scratch_release(scratch);
}

/* The nodes of the symbols, and all pairs that merge. */
static void nodes_fill(const struct merge *merge, struct merge_scratch *scratch,
                       const uint32_t *symbols, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank = i + 1 < count ? merge_find(&merge->table.pairs, symbols[i], symbols[i + 1])
                                      : MERGE_NONE;

        scratch->nodes[i] = (struct merge_node){ symbols[i], rank, i - 1, i + 1 };
        if (rank != MERGE_NONE)
            merge_queue_fill(&scratch->queue, entry_of(rank, i));
    }
    merge_queue_sort(&scratch->queue);
}

/* Looks up the pair that begins at `at` anew. */
static void node_rank(const struct merge *merge, struct merge_scratch *scratch, uint32_t at,
                      uint32_t count)
{
    struct merge_node *node = &scratch->nodes[at];

    node->rank = MERGE_NONE;
    if (node->after < count)
        node->rank =
            merge_find(&merge->table.pairs, node->symbol, scratch->nodes[node->after].symbol);
    if (node->rank != MERGE_NONE)
        merge_queue_push(&scratch->queue, entry_of(node->rank, at));
}

static size_t merge_long(const struct merge *merge, struct merge_scratch *scratch,
                         uint32_t *symbols, uint32_t count)
{
    struct merge_node *nodes;
    size_t left = 0;
    uint64_t entry;

    scratch_fit(scratch, count);
    nodes = scratch->nodes;
    nodes_fill(merge, scratch, symbols, count);
    while (merge_queue_pop(&scratch->queue, &entry)) {
        uint32_t at = (uint32_t)entry, gone = nodes[at].after;

        if (nodes[at].rank != entry >> 32)
            continue; /* of a pair that is no more */
        nodes[at].symbol = merge->results[entry >> 32];
        nodes[at].after = nodes[gone].after;
        nodes[gone].rank = MERGE_NONE;
        if (nodes[at].after < count)
            nodes[nodes[at].after].before = at;
        node_rank(merge, scratch, at, count);
        if (at > 0)
            node_rank(merge, scratch, nodes[at].before, count);
    }
    for (uint32_t i = 0; i < count; i = nodes[i].after)
        symbols[left++] = nodes[i].symbol;
    return left;
}

/* How many symbols stand before the first place that no merge crosses. */
static size_t uncut(const struct merge *merge, const uint32_t *symbols, size_t count)
{
    size_t n = 1;

    while (n < count && !merge_parts(merge, symbols[n - 1], symbols[n]))
        n++;
    return n;
}

size_t merge_run(const struct merge *merge, struct merge_scratch *scratch, uint32_t *symbols,
                 size_t count)
{
    uint32_t ranks[MERGE_SHORT];
    size_t left = 0, n;

    if (count <= MERGE_SHORT)
        return count > 1 ? merge_short(&merge->table, symbols, ranks, (uint32_t)count) : count;
    for (size_t at = 0; at < count; at += n) {
        uint32_t *part = symbols + at;
        size_t some;

        n = uncut(merge, part, count - at);
        some = n <= MERGE_SHORT ? merge_short(&merge->table, part, ranks, (uint32_t)n)
                                : merge_long(merge, scratch, part, (uint32_t)n);
        memmove(symbols + left, part, some * sizeof(*part));
        left += some;
    }
    return left;
}
