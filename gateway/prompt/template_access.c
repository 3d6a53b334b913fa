/*
 * Attributes, items, slices, lengths, as Jinja's sandbox lets templates have them: methods and
 * names without underscores; what is not there is undefined.
 */
#include "gateway/prompt/template_eval.h"

#include "gateway/prompt/text.h"
#include "gateway/prompt/value_number.h"

/* Beyond any text; so that sums of bounds cannot run over. */
#define BOUND_MAX ((int64_t)1 << 40)

static const struct value *unsafe(struct run *run, const struct value *name)
{
    const struct value *value = run_undefined(run, value_slice(name));

    if (value)
        ((struct value *)(uintptr_t)value)->flags |= VALUE_UNSAFE;
    return value;
}

static const struct value *bind_method(struct run *run, const struct native *native,
                                       const struct value *self)
{
    struct method *method = run_alloc(run, sizeof(*method));

    if (!method)
        return NULL;
    *method = (struct method){ .native = native, .self = self };
    return run_object(run, VALUE_METHOD, method);
}

static const struct value *cycler_attribute(const struct value *cycler, struct slice name)
{
    const struct cycler *c = cycler->object;

    return slice_eq(name, SLICE("current")) && c->items->count ? c->items->items[c->at] : NULL;
}

static const struct value *macro_attribute(struct run *run, const struct value *value,
                                           struct slice name)
{
    const struct macro *macro = value->object;
    const struct node *parameters = macro->node->kids[0];
    const struct block *block = macro->node->block;
    const struct value *names;

    if (slice_eq(name, SLICE("name")))
        return macro->node->constant;
    if (slice_eq(name, SLICE("catch_kwargs")))
        return value_bool(block->uses_kwargs);
    if (slice_eq(name, SLICE("catch_varargs")))
        return value_bool(block->uses_varargs);
    if (slice_eq(name, SLICE("caller")))
        return value_bool(block->uses_caller);
    if (!slice_eq(name, SLICE("arguments")))
        return NULL;
    names = run_made(run, value_tuple(run->arena));
    for (uint32_t i = 0; names && i < parameters->count; i++)
        if (!run_append(run, names, parameters->kids[i]->constant))
            return NULL;
    return names;
}

const struct value *access_own(struct run *run, const struct value *object, struct slice name)
{
    switch ((enum value_kind)object->kind) {
    case VALUE_NAMESPACE:
        return value_get(object->object, name);
    case VALUE_LOOP:
        return loop_attribute(run, object, name);
    case VALUE_CYCLER:
        return cycler_attribute(object, name);
    case VALUE_MACRO:
        return macro_attribute(run, object, name);
    case VALUE_TUPLE:
        if (!(object->flags & VALUE_GROUP))
            return NULL;
        return slice_eq(name, SLICE("grouper")) ? object->items[0]
               : slice_eq(name, SLICE("list"))  ? object->items[1]
                                                : NULL;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_BIG:
        return slice_eq(name, SLICE("real")) || slice_eq(name, SLICE("numerator")) ? object : NULL;
    default:
        return NULL;
    }
}

/* As getattr: methods and attributes. NULL without a failure: none. */
static const struct value *get_attribute(struct run *run, const struct value *object,
                                         const struct value *name, const struct native *methods)
{
    const struct native *native = native_method_of(methods, object->kind);
    const struct value *own;

    if (native)
        return native->forbidden ? unsafe(run, name) : bind_method(run, native, object);
    own = access_own(run, object, value_slice(name));
    if (own || run->reason || object->kind == VALUE_NAMESPACE)
        return own;
    if (slice_starts(value_slice(name), SLICE("__")) &&
        slice_ends(value_slice(name), SLICE("__")) && object->kind != VALUE_DICT)
        return unsafe(run, name);
    return NULL;
}

static const struct value *undefined_object(struct run *run, const struct value *object)
{
    if (object->flags & VALUE_UNSAFE)
        return run_fail(run, "access to attribute '%.*s' is unsafe",
                        SLICE_ARGS(value_slice(object)));
    return run_fail(run, "'%.*s' is undefined", SLICE_ARGS(value_slice(object)));
}

const struct value *access_attribute(struct run *run, const struct value *object,
                                     const struct value *name, const struct native *methods)
{
    const struct value *found;

    if (object->kind == VALUE_UNDEFINED)
        return undefined_object(run, object);
    found = get_attribute(run, object, name, methods);
    if (found || run->reason)
        return found;
    if (object->kind == VALUE_DICT)
        found = value_get(object, value_slice(name));
    return found ? found : run_undefined(run, value_slice(name));
}

/* An item of what is indexed by number; NULL without a failure: none. */
static const struct value *item_at(struct run *run, const struct value *object, int64_t at)
{
    const struct range *range = object->object;
    struct iter iter;
    int64_t count = object->kind == VALUE_RANGE ? (int64_t)range->count : object->count;

    if (object->kind == VALUE_TEXT && !text_is_ascii(value_slice(object)))
        count = (int64_t)text_points(value_slice(object));
    at += at < 0 ? count : 0;
    if (at < 0 || at >= count)
        return NULL;
    if (object->kind == VALUE_LIST || object->kind == VALUE_TUPLE)
        return object->items[at];
    if (!run_step_bytes(run, object->count) || !iter_begin(run, object, &iter))
        return NULL;
    iter.at = object->kind == VALUE_TEXT && count < object->count
                  ? text_offset(value_slice(object), (size_t)at)
                  : (size_t)at;
    return iter.next(run, &iter);
}

static bool is_indexed(const struct value *object)
{
    return object->kind == VALUE_LIST || object->kind == VALUE_TUPLE ||
           object->kind == VALUE_TEXT || object->kind == VALUE_BYTES || object->kind == VALUE_RANGE;
}

const struct value *access_item(struct run *run, const struct value *object,
                                const struct value *key)
{
    const struct value *found = NULL;

    if (object->kind == VALUE_UNDEFINED)
        return undefined_object(run, object);
    if (object->kind == VALUE_DICT && key->kind == VALUE_TEXT)
        found = value_get(object, value_slice(key));
    else if (object->kind == VALUE_DICT && value_hashable(key)) {
        const struct dict_entry *entry = value_find(object, key);

        found = entry ? entry->item : NULL;
    } else if (is_indexed(object) && value_is_int(key)) {
        found = item_at(run, object, key->integer);
    }
    if (!found && !run->reason && key->kind == VALUE_TEXT)
        found = get_attribute(run, object, key, native_methods(value_slice(key)));
    if (found || run->reason)
        return found;
    return run_undefined(run, key->kind == VALUE_TEXT ? value_slice(key) : SLICE("item"));
}

/* A bound as a number; false after a failure. */
static bool read_bound(struct run *run, const struct value *bound, int64_t missing,
                       int64_t *ret_number)
{
    *ret_number = missing;
    if (!bound || bound->kind == VALUE_NONE)
        return true;
    if (bound->kind == VALUE_BIG)
        *ret_number = bound->flags & VALUE_NEGATIVE ? -BOUND_MAX : BOUND_MAX;
    else if (value_is_int(bound))
        *ret_number = bound->integer > BOUND_MAX    ? BOUND_MAX
                      : bound->integer < -BOUND_MAX ? -BOUND_MAX
                                                    : bound->integer;
    else
        return run_fail(run, "slice indices must be integers or None");
    return true;
}

/* Where a slice really begins (ends): counted from the end where negative, cut at the ends. */
static int64_t clip(int64_t at, int64_t count, int64_t step)
{
    if (at < 0)
        at += count;
    if (at < 0)
        return step < 0 ? -1 : 0;
    if (at >= count)
        return step < 0 ? count - 1 : count;
    return at;
}

struct span {
    int64_t start, step;
    size_t count;
};

static bool span_of(struct run *run, int64_t count, const struct value *const bounds[3],
                    struct span *ret_span)
{
    int64_t start, stop, step;

    if (!read_bound(run, bounds[2], 1, &step) ||
        !read_bound(run, bounds[0], step < 0 ? BOUND_MAX : 0, &start) ||
        !read_bound(run, bounds[1], step < 0 ? -2 * BOUND_MAX : BOUND_MAX, &stop))
        return false;
    if (step == 0)
        return run_fail(run, "slice step cannot be zero");
    start = clip(start, count, step);
    stop = clip(stop, count, step);
    ret_span->start = start;
    ret_span->step = step;
    ret_span->count = 0;
    if (step > 0 ? start < stop : stop < start)
        ret_span->count = (size_t)((stop - start + (step > 0 ? step - 1 : step + 1)) / step);
    return true;
}

static const struct value *slice_items(struct run *run, const struct value *object,
                                       struct span span)
{
    struct value *copy = run->reason ? NULL : value_sequence(run->arena, object->kind, span.count);

    if (!copy || !run_step(run, span.count / 8))
        return run_no_memory(run);
    for (size_t i = 0; i < span.count; i++)
        copy->items[i] = object->items[span.start + (int64_t)i * span.step];
    return copy;
}

static const struct value *slice_range(struct run *run, const struct value *object,
                                       struct span span)
{
    const struct range *range = object->object;
    struct range *copy = run_alloc(run, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = (struct range){ .start = range->start + span.start * range->step,
                            .step = range->step * span.step,
                            .count = span.count };
    copy->stop = copy->start + (int64_t)copy->count * copy->step;
    return run_object(run, VALUE_RANGE, copy);
}

/* Code points of a text with others than ASCII, one by one. */
static const struct value *slice_points(struct run *run, struct slice text, size_t points,
                                        struct span span)
{
    struct capture capture = run_capture(run);
    uint32_t *offsets = run_alloc(run, (points + 1) * sizeof(*offsets));
    size_t number = 0;

    for (size_t at = 0; offsets && at < text.len; at++)
        if (((unsigned char)text.at[at] & 0xc0) != 0x80)
            offsets[number++] = (uint32_t)at;
    if (offsets)
        offsets[points] = (uint32_t)text.len;
    for (size_t i = 0; offsets && i < span.count; i++) {
        size_t at = (size_t)(span.start + (int64_t)i * span.step);

        run_write(run, slice_of(text.at + offsets[at], offsets[at + 1] - offsets[at]));
    }
    return run_captured(run, capture);
}

static const struct value *slice_bytes(struct run *run, struct slice text, struct span span)
{
    char *copy;

    if (span.step == 1)
        return run_text(run, slice_of(text.at + span.start, span.count));
    copy = run_alloc(run, span.count);
    for (size_t i = 0; copy && i < span.count; i++)
        copy[i] = text.at[span.start + (int64_t)i * span.step];
    return copy ? run_text(run, slice_of(copy, span.count)) : NULL;
}

static const struct value *slice_text(struct run *run, const struct value *object,
                                      const struct value *const bounds[3])
{
    struct slice text = value_slice(object);
    size_t points = text_points(text), first;
    const struct value *result;
    struct span span;

    if (!run_step_bytes(run, text.len) || !span_of(run, (int64_t)points, bounds, &span))
        return NULL;
    if (points == text.len) {
        result = slice_bytes(run, text, span);
    } else if (span.step == 1) {
        first = text_offset(text, (size_t)span.start);
        text = slice_skip(text, first);
        result = run_text(run, slice_head(text, text_offset(text, span.count)));
    } else {
        result = slice_points(run, text, points, span);
    }
    if (result)
        ((struct value *)(uintptr_t)result)->flags = object->flags;
    return result;
}

const struct value *access_slice(struct run *run, const struct value *object,
                                 const struct value *start, const struct value *stop,
                                 const struct value *step)
{
    const struct value *const bounds[3] = { start, stop, step };
    const struct value *bytes;
    struct span span;

    switch ((enum value_kind)object->kind) {
    case VALUE_UNDEFINED:
        return undefined_object(run, object);
    case VALUE_TEXT:
        return slice_text(run, object, bounds);
    case VALUE_BYTES:
        bytes = span_of(run, object->count, bounds, &span)
                    ? slice_bytes(run, value_slice(object), span)
                    : NULL;
        if (bytes)
            ((struct value *)(uintptr_t)bytes)->kind = VALUE_BYTES;
        return bytes;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return span_of(run, object->count, bounds, &span) ? slice_items(run, object, span) : NULL;
    case VALUE_RANGE:
        return span_of(run, (int64_t)((const struct range *)object->object)->count, bounds, &span)
                   ? slice_range(run, object, span)
                   : NULL;
    default:
        return run_fail(run, "'%s' object is not subscriptable", type_name(object));
    }
}

static bool is_number(struct slice part)
{
    for (size_t i = 0; i < part.len; i++)
        if (part.at[i] < '0' || part.at[i] > '9')
            return false;
    return part.len > 0;
}

const struct value *access_path(struct run *run, const struct value *object,
                                const struct value *path)
{
    struct slice rest;

    if (path->kind != VALUE_TEXT)
        return access_item(run, object, path);
    rest = value_slice(path);
    do {
        struct slice part = slice_cut(&rest, '.');
        const struct value *key = is_number(part) && part.len < 18
                                      ? number_parse_int(run->arena, part, 10)
                                      : run_text(run, part);

        object = key ? access_item(run, object, key) : run_no_memory(run);
    } while (object && rest.at);
    return object;
}

int64_t access_length(struct run *run, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_UNDEFINED:
        return 0;
    case VALUE_TEXT:
        return run_step_bytes(run, value->count) ? (int64_t)text_points(value_slice(value)) : -1;
    case VALUE_BYTES:
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
        return value->count;
    case VALUE_VIEW:
        return ((const struct view *)value->object)->dict->count;
    case VALUE_RANGE:
        return (int64_t)((const struct range *)value->object)->count;
    default:
        run_fail(run, "object of type '%s' has no len()", type_name(value));
        return -1;
    }
}
