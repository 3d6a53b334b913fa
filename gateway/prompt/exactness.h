/*
 * Whether a prompt's tokens and block keys are the engine's own, and if not, why: the label of a
 * metric, the word of the access line.
 *
 * Rows are static; any thread.
 */
#ifndef SLUICE_PROMPT_EXACTNESS_H
#define SLUICE_PROMPT_EXACTNESS_H

#include "gateway/base/check.h"

enum exactness {
#define EXACTNESS(id, words) EXACTNESS_##id,
#include "gateway/prompt/exactness.def"
#undef EXACTNESS
    EXACTNESS_COUNT
};

struct exactness_row {
    const char *name;  /* "exact", "media" */
    const char *words; /* for people */
};

extern const struct exactness_row exactness_rows[EXACTNESS_COUNT];

#endif
