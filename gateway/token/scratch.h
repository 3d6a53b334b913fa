/*
 * The memory that one encoder works in; empty between texts.
 */
#ifndef SLUICE_TOKEN_SCRATCH_H
#define SLUICE_TOKEN_SCRATCH_H

#include "gateway/token/normal.h"
#include "gateway/token/regex.h"

/* A part of a text. */
struct span {
    size_t at, end;
};

/* Parts in order. They lie in one text, which they need not cover. */
struct spans {
    struct slice text;
    struct span *list;
    size_t count, room;
};

void spans_add(struct spans *spans, size_t at, size_t end); /* an empty one is left out */

struct scratch {
    struct text normal_texts[2]; /* what normalizers wrote, in turn */
    struct text span_texts[2];   /* what pre-tokenizers wrote, in turn */
    struct spans spans[2];       /* what they read and what they make */
    struct normal normal;
    struct regex_room *regex; /* NULL: no regular expression has been run yet */
    bool front_lost;          /* a normalizer dropped the beginning of the text at hand */
    bool gave_up;             /* a regular expression met its limit */
};

void scratch_init(struct scratch *scratch);
void scratch_release(struct scratch *scratch);
struct regex_room *scratch_regex(struct scratch *scratch);

#endif
