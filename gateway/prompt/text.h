/*
 * UTF-8 texts by code point, and what Python's str methods take characters for.
 *
 * Texts are valid UTF-8: JSON was checked, templates are checked when compiled. Pure functions.
 */
#ifndef SLUICE_PROMPT_TEXT_H
#define SLUICE_PROMPT_TEXT_H

#include "gateway/base/slice.h"

/* Bytes of the longest code point. */
#define TEXT_POINT_BYTES 4

enum text_class {
    TEXT_ALPHA, /* as str.isalpha and so on, of one character */
    TEXT_DECIMAL,
    TEXT_DIGIT,
    TEXT_NUMERIC,
    TEXT_UPPER,
    TEXT_LOWER,
    TEXT_TITLE,     /* a titlecase letter such as U+01C5 */
    TEXT_PRINTABLE, /* repr writes it as it is */
    TEXT_IGNORABLE, /* parts no word when a final sigma is looked for */
};

enum text_case {
    TEXT_TO_UPPER,
    TEXT_TO_LOWER,
    TEXT_TO_TITLE,
    TEXT_TO_FOLD, /* str.casefold */
};

/* Takes the first code point of a text that is not empty. */
uint32_t text_take(struct slice *text);
/* The last one. */
uint32_t text_take_last(struct slice *text);
/* Writes a code point, returns how many bytes. */
size_t text_put(char ret_bytes[TEXT_POINT_BYTES], uint32_t point);

/* How many code points. */
size_t text_points(struct slice text);
/* Where code point number `number` begins; text.len when there are no more. */
size_t text_offset(struct slice text, size_t number);
bool text_is_ascii(struct slice text);

bool text_is(enum text_class class, uint32_t point);
/* str.isspace, which is also what strip and split take for white space. */
bool text_is_space(uint32_t point);
bool text_is_alnum(uint32_t point);
static inline bool text_is_cased(uint32_t point)
{
    return text_is(TEXT_UPPER, point) || text_is(TEXT_LOWER, point) || text_is(TEXT_TITLE, point);
}
/* One character in another case: up to three. Returns how many. Lower case of a final sigma is the
 * caller's. */
size_t text_recase(enum text_case to, uint32_t point, uint32_t ret_points[3]);

/* Without white space at the front, at the end. */
struct slice text_lstrip(struct slice text);
struct slice text_rstrip(struct slice text);

#endif
