/*
 * What Pydantic, which the engines read requests with, takes for a truth value or a number.
 *
 * False: it is none, and the result is untouched.
 */
#ifndef SLUICE_PROMPT_PROMPT_VALUES_H
#define SLUICE_PROMPT_PROMPT_VALUES_H

#include "gateway/prompt/json.h"

/* null is false. */
bool prompt_truth(struct json_value value, bool *ret_truth);
/* A whole number, or a string that is one. */
bool prompt_number(struct json_value value, int64_t min, int64_t max, int64_t *ret_number);

#endif
