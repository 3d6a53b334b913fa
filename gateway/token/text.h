/*
 * Bytes in one run that grows: where texts are rewritten before they are encoded.
 *
 * One owner, one thread. Kept from text to text, so that nothing is allocated for most of them.
 */
#ifndef SLUICE_TOKEN_TEXT_H
#define SLUICE_TOKEN_TEXT_H

#include "gateway/base/slice.h"
#include "gateway/token/unicode.h"

struct text {
    char *at;
    size_t len, room;
};

void text_init(struct text *text);
void text_release(struct text *text);
/* Empties; gives memory back that an unusually long text has taken. */
void text_clear(struct text *text);
/* Room for `more` bytes at the end, written at the returned place and counted by adding to `len`.
 * Valid until the next call. */
char *text_reserve(struct text *text, size_t more);

static inline void text_add(struct text *text, struct slice bytes)
{
    if (bytes.len > 0)
        memcpy(text_reserve(text, bytes.len), bytes.at, bytes.len);
    text->len += bytes.len;
}

static inline void text_add_code(struct text *text, uint32_t code)
{
    text->len += unicode_write(text_reserve(text, 4), code);
}

static inline struct slice text_slice(const struct text *text)
{
    return slice_of(text->at, text->len);
}

#endif
