/*
 * Sorting as Python's sorted() does: stable, by < alone, also in reverse.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_SORT_H
#define SLUICE_PROMPT_TEMPLATE_SORT_H

#include "gateway/prompt/template_run.h"

/* A new list of the items in the order of their keys; the lists are of one length. */
const struct value *sorted_by(struct run *run, const struct value *items, const struct value *keys,
                              bool reverse);
/* A dict's items as tuples in the order of its keys. */
const struct value *sorted_pairs(struct run *run, const struct value *dict);

#endif
