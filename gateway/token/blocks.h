/*
 * Block keys: one 64-bit key for every `block` token ids, chained, so that equal keys mean equal
 * prompts up to there. XXH3-64 (Y. Collet) over a block's ids as little-endian 32-bit numbers,
 * seeded by the key before it; the first one is seeded by what separates caches: prefix_seed,
 * model, LoRA adapter, cache_salt, tenant scope.
 *
 * An incomplete last block has no key. One thread.
 */
#ifndef SLUICE_TOKEN_BLOCKS_H
#define SLUICE_TOKEN_BLOCKS_H

#include "gateway/base/slice.h"
#include "gateway/token/ids.h"

/* What most engines' pages hold; larger pages yield several keys each. */
#define BLOCK_TOKENS_DEFAULT 16
#define BLOCK_TOKENS_MAX     1024

/* What two prompts must share, beside their tokens, to share cache. Borrowed by blocks_seed. */
struct blocks_scope {
    uint64_t prefix_seed;
    struct slice model, lora, cache_salt, tenant;
};

/* The parent of the first block. Fields are told apart: ("a","b") and ("ab","") differ. */
uint64_t blocks_seed(const struct blocks_scope *scope);

/* Keys of the whole blocks of `ids` from `parent` on, into ret_keys (room for count / block).
 * Returns how many. */
size_t blocks_hash(uint64_t parent, const uint32_t *ids, size_t count, uint32_t block,
                   uint64_t *ret_keys);

/* One key over bytes instead of ids, for prompts whose tokens are not known. */
uint64_t blocks_hash_bytes(uint64_t parent, struct slice bytes);

/*
 * Keys that grow with a prompt: follow it while its newest ids are still in the processor's cache.
 * Ours: `at`. Zeroed but for `parent` and `block` is a beginning.
 */
struct blocks {
    uint64_t parent; /* of the first block: blocks_seed */
    uint32_t block;  /* ids a key, 1..BLOCK_TOKENS_MAX */
    uint64_t *at;
    size_t count, room;
};

/* Adds the keys of the blocks that have become whole: `ids` are all of the prompt so far. */
void blocks_follow(struct blocks *blocks, const struct ids *ids);
/* Keys that are known of the blocks that come next. */
void blocks_append(struct blocks *blocks, const uint64_t *keys, size_t count);
/* One key more, whatever it stands for. */
void blocks_add(struct blocks *blocks, uint64_t key);
/* What the next block is seeded with. */
uint64_t blocks_last(const struct blocks *blocks);
void blocks_release(struct blocks *blocks);

#endif
