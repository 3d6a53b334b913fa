/*
 * Regular expressions of tokenizer.json that no hand-written scanner knows: Oniguruma's syntax,
 * which the reference uses, translated to PCRE2's, with the reference's classes of code points.
 *
 * struct regex is immutable and shared by threads; struct regex_room is what one thread needs to
 * match. What is not the same in both (back references, recursion, conditions, \G, \K, \R, \X,
 * options in mid-group) is refused.
 */
#ifndef SLUICE_TOKEN_REGEX_H
#define SLUICE_TOKEN_REGEX_H

#include "gateway/token/text.h"

struct regex;
struct regex_room;

/* NULL when it is malformed or refused; `error` then says why. */
struct regex *regex_new(struct slice pattern, char *error, size_t size) MUST_USE;
void regex_free(struct regex *regex);

struct regex_room *regex_room_new(void);
void regex_room_free(struct regex_room *room);

/* A walk over the matches in a text, in order. */
struct regex_walk {
    const struct regex *regex;
    struct regex_room *room;
    struct slice text;
    size_t at;       /* where the next search begins */
    size_t last_end; /* of the match before; SIZE_MAX: none */
    bool gave_up;    /* a limit was met, and the text's rest was not searched */
};

void regex_begin(struct regex_walk *walk, const struct regex *regex, struct regex_room *room,
                 struct slice text);
/* The next match; empty ones too, but not directly behind another match. False: no more. */
bool regex_next(struct regex_walk *walk, size_t *ret_start, size_t *ret_end) MUST_USE;

/* Appends PCRE2's form of an Oniguruma pattern. False, and `error` says why. */
bool regex_translate(struct slice pattern, struct text *out, char *error, size_t size) MUST_USE;

#endif
