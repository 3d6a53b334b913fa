/*
 * SentencePiece's compiled character map, which tokenizer.json's Precompiled normalizer carries in
 * base64: a double-array trie (darts-clone's layout) over what is replaced, and the replacements.
 *
 * Immutable once loaded; any thread. It comes from outside: every index is checked.
 */
#ifndef SLUICE_TOKEN_CHARSMAP_H
#define SLUICE_TOKEN_CHARSMAP_H

#include "gateway/token/node.h"
#include "gateway/token/text.h"

struct charsmap {
    uint32_t *units;
    size_t unit_count;
    char *replacements; /* each terminated */
    size_t replacements_len;
};

/* `node` is the base64 text; empty: nothing is replaced. */
bool charsmap_load(struct charsmap *charsmap, const struct node *node) MUST_USE;
void charsmap_release(struct charsmap *charsmap);

/* What the shortest entry that `chunk` begins with is replaced by. False: there is none. */
bool charsmap_find(const struct charsmap *charsmap, struct slice chunk,
                   struct slice *ret_replacement) MUST_USE;

/*
 * The same text with every cluster of code points that belong together (UAX #29) replaced: whole
 * where it has fewer than six bytes and is found, code point by code point otherwise, as the
 * reference does it. True when nothing is replaced. Ends early once `out` has more than `most`
 * bytes.
 */
bool charsmap_apply(const struct charsmap *charsmap, struct slice text, size_t most,
                    struct text *out);

#endif
