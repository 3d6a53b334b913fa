/*
 * Slots out of one reserved range of addresses: whether a block is a slot is told by where it lies.
 *
 * Each thread keeps its own list of free slots, so no lock is taken; the only thing shared is how
 * much of the range was ever used. The thread-local list is the one exception to the rule that
 * state hangs on a worker: libraries that ask for memory do not say for whom.
 */
#include "gateway/base/slab.h"

#include "gateway/base/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* 16 KB records with their headers, and libnghttp2's frame buffer of as much, fit five pages. */
#define SLOT_BYTES (20 * 1024)
#define SLOT_LEAST (8 * 1024)
/* 800,000 slots: past them malloc serves. Only addresses: nothing is taken before it is used. */
#define RANGE_BYTES (16ull << 30)
/* Free slots a thread keeps warm; others give their pages back. */
#define WARM_SLOTS 64

struct slot {
    struct slot *next;
};

static pthread_once_t range_once = PTHREAD_ONCE_INIT;
static char *_Atomic range; /* NULL where the system would not reserve it */
static _Atomic size_t range_used;

static _Thread_local struct slot *warm_slots, *cold_slots;
static _Thread_local unsigned warm_count;

static void range_reserve(void)
{
#if !SANITIZED_ADDRESS /* which shall see every overrun */
    void *at = mmap(NULL, RANGE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    atomic_store_explicit(&range, at == MAP_FAILED ? NULL : at, memory_order_relaxed);
#endif
}

static char *range_start(void)
{
    return atomic_load_explicit(&range, memory_order_relaxed);
}

/* A thread that does not see the range yet has no block of it either. */
static bool is_slot(const void *block)
{
    const char *start = range_start();

    return start && (const char *)block >= start && (const char *)block < start + RANGE_BYTES;
}

static void *slot_fresh(void)
{
    char *start = range_start();
    size_t at;

    if (!start ||
        atomic_load_explicit(&range_used, memory_order_relaxed) > RANGE_BYTES - SLOT_BYTES)
        return NULL;
    at = atomic_fetch_add_explicit(&range_used, SLOT_BYTES, memory_order_relaxed);
    return at <= RANGE_BYTES - SLOT_BYTES ? start + at : NULL;
}

static void *slot_take(void)
{
    struct slot **from = warm_slots ? &warm_slots : &cold_slots;
    struct slot *slot = *from;

    if (!slot)
        return slot_fresh();
    *from = slot->next;
    if (from == &warm_slots)
        warm_count--;
    return slot;
}

/* The link of a cold slot stays in its first page, the others go. */
static void slot_give(struct slot *slot)
{
    struct slot **to = &warm_slots;

    if (warm_count >= WARM_SLOTS) {
        madvise((char *)slot + 4096, SLOT_BYTES - 4096, MADV_DONTNEED);
        to = &cold_slots;
    } else {
        warm_count++;
    }
    slot->next = *to;
    *to = slot;
}

void *slab_alloc(size_t size)
{
    void *slot = NULL;

    if (size >= SLOT_LEAST && size <= SLOT_BYTES) {
        pthread_once(&range_once, range_reserve);
        slot = slot_take();
    }
    return slot ? slot : malloc(size);
}

void *slab_zalloc(size_t count, size_t size)
{
    void *block;

    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    block = slab_alloc(count * size);
    return block ? memset(block, 0, count * size) : NULL;
}

void *slab_realloc(void *block, size_t size)
{
    void *grown;

    if (!block)
        return slab_alloc(size);
    if (!is_slot(block))
        return realloc(block, size);
    if (size >= SLOT_LEAST && size <= SLOT_BYTES)
        return block;
    grown = malloc(size);
    if (grown) {
        memcpy(grown, block, size < SLOT_BYTES ? size : SLOT_BYTES);
        slot_give(block);
    }
    return grown;
}

void slab_free(void *block)
{
    if (is_slot(block))
        slot_give(block);
    else
        free(block);
}
