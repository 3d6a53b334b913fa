/*
 * What a piece of text is looked up by: two words that are its bytes, when it is short, and a hash
 * of them.
 *
 * The hash is keyed by random numbers of the process, so that nobody outside can choose pieces that
 * fall together; it decides only how fast a piece is found. Equality is always of bytes.
 */
#ifndef SLUICE_TOKEN_PIECE_H
#define SLUICE_TOKEN_PIECE_H

#include "gateway/base/slice.h"
#include "gateway/token/core.h"

/* The longest piece that its two words tell all of: the sixteenth byte is its length. */
#define PIECE_SHORT 15

struct piece {
    uint64_t low, high, hash;
};

/* Up to 16 bytes, zeros behind. `readable`: bytes that may be read from there on. */
static inline void piece_words(struct slice bytes, size_t readable, uint64_t ret_words[2])
{
    ret_words[0] = ret_words[1] = 0;
    if (LIKELY(readable >= 16)) {
        uint32_t bits = (uint32_t)bytes.len * 8;

        memcpy(ret_words, bytes.at, 16);
        if (bits < 128)
            ret_words[1] &= bits > 64 ? ~0ull >> (128 - bits) : 0;
        if (bits < 64)
            ret_words[0] &= (1ull << bits) - 1;
    } else {
        memcpy(ret_words, bytes.at, bytes.len < 16 ? bytes.len : 16);
    }
}

static inline uint64_t piece_mix(uint64_t low, uint64_t high, const uint64_t seed[2])
{
    return core_fold(low ^ seed[0], high ^ seed[1]);
}

/* A long piece: sixteen bytes at a time, each step keyed by the one before. */
static inline uint64_t piece_hash_long(struct slice bytes, const uint64_t seed[2])
{
    uint64_t hash = bytes.len, words[2];

    for (; bytes.len > 0; bytes = slice_skip(bytes, 16)) {
        piece_words(bytes, bytes.len, words);
        hash = piece_mix(words[0], words[1] ^ hash, seed) + hash;
    }
    return hash;
}

/* `readable`: bytes that may be read from the piece's first on; more than it has make it faster. */
static inline struct piece piece_of(struct slice bytes, size_t readable, const uint64_t seed[2])
{
    struct piece piece;
    uint64_t words[2];

    if (bytes.len > PIECE_SHORT) {
        piece.low = piece.hash = piece_hash_long(bytes, seed);
        piece.high = 0xffull << 56 | bytes.len;
        return piece;
    }
    piece_words(bytes, readable, words);
    piece.low = words[0];
    piece.high = words[1] | (uint64_t)bytes.len << 56;
    piece.hash = piece_mix(piece.low, piece.high, seed);
    return piece;
}

#endif
