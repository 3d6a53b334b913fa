/*
 * The post-processor of a tokenizer.json: what is put around the ids of a text. Immutable once
 * loaded; any thread.
 */
#ifndef SLUICE_TOKEN_POSTPROCESSOR_H
#define SLUICE_TOKEN_POSTPROCESSOR_H

#include "gateway/token/ids.h"
#include "gateway/token/node.h"

struct postprocessor {
    struct ids before, after;
};

/* `node` may be absent: nothing is added. */
bool postprocessor_load(struct postprocessor *postprocessor, const struct node *node) MUST_USE;
void postprocessor_release(struct postprocessor *postprocessor);

#endif
