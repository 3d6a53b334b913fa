/*
 * Rounds: a timer and at most one question an endpoint, and a queue for the places.
 */
#include "routing/rounds.h"

#include "gateway/base/clock.h"
#include "gateway/base/map.h"
#include "gateway/base/random.h"

#include <limits.h>
#include <stdlib.h>

/* A question is due up to this part of its interval earlier or later. */
#define JITTER 0.1

struct rounds {
    struct worker *control;
    const struct rounds_type *type;
    void *user;
    struct fleet *fleet;
    struct list all;     /* asked->link */
    struct list waiting; /* asked->turn, first come, first served */
    size_t count;
    unsigned open;   /* questions under way */
    uint64_t random; /* state of random_next */
};

static double rounds_random(struct rounds *rounds)
{
    return (double)(random_next(&rounds->random) >> 11) * 0x1p-53;
}

static void asked_schedule(struct asked *asked, uint64_t after_ms)
{
    struct rounds *rounds = asked->rounds;
    double part = 1 + JITTER * (2 * rounds_random(rounds) - 1);
    uint64_t after_us = (uint64_t)((double)(after_ms * CLOCK_US_PER_MS) * part);

    timer_set(&rounds->control->timers, &asked->due, rounds->control->now_us + after_us);
}

static void ask_waiting(struct rounds *rounds);

static void on_answer(void *user, const struct reason *reason, unsigned status, struct slice body)
{
    struct asked *asked = user;
    struct rounds *rounds = asked->rounds;

    asked->fetch = NULL;
    rounds->open--;
    asked_schedule(asked, rounds->type->on_answer(rounds->user, asked, reason, status, body));
    ask_waiting(rounds);
}

static void ask(struct asked *asked)
{
    struct rounds *rounds = asked->rounds;
    const struct rounds_type *type = rounds->type;
    const char *path = asked->path ? asked->path : type->path(asked->pool);

    rounds->open++;
    asked->fetch = fetch_get(rounds->control, asked->endpoint->origin, slice_str(path),
                             slice_str(asked->pool->authorization), type->answer_bytes,
                             type->timeout_ms(asked->pool), on_answer, asked);
}

static void ask_waiting(struct rounds *rounds)
{
    unsigned at_once = rounds->type->at_once ? rounds->type->at_once : UINT_MAX;
    struct list *first;

    while (rounds->open < at_once && (first = list_pop(&rounds->waiting)))
        ask(CONTAINER_OF(first, struct asked, turn));
}

static void on_due(struct timer *timer)
{
    struct asked *asked = CONTAINER_OF(timer, struct asked, due);

    list_push(&asked->rounds->waiting, &asked->turn);
    ask_waiting(asked->rounds);
}

static void asked_free(struct asked *asked)
{
    struct rounds *rounds = asked->rounds;

    if (rounds->type->on_gone)
        rounds->type->on_gone(rounds->user, asked);
    if (asked->fetch)
        rounds->open--;
    fetch_cancel(asked->fetch);
    timer_clear(&asked->due);
    list_remove(&asked->link);
    list_remove(&asked->turn);
    endpoint_state_unref(asked->state);
    free(asked);
}

static void free_all(struct list *list)
{
    LIST_FOREACH_SAFE (at, list)
        asked_free(CONTAINER_OF(at, struct asked, link));
}

struct rounds *rounds_new(struct worker *control, const struct rounds_type *type, void *user)
{
    struct rounds *rounds = xcalloc(1, sizeof(*rounds));

    rounds->control = control;
    rounds->type = type;
    rounds->user = user;
    rounds->random = clock_now_us(); /* nobody gains by foretelling it */
    list_init(&rounds->all);
    list_init(&rounds->waiting);
    return rounds;
}

void rounds_free(struct rounds *rounds)
{
    if (!rounds)
        return;
    free_all(&rounds->all);
    fleet_unref(rounds->fleet);
    free(rounds);
}

/* Of those that were asked in the fleet before, by state: a list would be walked once for each
 * endpoint of the next. */
static struct slice state_key(struct endpoint_state *const *state)
{
    return slice_of((const char *)state, sizeof(*state));
}

static void index_all(const struct rounds *rounds, struct map *before)
{
    map_init(before);
    LIST_FOREACH (at, &rounds->all) {
        struct asked *asked = CONTAINER_OF(at, struct asked, link);

        map_put(before, state_key(&asked->state), asked);
    }
}

static struct asked *asked_new(struct rounds *rounds, struct endpoint_state *state)
{
    struct asked *asked = xcalloc(1, sizeof(*asked));

    asked->rounds = rounds;
    asked->state = endpoint_state_ref(state);
    list_init(&asked->turn);
    timer_init(&asked->due, on_due);
    timer_set(&rounds->control->timers, &asked->due, rounds->control->now_us);
    return asked;
}

static void follow_endpoint(struct rounds *rounds, struct map *before, const struct pool *pool,
                            const struct endpoint *endpoint)
{
    struct asked *asked = map_remove(before, state_key(&endpoint->state));

    if (asked)
        list_remove(&asked->link);
    else
        asked = asked_new(rounds, endpoint->state);
    asked->pool = pool;
    asked->endpoint = endpoint;
    list_push(&rounds->all, &asked->link);
    rounds->count++;
}

void rounds_follow(struct rounds *rounds, struct fleet *fleet)
{
    struct fleet *old = rounds->fleet;
    struct list left;
    struct map before;

    index_all(rounds, &before);
    list_init(&left);
    list_splice(&left, &rounds->all);
    rounds->fleet = fleet_ref(fleet);
    rounds->count = 0;
    for (size_t i = 0; i < fleet->pool_count; i++) {
        const struct pool *pool = &fleet->pools[i];

        for (size_t j = 0; rounds->type->path(pool) && j < pool->count; j++)
            follow_endpoint(rounds, &before, pool, &pool->endpoints[j]);
    }
    map_release(&before);
    free_all(&left); /* `on_gone` may still look at the older fleet */
    fleet_unref(old);
    ask_waiting(rounds);
}

struct asked *rounds_next(struct rounds *rounds, const struct asked *asked)
{
    struct list *next = asked ? asked->link.next : rounds->all.next;

    return next == &rounds->all ? NULL : CONTAINER_OF(next, struct asked, link);
}

size_t rounds_count(const struct rounds *rounds)
{
    return rounds->count;
}

const struct fleet *rounds_fleet(const struct rounds *rounds)
{
    return rounds->fleet;
}
