/*
 * Filters on single values: texts, numbers, defaults.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

#include <math.h>
#include <stdio.h>

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

const struct value *filter_abs(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    (void)bound;
    if (!number_is(self))
        return run_fail(run, "bad operand type for abs(): '%s'", type_name(self));
    return run_made(run, number_abs(run->arena, self));
}

/* int(value) of a number. */
static const struct value *cut(struct run *run, const struct value *number)
{
    const struct value *result;
    const char *error;

    if (number->kind != VALUE_FLOAT)
        return number->kind == VALUE_BOOL ? run_int(run, number->integer) : number;
    result = number_cut(run->arena, number, &error);
    if (!result && error)
        return run_fail(run, "%s", error);
    return run_made(run, result);
}

const struct value *filter_int(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    const struct value *otherwise = bound[0] ? bound[0] : run_int(run, 0), *result;
    struct value real = { .kind = VALUE_FLOAT };

    if (self->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined", SLICE_ARGS(value_slice(self)));
    if (number_is(self))
        return self->kind == VALUE_FLOAT && isnan(self->real) ? otherwise : cut(run, self);
    if (self->kind != VALUE_TEXT)
        return otherwise;
    if (bound[1] && (!value_is_int(bound[1]) || bound[1]->integer == 1 || bound[1]->integer < 0 ||
                     bound[1]->integer > 36))
        return run_fail(run, "int() base must be >= 2 and <= 36, or 0");
    result = text_int(run, value_slice(self), bound[1] ? (unsigned)bound[1]->integer : 10);
    if (result || run->reason)
        return result;
    if (!text_float(value_slice(self), &real.real) || isnan(real.real))
        return otherwise;
    return cut(run, &real);
}

const struct value *filter_float(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    double real = 0.0;

    if (self->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined", SLICE_ARGS(value_slice(self)));
    if (number_is(self)) {
        real = number_real(self);
        if (self->kind == VALUE_BIG && isinf(real))
            return run_fail(run, "int too large to convert to float");
    } else if (self->kind != VALUE_TEXT || !text_float(value_slice(self), &real)) {
        return bound[0] ? bound[0] : run_made(run, value_float(run->arena, 0.0));
    }
    return run_made(run, value_float(run->arena, real));
}

/* round(): the nearest decimal, ties to even, as printing with that many digits decides. */
static double round_real(double real, int64_t digits)
{
    char text[512];
    double scale;

    if (!isfinite(real) || digits > 300)
        return real;
    if (digits >= 0) {
        snprintf(text, sizeof(text), "%.*f", (int)(digits < 120 ? digits : 120), real);
        return number_parse_float(slice_str(text));
    }
    scale = pow(10, (double)(digits < -320 ? 320 : -digits));
    return isinf(scale) ? copysign(0.0, real) : nearbyint(real / scale) * scale;
}

const struct value *filter_round(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    struct slice method = SLICE("common");
    int64_t digits = bound[0] && value_is_int(bound[0]) ? bound[0]->integer : 0;
    double real, scale;

    if (bound[1] && !slice_of_value(run, bound[1], &method))
        return NULL;
    if (!slice_eq(method, SLICE("common")) && !slice_eq(method, SLICE("ceil")) &&
        !slice_eq(method, SLICE("floor")))
        return run_fail(run, "method must be common, ceil or floor");
    if (!number_is(self) || (bound[0] && !value_is_int(bound[0])))
        return run_fail(run, "type %s cannot be rounded", type_name(self));
    real = number_real(self);
    if (slice_eq(method, SLICE("common"))) {
        if (self->kind == VALUE_FLOAT)
            return run_made(run, value_float(run->arena, round_real(real, digits)));
        return digits >= 0 ? cut(run, self) : run_fail(run, "ints are not rounded to tens here");
    }
    scale = pow(10, (double)digits);
    real = method.at[0] == 'c' ? ceil(real * scale) : floor(real * scale);
    return isfinite(real) ? run_made(run, value_float(run->arena, real / scale))
                          : run_fail(run, "cannot convert float to integer");
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

/* Behind a tag or comment that begins here; 0: none does. */
static size_t tag_len(struct slice text)
{
    int64_t comment =
        slice_starts(text, SLICE("<!--")) ? text_find(slice_skip(text, 4), SLICE("-->")) : -1;
    size_t close = slice_find(text, '>');

    if (comment >= 0)
        return (size_t)comment + 7;
    return close < text.len ? close + 1 : 0;
}

/* The character that an entity at the front stands for, and its length; 0: none that is known. */
static size_t entity_len(struct slice text, char *ret_char)
{
    static const struct {
        struct slice entity;
        char c;
    } entities[] = { { SLICE_INIT("&amp;"), '&' },  { SLICE_INIT("&lt;"), '<' },
                     { SLICE_INIT("&gt;"), '>' },   { SLICE_INIT("&quot;"), '"' },
                     { SLICE_INIT("&#34;"), '"' },  { SLICE_INIT("&#39;"), '\'' },
                     { SLICE_INIT("&apos;"), '\'' } };

    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if (slice_starts(text, entities[i].entity)) {
            *ret_char = entities[i].c;
            return entities[i].entity.len;
        }
    return 0;
}

/* Words with one space between them, entities resolved. */
static void write_words(struct run *run, const struct value *words)
{
    for (uint32_t i = 0; words && i < words->count; i++) {
        struct slice word = value_slice(words->items[i]);

        if (i > 0)
            run_write_char(run, ' ');
        while (word.len > 0 && !run->reason) {
            char c = word.at[0];
            size_t len = entity_len(word, &c);

            run_write_char(run, c);
            word = slice_skip(word, len ? len : 1);
        }
    }
}

const struct value *filter_striptags(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    const struct value *text = text_of(run, self);
    struct capture capture;
    struct slice rest;

    (void)bound;
    if (!text || !run_step_bytes(run, text->count))
        return NULL;
    capture = run_capture(run);
    rest = value_slice(text);
    while (rest.len > 0 && !run->reason) {
        size_t open = slice_find(rest, '<'), len;

        run_write(run, slice_head(rest, open));
        rest = slice_skip(rest, open);
        len = rest.len ? tag_len(rest) : 0;
        if (len == 0)
            run_write(run, rest);
        rest = slice_skip(rest, len ? len : rest.len);
    }
    text = run_captured(run, capture);
    if (!text)
        return NULL;
    capture = run_capture(run);
    write_words(run, text_split(run, value_slice(text), NULL, -1));
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

const struct value *filter_filesizeformat(struct run *run, const struct value *self,
                                          const struct value *const *bound)
{
    static const char prefixes[] = "kMGTPEZY";
    double real;
    bool binary = is_true(bound[0]);
    double base = binary ? 1024 : 1000, unit = base;
    char text[64];
    size_t i = 0;
    int len;

    if (number_is(self))
        real = number_real(self);
    else if (self->kind != VALUE_TEXT || !text_float(value_slice(self), &real))
        return run_fail(run, "a size is a number");
    if (real == 1)
        return run_text(run, SLICE("1 Byte"));
    if (real < base) {
        len = snprintf(text, sizeof(text), "%.0f Bytes", trunc(real));
        return run_copy(run, slice_of(text, (size_t)len));
    }
    while (i + 1 < sizeof(prefixes) - 1 && real >= unit * base) {
        unit *= base;
        i++;
    }
    len = snprintf(text, sizeof(text), "%.1f %c%sB", real / unit,
                   binary && i == 0 ? 'K' : prefixes[i], binary ? "i" : "");
    return run_copy(run, slice_of(text, (size_t)(len < (int)sizeof(text) ? len : 0)));
}

/* Percent signs for all that is not plain in a URL; `slash`: / is plain. */
static void write_quoted(struct run *run, struct slice text, bool slash)
{
    for (size_t i = 0; i < text.len && !run->reason; i++) {
        unsigned char c = (unsigned char)text.at[i];
        char code[4];

        if ((c < 0x80 && text_is_alnum(c)) || (c && strchr("_.-~", c)) || (slash && c == '/')) {
            run_write_char(run, (char)c);
            continue;
        }
        if (!slash && c == ' ') {
            run_write_char(run, '+');
            continue;
        }
        snprintf(code, sizeof(code), "%%%02X", c);
        run_write(run, slice_of(code, 3));
    }
}

static void write_query(struct run *run, const struct value *items)
{
    const struct value *pair, *part;
    struct iter iter;
    bool more = false;

    if (!iter_begin(run, items, &iter))
        return;
    for (; (pair = iter_next(run, &iter)) && !run->reason; more = true) {
        pair = run_sequence(run, VALUE_TUPLE, pair);
        if (!pair || pair->count != 2) {
            run_fail(run, "urlencode takes pairs");
            return;
        }
        for (int i = 0; i < 2 && (part = text_of(run, pair->items[i])); i++) {
            if (i == 1 || more)
                run_write_char(run, i == 1 ? '=' : '&');
            write_quoted(run, value_slice(part), false);
        }
    }
}

const struct value *filter_urlencode(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    bool pairs = self->kind != VALUE_TEXT && iter_possible(self);
    const struct value *text = pairs ? self : text_of(run, self);
    struct capture capture;

    if (!text || !run_step_bytes(run, text->count))
        return NULL;
    if (self->kind == VALUE_DICT)
        text = dict_items(run, self, bound);
    capture = run_capture(run);
    if (pairs && text)
        write_query(run, text);
    else if (text)
        write_quoted(run, value_slice(text), true);
    return run_captured(run, capture);
}

const struct value *filter_xmlattr(struct run *run, const struct value *self,
                                   const struct value *const *bound)
{
    bool space = !bound[0] || value_truth(bound[0]), any = false;
    struct capture capture;

    if (self->kind != VALUE_DICT)
        return run_fail(run, "xmlattr works on a dict");
    capture = run_capture(run);
    for (uint32_t i = 0; i < self->count && !run->reason; i++) {
        const struct dict_entry *entry = value_entry(self, i);
        struct slice key, item;

        if (entry->item->kind == VALUE_NONE || entry->item->kind == VALUE_UNDEFINED)
            continue;
        if (!slice_of_value(run, &entry->key, &key) || !slice_of_value(run, entry->item, &item))
            break;
        if (space || any)
            run_write_char(run, ' ');
        any = true;
        print_escaped(run, key);
        run_write(run, SLICE("=\""));
        print_escaped(run, item);
        run_write_char(run, '"');
    }
    return run_captured(run, capture);
}
