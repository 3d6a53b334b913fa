/*
 * The inner loop of prompt/json: runs over the plain bytes of a string and checks their UTF-8 on
 * the way.
 *
 * One kernel per instruction set, all with the same answer for the same bytes; the best the
 * processor has is chosen once. Pure functions: any thread.
 */
#ifndef SLUICE_PROMPT_JSON_SPAN_H
#define SLUICE_PROMPT_JSON_SPAN_H

#include <stddef.h>

/*
 * The first byte from `at` on that is a quote, a backslash or a control character, or `end`. NULL
 * when bytes before it are not UTF-8; a sequence cut off by `end` gives either (a string that ends
 * there is unfinished anyway).
 */
typedef const char *json_span_fn(const char *at, const char *end);

struct json_span_kernel {
    const char *name; /* "avx512", "avx2", "neon", "scalar" */
    json_span_fn *span;
};

/* Those this processor can run, best first, ended by a NULL name. For tests and benchmarks. */
const struct json_span_kernel *json_span_kernels(void);

/* By the best one. */
const char *json_span(const char *at, const char *end);

/* Per instruction set; compiled where the target has it, called only where the processor does. */
json_span_fn json_span_scalar;
json_span_fn json_span_avx2;
json_span_fn json_span_avx512;
json_span_fn json_span_neon;

#endif
