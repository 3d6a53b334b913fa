/*
 * Unicode normalization and lower case as the reference tokenizer does them (Unicode 9.0 and 17.0;
 * UAX #15 for the forms).
 *
 * Linear but for the ordering of marks, which is linear as well in runs of any length. One thread a
 * normal; it only holds scratch memory.
 */
#ifndef SLUICE_TOKEN_NORMAL_H
#define SLUICE_TOKEN_NORMAL_H

#include "gateway/token/text.h"

enum normal_form { NORMAL_NFC, NORMAL_NFD, NORMAL_NFKC, NORMAL_NFKD };

struct normal {
    uint32_t *codes; /* what is at hand between two places where nothing can change */
    uint32_t *spare;
    size_t count, room;
};

void normal_init(struct normal *normal);
void normal_release(struct normal *normal);

/* True when `text` is in the form already; else appends its form to `out`. Valid UTF-8. */
bool normal_apply(struct normal *normal, enum normal_form form, struct slice text,
                  struct text *out);

/* The same for lower case (Rust's char::to_lowercase for each code point). */
bool normal_lowercase(struct slice text, struct text *out);
/* The same without the code points that are of a class in `mask`. Sets `*front_lost` when the first
 * is one. */
bool normal_drop(struct slice text, uint64_t mask, struct text *out, bool *front_lost);

#endif
