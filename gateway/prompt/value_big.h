/*
 * Ints of any size as limbs of nine decimal digits: they are printed far more often than computed
 * with.
 *
 * Pure functions; what they make lies in the arena. NULL: the arena is full, or the number would
 * have more than NUMBER_LIMBS_MAX limbs.
 */
#ifndef SLUICE_PROMPT_VALUE_BIG_H
#define SLUICE_PROMPT_VALUE_BIG_H

#include "gateway/prompt/value_number.h"

#define BIG_LIMB        1000000000u
#define BIG_LIMB_DIGITS 9
/* Limbs of an int64_t. */
#define BIG_SMALL_LIMBS 3

struct big {
    const uint32_t *limbs;
    uint32_t count; /* without leading zeros; 0: the number 0 */
    bool negative;
};

/* Of an int of any kind; small ones are written to `room`, the limbs of others are borrowed. */
struct big big_of(const struct value *value, uint32_t room[BIG_SMALL_LIMBS]);
/* Keeps the limbs, which lie in the arena; an int64_t where it fits. */
struct value *big_value(struct arena *arena, struct big b);
/* Zeros. */
uint32_t *big_limbs(struct arena *arena, size_t count);

/* -1, 0, 1 */
int big_compare(struct big a, struct big b);
struct value *big_add(struct arena *arena, struct big a, struct big b);
struct value *big_multiply(struct arena *arena, struct big a, struct big b);
/* Towards minus infinity, as Python divides: the remainder, where it is wanted, has the divisor's
 * sign. The divisor is not 0. */
struct value *big_divide(struct arena *arena, struct big a, struct big b, bool want_rest);
/* Of an int of any kind. */
struct value *big_power(struct arena *arena, const struct value *base, uint64_t exponent);

#endif
