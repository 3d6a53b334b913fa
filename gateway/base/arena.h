/*
 * Memory that dies with one exchange: allocate, never free, release all at once.
 *
 * One thread. The limit is given at construction; past it arena_try_alloc returns NULL and the
 * others abort, so sizes that another party chooses go through arena_try_alloc.
 * Nothing that happens once a chunk, token or timer tick may allocate here.
 */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include "gateway/base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first; large objects' own behind it */
    char *at, *end;             /* what is free of the newest */
    size_t used_bytes;          /* of all blocks, as allocated */
    size_t limit_bytes;
    bool held; /* what it takes is counted (base/held.h) */
};

/* No memory is taken before the first allocation. */
void arena_init(struct arena *arena, size_t limit_bytes);
/* The same for what a client has: it is counted among the bytes that the process holds. */
void arena_init_held(struct arena *arena, size_t limit_bytes);
void arena_release(struct arena *arena);

/* Aligned to 8; of 0 bytes too. NULL when the limit would be passed. */
void *arena_try_alloc(struct arena *arena, size_t size);
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);

/*
 * For who knows that about `size` bytes are coming: they will lie in one run, cut from the front
 * whatever their sizes. Where the limit leaves less, nothing happens.
 */
void arena_expect(struct arena *arena, size_t size);

/* Copies; the slice lives as long as the arena. */
struct slice arena_copy(struct arena *arena, struct slice s);
/* A terminated copy. */
char *arena_str(struct arena *arena, struct slice s);
struct slice arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
