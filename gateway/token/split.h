/*
 * Pre-tokenizers that are known by their regular expression and coded by hand: a text's pieces, one
 * behind the other, by the classes of Unicode 16.0 that the reference has.
 *
 * Stateless; any thread. To add one: a row in splits.def.
 */
#ifndef SLUICE_TOKEN_SPLIT_H
#define SLUICE_TOKEN_SPLIT_H

#include "gateway/base/slice.h"

#define SPLIT_LINKS 4

struct split_type {
    const char *name;    /* "o200k" */
    const char *pattern; /* exactly as it stands in tokenizer.json; NULL: those of a chain */
    /*
     * Ends of the pieces of `text` from `from` on, at most `room` of them, counted from the text's
     * beginning. Pieces are isolated: they cover the text. Returns how many; fewer than `room` only
     * when the text has ended. The text's end is the end of text to look-aheads. Valid UTF-8.
     */
    size_t (*ends)(struct slice text, size_t from, uint32_t *ret_ends, size_t room);
    /* Every byte of a text is of a match: no piece is what lies between two. */
    bool covers;
    /* Of a chain: does at once what these do one after the other, each within the pieces of the one
     * before. Ended by NULL. */
    const struct split_type *links[SPLIT_LINKS + 1];
};

/* By the pattern; NULL: unknown, to be run by a regular expression engine. */
const struct split_type *split_find(struct slice pattern);

/* By the links; NULL: there is none for these. */
const struct split_type *split_find_chain(const struct split_type *const *links, size_t count);

extern const struct split_type *const split_all[];
extern const size_t split_count;

#endif
