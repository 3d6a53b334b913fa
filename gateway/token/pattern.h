/*
 * What texts are searched for by normalizers and pre-tokenizers: a literal, a character, a class of
 * code points, a regular expression, or one of those that are coded by hand.
 *
 * Immutable once made; any thread. The walk over a text's matches belongs to one.
 */
#ifndef SLUICE_TOKEN_PATTERN_H
#define SLUICE_TOKEN_PATTERN_H

#include "gateway/token/node.h"
#include "gateway/token/regex.h"
#include "gateway/token/split.h"

enum pattern_kind {
    PATTERN_LITERAL,
    PATTERN_MASK,  /* each code point of a class is a match */
    PATTERN_WORDS, /* Whitespace's \w+|[^\w\s]+ of Rust's regex crate */
    PATTERN_SPLIT, /* everything is a match, piece by piece */
    PATTERN_REGEX,
};

struct pattern {
    enum pattern_kind kind;
    char *literal; /* owned */
    size_t literal_len;
    uint64_t mask;
    const struct split_type *split;
    struct regex *regex; /* owned */
};

struct pattern pattern_literal(struct slice literal); /* not empty; copies */
struct pattern pattern_mask(uint64_t mask);
/* What is asked of a pattern, and so which of those that are coded by hand may stand for it. */
enum pattern_use {
    PATTERN_USE_MATCHES, /* where matches are: none */
    PATTERN_USE_PIECES,  /* where matches, and what lies between them, end: each */
    PATTERN_USE_COVER,   /* matches only: those that leave nothing between */
};

/* `{"String": ..}` or `{"Regex": ..}`. */
bool pattern_load(const struct node *node, enum pattern_use use,
                  struct pattern *ret_pattern) MUST_USE;
void pattern_release(struct pattern *pattern);

#define PATTERN_ENDS 64

struct pattern_walk {
    const struct pattern *pattern;
    struct slice text;
    size_t at;
    struct regex_walk regex;
    uint32_t ends[PATTERN_ENDS]; /* of a split, fetched at once */
    size_t ends_at, ends_count;
};

void pattern_begin(struct pattern_walk *walk, const struct pattern *pattern,
                   struct regex_room *room, struct slice text);
/* The next match; false: no more. Only a regular expression's can be empty. */
bool pattern_next(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end) MUST_USE;

#endif
