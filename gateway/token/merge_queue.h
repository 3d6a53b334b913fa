/*
 * The order in which the pairs of a long piece merge: by rank, then by place.
 *
 * A heap alone is slow where it is large: each entry taken out walks from its root to its leaves,
 * out of cache. Here most entries come from a sorted run that is read front to back, and the heap
 * has only what came in since; when the run is used up, what the heap has is sorted into the next
 * one. One owner, one thread.
 */
#ifndef SLUICE_TOKEN_MERGE_QUEUE_H
#define SLUICE_TOKEN_MERGE_QUEUE_H

#include "gateway/base/check.h"

#include <stdbool.h>

struct merge_queue {
    uint64_t *run; /* sorted */
    size_t run_at, run_count;
    uint64_t *heap;
    size_t heap_count;
    size_t room; /* of each */
};

/* Room for `room` entries at a time; empties. */
void merge_queue_fit(struct merge_queue *queue, size_t room);
void merge_queue_release(struct merge_queue *queue);

/* Adds an entry before the first one is taken: sorted later, all at once. */
static inline void merge_queue_fill(struct merge_queue *queue, uint64_t entry)
{
    queue->heap[queue->heap_count++] = entry;
}

void merge_queue_sort(struct merge_queue *queue);

void merge_queue_push(struct merge_queue *queue, uint64_t entry);

/* The least entry; false: there is none. */
bool merge_queue_pop(struct merge_queue *queue, uint64_t *ret_entry);

#endif
