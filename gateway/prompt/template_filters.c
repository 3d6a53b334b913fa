/*
 * Filters on texts, and on any single value.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

static bool is_true(const struct value *value)
{
    return value && value_truth(value);
}

/* A filter that works on str(value). */
#define TEXT_FILTER(name, result)                                                                  \
    const struct value *filter_##name(struct run *run, const struct value *self,                   \
                                      const struct value *const *bound)                            \
    {                                                                                              \
        const struct value *value = text_of(run, self);                                            \
        struct slice text;                                                                         \
                                                                                                   \
        (void)bound;                                                                               \
        if (!value || !run_step_bytes(run, value->count))                                          \
            return NULL;                                                                           \
        text = value_slice(value);                                                                 \
        (void)text;                                                                                \
        return result;                                                                             \
    }

static const struct value *as_markup(const struct value *text)
{
    if (text)
        ((struct value *)(uintptr_t)text)->flags |= VALUE_MARKUP;
    return text;
}

static const struct value *escaped(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);

    print_escaped(run, text);
    return as_markup(run_captured(run, capture));
}

/* Words as \w+ finds them. */
static int64_t count_words(struct slice text)
{
    int64_t count = 0;
    bool in_word = false;

    while (text.len > 0) {
        uint32_t point = text_take(&text);
        bool word = point == '_' || text_is_alnum(point);

        count += word && !in_word;
        in_word = word;
    }
    return count;
}

static bool starts_word(uint32_t point)
{
    return point == '-' || point == '(' || point == '{' || point == '[' || point == '<' ||
           text_is_space(point);
}

/* How many bytes of the front start words (or do not). */
static size_t run_of(struct slice text, bool starting)
{
    struct slice rest = text;

    while (rest.len > 0) {
        struct slice at = rest;

        if (starts_word(text_take(&rest)) != starting)
            return text.len - at.len;
    }
    return text.len;
}

static void write_text(struct run *run, const struct value *text)
{
    if (text)
        run_write(run, value_slice(text));
}

/* Jinja2's title: upper case behind white space and opening brackets only. */
static const struct value *title(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);

    while (text.len > 0 && !run->reason) {
        size_t before = run_of(text, true), len;
        struct slice word = slice_skip(text, before), rest = word;

        run_write(run, slice_head(text, before));
        if (word.len == 0)
            break;
        len = run_of(word, false);
        text_take(&rest);
        write_text(run, text_upper(run, slice_head(word, word.len - rest.len)));
        write_text(run, text_lower(run, slice_head(rest, len - (word.len - rest.len))));
        text = slice_skip(word, len);
    }
    return run_captured(run, capture);
}

static const struct value *safe_text(struct run *run, struct slice text)
{
    return as_markup(run_text(run, text));
}

TEXT_FILTER(upper, text_upper(run, text))
TEXT_FILTER(lower, text_lower(run, text))
TEXT_FILTER(capitalize, text_capitalize(run, text))
TEXT_FILTER(title, title(run, text))
TEXT_FILTER(string, value)
TEXT_FILTER(wordcount, run_int(run, count_words(text)))
TEXT_FILTER(safe, safe_text(run, text))
TEXT_FILTER(escape, value->flags &VALUE_MARKUP ? value : escaped(run, text))
TEXT_FILTER(forceescape, escaped(run, text))

const struct value *filter_trim(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *text = text_of(run, self);

    return text ? text_method_strip(run, text, bound) : NULL;
}

const struct value *filter_center(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    const struct value width = { .kind = VALUE_INT, .integer = 80 };
    const struct value *const both[2] = { bound[0] ? bound[0] : &width, NULL };
    const struct value *text = text_of(run, self);

    return text ? text_method_center(run, text, both) : NULL;
}

const struct value *filter_replace(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    const struct value *text = text_of(run, self), *three[3];

    three[0] = text_of(run, bound[0]);
    three[1] = text_of(run, bound[1]);
    three[2] = bound[2] && bound[2]->kind != VALUE_NONE ? bound[2] : NULL;
    return text && three[0] && three[1] ? text_method_replace(run, text, three) : NULL;
}

const struct value *filter_default(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    if (self->kind != VALUE_UNDEFINED && !(is_true(bound[1]) && !value_truth(self)))
        return self;
    return bound[0] ? bound[0] : run_text(run, SLICE(""));
}

const struct value *filter_attr(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    struct slice name;

    if (!slice_of_value(run, bound[0], &name))
        return NULL;
    if (self->kind == VALUE_UNDEFINED)
        return run_undefined(run, name);
    if (self->kind == VALUE_DICT && !native_method_of(native_methods(name), VALUE_DICT))
        return run_undefined(run, name);
    return access_attribute(run, self, run_text(run, name), native_methods(name));
}

const struct value *filter_length(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    int64_t length = access_length(run, self);

    (void)bound;
    return length < 0 ? NULL : run_int(run, length);
}

/* Lines after the first (and the first, if asked) get `indention`; empty ones only if asked. */
static const struct value *indent(struct run *run, struct slice text, struct slice indention,
                                  bool first, bool blank)
{
    struct capture capture = run_capture(run);
    bool begun = false;

    do {
        struct slice line;
        bool last;

        text_take_line(&text, &line);
        last = text.len == 0;
        if (begun)
            run_write_char(run, '\n');
        if (begun ? blank || line.len > 0 : first)
            run_write(run, indention);
        run_write(run, line);
        begun = true;
        if (last)
            break;
    } while (!run->reason);
    return run_captured(run, capture);
}

const struct value *filter_indent(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    const struct value space = { .kind = VALUE_TEXT, .count = 1, .text = " " };
    const struct value four = { .kind = VALUE_INT, .integer = 4 };
    const struct value *indention = bound[0] ? bound[0] : &four, *text;
    struct capture capture;

    if (self->kind != VALUE_TEXT)
        return run_fail(run, "indent works on str, not %s", type_name(self));
    if (indention->kind != VALUE_TEXT)
        indention = arithmetic(run, NUMBER_MUL, &space, indention);
    if (!indention || !run_step_bytes(run, self->count))
        return NULL;
    /* a newline is put at the end, so that a text that ends with one keeps its last, empty line */
    capture = run_capture(run);
    run_write(run, value_slice(self));
    run_write_char(run, '\n');
    text = run_captured(run, capture);
    return text ? indent(run, value_slice(text), value_slice(indention), is_true(bound[1]),
                         is_true(bound[2]))
                : NULL;
}

static bool need_count(struct run *run, const struct value *value, int64_t otherwise,
                       int64_t *ret_count)
{
    *ret_count = otherwise;
    if (!value)
        return true;
    if (!value_is_int(value)) {
        run_fail(run, "an integer is expected, not %s", type_name(value));
        return false;
    }
    *ret_count = value->integer;
    return true;
}

const struct value *filter_truncate(struct run *run, const struct value *self,
                                    const struct value *const *bound)
{
    struct slice end = SLICE("..."), text, kept;
    int64_t length, leeway, points;
    struct capture capture;

    if (bound[3] && bound[3]->kind == VALUE_NONE)
        leeway = 5;
    else if (!need_count(run, bound[3], 5, &leeway))
        return NULL;
    if (!need_count(run, bound[0], 255, &length))
        return NULL;
    if (bound[2] && bound[2]->kind != VALUE_TEXT)
        return run_fail(run, "the end is a str");
    if (bound[2])
        end = value_slice(bound[2]);
    if (length < (int64_t)text_points(end) || leeway < 0)
        return run_fail(run, "expected length >= that of the end, and leeway >= 0");
    points = access_length(run, self);
    if (points <= length + leeway)
        return points < 0 ? NULL : self;
    if (self->kind != VALUE_TEXT)
        return run_fail(run, "truncate works on str, not %s", type_name(self));
    text = value_slice(self);
    kept = slice_head(text, text_offset(text, (size_t)length - text_points(end)));
    if (!is_true(bound[1])) {
        int64_t space = text_find_last(kept, SLICE(" "));

        kept = space < 0 ? kept : slice_head(kept, (size_t)space);
    }
    capture = run_capture(run);
    run_write(run, kept);
    run_write(run, end);
    return run_captured(run, capture);
}

const struct value *filter_format(struct run *run, const struct value *self,
                                  const struct arguments *arguments)
{
    const struct value *text = text_of(run, self), *values;

    if (!text)
        return NULL;
    if (arguments->positional && arguments->named)
        return run_fail(run, "format takes positional or named arguments, not both");
    values = run_made(run, arguments->named ? value_dict(run->arena) : value_tuple(run->arena));
    for (uint32_t i = 0; values && i < arguments->positional; i++)
        if (!run_append(run, values, arguments->items[i]))
            return NULL;
    for (uint32_t i = 0; values && i < arguments->named; i++)
        if (!run_put(run, values, arguments->names[i], arguments->items[i]))
            return NULL;
    return values ? format_percent(run, text, values) : NULL;
}
