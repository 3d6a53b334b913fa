/*
 * Rough keys: where a prompt's tokens cannot be known, keys over chunks of the request's own text,
 * so that equal beginnings still meet the same endpoint. They are no engine's block keys and share
 * nothing with those.
 *
 * Pure; any thread.
 */
#ifndef SLUICE_PROMPT_ROUGH_H
#define SLUICE_PROMPT_ROUGH_H

#include "gateway/prompt/prompt.h"
#include "gateway/token/blocks.h"

/* Bytes that a key stands for, for each token that a block has: what a token is long in English
 * text. Never learned: a key's meaning must not change under those who keep it. */
#define ROUGH_TOKEN_BYTES 4

/* Adds the keys to `keys`, whose parent and block are set. Returns the bytes of text that there
 * are, markup included: what a token count can be guessed from. */
size_t rough_keys(const struct prompt *prompt, struct blocks *keys);
/* Only the bytes. */
size_t rough_bytes(const struct prompt *prompt);

#endif
