/*
 * Values: from what a user writes to a field, and back. Everything is exact: what does not fit a
 * type is a complaint, never a rounded or wrapped number.
 */
#include "conf/directive.h"

#include "conf/complaint.h"
#include "conf/format.h"
#include "conf/nearest.h"
#include "gateway/base/real.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *name; /* as printed; read in any case */
    uint64_t factor;
};

/* Largest first: a value is printed in the first one that divides it. */
static const struct unit size_units[] = {
    { "TiB", 1ull << 40 },   { "TB", 1000000000000ull }, { "GiB", 1ull << 30 },
    { "GB", 1000000000ull }, { "MiB", 1ull << 20 },      { "MB", 1000000ull },
    { "KiB", 1ull << 10 },   { "KB", 1000ull },          { "B", 1ull },
};
static const struct unit duration_units[] = {
    { "d", 86400000ull }, { "h", 3600000ull }, { "m", 60000ull }, { "s", 1000ull }, { "ms", 1ull },
};

static const struct {
    const char *text;
    bool truth;
} truths[] = { { "on", true }, { "off", false }, { "true", true }, { "false", false } };

union value {
    bool truth;
    uint64_t number;
    double real;
    int word;
};

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* Decimal, without a sign, and without zeros in front, which other readers of YAML take for octal.
 */
static bool read_whole(struct slice text, uint64_t *ret_number)
{
    if (text.len > 1 && text.at[0] == '0')
        return false;
    return slice_u64(text, ret_number);
}

static const struct unit *unit_find(struct slice name, const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(name, slice_str(units[i].name)))
            return &units[i];
    return NULL;
}

/* Cuts the digits at the front of `*rest` off. */
static struct slice cut_digits(struct slice *rest)
{
    struct slice digits = *rest;

    for (digits.len = 0; digits.len < rest->len; digits.len++)
        if (rest->at[digits.len] < '0' || rest->at[digits.len] > '9')
            break;
    *rest = slice_skip(*rest, digits.len);
    return digits;
}

static bool read_size(const struct directive *row UNUSED, struct slice text, union value *ret_value)
{
    struct slice rest = text;
    struct slice digits = cut_digits(&rest);
    const struct unit *unit;

    rest = slice_trim(rest);
    unit = unit_find(rest.len > 0 ? rest : SLICE("B"), size_units, ARRAY_LEN(size_units));
    return unit && read_whole(digits, &ret_value->number) &&
           !__builtin_mul_overflow(ret_value->number, unit->factor, &ret_value->number);
}

/* Parts from large units to small ones, each once. Only 0 needs no unit. */
static bool read_duration(const struct directive *row UNUSED, struct slice text,
                          union value *ret_value)
{
    const struct unit *last = NULL;

    ret_value->number = 0;
    if (slice_eq(text, SLICE("0")))
        return true;
    while (text.len > 0) {
        struct slice digits = cut_digits(&text);
        struct slice name = text;
        const struct unit *unit;
        uint64_t part;

        for (name.len = 0; name.len < text.len; name.len++)
            if (text.at[name.len] >= '0' && text.at[name.len] <= '9')
                break;
        text = slice_skip(text, name.len);
        unit = unit_find(slice_trim(name), duration_units, ARRAY_LEN(duration_units));
        if (!unit || (last && unit <= last) || !read_whole(digits, &part) ||
            __builtin_mul_overflow(part, unit->factor, &part) ||
            __builtin_add_overflow(ret_value->number, part, &ret_value->number))
            return false;
        last = unit;
    }
    return last != NULL;
}

static bool read_number(const struct directive *row UNUSED, struct slice text,
                        union value *ret_value)
{
    return read_whole(text, &ret_value->number);
}

static bool read_real(const struct directive *row UNUSED, struct slice text, union value *ret_value)
{
    char copy[64]; /* more digits than a double can tell apart */
    bool percent = text.len > 0 && text.at[text.len - 1] == '%';
    char *end;

    text.len -= percent;
    if (text.len == 0 || text.len + sizeof("e-2") > sizeof(copy))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_one_of(text.at[i], "0123456789.eE+-"))
            return false;
    memcpy(copy, text.at, text.len);
    strcpy(copy + text.len, percent ? "e-2" : ""); /* a division would round once more */
    ret_value->real = strtod(copy, &end);
    return *end == '\0' && isfinite(ret_value->real);
}

static bool read_truth(const struct directive *row UNUSED, struct slice text,
                       union value *ret_value)
{
    for (size_t i = 0; i < ARRAY_LEN(truths); i++)
        if (slice_eq(text, slice_str(truths[i].text))) {
            ret_value->truth = truths[i].truth;
            return true;
        }
    return false;
}

static bool read_word(const struct directive *row, struct slice text, union value *ret_value)
{
    for (int i = 0; row->words[i]; i++)
        if (slice_eq(text, slice_str(row->words[i]))) {
            ret_value->word = i;
            return true;
        }
    return false;
}

static bool read_text(const struct directive *row, struct slice text, union value *ret_value UNUSED)
{
    const struct text_format *format = text_format(row->format);

    return !format || format->fits(text);
}

static bool read_path(const struct directive *row UNUSED, struct slice text,
                      union value *ret_value UNUSED)
{
    return text.len > 0;
}

static void print_in_units(uint64_t number, const struct unit *units, size_t count, struct buf *out)
{
    size_t i = 0;

    while (i + 1 < count && (number == 0 || number % units[i].factor != 0))
        i++;
    buf_printf(out, "%llu%s", (unsigned long long)(number / units[i].factor), units[i].name);
}

static void print_size(const struct directive *row UNUSED, const union value *value,
                       struct buf *out)
{
    print_in_units(value->number, size_units, ARRAY_LEN(size_units), out);
}

static void print_duration(const struct directive *row UNUSED, const union value *value,
                           struct buf *out)
{
    print_in_units(value->number, duration_units, ARRAY_LEN(duration_units), out);
}

static void print_number(const struct directive *row UNUSED, const union value *value,
                         struct buf *out)
{
    buf_printf(out, "%llu", (unsigned long long)value->number);
}

static void print_real(const struct directive *row UNUSED, const union value *value,
                       struct buf *out)
{
    char text[REAL_TEXT_BYTES];

    buf_add(out, slice_of(text, real_print(value->real, text)));
}

static void print_truth(const struct directive *row UNUSED, const union value *value,
                        struct buf *out)
{
    buf_add(out, value->truth ? SLICE("on") : SLICE("off"));
}

static void print_word(const struct directive *row, const union value *value, struct buf *out)
{
    buf_add(out, slice_str(row->words[value->word]));
}

/* The lists of people's words stand in one order: type, what is wanted, how it is read and printed.
 */
static const struct type {
    const char *name;
    const char *wanted; /* NULL: the row's words or format */
    bool (*read)(const struct directive *row, struct slice text, union value *ret_value);
    void (*print)(const struct directive *row, const union value *value, struct buf *out);
    size_t size;      /* of the field */
    bool is_quantity; /* union value.number, with bounds */
} types[] = {
    [DIRECTIVE_TYPE_TEXT] = { "text", NULL, read_text, NULL, 0, false },
    [DIRECTIVE_TYPE_PATH] = { "path", "the path of a file", read_path, NULL, 0, false },
    [DIRECTIVE_TYPE_BOOL] = { "on or off", NULL, read_truth, print_truth, sizeof(bool), false },
    [DIRECTIVE_TYPE_NUMBER] = { "number", "a whole number without a sign", read_number,
                                print_number, sizeof(uint64_t), true },
    [DIRECTIVE_TYPE_REAL] = { "real number", "a number like 0.2 or 20%", read_real, print_real,
                              sizeof(double), false },
    [DIRECTIVE_TYPE_SIZE] = { "size", "a size like 4096, 64KB (64000) or 64KiB (65536)", read_size,
                              print_size, sizeof(uint64_t), true },
    [DIRECTIVE_TYPE_DURATION] = { "duration", "a duration like 500ms, 5s, 1m30s, 1h or 7d",
                                  read_duration, print_duration, sizeof(uint64_t), true },
    [DIRECTIVE_TYPE_WORD] = { "word", NULL, read_word, print_word, sizeof(int), false },
    [DIRECTIVE_TYPE_TEXTS] = { "list of texts", NULL, read_text, NULL, 0, false },
    [DIRECTIVE_TYPE_OBJECT] = { "mapping", NULL, NULL, NULL, 0, false },
    [DIRECTIVE_TYPE_LIST] = { "list of mappings", NULL, NULL, NULL, 0, false },
};

const char *directive_type_name(enum directive_type type)
{
    return types[type].name;
}

static void complain_word(const struct directive *row, const char *excerpt, struct slice text,
                          char ret_complaint[DIRECTIVE_COMPLAINT_SIZE])
{
    const char *words[ARRAY_LEN(truths)];
    const char *const *candidates = row->words;
    size_t count = 0, len;
    const char *near;

    if (row->type == DIRECTIVE_TYPE_BOOL) {
        for (; count < ARRAY_LEN(truths); count++)
            words[count] = truths[count].text;
        candidates = words;
    } else {
        while (row->words[count])
            count++;
    }
    near = nearest_word(text, candidates, count);
    if (near) {
        snprintf(ret_complaint, DIRECTIVE_COMPLAINT_SIZE,
                 "`%s` is no value of `%s`; did you mean `%s`?", excerpt, row->key, near);
        return;
    }
    len = (size_t)snprintf(ret_complaint, DIRECTIVE_COMPLAINT_SIZE,
                           "`%s` is no value of `%s`, which takes", excerpt, row->key);
    for (size_t i = 0; i < count && len < DIRECTIVE_COMPLAINT_SIZE; i++)
        len += (size_t)snprintf(ret_complaint + len, DIRECTIVE_COMPLAINT_SIZE - len, "%s %s",
                                i == 0           ? ""
                                : i + 1 == count ? " or"
                                                 : ",",
                                candidates[i]);
}

/* A part of something: people think of it as a percentage. */
static bool is_part(const struct directive *row)
{
    return row->type == DIRECTIVE_TYPE_REAL && row->max == 1;
}

static bool is_bounded(const struct directive *row)
{
    return types[row->type].is_quantity || row->type == DIRECTIVE_TYPE_REAL;
}

void directive_print_bound(const struct directive *row, double bound, struct buf *out)
{
    union value value = { .number = 0 };

    if (types[row->type].is_quantity)
        value.number = (uint64_t)bound;
    else
        value.real = bound;
    types[row->type].print(row, &value, out);
}

/* What the row takes, as far as its type, format and bounds say. */
static void print_wanted(const struct directive *row, struct buf *out)
{
    const struct text_format *format = text_format(row->format);

    if (row->type == DIRECTIVE_TYPE_REAL && row->max > 1)
        buf_add(out, SLICE("a number"));
    else
        buf_add(out, slice_str(format ? format->wanted : types[row->type].wanted));
    if (!is_bounded(row) || !directive_has_upper_bound(row))
        return;
    if (types[row->type].is_quantity && row->min == 0) {
        buf_add(out, SLICE(", at most "));
    } else {
        buf_add(out, SLICE(", from "));
        directive_print_bound(row, row->min, out);
        buf_add(out, SLICE(" to "));
    }
    directive_print_bound(row, row->max, out);
}

static void complain_shape(const struct directive *row, struct slice text,
                           char ret_complaint[DIRECTIVE_COMPLAINT_SIZE])
{
    char excerpt[CONF_EXCERPT_SIZE];
    struct buf wanted;

    conf_excerpt(text, excerpt);
    if (row->type == DIRECTIVE_TYPE_BOOL || row->type == DIRECTIVE_TYPE_WORD) {
        complain_word(row, excerpt, text, ret_complaint);
        return;
    }
    buf_init(&wanted, SIZE_MAX);
    print_wanted(row, &wanted);
    snprintf(ret_complaint, DIRECTIVE_COMPLAINT_SIZE, "`%s` is no value of `%s`, which takes %.*s",
             excerpt, row->key, SLICE_ARGS(buf_join(&wanted)));
    buf_release(&wanted);
}

/* Whole numbers are compared as such: a double cannot tell neighbours above 2^53 apart. */
static int compare_bound(const struct type *type, const union value *value, double bound)
{
    uint64_t whole;

    if (!type->is_quantity)
        return (value->real > bound) - (value->real < bound);
    if (bound <= 0)
        return value->number > 0 || bound < 0;
    if (bound >= 18446744073709551616.0) /* 2^64 */
        return -1;
    whole = (uint64_t)bound;
    return (value->number > whole) - (value->number < whole);
}

static void complain_bound(const struct directive *row, struct slice text, const char *side,
                           double bound, char ret_complaint[DIRECTIVE_COMPLAINT_SIZE])
{
    char excerpt[CONF_EXCERPT_SIZE];
    struct buf text_of_bound;

    conf_excerpt(text, excerpt);
    buf_init(&text_of_bound, SIZE_MAX);
    directive_print_bound(row, bound, &text_of_bound);
    if (is_part(row))
        buf_printf(&text_of_bound, " (%g%%)", bound * 100);
    snprintf(ret_complaint, DIRECTIVE_COMPLAINT_SIZE, "`%s` is out of bounds: `%s` is at %s %.*s",
             excerpt, row->key, side, SLICE_ARGS(buf_join(&text_of_bound)));
    buf_release(&text_of_bound);
}

bool directive_read(const struct directive *row, struct slice text, void *field,
                    char ret_complaint[DIRECTIVE_COMPLAINT_SIZE])
{
    const struct type *type = &types[row->type];
    union value value;

    CHECK(type->read);
    memset(&value, 0, sizeof(value));
    if (!type->read(row, text, &value)) {
        complain_shape(row, text, ret_complaint);
        return false;
    }
    if (is_bounded(row) && (row->min != 0 || directive_has_upper_bound(row)) &&
        compare_bound(type, &value, row->min) < 0) {
        complain_bound(row, text, "least", row->min, ret_complaint);
        return false;
    }
    if (is_bounded(row) && directive_has_upper_bound(row) &&
        compare_bound(type, &value, row->max) > 0) {
        complain_bound(row, text, "most", row->max, ret_complaint);
        return false;
    }
    if (type->size > 0)
        memcpy(field, &value, type->size);
    return true;
}

void directive_print(const struct directive *row, const void *field, struct buf *out)
{
    const struct type *type = &types[row->type];
    union value value;

    CHECK(type->print);
    memset(&value, 0, sizeof(value));
    memcpy(&value, field, type->size);
    type->print(row, &value, out);
}

bool directive_same(const struct directive *row, const void *a, const void *b)
{
    CHECK(types[row->type].size > 0);
    return memcmp(a, b, types[row->type].size) == 0;
}
