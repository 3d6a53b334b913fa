/*
 * A small tokenizer.json and what it gives: for tables of text and ids, and of refusals.
 */
#ifndef TESTS_UNIT_TOKENIZER_RIG_H
#define TESTS_UNIT_TOKENIZER_RIG_H

#include "gateway/token/node.h"
#include "gateway/token/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Ids end with -1. */
#define RIG_IDS 24

static inline void rig_compare(const char *text, const struct ids *ids, const int64_t *wanted)
{
    size_t count = 0;

    while (wanted[count] >= 0)
        count++;
    for (size_t i = 0; i < ids->count && i < count; i++)
        if (ids->at[i] != wanted[i])
            fail_msg("%s: id %zu is %u, wanted %lld", text, i, ids->at[i], (long long)wanted[i]);
    if (ids->count != count)
        fail_msg("%s: %zu ids, wanted %zu", text, ids->count, count);
}

/* Fails the test when the file is refused. */
static inline struct tokenizer *rig_load(const char *json)
{
    struct tokenizer *tokenizer;
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    tokenizer = tokenizer_load_text(slice_str(json), SLICE(""), &errors);
    if (!tokenizer)
        fail_msg("%.200s: %.*s", json, SLICE_ARGS(buf_join(&errors)));
    buf_release(&errors);
    return tokenizer;
}

static inline void rig_encode(const char *json, const char *text, const int64_t *wanted)
{
    struct tokenizer *tokenizer = rig_load(json);
    struct encoder *encoder = encoder_new(tokenizer, 1 << 20);
    struct ids ids;

    ids_init(&ids);
    encoder_encode(encoder, slice_str(text), ENCODER_PLAIN, &ids);
    rig_compare(text, &ids, wanted);
    ids_release(&ids);
    encoder_free(encoder);
    tokenizer_unref(tokenizer);
}

/* A value as a part of a tokenizer.json, under the key "part". */
struct rig_node {
    struct document document;
    struct buf errors;
    struct node root, node;
    char *text;
};

/* JSON is written with ' for ". */
static inline void rig_open(struct rig_node *rig, const char *json)
{
    size_t size = strlen(json) + sizeof("{'part':}");

    rig->text = xmalloc(size);
    snprintf(rig->text, size, "{'part':%s}", json);
    for (char *at = rig->text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    buf_init(&rig->errors, SIZE_MAX);
    if (!document_parse(&rig->document, "test", slice_str(rig->text), &rig->errors))
        fail_msg("%s: %.*s", json, SLICE_ARGS(buf_join(&rig->errors)));
    rig->root = document_root(&rig->document);
    rig->node = node_get(&rig->root, "part");
}

/* Reading the part was `loaded`; it must have been refused, with this complaint. */
static inline void rig_refused(struct rig_node *rig, bool loaded, const char *wanted)
{
    struct slice said = buf_join(&rig->errors);
    char line[512];

    snprintf(line, sizeof(line), "test: %s\n", wanted);
    if (loaded || !slice_eq(said, slice_str(line)))
        fail_msg("%.200s: wanted \"%s\", got \"%.*s\"", rig->text, wanted, SLICE_ARGS(said));
}

static inline void rig_close(struct rig_node *rig)
{
    document_close(&rig->document);
    buf_release(&rig->errors);
    free(rig->text);
}

#endif
