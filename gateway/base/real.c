/*
 * Doubles as text. More digits are tried until they read back: exact, and short enough for what is
 * printed now and then.
 */
#include "gateway/base/real.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Below a power of two the neighbour of sixteen digits may be the one that reads back. */
static bool step_last_digit(double number, char text[REAL_TEXT_BYTES])
{
    char *last = strchr(text, 'e') - 1, kept = *last;

    for (int step = -1; step <= 1; step += 2) {
        if ((step < 0 && kept == '0') || (step > 0 && kept == '9'))
            continue;
        *last = (char)(kept + step);
        if (strtod(text, NULL) == number)
            return true;
    }
    *last = kept;
    return false;
}

/* The fewest significant digits that read back as the same number, with an exponent. */
static void shortest(double number, char text[REAL_TEXT_BYTES])
{
    /* Fifteen digits always survive; fewer suffice for subnormals, whose last digits are noise. */
    int first = fabs(number) < 1e-300 ? 1 : 15;

    for (int digits = first; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT_BYTES, "%.*e", digits - 1, number);
        if (strtod(text, NULL) == number || (digits == 16 && step_last_digit(number, text)))
            return;
    }
}

/* Digits without zeros at their end, and the exponent of the first. Returns how many. */
static int split(const char *text, char digits[20], int *ret_exponent)
{
    int count = 0;

    *ret_exponent = atoi(strchr(text, 'e') + 1);
    for (const char *c = text; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9')
            digits[count++] = *c;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* With an exponent below 1e-4 and from 1e16 on, as Python lays them out; `whole_end` stands behind
 * whole numbers. */
static size_t lay_out(double number, const char *whole_end, char out[REAL_TEXT_BYTES])
{
    char text[REAL_TEXT_BYTES], digits[20];
    int exponent, count, at = 0;

    if (isnan(number) || isinf(number))
        return (size_t)sprintf(out, "%s", isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    shortest(number, text);
    count = split(text, digits, &exponent);
    if (signbit(number))
        out[at++] = '-';
    if (exponent < -4 || exponent >= 16)
        return (size_t)(at + sprintf(out + at, "%c%s%.*se%c%02d", digits[0], count > 1 ? "." : "",
                                     count - 1, digits + 1, exponent < 0 ? '-' : '+',
                                     abs(exponent)));
    if (exponent < 0)
        return (size_t)(at + sprintf(out + at, "0.%.*s%.*s", -exponent - 1, "000", count, digits));
    if (count > exponent + 1)
        return (size_t)(at + sprintf(out + at, "%.*s.%.*s", exponent + 1, digits,
                                     count - exponent - 1, digits + exponent + 1));
    return (size_t)(at + sprintf(out + at, "%.*s%.*s%s", count, digits, exponent + 1 - count,
                                 "0000000000000000", whole_end));
}

size_t real_print(double number, char ret_text[REAL_TEXT_BYTES])
{
    return lay_out(number, "", ret_text);
}

size_t real_repr(double number, char ret_text[REAL_TEXT_BYTES])
{
    return lay_out(number, ".0", ret_text);
}
