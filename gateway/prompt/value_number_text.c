/*
 * Numbers read from digits, and ints printed.
 */
#include "gateway/prompt/value_big.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t digit_of(char c)
{
    c = slice_lower(c);
    return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Nine digits a limb, from the end. */
static uint32_t read_decimal(uint32_t *limbs, struct slice digits)
{
    uint32_t count = 0;

    for (size_t end = digits.len; end > 0;) {
        size_t start = end > BIG_LIMB_DIGITS ? end - BIG_LIMB_DIGITS : 0;
        uint32_t limb = 0;

        for (size_t i = start; i < end; i++)
            limb = limb * 10 + digit_of(digits.at[i]);
        limbs[count++] = limb;
        end = start;
    }
    return count;
}

static uint32_t read_digits(uint32_t *limbs, struct slice digits, unsigned base)
{
    uint32_t count = 0;

    for (size_t i = 0; i < digits.len; i++) {
        uint64_t carry = digit_of(digits.at[i]);

        for (uint32_t k = 0; k < count || carry > 0; k++) {
            if (k == count)
                count++;
            carry += (uint64_t)limbs[k] * base;
            limbs[k] = (uint32_t)(carry % BIG_LIMB);
            carry /= BIG_LIMB;
        }
    }
    return count;
}

struct value *number_parse_int(struct arena *arena, struct slice digits, unsigned base)
{
    bool negative = digits.len > 0 && digits.at[0] == '-';
    uint32_t *limbs, count;
    int64_t small = 0;

    if (negative || (digits.len > 0 && digits.at[0] == '+'))
        digits = slice_skip(digits, 1);
    if (digits.len <= 11) { /* 36^11 fits */
        for (size_t i = 0; i < digits.len; i++)
            small = small * (int64_t)base + digit_of(digits.at[i]);
        return value_int(arena, negative ? -small : small);
    }
    if (digits.len > (size_t)NUMBER_LIMBS_MAX * BIG_LIMB_DIGITS)
        return NULL;
    limbs = big_limbs(arena, digits.len / (base > 10 ? 5 : BIG_LIMB_DIGITS) + 2);
    if (!limbs)
        return NULL;
    count = base == 10 ? read_decimal(limbs, digits) : read_digits(limbs, digits, base);
    return big_value(arena, (struct big){ limbs, count, negative });
}

double number_parse_float(struct slice digits)
{
    char small[64], *text = small;
    double number;

    if (digits.len >= sizeof(small))
        text = xmalloc(digits.len + 1);
    memcpy(text, digits.at, digits.len);
    text[digits.len] = '\0';
    number = strtod(text, NULL);
    if (text != small)
        free(text);
    return number;
}

size_t number_int_bytes(const struct value *number)
{
    return number->kind == VALUE_BIG ? (size_t)number->count * BIG_LIMB_DIGITS + 2 : 24;
}

size_t number_print_int(const struct value *number, char *out)
{
    size_t at;

    if (number->kind != VALUE_BIG) {
        char digits[24], *first = digits + sizeof(digits);
        uint64_t left =
            number->integer < 0 ? -(uint64_t)number->integer : (uint64_t)number->integer;

        do {
            *--first = (char)('0' + left % 10);
            left /= 10;
        } while (left > 0);
        if (number->integer < 0)
            *--first = '-';
        at = (size_t)(digits + sizeof(digits) - first);
        memcpy(out, first, at);
        return at;
    }
    at = (size_t)sprintf(out, "%s%" PRIu32, number->flags & VALUE_NEGATIVE ? "-" : "",
                         number->limbs[number->count - 1]);
    for (uint32_t i = number->count - 1; i-- > 0; at += BIG_LIMB_DIGITS) {
        uint32_t limb = number->limbs[i];

        for (int k = BIG_LIMB_DIGITS; k-- > 0; limb /= 10)
            out[at + (size_t)k] = (char)('0' + limb % 10);
    }
    return at;
}
