/*
 * A model of an engine (routing.md, section 5): the very steps of tests/engine/batch, on the
 * simulator's clock. Of answers no block can be found: the trace does not say what is in them.
 */
#ifndef SLUICE_FLEET_REPLICA_H
#define SLUICE_FLEET_REPLICA_H

#include "tests/bench/fleet/workload.h"
#include "tests/engine/batch.h"

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

struct replica {
    uint32_t index;
    double slowness; /* 1: as routing.md says; 2: takes twice as long */
    struct cache cache;
    struct batch batch;
    struct replica_listener *listener;
    bool stepping;
    uint64_t step_end_us;
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
