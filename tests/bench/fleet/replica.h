/*
 * A model of an engine: steps with a budget of tokens, continuous batching, chunked prefill, a
 * prefix cache (routing.md, section 5; the cache is that of tests/engine).
 *
 * A step serves first the decodes, then the running prefills, then those that wait, as long as
 * budget, places and free blocks last. Blocks can be found when the step that computed them ends.
 * A decode that finds no block makes the youngest give up its blocks and compute again.
 */
#ifndef SLUICE_FLEET_REPLICA_H
#define SLUICE_FLEET_REPLICA_H

#include "tests/bench/fleet/workload.h"
#include "tests/engine/cache.h"

#define REPLICA_STEP_TOKENS   8192
#define REPLICA_SEQUENCES_MAX 256

struct replica;

/* Told at the end of a step. */
struct replica_listener {
    void (*first_token)(struct replica_listener *listener, struct replica *replica,
                        struct request *request);
    void (*ended)(struct replica_listener *listener, struct replica *replica,
                  struct request *request);
    void (*tokens)(struct replica_listener *listener, struct replica *replica,
                   struct request *request);
};

/* A request at a replica. */
struct job {
    struct request *request;
    struct cache_hold hold;
    uint32_t known;    /* tokens: the prompt and what was made; after preemption all are prefill */
    uint32_t computed; /* of them */
    uint32_t made;     /* of the answer */
    uint32_t chunk;    /* tokens of the step under way */
    bool admitted;     /* once at least */
};

struct replica {
    uint32_t index;
    double slowness; /* 1: as routing.md says; 2: takes twice as long */
    struct cache cache;
    struct replica_listener *listener;
    struct job **running, **waiting; /* oldest first */
    uint32_t running_count, waiting_count, waiting_size;
    bool stepping;
    uint64_t step_end_us;
    uint64_t prompt_tokens, cached_tokens; /* of all first admissions */
    uint64_t preemptions;
    double busy_s; /* in steps */
};

void replica_init(struct replica *replica, uint32_t index, uint32_t blocks,
                  struct replica_listener *listener);
void replica_release(struct replica *replica);

void replica_add(struct replica *replica, struct request *request);
/* Begins a step when none is under way and there is something to do; step_end_us is then set. */
void replica_step_begin(struct replica *replica, uint64_t now_us);
void replica_step_end(struct replica *replica);

/* The share of the cache that requests use, as engines report it. */
double replica_usage(const struct replica *replica);

#endif
