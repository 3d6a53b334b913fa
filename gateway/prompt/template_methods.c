/*
 * Methods of texts: what is stripped, filled up, found, split, joined and formatted.
 */
#include "gateway/base/utf8.h"
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

/* A text that is due as an argument. */
static bool need_text(struct run *run, const struct value *value, struct slice *ret_text)
{
    if (value->kind == VALUE_TEXT) {
        *ret_text = value_slice(value);
        return true;
    }
    run_fail(run, "a str is expected, not %s", type_name(value));
    return false;
}

static const struct value *strip(struct run *run, const struct value *self,
                                 const struct value *chars, enum text_side sides)
{
    const struct value *result;
    struct slice set;

    if (chars && chars->kind == VALUE_NONE)
        chars = NULL;
    if (chars && !need_text(run, chars, &set))
        return NULL;
    result = run_text(run, text_strip(run, value_slice(self), chars ? &set : NULL, sides));
    return run->reason ? NULL : result;
}

const struct value *text_method_strip(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    return strip(run, self, bound[0], TEXT_BOTH);
}

const struct value *text_method_lstrip(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return strip(run, self, bound[0], TEXT_LEFT);
}

const struct value *text_method_rstrip(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return strip(run, self, bound[0], TEXT_RIGHT);
}

static const struct value *pad(struct run *run, const struct value *self,
                               const struct value *const *bound, enum text_side sides)
{
    struct slice fill = SLICE(" ");
    int64_t width;

    if (!native_int(run, bound[0], 0, &width) || (bound[1] && !need_text(run, bound[1], &fill)))
        return NULL;
    return text_pad(run, value_slice(self), width, fill, sides);
}

const struct value *text_method_center(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return pad(run, self, bound, TEXT_BOTH);
}

const struct value *text_method_ljust(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    return pad(run, self, bound, TEXT_RIGHT);
}

const struct value *text_method_rjust(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    return pad(run, self, bound, TEXT_LEFT);
}

const struct value *text_method_zfill(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    struct slice text = value_slice(self);
    size_t sign = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
    struct capture capture;
    int64_t width;

    if (!native_int(run, bound[0], 0, &width))
        return NULL;
    capture = run_capture(run);
    run_write(run, slice_head(text, sign));
    run_write_fill(run, SLICE("0"), width - (int64_t)text_points(text));
    run_write(run, slice_skip(text, sign));
    return run_captured(run, capture);
}

/* The part of a text that start and end (characters, may be left out) cut out; false where there is
 * none, not even an empty one. */
static bool cut_out(struct run *run, struct slice text, const struct value *start_value,
                    const struct value *end_value, struct slice *ret_part, int64_t *ret_start)
{
    int64_t points = (int64_t)text_points(text), start, end;
    size_t from;

    if (start_value && start_value->kind == VALUE_NONE)
        start_value = NULL;
    if (end_value && end_value->kind == VALUE_NONE)
        end_value = NULL;
    if (!native_int(run, start_value, 0, &start) || !native_int(run, end_value, INT64_MAX, &end))
        return false;
    end = end > points ? points : end < -points ? 0 : end < 0 ? end + points : end;
    start = start < -points ? 0 : start < 0 ? start + points : start;
    *ret_start = start;
    if (start > end || start > points)
        return false;
    from = text_offset(text, (size_t)start);
    *ret_part = slice_of(text.at + from, text_offset(text, (size_t)end) - from);
    return true;
}

typedef int64_t find_fn(struct slice text, struct slice part);

/* The character at which an argument is found; -1: nowhere. False after a failure. */
static bool find(struct run *run, const struct value *self, const struct value *const *bound,
                 find_fn *how, int64_t *ret_at)
{
    struct slice text = value_slice(self), part, wanted;
    int64_t start = 0, at;

    *ret_at = -1;
    if (!need_text(run, bound[0], &wanted) || !run_step_bytes(run, text.len))
        return false;
    if (!cut_out(run, text, bound[1], bound[2], &part, &start))
        return !run->reason;
    at = how(part, wanted);
    *ret_at = at < 0 ? -1 : start + (int64_t)text_points(slice_head(part, (size_t)at));
    return true;
}

const struct value *text_method_find(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    int64_t at;

    return find(run, self, bound, text_find, &at) ? run_int(run, at) : NULL;
}

const struct value *text_method_rfind(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    int64_t at;

    return find(run, self, bound, text_find_last, &at) ? run_int(run, at) : NULL;
}

static const struct value *index_of(struct run *run, const struct value *self,
                                    const struct value *const *bound, find_fn *how)
{
    int64_t at;

    if (!find(run, self, bound, how, &at))
        return NULL;
    return at < 0 ? run_fail(run, "substring not found") : run_int(run, at);
}

const struct value *text_method_index(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    return index_of(run, self, bound, text_find);
}

const struct value *text_method_rindex(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return index_of(run, self, bound, text_find_last);
}

const struct value *text_method_count(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    struct slice part, wanted;
    int64_t start, count = 0;

    if (!need_text(run, bound[0], &wanted) || !run_step_bytes(run, self->count))
        return NULL;
    if (!cut_out(run, value_slice(self), bound[1], bound[2], &part, &start))
        return run->reason ? NULL : run_int(run, 0);
    if (wanted.len == 0)
        return run_int(run, (int64_t)text_points(part) + 1);
    for (int64_t at; (at = text_find(part, wanted)) >= 0; count++)
        part = slice_skip(part, (size_t)at + wanted.len);
    return run_int(run, count);
}

typedef bool match_fn(struct slice text, struct slice part);

/* A text, or any of a tuple of texts. */
static const struct value *matches(struct run *run, const struct value *self,
                                   const struct value *const *bound, match_fn *how)
{
    const struct value *const *items = &bound[0];
    uint32_t count = 1;
    struct slice part, wanted;
    int64_t start;
    bool found = false, some;

    if (bound[0]->kind == VALUE_TUPLE) {
        items = (const struct value *const *)bound[0]->items;
        count = bound[0]->count;
    }
    part = value_slice(self); /* what most ask for needs no counting */
    some = (!bound[1] && !bound[2]) ||
           (run_step_bytes(run, part.len) && cut_out(run, part, bound[1], bound[2], &part, &start));
    for (uint32_t i = 0; i < count && !found; i++) {
        if (!need_text(run, items[i], &wanted))
            return NULL;
        found = some && how(part, wanted);
    }
    return run->reason ? NULL : value_bool(found);
}

const struct value *text_method_startswith(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    return matches(run, self, bound, slice_starts);
}

const struct value *text_method_endswith(struct run *run, const struct value *self,
                                         const struct value *const *bound)
{
    return matches(run, self, bound, slice_ends);
}

const struct value *text_method_removeprefix(struct run *run, const struct value *self,
                                             const struct value *const *bound)
{
    struct slice text = value_slice(self), part;

    if (!need_text(run, bound[0], &part))
        return NULL;
    return run_text(run, slice_starts(text, part) ? slice_skip(text, part.len) : text);
}

const struct value *text_method_removesuffix(struct run *run, const struct value *self,
                                             const struct value *const *bound)
{
    struct slice text = value_slice(self), part;

    if (!need_text(run, bound[0], &part))
        return NULL;
    return run_text(run, slice_ends(text, part) ? slice_head(text, text.len - part.len) : text);
}

const struct value *text_method_replace(struct run *run, const struct value *self,
                                        const struct value *const *bound)
{
    struct slice old, new;
    int64_t most;

    if (!need_text(run, bound[0], &old) || !need_text(run, bound[1], &new) ||
        !native_int(run, bound[2], -1, &most))
        return NULL;
    return text_replace(run, value_slice(self), old, new, most);
}

typedef const struct value *split_fn(struct run *run, struct slice text,
                                     const struct slice *separator, int64_t most);

static const struct value *split(struct run *run, const struct value *self,
                                 const struct value *const *bound, split_fn *how)
{
    const struct value *separator = bound[0];
    struct slice text;
    int64_t most;

    if (separator && separator->kind == VALUE_NONE)
        separator = NULL;
    if ((separator && !need_text(run, separator, &text)) || !native_int(run, bound[1], -1, &most))
        return NULL;
    return how(run, value_slice(self), separator ? &text : NULL, most);
}

const struct value *text_method_split(struct run *run, const struct value *self,
                                      const struct value *const *bound)
{
    return split(run, self, bound, text_split);
}

const struct value *text_method_rsplit(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return split(run, self, bound, text_rsplit);
}

const struct value *text_method_splitlines(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    return text_lines(run, value_slice(self), bound[0] && value_truth(bound[0]));
}

static const struct value *three(struct run *run, struct slice a, struct slice b, struct slice c)
{
    const struct value *tuple = run_made(run, value_tuple(run->arena));

    if (!tuple || !run_append(run, tuple, run_text(run, a)) ||
        !run_append(run, tuple, run_text(run, b)) || !run_append(run, tuple, run_text(run, c)))
        return NULL;
    return tuple;
}

static const struct value *partition(struct run *run, const struct value *self,
                                     const struct value *const *bound, find_fn *how)
{
    struct slice text = value_slice(self), part, empty = SLICE("");
    int64_t at;

    if (!need_text(run, bound[0], &part) || !run_step_bytes(run, text.len))
        return NULL;
    if (part.len == 0)
        return run_fail(run, "empty separator");
    at = how(text, part);
    if (at < 0)
        return how == text_find ? three(run, text, empty, empty) : three(run, empty, empty, text);
    return three(run, slice_head(text, (size_t)at), part, slice_skip(text, (size_t)at + part.len));
}

const struct value *text_method_partition(struct run *run, const struct value *self,
                                          const struct value *const *bound)
{
    return partition(run, self, bound, text_find);
}

const struct value *text_method_rpartition(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    return partition(run, self, bound, text_find_last);
}

const struct value *text_method_join(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    const struct value *item;
    struct capture capture;
    struct iter iter;
    size_t count = 0;

    if (!iter_begin(run, bound[0], &iter))
        return NULL;
    capture = run_capture(run);
    for (; (item = iter_next(run, &iter)); count++) {
        if (item->kind != VALUE_TEXT) {
            run_fail(run, "sequence item %zu: expected str instance, %s found", count,
                     type_name(item));
            break;
        }
        if (count > 0)
            run_write(run, value_slice(self));
        run_write(run, value_slice(item));
    }
    return run_captured(run, capture);
}

const struct value *text_method_expandtabs(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    struct slice text = value_slice(self);
    struct capture capture;
    int64_t size, column = 0;

    if (!native_int(run, bound[0], 8, &size))
        return NULL;
    capture = run_capture(run);
    while (text.len > 0 && !run->reason) {
        struct slice at = text;
        uint32_t point = text_take(&text);

        if (point == '\t') {
            int64_t pad_to = size > 0 ? size - column % size : 0;

            run_write_fill(run, SLICE(" "), pad_to);
            column += pad_to;
            continue;
        }
        run_write(run, slice_head(at, at.len - text.len));
        column = point == '\n' || point == '\r' ? 0 : column + 1;
    }
    return run_captured(run, capture);
}

/* UTF-8 is what there is. */
static bool is_utf8_name(struct run *run, const struct value *encoding)
{
    if (!encoding ||
        (encoding->kind == VALUE_TEXT && (slice_ieq(value_slice(encoding), SLICE("utf-8")) ||
                                          slice_ieq(value_slice(encoding), SLICE("utf8")))))
        return true;
    return run_fail(run, "encodings other than utf-8 are not here");
}

static const struct value *as_kind(struct run *run, const struct value *self, enum value_kind kind)
{
    const struct value *copy = run_text(run, value_slice(self));

    if (copy)
        ((struct value *)(uintptr_t)copy)->kind = (uint8_t)kind;
    return copy;
}

const struct value *text_method_encode(struct run *run, const struct value *self,
                                       const struct value *const *bound)
{
    return is_utf8_name(run, bound[0]) ? as_kind(run, self, VALUE_BYTES) : NULL;
}

const struct value *bytes_decode(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    struct slice rest = value_slice(self);

    if (!is_utf8_name(run, bound[0]))
        return NULL;
    while (rest.len > 0) {
        size_t len = utf8_sequence(rest);

        if (len == 0)
            return run_fail(run, "'utf-8' codec can't decode bytes");
        rest = slice_skip(rest, len);
    }
    return as_kind(run, self, VALUE_TEXT);
}

const struct value *text_method_format(struct run *run, const struct value *self,
                                       const struct arguments *arguments)
{
    return format_braces(run, self, arguments);
}

const struct value *text_method_format_map(struct run *run, const struct value *self,
                                           const struct value *const *bound)
{
    struct arguments arguments = { 0 };
    const struct value **names, **items;

    if (bound[0]->kind != VALUE_DICT)
        return run_fail(run, "format_map() takes a mapping");
    names = run_alloc(run, (bound[0]->count + 1) * sizeof(*names));
    items = run_alloc(run, (bound[0]->count + 1) * sizeof(*items));
    if (!names || !items)
        return NULL;
    for (uint32_t i = 0; i < bound[0]->count; i++) {
        const struct dict_entry *entry = value_entry(bound[0], i);

        if (entry->key.kind != VALUE_TEXT)
            continue;
        names[arguments.named] = &entry->key;
        items[arguments.named++] = entry->item;
    }
    arguments.names = names;
    arguments.items = items;
    return format_braces(run, self, &arguments);
}
