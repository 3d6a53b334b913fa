/*
 * How long a step of the engine takes: the constants are those of a 32B model on two H100
 * (routing.md, section 5). Shared with the fleet simulator (tests/bench/fleet).
 */
#ifndef SLUICE_ENGINE_STEP_H
#define SLUICE_ENGINE_STEP_H

#include <stdint.h>

/* How long things take, before time_scale. The constants are those of a 32B model on two H100. */
struct step_work {
    uint64_t prefill_tokens;
    double attention; /* sum over prefill chunks of tokens * mean context */
    uint64_t decodes;
    uint64_t kv_tokens; /* context that decodes read */
};
double step_work_us(const struct step_work *work);

#endif
