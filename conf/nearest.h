/*
 * The nearest valid word for a misspelt one.
 */
#ifndef SLUICE_CONF_NEAREST_H
#define SLUICE_CONF_NEAREST_H

#include "gateway/base/slice.h"

/* Changes of one letter (insert, drop, replace, swap two neighbours) from `a` to `b`, case ignored.
 * Both at most NEAREST_WORD_MAX bytes. */
#define NEAREST_WORD_MAX 64
size_t nearest_distance(struct slice a, struct slice b);

/*
 * The candidate that `word` was probably meant to be; NULL when none is near: more than a third of
 * the word would have to change. NULL entries of `candidates` are passed over.
 */
const char *nearest_word(struct slice word, const char *const *candidates, size_t count);

#endif
