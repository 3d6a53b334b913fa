/*
 * Choosing an endpoint of a pool: screens drop, a pick chooses.
 *
 * Runs on the exchange's worker, reads endpoints' states, changes nothing but the pool's cursor.
 */
#ifndef SLUICE_ROUTING_DECIDE_H
#define SLUICE_ROUTING_DECIDE_H

#include "gateway/account/choice.h"
#include "routing/fleet.h"

struct decide_call {
    const struct pool *pool;
    uint64_t now_us;
    const struct endpoint *const *tried; /* of this exchange: not again while there is another */
    size_t tried_count;
    struct slice pin; /* an endpoint's name, from a trusted listener; empty: none */
};

enum decide_outcome {
    DECIDE_CHOSEN,
    DECIDE_WAIT, /* all that could take it are at their limit */
    DECIDE_NONE, /* no endpoint at all, or the pinned one is none of the pool */
};

/* ret_choice: what was decided, for the access line. */
enum decide_outcome decide(const struct decide_call *call, const struct endpoint **ret_endpoint,
                           struct choice *ret_choice);

/* A candidate that passed all screens, and the share it should get now (health_weight). */
struct candidate {
    const struct endpoint *endpoint;
    double weight;
};

/* For picks: whose turn it is, counted in exchanges: another try takes no other's turn. */
uint32_t decide_turn(const struct decide_call *call);

struct pick_type {
    const char *name; /* the word of the `route` directive */
    const char *help;
    /* `count` > 0. Returns an index. */
    size_t (*pick)(const struct decide_call *call, const struct candidate *candidates,
                   size_t count);
};

enum pick_id {
#define PICK(id) PICK_##id,
#include "routing/picks.def"
#undef PICK
    PICK_COUNT
};

extern const struct pick_type *const pick_types[PICK_COUNT];
extern const char *const pick_names[PICK_COUNT + 1];

#endif
