/*
 * Arenas: a list of blocks, the newest of which is cut from the front.
 */
#include "gateway/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* One block serves a usual exchange: head, routing notes and the answer's head. */
#define ARENA_BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next;
    size_t size;
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){ .limit_bytes = limit_bytes };
}

void arena_release(struct arena *arena)
{
    struct arena_block *block = arena->blocks;

    while (block) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
    arena_init(arena, arena->limit_bytes);
}

static bool arena_grow(struct arena *arena, size_t size)
{
    size_t want = size + sizeof(struct arena_block);
    struct arena_block *block;

    if (want < ARENA_BLOCK_BYTES)
        want = ARENA_BLOCK_BYTES;
    if (want > arena->limit_bytes - arena->used_bytes)
        want = size + sizeof(struct arena_block);
    if (want > arena->limit_bytes - arena->used_bytes)
        return false;
    block = xmalloc(want);
    block->next = arena->blocks;
    block->size = want;
    arena->blocks = block;
    arena->used_bytes += want;
    arena->at = (char *)(block + 1);
    arena->end = (char *)block + want;
    return true;
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    void *at;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + 7) & ~(size_t)7;
    if (UNLIKELY((size_t)(arena->end - arena->at) < size) && !arena_grow(arena, size))
        return NULL;
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
