/*
 * Implementation of the engine's KV cache. Blocks are named by their index in one array; the table
 * of keys chains them through `next`, the free list through `link`, so that nothing is allocated
 * after the start.
 */
#include "tests/engine/cache.h"

#include <stdlib.h>

#define FNV_OFFSET 14695981039346656037ull
#define FNV_PRIME  1099511628211ull

void cache_init(struct cache *cache, uint32_t blocks, uint32_t block_size)
{
    uint32_t buckets = 1;

    CHECK(blocks > 0 && block_size > 0);
    while (buckets < blocks)
        buckets *= 2;
    *cache =
        (struct cache){ .count = blocks, .block_size = block_size, .bucket_mask = buckets - 1 };
    cache->blocks = xcalloc(blocks, sizeof(*cache->blocks));
    cache->buckets = xcalloc(buckets, sizeof(*cache->buckets));
    list_init(&cache->free);
    for (uint32_t i = 0; i < blocks; i++)
        list_push(&cache->free, &cache->blocks[i].link);
    cache->free_count = blocks;
}

void cache_release(struct cache *cache)
{
    CHECK(cache->free_count == cache->count);
    free(cache->blocks);
    free(cache->buckets);
    *cache = (struct cache){ 0 };
}

/* Finalizer: FNV's low bits alone would fill buckets badly. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15ull;
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

uint64_t cache_root(struct slice salt)
{
    uint64_t h = FNV_OFFSET;

    for (size_t i = 0; i < salt.len; i++)
        h = (h ^ (uint8_t)salt.at[i]) * FNV_PRIME;
    return mix(h);
}

uint64_t cache_key(const struct cache *cache, uint64_t parent, const uint32_t *tokens)
{
    uint64_t h = parent;

    for (uint32_t i = 0; i < cache->block_size; i++)
        h = (h ^ tokens[i]) * FNV_PRIME;
    return mix(h);
}

/* The block with this key, or NULL. */
static struct cache_block *find(const struct cache *cache, uint64_t key)
{
    uint32_t at = cache->buckets[key & cache->bucket_mask];

    while (at != 0 && cache->blocks[at - 1].key != key)
        at = cache->blocks[at - 1].next;
    return at != 0 ? &cache->blocks[at - 1] : NULL;
}

static void add_key(struct cache *cache, struct cache_block *block, uint64_t key)
{
    uint32_t *bucket = &cache->buckets[key & cache->bucket_mask];

    block->key = key;
    block->next = *bucket;
    *bucket = (uint32_t)(block - cache->blocks) + 1;
    cache->keyed_count++;
}

static void remove_key(struct cache *cache, struct cache_block *block)
{
    uint32_t *at = &cache->buckets[block->key & cache->bucket_mask];

    while (&cache->blocks[*at - 1] != block)
        at = &cache->blocks[*at - 1].next;
    *at = block->next;
    if (cache->listener)
        cache->listener->removed(cache->listener, block->key);
    block->key = 0;
    cache->keyed_count--;
}

uint32_t cache_match(const struct cache *cache, const uint64_t *keys, uint32_t count)
{
    uint32_t n = 0;

    while (n < count && find(cache, keys[n]))
        n++;
    return n;
}

void cache_hold_init(struct cache_hold *hold)
{
    *hold = (struct cache_hold){ 0 };
}

static void hold_add(struct cache *cache, struct cache_hold *hold, struct cache_block *block)
{
    if (hold->count == hold->size) {
        hold->size = hold->size ? 2 * hold->size : 8;
        hold->blocks = xrealloc(hold->blocks, hold->size * sizeof(*hold->blocks));
    }
    hold->blocks[hold->count++] = (uint32_t)(block - cache->blocks);
    if (block->holders++ == 0) {
        list_remove(&block->link);
        cache->free_count--;
    }
}

bool cache_hold_grow(struct cache *cache, struct cache_hold *hold, uint32_t fresh)
{
    if (fresh > cache->free_count)
        return false;
    while (fresh-- > 0) {
        struct cache_block *oldest = CONTAINER_OF(cache->free.next, struct cache_block, link);

        if (oldest->key != 0)
            remove_key(cache, oldest);
        hold_add(cache, hold, oldest);
    }
    return true;
}

bool cache_hold_take(struct cache *cache, struct cache_hold *hold, const uint64_t *keys,
                     uint32_t found, uint32_t fresh)
{
    uint32_t found_free = 0; /* of those found, how many leave the free list */

    CHECK(hold->count == 0);
    for (uint32_t i = 0; i < found; i++)
        found_free += find(cache, keys[i])->holders == 0;
    if (found_free + fresh > cache->free_count)
        return false;
    for (uint32_t i = 0; i < found; i++)
        hold_add(cache, hold, find(cache, keys[i]));
    return cache_hold_grow(cache, hold, fresh);
}

void cache_hold_commit(struct cache *cache, const struct cache_hold *hold, uint32_t index,
                       uint64_t parent, uint64_t key, const uint32_t *tokens)
{
    struct cache_block *block = &cache->blocks[hold->blocks[index]];

    if (block->key != 0 || find(cache, key))
        return;
    add_key(cache, block, key);
    if (cache->listener)
        cache->listener->stored(cache->listener, parent, key, tokens);
}

void cache_hold_drop(struct cache *cache, struct cache_hold *hold)
{
    while (hold->count > 0) {
        struct cache_block *block = &cache->blocks[hold->blocks[--hold->count]];

        if (--block->holders > 0)
            continue;
        /* Nobody can find it again: the next one to be used. */
        if (block->key == 0)
            list_push_front(&cache->free, &block->link);
        else
            list_push(&cache->free, &block->link);
        cache->free_count++;
    }
    free(hold->blocks);
    cache_hold_init(hold);
}

void cache_clear(struct cache *cache)
{
    struct cache_listener *listener = cache->listener;

    cache->listener = NULL; /* one event for all */
    for (uint32_t i = 0; i < cache->count; i++)
        if (cache->blocks[i].key != 0)
            remove_key(cache, &cache->blocks[i]);
    cache->listener = listener;
    if (listener)
        listener->cleared(listener);
}
