/*
 * Values as they are written.
 *
 * Numbers are read as serde_json 1.0 does (serde-rs/json, src/de.rs: parse_integer, parse_decimal,
 * parse_exponent, f64_from_parts), which tokenizers 0.23 takes without its feature
 * `float_roundtrip`: digits are one number of 64 bits, of which those that find no room are left
 * out, and that is multiplied with a power of ten or divided by one. So up to two roundings come
 * before the double, and of more than 19 digits the last ones do not count.
 */
#include "gateway/token/written.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- places ---- */

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

static size_t string_len(struct slice text)
{
    size_t len = 1;

    while (text.at[len] != '"')
        len += text.at[len] == '\\' ? 2 : 1;
    return len + 1;
}

static size_t nested_len(struct slice text)
{
    size_t depth = 0, len = 0;

    do {
        char c = text.at[len];

        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        len += c == '"' ? string_len(slice_skip(text, len)) : 1;
    } while (depth > 0);
    return len;
}

static size_t word_len(struct slice text)
{
    size_t len = 0;

    while (len < text.len && !is_between(text.at[len]) && text.at[len] != ']' &&
           text.at[len] != '}')
        len++;
    return len;
}

static size_t value_len(struct slice text)
{
    if (text.at[0] == '"')
        return string_len(text);
    return text.at[0] == '[' || text.at[0] == '{' ? nested_len(text) : word_len(text);
}

/* Moves on to the next value; false: there is no more. */
static bool find_next(struct slice *inside)
{
    while (is_between(inside->at[0]))
        *inside = slice_skip(*inside, 1);
    return inside->at[0] != ']' && inside->at[0] != '}';
}

bool written_next(struct slice *inside, struct slice *ret_value)
{
    if (!find_next(inside))
        return false;
    *ret_value = slice_head(*inside, value_len(*inside));
    *inside = slice_skip(*inside, ret_value->len);
    return true;
}

/* How many values stand before a node's in what holds it. A tree keeps the order of the file. */
static size_t values_before(const struct node *node)
{
    size_t members = 0;

    if (!node->key)
        return node->index;
    for (void *at = json_object_iter(node->up->value);
         strcmp(json_object_iter_key(at), node->key) != 0;
         at = json_object_iter_next(node->up->value, at))
        members++;
    return 2 * members + 1;
}

struct slice written_from(const struct node *node)
{
    struct slice from, value;

    if (!node->up) {
        from = node->document->text;
        CHECK(find_next(&from));
        return from;
    }
    from = written_open(written_from(node->up));
    for (size_t before = values_before(node); before > 0; before--)
        CHECK(written_next(&from, &value));
    CHECK(find_next(&from));
    return from;
}

/* ---- numbers ---- */

#define EXPONENT_MAX 308 /* of the reference's table of powers */

/* As the reference's table has it: the nearest double. Up to 10^22 that is the power itself. */
static double power_of_ten(int32_t exponent)
{
    char text[16];
    double power = 1;

    if (exponent > 22) {
        snprintf(text, sizeof(text), "1e%d", exponent);
        return strtod(text, NULL);
    }
    while (exponent-- > 0)
        power *= 10;
    return power;
}

static double scale(uint64_t digits, int64_t exponent)
{
    double number = (double)digits;

    for (; exponent < -EXPONENT_MAX && number != 0; exponent += EXPONENT_MAX)
        number /= power_of_ten(EXPONENT_MAX);
    if (number == 0)
        return 0;
    if (exponent > EXPONENT_MAX)
        return INFINITY;
    return exponent < 0 ? number / power_of_ten((int32_t)-exponent)
                        : number * power_of_ten((int32_t)exponent);
}

/* Takes digits as long as they find room; how many did. */
static size_t take_digits(struct slice *text, uint64_t *digits)
{
    size_t taken = 0;

    while (text->len > 0 && text->at[0] >= '0' && text->at[0] <= '9') {
        uint64_t more;

        if (__builtin_mul_overflow(*digits, 10, &more) ||
            __builtin_add_overflow(more, (uint64_t)(text->at[0] - '0'), &more))
            break;
        *digits = more;
        *text = slice_skip(*text, 1);
        taken++;
    }
    return taken;
}

static size_t skip_digits(struct slice *text)
{
    size_t before = text->len;

    while (text->len > 0 && text->at[0] >= '0' && text->at[0] <= '9')
        *text = slice_skip(*text, 1);
    return before - text->len;
}

/* Behind the e; beyond 32 bits it is the largest there is. */
static int64_t read_exponent(struct slice text)
{
    bool negative = slice_starts(text, SLICE("-"));
    uint64_t exponent = 0;

    if (negative || slice_starts(text, SLICE("+")))
        text = slice_skip(text, 1);
    take_digits(&text, &exponent);
    if (text.len > 0 || exponent > INT32_MAX)
        exponent = INT32_MAX;
    return negative ? -(int64_t)exponent : (int64_t)exponent;
}

double written_number(struct slice number)
{
    bool negative = slice_starts(number, SLICE("-"));
    uint64_t digits = 0;
    int64_t exponent;
    double result;

    number = slice_skip(number, negative);
    take_digits(&number, &digits);
    exponent = (int64_t)skip_digits(&number);
    if (slice_starts(number, SLICE("."))) {
        number = slice_skip(number, 1);
        exponent -= (int64_t)take_digits(&number, &digits);
        skip_digits(&number);
    }
    if (number.len > 0)
        exponent += read_exponent(slice_skip(number, 1));
    result = scale(digits, exponent);
    return negative ? -result : result;
}
