/*
 * The simulated fleet: replicas, gateways before them, and the clock.
 *
 * Discrete events in the order of their time. A gateway decides by what it knows: its own traffic
 * at once, other gateways' `sync_us` later, scraped metrics as old as they are, blocks as their
 * events tell (shared index, speculation included).
 */
#ifndef SLUICE_FLEET_SIM_H
#define SLUICE_FLEET_SIM_H

#include "routing/heat.h"
#include "routing/prefix_index.h"
#include "routing/price.h"
#include "tests/bench/fleet/active.h"
#include "tests/bench/fleet/random.h"
#include "tests/bench/fleet/replica.h"

#define REPLICAS_MAX 64

/* What a gateway knows of a replica. */
struct view {
    struct signals signals;
    struct pace_learner learner;
    struct pace pace; /* as far as it knows */
    uint32_t scraped_waiting;
    double scraped_usage;
    struct active active;
};

struct sim;

struct gateway {
    struct sim *sim;
    uint32_t index;
    struct view views[REPLICAS_MAX];
    struct pace_learner learner; /* of all of them */
    struct hold hold;
    struct heat heat;
    uint32_t turn; /* round robin */
};

/* One request's decision. */
struct decision {
    struct sim *sim;
    struct gateway *gateway;
    struct request *request;
    uint32_t cached[REPLICAS_MAX]; /* tokens */
    uint32_t known;                /* blocks of its prompt that some replica has */
};

/* The request and a replica as routing/price takes them. */
struct price_request decision_request(const struct decision *decision);
void decision_candidate(const struct decision *decision, uint32_t replica,
                        struct price_candidate *ret_candidate);

struct policy {
    const char *name;
    const char *help;
    uint32_t (*choose)(struct decision *decision);
    bool holds; /* waits in the gateway until what was chosen has room */
    bool peer;  /* a model of somebody else's */
};

extern const struct policy policies[];
extern const size_t policy_count;
const struct policy *policy_find(const char *name);

/* What can be turned without changing code; all have defaults. */
struct sim_conf {
    const struct policy *policy;
    uint32_t replicas, blocks, gateways;
    uint64_t sync_us; /* how late a gateway hears of another's traffic */
    bool sync_never;
    uint64_t scrape_us; /* age of scraped metrics, at most */
    double slow_factor; /* half of the replicas take this times as long */
    bool learns;        /* gateways learn how fast replicas are */
    bool slow_told;     /* gateways know which ones; else all seem alike to them */
    struct price_conf price;
    struct hold_conf hold;
    struct pace pace; /* what gateways believe of a replica that is not slow */
    double output;    /* tokens expected */
    uint64_t deadline_us;
};

void sim_conf_default(struct sim_conf *ret_conf);

/* Where a replica's cache is in the index. */
struct column {
    struct cache_listener listener;
    struct prefix_index *index;
    uint32_t number;
};

struct event {
    uint64_t at_us, order;
    uint8_t kind;
    uint32_t index; /* of a replica or gateway */
    struct request *request;
};

struct sim {
    const struct sim_conf *conf;
    struct workload *workload;
    size_t arrived, ended;
    uint64_t now_us, next_order;
    struct replica replicas[REPLICAS_MAX];
    struct gateway *gateways;
    struct prefix_index *index;
    struct random random;
    struct replica_listener listener;
    struct column columns[REPLICAS_MAX];
    struct event *heap;
    size_t heap_count, heap_size;
    uint32_t held_most;
};

/* Runs all requests of the workload to their end; what became of them is in them. */
struct sim_result {
    double hit;  /* of prompt tokens, found by engines */
    double busy; /* share of time that replicas computed */
    double preemptions;
    double held_most; /* requests */
};
void sim_run(const struct sim_conf *conf, struct workload *workload, uint64_t seed,
             struct sim_result *ret_result);

#endif
