/*
 * Sets of code points as bits.
 */
#include "gateway/token/code_set.h"

#include <stdio.h>
#include <stdlib.h>

#define SURROGATE_FIRST 0xd800u
#define SURROGATE_END   0xe000u

struct code_set *code_set_new(void)
{
    return xcalloc(1, sizeof(struct code_set));
}

void code_set_free(struct code_set *set)
{
    free(set);
}

void code_set_add_range(struct code_set *set, uint32_t first, uint32_t last)
{
    for (uint32_t code = first; code <= last; code++)
        code_set_add(set, code);
}

void code_set_add_mask(struct code_set *set, uint64_t mask)
{
    for (uint32_t code = 0; code < UNICODE_LIMIT; code++)
        if (unicode_mask(code) & mask)
            code_set_add(set, code);
}

void code_set_add_set(struct code_set *set, const struct code_set *other)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->bits[i] |= other->bits[i];
}

void code_set_keep(struct code_set *set, const struct code_set *other)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->bits[i] &= other->bits[i];
}

void code_set_invert(struct code_set *set)
{
    for (size_t i = 0; i < CODE_SET_WORDS; i++)
        set->bits[i] = i >= SURROGATE_FIRST / 64 && i < SURROGATE_END / 64 ? 0 : ~set->bits[i];
}

static void write_range(struct text *out, uint32_t first, uint32_t last)
{
    char range[32];
    int len = first == last ? snprintf(range, sizeof(range), "\\x{%x}", first)
                            : snprintf(range, sizeof(range), "\\x{%x}-\\x{%x}", first, last);

    text_add(out, slice_of(range, (size_t)len));
}

void code_set_write(const struct code_set *set, struct text *out)
{
    size_t before = out->len;

    text_add(out, SLICE("["));
    for (uint32_t code = 0; code < UNICODE_LIMIT; code++) {
        uint32_t first = code;

        if (!code_set_has(set, code))
            continue;
        while (code + 1 < UNICODE_LIMIT && code_set_has(set, code + 1))
            code++;
        write_range(out, first, code);
    }
    text_add(out, SLICE("]"));
    if (out->len == before + 2) { /* an empty class means something else to PCRE2 */
        out->len = before;
        text_add(out, SLICE("(?!)"));
    }
}
