/*
 * Step 7, route: an endpoint of the version's pool; or waiting until one has room.
 */
#include "gateway/proxy/exchange.h"

static void wait_for_room(struct exchange *x)
{
    if (!list_is_linked(&x->room_link))
        x->queued_us = x->worker->now_us;
    room_wait(&x->worker->exchanges->room, x);
    exchange_arm(x);
}

static const struct step *choose_endpoint(struct exchange *x)
{
    struct decide_call call = {
        .pool = x->version->pool,
        .now_us = x->worker->now_us,
        .tried = x->tried,
        .tried_count = x->tries,
        .pin = x->filter.pin,
    };
    enum decide_outcome outcome = DECIDE_WAIT;
    const struct endpoint *endpoint;

    if (!room_has_others_first(&x->worker->exchanges->room, x))
        outcome = decide(&call, &endpoint, &x->choice);
    if (outcome == DECIDE_CHOSEN && endpoint_enter(endpoint, call.pool->conf->concurrency)) {
        x->endpoint = endpoint;
        x->counted = true;
        room_leave(x);
        return &step_attempt;
    }
    if (outcome == DECIDE_NONE) {
        room_leave(x);
        return exchange_fail(x, &reason_no_endpoint);
    }
    wait_for_room(x);
    return NULL;
}

static const struct step *run(struct exchange *x)
{
    if (!x->reason)
        return choose_endpoint(x);
    room_leave(x);
    return exchange_fail(x, x->reason);
}

const struct step step_route = { "route", run };
