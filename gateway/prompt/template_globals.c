/*
 * Global functions, and the methods of what they make.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/value_number.h"

#include <time.h>

/* Jinja2's sandbox. */
#define RANGE_MAX 100000
/* Of strftime_now's output: a date is short. */
#define DATE_BYTES 512

const struct value *global_raise_exception(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    const struct value *text = text_of(run, bound[0]);

    (void)self;
    if (!text || run->reason)
        return NULL;
    run->reason = &reason_template_raised;
    run->message = value_slice(text);
    return NULL;
}

const struct value *global_strftime_now(struct run *run, const struct value *self,
                                        const struct value *const *bound)
{
    char format[DATE_BYTES], out[DATE_BYTES];
    size_t len;

    (void)self;
    if (bound[0]->kind != VALUE_TEXT)
        return run_fail(run, "strftime() argument must be str, not %s", type_name(bound[0]));
    if (bound[0]->count >= sizeof(format) - 1)
        return run_limit(run, "a format of strftime_now is too long");
    /* a mark at the end tells an empty result from one that found no room */
    memcpy(format, bound[0]->text, bound[0]->count);
    memcpy(format + bound[0]->count, ".", 2);
    len = strftime(out, sizeof(out), format, &run->call->now);
    if (len == 0)
        return run_limit(run, "strftime_now would write too much");
    return run_copy(run, slice_of(out, len - 1));
}

static bool read_int(struct run *run, const struct value *value, int64_t *ret_number)
{
    if (!value_is_int(value))
        return value->kind == VALUE_BIG ? run_fail(run, "an integer is too large")
                                        : run_fail(run,
                                                   "'%s' object cannot be interpreted as an "
                                                   "integer",
                                                   type_name(value));
    *ret_number = value->integer;
    return true;
}

const struct value *global_range(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    struct range *range = run_alloc(run, sizeof(*range));
    unsigned __int128 distance, step;
    int64_t start = 0, stop, by = 1;

    (void)self;
    if (!range || !read_int(run, bound[bound[1] ? 1 : 0], &stop) ||
        (bound[1] && !read_int(run, bound[0], &start)) ||
        (bound[2] && !read_int(run, bound[2], &by)))
        return NULL;
    if (by == 0)
        return run_fail(run, "range() arg 3 must not be zero");
    *range = (struct range){ .start = start, .stop = stop, .step = by };
    distance = by > 0 ? (unsigned __int128)((__int128)stop - start)
                      : (unsigned __int128)((__int128)start - stop);
    step = by > 0 ? (unsigned __int128)by : (unsigned __int128)(-(__int128)by);
    if (by > 0 ? start < stop : start > stop) {
        if ((distance + step - 1) / step > RANGE_MAX)
            return run_fail(run, "range too big");
        range->count = (size_t)((distance + step - 1) / step);
    }
    return run_object(run, VALUE_RANGE, range);
}

/* dict(mapping or pairs, **kwargs) */
static const struct value *make_dict(struct run *run, const struct arguments *arguments)
{
    const struct value *dict = run_made(run, value_dict(run->arena)), *from, *pair;
    struct iter iter;

    if (!dict)
        return NULL;
    if (arguments->positional > 1)
        return run_fail(run, "dict expected at most 1 argument");
    from = arguments->positional ? arguments->items[0] : NULL;
    for (uint32_t i = 0; from && from->kind == VALUE_DICT && i < from->count; i++)
        if (!run_put(run, dict, &value_entry(from, i)->key, value_entry(from, i)->item))
            return NULL;
    if (from && from->kind != VALUE_DICT && !iter_begin(run, from, &iter))
        return NULL;
    while (from && from->kind != VALUE_DICT && (pair = iter_next(run, &iter))) {
        pair = run_sequence(run, VALUE_TUPLE, pair);
        if (!pair || pair->count != 2)
            return run_fail(run, "dict() takes pairs");
        if (!run_put(run, dict, pair->items[0], pair->items[1]))
            return NULL;
    }
    for (uint32_t i = 0; i < arguments->named; i++)
        if (!run_put(run, dict, arguments->names[i], arguments->items[arguments->positional + i]))
            return NULL;
    return run->reason ? NULL : dict;
}

const struct value *global_dict(struct run *run, const struct value *self,
                                const struct arguments *arguments)
{
    (void)self;
    return make_dict(run, arguments);
}

const struct value *global_namespace(struct run *run, const struct value *self,
                                     const struct arguments *arguments)
{
    const struct value *dict = make_dict(run, arguments);

    (void)self;
    return dict ? run_object(run, VALUE_NAMESPACE, (void *)(uintptr_t)dict) : NULL;
}

static const struct value *tuple_of(struct run *run, const struct arguments *arguments)
{
    const struct value *tuple = run_made(run, value_tuple(run->arena));

    for (uint32_t i = 0; tuple && i < arguments->positional; i++)
        if (!run_append(run, tuple, arguments->items[i]))
            return NULL;
    return tuple;
}

const struct value *global_cycler(struct run *run, const struct value *self,
                                  const struct arguments *arguments)
{
    struct cycler *cycler = run_alloc(run, sizeof(*cycler));

    (void)self;
    if (!cycler)
        return NULL;
    if (arguments->positional == 0 || arguments->named)
        return run_fail(run, "cycler() takes the items to cycle through");
    *cycler = (struct cycler){ .items = tuple_of(run, arguments) };
    return cycler->items ? run_object(run, VALUE_CYCLER, cycler) : NULL;
}

const struct value *cycler_next(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    struct cycler *cycler = self->object;
    const struct value *item = cycler->items->items[cycler->at];

    (void)run;
    (void)bound;
    cycler->at = (cycler->at + 1) % cycler->items->count;
    return item;
}

const struct value *cycler_reset(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    (void)run;
    (void)bound;
    ((struct cycler *)self->object)->at = 0;
    return value_none();
}

const struct value *global_joiner(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    struct joiner *joiner = run_alloc(run, sizeof(*joiner));

    (void)self;
    if (!joiner)
        return NULL;
    *joiner = (struct joiner){ .separator = bound[0] ? bound[0] : run_text(run, SLICE(", ")) };
    return joiner->separator ? run_object(run, VALUE_JOINER, joiner) : NULL;
}

const struct value *global_lipsum(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    (void)self;
    (void)bound;
    return run_fail(run, "lipsum() is not here");
}

const struct value *loop_cycle(struct run *run, const struct value *self,
                               const struct arguments *arguments)
{
    const struct loop *loop = self->object;

    if (arguments->positional == 0 || arguments->named)
        return run_fail(run, "no items for cycling given");
    return arguments->items[loop->index0 % arguments->positional];
}

const struct value *loop_changed(struct run *run, const struct value *self,
                                 const struct arguments *arguments)
{
    struct loop *loop = self->object;
    const struct value *now = tuple_of(run, arguments);
    bool changed;

    if (!now)
        return NULL;
    changed = !loop->changed || !equal(run, loop->changed, now);
    if (changed)
        loop->changed = now;
    return run->reason ? NULL : value_bool(changed);
}
