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
    size_t front; /* bytes of `text` that stand for the first code point of all; 0: none does */
    struct span *list;
    size_t count, room;
};

/* Empties; gives memory back that an unusually long text has taken. */
void spans_clear(struct spans *spans);
void spans_add(struct spans *spans, size_t at, size_t end); /* an empty one is left out */

struct scratch {
    struct text normal_texts[2]; /* what normalizers wrote, in turn */
    struct text span_texts[2];   /* what pre-tokenizers wrote, in turn */
    struct spans spans[2];       /* what they read and what they make */
    struct text front_text;      /* what a normalizer makes of the front alone */
    struct normal normal;
    struct regex_room *regex;  /* NULL: no regular expression has been run yet */
    struct deadline *deadline; /* of the encoder; NULL: there is none */
    size_t most_bytes;         /* that the steps may make of the text at hand */
    bool outgrown;             /* they would have made more: what they gave is not to be used */
    bool follows_front; /* where the front ends is asked, too, not only whether it is there */
    size_t front;       /* bytes of the normalized text that stand for the first code point */
    bool front_lost;    /* a normalizer dropped the beginning of the text at hand */
    bool gave_up;       /* a limit was met, or the front was lost sight of: ids are unsure */
};

void scratch_init(struct scratch *scratch);
/* A new text of so many bytes, whatever parts of it are worked on. */
void scratch_begin(struct scratch *scratch, size_t text_bytes);
void scratch_release(struct scratch *scratch);
/*
 * Steps that put texts in can be chained so that a text grows a thousandfold with each. What a
 * normalizer or pre-tokenizer makes of a text is therefore bounded by its length: 16 times that,
 * and a little for what is put before short ones. NFKC alone makes 11 times as much of U+FDFA,
 * letters of bytes twice, U+2581 for spaces three times; no known file comes near them all. Steps
 * that only map code points are stopped afterwards, so memory is bounded by a few times as much.
 */
void scratch_allow(struct scratch *scratch, size_t text_bytes);
/* Whether `bytes` are more than that; then the text has no ids for sure either (gave_up). */
bool scratch_outgrows(struct scratch *scratch, size_t bytes);
struct regex_room *scratch_regex(struct scratch *scratch);

#endif
