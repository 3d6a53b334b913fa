/*
 * Classes of Oniguruma's syntax: \p{..} and its kin, and what stands in brackets.
 */
#ifndef SLUICE_TOKEN_REGEX_CLASS_H
#define SLUICE_TOKEN_REGEX_CLASS_H

#include "gateway/token/code_set.h"

/* Where in a pattern is read; `error` is set once, by who finds the fault. */
struct regex_cursor {
    struct slice pattern;
    size_t at;
    char *error;
    size_t error_size;
};

/* Complains with the place; false always. */
bool regex_cursor_fail(struct regex_cursor *cursor, const char *what);
/* The next code point, taken; false at the end, without complaint. */
bool regex_cursor_take(struct regex_cursor *cursor, uint32_t *ret_code);
bool regex_cursor_accept(struct regex_cursor *cursor, const char *text);

/* A class escape whose letter (one of dDsSwWhHpP) was taken: adds what it stands for. */
bool regex_class_escape(struct regex_cursor *cursor, uint32_t letter,
                        struct code_set *set) MUST_USE;
/* A letter behind a backslash that stands for one code point, taken: \n, \x41, \u00e9, \., ... */
bool regex_code_escape(struct regex_cursor *cursor, uint32_t letter, uint32_t *ret_code) MUST_USE;
/* What stands in brackets, whose `[` was taken, up to and with the `]`. */
bool regex_class_brackets(struct regex_cursor *cursor, struct code_set *set) MUST_USE;

#endif
