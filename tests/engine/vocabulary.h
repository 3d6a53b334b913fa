/*
 * A real tokenizer and chat template instead of the toy's (--tokenizer): prompts then become the
 * tokens that the model of that folder would see. Answers stay made of the toy's words.
 *
 * The engine's worker.
 */
#ifndef SLUICE_ENGINE_VOCABULARY_H
#define SLUICE_ENGINE_VOCABULARY_H

#include "tests/engine/tokens.h"

struct vocabulary;

/* NULL, and a sentence was printed, when the folder is no good. */
struct vocabulary *vocabulary_new(const char *folder);
void vocabulary_free(struct vocabulary *vocabulary); /* NULL is fine */

/* Appends the tokens of a completion's text. */
void vocabulary_encode(struct vocabulary *vocabulary, struct slice text, struct tokens *tokens);
/* Appends the tokens of a chat request's conversation. False, and why, where the template refuses
 * it. */
bool vocabulary_encode_chat(struct vocabulary *vocabulary, struct slice body, struct tokens *tokens,
                            char *ret_why, size_t size);

#endif
