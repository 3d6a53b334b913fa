/*
 * The kinds of pre-tokenizers, for pretokenizer.c.
 */
#ifndef SLUICE_TOKEN_PRETOKENIZER_TYPES_H
#define SLUICE_TOKEN_PRETOKENIZER_TYPES_H

#include "gateway/token/pretokenizer.h"

extern const struct pretokenizer_type pretokenizer_types[];
extern const size_t pretokenizer_type_count;

/* BertPreTokenizer is two steps. */
void pretokenizer_bert(struct pretokenizer_step *spaces, struct pretokenizer_step *punctuation);

#endif
