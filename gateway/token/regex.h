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

#include "gateway/token/deadline.h"
#include "gateway/token/text.h"

struct regex;
struct regex_room;

/* NULL when it is malformed or refused; `error` then says why. */
struct regex *regex_new(struct slice pattern, char *error, size_t size) MUST_USE;
void regex_free(struct regex *regex);

/* `deadline`: kept; asked on the way, so that a walk ends soon after it. NULL: none. */
struct regex_room *regex_room_new(struct deadline *deadline);
void regex_room_free(struct regex_room *room);
/* A new text of so many bytes, which may be searched in parts and more than once: what may be spent
 * on it. (A room begins with what an empty text has.) */
void regex_room_allow(struct regex_room *room, size_t text_bytes);

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
/* The next match; empty ones too, but not directly behind another match. False: no more, or a limit
 * was met, or the deadline. */
bool regex_next(struct regex_walk *walk, size_t *ret_start, size_t *ret_end) MUST_USE;

/* Appends PCRE2's form of an Oniguruma pattern. False, and `error` says why. */
bool regex_translate(struct slice pattern, struct text *out, char *error, size_t size) MUST_USE;

#endif
