/*
 * The normalizer of a tokenizer.json: steps that rewrite a text, one after the other.
 *
 * Immutable once loaded; any thread. Each kind is a row of normalizers.def.
 */
#ifndef SLUICE_TOKEN_NORMALIZER_H
#define SLUICE_TOKEN_NORMALIZER_H

#include "gateway/token/charsmap.h"
#include "gateway/token/pattern.h"
#include "gateway/token/scratch.h"

struct normalizer_step;

struct normalizer_type {
    const char *name; /* as tokenizer.json's "type" */
    /* Reads what the kind has besides its type; NULL: nothing. */
    bool (*load)(const struct node *node, struct normalizer_step *step);
    /* True when `text` stays as it is; else `out`, which is empty, gets what becomes of it. */
    bool (*run)(const struct normalizer_step *step, struct scratch *scratch, struct slice text,
                struct text *out);
};

struct normalizer_step {
    const struct normalizer_type *type;
    struct pattern pattern; /* Replace */
    char *content;          /* Replace, Prepend; owned */
    size_t content_len;
    bool clean_text, handle_chinese_chars, strip_accents, lowercase; /* BertNormalizer */
    bool strip_left, strip_right;                                    /* Strip */
    struct charsmap charsmap;                                        /* Precompiled */
};

struct normalizer {
    struct normalizer_step *steps;
    size_t count;
    bool letters; /* the last step is ByteLevel: what comes out is letters of bytes */
};

/* `node` may be absent: no steps. */
bool normalizer_load(struct normalizer *normalizer, const struct node *node) MUST_USE;
void normalizer_release(struct normalizer *normalizer);

/* Borrowed from `text` or from the scratch until the next call. Sets scratch->front, which is 0 if
 * the front is lost. Of a text that grows too much it is empty, and scratch->outgrown is set. */
struct slice normalizer_apply(const struct normalizer *normalizer, struct scratch *scratch,
                              struct slice text);

#endif
