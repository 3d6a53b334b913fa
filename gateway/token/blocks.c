/*
 * Block keys by XXH3 as libxxhash's header has it, inlined: a block is 64 bytes most of the time,
 * and a call would cost as much as the hash.
 */
#include "gateway/token/blocks.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

/* Ids are hashed as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "keys are those of little-endian ids");

uint64_t blocks_hash_bytes(uint64_t parent, struct slice bytes)
{
    return XXH3_64bits_withSeed(bytes.at ? bytes.at : "", bytes.len, parent);
}

/* A hash a field, each seeded by the one before it: where a field ends enters the result. */
uint64_t blocks_seed(const struct blocks_scope *scope)
{
    const struct slice fields[] = { scope->model, scope->lora, scope->cache_salt, scope->tenant };
    uint64_t seed = scope->prefix_seed;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        seed = blocks_hash_bytes(seed, fields[i]);
    return seed;
}

size_t blocks_hash(uint64_t parent, const uint32_t *ids, size_t count, uint32_t block,
                   uint64_t *ret_keys)
{
    size_t whole = count / block;

    for (size_t i = 0; i < whole; i++)
        ret_keys[i] = parent = XXH3_64bits_withSeed(ids + i * block, block * sizeof(*ids), parent);
    return whole;
}

static void make_room(struct blocks *blocks, size_t more)
{
    size_t need = blocks->count + more;

    if (need <= blocks->room)
        return;
    blocks->room = need > 2 * blocks->room ? need : 2 * blocks->room;
    blocks->at = xrealloc(blocks->at, blocks->room * sizeof(*blocks->at));
}

uint64_t blocks_last(const struct blocks *blocks)
{
    return blocks->count > 0 ? blocks->at[blocks->count - 1] : blocks->parent;
}

void blocks_append(struct blocks *blocks, const uint64_t *keys, size_t count)
{
    if (count == 0)
        return;
    make_room(blocks, count);
    memcpy(blocks->at + blocks->count, keys, count * sizeof(*keys));
    blocks->count += count;
}

void blocks_add(struct blocks *blocks, uint64_t key)
{
    blocks_append(blocks, &key, 1);
}

void blocks_follow(struct blocks *blocks, const struct ids *ids)
{
    size_t from = blocks->count * blocks->block;

    if (ids->count < from + blocks->block)
        return;
    make_room(blocks, (ids->count - from) / blocks->block);
    blocks->count += blocks_hash(blocks_last(blocks), ids->at + from, ids->count - from,
                                 blocks->block, blocks->at + blocks->count);
}

void blocks_release(struct blocks *blocks)
{
    free(blocks->at);
    blocks->at = NULL;
    blocks->count = blocks->room = 0;
}
