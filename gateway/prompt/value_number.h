/*
 * Python's numbers: ints of any size up to NUMBER_LIMBS_MAX, floats, bools that count.
 *
 * Pure functions over values in an arena; the work of one call is at most of the order of the
 * product of its operands' limbs.
 */
#ifndef SLUICE_PROMPT_VALUE_NUMBER_H
#define SLUICE_PROMPT_VALUE_NUMBER_H

#include "gateway/prompt/value.h"

/* 10,800 digits. Python prints no more than 4,300; what is between can still be computed with. */
#define NUMBER_LIMBS_MAX 1200
/* sys.int_info.default_max_str_digits */
#define NUMBER_DIGITS_MAX 4300

enum number_op {
    NUMBER_ADD,
    NUMBER_SUB,
    NUMBER_MUL,
    NUMBER_DIV,
    NUMBER_FLOORDIV,
    NUMBER_MOD,
    NUMBER_POW,
};

/* What number_compare says of NaN. */
#define NUMBER_UNORDERED 2

static inline bool number_is(const struct value *value)
{
    return value->kind >= VALUE_BOOL && value->kind <= VALUE_FLOAT;
}

/* -1, 0, 1; NUMBER_UNORDERED. Exact between ints and floats. */
int number_compare(const struct value *a, const struct value *b);
/* The same for numbers that are equal. */
uint64_t number_hash(const struct value *number);
bool number_truth(const struct value *number);

/*
 * The result, or NULL: then *ret_error has Python's words, or is NULL where the arena is full or
 * the number would be too long.
 */
struct value *number_apply(struct arena *arena, enum number_op op, const struct value *a,
                           const struct value *b, const char **ret_error);
struct value *number_negate(struct arena *arena, const struct value *a);
struct value *number_abs(struct arena *arena, const struct value *a);
/* An int from a float, cut towards zero. NULL and words for infinity and NaN. */
struct value *number_cut(struct arena *arena, const struct value *a, const char **ret_error);
/* Infinity where an int is too large. */
double number_real(const struct value *number);

/* Digits of `base` (2 to 36, checked by the caller) with an optional sign. NULL: too long, or the
 * arena is full. */
struct value *number_parse_int(struct arena *arena, struct slice digits, unsigned base);
/* JSON's or Python's digits, checked by the caller. */
double number_parse_float(struct slice digits);

/* How many bytes number_print_int may need. */
size_t number_int_bytes(const struct value *number);
/* Writes an int's decimal digits, not terminated; returns how many bytes. */
size_t number_print_int(const struct value *number, char *ret_text);

#endif
