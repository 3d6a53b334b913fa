/*
 * A set of code points, for classes in regular expressions.
 *
 * The caller owns it. One thread.
 */
#ifndef SLUICE_TOKEN_CODE_SET_H
#define SLUICE_TOKEN_CODE_SET_H

#include "gateway/token/text.h"

#define CODE_SET_WORDS (UNICODE_LIMIT / 64)

struct code_set {
    uint64_t bits[CODE_SET_WORDS];
};

struct code_set *code_set_new(void); /* empty */
void code_set_free(struct code_set *set);

static inline bool code_set_has(const struct code_set *set, uint32_t code)
{
    return set->bits[code / 64] >> code % 64 & 1;
}

static inline void code_set_add(struct code_set *set, uint32_t code)
{
    set->bits[code / 64] |= 1ull << code % 64;
}

void code_set_add_range(struct code_set *set, uint32_t first, uint32_t last);
/* Those of any class in `mask`. */
void code_set_add_mask(struct code_set *set, uint64_t mask);
void code_set_add_set(struct code_set *set, const struct code_set *other);
void code_set_keep(struct code_set *set, const struct code_set *other);
/* What is in it no longer is, and what was not is; surrogates never are. */
void code_set_invert(struct code_set *set);
/* Appends it as a class of PCRE2's syntax. */
void code_set_write(const struct code_set *set, struct text *out);

#endif
