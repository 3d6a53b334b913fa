/*
 * Python's numbers: ints and floats compared, and computed with.
 */
#include "gateway/prompt/value_number.h"

#include "gateway/prompt/value_big.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* "%.0f" of the largest double, a sign and the end. */
#define DBL_MAX_10_EXP_BYTES 320

double number_real(const struct value *number)
{
    char digits[NUMBER_LIMBS_MAX * BIG_LIMB_DIGITS + 2];
    size_t len;

    if (number->kind == VALUE_FLOAT)
        return number->real;
    if (number->kind != VALUE_BIG)
        return (double)number->integer;
    len = number_print_int(number, digits);
    digits[len] = '\0';
    return strtod(digits, NULL);
}

bool number_truth(const struct value *number)
{
    return number->kind == VALUE_FLOAT ? number->real != 0
                                       : number->kind == VALUE_BIG || number->integer != 0;
}

/* An int against a float: by the float's whole part, then by what is behind its point. */
static int compare_with_real(const struct value *a, double real)
{
    uint32_t room[BIG_SMALL_LIMBS];
    double whole;

    if (isnan(real))
        return NUMBER_UNORDERED;
    if (a->kind == VALUE_BIG) { /* at least 2^63: a float that large is whole, and exact in print */
        char digits[DBL_MAX_10_EXP_BYTES];
        struct value *cut;
        struct arena arena;
        int order;

        if (isinf(real) || fabs(real) < 9e18)
            return (isinf(real) ? real > 0 : !!(a->flags & VALUE_NEGATIVE)) ? -1 : 1;
        arena_init(&arena, 1 << 14);
        snprintf(digits, sizeof(digits), "%.0f", real);
        cut = number_parse_int(&arena, slice_str(digits), 10);
        CHECK(cut);
        {
            uint32_t small[BIG_SMALL_LIMBS];

            order = big_compare(big_of(a, room), big_of(cut, small));
        }
        arena_release(&arena);
        return order;
    }
    if (real >= 9223372036854775808.0 || real < -9223372036854775808.0)
        return real > 0 ? -1 : 1;
    whole = trunc(real);
    if (a->integer != (int64_t)whole)
        return a->integer < (int64_t)whole ? -1 : 1;
    return real > whole ? -1 : real < whole;
}

int number_compare(const struct value *a, const struct value *b)
{
    uint32_t room_a[BIG_SMALL_LIMBS], room_b[BIG_SMALL_LIMBS];
    int order;

    if (value_is_int(a) && value_is_int(b))
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    if (a->kind == VALUE_FLOAT && b->kind == VALUE_FLOAT)
        return isnan(a->real) || isnan(b->real) ? NUMBER_UNORDERED
               : a->real < b->real              ? -1
                                                : a->real > b->real;
    if (b->kind == VALUE_FLOAT)
        return compare_with_real(a, b->real);
    if (a->kind == VALUE_FLOAT) {
        order = compare_with_real(b, a->real);
        return order == NUMBER_UNORDERED ? order : -order;
    }
    return big_compare(big_of(a, room_a), big_of(b, room_b));
}

uint64_t number_hash(const struct value *number)
{
    double real = number_real(number);
    uint64_t bits;

    if (real >= -9223372036854775808.0 && real < 9223372036854775808.0 && real == trunc(real))
        return number->kind == VALUE_FLOAT || number->kind == VALUE_BIG ? (uint64_t)(int64_t)real
                                                                        : (uint64_t)number->integer;
    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

static struct value *small_apply(struct arena *arena, enum number_op op, int64_t a, int64_t b)
{
    int64_t result, rest;

    switch (op) {
    case NUMBER_ADD:
        return __builtin_add_overflow(a, b, &result) ? NULL : value_int(arena, result);
    case NUMBER_SUB:
        return __builtin_sub_overflow(a, b, &result) ? NULL : value_int(arena, result);
    case NUMBER_MUL:
        return __builtin_mul_overflow(a, b, &result) ? NULL : value_int(arena, result);
    default:
        if (a == INT64_MIN)
            return NULL;
        rest = a % b;
        if (rest != 0 && (rest < 0) != (b < 0))
            return value_int(arena, op == NUMBER_MOD ? rest + b : a / b - 1);
        return value_int(arena, op == NUMBER_MOD ? rest : a / b);
    }
}

static struct value *int_apply(struct arena *arena, enum number_op op, const struct value *a,
                               const struct value *b)
{
    uint32_t room_a[BIG_SMALL_LIMBS], room_b[BIG_SMALL_LIMBS];
    struct value *small =
        value_is_int(a) && value_is_int(b) ? small_apply(arena, op, a->integer, b->integer) : NULL;
    struct big left, right;

    if (small)
        return small;
    left = big_of(a, room_a);
    right = big_of(b, room_b);
    switch (op) {
    case NUMBER_SUB:
        right.negative = !right.negative;
        return big_add(arena, left, right);
    case NUMBER_ADD:
        return big_add(arena, left, right);
    case NUMBER_MUL:
        return big_multiply(arena, left, right);
    default:
        return big_divide(arena, left, right, op == NUMBER_MOD);
    }
}

/* Python's float %: the divisor's sign, and a zero that has it too. */
static double real_modulo(double a, double b)
{
    double rest = fmod(a, b);

    if (rest == 0)
        return copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

/* Python's float //, which is not floor(a / b): that rounds first. */
static double real_floordiv(double a, double b)
{
    double rest = fmod(a, b), div = (a - rest) / b, floored;

    if (rest != 0 && (rest < 0) != (b < 0))
        div -= 1;
    if (div == 0)
        return copysign(0.0, a / b);
    floored = floor(div);
    return div - floored > 0.5 ? floored + 1 : floored;
}

static struct value *real_power(struct arena *arena, double a, double b, const char **ret_error)
{
    double power;

    if (a == 0 && b < 0) {
        *ret_error = "0.0 cannot be raised to a negative power";
        return NULL;
    }
    if (a < 0 && isfinite(a) && isfinite(b) && b != trunc(b)) {
        *ret_error = "a complex number, which is not here";
        return NULL;
    }
    power = pow(a, b);
    if (isinf(power) && isfinite(a) && isfinite(b)) {
        *ret_error = "Numerical result out of range";
        return NULL;
    }
    return value_float(arena, power);
}

static struct value *real_apply(struct arena *arena, enum number_op op, double a, double b,
                                const char **ret_error)
{
    switch (op) {
    case NUMBER_ADD:
        return value_float(arena, a + b);
    case NUMBER_SUB:
        return value_float(arena, a - b);
    case NUMBER_MUL:
        return value_float(arena, a * b);
    case NUMBER_DIV:
        return value_float(arena, a / b);
    case NUMBER_FLOORDIV:
        return value_float(arena, real_floordiv(a, b));
    case NUMBER_MOD:
        return value_float(arena, real_modulo(a, b));
    default:
        return real_power(arena, a, b, ret_error);
    }
}

/* Ints divide to the nearest float, even where they are no floats themselves. */
static struct value *int_quotient(struct arena *arena, const struct value *a, const struct value *b,
                                  const char **ret_error)
{
    double left, right;

    if (value_is_int(a) && value_is_int(b))
        return value_float(arena, (double)((long double)a->integer / (long double)b->integer));
    left = number_real(a);
    right = number_real(b);
    if (isinf(left) || isinf(right)) {
        *ret_error = "int too large to convert to float";
        return NULL;
    }
    return value_float(arena, left / right);
}

static struct value *power(struct arena *arena, const struct value *a, const struct value *b,
                           const char **ret_error)
{
    bool negative = b->kind == VALUE_BIG ? b->flags & VALUE_NEGATIVE : b->integer < 0;

    if (negative)
        return real_power(arena, number_real(a), number_real(b), ret_error);
    if (b->kind == VALUE_BIG && !(value_is_int(a) && a->integer >= -1 && a->integer <= 1))
        return NULL;
    if (b->kind == VALUE_BIG) /* 0, 1 and -1 need to know odd from even only */
        return big_power(arena, a, 2 + b->limbs[0] % 2);
    return big_power(arena, a, (uint64_t)b->integer);
}

struct value *number_apply(struct arena *arena, enum number_op op, const struct value *a,
                           const struct value *b, const char **ret_error)
{
    bool real = a->kind == VALUE_FLOAT || b->kind == VALUE_FLOAT;

    *ret_error = NULL;
    if ((op == NUMBER_DIV || op == NUMBER_FLOORDIV || op == NUMBER_MOD) && !number_truth(b)) {
        *ret_error = "division by zero";
        return NULL;
    }
    if (real) {
        double left = number_real(a), right = number_real(b);

        if ((a->kind == VALUE_BIG && isinf(left)) || (b->kind == VALUE_BIG && isinf(right))) {
            *ret_error = "int too large to convert to float";
            return NULL;
        }
        return real_apply(arena, op, left, right, ret_error);
    }
    if (op == NUMBER_DIV)
        return int_quotient(arena, a, b, ret_error);
    return op == NUMBER_POW ? power(arena, a, b, ret_error) : int_apply(arena, op, a, b);
}

struct value *number_negate(struct arena *arena, const struct value *a)
{
    uint32_t room[BIG_SMALL_LIMBS];
    struct big b;
    uint32_t *limbs;

    if (a->kind == VALUE_FLOAT)
        return value_float(arena, -a->real);
    if (value_is_int(a) && a->integer != INT64_MIN)
        return value_int(arena, -a->integer);
    b = big_of(a, room);
    limbs = big_limbs(arena, b.count);
    if (!limbs)
        return NULL;
    memcpy(limbs, b.limbs, b.count * sizeof(*limbs));
    return big_value(arena, (struct big){ limbs, b.count, !b.negative });
}

struct value *number_abs(struct arena *arena, const struct value *a)
{
    bool negative = a->kind == VALUE_FLOAT ? signbit(a->real)
                    : a->kind == VALUE_BIG ? a->flags & VALUE_NEGATIVE
                                           : a->integer < 0;

    if (negative)
        return number_negate(arena, a);
    return a->kind == VALUE_FLOAT ? value_float(arena, a->real)
           : a->kind == VALUE_BIG ? number_negate(arena, number_negate(arena, a))
                                  : value_int(arena, a->integer);
}

struct value *number_cut(struct arena *arena, const struct value *a, const char **ret_error)
{
    char digits[DBL_MAX_10_EXP_BYTES];

    *ret_error = NULL;
    if (isnan(a->real) || isinf(a->real)) {
        *ret_error = isnan(a->real) ? "cannot convert float NaN to integer"
                                    : "cannot convert float infinity to integer";
        return NULL;
    }
    if (fabs(a->real) < 9e18)
        return value_int(arena, (int64_t)a->real);
    snprintf(digits, sizeof(digits), "%.0f", a->real);
    return number_parse_int(arena, slice_str(digits), 10);
}
