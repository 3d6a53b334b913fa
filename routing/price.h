/*
 * The price of an endpoint for a request, in seconds: a sum of terms, rows of scorers.def.
 *
 * Pure: numbers in, numbers out; no clock, no atomics, any thread. Where it comes from and what it
 * was weighed against: README.md of this folder, tests/bench/fleet.
 */
#ifndef SLUICE_ROUTING_PRICE_H
#define SLUICE_ROUTING_PRICE_H

#include "routing/pace.h"

enum scorer_id {
#define SCORER(id, weight, help) SCORER_##id,
#include "routing/scorers.def"
#undef SCORER
    SCORER_COUNT
};

extern const char *const scorer_names[SCORER_COUNT];

/* A pool's `price` directives (price_conf.c). */
struct price_conf {
    double weights[SCORER_COUNT];
    double step_tokens; /* budget of an engine's step */
    double room_s;      /* an endpoint has room while no more seconds of prefill are queued there */
    double room_waiting; /* and no more prefills than this are there, or they fit into a step */
};

struct directive_set;
extern const struct directive_set price_set;
void price_conf_default(struct price_conf *ret_conf);

/* What is asked for. */
struct price_request {
    uint32_t tokens; /* of the prompt */
    double output;   /* tokens expected */
    double busy;     /* the part of the endpoints that have prefill to do, 0 to 1 */
    double heat;     /* how often others lately asked for what it begins with (heat.h) */
    uint64_t key;    /* equal requests have equal ones: who gets it among equals */
};

/* An endpoint that could take it. */
struct price_candidate {
    const struct pace *pace;
    struct load load;
    uint32_t cached;           /* tokens of the prompt that it has */
    uint32_t on_host, on_disk; /* of these, those that it must first load from there */
    bool loads_adapter;        /* it must load the LoRA adapter first */
    uint64_t name;             /* a hash of what it is called, the same at every gateway */
};

/* What it was found to cost there. */
struct price {
    double prefill_s; /* of the request there, unweighted */
    double terms[SCORER_COUNT];
    double total_s; /* their sum; not below 0, where the weight of `spread` outdoes the others */
};

void price_of(const struct price_conf *conf, const struct price_request *request,
              const struct price_candidate *candidate, struct price *ret_price);

/*
 * Whether it would be begun at once there, or very soon: little prefill is before it, and its
 * tokens fit into the cache (routing/hold keeps those that find no room).
 */
bool price_has_room(const struct price_conf *conf, const struct price_request *request,
                    const struct price_candidate *candidate);

/* Of several names the one with the highest number gets the key, wherever it is asked (rendezvous
 * hashing: Thaler and Ravishankar, 1998). */
uint64_t price_rendezvous(uint64_t key, uint64_t name);

/* The cheapest; of those as good as equal (1 % and half a millisecond) the one that every gateway
 * would take for this key. count > 0. */
size_t price_best(const struct price_request *request, const struct price_candidate *candidates,
                  const struct price *prices, size_t count);

#endif
