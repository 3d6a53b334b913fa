/*
 * The engine's KV cache: a pool of blocks, each holding the keys and values of `block_size` tokens,
 * and what vLLM does with it.
 *
 *     free, without key --take--> held --commit--> held, with key --drop--> free, with key
 *           ^                                          ^                         |  |
 *           |                                          +------take (found)-------+  |
 *           +---------------------- oldest, when a block is needed (removed) -------+
 *
 * A block with a key can be found by whoever has the same tokens before and in it. Free blocks wait
 * in a list, oldest first; a hold gives its blocks back tail first, so that the root of a
 * conversation survives longest. Nobody knows tokens here but to hash them. One thread.
 */
#ifndef SLUICE_ENGINE_CACHE_H
#define SLUICE_ENGINE_CACHE_H

#include "gateway/base/list.h"
#include "gateway/base/slice.h"

/* Told of every block that becomes or ceases to be findable, in that order (KV events are made from
 * it). */
struct cache_listener {
    void (*stored)(struct cache_listener *listener, uint64_t parent, uint64_t key,
                   const uint32_t *tokens);
    void (*removed)(struct cache_listener *listener, uint64_t key);
    void (*cleared)(struct cache_listener *listener);
};

struct cache_block {
    struct list link; /* in the free list while nobody holds it */
    uint64_t key;     /* 0: cannot be found */
    uint32_t holders;
    uint32_t next; /* of the same bucket: index + 1 */
};

struct cache {
    struct cache_block *blocks;
    uint32_t count;
    uint32_t block_size; /* tokens */
    struct list free;    /* oldest first */
    uint32_t free_count;
    uint32_t keyed_count; /* blocks with a key, held or free */
    uint32_t *buckets;    /* index + 1 of a bucket's first block */
    uint32_t bucket_mask;
    struct cache_listener *listener; /* borrows; NULL: nobody listens */
};

/* The blocks of one sequence, in the order of its tokens. */
struct cache_hold {
    uint32_t *blocks;
    uint32_t count, size;
};

void cache_init(struct cache *cache, uint32_t blocks, uint32_t block_size);
void cache_release(struct cache *cache); /* no hold may be left */

/* The root of a chain: sequences with different salts (adapter, tenant) share nothing. */
uint64_t cache_root(struct slice salt);
/* The key of the block of `block_size` tokens that follows `parent`. Never 0. */
uint64_t cache_key(const struct cache *cache, uint64_t parent, const uint32_t *tokens);

/* How many of the leading keys can be found now. */
uint32_t cache_match(const struct cache *cache, const uint64_t *keys, uint32_t count);

void cache_hold_init(struct cache_hold *hold);
/*
 * Fills an empty hold with the blocks of the first `found` keys, which must be there, and `fresh`
 * blocks without a key. False, and nothing changed, when there are not enough free ones.
 */
bool cache_hold_take(struct cache *cache, struct cache_hold *hold, const uint64_t *keys,
                     uint32_t found, uint32_t fresh) MUST_USE;
/* Adds fresh blocks; likewise. */
bool cache_hold_grow(struct cache *cache, struct cache_hold *hold, uint32_t fresh) MUST_USE;
/* The block at `index` is computed: it can be found from now on, unless another block with the same
 * key is there. */
void cache_hold_commit(struct cache *cache, const struct cache_hold *hold, uint32_t index,
                       uint64_t parent, uint64_t key, const uint32_t *tokens);
/* Gives all blocks back, tail first; the hold is empty afterwards. */
void cache_hold_drop(struct cache *cache, struct cache_hold *hold);

/* Forgets all keys, held blocks' too. */
void cache_clear(struct cache *cache);

#endif
