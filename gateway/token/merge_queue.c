/*
 * Sorted runs and a heap.
 */
#include "gateway/token/merge_queue.h"

#include <stdlib.h>
#include <string.h>

/* Below, a heap stays in cache and is not worth a sort. */
#define HEAP_SMALL 2048

#define DIGITS 256

void merge_queue_fit(struct merge_queue *queue, size_t room)
{
    queue->run_at = queue->run_count = queue->heap_count = 0;
    if (queue->room >= room)
        return;
    merge_queue_release(queue);
    queue->run = xmalloc(room * sizeof(*queue->run));
    queue->heap = xmalloc(room * sizeof(*queue->heap));
    queue->room = room;
}

void merge_queue_release(struct merge_queue *queue)
{
    free(queue->run);
    free(queue->heap);
    *queue = (struct merge_queue){ 0 };
}

static bool is_sorted(const uint64_t *entries, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (entries[i - 1] > entries[i])
            return false;
    return true;
}

/* Sorts by one digit and keeps the order of equals; false: all have the same, nothing was done. */
static bool sort_by_digit(const uint64_t *from, uint64_t *to, size_t count, unsigned shift)
{
    size_t places[DIGITS] = { 0 }, place = 0;

    for (size_t i = 0; i < count; i++)
        places[from[i] >> shift & (DIGITS - 1)]++;
    if (places[from[0] >> shift & (DIGITS - 1)] == count)
        return false;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t here = places[digit];

        places[digit] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++)
        to[places[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    return true;
}

void merge_queue_sort(struct merge_queue *queue)
{
    uint64_t *from = queue->heap, *to = queue->run;
    size_t count = queue->heap_count;

    for (unsigned shift = 0; shift < 64 && !is_sorted(from, count); shift += 8)
        if (sort_by_digit(from, to, count, shift)) {
            uint64_t *kept = from;

            from = to;
            to = kept;
        }
    *queue = (struct merge_queue){ from, 0, count, to, 0, queue->room };
}

static void sink(uint64_t *heap, size_t count, size_t at)
{
    uint64_t value = heap[at];

    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (value <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

void merge_queue_push(struct merge_queue *queue, uint64_t entry)
{
    uint64_t *heap = queue->heap;
    size_t at = queue->heap_count++;

    for (; at > 0 && heap[(at - 1) / 2] > entry; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t pop_heap(struct merge_queue *queue)
{
    uint64_t top = queue->heap[0];

    queue->heap[0] = queue->heap[--queue->heap_count];
    sink(queue->heap, queue->heap_count, 0);
    return top;
}

bool merge_queue_pop(struct merge_queue *queue, uint64_t *ret_entry)
{
    bool run;

    if (queue->run_at == queue->run_count && queue->heap_count > HEAP_SMALL)
        merge_queue_sort(queue);
    run = queue->run_at < queue->run_count;
    if (!run && queue->heap_count == 0)
        return false;
    if (run && (queue->heap_count == 0 || queue->run[queue->run_at] < queue->heap[0]))
        *ret_entry = queue->run[queue->run_at++];
    else
        *ret_entry = pop_heap(queue);
    return true;
}
