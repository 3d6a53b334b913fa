/*
 * Loading models, and what their kinds share.
 */
#include "gateway/token/model.h"

#include <stdio.h>
#include <stdlib.h>

static const struct model_type *const types[] = {
    &model_bpe,
    &model_wordpiece,
    &model_wordlevel,
    &model_unigram,
};

/* Files from before "type" was written: told by what they have, in the reference's order. */
static const struct model_type *guess(const struct node *node)
{
    struct node vocab = node_get(node, "vocab");

    if (json_is_object(vocab.value) && node_get(node, "merges").value)
        return &model_bpe;
    if (json_is_object(vocab.value) && node_get(node, "max_input_chars_per_word").value)
        return &model_wordpiece;
    return json_is_array(vocab.value) ? &model_unigram : &model_wordlevel;
}

static bool find_type(const struct node *node, const struct model_type **ret_type)
{
    struct node type = node_get(node, "type");
    struct slice name;

    *ret_type = guess(node);
    if (!type.value)
        return true;
    if (!node_text(&type, &name))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_eq(name, slice_str(types[i]->name))) {
            *ret_type = types[i];
            return true;
        }
    return node_fail(&type, "is %.*s, which is not supported", SLICE_ARGS(name));
}

bool model_load(struct model *model, const struct node *node, struct pretokenizer *pretokenizer,
                bool letters)
{
    *model = (struct model){ .unk_id = BPE_NO_ID };
    return node_is_object(node) && find_type(node, &model->type) &&
           model->type->load(node, model, pretokenizer, letters);
}

void model_release(struct model *model)
{
    for (size_t i = 0; i < model->crossing_count; i++)
        free(model->crossings[i].text);
    free(model->crossings);
    bpe_free(model->bpe);
    vocab_release(&model->vocab);
    trie_release(&model->trie);
    trie_release(&model->continued);
    free(model->scores);
    *model = (struct model){ 0 };
}

void model_room_init(struct model_room *room, const struct model *model, size_t cache_bytes)
{
    *room = (struct model_room){ 0 };
    if (model->bpe)
        room->cache = bpe_cache_new(model->bpe, cache_bytes);
}

void model_room_release(struct model_room *room)
{
    bpe_cache_free(room->cache);
    free(room->nodes);
}

static bool add_entry(struct model *model, const struct node *node, struct slice text,
                      uint64_t *seen)
{
    uint32_t id;

    if (!node_need(node) || !node_id(node, &id))
        return false;
    if (id >= BPE_IDS_MAX)
        return node_fail(node, "is %u, must be below %u", id, BPE_IDS_MAX);
    if (seen[id / 64] >> id % 64 & 1)
        return node_fail(node, "is %u, which another token has", id);
    seen[id / 64] |= 1ull << id % 64;
    if (text.len > model->longest_token)
        model->longest_token = text.len;
    return vocab_add(&model->vocab, text, id) || node_fail(node, "is there twice");
}

bool model_load_vocab(struct model *model, const struct node *node)
{
    uint64_t *seen;
    size_t bytes = 0;
    bool good = true;

    if (!node_is_object(node))
        return false;
    for (void *at = json_object_iter(node->value); at; at = json_object_iter_next(node->value, at))
        bytes += json_object_iter_key_len(at);
    vocab_init(&model->vocab, json_object_size(node->value), bytes);
    seen = xcalloc(BPE_IDS_MAX / 64 + 1, sizeof(*seen));
    for (void *at = json_object_iter(node->value); at && good;
         at = json_object_iter_next(node->value, at)) {
        struct slice text = slice_of(json_object_iter_key(at), json_object_iter_key_len(at));
        struct node entry = { .document = node->document,
                              .up = node,
                              .key = text.at,
                              .value = json_object_iter_value(at) };

        good = add_entry(model, &entry, text, seen);
    }
    free(seen);
    return good;
}

bool model_load_unk(struct model *model, const struct node *node)
{
    struct node unk = node_get(node, "unk_token");
    struct slice text;

    if (!node_text(&unk, &text))
        return false;
    if (!vocab_find(&model->vocab, text, &model->unk_id))
        model->unk_id = MODEL_UNENCODABLE;
    return true;
}

void model_find_bytes(const struct model *model, uint32_t ret_ids[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        int len = snprintf(text, sizeof(text), "<0x%02X>", byte);

        if (!vocab_find(&model->vocab, slice_of(text, (size_t)len), &ret_ids[byte]))
            ret_ids[byte] = BPE_NO_ID;
    }
}
