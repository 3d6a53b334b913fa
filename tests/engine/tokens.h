/*
 * A toy tokenizer: deterministic, reversible, without state. What it must share with real ones is
 * only that equal beginnings of text give equal beginnings of token ids, and that a token is about
 * four characters of English.
 *
 * Text is cut into special tokens ("<|im_start|>"), runs of word bytes with one leading space, and
 * single other bytes. A run that is in the vocabulary (words.def) is one token; any other is cut
 * into pieces of three bytes, whose ids hold the bytes themselves, so that every id can be turned
 * back into text.
 */
#ifndef SLUICE_ENGINE_TOKENS_H
#define SLUICE_ENGINE_TOKENS_H

#include "gateway/base/slice.h"

/* The special tokens, as in the ChatML template. */
enum token_special { TOKEN_IM_START = 1, TOKEN_IM_END = 2, TOKEN_END_OF_TEXT = 3 };

/* A list of token ids; grows. */
struct tokens {
    uint32_t *at;
    size_t count, size;
};

void tokens_init(struct tokens *tokens);
void tokens_release(struct tokens *tokens);
void tokens_add(struct tokens *tokens, uint32_t id);
void tokens_append(struct tokens *tokens, const uint32_t *ids, size_t count);
/* Appends the tokens of `text`. */
void tokens_encode(struct tokens *tokens, struct slice text);

/* The text of one token, a special one's included; empty when the id means nothing. */
#define TOKEN_TEXT_MAX 32
struct slice token_text(uint32_t id, char ret_text[TOKEN_TEXT_MAX]);

/* The vocabulary's words, 0 .. token_word_count() - 1, for whoever wants to say something. */
size_t token_word_count(void);
uint32_t token_word(size_t index, bool leading_space);
/* The token of one byte that is no part of a word. */
uint32_t token_byte(char c);

#endif
