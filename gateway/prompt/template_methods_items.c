/*
 * Methods of lists, tuples, ranges, dicts and numbers.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"

#include <math.h>

const struct value *list_copy(struct run *run, const struct value *self,
                              const struct value *const *bound)
{
    (void)bound;
    return run_sequence(run, VALUE_LIST, self);
}

const struct value *dict_copy(struct run *run, const struct value *self,
                              const struct value *const *bound)
{
    const struct value *copy = run_made(run, value_dict(run->arena));

    (void)bound;
    for (uint32_t i = 0; copy && i < self->count; i++)
        if (!run_step(run, 1) ||
            !run_put(run, copy, &value_entry(self, i)->key, value_entry(self, i)->item))
            return NULL;
    return copy;
}

const struct value *items_count(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *item;
    struct iter iter;
    int64_t count = 0;

    if (!iter_begin(run, self, &iter))
        return NULL;
    while ((item = iter_next(run, &iter)))
        count += equal(run, item, bound[0]);
    return run->reason ? NULL : run_int(run, count);
}

const struct value *items_index(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    int64_t length = access_length(run, self), start, end, at = 0;
    const struct value *item;
    struct iter iter;

    if (length < 0 || !native_int(run, bound[1], 0, &start) ||
        !native_int(run, bound[2], length, &end) || !iter_begin(run, self, &iter))
        return NULL;
    start += start < 0 ? length : 0;
    end += end < 0 ? length : 0;
    for (; (item = iter_next(run, &iter)); at++)
        if (at >= start && at < end && equal(run, item, bound[0]))
            return run->reason ? NULL : run_int(run, at);
    return run_fail(run, "the item is not in the %s", type_name(self));
}

const struct value *dict_get(struct run *run, const struct value *self,
                             const struct value *const *bound)
{
    const struct dict_entry *entry;

    if (!value_hashable(bound[0]))
        return run_fail(run, "unhashable type: '%s'", type_name(bound[0]));
    entry = value_find(self, bound[0]);
    return entry ? entry->item : bound[1] ? bound[1] : value_none();
}

static const struct value *view_of(struct run *run, const struct value *self, enum view_of what)
{
    struct view *view = run_alloc(run, sizeof(*view));

    if (!view)
        return NULL;
    *view = (struct view){ .dict = self, .what = what };
    return run_object(run, VALUE_VIEW, view);
}

const struct value *dict_items(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    (void)bound;
    return view_of(run, self, VIEW_ITEMS);
}

const struct value *dict_keys(struct run *run, const struct value *self,
                              const struct value *const *bound)
{
    (void)bound;
    return view_of(run, self, VIEW_KEYS);
}

const struct value *dict_values(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    (void)bound;
    return view_of(run, self, VIEW_VALUES);
}

const struct value *int_bit_length(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    uint64_t magnitude = self->integer < 0 ? -(uint64_t)self->integer : (uint64_t)self->integer;

    (void)bound;
    return run_int(run, magnitude ? 64 - __builtin_clzll(magnitude) : 0);
}

const struct value *float_is_integer(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    (void)run;
    (void)bound;
    return value_bool(isfinite(self->real) && self->real == trunc(self->real));
}
