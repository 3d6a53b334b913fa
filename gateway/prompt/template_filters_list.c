/*
 * Filters on sequences. Those that Python has as generators are iterators here as well: they work
 * when they are walked, once, and are true even when nothing comes of them.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_sort.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

static bool is_true(const struct value *value)
{
    return value && value_truth(value);
}

static const struct value *given(const struct value *value)
{
    return value && value->kind != VALUE_NONE ? value : NULL;
}

const struct value *filter_list(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    (void)bound;
    return run_sequence(run, VALUE_LIST, self);
}

const struct value *filter_first(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    const struct value *item;
    struct iter iter;

    (void)bound;
    if (!iter_begin(run, self, &iter))
        return NULL;
    item = iter_next(run, &iter);
    return item || run->reason ? item : run_undefined(run, SLICE("first"));
}

/* Items from the end; NULL without a failure: there are none. */
static const struct value *reversed(struct run *run, const struct value *self)
{
    const struct value *list, *copy;
    bool possible = self->kind == VALUE_TEXT || self->kind == VALUE_BYTES ||
                    self->kind == VALUE_LIST || self->kind == VALUE_TUPLE ||
                    self->kind == VALUE_DICT || self->kind == VALUE_RANGE ||
                    self->kind == VALUE_VIEW || self->kind == VALUE_UNDEFINED;

    if (!possible)
        return run_fail(run, "'%s' object is not reversible", type_name(self));
    list = run_sequence(run, VALUE_LIST, self);
    copy = list ? run_made(run, value_sequence(run->arena, VALUE_LIST, list->count)) : NULL;
    for (uint32_t i = 0; copy && i < list->count; i++)
        copy->items[i] = list->items[list->count - 1 - i];
    return copy;
}

const struct value *filter_last(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *items;

    (void)bound;
    if (self->kind == VALUE_LIST || self->kind == VALUE_TUPLE)
        return self->count ? self->items[self->count - 1] : run_undefined(run, SLICE("last"));
    items = reversed(run, self);
    if (!items)
        return NULL;
    return items->count ? items->items[0] : run_undefined(run, SLICE("last"));
}

const struct value *filter_random(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    if (access_length(run, self) < 0)
        return NULL;
    return filter_first(run, self, bound);
}

static const struct value *iterate(struct run *run, const struct value *items)
{
    struct iter iter;

    return items && iter_begin(run, items, &iter) ? run_iterator(run, &iter) : NULL;
}

const struct value *filter_reverse(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    const struct value step = { .kind = VALUE_INT, .integer = -1 };

    (void)bound;
    if (self->kind == VALUE_TEXT)
        return access_slice(run, self, NULL, NULL, &step);
    if (self->kind != VALUE_ITERATOR)
        return iterate(run, reversed(run, self));
    self = run_sequence(run, VALUE_LIST, self);
    return self ? reversed(run, self) : NULL;
}

const struct value *filter_items(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    if (self->kind == VALUE_UNDEFINED)
        return iterate(run, self);
    if (self->kind != VALUE_DICT)
        return run_fail(run, "Can only get item pairs from a mapping.");
    return iterate(run, dict_items(run, self, bound));
}

/* An item's attribute as filters take it: a path, a number, or NULL for the item itself; undefined
 * becomes `otherwise` unless that is NULL. */
static const struct value *pick(struct run *run, const struct value *item, const struct value *path,
                                const struct value *otherwise)
{
    if (path)
        item = access_path(run, item, path);
    return item && item->kind == VALUE_UNDEFINED && otherwise ? otherwise : item;
}

/* What texts that differ in case alone are compared by. */
static const struct value *fold(struct run *run, const struct value *key, bool case_sensitive)
{
    return key && key->kind == VALUE_TEXT && !case_sensitive ? text_lower(run, value_slice(key))
                                                             : key;
}

const struct value *filter_join(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *separator = bound[0] ? text_of(run, bound[0]) : run_text(run, SLICE(""));
    const struct value *item;
    struct capture capture;
    struct iter iter;
    bool more = false;

    if (!separator || !iter_begin(run, self, &iter))
        return NULL;
    capture = run_capture(run);
    for (; (item = iter_next(run, &iter)); more = true) {
        item = pick(run, item, given(bound[1]), NULL);
        if (!item)
            break;
        if (more)
            run_write(run, value_slice(separator));
        print_str(run, item);
    }
    return run_captured(run, capture);
}

const struct value *filter_sum(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    const struct value *sum = bound[1] ? bound[1] : run_int(run, 0), *item;
    struct iter iter;

    if (!sum || !iter_begin(run, self, &iter))
        return NULL;
    if (sum->kind == VALUE_TEXT)
        return run_fail(run, "sum() can't sum strings");
    while (sum && (item = iter_next(run, &iter))) {
        item = pick(run, item, given(bound[0]), NULL);
        sum = item ? add(run, sum, item) : NULL;
    }
    return run->reason ? NULL : sum;
}

static const struct value *extreme(struct run *run, const struct value *self,
                                   const struct value *const *bound, enum compare_op better)
{
    const struct value *best = NULL, *best_key = NULL, *item;
    struct iter iter;

    if (!iter_begin(run, self, &iter))
        return NULL;
    while ((item = iter_next(run, &iter))) {
        const struct value *key =
            fold(run, pick(run, item, given(bound[1]), NULL), is_true(bound[0]));

        if (!key)
            return NULL;
        if (!best || compare(run, better, key, best_key)) {
            best = item;
            best_key = key;
        }
    }
    if (run->reason)
        return NULL;
    return best ? best : run_undefined(run, SLICE("aggregated item"));
}

const struct value *filter_min(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    return extreme(run, self, bound, COMPARE_LT);
}

const struct value *filter_max(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    return extreme(run, self, bound, COMPARE_GT);
}

const struct value *filter_unique(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    const struct value *seen = run_made(run, value_dict(run->arena)), *item;
    const struct value *list = run_made(run, value_list(run->arena));
    struct iter iter;

    if (!seen || !list || !iter_begin(run, self, &iter))
        return NULL;
    while ((item = iter_next(run, &iter))) {
        const struct value *key =
            fold(run, pick(run, item, given(bound[1]), NULL), is_true(bound[0]));
        uint32_t before = seen->count;

        if (!run_put(run, seen, key, item))
            return NULL;
        if (seen->count > before && !run_append(run, list, item))
            return NULL;
    }
    return run->reason ? NULL : iterate(run, list);
}

/* Keys of sort are lists to Jinja2, and lists ask for == before <: which undefined allows. */
static const struct value *sole_key(struct run *run, const struct value *key)
{
    const struct value *keys;

    if (!key || key->kind != VALUE_UNDEFINED)
        return key;
    keys = run_made(run, value_list(run->arena));
    return keys && run_append(run, keys, key) ? keys : NULL;
}

/* The key that a sort compares: one value, or a tuple of those that a comma parts. */
static const struct value *sort_key(struct run *run, const struct value *item,
                                    const struct value *attribute, bool case_sensitive)
{
    const struct value *keys, *key, *path;
    struct slice rest;

    if (!attribute || attribute->kind != VALUE_TEXT ||
        slice_find(value_slice(attribute), ',') == attribute->count)
        return sole_key(run, fold(run, pick(run, item, attribute, NULL), case_sensitive));
    keys = run_made(run, value_list(run->arena));
    rest = value_slice(attribute);
    while (keys && rest.at) {
        path = run_text(run, slice_cut(&rest, ','));
        key = path ? fold(run, pick(run, item, path, NULL), case_sensitive) : NULL;
        if (!run_append(run, keys, key))
            return NULL;
    }
    return keys;
}

const struct value *filter_sort(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *list = run_sequence(run, VALUE_LIST, self);
    const struct value *keys = list ? run_made(run, value_list(run->arena)) : NULL;

    for (uint32_t i = 0; keys && i < list->count; i++)
        if (!run_append(run, keys,
                        sort_key(run, list->items[i], given(bound[2]), is_true(bound[1]))))
            return NULL;
    return keys ? sorted_by(run, list, keys, is_true(bound[0])) : NULL;
}

const struct value *filter_dictsort(struct run *run, const struct value *self,
                                    const struct value *const *bound)
{
    const struct value *pairs, *keys;
    struct slice by = SLICE("key");
    bool value;

    if (bound[1] && !slice_of_value(run, bound[1], &by))
        return NULL;
    value = slice_eq(by, SLICE("value"));
    if (!value && !slice_eq(by, SLICE("key")))
        return run_fail(run, "dictsort sorts by key or value");
    if (self->kind != VALUE_DICT)
        return run_fail(run, "'%s' object has no attribute 'items'", type_name(self));
    pairs = run_sequence(run, VALUE_LIST, dict_items(run, self, NULL));
    keys = pairs ? run_made(run, value_list(run->arena)) : NULL;
    for (uint32_t i = 0; keys && i < pairs->count; i++)
        if (!run_append(run, keys, fold(run, pairs->items[i]->items[value], is_true(bound[0]))))
            return NULL;
    return keys ? sorted_by(run, pairs, keys, is_true(bound[2])) : NULL;
}

static const struct value *group(struct run *run, const struct value *grouper,
                                 const struct value *list)
{
    struct value *pair = run->reason ? NULL : value_sequence(run->arena, VALUE_TUPLE, 2);

    if (!pair)
        return run_no_memory(run);
    pair->flags = VALUE_GROUP;
    pair->items[0] = (struct value *)(uintptr_t)grouper;
    pair->items[1] = (struct value *)(uintptr_t)list;
    return pair;
}

const struct value *filter_groupby(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    const struct value *groups = run_made(run, value_list(run->arena)), *sorted, *list = NULL;
    const struct value *items = run_sequence(run, VALUE_LIST, self), *last = NULL;
    const struct value *keys = items ? run_made(run, value_list(run->arena)) : NULL;
    bool exact = is_true(bound[2]);

    for (uint32_t i = 0; keys && i < items->count; i++)
        if (!run_append(run, keys,
                        fold(run, pick(run, items->items[i], bound[0], given(bound[1])), exact)))
            return NULL;
    sorted = keys ? sorted_by(run, items, keys, false) : NULL;
    for (uint32_t i = 0; groups && sorted && i < sorted->count; i++) {
        const struct value *item = sorted->items[i];
        const struct value *real = pick(run, item, bound[0], given(bound[1]));
        const struct value *key = fold(run, real, exact);

        if (!key)
            return NULL;
        if (!last || !equal(run, last, key)) {
            list = run_made(run, value_list(run->arena));
            if (!list || !run_append(run, groups, group(run, real, list)))
                return NULL;
            last = key;
        }
        if (!run_append(run, list, item))
            return NULL;
    }
    return run->reason ? NULL : groups;
}

const struct value *filter_batch(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    const struct value *batches = run_made(run, value_list(run->arena)), *batch = NULL, *item;
    int64_t size = value_is_int(bound[0]) ? bound[0]->integer : -1;
    struct iter iter;

    if (!batches || !iter_begin(run, self, &iter))
        return NULL;
    while ((item = iter_next(run, &iter))) {
        if (!batch || batch->count == size) {
            batch = run_made(run, value_list(run->arena));
            if (!batch || !run_append(run, batches, batch))
                return NULL;
        }
        if (!run_append(run, batch, item))
            return NULL;
    }
    while (batch && given(bound[1]) && batch->count < size)
        if (!run_step(run, 1) || !run_append(run, batch, bound[1]))
            return NULL;
    return run->reason ? NULL : iterate(run, batches);
}

const struct value *filter_slice(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    const struct value *list = run_sequence(run, VALUE_LIST, self);
    const struct value *slices = run_made(run, value_list(run->arena));
    int64_t count = value_is_int(bound[0]) ? bound[0]->integer : 0, at = 0;

    if (!list || !slices)
        return NULL;
    if (count == 0)
        return run_fail(run, "integer division or modulo by zero");
    for (int64_t i = 0; i < count; i++) {
        int64_t size = list->count / count + (i < list->count % count);
        const struct value *part = run_made(run, value_list(run->arena));

        if (!part || !run_step(run, 1))
            return NULL;
        for (int64_t end = at + size; at < end; at++)
            if (!run_append(run, part, list->items[at]))
                return NULL;
        if (given(bound[1]) && i >= list->count % count && !run_append(run, part, bound[1]))
            return NULL;
        if (!run_append(run, slices, part))
            return NULL;
    }
    return iterate(run, slices);
}

/* map, select and their kin: what happens to an item. */
struct step {
    const struct native *native;   /* filter or test; NULL: none */
    const struct value *path;      /* attribute; NULL: the item itself */
    const struct value *otherwise; /* for undefined; NULL: nothing */
    struct arguments arguments;    /* of the native */
    bool reject;
};

static const struct value *next_mapped(struct run *run, struct iter *iter)
{
    const struct step *step = iter->state;
    const struct value *item = iter_next(run, iter->inner);

    if (!item)
        return NULL;
    item = pick(run, item, step->path, step->otherwise);
    return item && step->native ? call_native(run, step->native, item, &step->arguments) : item;
}

static const struct value *next_selected(struct run *run, struct iter *iter)
{
    const struct step *step = iter->state;
    const struct value *item;

    while ((item = iter_next(run, iter->inner))) {
        const struct value *truth = pick(run, item, step->path, NULL);

        if (truth && step->native)
            truth = call_native(run, step->native, truth, &step->arguments);
        if (!truth || value_truth(truth) != step->reject)
            return truth ? item : NULL;
    }
    return NULL;
}

/* An iterator over what comes of each item. False values have no items to these filters. */
static const struct value *pipe(struct run *run, const struct value *self, const struct step *step,
                                const struct value *(*next)(struct run *run, struct iter *iter))
{
    struct iter iter = { .next = next }, *inner = run_alloc(run, sizeof(*inner));
    struct step *copy = run_alloc(run, sizeof(*copy));
    const struct value *nothing = run_made(run, value_tuple(run->arena));

    if (!inner || !copy || !nothing || !iter_begin(run, value_truth(self) ? self : nothing, inner))
        return NULL;
    *copy = *step;
    iter.inner = inner;
    iter.state = copy;
    return run_iterator(run, &iter);
}

/* Arguments outlive the call: those from `first` on, copied. */
static bool keep_arguments(struct run *run, const struct arguments *from, uint32_t first,
                           struct arguments *ret_kept)
{
    uint32_t positional = from->positional - first;
    const struct value **items = run_alloc(run, (positional + from->named + 1) * sizeof(*items));
    const struct value **names = run_alloc(run, (from->named + 1) * sizeof(*names));

    if (!items || !names)
        return false;
    memcpy(items, from->items + first, (positional + from->named) * sizeof(*items));
    if (from->named)
        memcpy(names, from->names, from->named * sizeof(*names));
    *ret_kept = (struct arguments){ items, positional, from->named, names };
    return true;
}

const struct value *filter_map(struct run *run, const struct value *self,
                               const struct arguments *arguments)
{
    struct step step = { 0 };
    struct slice name;

    if (arguments->positional == 0 && argument_named(arguments, SLICE("attribute"))) {
        step.path = argument_named(arguments, SLICE("attribute"));
        step.otherwise = argument_named(arguments, SLICE("default"));
        if (arguments->named > (step.otherwise ? 2u : 1u))
            return run_fail(run, "map got an unexpected keyword argument");
        step.otherwise = given(step.otherwise);
        return pipe(run, self, &step, next_mapped);
    }
    if (arguments->positional == 0)
        return run_fail(run, "map requires a filter argument");
    if (!slice_of_value(run, arguments->items[0], &name) ||
        !keep_arguments(run, arguments, 1, &step.arguments))
        return NULL;
    step.native = native_filter(name);
    if (!step.native)
        return run_fail(run, "no filter named '%.*s'", SLICE_ARGS(name));
    return pipe(run, self, &step, next_mapped);
}

static const struct value *select_by(struct run *run, const struct value *self,
                                     const struct arguments *arguments, bool attribute, bool reject)
{
    struct step step = { .reject = reject };
    struct slice name;

    if (attribute && arguments->positional == 0)
        return run_fail(run, "the attribute's name is missing");
    if (attribute)
        step.path = arguments->items[0];
    if (arguments->positional > attribute) {
        if (!slice_of_value(run, arguments->items[attribute], &name) ||
            !keep_arguments(run, arguments, attribute + 1u, &step.arguments))
            return NULL;
        step.native = native_test(name);
        if (!step.native)
            return run_fail(run, "no test named '%.*s'", SLICE_ARGS(name));
    }
    return pipe(run, self, &step, next_selected);
}

const struct value *filter_select(struct run *run, const struct value *self,
                                  const struct arguments *arguments)
{
    return select_by(run, self, arguments, /* attribute= */ false, /* reject= */ false);
}

const struct value *filter_reject(struct run *run, const struct value *self,
                                  const struct arguments *arguments)
{
    return select_by(run, self, arguments, /* attribute= */ false, /* reject= */ true);
}

const struct value *filter_selectattr(struct run *run, const struct value *self,
                                      const struct arguments *arguments)
{
    return select_by(run, self, arguments, /* attribute= */ true, /* reject= */ false);
}

const struct value *filter_rejectattr(struct run *run, const struct value *self,
                                      const struct arguments *arguments)
{
    return select_by(run, self, arguments, /* attribute= */ true, /* reject= */ true);
}
