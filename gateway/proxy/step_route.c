/*
 * Step 7, route: an endpoint of the version's pool; or waiting until one has room, or answers at
 * all.
 */
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/explanation.h"
#include "routing/explain.h"
#include "routing/router.h"

struct decide_call exchange_decide_call(const struct exchange *x)
{
    const struct pool *pool = x->version->pool;
    struct slice name = router_listed_name(x->version, x->model_name);

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
        .holdings = x->worker->holdings,
        .prompt = prediction_prompt(x),
        .keys_exact = x->prediction.keys_exact,
        .room = DECIDE_ROOM_OF_BEST,
    };
}

/* By itself, where nobody waits who could want the same place. */
static const struct step *choose_endpoint(struct exchange *x)
{
    struct decision *decision = x->worker->exchanges->decision;
    struct decide_call call = exchange_decide_call(x);
    enum decide_outcome outcome = DECIDE_WAIT;
    const struct endpoint *endpoint;
    struct share_place place;

    if (!waiting_has_others(x) && !x->none_answered) {
        outcome = decide(decision, &call, &endpoint, &x->choice);
        if (x->filter.explain)
            explanation_take(x, explain_text(decision, &call, outcome));
    }
    if (outcome == DECIDE_CHOSEN && share_keep(&call, endpoint, &x->choice, &place)) {
        share_begin(x, endpoint, &place);
        return &step_attempt;
    }
    if (outcome == DECIDE_NONE && !waiting_is_for_first(x))
        return exchange_fail(x, &reason_no_endpoint);
    waiting_begin(x);
    return NULL;
}

static const struct step *run(struct exchange *x)
{
    const struct reason *reason = x->reason;
    enum waiting waiting;

    if (reason) {
        waiting_end(x);
        return exchange_fail(x, reason);
    }
    waiting = waiting_look(x, &reason);
    switch (waiting) {
    case WAITING_STILL:
        return NULL;
    case WAITING_GO:
        return &step_attempt;
    case WAITING_REFUSED:
        return exchange_fail(x, reason);
    case WAITING_AGAIN:
        waiting_begin(x);
        return NULL;
    case WAITING_NOT:
        break;
    }
    return choose_endpoint(x);
}

const struct step step_route = { "route", run };
