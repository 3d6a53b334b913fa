/*
 * The cost of a step, linear in what is computed and read.
 */
#include "tests/engine/step.h"

/* Qwen3-32B on two H100, tensor parallel; microseconds. */
#define STEP_BASE_US      12000.0
#define STEP_PREFILL_US   62.8    /* a prefill token */
#define STEP_ATTENTION_US 0.00236 /* a prefill token and a token of its context */
#define STEP_DECODE_US    30.0    /* a decoding sequence */
#define STEP_READ_US      0.039   /* a token of context that a decode reads */

double step_work_us(const struct step_work *work)
{
    return STEP_BASE_US + STEP_PREFILL_US * (double)work->prefill_tokens +
           STEP_ATTENTION_US * work->attention + STEP_DECODE_US * (double)work->decodes +
           STEP_READ_US * (double)work->kv_tokens;
}
