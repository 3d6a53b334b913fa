/*
 * The model of a silent engine's cache. See cache_model.h.
 */
#include "routing/cache_model.h"

#define MISMATCH     0.8  /* found by expected: less is a mismatch (routing.md, 6.2) */
#define SHRINK       0.95 /* a prompt that misses; fifteen of them halve it */
#define RETURN_SHARE 256  /* of what was taken comes back with each prompt that does not */
#define ROOM_SHARE   8    /* of the capacity is left at least: an empty model learns nothing */
#define TRUST_SHARE  16   /* of the latest prompt in the running ratio */

void cache_model_init(struct cache_model *model, struct prefix_index *index, uint32_t capacity)
{
    *model = (struct cache_model){ .index = index, .trust = 1 };
    model->column = prefix_index_column_new(index);
    /* Whoever uses a block uses those before it, later: they go later. */
    prefix_index_column_gapless(index, model->column, true);
    kv_pages_init(&model->blocks, &model->taken);
    cache_model_resize(model, capacity);
}

void cache_model_release(struct cache_model *model)
{
    prefix_index_column_retire(model->index, model->column);
    kv_pages_release(&model->blocks);
}

/* Neighbours of a block by age: the older one above, the newer one below. */
static uint32_t older(const struct kv_page *block)
{
    return (uint32_t)(block->key >> 32);
}

static uint32_t newer(const struct kv_page *block)
{
    return (uint32_t)block->key;
}

static void link_blocks(struct cache_model *model, uint32_t old, uint32_t new)
{
    struct kv_page *block;

    if (old) {
        block = kv_pages_at(&model->blocks, old);
        block->key = (uint64_t)older(block) << 32 | new;
    } else {
        model->oldest = new;
    }
    if (new) {
        block = kv_pages_at(&model->blocks, new);
        block->key = (uint64_t)old << 32 | newer(block);
    } else {
        model->newest = old;
    }
}

static void unlink_block(struct cache_model *model, const struct kv_page *block)
{
    link_blocks(model, older(block), newer(block));
}

static void make_newest(struct cache_model *model, uint32_t number)
{
    kv_pages_at(&model->blocks, number)->key = 0;
    link_blocks(model, model->newest, number);
    model->newest = number;
}

/* Nobody's neighbour. 0: there is no room for it. */
static uint32_t take_out(struct cache_model *model, uint64_t key)
{
    uint32_t number = kv_pages_look(&model->blocks, key);

    if (!number)
        return kv_pages_put(&model->blocks, key);
    unlink_block(model, kv_pages_at(&model->blocks, number));
    return number;
}

static void fetch(const struct cache_model *model, uint64_t key)
{
    kv_pages_fetch(&model->blocks, key);
    prefix_index_fetch(model->index, key);
}

static void fetch_oldest(const struct cache_model *model)
{
    uint32_t number = model->oldest;

    for (int i = 0; i < PREFIX_FETCH && number; i++) {
        const struct kv_page *block = kv_pages_at(&model->blocks, number);

        fetch(model, block->hash);
        number = newer(block);
    }
}

static void evict_oldest(struct cache_model *model)
{
    struct kv_page *block = kv_pages_at(&model->blocks, model->oldest);

    prefix_index_remove(model->index, block->hash, model->column, PREFIX_TIER_GPU);
    unlink_block(model, block);
    kv_pages_remove(&model->blocks, block);
}

static void evict(struct cache_model *model)
{
    for (uint32_t i = 0; model->blocks.count > model->room; i++) {
        if (i % PREFIX_FETCH == 0)
            fetch_oldest(model);
        evict_oldest(model);
    }
}

static void use(struct cache_model *model, uint64_t key)
{
    uint32_t number = take_out(model, key);

    if (!number) {
        prefix_index_column_gapless(model->index, model->column, false);
        return;
    }
    make_newest(model, number);
    prefix_index_store(model->index, key, model->column, PREFIX_TIER_GPU);
}

/* From the tail on, so that the beginning is the newest. */
void cache_model_use(struct cache_model *model, const uint64_t *keys, size_t count)
{
    while (count > 0) {
        size_t few = count < PREFIX_FETCH ? count : PREFIX_FETCH;

        count -= few;
        for (size_t i = 0; i < few; i++)
            fetch(model, keys[count + i]);
        while (few-- > 0)
            use(model, keys[count + few]);
    }
    evict(model);
}

void cache_model_learn(struct cache_model *model, uint32_t expected, uint32_t found)
{
    double ratio;
    uint32_t least = model->capacity / ROOM_SHARE + 1;

    if (expected == 0)
        return;
    ratio = found < expected ? (double)found / expected : 1;
    model->trust += (ratio - model->trust) / TRUST_SHARE;
    if (ratio < MISMATCH)
        model->room = (uint32_t)(model->room * SHRINK);
    else
        model->room += (model->capacity - model->room + RETURN_SHARE - 1) / RETURN_SHARE;
    if (model->room < least)
        model->room = least < model->capacity ? least : model->capacity;
    evict(model);
}

void cache_model_resize(struct cache_model *model, uint32_t capacity)
{
    model->capacity = model->room = capacity ? capacity : 1;
    evict(model);
}
