/*
 * Bytes that others make this process hold: chunks of bufs, and arenas of clients' streams. They
 * are counted so that a limit can be set on them. Any thread.
 */
#ifndef SLUICE_BASE_HELD_H
#define SLUICE_BASE_HELD_H

#include <stdatomic.h>
#include <stddef.h>

extern _Atomic size_t held_count; /* held.c; for the functions below only */

static inline void held_add(size_t bytes)
{
    atomic_fetch_add_explicit(&held_count, bytes, memory_order_relaxed);
}

static inline void held_drop(size_t bytes)
{
    atomic_fetch_sub_explicit(&held_count, bytes, memory_order_relaxed);
}

/* Of the whole process, now; unused room in chunks and blocks included. */
static inline size_t held_bytes(void)
{
    return atomic_load_explicit(&held_count, memory_order_relaxed);
}

#endif
