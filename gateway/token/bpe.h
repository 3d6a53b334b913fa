/*
 * Byte-pair encoding: pieces of text to ids, by strict lowest-rank merging, leftmost first.
 *
 * Built once from a bpe_spec, immutable, shared by threads; the cache belongs to one thread. Never
 * quadratic: long pieces are merged with a heap or better (gpu.md 1.2, tokenizers.md section 4).
 */
#ifndef SLUICE_TOKEN_BPE_H
#define SLUICE_TOKEN_BPE_H

#include "gateway/base/slice.h"
#include "gateway/token/deadline.h"
#include "gateway/token/ids.h"
#include "gateway/token/split.h"

struct bpe_token {
    struct slice
        bytes; /* what it stands for in (normalized) text: bytes, not ByteLevel's letters */
    uint32_t id;
};

/* By rank: the first merge goes first. */
struct bpe_merge {
    uint32_t left, right, result; /* ids */
};

struct bpe_spec {
    const struct bpe_token *tokens;
    size_t token_count;
    const struct bpe_merge *merges;
    size_t merge_count;
    /*
     * The symbols a piece begins as, before any merge. Byte-level: byte_ids[b] is the id of byte b,
     * or BPE_NO_ID where the vocabulary lacks it (the byte is dropped, as the reference does).
     * Otherwise symbols are code points looked up in `tokens`; what is not there becomes
     * byte_ids of its bytes (byte_fallback) or unk_id.
     */
    bool byte_level;
    uint32_t byte_ids[256];
    uint32_t unk_id; /* BPE_NO_ID: none, dropped */
    bool fuse_unk;
    bool ignore_merges;       /* a whole piece that is a token is that token, merges or not */
    struct slice prefix;      /* before every symbol of a piece but the first; empty: none */
    struct slice end_of_word; /* CLIP's "</w>": appended to the last symbol of a piece; empty */
    const struct split_type *split; /* pre-tokenizer that bpe_encode runs itself; NULL: the text is
                                       one piece */
};

#define BPE_NO_ID UINT32_MAX

/* What the tables have room for; whoever reads a vocabulary refuses more. */
#define BPE_IDS_MAX    ((1u << 21) - 1) /* every id is below */
#define BPE_MERGES_MAX ((1u << 22) - 1)

struct bpe;
struct bpe_cache;

/*
 * Borrows the spec for the call only. Ids are below BPE_IDS_MAX, tokens no more than that, merges
 * no more than BPE_MERGES_MAX and of ids that `tokens` has. Takes a second for 250,000 tokens at
 * most: every token is merged once, to know whether it may be looked up instead.
 */
struct bpe *bpe_new(const struct bpe_spec *spec);
void bpe_free(struct bpe *bpe);
/* Whether pieces are cut further by themselves: a caller need not, for speed. */
bool bpe_cuts(const struct bpe *bpe);

/*
 * What one thread needs to encode: memory for the piece at hand, and a cache of pieces met before,
 * of `bytes` at most; 0: none. Useful from 1 MB on; 16 MB hold what 10 MB of mixed text are made
 * of.
 */
struct bpe_cache *bpe_cache_new(const struct bpe *bpe, size_t bytes);
void bpe_cache_free(struct bpe_cache *cache);
/* From now on encoding stops where the deadline, which is kept, passes; ids are then missing. */
void bpe_cache_watch(struct bpe_cache *cache, struct deadline *deadline);

/* Splits `text`, which is UTF-8 below 4 GB, by the spec's split and appends the ids of its pieces.
 * The text's end is the end of text to the split. */
void bpe_encode(const struct bpe *bpe, struct bpe_cache *cache, struct slice text, struct ids *ids);
/* `piece` is one piece, whatever the split says. */
void bpe_encode_piece(const struct bpe *bpe, struct bpe_cache *cache, struct slice piece,
                      struct ids *ids);

#endif
