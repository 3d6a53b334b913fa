/*
 * What Python's str methods do, for the filters and methods that need it.
 *
 * Results are new texts in the run's arena or parts of the given one; NULL after a failure.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_TEXT_H
#define SLUICE_PROMPT_TEMPLATE_TEXT_H

#include "gateway/prompt/template_run.h"
#include "gateway/prompt/text.h"

enum text_side {
    TEXT_LEFT = 1,
    TEXT_RIGHT = 2,
    TEXT_BOTH = 3,
};

const struct value *text_upper(struct run *run, struct slice text);
const struct value *text_lower(struct run *run, struct slice text);
const struct value *text_casefold(struct run *run, struct slice text);
const struct value *text_title(struct run *run, struct slice text);
const struct value *text_capitalize(struct run *run, struct slice text);
const struct value *text_swapcase(struct run *run, struct slice text);

/* Without white space, or without any of `chars` (NULL: white space), at the sides. */
struct slice text_strip(struct run *run, struct slice text, const struct slice *chars,
                        enum text_side sides);
/* Up to `most` times; negative: all. */
const struct value *text_replace(struct run *run, struct slice text, struct slice old,
                                 struct slice new, int64_t most);
/* Parts between `separator` (NULL: runs of white space); at most `most` cuts, negative: all. */
const struct value *text_split(struct run *run, struct slice text, const struct slice *separator,
                               int64_t most);
const struct value *text_rsplit(struct run *run, struct slice text, const struct slice *separator,
                                int64_t most);
const struct value *text_lines(struct run *run, struct slice text, bool keep_ends);
/* Takes a line, its end included, off the front; ret_line goes without it. */
struct slice text_take_line(struct slice *text, struct slice *ret_line);
/* Padded to `width` characters. */
const struct value *text_pad(struct run *run, struct slice text, int64_t width, struct slice fill,
                             enum text_side sides);
/* Where `part` occurs first (last) as an offset in bytes; -1: nowhere. */
int64_t text_find(struct slice text, struct slice part);
int64_t text_find_last(struct slice text, struct slice part);

/* int(text, base) and float(text) as Python reads them. NULL without a failure: it is none. */
const struct value *text_int(struct run *run, struct slice text, unsigned base);
bool text_float(struct slice text, double *ret_number);

#endif
