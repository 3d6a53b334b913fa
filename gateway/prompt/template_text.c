/*
 * str methods: case, stripping, splitting, padding, searching, reading numbers.
 */
#include "gateway/prompt/template_text.h"

#include "gateway/base/bytes16.h"
#include "gateway/prompt/value_number.h"

#include <math.h>
#include <stdlib.h>

/* The capital sigma's lower case is another one at the end of a word. */
#define SIGMA_CAPITAL 0x3a3
#define SIGMA_FINAL   0x3c2

static void write_point(struct run *run, uint32_t point)
{
    char bytes[TEXT_POINT_BYTES];

    run_write(run, slice_of(bytes, text_put(bytes, point)));
}

static void write_recased(struct run *run, enum text_case to, uint32_t point)
{
    uint32_t points[3];
    size_t count = text_recase(to, point, points);

    for (size_t i = 0; i < count; i++)
        write_point(run, points[i]);
}

/* Is what stands at the end of `text` a letter, marks aside? */
static bool cased_before(struct slice text)
{
    while (text.len > 0) {
        uint32_t point = text_take_last(&text);

        if (!text_is(TEXT_IGNORABLE, point))
            return text_is_cased(point);
    }
    return false;
}

static bool cased_behind(struct slice text)
{
    while (text.len > 0) {
        uint32_t point = text_take(&text);

        if (!text_is(TEXT_IGNORABLE, point))
            return text_is_cased(point);
    }
    return false;
}

/* One character of `whole`, behind which `rest` follows. */
static void write_lower(struct run *run, struct slice whole, struct slice rest, uint32_t point)
{
    struct slice before = slice_head(whole, whole.len - rest.len - 2);

    if (point == SIGMA_CAPITAL && run_step_bytes(run, whole.len) && cased_before(before) &&
        !cased_behind(rest))
        write_point(run, SIGMA_FINAL);
    else
        write_recased(run, TEXT_TO_LOWER, point);
}

static const struct value *ascii_recased(struct run *run, struct slice text, bool upper)
{
    char *copy = run_alloc(run, text.len);

    for (size_t i = 0; copy && i < text.len; i++) {
        char c = text.at[i];
        bool moves = upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';

        copy[i] = (char)(moves ? c ^ 0x20 : c);
    }
    return copy ? run_text(run, slice_of(copy, text.len)) : NULL;
}

const struct value *text_upper(struct run *run, struct slice text)
{
    struct capture capture;

    if (!run_step_bytes(run, text.len))
        return NULL;
    if (text_is_ascii(text))
        return ascii_recased(run, text, true);
    capture = run_capture(run);
    while (text.len > 0)
        write_recased(run, TEXT_TO_UPPER, text_take(&text));
    return run_captured(run, capture);
}

const struct value *text_lower(struct run *run, struct slice text)
{
    struct slice rest = text;
    struct capture capture;

    if (!run_step_bytes(run, text.len))
        return NULL;
    if (text_is_ascii(text))
        return ascii_recased(run, text, false);
    capture = run_capture(run);
    while (rest.len > 0) {
        uint32_t point = text_take(&rest);

        write_lower(run, text, rest, point);
    }
    return run_captured(run, capture);
}

const struct value *text_casefold(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);

    while (text.len > 0 && !run->reason)
        write_recased(run, TEXT_TO_FOLD, text_take(&text));
    return run_captured(run, capture);
}

/* Words begin behind what is no letter. */
const struct value *text_title(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);
    struct slice rest = text;
    bool in_word = false;

    while (rest.len > 0 && !run->reason) {
        uint32_t point = text_take(&rest);

        if (in_word)
            write_lower(run, text, rest, point);
        else
            write_recased(run, TEXT_TO_TITLE, point);
        in_word = text_is_cased(point);
    }
    return run_captured(run, capture);
}

const struct value *text_capitalize(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);
    struct slice rest = text;

    while (rest.len > 0 && !run->reason) {
        bool first = rest.len == text.len;
        uint32_t point = text_take(&rest);

        if (first)
            write_recased(run, TEXT_TO_TITLE, point);
        else
            write_lower(run, text, rest, point);
    }
    return run_captured(run, capture);
}

const struct value *text_swapcase(struct run *run, struct slice text)
{
    struct capture capture = run_capture(run);
    struct slice rest = text;

    while (rest.len > 0 && !run->reason) {
        uint32_t point = text_take(&rest);

        if (text_is(TEXT_UPPER, point))
            write_lower(run, text, rest, point);
        else
            write_recased(run, text_is(TEXT_LOWER, point) ? TEXT_TO_UPPER : TEXT_TO_LOWER, point);
    }
    return run_captured(run, capture);
}

static bool is_among(uint32_t point, struct slice chars)
{
    char bytes[TEXT_POINT_BYTES];
    size_t len = text_put(bytes, point);

    return memmem(chars.at, chars.len, bytes, len) != NULL;
}

struct slice text_strip(struct run *run, struct slice text, const struct slice *chars,
                        enum text_side sides)
{
    struct slice rest = text;

    while (sides & TEXT_LEFT && rest.len > 0) {
        uint32_t point = text_take(&rest);

        if (!(chars ? is_among(point, *chars) : text_is_space(point)))
            break;
        text = rest;
    }
    rest = text;
    while (sides & TEXT_RIGHT && rest.len > 0) {
        uint32_t point = text_take_last(&rest);

        if (!(chars ? is_among(point, *chars) : text_is_space(point)))
            break;
        text = rest;
    }
    run_step_bytes(run, chars ? chars->len : 0);
    return text;
}

/* An empty `old` stands before each character and at the end. */
static void insert_between(struct run *run, struct slice text, struct slice new, int64_t most)
{
    for (; most != 0 && !run->reason; most--) {
        struct slice point = text;

        run_write(run, new);
        if (text.len == 0)
            return;
        text_take(&text);
        run_write(run, slice_head(point, point.len - text.len));
    }
    run_write(run, text);
}

const struct value *text_replace(struct run *run, struct slice text, struct slice old,
                                 struct slice new, int64_t most)
{
    struct capture capture;

    if (!run_step_bytes(run, text.len))
        return NULL;
    if (old.len && text_find(text, old) < 0)
        return run_text(run, text);
    capture = run_capture(run);
    if (old.len == 0)
        insert_between(run, text, new, most);
    for (int64_t at; old.len && !run->reason; most--) {
        at = most == 0 ? -1 : text_find(text, old);
        if (at < 0) {
            run_write(run, text);
            break;
        }
        run_write(run, slice_head(text, (size_t)at));
        run_write(run, new);
        text = slice_skip(text, (size_t)at + old.len);
    }
    return run_captured(run, capture);
}

/* Longer ones are not compared at every place. */
#define FIND_BYTES 32

/* From `at` on. */
static int64_t find_from(struct slice text, struct slice part, size_t at)
{
    const char *found = memmem(text.at + at, text.len - at, part.at, part.len);

    return found ? found - text.at : -1;
}

/* The first place of a block at which the part stands; -1: none. `places` has those where its ends
 * do (W. Mula, SIMD-friendly algorithms for substring searching: generic SIMD). */
static int64_t first_of(const char *block, bytes16 places, struct slice part)
{
    for (size_t i; (i = bytes16_first(places)) < sizeof(places); places[i] = 0)
        if (memcmp(block + i, part.at, part.len) == 0)
            return (int64_t)i;
    return -1;
}

int64_t text_find(struct slice text, struct slice part)
{
    bytes16 first, last;
    size_t at = 0;

    if (part.len == 0 || part.len > text.len)
        return part.len == 0 ? 0 : -1;
    first = bytes16_all((uint8_t)part.at[0]);
    last = bytes16_all((uint8_t)part.at[part.len - 1]);
    for (; part.len <= FIND_BYTES && text.len - at >= part.len - 1 + sizeof(bytes16);
         at += sizeof(bytes16)) {
        const char *block = text.at + at;
        bytes16 places = (bytes16)((bytes16_load(block) == first) &
                                   (bytes16_load(block + part.len - 1) == last));
        int64_t found = bytes16_any(places) ? first_of(block, places, part) : -1;

        if (found >= 0)
            return (int64_t)at + found;
    }
    return find_from(text, part, at);
}

static char *turned(struct slice text)
{
    char *copy = xmalloc(text.len);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.at[text.len - 1 - i];
    return copy;
}

/* What is last in a text is first where all is turned around, and that is found in linear time. */
static int64_t find_last_turned(struct slice text, struct slice part)
{
    char *whole = turned(text), *wanted = turned(part);
    const char *at = memmem(whole, text.len, wanted, part.len);
    int64_t found = at ? (int64_t)(text.len - part.len) - (at - whole) : -1;

    free(whole);
    free(wanted);
    return found;
}

/* From the end on in parts that grow, so that the way to the match is what it costs. */
static int64_t find_last_long(struct slice text, struct slice part)
{
    for (size_t len = 4 * part.len;; len *= 2) {
        struct slice end = len < text.len ? slice_skip(text, text.len - len) : text;
        int64_t at = find_last_turned(end, part);

        if (at >= 0)
            return at + (end.at - text.at);
        if (end.len == text.len)
            return -1;
    }
}

int64_t text_find_last(struct slice text, struct slice part)
{
    if (part.len > text.len)
        return -1;
    if (part.len > FIND_BYTES)
        return find_last_long(text, part);
    for (size_t at = text.len - part.len;; at--) {
        if (part.len == 0 ||
            (text.at[at] == part.at[0] && !memcmp(text.at + at, part.at, part.len)))
            return (int64_t)at;
        if (at == 0)
            return -1;
    }
}

static bool append_text(struct run *run, const struct value *list, struct slice text)
{
    return run_step(run, 1) && run_append(run, list, run_text(run, text));
}

/* Words, and behind the last cut what is left. */
static void split_words(struct run *run, const struct value *list, struct slice text, int64_t most)
{
    for (text = text_lstrip(text); text.len > 0 && most != 0 && !run->reason; most--) {
        struct slice rest = text, before = text;

        while (rest.len > 0) {
            before = rest;
            if (text_is_space(text_take(&rest)))
                break;
            before = rest;
        }
        append_text(run, list, slice_head(text, text.len - before.len));
        text = text_lstrip(before);
    }
    if (text.len > 0)
        append_text(run, list, text);
}

const struct value *text_split(struct run *run, struct slice text, const struct slice *separator,
                               int64_t most)
{
    const struct value *list = run_made(run, value_list(run->arena));

    if (!list || !run_step_bytes(run, text.len))
        return NULL;
    if (!separator) {
        split_words(run, list, text, most);
        return run->reason ? NULL : list;
    }
    if (separator->len == 0)
        return run_fail(run, "empty separator");
    for (; !run->reason; most--) {
        int64_t at = most == 0 ? -1 : text_find(text, *separator);

        if (at < 0)
            break;
        append_text(run, list, slice_head(text, (size_t)at));
        text = slice_skip(text, (size_t)at + separator->len);
    }
    return append_text(run, list, text) ? list : NULL;
}

static void reverse(const struct value *list)
{
    for (uint32_t i = 0; i < list->count / 2; i++) {
        struct value *swap = list->items[i];

        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = swap;
    }
}

static void rsplit_words(struct run *run, const struct value *list, struct slice text, int64_t most)
{
    for (text = text_rstrip(text); text.len > 0 && most != 0 && !run->reason; most--) {
        struct slice rest = text, before = text;

        while (rest.len > 0) {
            before = rest;
            if (text_is_space(text_take_last(&rest)))
                break;
            before = rest;
        }
        append_text(run, list, slice_skip(text, before.len));
        text = text_rstrip(before);
    }
    if (text.len > 0)
        append_text(run, list, text);
}

const struct value *text_rsplit(struct run *run, struct slice text, const struct slice *separator,
                                int64_t most)
{
    const struct value *list;

    if (most < 0)
        return text_split(run, text, separator, most);
    list = run_made(run, value_list(run->arena));
    if (!list || !run_step_bytes(run, text.len))
        return NULL;
    if (separator && separator->len == 0)
        return run_fail(run, "empty separator");
    if (!separator)
        rsplit_words(run, list, text, most);
    for (; separator && !run->reason; most--) {
        int64_t at = most == 0 ? -1 : text_find_last(text, *separator);

        append_text(run, list, at < 0 ? text : slice_skip(text, (size_t)at + separator->len));
        if (at < 0)
            break;
        text = slice_head(text, (size_t)at);
    }
    reverse(list);
    return run->reason ? NULL : list;
}

/* What ends a line for splitlines. */
static bool ends_line(uint32_t point)
{
    return (point >= '\n' && point <= '\r') || (point >= 0x1c && point <= 0x1e) || point == 0x85 ||
           point == 0x2028 || point == 0x2029;
}

struct slice text_take_line(struct slice *text, struct slice *ret_line)
{
    struct slice whole = *text;

    while (text->len > 0) {
        struct slice before = *text;
        uint32_t point = text_take(text);

        if (!ends_line(point))
            continue;
        *ret_line = slice_head(whole, whole.len - before.len);
        if (point == '\r' && text->len > 0 && text->at[0] == '\n')
            *text = slice_skip(*text, 1);
        return slice_head(whole, whole.len - text->len);
    }
    *ret_line = whole;
    return whole;
}

const struct value *text_lines(struct run *run, struct slice text, bool keep_ends)
{
    const struct value *list = run_made(run, value_list(run->arena));

    if (!list || !run_step_bytes(run, text.len))
        return NULL;
    while (text.len > 0 && !run->reason) {
        struct slice line, whole = text_take_line(&text, &line);

        append_text(run, list, keep_ends ? whole : line);
    }
    return run->reason ? NULL : list;
}

const struct value *text_pad(struct run *run, struct slice text, int64_t width, struct slice fill,
                             enum text_side sides)
{
    int64_t points = (int64_t)text_points(text), pad = width > points ? width - points : 0;
    int64_t left = sides == TEXT_LEFT ? pad : sides == TEXT_RIGHT ? 0 : pad / 2 + (pad & width & 1);
    struct capture capture;

    if (!run_step_bytes(run, text.len))
        return NULL;
    if (text_points(fill) != 1)
        return run_fail(run, "the fill character must be exactly one character long");
    capture = run_capture(run);
    run_write_fill(run, fill, left);
    run_write(run, text);
    run_write_fill(run, fill, pad - left);
    return run_captured(run, capture);
}

static bool is_digit_of(char c, unsigned base)
{
    c = slice_lower(c);
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') < base
                                : c >= 'a' && (unsigned)(c - 'a' + 10) < base;
}

/* Single underscores between digits go; false where one stands elsewhere or a digit is none. */
static bool clean_digits(struct slice digits, unsigned base, char *ret_text, size_t *ret_len)
{
    bool digit_before = false;

    *ret_len = 0;
    for (size_t i = 0; i < digits.len; i++) {
        bool digit = is_digit_of(digits.at[i], base);

        if (!digit && (digits.at[i] != '_' || !digit_before))
            return false;
        if (digit)
            ret_text[(*ret_len)++] = digits.at[i];
        digit_before = digit;
    }
    return digit_before;
}

/* The base that a prefix names; 10: none. */
static unsigned prefix_base(struct slice text)
{
    char c = text.len > 1 && text.at[0] == '0' ? slice_lower(text.at[1]) : 0;

    return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
}

const struct value *text_int(struct run *run, struct slice text, unsigned base)
{
    char *digits;
    size_t len, sign = 0;

    text = text_strip(run, text, NULL, TEXT_BOTH);
    digits = run_alloc(run, text.len + 1);
    if (!digits)
        return NULL;
    if (text.len > 0 && (text.at[0] == '-' || text.at[0] == '+')) {
        digits[0] = text.at[0];
        sign = 1;
        text = slice_skip(text, 1);
    }
    if ((base == 0 || base == prefix_base(text)) && prefix_base(text) != 10) {
        base = prefix_base(text);
        text = slice_skip(text, 2);
        if (text.len > 0 && text.at[0] == '_')
            text = slice_skip(text, 1);
    }
    if (!clean_digits(text, base ? base : 10, digits + sign, &len) || len > NUMBER_DIGITS_MAX)
        return NULL;
    if (base == 0 && digits[sign] == '0' && strspn(digits + sign, "0") < len)
        return NULL;
    if (!run_step(run, len * len / 64))
        return NULL;
    return run_made(run,
                    number_parse_int(run->arena, slice_of(digits, sign + len), base ? base : 10));
}

/* Digits with single underscores between them. */
static bool copy_digits(struct slice *text, char *out, size_t *len)
{
    size_t start = *len;

    while (text->len > 0) {
        char c = text->at[0];
        bool underscore = c == '_' && *len > start && text->len > 1 &&
                          is_digit_of(text->at[1], 10) && text->at[-1] != '_';

        if (!is_digit_of(c, 10) && !underscore)
            break;
        if (!underscore)
            out[(*len)++] = c;
        *text = slice_skip(*text, 1);
    }
    return *len > start;
}

static bool read_word(struct slice text, double *ret_number)
{
    static const struct {
        struct slice word;
        double number;
    } words[] = { { SLICE_INIT("inf"), INFINITY },
                  { SLICE_INIT("infinity"), INFINITY },
                  { SLICE_INIT("nan"), NAN } };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_ieq(text, words[i].word)) {
            *ret_number = words[i].number;
            return true;
        }
    return false;
}

/* Unsigned; `out` has room for the text and its end. */
static bool read_real(struct slice text, char *out, double *ret_number)
{
    size_t len = 0;
    bool digits = copy_digits(&text, out, &len);

    if (text.len > 0 && text.at[0] == '.') {
        out[len++] = '.';
        text = slice_skip(text, 1);
        digits |= copy_digits(&text, out, &len);
    }
    if (digits && text.len > 0 && slice_lower(text.at[0]) == 'e') {
        out[len++] = 'e';
        text = slice_skip(text, 1);
        if (text.len > 0 && (text.at[0] == '-' || text.at[0] == '+')) {
            out[len++] = text.at[0];
            text = slice_skip(text, 1);
        }
        digits = copy_digits(&text, out, &len);
    }
    out[len] = '\0';
    if (!digits || text.len > 0)
        return false;
    *ret_number = strtod(out, NULL);
    return true;
}

bool text_float(struct slice text, double *ret_number)
{
    char room[512];
    bool negative, good;

    text = text_rstrip(text_lstrip(text));
    negative = text.len > 0 && text.at[0] == '-';
    if (negative || (text.len > 0 && text.at[0] == '+'))
        text = slice_skip(text, 1);
    if (text.len >= sizeof(room))
        return false; /* longer than any float that somebody writes */
    good = read_word(text, ret_number) || read_real(text, room, ret_number);
    if (good && negative)
        *ret_number = -*ret_number;
    return good;
}
