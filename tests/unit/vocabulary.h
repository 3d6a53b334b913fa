/*
 * A family's tokenizer.json of ../shared/tokenizers as a bpe_spec, for tests of merging that need
 * to see the merges themselves. Reads the model and the first known pattern only; normalizers,
 * added tokens and the like are the tokenizer's.
 */
#ifndef SLUICE_TESTS_UNIT_VOCABULARY_H
#define SLUICE_TESTS_UNIT_VOCABULARY_H

#include "gateway/token/bpe.h"
#include "gateway/token/unicode.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define VOCABULARY_FOLDER "../shared/tokenizers/"

struct vocabulary {
    struct bpe_spec spec;
    struct bpe_token *tokens;
    struct bpe_merge *merges;
    json_t *file;
    char *bytes; /* of all tokens */
};

static inline size_t vocabulary_read(void *to, size_t room, void *from)
{
    return (size_t)gzread(from, to, (unsigned)room);
}

/* NULL when the file is not there. */
static inline json_t *vocabulary_file(const char *family)
{
    char path[256];
    json_t *file;
    gzFile from;

    snprintf(path, sizeof(path), VOCABULARY_FOLDER "%s/tokenizer.json.gz", family);
    from = gzopen(path, "rb");
    if (!from)
        return NULL;
    file = json_load_callback(vocabulary_read, from, 0, NULL);
    gzclose(from);
    CHECK(file);
    return file;
}

/* The byte that ByteLevel writes as `code`: printable ones as themselves, the others from 256 on.
 */
static inline int vocabulary_byte(uint32_t code)
{
    int byte, shifted = 256;

    if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code != 0xad))
        return (int)code;
    for (byte = 0; byte < 256; byte++) {
        bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);

        if (!itself && (uint32_t)shifted++ == code)
            return byte;
    }
    return -1;
}

/* Writes a token's text as the bytes it stands for; returns how many. */
static inline size_t vocabulary_bytes(struct slice text, bool byte_level, char *to)
{
    size_t count = 0;
    uint32_t n;

    if (!byte_level) {
        memcpy(to, text.at, text.len);
        return text.len;
    }
    for (size_t i = 0; i < text.len; i += n) {
        int byte = vocabulary_byte(unicode_read(text.at + i, &n));

        if (byte >= 0) {
            to[count++] = (char)byte;
        } else {
            memcpy(to + count, text.at + i, n);
            count += n;
        }
    }
    return count;
}

static inline void vocabulary_tokens(struct vocabulary *v, json_t *vocab)
{
    size_t bytes = 0;
    const char *key;
    json_t *id;

    json_object_foreach(vocab, key, id) bytes += strlen(key);
    v->tokens = xcalloc(json_object_size(vocab), sizeof(*v->tokens));
    v->bytes = xmalloc(bytes + 1);
    bytes = 0;
    json_object_foreach(vocab, key, id)
    {
        struct bpe_token *token = &v->tokens[v->spec.token_count++];

        token->id = (uint32_t)json_integer_value(id);
        token->bytes.at = v->bytes + bytes;
        token->bytes.len = vocabulary_bytes(slice_str(key), v->spec.byte_level, v->bytes + bytes);
        bytes += token->bytes.len;
        if (v->spec.byte_level && token->bytes.len == 1)
            v->spec.byte_ids[(uint8_t)token->bytes.at[0]] = token->id;
    }
    v->spec.tokens = v->tokens;
}

static inline uint32_t vocabulary_id(json_t *vocab, struct slice text)
{
    json_t *id = json_object_getn(vocab, text.at, text.len);

    CHECK(id);
    return (uint32_t)json_integer_value(id);
}

static inline void vocabulary_merges(struct vocabulary *v, json_t *vocab, json_t *merges)
{
    char joined[1024];
    json_t *row;
    size_t i;

    v->merges = xcalloc(json_array_size(merges) + 1, sizeof(*v->merges));
    json_array_foreach(merges, i, row)
    {
        struct slice right = slice_str(json_string_value(row)), left;

        if (json_is_array(row)) {
            left = slice_str(json_string_value(json_array_get(row, 0)));
            right = slice_str(json_string_value(json_array_get(row, 1)));
        } else {
            left = slice_cut(&right, ' ');
        }
        CHECK(left.len + right.len <= sizeof(joined));
        memcpy(joined, left.at, left.len);
        memcpy(joined + left.len, right.at, right.len);
        v->merges[i].left = vocabulary_id(vocab, left);
        v->merges[i].right = vocabulary_id(vocab, right);
        v->merges[i].result = vocabulary_id(vocab, slice_of(joined, left.len + right.len));
    }
    v->spec.merges = v->merges;
    v->spec.merge_count = json_array_size(merges);
}

/* "<0x00>" and so on, where the model falls back to bytes. */
static inline void vocabulary_fallback(struct vocabulary *v, json_t *vocab)
{
    char name[8];

    for (int byte = 0; byte < 256; byte++) {
        json_t *id;

        snprintf(name, sizeof(name), "<0x%02X>", byte);
        id = json_object_get(vocab, name);
        v->spec.byte_ids[byte] = id ? (uint32_t)json_integer_value(id) : BPE_NO_ID;
    }
}

/* Whether the text of a pre-tokenizer, or of one in a sequence, says `type`. */
static inline bool vocabulary_has(json_t *pre, const char *type)
{
    const char *own = json_string_value(json_object_get(pre, "type"));
    json_t *part;
    size_t i;

    json_array_foreach(json_object_get(pre, "pretokenizers"), i,
                       part) if (vocabulary_has(part, type)) return true;
    return own && strcmp(own, type) == 0;
}

/* The last pattern that is known: GPT-2's where ByteLevel brings it along. NULL: none. */
static inline const struct split_type *vocabulary_split(json_t *pre)
{
    const struct split_type *found = NULL;
    json_t *part, *uses = json_object_get(pre, "use_regex");
    size_t i;

    json_array_foreach(json_object_get(pre, "pretokenizers"), i, part)
    {
        const struct split_type *inner = vocabulary_split(part);

        found = inner ? inner : found;
    }
    if (vocabulary_has(pre, "Split") && !json_object_get(pre, "pretokenizers")) {
        json_t *pattern = json_object_get(json_object_get(pre, "pattern"), "Regex");

        return split_find(slice_str(json_string_value(pattern)));
    }
    if (vocabulary_has(pre, "ByteLevel") && !found && !json_is_false(uses) &&
        !json_object_get(pre, "pretokenizers"))
        return split_all[0];
    return found;
}

/* False when the family's file is not there. */
static inline bool vocabulary_load(struct vocabulary *v, const char *family)
{
    json_t *model, *vocab, *pre, *unk;

    *v = (struct vocabulary){ .file = vocabulary_file(family) };
    if (!v->file)
        return false;
    model = json_object_get(v->file, "model");
    vocab = json_object_get(model, "vocab");
    pre = json_object_get(v->file, "pre_tokenizer");
    unk = json_object_get(model, "unk_token");
    memset(v->spec.byte_ids, 0xff, sizeof(v->spec.byte_ids));
    v->spec.byte_level = vocabulary_has(pre, "ByteLevel");
    v->spec.ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    v->spec.fuse_unk = json_is_true(json_object_get(model, "fuse_unk"));
    v->spec.end_of_word =
        slice_str(json_string_value(json_object_get(model, "end_of_word_suffix")));
    v->spec.unk_id =
        json_is_string(unk) ? vocabulary_id(vocab, slice_str(json_string_value(unk))) : BPE_NO_ID;
    v->spec.split = vocabulary_split(pre);
    vocabulary_tokens(v, vocab);
    vocabulary_merges(v, vocab, json_object_get(model, "merges"));
    if (json_is_true(json_object_get(model, "byte_fallback")))
        vocabulary_fallback(v, vocab);
    return true;
}

static inline void vocabulary_release(struct vocabulary *v)
{
    free(v->tokens);
    free(v->merges);
    free(v->bytes);
    json_decref(v->file);
}

#endif
