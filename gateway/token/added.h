/*
 * Added tokens: they cut a text before anything else is done to it, some in the text as it is and
 * some in the normalized text.
 *
 * Immutable once loaded; any thread. A walk belongs to one.
 */
#ifndef SLUICE_TOKEN_ADDED_H
#define SLUICE_TOKEN_ADDED_H

#include "gateway/token/node.h"
#include "gateway/token/normalizer.h"
#include "gateway/token/trie.h"
#include "gateway/token/vocab.h"

struct added_token {
    char *content; /* owned */
    size_t content_len;
    size_t place; /* in the file's list */
    uint32_t id;
    bool single_word; /* only where no word goes on at either side */
    bool lstrip;      /* takes the white space before it */
    bool rstrip;
    bool normalized; /* looked for in the normalized text, and normalized itself */
    /* Whatever follows it, the text up to its end is cut in the same way. */
    bool ends_firmly;
};

/* Finds tokens: at the leftmost place where one begins, the longest. */
struct added_matcher {
    struct trie trie; /* values are numbers of tokens */
    uint8_t first[4]; /* bytes that tokens begin with */
    size_t first_count;
    bool starts[256]; /* the same where they are more than that */
};

struct added {
    struct added_token *tokens;
    size_t count;
    struct added_matcher raw, normalized;
};

/*
 * Ids are given as the reference does: a token that the vocabulary has keeps its id, others follow
 * in order; what the file says is not asked. `node` may be absent.
 */
bool added_load(struct added *added, const struct node *node, const struct vocab *vocab,
                const struct normalizer *normalizer, struct scratch *scratch) MUST_USE;
void added_release(struct added *added);
/* The id of an added token; false: there is none of this content. */
bool added_find(const struct added *added, struct slice content, uint32_t *ret_id) MUST_USE;

struct added_walk {
    const struct added *added;
    const struct added_matcher *matcher;
    struct slice text;
    size_t at;         /* where the search goes on */
    size_t covered;    /* the end of what was given so far */
    size_t spaces_end; /* white space from `at` or earlier up to here was looked at already */
};

struct added_match {
    const struct added_token *token;
    size_t start, end; /* with the white space that it takes */
};

/* From byte `from` on, which is 0 or behind a token. */
void added_begin(struct added_walk *walk, const struct added *added,
                 const struct added_matcher *matcher, struct slice text, size_t from);
/* The next token. What lies between `walk->covered`, as it was before, and `start` is text. */
bool added_next(struct added_walk *walk, struct added_match *ret_match) MUST_USE;

#endif
