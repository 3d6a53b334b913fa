/*
 * A snapshot: an immutable object that threads share and count. Whoever publishes a new one keeps
 * nothing of the old; whoever holds a reference keeps it whole for as long as that takes.
 *
 *     struct fleet { struct snapshot snapshot; ... };
 *     snapshot_init(&fleet->snapshot, fleet_free);
 *
 * snapshot_slot is where the current one lies: written by one thread, read by others at any time.
 */
#ifndef SLUICE_BASE_SNAPSHOT_H
#define SLUICE_BASE_SNAPSHOT_H

#include "gateway/base/check.h"

#include <pthread.h>

struct snapshot {
    _Atomic uint32_t refs;
    void (*free)(struct snapshot *snapshot);
};

/* One reference, the caller's. */
void snapshot_init(struct snapshot *snapshot, void (*free)(struct snapshot *));
struct snapshot *snapshot_ref(struct snapshot *snapshot); /* any thread */
void snapshot_unref(struct snapshot *snapshot);           /* any thread; NULL is fine */

struct snapshot_slot {
    pthread_mutex_t mutex; /* held for a pointer copy and a count; taken when `generation` moved,
                              not per request */
    struct snapshot *current;
    _Atomic uint64_t generation; /* readers compare it with what they last saw before they look */
};

void snapshot_slot_init(struct snapshot_slot *slot);
void snapshot_slot_release(struct snapshot_slot *slot);
/* Takes the caller's reference on `next`; drops the slot's on the old one. */
void snapshot_publish(struct snapshot_slot *slot, struct snapshot *next);
/* A new reference on the current one; NULL before the first publish. */
struct snapshot *snapshot_get(struct snapshot_slot *slot, uint64_t *ret_generation);

#endif
