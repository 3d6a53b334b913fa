/*
 * Multiplication and division are the schoolbook's (D. E. Knuth: The Art of Computer Programming,
 * volume 2, 4.3.1, algorithms M and D); powers are by squaring.
 */
#include "gateway/prompt/value_big.h"

static uint32_t trim(const uint32_t *limbs, uint32_t count)
{
    while (count > 0 && limbs[count - 1] == 0)
        count--;
    return count;
}

struct big big_of(const struct value *value, uint32_t room[BIG_SMALL_LIMBS])
{
    uint64_t magnitude;

    if (value->kind == VALUE_BIG)
        return (struct big){ value->limbs, value->count, value->flags & VALUE_NEGATIVE };
    magnitude = value->integer < 0 ? -(uint64_t)value->integer : (uint64_t)value->integer;
    for (int i = 0; i < BIG_SMALL_LIMBS; i++, magnitude /= BIG_LIMB)
        room[i] = (uint32_t)(magnitude % BIG_LIMB);
    return (struct big){ room, trim(room, BIG_SMALL_LIMBS), value->integer < 0 };
}

/* An int64_t where it fits. */
static bool big_fits(struct big b, int64_t *ret_value)
{
    unsigned __int128 magnitude = 0;
    const unsigned __int128 bound = (unsigned __int128)1 << 63;

    if (b.count > BIG_SMALL_LIMBS)
        return false;
    for (uint32_t i = b.count; i-- > 0;)
        magnitude = magnitude * BIG_LIMB + b.limbs[i];
    if (magnitude > bound - !b.negative)
        return false;
    *ret_value = (int64_t)(b.negative ? -(uint64_t)magnitude : (uint64_t)magnitude);
    return true;
}

struct value *big_value(struct arena *arena, struct big b)
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

uint32_t *big_limbs(struct arena *arena, size_t count)
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

int big_compare(struct big a, struct big b)
{
    int magnitudes = compare_magnitudes(a, b);

    if (a.negative != b.negative)
        return a.count == 0 && b.count == 0 ? 0 : a.negative ? -1 : 1;
    return a.negative ? -magnitudes : magnitudes;
}

static struct value *add_magnitudes(struct arena *arena, struct big a, struct big b, bool negative)
{
    uint32_t most = a.count > b.count ? a.count : b.count;
    uint32_t *sum = big_limbs(arena, most + 1u);
    uint32_t carry = 0;

    if (!sum)
        return NULL;
    for (uint32_t i = 0; i <= most; i++) {
        carry += (i < a.count ? a.limbs[i] : 0) + (i < b.count ? b.limbs[i] : 0);
        sum[i] = carry % BIG_LIMB;
        carry /= BIG_LIMB;
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
        limbs[i] = (uint32_t)(borrow ? left + BIG_LIMB : left);
    }
}

struct value *big_add(struct arena *arena, struct big a, struct big b)
{
    uint32_t *limbs;

    if (a.negative == b.negative)
        return add_magnitudes(arena, a, b, a.negative);
    if (compare_magnitudes(a, b) < 0) {
        struct big swap = a;

        a = b;
        b = swap;
    }
    limbs = big_limbs(arena, a.count);
    if (!limbs)
        return NULL;
    subtract_into(limbs, a, b);
    return big_value(arena, (struct big){ limbs, a.count, a.negative });
}

struct value *big_multiply(struct arena *arena, struct big a, struct big b)
{
    uint32_t *limbs = big_limbs(arena, (size_t)a.count + b.count);

    if (!limbs)
        return NULL;
    for (uint32_t i = 0; i < a.count; i++) {
        uint64_t carry = 0;

        for (uint32_t k = 0; k < b.count; k++) {
            carry += (uint64_t)a.limbs[i] * b.limbs[k] + limbs[i + k];
            limbs[i + k] = (uint32_t)(carry % BIG_LIMB);
            carry /= BIG_LIMB;
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
        limbs[i] = (uint32_t)(carry % BIG_LIMB);
        carry /= BIG_LIMB;
    }
    return (uint32_t)carry;
}

/* limbs /= divisor; returns the remainder. */
static uint32_t unscale(uint32_t *limbs, uint32_t count, uint32_t divisor)
{
    uint64_t rest = 0;

    for (uint32_t i = count; i-- > 0;) {
        rest = rest * BIG_LIMB + limbs[i];
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
        left = (int64_t)u[i] - (int64_t)(carry % BIG_LIMB) - borrow;
        carry /= BIG_LIMB;
        borrow = left < 0;
        u[i] = (uint32_t)(borrow ? left + BIG_LIMB : left);
    }
    if (!borrow)
        return false;
    carry = 0;
    for (uint32_t i = 0; i <= n; i++) {
        carry += (uint64_t)u[i] + (i < n ? v[i] : 0);
        u[i] = (uint32_t)(carry % BIG_LIMB);
        carry /= BIG_LIMB;
    }
    return true;
}

/* Algorithm D: u has room for a limb more than the dividend, v at least two limbs. The quotient's
 * limbs go to q, the remainder is left in u. */
static void divide_long(uint32_t *u, uint32_t u_count, uint32_t *v, uint32_t n, uint32_t *q)
{
    uint32_t factor = BIG_LIMB / (v[n - 1] + 1);

    u[u_count] = scale(u, u_count, factor);
    scale(v, n, factor);
    for (uint32_t j = u_count - n + 1; j-- > 0;) {
        uint64_t top = (uint64_t)u[j + n] * BIG_LIMB + u[j + n - 1];
        uint64_t digit = top / v[n - 1], rest = top % v[n - 1];

        while (digit >= BIG_LIMB || digit * v[n - 2] > rest * BIG_LIMB + u[j + n - 2]) {
            digit--;
            rest += v[n - 1];
            if (rest >= BIG_LIMB)
                break;
        }
        if (take_multiple(u + j, v, n, digit))
            digit--;
        q[j] = (uint32_t)digit;
    }
    unscale(u, n, factor);
}

struct value *big_divide(struct arena *arena, struct big a, struct big b, bool want_rest)
{
    uint32_t *u = big_limbs(arena, a.count + 1u), *v = big_limbs(arena, b.count);
    uint32_t *q = big_limbs(arena, a.count + 1u);
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

struct value *big_power(struct arena *arena, const struct value *base, uint64_t exponent)
{
    struct value *result = value_int(arena, 1);
    const struct value *square = base;
    uint32_t a[BIG_SMALL_LIMBS], b[BIG_SMALL_LIMBS];

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
