/*
 * The inner loop of prompt/json: runs through a string to its closing quote and checks everything
 * on the way, escapes and UTF-8.
 *
 * One kernel per instruction set, all with the same answer for the same bytes; the best the
 * processor has is chosen once. Pure functions: any thread.
 */
#ifndef SLUICE_PROMPT_JSON_STRING_H
#define SLUICE_PROMPT_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * From behind the opening quote to the closing one. NULL when there is none before `end`, or when a
 * control character, an escape that is none, or bytes that are not UTF-8 come before it.
 * ret_escaped: whether there was a backslash; set in any case.
 */
typedef const char *json_string_fn(const char *at, const char *end, bool *ret_escaped);

struct json_string_kernel {
    const char *name; /* "avx512", "avx2", "neon", "scalar" */
    json_string_fn *find_end;
    json_string_fn *find_close; /* the same for a string that was checked before */
};

/* Those this processor can run, best first, ended by a NULL name. For tests and benchmarks. */
const struct json_string_kernel *json_string_kernels(void);

/* By the best one. */
const char *json_string_end(const char *at, const char *end, bool *ret_escaped);
const char *json_string_close(const char *at, const char *end, bool *ret_escaped);

/* Per instruction set; compiled where the target has it, called only where the processor does. */
json_string_fn json_string_scalar;
json_string_fn json_string_avx2;
json_string_fn json_string_avx512;
json_string_fn json_string_neon;
json_string_fn json_string_close_scalar;
json_string_fn json_string_close_avx2;
json_string_fn json_string_close_avx512;
json_string_fn json_string_close_neon;

#endif
