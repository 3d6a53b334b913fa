/*
 * Bytes to letters: printable ones of Latin-1 are their own, the others follow from U+0100 on.
 */
#include "gateway/token/letters.h"

#define FIRST_SHIFTED 0x100u
/* Bytes without a letter of their own: 0x00-0x20, 0x7f-0xa0, 0xad. */
#define LOW_COUNT    33u
#define MIDDLE_FIRST 0x7fu
#define MIDDLE_COUNT 34u
#define SOFT_HYPHEN  0xadu

uint32_t letters_code(uint8_t byte)
{
    if (byte < LOW_COUNT)
        return FIRST_SHIFTED + byte;
    if (byte >= MIDDLE_FIRST && byte < MIDDLE_FIRST + MIDDLE_COUNT)
        return FIRST_SHIFTED + LOW_COUNT + (byte - MIDDLE_FIRST);
    if (byte == SOFT_HYPHEN)
        return FIRST_SHIFTED + LOW_COUNT + MIDDLE_COUNT;
    return byte;
}

void letters_write(struct slice bytes, struct text *out)
{
    char *at = text_reserve(out, bytes.len * 2); /* every letter has one byte or two */

    for (size_t i = 0; i < bytes.len; i++)
        at += unicode_write(at, letters_code((uint8_t)bytes.at[i]));
    out->len = (size_t)(at - out->at);
}

/* The byte of a letter; false: it is none's. */
static bool byte_of(uint32_t code, char *ret_byte)
{
    uint32_t shifted = code - FIRST_SHIFTED;

    if (shifted < LOW_COUNT)
        *ret_byte = (char)shifted;
    else if (shifted < LOW_COUNT + MIDDLE_COUNT)
        *ret_byte = (char)(MIDDLE_FIRST + (shifted - LOW_COUNT));
    else if (shifted == LOW_COUNT + MIDDLE_COUNT)
        *ret_byte = (char)SOFT_HYPHEN;
    else if (code < FIRST_SHIFTED && letters_code((uint8_t)code) == code)
        *ret_byte = (char)code;
    else
        return false;
    return true;
}

bool letters_read(struct slice letters, struct text *out)
{
    char *at = text_reserve(out, letters.len);

    for (size_t i = 0; i < letters.len;) {
        uint32_t bytes, code = unicode_read(letters.at + i, &bytes);

        if (!byte_of(code, at++))
            return false;
        i += bytes;
    }
    out->len = (size_t)(at - out->at);
    return true;
}
