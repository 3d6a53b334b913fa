/*
 * Unigram: of all ways to write a piece in tokens the one with the highest sum of scores (Viterbi;
 * T. Kudo: Subword Regularization, 2018), found as the reference finds it: of equal ways the one
 * met first, an unknown code point at ten less than the lowest score, unknown ones joined.
 */
#include "gateway/token/model.h"
#include "gateway/token/written.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define UNK_PENALTY 10.0
/* A piece is looked at from each of its places as far as tokens go that it begins with there, so
 * this bounds the work on a byte; known tokens have up to 50. */
#define TOKEN_BYTES_MAX 1024
/* Places between two looks at the clock. */
#define PLACES_AT_ONCE 1024

/* Ways that are equal on paper are told apart by the last bits of their scores, so these are read
 * as the reference reads them. */
static double read_score(struct slice entry)
{
    struct slice inside = written_open(entry), score;

    CHECK(written_next(&inside, &score) && written_next(&inside, &score));
    return written_number(score);
}

/* `entry`: the same as it is written. */
static bool read_entry(const struct node *node, struct slice entry, struct slice *ret_text,
                       double *ret_score)
{
    struct node text = node_at(node, 0), score = node_at(node, 1);

    if (!node_is_array(node))
        return false;
    if (node_count(node) != 2)
        return node_fail(node, "must be a token and its score");
    if (!node_text(&text, ret_text))
        return false;
    if (ret_text->len > TOKEN_BYTES_MAX)
        return node_fail(&text, "is longer than %d bytes", TOKEN_BYTES_MAX);
    if (!json_is_number(score.value))
        return node_fail(&score, "must be a number");
    *ret_score = read_score(entry);
    return isfinite(*ret_score) || node_fail(&score, "is out of range");
}

static size_t texts_bytes(const struct node *list)
{
    size_t bytes = 0;

    for (size_t i = 0; i < node_count(list); i++)
        bytes += json_string_length(json_array_get(json_array_get(list->value, i), 0));
    return bytes;
}

/* Of tokens that are there twice the reference keeps the last. */
static void add_token(struct model *model, struct trie_key *keys, struct slice text, uint32_t id)
{
    size_t count = model->vocab.count;

    if (!vocab_add(&model->vocab, text, id))
        vocab_change(&model->vocab, text, id);
    else if (text.len > 0)
        keys[count] = (struct trie_key){ .text = vocab_text(&model->vocab, count) };
}

static bool load_tokens(struct model *model, const struct node *list, struct trie_key *keys)
{
    struct slice written = written_open(written_from(list)), entry, text;
    double lowest = INFINITY;

    for (size_t i = 0; written_next(&written, &entry); i++) {
        struct node element = node_at(list, i);

        if (!read_entry(&element, entry, &text, &model->scores[i]))
            return false;
        if (model->scores[i] < lowest)
            lowest = model->scores[i];
        add_token(model, keys, text, (uint32_t)i);
    }
    model->unk_score = lowest - UNK_PENALTY;
    return true;
}

/* Keys with what they stand for, now that it is known; the empty token is never met. */
static void build_trie(struct model *model, struct trie_key *keys)
{
    size_t count = 0;

    for (size_t i = 0; i < model->vocab.count; i++)
        if (keys[i].text.len > 0)
            keys[count++] = (struct trie_key){ keys[i].text, model->vocab.entries[i].id };
    trie_build(&model->trie, keys, count);
}

static bool load_unigram(const struct node *node, struct model *model,
                         struct pretokenizer *pretokenizer, bool letters)
{
    struct node list = node_get(node, "vocab"), unk = node_get(node, "unk_id");
    struct node fallback = node_get(node, "byte_fallback");
    struct trie_key *keys;
    bool falls_back, good;

    (void)pretokenizer;
    (void)letters;
    model->unk_id = MODEL_UNENCODABLE;
    if (!node_is_array(&list) || (unk.value && !node_id(&unk, &model->unk_id)) ||
        !node_bool(&fallback, false, &falls_back))
        return false;
    if (node_count(&list) >= BPE_IDS_MAX)
        return node_fail(&list, "has more than %u tokens", BPE_IDS_MAX);
    if (unk.value && model->unk_id >= node_count(&list))
        return node_fail(&unk, "is %u, but there are %zu tokens", model->unk_id, node_count(&list));
    vocab_init(&model->vocab, node_count(&list), texts_bytes(&list));
    model->scores = xcalloc(node_count(&list) + 1, sizeof(*model->scores));
    keys = xcalloc(node_count(&list) + 1, sizeof(*keys));
    good = load_tokens(model, &list, keys);
    if (good)
        build_trie(model, keys);
    free(keys);
    memset(model->byte_ids, 0xff, sizeof(model->byte_ids));
    if (good && falls_back &&
        unk.value) /* without unk_id the reference fails before it falls back */
        model_find_bytes(model, model->byte_ids);
    return good;
}

static void offer(struct unigram_node *node, double score, size_t start, uint32_t id)
{
    if (node->start == SIZE_MAX || score > node->score)
        *node = (struct unigram_node){ score, start, id };
}

/* All tokens that begin at `at`, shortest first. */
static void offer_tokens(const struct model *model, struct unigram_node *nodes, struct slice piece,
                         size_t at)
{
    double score = nodes[at].score;
    uint32_t here = model->trie.root[(uint8_t)piece.at[at]], bytes;
    bool single = false;

    unicode_read(piece.at + at, &bytes);
    for (size_t end = at + 1; here != TRIE_NONE; end++) {
        uint32_t id = model->trie.nodes[here].value;

        if (id != TRIE_NONE) {
            offer(&nodes[end], model->scores[id] + score, at, id);
            single = single || end == at + bytes;
        }
        if (end == piece.len)
            break;
        here = trie_child(&model->trie, here, (uint8_t)piece.at[end]);
    }
    if (!single)
        offer(&nodes[at + bytes], model->unk_score + score, at, model->unk_id);
}

/* A part of the way: unknown code points in a row are one, which may be a token after all. */
static void add_part(const struct model *model, struct slice part, struct ids *ids)
{
    size_t before = ids->count;
    uint32_t id;

    if (vocab_find(&model->vocab, part, &id)) {
        ids_add(ids, id);
        return;
    }
    for (size_t i = 0; i < part.len; i++) {
        id = model->byte_ids[(uint8_t)part.at[i]];
        if (id == BPE_NO_ID) { /* all bytes or none */
            ids->count = before;
            ids_add(ids, model->unk_id);
            return;
        }
        ids_add(ids, id);
    }
}

/* Turns the links around: from a place to the next one of the way. */
static void turn_way(struct unigram_node *nodes, size_t end)
{
    size_t next = SIZE_MAX;
    uint32_t id = 0;

    for (;;) {
        size_t start = nodes[end].start;
        uint32_t own = nodes[end].id;

        nodes[end].start = next;
        nodes[end].id = id;
        next = end;
        id = own;
        if (end == 0)
            return;
        end = start;
    }
}

/* The best way to each place; false: the time is over. */
static bool find_ways(const struct model *model, struct model_room *room, struct slice piece)
{
    size_t looked_at = 0;
    uint32_t bytes;

    for (size_t at = 0; at < piece.len; at += bytes) {
        if (room->deadline && at - looked_at >= PLACES_AT_ONCE) {
            looked_at = at;
            if (!deadline_allows(room->deadline, DEADLINE_STRIDE))
                return false;
        }
        unicode_read(piece.at + at, &bytes);
        offer_tokens(model, room->nodes, piece, at);
    }
    return true;
}

static void encode_unigram(const struct model *model, struct model_room *room, struct slice piece,
                           struct ids *ids)
{
    struct unigram_node *nodes;

    if (room->node_room <= piece.len) {
        room->node_room = piece.len + 1 < 1024 ? 1024 : piece.len + 1;
        free(room->nodes);
        room->nodes = xcalloc(room->node_room, sizeof(*room->nodes));
    }
    nodes = room->nodes;
    for (size_t i = 0; i <= piece.len; i++)
        nodes[i] = (struct unigram_node){ .start = SIZE_MAX };
    if (!find_ways(model, room, piece))
        return;
    turn_way(nodes, piece.len);
    for (size_t at = 0; at < piece.len;) {
        size_t end = nodes[at].start;

        if (nodes[at].id == model->unk_id)
            while (end < piece.len && nodes[end].id == model->unk_id)
                end = nodes[end].start;
        add_part(model, slice_of(piece.at + at, end - at), ids);
        at = end;
    }
}

const struct model_type model_unigram = {
    .name = "Unigram",
    .load = load_unigram,
    .encode = encode_unigram,
};
