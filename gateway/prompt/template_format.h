/*
 * What the two ways to format share: a number in some notation, padded.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_FORMAT_H
#define SLUICE_PROMPT_TEMPLATE_FORMAT_H

#include "gateway/prompt/template_run.h"

/* Digits behind the point of a formatted float; more is a limit. */
#define FORMAT_PRECISION_MAX 400

struct format_spec {
    struct slice fill; /* one character */
    char align;        /* < > ^ = */
    char sign;         /* + space or -; 0: none */
    bool alternate;    /* # */
    bool zero;         /* 0 before the width */
    char grouping;     /* , or _ ; 0: none */
    int64_t width;
    int64_t precision; /* -1: none */
    char type;         /* 0: none */
};

/* Writes `body` behind `sign` (sign and prefix of a number), padded. */
void format_padded(struct run *run, const struct format_spec *spec, struct slice sign,
                   struct slice body);
/* An int as d, x, X, o, b or c; a float (or an int as one) as e, E, f, F, g, G, %. False after a
 * failure. */
bool format_int(struct run *run, const struct format_spec *spec, const struct value *number);
bool format_real(struct run *run, const struct format_spec *spec, double number);
/* Reads digits; false when there are too many. */
bool format_number(struct slice *text, int64_t *ret_number);

#endif
