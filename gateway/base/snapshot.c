/*
 * Counted immutable objects, and the slot where the current one lies.
 */
#include "gateway/base/snapshot.h"

#include <stdatomic.h>

void snapshot_init(struct snapshot *snapshot, void (*free)(struct snapshot *))
{
    atomic_init(&snapshot->refs, 1);
    snapshot->free = free;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    uint32_t before = atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);

    CHECK(before > 0);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    /* Release: what this holder read happened before; acquire: the last one frees after all of
     * them. */
    if (snapshot && atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
        snapshot->free(snapshot);
}

void snapshot_slot_init(struct snapshot_slot *slot)
{
    pthread_mutex_init(&slot->mutex, NULL);
    slot->current = NULL;
    atomic_init(&slot->generation, 0);
}

void snapshot_slot_release(struct snapshot_slot *slot)
{
    snapshot_unref(slot->current);
    slot->current = NULL;
    pthread_mutex_destroy(&slot->mutex);
}

void snapshot_publish(struct snapshot_slot *slot, struct snapshot *next)
{
    struct snapshot *old;

    pthread_mutex_lock(&slot->mutex);
    old = slot->current;
    slot->current = next;
    atomic_fetch_add_explicit(&slot->generation, 1, memory_order_release);
    pthread_mutex_unlock(&slot->mutex);
    snapshot_unref(old);
}

struct snapshot *snapshot_get(struct snapshot_slot *slot, uint64_t *ret_generation)
{
    struct snapshot *current;

    pthread_mutex_lock(&slot->mutex);
    current = slot->current ? snapshot_ref(slot->current) : NULL;
    *ret_generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
    pthread_mutex_unlock(&slot->mutex);
    return current;
}
