/*
 * What clients ask for: requests in the order of their arrival.
 *
 * From the conversation trace or made up; either way the same for every policy that is given the
 * same seed. Blocks of prompts are named by keys as the gateway makes them: equal keys mean equal
 * prompts up to there.
 */
#ifndef SLUICE_FLEET_WORKLOAD_H
#define SLUICE_FLEET_WORKLOAD_H

#include "routing/hold.h"
#include "routing/pace.h"

#define BLOCK_TOKENS 512 /* the trace's */

struct request {
    uint64_t arrival_us;
    uint32_t prompt_tokens, output_tokens;
    uint32_t tenant;
    const uint64_t *keys; /* of the whole blocks of the prompt */
    uint32_t key_count;

    /* what became of it */
    uint64_t first_us, end_us; /* first and last token */
    uint32_t cached_tokens;    /* found by the engine */
    uint32_t replica;

    /* the gateway's */
    uint32_t gateway;
    uint64_t known_key; /* of the deepest block that some replica had when it was chosen; 0: none */
    struct share share;
    struct pace_watch watch;
    struct hold_item held;
    struct share *shares_others; /* at gateways other than its own; NULL with one gateway */
};

enum workload_part { PART_WHOLE, PART_TRAIN, PART_TEST };

struct workload {
    struct request *requests;
    size_t count;
    uint64_t *keys; /* of all requests */
};

/*
 * A row of workloads.def by name, `speed` times as fast as it is. Parts: halves of the trace, or
 * other random numbers where there is no trace. Exits with 77 when the trace is missing.
 */
void workload_init(struct workload *workload, const char *name, double speed,
                   enum workload_part part, uint64_t seed);
void workload_release(struct workload *workload);

/* Every name, NULL-terminated. */
extern const char *const workload_names[];

#endif
