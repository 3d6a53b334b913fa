/*
 * The vocabulary by its bytes: which token a piece is, if it is one as a whole.
 *
 * Built once, immutable, shared by threads. The hash is the caller's, keyed (piece.h).
 */
#ifndef SLUICE_TOKEN_WORDS_H
#define SLUICE_TOKEN_WORDS_H

#include "gateway/token/bpe.h"

struct words {
    uint32_t *slots;   /* tag and number of a token; 0: empty. Open addressing */
    uint32_t *offsets; /* by number: where its bytes begin in `bytes`; one more than tokens */
    uint32_t *ids;
    char *bytes;
    uint32_t mask, count;
};

#define WORDS_NONE UINT32_MAX

/* No more than BPE_IDS_MAX tokens; of equal ones the first counts. `seed`: of piece_hash. */
void words_init(struct words *words, const struct bpe_token *tokens, size_t count,
                const uint64_t seed[2]);
void words_release(struct words *words);

/* The number of the token that has just these bytes, or WORDS_NONE. */
uint32_t words_find(const struct words *words, struct slice bytes, uint64_t hash);

static inline struct slice words_bytes(const struct words *words, uint32_t number)
{
    return slice_of(words->bytes + words->offsets[number],
                    words->offsets[number + 1] - words->offsets[number]);
}

#endif
