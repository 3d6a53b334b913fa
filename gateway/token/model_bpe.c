/*
 * BPE: reads vocabulary and merges for bpe.h, which does the work, and cuts what bpe.h would take
 * for one piece.
 *
 * Where a pre-tokenizer writes bytes as letters, the vocabulary is read back into bytes, so that
 * texts need not be written in letters. Tokens that are no letters of bytes can never be made then,
 * nor can what is merged from them.
 *
 * SentencePiece's vocabularies (Llama 2, Gemma) have no pre-tokenizer: a text is one piece, of a
 * megabyte if need be. But their tokens begin with the word mark U+2581 and do not go on over one:
 * if no merge makes a token that crosses a place before a run of marks, what stands on both sides
 * of it is encoded alike alone. That is looked up at load. The few tokens that cross (Gemma 3 has
 * one, of `>`, a mark and `</`) forbid a cut where a text has them.
 */
#include "gateway/token/letters.h"
#include "gateway/token/model.h"

#include <stdlib.h>

#define MARK          "\xe2\x96\x81" /* U+2581 */
#define CROSSINGS_MAX 64             /* more: pieces are not cut; each costs at every mark */

/* What is read of a file before bpe_new is called. */
struct reading {
    struct model *model;
    struct bpe_spec spec;
    struct bpe_token *tokens;
    struct bpe_merge *merges;
    bool *usable;      /* by entry of the vocabulary: `tokens` has it */
    struct text bytes; /* tokens in bytes */
};

static bool find_entry(const struct reading *reading, const struct node *node, struct slice text,
                       uint32_t *ret_id)
{
    return vocab_find(&reading->model->vocab, text, ret_id) ||
           node_fail(node, "names %.*s, which is not in the vocabulary",
                     SLICE_ARGS(slice_head(text, 100)));
}

/* "a b", or ["a", "b"] */
static bool read_pair(const struct node *node, struct slice *ret_left, struct slice *ret_right)
{
    struct node left = node_at(node, 0), right = node_at(node, 1);
    struct slice text;
    size_t space;

    if (!node_need(node))
        return false;
    if (json_is_array(node->value)) {
        if (node_count(node) != 2)
            return node_fail(node, "must be two tokens");
        return node_text(&left, ret_left) && node_text(&right, ret_right);
    }
    if (!node_text(node, &text))
        return false;
    space = slice_find(text, ' ');
    *ret_left = slice_head(text, space);
    *ret_right = slice_skip(text, space + 1);
    if (space == text.len || slice_find(*ret_right, ' ') != ret_right->len)
        return node_fail(node, "must be two tokens and one space");
    return true;
}

static bool read_merge(struct reading *reading, const struct node *node, struct text *joined,
                       struct bpe_merge *ret_merge)
{
    struct slice left, right;

    if (!read_pair(node, &left, &right) || !find_entry(reading, node, left, &ret_merge->left) ||
        !find_entry(reading, node, right, &ret_merge->right))
        return false;
    if (right.len < reading->spec.prefix.len)
        return node_fail(node, "has a second token shorter than continuing_subword_prefix");
    text_clear(joined);
    text_add(joined, left);
    text_add(joined, slice_skip(right, reading->spec.prefix.len));
    return find_entry(reading, node, text_slice(joined), &ret_merge->result);
}

static bool is_usable(const struct reading *reading, const struct bpe_merge *merge)
{
    return reading->usable[merge->left] && reading->usable[merge->right] &&
           reading->usable[merge->result];
}

/* "#version" lines of merges.txt are left out by the reference. */
static bool is_version(const struct node *node)
{
    return json_is_string(node->value) &&
           slice_starts(slice_str(json_string_value(node->value)), SLICE("#version"));
}

static bool read_merges(struct reading *reading, const struct node *list)
{
    struct text joined;
    bool good = true;

    if (!node_is_array(list))
        return false;
    if (node_count(list) > BPE_MERGES_MAX)
        return node_fail(list, "has more than %u merges", BPE_MERGES_MAX);
    text_init(&joined);
    reading->merges = xcalloc(node_count(list) + 1, sizeof(*reading->merges));
    for (size_t i = 0; i < node_count(list) && good; i++) {
        struct bpe_merge *merge = &reading->merges[reading->spec.merge_count];
        struct node element = node_at(list, i);

        if (is_version(&element))
            continue;
        good = read_merge(reading, &element, &joined, merge);
        reading->spec.merge_count += good && is_usable(reading, merge);
    }
    text_release(&joined);
    return good;
}

/* Tokens as they stand in the file. */
static void take_tokens(struct reading *reading)
{
    const struct vocab *vocab = &reading->model->vocab;

    for (size_t i = 0; i < vocab->count; i++) {
        uint32_t id = vocab->entries[i].id;

        reading->tokens[reading->spec.token_count++] =
            (struct bpe_token){ vocab_text(vocab, i), id };
        reading->usable[id] = true;
    }
}

/* Tokens as the bytes that their letters stand for. */
static void take_bytes(struct reading *reading)
{
    const struct vocab *vocab = &reading->model->vocab;

    text_reserve(&reading->bytes, vocab->bytes_len + 1); /* never moved from here on */
    for (size_t i = 0; i < vocab->count; i++) {
        size_t before = reading->bytes.len;
        uint32_t id = vocab->entries[i].id;

        if (!letters_read(vocab_text(vocab, i), &reading->bytes)) {
            reading->bytes.len = before;
            continue;
        }
        reading->tokens[reading->spec.token_count++] =
            (struct bpe_token){ slice_of(reading->bytes.at + before, reading->bytes.len - before),
                                id };
        reading->usable[id] = true;
    }
}

/* The ids of bytes in letters; how many there are. */
static size_t find_letters(const struct model *model, uint32_t ids[256])
{
    size_t found = 0;

    for (unsigned byte = 0; byte < 256; byte++) {
        char text[4];
        uint32_t len = unicode_write(text, letters_code((uint8_t)byte));

        ids[byte] = BPE_NO_ID;
        found += vocab_find(&model->vocab, slice_of(text, len), &ids[byte]);
    }
    return found;
}

static bool read_texts(struct reading *reading, const struct node *node)
{
    struct node prefix = node_get(node, "continuing_subword_prefix");
    struct node suffix = node_get(node, "end_of_word_suffix");

    return node_text_or(&prefix, SLICE(""), &reading->spec.prefix) &&
           node_text_or(&suffix, SLICE(""), &reading->spec.end_of_word);
}

/* Chance would make ids differ from one encoding to the next. */
static bool check_dropout(const struct node *node)
{
    struct node dropout = node_get(node, "dropout");

    if (!dropout.value || (json_is_number(dropout.value) && json_number_value(dropout.value) == 0))
        return true;
    return node_fail(&dropout, "must be null or 0");
}

/* `*ret_falls_back`: byte_fallback. */
static bool read_options(struct reading *reading, const struct node *node, bool *ret_falls_back)
{
    struct node fuse = node_get(node, "fuse_unk"), ignore = node_get(node, "ignore_merges");
    struct node fallback = node_get(node, "byte_fallback");

    return check_dropout(node) && read_texts(reading, node) &&
           node_bool(&fuse, false, &reading->spec.fuse_unk) &&
           node_bool(&ignore, false, &reading->spec.ignore_merges) &&
           node_bool(&fallback, false, ret_falls_back);
}

/* Where every byte is a token, nothing is unknown. */
static bool read_unk(struct reading *reading, const struct node *node)
{
    bool there = node_get(node, "unk_token").value;

    if (there && !model_load_unk(reading->model, node))
        return false;
    reading->spec.unk_id = reading->model->unk_id;
    return true;
}

/*
 * Whether pieces can be bytes. Not where a byte is missing and something is put in its place that
 * depends on its letter or on its neighbours, nor with a prefix: then pieces stay letters.
 */
static bool choose_bytes(struct reading *reading, const struct node *node, bool falls_back,
                         struct pretokenizer *pretokenizer, bool letters)
{
    struct node unk = node_get(node, "unk_token");
    size_t found = find_letters(reading->model, reading->spec.byte_ids);

    return reading->spec.prefix.len == 0 && (found == 256 || (!unk.value && !falls_back)) &&
           pretokenizer_take_bytes(pretokenizer, letters);
}

/* The next place in `text` after `at` that stands before a run of marks; the text's end if there is
 * none. */
static size_t next_place(struct slice text, size_t at)
{
    bool after_mark = slice_starts(slice_skip(text, at), SLICE(MARK));

    for (at += after_mark ? 3 : 1; at + 3 <= text.len;) {
        if (text.at[at] != MARK[0]) {
            after_mark = false;
            at++;
        } else if (text.at[at + 1] != MARK[1] || text.at[at + 2] != MARK[2]) {
            after_mark = false;
            at += 3;
        } else if (after_mark) {
            at += 3;
        } else {
            return at;
        }
    }
    return text.len;
}

static void add_crossings(struct model *model, struct slice text)
{
    for (size_t at = next_place(text, 0); at < text.len; at = next_place(text, at)) {
        size_t count = model->crossing_count++;

        if (count >= CROSSINGS_MAX)
            return;
        model->crossings[count] = (struct crossing){ slice_dup(text), text.len, at };
    }
}

/* Which tokens that can be merged cross places; too many: nothing is cut. */
static void find_crossings(struct reading *reading)
{
    struct model *model = reading->model;
    uint64_t *made = xcalloc(BPE_IDS_MAX / 64 + 1, sizeof(*made));

    model->crossings = xcalloc(CROSSINGS_MAX, sizeof(*model->crossings));
    for (size_t i = 0; i < reading->spec.merge_count; i++)
        made[reading->merges[i].result / 64] |= 1ull << reading->merges[i].result % 64;
    for (size_t i = 0; i < model->vocab.count && model->crossing_count <= CROSSINGS_MAX; i++) {
        uint32_t id = model->vocab.entries[i].id;

        if (made[id / 64] >> id % 64 & 1)
            add_crossings(model, vocab_text(&model->vocab, i));
    }
    free(made);
}

/* Whether something stands for every code point, known or not: what is dropped joins marks. */
static bool drops_nothing(const struct bpe_spec *spec)
{
    for (size_t byte = 0; spec->unk_id == BPE_NO_ID && byte < ARRAY_LEN(spec->byte_ids); byte++)
        if (spec->byte_ids[byte] == BPE_NO_ID)
            return false;
    return true;
}

/* Cutting is wanted where pieces are texts, and the mark is a token, so that nothing unknown is
 * joined over it. */
static void choose_cuts(struct reading *reading)
{
    struct model *model = reading->model;
    uint32_t id;

    if (model->direct || reading->spec.byte_level || reading->spec.prefix.len > 0 ||
        reading->spec.end_of_word.len > 0 || !drops_nothing(&reading->spec) ||
        !vocab_find(&model->vocab, SLICE(MARK), &id))
        return;
    find_crossings(reading);
    model->cut_at_marks = model->crossing_count <= CROSSINGS_MAX;
    if (!model->cut_at_marks) {
        model->crossing_count = CROSSINGS_MAX;
        return;
    }
    model->whole_first = reading->spec.ignore_merges;
    reading->spec.ignore_merges = false;
}

static bool read_all(struct reading *reading, const struct node *node,
                     struct pretokenizer *pretokenizer, bool letters)
{
    struct node vocab = node_get(node, "vocab"), merges = node_get(node, "merges");
    struct model *model = reading->model;
    bool falls_back, whole;

    if (!model_load_vocab(model, &vocab) || !read_options(reading, node, &falls_back))
        return false;
    reading->spec.byte_level = choose_bytes(reading, node, falls_back, pretokenizer, letters);
    reading->spec.split = pretokenizer_split(pretokenizer, &whole);
    model->direct = reading->spec.split || (whole && reading->spec.byte_level);
    reading->tokens = xcalloc(model->vocab.count + 1, sizeof(*reading->tokens));
    reading->usable = xcalloc(BPE_IDS_MAX, sizeof(*reading->usable));
    if (reading->spec.byte_level)
        take_bytes(reading);
    else
        take_tokens(reading);
    if (!reading->spec.byte_level)
        model_find_bytes(model, reading->spec.byte_ids);
    if (!reading->spec.byte_level && !falls_back)
        memset(reading->spec.byte_ids, 0xff, sizeof(reading->spec.byte_ids));
    return read_unk(reading, node) && read_merges(reading, &merges);
}

static bool load_bpe(const struct node *node, struct model *model,
                     struct pretokenizer *pretokenizer, bool letters)
{
    struct reading reading = { .model = model };
    bool good = read_all(&reading, node, pretokenizer, letters);

    if (good) {
        choose_cuts(&reading);
        reading.spec.tokens = reading.tokens;
        reading.spec.merges = reading.merges;
        model->unk_id = reading.spec.unk_id;
        model->bpe = bpe_new(&reading.spec);
        if (bpe_cuts(model->bpe)) /* there and at more places, and faster */
            model->cut_at_marks = false;
    }
    free(reading.tokens);
    free(reading.merges);
    free(reading.usable);
    text_release(&reading.bytes);
    return good;
}

/* Whether a token that crosses stands around this place. */
static bool is_crossed(const struct model *model, struct slice text, size_t place)
{
    for (size_t i = 0; i < model->crossing_count; i++) {
        const struct crossing *crossing = &model->crossings[i];

        if (crossing->at <= place && crossing->len - crossing->at <= text.len - place &&
            memcmp(text.at + place - crossing->at, crossing->text, crossing->len) == 0)
            return true;
    }
    return false;
}

static void encode_bpe(const struct model *model, struct model_room *room, struct slice piece,
                       struct ids *ids)
{
    size_t start = 0;
    uint32_t id;

    if (model->whole_first && piece.len <= model->longest_token &&
        vocab_find(&model->vocab, piece, &id)) {
        ids_add(ids, id);
        return;
    }
    if (!model->cut_at_marks) {
        bpe_encode_piece(model->bpe, room->cache, piece, ids);
        return;
    }
    for (size_t place = 0; place < piece.len;) {
        place = next_place(piece, place);
        if (place < piece.len && is_crossed(model, piece, place))
            continue;
        bpe_encode_piece(model->bpe, room->cache, slice_of(piece.at + start, place - start), ids);
        start = place;
    }
}

const struct model_type model_bpe = { .name = "BPE", .load = load_bpe, .encode = encode_bpe };
