/*
 * The model of a tokenizer.json: pieces of normalized text to ids.
 *
 * Immutable once loaded; any thread. Each kind is a struct model_type; what one thread needs to use
 * it is a struct model_room.
 */
#ifndef SLUICE_TOKEN_MODEL_H
#define SLUICE_TOKEN_MODEL_H

#include "gateway/token/bpe.h"
#include "gateway/token/ids.h"
#include "gateway/token/node.h"
#include "gateway/token/pretokenizer.h"
#include "gateway/token/scratch.h"
#include "gateway/token/trie.h"
#include "gateway/token/vocab.h"

/*
 * Stands for an unknown part where the file has no token for it, or names one that its vocabulary
 * lacks. The reference loads such a file and fails on a text with an unknown part; so encoding goes
 * on, and says afterwards that the text has no ids. No token has this id.
 */
#define MODEL_UNENCODABLE BPE_IDS_MAX

struct model;
struct model_room;

struct model_type {
    const char *name; /* as tokenizer.json's "type" */
    bool (*load)(const struct node *node, struct model *model, struct pretokenizer *pretokenizer,
                 bool letters);
    /* Appends the ids of a piece, which is not empty. */
    void (*encode)(const struct model *model, struct model_room *room, struct slice piece,
                   struct ids *ids);
};

/* A token that merges can make and that goes on over a place before a run of marks. */
struct crossing {
    char *text; /* owned */
    size_t len;
    size_t at; /* where in it the place is */
};

struct model {
    const struct model_type *type;
    struct vocab vocab;
    uint32_t unk_id; /* BPE_NO_ID: none; MODEL_UNENCODABLE */

    /* BPE */
    struct bpe *bpe;
    bool direct;          /* a text is encoded as it is, by bpe_encode, without pre-tokenizer */
    bool cut_at_marks;    /* pieces may be cut before runs of U+2581 */
    bool whole_first;     /* a piece that is a token is that token, before it is cut */
    size_t longest_token; /* bytes */
    struct crossing *crossings;
    size_t crossing_count;

    /* WordPiece and Unigram */
    struct trie trie;        /* the whole vocabulary */
    struct trie continued;   /* WordPiece: tokens for a word's later parts, without their prefix */
    uint64_t word_codes_max; /* WordPiece: longer words are unknown */
    double *scores;          /* Unigram: by id */
    double unk_score;        /* Unigram */
    uint32_t byte_ids[256];  /* Unigram: of <0x00> to <0xFF>; BPE_NO_ID: no byte_fallback */
};

/* The best way to a place in a text, found so far. */
struct unigram_node {
    double score;
    size_t start; /* of its last token; SIZE_MAX: there is no way yet */
    uint32_t id;
};

struct model_room {
    struct bpe_cache *cache;
    struct unigram_node *nodes;
    size_t node_room;
    struct deadline *deadline; /* kept; Unigram asks it within a piece; NULL: none */
};

/*
 * `letters`: the normalizer gives letters of bytes. A pre-tokenizer that gives them is changed to
 * give bytes where the model takes those.
 */
bool model_load(struct model *model, const struct node *node, struct pretokenizer *pretokenizer,
                bool letters) MUST_USE;
void model_release(struct model *model);

void model_room_init(struct model_room *room, const struct model *model, size_t cache_bytes);
void model_room_release(struct model_room *room);

/* Helpers of the kinds. */
/* `{"token": id, ..}`; ids are different and below BPE_IDS_MAX. */
bool model_load_vocab(struct model *model, const struct node *node) MUST_USE;
/* The id of "unk_token", or MODEL_UNENCODABLE where the vocabulary lacks it. */
bool model_load_unk(struct model *model, const struct node *node) MUST_USE;
/* The ids of <0x00> to <0xFF>; BPE_NO_ID where the vocabulary has none. */
void model_find_bytes(const struct model *model, uint32_t ret_ids[256]);

extern const struct model_type model_bpe, model_unigram, model_wordlevel, model_wordpiece;

#endif
