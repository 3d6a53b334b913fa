/*
 * Blocks with their size in front, since nghttp2 gives them back without it.
 */
#include "gateway/codec/h2_memory.h"

#include "gateway/base/slab.h"
#include "gateway/base/spare.h"

#include <stdint.h>
#include <string.h>

struct block {
    _Alignas(16) size_t size; /* this header included */
    char bytes[];
};

static struct block *block_of(void *bytes)
{
    return (struct block *)((char *)bytes - offsetof(struct block, bytes));
}

static void *mem_alloc(size_t size, void *user)
{
    struct block *block;

    (void)user;
    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    size += sizeof(*block);
    block = size <= SPARE_MOST ? spare_alloc(size) : slab_alloc(size);
    if (!block)
        return NULL;
    block->size = size;
    return block->bytes;
}

static void mem_free(void *bytes, void *user)
{
    struct block *block = bytes ? block_of(bytes) : NULL;

    (void)user;
    if (!block)
        return;
    if (block->size <= SPARE_MOST)
        spare_free(block, block->size);
    else
        slab_free(block);
}

static void *mem_zalloc(size_t count, size_t size, void *user)
{
    void *bytes;

    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    bytes = mem_alloc(count * size, user);
    return bytes ? memset(bytes, 0, count * size) : NULL;
}

static void *mem_realloc(void *bytes, size_t size, void *user)
{
    void *grown = mem_alloc(size, user);
    size_t had;

    if (!bytes || !grown)
        return grown;
    had = block_of(bytes)->size - sizeof(struct block);
    memcpy(grown, bytes, had < size ? had : size);
    mem_free(bytes, user);
    return grown;
}

nghttp2_mem h2_memory = { NULL, mem_alloc, mem_free, mem_zalloc, mem_realloc };
