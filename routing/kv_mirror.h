/*
 * An engine's cache as its events tell it, and what of it the prefix index is told.
 *
 * The engine names its pages by hashes of its own; we name blocks by keys of ours
 * (gateway/token/blocks.h), computed from the tokens in the events, so any engine, hash and page
 * size will do. A page of several blocks has several keys. A block of several pages has its key
 * while all of them are there, on the slowest of their tiers. A page whose parent is not known, or
 * that is more than tokens, has no key, nor has what follows it; it is counted all the same, so
 * that its removal is, and gets its key if it is stored again where its parent is known.
 *
 * A page may be there in several copies, each stored and removed by an event of its own: one more
 * or less by tier and rank; pages may share blocks (kv_column.h). Of several groups of layers the
 * first one heard of counts.
 *
 * An engine finds whole pages only: whoever asks the index what it will find rounds down to them.
 *
 * One thread, the index's. Work is bounded by what is sent: a publisher whose pages hang together
 * so that each event moves ever more of them is distrusted, and what it said is forgotten.
 */
#ifndef SLUICE_ROUTING_KV_MIRROR_H
#define SLUICE_ROUTING_KV_MIRROR_H

#include "gateway/token/blocks.h"
#include "routing/kv_column.h"
#include "routing/kv_decode.h"

#define KV_RANKS_MAX 16 /* of one publisher; engines have one a publisher */

struct kv_mirror_stats {
    uint64_t stored, removed; /* pages, copies counted */
    uint64_t orphans;         /* stored without a known parent */
    uint64_t foreign;         /* stored with more in them than tokens */
    uint64_t refused;         /* no room: too many pages, keys or ranks */
    uint64_t clears;          /* all was forgotten, whatever the reason */
};

struct kv_mirror {
    struct kv_column *column; /* the endpoint's; borrowed, shared with those of its other ranks */
    uint32_t block;           /* tokens of ours */
    uint64_t prefix_seed;
    struct slice cache; /* of the keys' scope (cache_scope.h); borrowed */
    struct kv_pages pages;
    uint32_t page_tokens; /* of the last page stored; 0: none was */
    bool has_group;
    uint32_t group;
    uint32_t ranks[KV_RANKS_MAX];
    size_t rank_count;
    int64_t visits; /* pages that may still be looked at on others' account, in this batch */
    uint64_t *keys; /* scratch */
    size_t key_room;
    struct kv_mirror_stats stats;
};

/* `column` and `cache` must outlive the mirror. */
void kv_mirror_init(struct kv_mirror *mirror, struct kv_column *column, uint32_t block,
                    uint64_t prefix_seed, struct slice cache);
/* What it claimed stays in the column, which is to be released as well. */
void kv_mirror_release(struct kv_mirror *mirror);

/* Before the events of a batch. */
void kv_mirror_begin(struct kv_mirror *mirror);
void kv_mirror_apply(struct kv_mirror *mirror, const struct kv_event *event);
/* The engine restarted, or what it holds is not known any more. */
void kv_mirror_clear(struct kv_mirror *mirror);

#endif
