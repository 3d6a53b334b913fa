/*
 * Loading added tokens, in the reference's order, and finding them in texts.
 */
#include "gateway/token/added.h"

#include "gateway/base/bytes16.h"
#include "gateway/base/log.h"
#include "gateway/base/map.h"

#include <stdlib.h>

/* A token is looked for byte by byte wherever it may begin: its length bounds that. */
#define CONTENT_BYTES_MAX 4096

static struct slice content_of(const struct added_token *token)
{
    return slice_of(token->content, token->content_len);
}

static bool load_flags(const struct node *node, struct added_token *token)
{
    struct node single = node_get(node, "single_word"), lstrip = node_get(node, "lstrip");
    struct node rstrip = node_get(node, "rstrip"), normalized = node_get(node, "normalized");

    return node_need(&single) && node_bool(&single, false, &token->single_word) &&
           node_need(&lstrip) && node_bool(&lstrip, false, &token->lstrip) && node_need(&rstrip) &&
           node_bool(&rstrip, false, &token->rstrip) && node_need(&normalized) &&
           node_bool(&normalized, false, &token->normalized);
}

/* What the reference gives a new token as its id. */
static uint32_t id_of(struct slice content, const struct vocab *vocab, uint32_t *next)
{
    uint32_t id;

    if (vocab_find(vocab, content, &id))
        return id;
    return (*next)++;
}

/* Of the same content twice the last one's flags count, under the first one's id: what was read at
 * the list's end takes the place of the one before. Returns where it is. */
static struct added_token *keep_token(struct added *added, const struct vocab *vocab,
                                      struct map *known, uint32_t *next)
{
    struct added_token *token = &added->tokens[added->count];
    struct added_token *before = map_get(known, content_of(token));

    if (before) {
        char *content = token->content; /* the map keeps the other */

        token->content = before->content;
        token->id = before->id;
        *before = *token;
        *token = (struct added_token){ 0 };
        free(content);
        return before;
    }
    token->id = id_of(content_of(token), vocab, next);
    added->count++;
    map_put(known, content_of(token), token);
    return token;
}

static bool load_token(struct added *added, const struct node *node, const struct vocab *vocab,
                       struct map *known, uint32_t *next)
{
    struct node content = node_get(node, "content"), id = node_get(node, "id");
    struct added_token *token = &added->tokens[added->count];
    struct slice text;
    uint32_t said;

    if (!node_is_object(node) || !node_text(&content, &text) || !node_id(&id, &said) ||
        !load_flags(node, token))
        return false;
    if (text.len == 0)
        return true;
    if (text.len > CONTENT_BYTES_MAX)
        return node_fail(&content, "is longer than %d bytes", CONTENT_BYTES_MAX);
    token->content = slice_dup(text);
    token->content_len = text.len;
    token->place = node->index;
    token = keep_token(added, vocab, known, next);
    if (token->id != said)
        log_warn(NULL,
                 "tokenizer: added token %.*s has id %u in the file and gets %u, as the "
                 "reference gives it",
                 SLICE_ARGS(text), said, token->id);
    return true;
}

/* The text under which a token is looked for; gives. */
static char *sought(const struct added_token *token, const struct normalizer *normalizer,
                    struct scratch *scratch, size_t *ret_len)
{
    struct slice text = content_of(token);

    if (token->normalized)
        text = normalizer_apply(normalizer, scratch, text);
    *ret_len = text.len;
    return slice_dup(text);
}

static void build_matcher(struct added_matcher *matcher, struct trie_key *keys, size_t count)
{
    trie_build(&matcher->trie, keys, count);
    for (unsigned byte = 0; byte < 256; byte++) {
        if (matcher->trie.root[byte] == TRIE_NONE)
            continue;
        matcher->starts[byte] = true;
        if (matcher->first_count < sizeof(matcher->first))
            matcher->first[matcher->first_count] = (uint8_t)byte;
        matcher->first_count++;
    }
}

/* Two tokens that are looked for under one text: the reference takes one of them by chance, another
 * one from load to load. */
static bool check_keys(const struct added *added, const struct node *node,
                       const struct trie_key *keys, size_t count)
{
    struct map known;
    bool good = true;

    map_init(&known);
    for (size_t i = 0; i < count && good; i++) {
        struct node element = node_at(node, added->tokens[keys[i].value].place);

        if (map_put(&known, keys[i].text, (void *)(uintptr_t)&keys[i]))
            good = node_fail(&element, "is the same as another one once it is normalized");
    }
    map_release(&known);
    return good;
}

static bool load_matcher(struct added *added, const struct node *node, bool normalized,
                         const struct normalizer *normalizer, struct scratch *scratch)
{
    struct trie_key *keys = xcalloc(added->count + 1, sizeof(*keys));
    size_t count = 0;
    bool good = true;

    for (size_t i = 0; i < added->count && good; i++) {
        struct node element = node_at(node, added->tokens[i].place);

        if (added->tokens[i].normalized != normalized)
            continue;
        keys[count].text.at = sought(&added->tokens[i], normalizer, scratch, &keys[count].text.len);
        keys[count++].value = (uint32_t)i;
        if (normalized && scratch->outgrown)
            good = node_fail(&element, "grows too much once it is normalized");
    }
    good = good && check_keys(added, node, keys, count);
    if (good)
        build_matcher(normalized ? &added->normalized : &added->raw, keys, count);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)keys[i].text.at);
    free(keys);
    return good;
}

/* Steps through the trie that looking for inner tokens may take: known files need a thousandth. */
#define INNER_STEPS_MAX ((size_t)16 << 20)

/* Takes firmness from the tokens that occur inside `token` and not at its end: a text that goes on
 * like it would be cut otherwise. */
static void unfirm_inner(struct added *added, const struct added_token *token, size_t *steps)
{
    struct slice text = content_of(token);

    for (size_t from = 0; from < text.len && *steps < INNER_STEPS_MAX; from++) {
        uint32_t node = added->raw.trie.root[(uint8_t)text.at[from]];

        for (size_t at = from + 1; node != TRIE_NONE && at < text.len; at++, ++*steps) {
            uint32_t value = added->raw.trie.nodes[node].value;

            if (value != TRIE_NONE)
                added->tokens[value].ends_firmly = false;
            node = trie_child(&added->raw.trie, node, (uint8_t)text.at[at]);
        }
    }
}

/* Where there are so many tokens inside of others that finding them takes too long, none is firm:
 * texts then have no cuts, which only save work. */
static void find_firm(struct added *added)
{
    size_t steps = 0;

    for (size_t i = 0; i < added->count; i++) {
        struct added_token *token = &added->tokens[i];

        token->ends_firmly = !token->normalized && !token->rstrip && !token->single_word;
    }
    for (size_t i = 0; i < added->count; i++)
        if (!added->tokens[i].normalized)
            unfirm_inner(added, &added->tokens[i], &steps);
    for (size_t i = 0; i < added->count && steps >= INNER_STEPS_MAX; i++)
        added->tokens[i].ends_firmly = false;
}

bool added_load(struct added *added, const struct node *node, const struct vocab *vocab,
                const struct normalizer *normalizer, struct scratch *scratch)
{
    uint32_t next = (uint32_t)vocab->count;
    struct map known;
    bool good = true;

    *added = (struct added){ 0 };
    if (node->value && !node_is_array(node))
        return false;
    added->tokens = xcalloc(node_count(node) + 1, sizeof(*added->tokens));
    map_init(&known);
    for (size_t i = 0; i < node_count(node) && good; i++) {
        struct node element = node_at(node, i);

        good = load_token(added, &element, vocab, &known, &next);
    }
    map_release(&known);
    if (!good || !load_matcher(added, node, false, normalizer, scratch) ||
        !load_matcher(added, node, true, normalizer, scratch))
        return false;
    find_firm(added);
    return true;
}

void added_release(struct added *added)
{
    for (size_t i = 0; i < added->count; i++)
        free(added->tokens[i].content);
    free(added->tokens);
    trie_release(&added->raw.trie);
    trie_release(&added->normalized.trie);
    *added = (struct added){ 0 };
}

bool added_find(const struct added *added, struct slice content, uint32_t *ret_id)
{
    for (size_t i = 0; i < added->count; i++)
        if (slice_eq(content_of(&added->tokens[i]), content)) {
            *ret_id = added->tokens[i].id;
            return true;
        }
    return false;
}

void added_begin(struct added_walk *walk, const struct added *added,
                 const struct added_matcher *matcher, struct slice text, size_t from)
{
    *walk = (struct added_walk){
        .added = added, .matcher = matcher, .text = text, .at = from, .covered = from
    };
}

/* The next place from `at` on where a token may begin by its first byte. */
static size_t skip_plain(const struct added_matcher *matcher, struct slice text, size_t at)
{
    bytes16 first[4];

    if (matcher->first_count == 0)
        return text.len;
    if (matcher->first_count <= ARRAY_LEN(first)) {
        for (size_t i = 0; i < ARRAY_LEN(first); i++)
            first[i] = bytes16_all(matcher->first[i < matcher->first_count ? i : 0]);
        for (; at + 16 <= text.len; at += 16) {
            bytes16 here = bytes16_load(text.at + at);
            bytes16 hits = (bytes16)(here == first[0]) | (bytes16)(here == first[1]) |
                           (bytes16)(here == first[2]) | (bytes16)(here == first[3]);

            if (bytes16_any(hits))
                break;
        }
    }
    while (at < text.len && !matcher->starts[(uint8_t)text.at[at]])
        at++;
    return at;
}

static bool is_of(uint64_t mask, struct slice text, size_t at, uint32_t *ret_bytes)
{
    return unicode_mask(unicode_read(text.at + at, ret_bytes)) & mask;
}

static size_t code_before(struct slice text, size_t at)
{
    do
        at--;
    while (((uint8_t)text.at[at] & 0xc0) == 0x80);
    return at;
}

static bool stands_alone(struct slice text, size_t start, size_t end)
{
    const uint64_t word = UNICODE_MASK(RUST_WORD);
    uint32_t bytes;

    return !(start > 0 && is_of(word, text, code_before(text, start), &bytes)) &&
           !(end < text.len && is_of(word, text, end, &bytes));
}

/* Where white space before `start` begins, never before `covered`. */
static size_t strip_left(struct slice text, size_t covered, size_t start)
{
    uint32_t bytes;

    if (start < covered)
        return covered;
    while (start > covered) {
        size_t before = code_before(text, start);

        if (!is_of(UNICODE_MASK(SPACE), text, before, &bytes))
            break;
        start = before;
    }
    return start;
}

/* Where white space from `end` on ends. Remembered, since tokens can be white space themselves and
 * each would look at all of it. */
static size_t strip_right(struct added_walk *walk, size_t end)
{
    uint32_t bytes;

    if (end < walk->spaces_end)
        return walk->spaces_end;
    while (end < walk->text.len && is_of(UNICODE_MASK(SPACE), walk->text, end, &bytes))
        end += bytes;
    walk->spaces_end = end;
    return end;
}

bool added_next(struct added_walk *walk, struct added_match *ret_match)
{
    struct slice text = walk->text;

    while ((walk->at = skip_plain(walk->matcher, text, walk->at)) < text.len) {
        uint32_t number;
        size_t start = walk->at;
        size_t len = trie_longest(&walk->matcher->trie, slice_skip(text, start), &number);
        size_t end = start + len;
        const struct added_token *token;

        walk->at = len > 0 ? end : start + 1;
        if (len == 0)
            continue;
        token = &walk->added->tokens[number];
        if (token->single_word && !stands_alone(text, start, end))
            continue;
        if (token->lstrip)
            start = strip_left(text, walk->covered, start);
        if (token->rstrip)
            end = strip_right(walk, end);
        walk->covered = end;
        if (start >= end) /* another one has taken all of it already */
            continue;
        *ret_match = (struct added_match){ token, start, end };
        return true;
    }
    return false;
}
