/*
 * Byte-pair encoding: what a piece begins as, whether it is a token as a whole, and the cache in
 * front of it all.
 */
#include "gateway/token/bpe.h"

#include "gateway/base/utf8.h"
#include "gateway/token/merge.h"
#include "gateway/token/pieces.h"
#include "gateway/token/seams.h"
#include "gateway/token/text.h"
#include "gateway/token/words.h"

#include <stdlib.h>
#include <sys/random.h>

/* Pieces that are hashed and prefetched before the first of them is looked up. */
#define BATCH 64

struct bpe {
    struct merge merge;
    struct words words;
    bool *whole; /* by number of a token: a piece that is it becomes it */
    uint32_t byte_ids[256];
    bool byte_level, fuse_unk;
    uint32_t unk_id;
    struct text prefix, end_of_word; /* empty: none */
    const struct split_type *split;
    struct seams seams;
    uint64_t seed[2];
};

struct bpe_cache {
    struct pieces pieces;
    struct merge_scratch scratch;
    struct ids symbols;
    struct text symbol;        /* a character with prefix and end of word around it */
    struct deadline *deadline; /* NULL: none */
};

/* ---- what a piece begins as ---- */

/* Symbols so far. The reference adds an unknown one only when it sees what comes behind it. */
struct symbols {
    const struct bpe *bpe;
    struct ids *ids;
    bool unk_pending;
};

static void flush_unknown(struct symbols *to)
{
    if (to->unk_pending)
        ids_add(to->ids, to->bpe->unk_id);
    to->unk_pending = false;
}

static void add_symbol(struct symbols *to, uint32_t id)
{
    flush_unknown(to);
    ids_add(to->ids, id);
}

static void add_unknown(struct symbols *to)
{
    if (to->bpe->unk_id == BPE_NO_ID)
        return;
    if (!to->bpe->fuse_unk)
        flush_unknown(to);
    to->unk_pending = true;
}

static uint32_t token_id(const struct bpe *bpe, struct slice bytes)
{
    uint32_t number = words_find(&bpe->words, bytes, piece_of(bytes, bytes.len, bpe->seed).hash);

    return number == WORDS_NONE ? BPE_NO_ID : bpe->words.ids[number];
}

/* All its bytes as symbols of their own, if the vocabulary has them all. Unknown ones before them
 * stay pending, as in the reference. */
static bool add_bytes(struct symbols *to, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (to->bpe->byte_ids[(uint8_t)bytes.at[i]] == BPE_NO_ID)
            return false;
    for (size_t i = 0; i < bytes.len; i++)
        ids_add(to->ids, to->bpe->byte_ids[(uint8_t)bytes.at[i]]);
    return true;
}

/* One character of the reference: a byte, or a code point, with what is put around it. */
static void add_character(struct symbols *to, struct slice bytes)
{
    uint32_t id = token_id(to->bpe, bytes);

    if (id != BPE_NO_ID)
        add_symbol(to, id);
    else if (to->bpe->byte_level || !add_bytes(to, bytes))
        add_unknown(to);
}

static void add_affixed(struct symbols *to, struct bpe_cache *cache, struct slice character,
                        bool first, bool last)
{
    text_clear(&cache->symbol);
    if (!first)
        text_add(&cache->symbol, text_slice(&to->bpe->prefix));
    text_add(&cache->symbol, character);
    if (last)
        text_add(&cache->symbol, text_slice(&to->bpe->end_of_word));
    add_character(to, text_slice(&cache->symbol));
}

static void add_byte(struct symbols *to, uint8_t byte)
{
    uint32_t id = to->bpe->byte_ids[byte];

    if (id != BPE_NO_ID)
        add_symbol(to, id);
    else
        add_unknown(to);
}

/* Bytes of the first character; of what is no UTF-8 one byte. */
static size_t character_bytes(const struct bpe *bpe, struct slice rest)
{
    size_t bytes = bpe->byte_level ? 1 : utf8_sequence(rest);

    return bytes ? bytes : 1;
}

static void fill_symbols(const struct bpe *bpe, struct bpe_cache *cache, struct slice piece)
{
    struct symbols to = { bpe, &cache->symbols, false };
    bool first = true, last;
    size_t bytes;

    cache->symbols.count = 0;
    for (; piece.len > 0; piece = slice_skip(piece, bytes), first = false) {
        bytes = character_bytes(bpe, piece);
        last = bytes == piece.len;
        if ((!first && bpe->prefix.len > 0) || (last && bpe->end_of_word.len > 0))
            add_affixed(&to, cache, slice_head(piece, bytes), first, last);
        else if (bpe->byte_level)
            add_byte(&to, (uint8_t)piece.at[0]);
        else
            add_character(&to, slice_head(piece, bytes));
    }
    flush_unknown(&to);
}

/* By merging alone, into cache->symbols. */
static void merge_piece(const struct bpe *bpe, struct bpe_cache *cache, struct slice piece)
{
    fill_symbols(bpe, cache, piece);
    cache->symbols.count =
        merge_run(&bpe->merge, &cache->scratch, cache->symbols.at, cache->symbols.count);
}

/* ---- building ---- */

/* Whether it is one character, with prefix and end of word around it or without. */
static bool is_initial(const struct bpe *bpe, struct slice bytes)
{
    struct slice prefix = text_slice(&bpe->prefix), end = text_slice(&bpe->end_of_word);

    for (unsigned without = 0; without < 4; without++) {
        struct slice rest = bytes;

        if (without & 1 && slice_starts(rest, prefix))
            rest = slice_skip(rest, prefix.len);
        if (without & 2 && slice_ends(rest, end))
            rest.len -= end.len;
        if (rest.len > 0 && character_bytes(bpe, rest) == rest.len)
            return true;
    }
    return false;
}

static void note_initial_symbols(struct bpe *bpe, const struct bpe_spec *spec)
{
    for (int byte = 0; byte < 256; byte++)
        if (bpe->byte_ids[byte] != BPE_NO_ID)
            merge_note_initial(&bpe->merge, bpe->byte_ids[byte]);
    if (bpe->unk_id != BPE_NO_ID)
        merge_note_initial(&bpe->merge, bpe->unk_id);
    for (size_t i = 0; i < spec->token_count; i++)
        if (is_initial(bpe, spec->tokens[i].bytes))
            merge_note_initial(&bpe->merge, spec->tokens[i].id);
}

/* A token that merging its bytes gives is found by looking it up, which is faster; one that it does
 * not give must not be, unless the vocabulary says that merges do not matter. */
static void find_whole(struct bpe *bpe, bool ignore_merges)
{
    struct bpe_cache *cache = bpe_cache_new(bpe, /* bytes= */ 0);

    bpe->whole = xcalloc(bpe->words.count + 1, sizeof(bool));
    for (uint32_t i = 0; i < bpe->words.count; i++) {
        bpe->whole[i] = ignore_merges;
        if (ignore_merges || bpe->words.offsets[i] == bpe->words.offsets[i + 1])
            continue;
        merge_piece(bpe, cache, words_bytes(&bpe->words, i));
        bpe->whole[i] = cache->symbols.count == 1 && cache->symbols.at[0] == bpe->words.ids[i];
    }
    bpe_cache_free(cache);
}

/* Bytes are cut by the split, and a whole piece that is a token must be seen whole. */
static void find_seams(struct bpe *bpe, const struct bpe_spec *spec)
{
    if (!spec->byte_level && !spec->ignore_merges && spec->prefix.len == 0 &&
        spec->end_of_word.len == 0)
        seams_init(&bpe->seams, &bpe->merge, &bpe->words, bpe->byte_ids);
}

static uint32_t ids_of(const struct bpe_spec *spec)
{
    uint32_t ids = 0;

    for (size_t i = 0; i < spec->token_count; i++)
        if (spec->tokens[i].id >= ids)
            ids = spec->tokens[i].id + 1;
    return ids;
}

struct bpe *bpe_new(const struct bpe_spec *spec)
{
    struct bpe *bpe = xcalloc(1, sizeof(*bpe));

    CHECK(getrandom(bpe->seed, sizeof(bpe->seed), 0) == sizeof(bpe->seed));
    memcpy(bpe->byte_ids, spec->byte_ids, sizeof(bpe->byte_ids));
    bpe->byte_level = spec->byte_level;
    bpe->fuse_unk = spec->fuse_unk;
    bpe->unk_id = spec->unk_id;
    bpe->split = spec->split;
    text_init(&bpe->prefix);
    text_add(&bpe->prefix, spec->prefix);
    text_init(&bpe->end_of_word);
    text_add(&bpe->end_of_word, spec->end_of_word);
    words_init(&bpe->words, spec->tokens, spec->token_count, bpe->seed);
    merge_init(&bpe->merge, spec->merges, spec->merge_count, ids_of(spec));
    note_initial_symbols(bpe, spec);
    find_seams(bpe, spec);
    find_whole(bpe, spec->ignore_merges);
    return bpe;
}

void bpe_free(struct bpe *bpe)
{
    if (!bpe)
        return;
    merge_release(&bpe->merge);
    words_release(&bpe->words);
    free(bpe->whole);
    text_release(&bpe->prefix);
    text_release(&bpe->end_of_word);
    free(bpe);
}

bool bpe_cuts(const struct bpe *bpe)
{
    return bpe->seams.any;
}

struct bpe_cache *bpe_cache_new(const struct bpe *bpe, size_t bytes)
{
    struct bpe_cache *cache = xcalloc(1, sizeof(*cache));

    pieces_init(&cache->pieces, bytes);
    ids_init(&cache->symbols);
    text_init(&cache->symbol);
    text_reserve(&cache->symbol, bpe->prefix.len + 4 + bpe->end_of_word.len); /* 4: a code point */
    return cache;
}

void bpe_cache_free(struct bpe_cache *cache)
{
    if (!cache)
        return;
    pieces_release(&cache->pieces);
    merge_scratch_release(&cache->scratch);
    ids_release(&cache->symbols);
    text_release(&cache->symbol);
    free(cache);
}

void bpe_cache_watch(struct bpe_cache *cache, struct deadline *deadline)
{
    cache->deadline = deadline;
}

/* ---- encoding ---- */

static bool may_begin(struct bpe_cache *cache, size_t bytes)
{
    return !cache->deadline || deadline_allows(cache->deadline, bytes);
}

/* So that one long piece is not paid for ever after. */
static void trim(struct bpe_cache *cache)
{
    merge_scratch_trim(&cache->scratch);
    if (cache->symbols.room > MERGE_KEPT)
        ids_release(&cache->symbols);
}

/* A piece that the cache does not have. */
static void encode_new(const struct bpe *bpe, struct bpe_cache *cache, const struct piece *piece,
                       struct slice bytes, struct ids *ids)
{
    uint32_t number = words_find(&bpe->words, bytes, piece->hash);

    if (number != WORDS_NONE && bpe->whole[number]) {
        cache->symbols.count = 0;
        ids_add(&cache->symbols, bpe->words.ids[number]);
    } else {
        merge_piece(bpe, cache, bytes);
    }
    pieces_put(&cache->pieces, piece, bytes, cache->symbols.at, cache->symbols.count);
    ids_append(ids, &cache->symbols);
    trim(cache);
}

/* The pieces of `text` that begin at `at` and end at `ends`. */
static void encode_batch(const struct bpe *bpe, struct bpe_cache *cache, struct slice text,
                         size_t at, const uint32_t *ends, size_t count, struct ids *ids)
{
    struct piece pieces[BATCH];
    size_t from = at;

    ids_reserve(ids, ends[count - 1] - at + PIECES_INLINE);
    for (size_t i = 0; i < count; from = ends[i++]) {
        pieces[i] = piece_of(slice_of(text.at + from, ends[i] - from), text.len - from, bpe->seed);
        pieces_prefetch(&cache->pieces, pieces[i].hash);
    }
    for (size_t i = 0; i < count; at = ends[i++]) {
        struct slice bytes = slice_of(text.at + at, ends[i] - at);

        if (!pieces_get(&cache->pieces, &pieces[i], bytes, ids))
            encode_new(bpe, cache, &pieces[i], bytes, ids);
    }
}

/* The ends of some parts that can be encoded one by one, from `at` on. */
static size_t part_ends(const struct bpe *bpe, struct slice piece, size_t at,
                        uint32_t ends[static BATCH])
{
    if (bpe->seams.any)
        return seams_ends(&bpe->seams, piece, at, ends, BATCH);
    ends[0] = (uint32_t)piece.len;
    return 1;
}

void bpe_encode_piece(const struct bpe *bpe, struct bpe_cache *cache, struct slice piece,
                      struct ids *ids)
{
    uint32_t ends[BATCH];
    size_t count;

    for (size_t at = 0; at < piece.len; at = ends[count - 1]) {
        count = part_ends(bpe, piece, at, ends);
        if (!may_begin(cache, ends[count - 1] - at))
            return;
        encode_batch(bpe, cache, piece, at, ends, count, ids);
    }
}

void bpe_encode(const struct bpe *bpe, struct bpe_cache *cache, struct slice text, struct ids *ids)
{
    uint32_t ends[BATCH];
    size_t count;

    if (!bpe->split) {
        bpe_encode_piece(bpe, cache, text, ids);
        return;
    }
    for (size_t at = 0; at < text.len; at = ends[count - 1]) {
        count = bpe->split->ends(text, at, ends, BATCH);
        if (!may_begin(cache, ends[count - 1] - at))
            return;
        encode_batch(bpe, cache, text, at, ends, count, ids);
    }
}
