/*
 * Choosing an endpoint of a pool: screens drop, a pick chooses, and what was chosen has room or
 * has not.
 *
 * Runs on a thread that owns a struct decision: an exchange's worker, or its pool's home worker.
 * Reads endpoints' states and what holdings know, changes nothing but the pool's cursor, heat and
 * whether it is in panic. Takes no exchange, so that whoever holds requests can ask again for one
 * that waits.
 */
#ifndef SLUICE_ROUTING_DECIDE_H
#define SLUICE_ROUTING_DECIDE_H

#include "gateway/account/choice.h"
#include "routing/fleet.h"
#include "routing/holdings.h"

/* What a request that can be held asks of the endpoint it goes to (price_has_room). */
enum decide_room {
    DECIDE_ROOM_IGNORED, /* nothing: it goes to the best one */
    DECIDE_ROOM_OF_BEST, /* room at the best one, else it waits */
    DECIDE_ROOM_OF_ANY,  /* room at whichever is the best of those that have some, else it waits */
};

/* All is borrowed while decide runs. */
struct decide_call {
    const struct pool *pool;
    uint64_t now_us;
    const struct endpoint *const *tried; /* of this exchange: not again while there is another */
    size_t tried_count;
    struct slice pin; /* an endpoint's name, from a trusted listener; empty: none */
    uint64_t model;   /* adapter_key of what the engines call it, LoRA adapters too; 0: not known */
    uint64_t session; /* a hash of what names it (router_session); 0: none */

    uint32_t tokens;                    /* of the prompt; 0: not known */
    double output;                      /* tokens expected of the answer */
    struct holdings *holdings;          /* NULL: of caches nothing is known */
    struct holdings_prompt prompt;      /* its keys, as holdings look for them; none: count is 0 */
    bool keys_exact;                    /* for those who explain */
    const struct prefix_match *matches; /* by endpoint->index: found lately; NULL: look them up */
    bool again;                         /* it was chosen for before: its heat has been noted */
    bool looks;   /* it goes nowhere yet: its turn is taken when it does (decide_take_turn) */
    uint8_t room; /* enum decide_room */
};

enum decide_outcome {
    DECIDE_CHOSEN,
    DECIDE_WAIT, /* the best one has no room, or all that could take it are at their limit */
    DECIDE_NONE, /* no endpoint at all, or the pinned one is none of the pool */
};

enum screen_id {
#define SCREEN(id, otherwise, help) SCREEN_##id,
#include "routing/screens.def"
#undef SCREEN
    SCREEN_COUNT
};

extern const char *const screen_names[SCREEN_COUNT];
extern const char *const screen_helps[SCREEN_COUNT];

/* An endpoint of the pool, and what was found of it. */
struct candidate {
    const struct endpoint *endpoint;
    double weight; /* the share it should get now (health_weight); above 0 for who can be chosen */
    uint8_t adapter;    /* enum adapter_state of the model asked for */
    uint8_t dropped_by; /* enum screen_id; SCREEN_COUNT: by none, it could be chosen */
};

/*
 * What a decision was made from: scratch that its thread owns, valid until the next one. Of the
 * endpoints that no screen dropped `left` has the indexes, in the pool's order; what is priced is
 * parallel to it.
 */
struct decision {
    const struct decide_call *call; /* while decide runs */
    struct candidate *all;          /* by endpoint->index */
    struct prefix_match *matches;   /* by endpoint->index; while `priced` */
    size_t count;

    uint32_t *left;
    size_t left_count;
    size_t best; /* of left: the pick's; meaningless after DECIDE_NONE and without anybody left */

    uint32_t longest; /* blocks of the prompt that one of them has; while `priced` */
    bool priced;      /* the pick looked at prices, and what follows is there */
    struct price_request request;
    struct pace pool_pace;
    struct pace *paces;         /* of the candidates */
    struct price_candidate *at; /* load, cached tokens */
    struct price *prices;

    bool *stays; /* for screens */
    size_t room; /* of all these */
};

struct decision *decision_new(void);
void decision_free(struct decision *decision); /* NULL is fine */

/*
 * Decides. ret_endpoint: who is chosen; with DECIDE_WAIT untouched (decision->left[best] says who
 * would be, if anybody is left). ret_choice: what was decided, for the access line; only with
 * DECIDE_CHOSEN.
 */
enum decide_outcome decide(struct decision *decision, const struct decide_call *call,
                           const struct endpoint **ret_endpoint, struct choice *ret_choice);

/* Whether there can be room for anything at all; false: every decision that asks for room would be
 * to wait. For who has many to decide for: costs a look at each endpoint. */
bool decide_may_find_room(const struct pool *pool, uint64_t now_us);

/* For screens.c, by which decide begins: who is left. DECIDE_CHOSEN: somebody is. */
enum decide_outcome decision_screen(struct decision *decision, struct choice *choice);

/* For picks: prices all that are left. */
void decision_price(struct decision *decision);
/* For picks: whose turn it is, counted in exchanges: another try takes no other's turn. */
uint32_t decide_turn(const struct decide_call *call);
/* Who looked goes. */
void decide_take_turn(const struct decide_call *call);

/* For picks: who is left. */
static inline const struct candidate *decision_left(const struct decision *decision, size_t i)
{
    return &decision->all[decision->left[i]];
}

struct pick_type {
    const char *name; /* the word of the `route` directive */
    const char *help;
    /* left_count > 0. Returns an index into left. */
    size_t (*pick)(struct decision *decision);
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
