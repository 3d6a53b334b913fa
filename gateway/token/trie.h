/*
 * A trie over bytes: which of many keys a text goes on with.
 *
 * Built once, immutable, any thread. The children of a node lie next to each other, so a node is
 * where they begin and how many they are.
 */
#ifndef SLUICE_TOKEN_TRIE_H
#define SLUICE_TOKEN_TRIE_H

#include "gateway/base/slice.h"

#define TRIE_NONE UINT32_MAX /* no node; no value */

struct trie_key {
    struct slice text;
    uint32_t value;
};

struct trie_node {
    uint32_t first; /* child */
    uint32_t value;
    uint16_t count; /* of children */
    uint8_t byte;   /* by which its parent leads here */
};

struct trie {
    struct trie_node *nodes; /* the root first */
    size_t count;
    uint32_t root[256]; /* the root's children by byte */
};

/* Keys must not be empty; of equal ones the last counts. Sorts `keys`. */
void trie_build(struct trie *trie, struct trie_key *keys, size_t count);
void trie_release(struct trie *trie);

static inline uint32_t trie_child(const struct trie *trie, uint32_t node, uint8_t byte)
{
    const struct trie_node *nodes = trie->nodes;
    uint32_t low = nodes[node].first, high = low + nodes[node].count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (nodes[middle].byte == byte)
            return middle;
        if (nodes[middle].byte < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return TRIE_NONE;
}

/* The longest key that `text` begins with; its length, or 0. */
size_t trie_longest(const struct trie *trie, struct slice text, uint32_t *ret_value);

#endif
