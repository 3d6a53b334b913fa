/*
 * Arenas: a list of blocks, the first of which is cut from the front.
 */
#include "gateway/base/arena.h"

#include "gateway/base/held.h"
#include "gateway/base/spare.h"

#include <stdarg.h>
#include <stdio.h>

/*
 * The first block serves a usual exchange over HTTP/1.1: head, routing notes and the answer's head
 * came to 2.9 KB for a streamed chat; over HTTP/2 the stream itself lies there too and one more
 * block is needed. Not more, because thousands of streams hold them.
 */
#define ARENA_FIRST_BYTES 2960
#define ARENA_BLOCK_BYTES 1008

struct arena_block {
    struct arena_block *next;
    size_t size;
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){ .limit_bytes = limit_bytes };
}

void arena_init_held(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){ .limit_bytes = limit_bytes, .held = true };
}

void arena_release(struct arena *arena)
{
    struct arena_block *block = arena->blocks;

    while (block) {
        struct arena_block *next = block->next;

        spare_free(block, block->size);
        block = next;
    }
    if (arena->held)
        held_drop(arena->used_bytes);
    *arena = (struct arena){ .limit_bytes = arena->limit_bytes, .held = arena->held };
}

/* A block of `want` bytes, counted but on no list; NULL when the limit would be passed. */
static struct arena_block *arena_block_new(struct arena *arena, size_t want)
{
    struct arena_block *block;

    if (want > arena->limit_bytes - arena->used_bytes)
        return NULL;
    block = spare_alloc(want);
    block->size = want;
    arena->used_bytes += want;
    if (arena->held)
        held_add(want);
    return block;
}

/* What no usual block could hold gets one of its own, behind the newest, which stays in use. */
static void *arena_alloc_large(struct arena *arena, size_t size)
{
    struct arena_block *block = arena_block_new(arena, size + sizeof(*block));
    struct arena_block **where = arena->blocks ? &arena->blocks->next : &arena->blocks;

    if (!block)
        return NULL;
    block->next = *where;
    *where = block;
    return block + 1;
}

/* Makes a block the one that is cut from. */
static void arena_use(struct arena *arena, struct arena_block *block)
{
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = (char *)(block + 1);
    arena->end = (char *)block + block->size;
}

/* A new block to cut from; smaller than usual where the limit leaves no more. */
static bool arena_grow(struct arena *arena, size_t size)
{
    size_t room = arena->limit_bytes - arena->used_bytes;
    size_t usual = arena->blocks ? ARENA_BLOCK_BYTES : ARENA_FIRST_BYTES;
    size_t want = room < usual ? room : usual;

    if (want < size + sizeof(struct arena_block))
        return false;
    arena_use(arena, arena_block_new(arena, want));
    return true;
}

void arena_expect(struct arena *arena, size_t size)
{
    struct arena_block *block =
        size > SIZE_MAX / 2 ? NULL : arena_block_new(arena, size + sizeof(*block));

    if (block)
        arena_use(arena, block);
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    void *at;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = size ? (size + 7) & ~(size_t)7 : 8; /* nothing has an address too */
    if (UNLIKELY((size_t)(arena->end - arena->at) < size)) {
        if (size > ARENA_BLOCK_BYTES - sizeof(struct arena_block))
            return arena_alloc_large(arena, size);
        if (!arena_grow(arena, size))
            return NULL;
    }
    at = arena->at;
    arena->at += size;
    return at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *at = arena_try_alloc(arena, size);

    CHECK(at);
    return at;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
    char *at;

    if (s.len == 0)
        return slice_of("", 0);
    at = arena_alloc(arena, s.len);
    memcpy(at, s.at, s.len);
    return slice_of(at, s.len);
}

char *arena_str(struct arena *arena, struct slice s)
{
    char *at = arena_alloc(arena, s.len + 1);

    if (s.len)
        memcpy(at, s.at, s.len);
    at[s.len] = '\0';
    return at;
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    int len;
    char *at;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    at = arena_alloc(arena, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(at, (size_t)len + 1, format, args);
    va_end(args);
    return slice_of(at, (size_t)len);
}
