/*
 * Bytes written as letters, as GPT-2 began it: each byte has a letter of its own, so that a
 * vocabulary of letters is one of bytes (Hugging Face's ByteLevel; openai/gpt-2 src/encoder.py,
 * bytes_to_unicode).
 */
#ifndef SLUICE_TOKEN_LETTERS_H
#define SLUICE_TOKEN_LETTERS_H

#include "gateway/token/text.h"

/* The letter of a byte. */
uint32_t letters_code(uint8_t byte);
/* Appends the letters of bytes. */
void letters_write(struct slice bytes, struct text *out);
/* Appends the bytes of letters. False, with some appended, when one is the letter of no byte. */
bool letters_read(struct slice letters, struct text *out) MUST_USE;

#endif
