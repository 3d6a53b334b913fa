/*
 * The vocabulary by its bytes.
 */
#include "gateway/token/words.h"

#include "gateway/token/piece.h"

#include <stdlib.h>

/* A slot is a token's number plus one, and above it a tag: bits of the hash that the place in the
 * table does not tell. */
#define NUMBER_BITS 22
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) & ~NUMBER_MASK;
}

uint32_t words_find(const struct words *words, struct slice bytes, uint64_t hash)
{
    uint32_t tag = tag_of(hash), slot;

    for (uint32_t i = (uint32_t)hash & words->mask; (slot = words->slots[i]) != 0;
         i = (i + 1) & words->mask) {
        uint32_t number = (slot & NUMBER_MASK) - 1;

        if ((slot & ~NUMBER_MASK) == tag && slice_eq(words_bytes(words, number), bytes))
            return number;
    }
    return WORDS_NONE;
}

static void add(struct words *words, uint32_t number, const uint64_t seed[2])
{
    struct slice bytes = words_bytes(words, number);
    uint64_t hash = piece_of(bytes, bytes.len, seed).hash;
    uint32_t i = (uint32_t)hash & words->mask;

    if (words_find(words, bytes, hash) != WORDS_NONE)
        return;
    while (words->slots[i] != 0)
        i = (i + 1) & words->mask;
    words->slots[i] = tag_of(hash) | (number + 1);
}

void words_init(struct words *words, const struct bpe_token *tokens, size_t count,
                const uint64_t seed[2])
{
    size_t bytes = 0, slots = 16;

    CHECK(count <= BPE_IDS_MAX);
    for (size_t i = 0; i < count; i++)
        bytes += tokens[i].bytes.len;
    while (slots < 2 * count)
        slots *= 2;
    *words = (struct words){ .count = (uint32_t)count, .mask = (uint32_t)slots - 1 };
    words->slots = xcalloc(slots, sizeof(uint32_t));
    words->offsets = xmalloc((count + 1) * sizeof(uint32_t));
    words->ids = xmalloc((count + 1) * sizeof(uint32_t));
    words->bytes = xmalloc(bytes + 1);
    words->offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice token = tokens[i].bytes;

        if (token.len > 0)
            memcpy(words->bytes + words->offsets[i], token.at, token.len);
        words->offsets[i + 1] = words->offsets[i] + (uint32_t)token.len;
        words->ids[i] = tokens[i].id;
        add(words, i, seed);
    }
}

void words_release(struct words *words)
{
    free(words->slots);
    free(words->offsets);
    free(words->ids);
    free(words->bytes);
}
