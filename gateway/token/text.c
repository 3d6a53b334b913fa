/*
 * The growing of texts.
 */
#include "gateway/token/text.h"

#include <stdlib.h>

#define FIRST_ROOM 1024
/* What an encoder keeps between texts: more than most prompts have. */
#define KEPT_BYTES ((size_t)1 << 20)

void text_init(struct text *text)
{
    *text = (struct text){ 0 };
}

void text_release(struct text *text)
{
    free(text->at);
    text_init(text);
}

void text_clear(struct text *text)
{
    if (text->room > KEPT_BYTES)
        text_release(text);
    text->len = 0;
}

char *text_reserve(struct text *text, size_t more)
{
    size_t room = text->room ? text->room : FIRST_ROOM;

    if (LIKELY(text->room - text->len >= more && text->room > 0))
        return text->at + text->len;
    CHECK(more <= SIZE_MAX / 4 - text->len);
    while (room - text->len < more)
        room *= 2;
    text->at = xrealloc(text->at, room);
    text->room = room;
    return text->at + text->len;
}
