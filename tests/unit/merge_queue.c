/*
 * The queue of merges against a list that is searched for its least entry, through sizes at which
 * heaps become runs.
 */
#include "gateway/token/merge_queue.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM 9000

struct list {
    uint64_t at[ROOM];
    size_t count;
};

static uint64_t list_pop(struct list *list)
{
    size_t least = 0;
    uint64_t entry;

    for (size_t i = 1; i < list->count; i++)
        if (list->at[i] < list->at[least])
            least = i;
    entry = list->at[least];
    list->at[least] = list->at[--list->count];
    return entry;
}

/* How entries come in: as they do while pairs merge, anywhere, or all alike. */
static uint64_t make_entry(int kind, uint64_t last, uint64_t *seed)
{
    if (kind == 0)
        return last + random_below(seed, 1ull << 34);
    return kind == 1 ? random_next(seed) >> random_below(seed, 60) : 7;
}

static void pop_both(struct merge_queue *queue, struct list *list, uint64_t *ret_entry)
{
    assert_true(merge_queue_pop(queue, ret_entry));
    assert_int_equal(*ret_entry, list_pop(list));
}

/* Fills, then takes one and adds up to two until there is no room, then takes all. */
static void run_queue(struct merge_queue *queue, struct list *list, size_t first, int kind,
                      uint64_t *seed)
{
    uint64_t entry = 0;

    merge_queue_fit(queue, ROOM);
    for (list->count = 0; list->count < first;) {
        entry = make_entry(kind, 0, seed);
        merge_queue_fill(queue, entry);
        list->at[list->count++] = entry;
    }
    merge_queue_sort(queue);
    for (int steps = 0; steps < 6000 && list->count > 0 && list->count + 2 <= ROOM; steps++) {
        pop_both(queue, list, &entry);
        for (uint64_t more = random_below(seed, 3); more > 0; more--) {
            list->at[list->count] = make_entry(kind, entry, seed);
            merge_queue_push(queue, list->at[list->count++]);
        }
    }
    while (list->count > 0)
        pop_both(queue, list, &entry);
    assert_false(merge_queue_pop(queue, &entry));
}

static void entries_leave_in_order(void **state)
{
    static const size_t firsts[] = { 0, 1, 2, 100, 2049, 5000, ROOM };
    struct merge_queue queue = { 0 };
    struct list *list = xmalloc(sizeof(*list));
    uint64_t seed = 41;

    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < ARRAY_LEN(firsts); i++)
            run_queue(&queue, list, firsts[i], kind, &seed);
    merge_queue_release(&queue);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_leave_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
