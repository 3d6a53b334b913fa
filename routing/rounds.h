/*
 * Rounds: every endpoint of a fleet is asked the same thing (whether it is well, its metrics page,
 * its list of models) again and again.
 *
 * One question at an endpoint at a time, of all together as many at once as their type allows, each
 * answer bounded in bytes and time; when the next is due is what the answer's callback says, a
 * little earlier or later so that endpoints and gateways do not march in step. Endpoints are known
 * again in the next fleet. Control thread.
 */
#ifndef SLUICE_ROUTING_ROUNDS_H
#define SLUICE_ROUTING_ROUNDS_H

#include "gateway/upstream/fetch.h"
#include "routing/fleet.h"

struct rounds;

/* One endpoint. */
struct asked {
    struct list link;
    struct list turn; /* rounds->waiting, while it waits for its turn */
    struct rounds *rounds;
    const struct pool *pool;         /* of rounds->fleet */
    const struct endpoint *endpoint; /* of rounds->fleet */
    struct endpoint_state *state;    /* reffed: what it is known again by in the next fleet */
    struct timer due;
    struct fetch *fetch;
    /* the callback's own */
    unsigned good, bad; /* answers in a row */
    uint8_t outcome;    /* of the last answer; 0 before the first */
    void *kept;         /* what it remembers of the endpoint */
    const char *path;   /* what the endpoint is asked for instead of its type's path, or NULL */
};

struct rounds_type {
    /* What a pool's endpoints are asked for; NULL: they are not. */
    const char *(*path)(const struct pool *pool);
    unsigned (*timeout_ms)(const struct pool *pool);
    size_t answer_bytes; /* a longer answer is cut off there */
    unsigned at_once; /* questions under way, and as many answers in memory; 0: one an endpoint */
    /* An answer, or why there is none; `body` is borrowed. Returns after how many milliseconds it
     * is to be asked again. */
    uint64_t (*on_answer)(void *user, struct asked *asked, const struct reason *reason,
                          unsigned status, struct slice body);
    /* It is asked no more: what is `kept` is to be freed. May be NULL. */
    void (*on_gone)(void *user, struct asked *asked);
};

struct rounds *rounds_new(struct worker *control, const struct rounds_type *type, void *user);
void rounds_free(struct rounds *rounds); /* NULL is fine */

/* Asks exactly this fleet's endpoints from now on; keeps a reference on it. */
void rounds_follow(struct rounds *rounds, struct fleet *fleet);

/* For walks over all that are asked: the next, the first when `asked` is NULL; NULL at the end. */
struct asked *rounds_next(struct rounds *rounds, const struct asked *asked);
size_t rounds_count(const struct rounds *rounds);
/* The fleet that is followed, borrowed: its pools come in the order in which the walk meets them.
 */
const struct fleet *rounds_fleet(const struct rounds *rounds);

#endif
