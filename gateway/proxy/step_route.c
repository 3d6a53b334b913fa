/*
 * Step 7, route: an endpoint of the version's pool; or waiting until one has room.
 */
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/explanation.h"
#include "routing/explain.h"
#include "routing/router.h"

struct decide_call exchange_decide_call(const struct exchange *x)
{
    const struct pool *pool = x->version->pool;
    struct slice name = x->version->model.len > 0 ? x->version->model : x->model_name;

    return (struct decide_call){
        .pool = pool,
        .now_us = x->worker->now_us,
        .tried = x->tried,
        .tried_count = x->tries,
        .pin = x->filter.pin,
        .model = name.len > 0 ? adapter_key(name) : 0,
        .session = router_session(pool->conf->sticky, x->client->head),
        .tokens = prediction_tokens(&x->prediction),
        .output = prediction_output(x->version, x->prompt),
        .keys = &x->prediction.keys,
        .keys_exact = x->prediction.keys_exact,
        .room = DECIDE_ROOM_IGNORED,
    };
}

static void wait_for_room(struct exchange *x)
{
    if (!list_is_linked(&x->room_link))
        x->queued_us = x->worker->now_us;
    room_wait(&x->worker->exchanges->room, x);
    exchange_arm(x);
}

static const struct step *choose_endpoint(struct exchange *x)
{
    struct exchanges *exchanges = x->worker->exchanges;
    struct decide_call call = exchange_decide_call(x);
    enum decide_outcome outcome = DECIDE_WAIT;
    const struct endpoint *endpoint;

    if (!room_has_others_first(&exchanges->room, x)) {
        outcome = decide(exchanges->decision, &call, &endpoint, &x->choice);
        if (x->filter.explain)
            explanation_take(x, explain_text(exchanges->decision, &call, outcome));
    }
    if (outcome == DECIDE_CHOSEN && endpoint_enter(endpoint, call.pool->conf->concurrency)) {
        x->endpoint = endpoint;
        x->counted = true;
        share_begin(x);
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
