/*
 * Block keys: one 64-bit key for every `block` token ids, chained, so that equal keys mean equal
 * prompts up to there. XXH3-64 over a block's ids, seeded by the key before it; the first one is
 * seeded by what separates caches: prefix_seed, model, LoRA adapter, cache_salt, tenant scope.
 *
 * An incomplete last block has no key. One thread.
 */
#ifndef SLUICE_TOKEN_BLOCKS_H
#define SLUICE_TOKEN_BLOCKS_H

#include "gateway/base/slice.h"
#include "gateway/token/ids.h"

#define BLOCK_TOKENS_DEFAULT                                                                       \
    16 /* what most engines' pages hold; larger ones yield several keys                            \
        */
#define BLOCK_TOKENS_MAX 1024

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

#endif
