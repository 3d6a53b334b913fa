/*
 * Python's numbers. Long ints are limbs of nine decimal digits: they are printed far more often
 * than computed with.
 *
 * Multiplication and division are the schoolbook's (D. E. Knuth: The Art of Computer Programming,
 * volume 2, 4.3.1, algorithms M and D).
 */
#include "gateway/prompt/value_number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMB       1000000000u
#define LIMB_DIGIT 9
/* "%.0f" of the largest double, a sign and the end. */
#define DBL_MAX_10_EXP_BYTES 320
/* Limbs of an int64_t. */
#define SMALL_LIMBS 3

struct big {
    const uint32_t *limbs;
    uint32_t count; /* without leading zeros; 0: the number 0 */
    bool negative;
};

static uint32_t trim(const uint32_t *limbs, uint32_t count)
{
    while (count > 0 && limbs[count - 1] == 0)
        count--;
    return count;
}

/* Of an int of any kind; small ones are written to `room`. */
static struct big big_of(const struct value *value, uint32_t room[SMALL_LIMBS])
{
    uint64_t magnitude;

    if (value->kind == VALUE_BIG)
        return (struct big){ value->limbs, value->count, value->flags & VALUE_NEGATIVE };
    magnitude = value->integer < 0 ? -(uint64_t)value->integer : (uint64_t)value->integer;
    for (int i = 0; i < SMALL_LIMBS; i++, magnitude /= LIMB)
        room[i] = (uint32_t)(magnitude % LIMB);
    return (struct big){ room, trim(room, SMALL_LIMBS), value->integer < 0 };
}

/* An int64_t where it fits. */
static bool big_fits(struct big b, int64_t *ret_value)
{
    unsigned __int128 magnitude = 0;
    const unsigned __int128 bound = (unsigned __int128)1 << 63;

    if (b.count > SMALL_LIMBS)
        return false;
    for (uint32_t i = b.count; i-- > 0;)
        magnitude = magnitude * LIMB + b.limbs[i];
    if (magnitude > bound - !b.negative)
        return false;
    *ret_value = (int64_t)(b.negative ? -(uint64_t)magnitude : (uint64_t)magnitude);
    return true;
}

/* Keeps the limbs, which lie in the arena. */
static struct value *big_value(struct arena *arena, struct big b)
{
    struct value *value;
    int64_t small;

    b.count = trim(b.limbs, b.count);
    if (big_fits(b, &small))
        return value_int(arena, small);
    if (b.count > NUMBER_LIMBS_MAX)
        return NULL;
    value = value_new(arena, VALUE_BIG);
    if (!value)
        return NULL;
    value->limbs = b.limbs;
    value->count = b.count;
    value->flags = b.negative ? VALUE_NEGATIVE : 0;
    return value;
}

static uint32_t *limbs_new(struct arena *arena, size_t count)
{
    uint32_t *limbs =
        count > 2 * NUMBER_LIMBS_MAX + 2 ? NULL : arena_try_alloc(arena, count * sizeof(*limbs));

    if (limbs)
        memset(limbs, 0, count * sizeof(*limbs));
    return limbs;
}

static int compare_magnitudes(struct big a, struct big b)
{
    if (a.count != b.count)
        return a.count < b.count ? -1 : 1;
    for (uint32_t i = a.count; i-- > 0;)
        if (a.limbs[i] != b.limbs[i])
            return a.limbs[i] < b.limbs[i] ? -1 : 1;
    return 0;
}

static int big_compare(struct big a, struct big b)
{
    int magnitudes = compare_magnitudes(a, b);

    if (a.negative != b.negative)
        return a.count == 0 && b.count == 0 ? 0 : a.negative ? -1 : 1;
    return a.negative ? -magnitudes : magnitudes;
}

static struct value *add_magnitudes(struct arena *arena, struct big a, struct big b, bool negative)
{
    uint32_t most = a.count > b.count ? a.count : b.count;
    uint32_t *sum = limbs_new(arena, most + 1u);
    uint32_t carry = 0;

    if (!sum)
        return NULL;
    for (uint32_t i = 0; i <= most; i++) {
        carry += (i < a.count ? a.limbs[i] : 0) + (i < b.count ? b.limbs[i] : 0);
        sum[i] = carry % LIMB;
        carry /= LIMB;
    }
    return big_value(arena, (struct big){ sum, most + 1, negative });
}

/* |a| - |b| where |a| >= |b|, into `a.count` limbs. */
static void subtract_into(uint32_t *limbs, struct big a, struct big b)
{
    int64_t borrow = 0;

    for (uint32_t i = 0; i < a.count; i++) {
        int64_t left = (int64_t)a.limbs[i] - (i < b.count ? b.limbs[i] : 0) - borrow;

        borrow = left < 0;
        limbs[i] = (uint32_t)(borrow ? left + LIMB : left);
    }
}

static struct value *big_add(struct arena *arena, struct big a, struct big b)
{
    uint32_t *limbs;

    if (a.negative == b.negative)
        return add_magnitudes(arena, a, b, a.negative);
    if (compare_magnitudes(a, b) < 0) {
        struct big swap = a;

        a = b;
        b = swap;
    }
    limbs = limbs_new(arena, a.count);
    if (!limbs)
        return NULL;
    subtract_into(limbs, a, b);
    return big_value(arena, (struct big){ limbs, a.count, a.negative });
}

static struct value *big_multiply(struct arena *arena, struct big a, struct big b)
{
    uint32_t *limbs = limbs_new(arena, (size_t)a.count + b.count);

    if (!limbs)
        return NULL;
    for (uint32_t i = 0; i < a.count; i++) {
        uint64_t carry = 0;

        for (uint32_t k = 0; k < b.count; k++) {
            carry += (uint64_t)a.limbs[i] * b.limbs[k] + limbs[i + k];
            limbs[i + k] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
        }
        limbs[i + b.count] = (uint32_t)carry;
    }
    return big_value(arena, (struct big){ limbs, a.count + b.count, a.negative != b.negative });
}

/* limbs *= factor; returns what runs over. */
static uint32_t scale(uint32_t *limbs, uint32_t count, uint32_t factor)
{
    uint64_t carry = 0;

    for (uint32_t i = 0; i < count; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    return (uint32_t)carry;
}

/* limbs /= divisor; returns the remainder. */
static uint32_t unscale(uint32_t *limbs, uint32_t count, uint32_t divisor)
{
    uint64_t rest = 0;

    for (uint32_t i = count; i-- > 0;) {
        rest = rest * LIMB + limbs[i];
        limbs[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    return (uint32_t)rest;
}

/* Takes digit * v off u[0..n]; says whether that was too much, and puts v back once if so. */
static bool take_multiple(uint32_t *u, const uint32_t *v, uint32_t n, uint64_t digit)
{
    uint64_t carry = 0;
    int64_t borrow = 0;

    for (uint32_t i = 0; i <= n; i++) {
        int64_t left;

        carry += digit * (i < n ? v[i] : 0);
        left = (int64_t)u[i] - (int64_t)(carry % LIMB) - borrow;
        carry /= LIMB;
        borrow = left < 0;
        u[i] = (uint32_t)(borrow ? left + LIMB : left);
    }
    if (!borrow)
        return false;
    carry = 0;
    for (uint32_t i = 0; i <= n; i++) {
        carry += (uint64_t)u[i] + (i < n ? v[i] : 0);
        u[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    return true;
}

/* Algorithm D: u has room for a limb more than the dividend, v at least two limbs. The quotient's
 * limbs go to q, the remainder is left in u. */
static void divide_long(uint32_t *u, uint32_t u_count, uint32_t *v, uint32_t n, uint32_t *q)
{
    uint32_t factor = LIMB / (v[n - 1] + 1);

    u[u_count] = scale(u, u_count, factor);
    scale(v, n, factor);
    for (uint32_t j = u_count - n + 1; j-- > 0;) {
        uint64_t top = (uint64_t)u[j + n] * LIMB + u[j + n - 1];
        uint64_t digit = top / v[n - 1], rest = top % v[n - 1];

        while (digit >= LIMB || digit * v[n - 2] > rest * LIMB + u[j + n - 2]) {
            digit--;
            rest += v[n - 1];
            if (rest >= LIMB)
                break;
        }
        if (take_multiple(u + j, v, n, digit))
            digit--;
        q[j] = (uint32_t)digit;
    }
    unscale(u, n, factor);
}

/* Towards minus infinity, as Python divides: the remainder has the divisor's sign. */
static struct value *big_divide(struct arena *arena, struct big a, struct big b, bool want_rest)
{
    uint32_t *u = limbs_new(arena, a.count + 1u), *v = limbs_new(arena, b.count);
    uint32_t *q = limbs_new(arena, a.count + 1u);
    bool exact, negative = a.negative != b.negative;
    struct big rest;

    if (!u || !v || !q)
        return NULL;
    memcpy(u, a.limbs, a.count * sizeof(*u));
    memcpy(v, b.limbs, b.count * sizeof(*v));
    if (b.count == 1) {
        memcpy(q, u, a.count * sizeof(*u));
        u[0] = unscale(q, a.count, v[0]);
        memset(u + 1, 0, a.count * sizeof(*u));
    } else if (a.count >= b.count) {
        divide_long(u, a.count, v, b.count, q);
    }
    rest = (struct big){ u, trim(u, a.count < b.count ? a.count : b.count), a.negative };
    exact = rest.count == 0;
    if (want_rest)
        return exact || !negative ? big_value(arena, rest) : big_add(arena, rest, b);
    if (!exact && negative) {
        static const uint32_t one[1] = { 1 };

        return add_magnitudes(arena, (struct big){ q, trim(q, a.count + 1), true },
                              (struct big){ one, 1, true }, true);
    }
    return big_value(arena, (struct big){ q, a.count + 1, negative });
}

/* By squaring. The exponent is not negative. */
static struct value *int_power(struct arena *arena, const struct value *base, uint64_t exponent)
{
    struct value *result = value_int(arena, 1);
    const struct value *square = base;
    uint32_t a[SMALL_LIMBS], b[SMALL_LIMBS];

    for (; result && exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = big_multiply(arena, big_of(result, a), big_of(square, b));
        if (exponent > 1)
            square = big_multiply(arena, big_of(square, a), big_of(square, b));
        if (!square)
            return NULL;
    }
    return result;
}

double number_real(const struct value *number)
{
    char digits[NUMBER_LIMBS_MAX * LIMB_DIGIT + 2];
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
    uint32_t room[SMALL_LIMBS];
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
            uint32_t small[SMALL_LIMBS];

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
    uint32_t room_a[SMALL_LIMBS], room_b[SMALL_LIMBS];
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
    uint32_t room_a[SMALL_LIMBS], room_b[SMALL_LIMBS];
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
        return int_power(arena, a, 2 + b->limbs[0] % 2);
    return int_power(arena, a, (uint64_t)b->integer);
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
    uint32_t room[SMALL_LIMBS];
    struct big b;
    uint32_t *limbs;

    if (a->kind == VALUE_FLOAT)
        return value_float(arena, -a->real);
    if (value_is_int(a) && a->integer != INT64_MIN)
        return value_int(arena, -a->integer);
    b = big_of(a, room);
    limbs = limbs_new(arena, b.count);
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
        size_t start = end > LIMB_DIGIT ? end - LIMB_DIGIT : 0;
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
            limbs[k] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
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
    if (digits.len > (size_t)NUMBER_LIMBS_MAX * LIMB_DIGIT)
        return NULL;
    limbs = limbs_new(arena, digits.len / (base > 10 ? 5 : LIMB_DIGIT) + 2);
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
    return number->kind == VALUE_BIG ? (size_t)number->count * LIMB_DIGIT + 2 : 24;
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
    for (uint32_t i = number->count - 1; i-- > 0; at += LIMB_DIGIT) {
        uint32_t limb = number->limbs[i];

        for (int k = LIMB_DIGIT; k-- > 0; limb /= 10)
            out[at + (size_t)k] = (char)('0' + limb % 10);
    }
    return at;
}
