/*
 * Memory, limits, output and iteration of a run.
 *
 * A capture writes into the scratch, one growing run of bytes used as a stack: what is captured
 * inside a capture lies behind it and is gone when it goes on.
 */
#include "gateway/prompt/template_run.h"

#include "gateway/prompt/template_objects.h"
#include "gateway/prompt/text.h"
#include "gateway/prompt/value_number.h"

#include <stdarg.h>
#include <stdio.h>

/* Room asked of the output at once: a few short texts, less than a page. */
#define WINDOW_BYTES 4096
/* The first scratch: a macro's usual output. */
#define SCRATCH_BYTES 1024

const void *run_limit(struct run *run, const char *sentence)
{
    if (run->reason)
        return NULL;
    run->reason = &reason_template_limit;
    run->message = slice_str(sentence);
    return NULL;
}

const void *run_fail(struct run *run, const char *format, ...)
{
    char what[256];
    struct slice whole;
    va_list args;
    int len;
    char *copy;

    if (run->reason)
        return NULL;
    len = snprintf(what, sizeof(what), "line %u: ", run->line);
    va_start(args, format);
    vsnprintf(what + len, sizeof(what) - (size_t)len, format, args);
    va_end(args);
    whole = slice_str(what);
    run->reason = &reason_template_failed;
    copy = arena_try_alloc(run->arena, whole.len);
    run->message = copy ? slice_of(memcpy(copy, whole.at, whole.len), whole.len) : SLICE("failed");
    return NULL;
}

void *run_alloc(struct run *run, size_t size)
{
    void *at = run->reason ? NULL : arena_try_alloc(run->arena, size);

    if (!at)
        run_no_memory(run);
    return at;
}

void *run_zalloc(struct run *run, size_t size)
{
    void *at = run_alloc(run, size);

    return at ? memset(at, 0, size) : NULL;
}

const struct value *run_text(struct run *run, struct slice text)
{
    return run_made(run, value_text(run->arena, text));
}

const struct value *run_copy(struct run *run, struct slice text)
{
    char *copy = run_alloc(run, text.len);

    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.at, text.len);
    return run_text(run, slice_of(copy, text.len));
}

const struct value *run_int(struct run *run, int64_t number)
{
    return run_made(run, value_int(run->arena, number));
}

const struct value *run_undefined(struct run *run, struct slice name)
{
    struct value *value = value_text(run->arena, name);

    if (value)
        value->kind = VALUE_UNDEFINED;
    return run_made(run, value);
}

const struct value *run_object(struct run *run, enum value_kind kind, void *object)
{
    struct value *value = value_new(run->arena, kind);

    if (value)
        value->object = object;
    return run_made(run, value);
}

/* Lists and dicts that are being made are nobody else's yet. */
static struct value *mutable(const struct value *value)
{
    return (struct value *)(uintptr_t)value;
}

bool run_append(struct run *run, const struct value *list, const struct value *item)
{
    if (!item || run->reason)
        return false;
    return value_append(run->arena, mutable(list), mutable(item)) || run_no_memory(run);
}

bool run_put(struct run *run, const struct value *dict, const struct value *key,
             const struct value *item)
{
    if (!key || !item || run->reason)
        return false;
    if (!value_hashable(key))
        return run_fail(run, "unhashable type: '%s'", type_name(key));
    return value_put_key(run->arena, mutable(dict), key, mutable(item)) || run_no_memory(run);
}

/* How many bytes may still be put out. */
static size_t out_room(const struct run *run)
{
    size_t written = run->out->len - run->out_start;
    size_t limit = run->call->limits.output_bytes;
    size_t room = limit > written ? limit - written : 0;

    return room < buf_room(run->out) ? room : buf_room(run->out);
}

static void write_to_buf(struct run *run, struct slice text)
{
    struct sink *sink = &run->top;
    size_t room, want;

    buf_commit(run->out, (size_t)(sink->at - sink->begin));
    sink->begin = sink->at = sink->end = NULL;
    room = out_room(run);
    if (text.len > room) {
        run_limit(run, "the chat template writes more than a prompt may have");
        buf_reserve(run->out, 1);
        return;
    }
    if (text.len >= WINDOW_BYTES) {
        buf_add(run->out, text);
        sink->begin = sink->at = sink->end = buf_reserve(run->out, 1);
        return;
    }
    want = room < WINDOW_BYTES ? room : WINDOW_BYTES;
    sink->begin = buf_reserve(run->out, want);
    sink->end = sink->begin + want;
    memcpy(sink->begin, text.at, text.len);
    sink->at = sink->begin + text.len;
}

static void write_to_scratch(struct run *run, struct slice text)
{
    struct sink *sink = &run->scratch;
    size_t used = (size_t)(sink->at - sink->begin), size = (size_t)(sink->end - sink->begin);
    char *more;

    size = size ? size * 2 : SCRATCH_BYTES;
    while (size - used < text.len)
        size *= 2;
    more = run_alloc(run, size);
    if (!more)
        return;
    if (used)
        memcpy(more, sink->begin, used);
    memcpy(more + used, text.at, text.len);
    *sink = (struct sink){ .begin = more, .at = more + used + text.len, .end = more + size };
}

void run_write_slow(struct run *run, struct slice text)
{
    if (run->reason)
        return;
    if (run->sink->to_buf)
        write_to_buf(run, text);
    else
        write_to_scratch(run, text);
}

void run_write_char(struct run *run, char c)
{
    run_write(run, slice_of(&c, 1));
}

void run_write_fill(struct run *run, struct slice text, int64_t times)
{
    for (; times > 0 && !run->reason && run_step_bytes(run, text.len); times--)
        run_write(run, text);
}

struct capture run_capture(struct run *run)
{
    struct capture capture = { run->sink, (size_t)(run->scratch.at - run->scratch.begin) };

    run->sink = &run->scratch;
    return capture;
}

const struct value *run_captured(struct run *run, struct capture capture)
{
    struct sink *scratch = &run->scratch;
    struct slice text = slice_of(scratch->begin ? scratch->begin + capture.start : "",
                                 (size_t)(scratch->at - scratch->begin) - capture.start);

    run->sink = capture.outer;
    if (scratch->at)
        scratch->at = scratch->begin + capture.start;
    return run->reason || !run_step_bytes(run, text.len) ? NULL : run_copy(run, text);
}

/* Items of a list or tuple. */
static const struct value *next_item(struct run *run, struct iter *iter)
{
    (void)run;
    return iter->at < iter->source->count ? iter->source->items[iter->at++] : NULL;
}

static const struct value *next_point(struct run *run, struct iter *iter)
{
    struct slice rest = slice_skip(value_slice(iter->source), iter->at);
    struct slice point = rest;

    if (rest.len == 0)
        return NULL;
    text_take(&rest);
    point.len -= rest.len;
    iter->at += point.len;
    return run_text(run, point);
}

static const struct value *next_byte(struct run *run, struct iter *iter)
{
    return iter->at < iter->source->count
               ? run_int(run, (unsigned char)iter->source->text[iter->at++])
               : NULL;
}

static const struct value *next_key(struct run *run, struct iter *iter)
{
    (void)run;
    return iter->at < iter->source->count ? &value_entry(iter->source, iter->at++)->key : NULL;
}

static const struct value *next_in_view(struct run *run, struct iter *iter)
{
    const struct view *view = iter->source->object;
    const struct dict_entry *entry;
    struct value *pair;

    if (iter->at >= view->dict->count)
        return NULL;
    entry = value_entry(view->dict, iter->at++);
    if (view->what != VIEW_ITEMS)
        return view->what == VIEW_KEYS ? &entry->key : entry->item;
    pair = value_sequence(run->arena, VALUE_TUPLE, 2);
    if (!pair)
        return run_no_memory(run);
    pair->items[0] = mutable(&entry->key);
    pair->items[1] = entry->item;
    return pair;
}

static const struct value *next_number(struct run *run, struct iter *iter)
{
    const struct range *range = iter->source->object;

    if (iter->at >= range->count)
        return NULL;
    return run_int(run, range->start + range->step * (int64_t)iter->at++);
}

static const struct value *next_of_iterator(struct run *run, struct iter *iter)
{
    struct iter *inner = iter->source->object;

    return inner->next(run, inner);
}

static const struct value *next_nothing(struct run *run, struct iter *iter)
{
    (void)run;
    (void)iter;
    return NULL;
}

static const struct value *(*const next_of_kind[])(struct run *run, struct iter *iter) = {
    [VALUE_UNDEFINED] = next_nothing,    [VALUE_TEXT] = next_point,
    [VALUE_BYTES] = next_byte,           [VALUE_LIST] = next_item,
    [VALUE_TUPLE] = next_item,           [VALUE_DICT] = next_key,
    [VALUE_VIEW] = next_in_view,         [VALUE_RANGE] = next_number,
    [VALUE_ITERATOR] = next_of_iterator, [VALUE_JOINER] = NULL,
};

bool iter_possible(const struct value *value)
{
    return next_of_kind[value->kind] != NULL;
}

bool iter_begin(struct run *run, const struct value *value, struct iter *ret_iter)
{
    *ret_iter = (struct iter){ .next = next_of_kind[value->kind], .source = value };
    if (value->kind == VALUE_UNDEFINED && value->flags & VALUE_UNSAFE)
        return run_fail(run, "access to '%.*s' is unsafe", SLICE_ARGS(value_slice(value)));
    return ret_iter->next || run_fail(run, "'%s' object is not iterable", type_name(value));
}

const struct value *run_sequence(struct run *run, enum value_kind kind, const struct value *value)
{
    const struct value *list = run_made(run, value_new(run->arena, kind)), *item;
    struct iter iter;

    if (!list || !iter_begin(run, value, &iter))
        return NULL;
    while ((item = iter_next(run, &iter)))
        if (!run_append(run, list, item))
            return NULL;
    return run->reason ? NULL : list;
}

const struct value *run_iterator(struct run *run, const struct iter *iter)
{
    struct iter *copy = run_alloc(run, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *iter;
    return run_object(run, VALUE_ITERATOR, copy);
}

const char *type_name(const struct value *value)
{
    static const char *const names[] = {
        [VALUE_UNDEFINED] = "Undefined",
        [VALUE_NONE] = "NoneType",
        [VALUE_BOOL] = "bool",
        [VALUE_INT] = "int",
        [VALUE_BIG] = "int",
        [VALUE_FLOAT] = "float",
        [VALUE_TEXT] = "str",
        [VALUE_BYTES] = "bytes",
        [VALUE_LIST] = "list",
        [VALUE_TUPLE] = "tuple",
        [VALUE_DICT] = "dict",
        [VALUE_VIEW] = "dict_view",
        [VALUE_RANGE] = "range",
        [VALUE_ITERATOR] = "generator",
        [VALUE_NAMESPACE] = "Namespace",
        [VALUE_LOOP] = "LoopContext",
        [VALUE_MACRO] = "Macro",
        [VALUE_FUNCTION] = "function",
        [VALUE_METHOD] = "method",
        [VALUE_CYCLER] = "Cycler",
        [VALUE_JOINER] = "Joiner",
    };

    return names[value->kind];
}

bool value_truth_of(const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_BIG:
    case VALUE_FLOAT:
        return number_truth(value);
    case VALUE_VIEW:
        return ((const struct view *)value->object)->dict->count > 0;
    case VALUE_RANGE:
        return ((const struct range *)value->object)->count > 0;
    case VALUE_TEXT:
    case VALUE_BYTES:
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
        return value->count > 0;
    default:
        return true;
    }
}
