/*
 * A merge sort of numbers of items, bottom up.
 */
#include "gateway/prompt/template_sort.h"

#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"

struct sort {
    struct run *run;
    const struct value *keys;
    bool reverse;
};

/* Must b, which stands behind a, come before it? */
static bool overtakes(const struct sort *sort, uint32_t a, uint32_t b)
{
    const struct value *left = sort->keys->items[a], *right = sort->keys->items[b];

    if (!run_step(sort->run, 1))
        return false;
    return sort->reverse ? compare(sort->run, COMPARE_LT, left, right)
                         : compare(sort->run, COMPARE_LT, right, left);
}

static void merge(const struct sort *sort, const uint32_t *from, uint32_t *to, uint32_t start,
                  uint32_t middle, uint32_t end)
{
    uint32_t a = start, b = middle;

    for (uint32_t i = start; i < end; i++)
        to[i] =
            b < end && (a == middle || overtakes(sort, from[a], from[b])) ? from[b++] : from[a++];
}

const struct value *sorted_by(struct run *run, const struct value *items, const struct value *keys,
                              bool reverse)
{
    struct sort sort = { run, keys, reverse };
    uint32_t count = items->count;
    uint32_t *order = run_alloc(run, count * sizeof(*order));
    uint32_t *other = run_alloc(run, count * sizeof(*other)), *swap;
    const struct value *list = run_made(run, value_sequence(run->arena, VALUE_LIST, count));

    if (!order || !other || !list)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint64_t width = 1; width < count && !run->reason; width *= 2) {
        for (uint64_t at = 0; at < count; at += 2 * width) {
            uint64_t middle = at + width < count ? at + width : count;
            uint64_t end = at + 2 * width < count ? at + 2 * width : count;

            merge(&sort, order, other, (uint32_t)at, (uint32_t)middle, (uint32_t)end);
        }
        swap = order;
        order = other;
        other = swap;
    }
    for (uint32_t i = 0; i < count; i++)
        list->items[i] = items->items[order[i]];
    return run->reason ? NULL : list;
}

const struct value *sorted_pairs(struct run *run, const struct value *dict)
{
    const struct value *view = dict_items(run, dict, NULL);
    const struct value *pairs = view ? run_sequence(run, VALUE_LIST, view) : NULL;
    const struct value *keys = pairs ? run_made(run, value_list(run->arena)) : NULL;

    for (uint32_t i = 0; keys && i < pairs->count; i++)
        if (!run_append(run, keys, pairs->items[i]->items[0]))
            return NULL;
    return keys ? sorted_by(run, pairs, keys, /* reverse= */ false) : NULL;
}
