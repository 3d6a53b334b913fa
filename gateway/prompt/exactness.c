/*
 * The rows of exactness.
 */
#include "gateway/prompt/exactness.h"

const struct exactness_row exactness_rows[EXACTNESS_COUNT] = {
#define EXACTNESS(id, words) [EXACTNESS_##id] = { #id, words },
#include "gateway/prompt/exactness.def"
#undef EXACTNESS
};
