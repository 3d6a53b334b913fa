/*
 * UTF-8 by code point, and lookups in the tables that text_tables.py makes.
 */
#include "gateway/prompt/text.h"

struct text_range {
    uint32_t first, last;
};

/* Every step-th character from first to last moves by distance. */
struct text_run {
    uint32_t first, last, step;
    int32_t distance;
};

/* What becomes several characters; unused ones are 0. */
struct text_many {
    uint32_t point, to[3];
};

#include "gateway/prompt/text_tables.inc"

static const struct {
    const struct text_range *ranges;
    size_t count;
} classes[] = {
    [TEXT_ALPHA] = { alpha_ranges, ARRAY_LEN(alpha_ranges) },
    [TEXT_DECIMAL] = { decimal_ranges, ARRAY_LEN(decimal_ranges) },
    [TEXT_DIGIT] = { digit_ranges, ARRAY_LEN(digit_ranges) },
    [TEXT_NUMERIC] = { numeric_ranges, ARRAY_LEN(numeric_ranges) },
    [TEXT_UPPER] = { upper_ranges, ARRAY_LEN(upper_ranges) },
    [TEXT_LOWER] = { lower_ranges, ARRAY_LEN(lower_ranges) },
    [TEXT_TITLE] = { title_ranges, ARRAY_LEN(title_ranges) },
    [TEXT_PRINTABLE] = { printable_ranges, ARRAY_LEN(printable_ranges) },
    [TEXT_IGNORABLE] = { ignorable_ranges, ARRAY_LEN(ignorable_ranges) },
};

static const struct {
    const struct text_run *runs;
    size_t run_count;
    const struct text_many *many;
    size_t many_count;
} cases[] = {
    [TEXT_TO_UPPER] = { upper_runs, ARRAY_LEN(upper_runs), upper_many, ARRAY_LEN(upper_many) },
    [TEXT_TO_LOWER] = { lower_runs, ARRAY_LEN(lower_runs), lower_many, ARRAY_LEN(lower_many) },
    [TEXT_TO_TITLE] = { title_runs, ARRAY_LEN(title_runs), title_many, ARRAY_LEN(title_many) },
    [TEXT_TO_FOLD] = { fold_runs, ARRAY_LEN(fold_runs), fold_many, ARRAY_LEN(fold_many) },
};

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

uint32_t text_take(struct slice *text)
{
    const unsigned char *at = (const unsigned char *)text->at;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t point = len == 1 ? at[0] : at[0] & (0x7fu >> len);

    for (size_t i = 1; i < len && i < text->len; i++)
        point = point << 6 | (at[i] & 0x3f);
    *text = slice_skip(*text, len);
    return point;
}

uint32_t text_take_last(struct slice *text)
{
    size_t start = text->len - 1;
    struct slice last;

    while (start > 0 && is_continuation(text->at[start]))
        start--;
    last = slice_skip(*text, start);
    text->len = start;
    return text_take(&last);
}

size_t text_put(char out[TEXT_POINT_BYTES], uint32_t point)
{
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    if (len == 1) {
        out[0] = (char)point;
        return 1;
    }
    for (size_t i = len; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xff) | point);
    return len;
}

size_t text_points(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += !is_continuation(text.at[i]);
    return count;
}

bool text_is_ascii(struct slice text)
{
    unsigned char all = 0;

    for (size_t i = 0; i < text.len; i++)
        all |= (unsigned char)text.at[i];
    return all < 0x80;
}

size_t text_offset(struct slice text, size_t number)
{
    size_t at = 0;

    for (; at < text.len; at++)
        if (!is_continuation(text.at[at]) && number-- == 0)
            break;
    return at;
}

bool text_is(enum text_class class, uint32_t point)
{
    size_t low = 0, high = classes[class].count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (point > classes[class].ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < classes[class].count && point >= classes[class].ranges[low].first;
}

bool text_is_space(uint32_t point)
{
    if (point < 0x80)
        return point == ' ' || (point >= '\t' && point <= '\r') || (point >= 0x1c && point <= 0x1f);
    return point == 0x85 || point == 0xa0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
           point == 0x202f || point == 0x205f || point == 0x3000;
}

bool text_is_alnum(uint32_t point)
{
    return text_is(TEXT_ALPHA, point) || text_is(TEXT_DECIMAL, point) ||
           text_is(TEXT_DIGIT, point) || text_is(TEXT_NUMERIC, point);
}

static size_t recase_many(enum text_case to, uint32_t point, uint32_t ret_points[3])
{
    size_t count = 0;

    for (size_t i = 0; i < cases[to].many_count; i++)
        if (cases[to].many[i].point == point)
            for (; count < 3 && cases[to].many[i].to[count]; count++)
                ret_points[count] = cases[to].many[i].to[count];
    return count;
}

size_t text_recase(enum text_case to, uint32_t point, uint32_t ret_points[3])
{
    const struct text_run *runs = cases[to].runs;
    size_t low = 0, high = cases[to].run_count;

    if (point < 0x80) {
        bool moves = to == TEXT_TO_LOWER || to == TEXT_TO_FOLD ? point >= 'A' && point <= 'Z'
                                                               : point >= 'a' && point <= 'z';

        ret_points[0] = moves ? point ^ 0x20 : point;
        return 1;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (point > runs[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    ret_points[0] = point;
    if (low < cases[to].run_count && point >= runs[low].first &&
        (point - runs[low].first) % runs[low].step == 0) {
        ret_points[0] = (uint32_t)((int32_t)point + runs[low].distance);
        return 1;
    }
    high = recase_many(to, point, ret_points);
    return high ? high : 1;
}

struct slice text_lstrip(struct slice text)
{
    while (text.len > 0) {
        struct slice rest = text;

        if (!text_is_space(text_take(&rest)))
            break;
        text = rest;
    }
    return text;
}

struct slice text_rstrip(struct slice text)
{
    while (text.len > 0) {
        struct slice rest = text;

        if (!text_is_space(text_take_last(&rest)))
            break;
        text = rest;
    }
    return text;
}
