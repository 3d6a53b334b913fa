/*
 * WordPiece (greedy, longest token first, from a word's beginning; BERT) and WordLevel (a word is a
 * token or unknown).
 */
#include "gateway/token/model.h"

#include <stdlib.h>

/* A trie of the tokens that begin with `prefix`, without it. */
static void build_trie(const struct model *model, struct slice prefix, struct trie *trie)
{
    struct trie_key *keys = xcalloc(model->vocab.count + 1, sizeof(*keys));
    size_t count = 0;

    for (size_t i = 0; i < model->vocab.count; i++) {
        struct slice text = vocab_text(&model->vocab, i);

        if (slice_starts(text, prefix) && text.len > prefix.len)
            keys[count++] =
                (struct trie_key){ slice_skip(text, prefix.len), model->vocab.entries[i].id };
    }
    trie_build(trie, keys, count);
    free(keys);
}

static bool load_wordpiece(const struct node *node, struct model *model,
                           struct pretokenizer *pretokenizer, bool letters)
{
    struct node vocab = node_get(node, "vocab");
    struct node prefix = node_get(node, "continuing_subword_prefix");
    struct node most = node_get(node, "max_input_chars_per_word");
    struct slice text;

    (void)pretokenizer;
    (void)letters;
    if (!model_load_vocab(model, &vocab) || !model_load_unk(model, node) ||
        !node_text(&prefix, &text) || !node_number(&most, UINT32_MAX, &model->word_codes_max))
        return false;
    build_trie(model, SLICE(""), &model->trie);
    build_trie(model, text, &model->continued);
    return true;
}

static bool is_long(struct slice word, uint64_t most)
{
    uint64_t codes = 0;

    for (size_t i = 0; i < word.len && codes <= most; i++)
        codes += ((uint8_t)word.at[i] & 0xc0) != 0x80;
    return codes > most;
}

static void encode_wordpiece(const struct model *model, struct model_room *room, struct slice word,
                             struct ids *ids)
{
    const struct trie *trie = &model->trie;
    size_t before = ids->count;

    (void)room;
    if (is_long(word, model->word_codes_max)) {
        ids_add(ids, model->unk_id);
        return;
    }
    for (size_t at = 0; at < word.len; trie = &model->continued) {
        uint32_t id;
        size_t len = trie_longest(trie, slice_skip(word, at), &id);

        if (len == 0) { /* one part that is unknown makes the word so */
            ids->count = before;
            ids_add(ids, model->unk_id);
            return;
        }
        ids_add(ids, id);
        at += len;
    }
}

const struct model_type model_wordpiece = {
    .name = "WordPiece",
    .load = load_wordpiece,
    .encode = encode_wordpiece,
};

static bool load_wordlevel(const struct node *node, struct model *model,
                           struct pretokenizer *pretokenizer, bool letters)
{
    struct node vocab = node_get(node, "vocab");

    (void)pretokenizer;
    (void)letters;
    return model_load_vocab(model, &vocab) && model_load_unk(model, node);
}

static void encode_wordlevel(const struct model *model, struct model_room *room, struct slice word,
                             struct ids *ids)
{
    uint32_t id;

    (void)room;
    ids_add(ids, vocab_find(&model->vocab, word, &id) ? id : model->unk_id);
}

const struct model_type model_wordlevel = {
    .name = "WordLevel",
    .load = load_wordlevel,
    .encode = encode_wordlevel,
};
