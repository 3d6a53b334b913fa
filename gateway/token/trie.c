/*
 * Building tries: keys are sorted, then nodes are made level by level from ranges of them.
 */
#include "gateway/token/trie.h"

#include <stdlib.h>

/* The keys below a node. */
struct range {
    size_t low, high;
    size_t depth;
};

static int by_text(const void *a, const void *b)
{
    const struct trie_key *x = a, *y = b;
    size_t shorter = x->text.len < y->text.len ? x->text.len : y->text.len;
    int order = memcmp(x->text.at, y->text.at, shorter);

    if (order != 0)
        return order;
    if (x->text.len != y->text.len)
        return x->text.len < y->text.len ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static size_t total_bytes(const struct trie_key *keys, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += keys[i].text.len;
    return bytes;
}

/* Adds the children of `node`, whose keys are those of `range`, and their ranges. */
static void add_children(struct trie *trie, struct range *ranges, uint32_t node,
                         const struct trie_key *keys)
{
    struct range range = ranges[node];

    trie->nodes[node].first = (uint32_t)trie->count;
    while (range.low < range.high && keys[range.low].text.len == range.depth)
        trie->nodes[node].value = keys[range.low++].value;
    for (size_t low = range.low; low < range.high;) {
        uint8_t byte = (uint8_t)keys[low].text.at[range.depth];
        size_t high = low;

        while (high < range.high && (uint8_t)keys[high].text.at[range.depth] == byte)
            high++;
        trie->nodes[trie->count] = (struct trie_node){ .value = TRIE_NONE, .byte = byte };
        ranges[trie->count++] = (struct range){ low, high, range.depth + 1 };
        trie->nodes[node].count++;
        low = high;
    }
}

void trie_build(struct trie *trie, struct trie_key *keys, size_t count)
{
    size_t most = total_bytes(keys, count) + 1;
    struct range *ranges = xcalloc(most, sizeof(*ranges));

    CHECK(most < TRIE_NONE);
    if (count > 0)
        qsort(keys, count, sizeof(*keys), by_text);
    trie->nodes = xcalloc(most, sizeof(*trie->nodes));
    trie->nodes[0].value = TRIE_NONE;
    trie->count = 1;
    ranges[0] = (struct range){ 0, count, 0 };
    for (uint32_t node = 0; node < trie->count; node++)
        add_children(trie, ranges, node, keys);
    free(ranges);
    trie->nodes = xrealloc(trie->nodes, trie->count * sizeof(*trie->nodes));
    for (uint32_t byte = 0; byte < 256; byte++)
        trie->root[byte] = trie_child(trie, 0, (uint8_t)byte);
}

void trie_release(struct trie *trie)
{
    free(trie->nodes);
    *trie = (struct trie){ 0 };
}

size_t trie_longest(const struct trie *trie, struct slice text, uint32_t *ret_value)
{
    uint32_t node = text.len > 0 ? trie->root[(uint8_t)text.at[0]] : TRIE_NONE;
    size_t longest = 0;

    for (size_t at = 1; node != TRIE_NONE; at++) {
        if (trie->nodes[node].value != TRIE_NONE) {
            *ret_value = trie->nodes[node].value;
            longest = at;
        }
        if (at == text.len)
            break;
        node = trie_child(trie, node, (uint8_t)text.at[at]);
    }
    return longest;
}
