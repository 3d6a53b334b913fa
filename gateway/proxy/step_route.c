/*
 * Step 5, route: the model's version, and an endpoint of its pool; or waiting until one has room.
 */
#include "gateway/proxy/exchange.h"

#include "routing/router.h"

/* Whether this path of the version's engine may be reached. */
static bool is_open(const struct exchange *x)
{
    const struct engine_type *engine = x->version->pool->engine;

    return x->model == x->fleet->catch_all ? engine_allows_unlisted(engine, x->path)
                                           : engine_allows(engine, x->path);
}

static const struct reason *choose_version(struct exchange *x)
{
    x->version = router_version(x->model, x->client->head, exchange_random(x->worker->exchanges));
    if (!x->version)
        return &reason_no_endpoint;
    if (!is_open(x))
        return &reason_not_found;
    router_pay_budget(x->version->pool);
    return NULL;
}

/* The body as the version's engine is to get it. */
static void splice_body(struct exchange *x)
{
    struct slice name = x->version->model;

    if (slice_eq(name, x->model_name))
        name = slice_of(NULL, 0);
    x->usage_added = x->inspected && prompt_wants_usage_added(x->prompt);
    if (x->inspected && x->body.len > 0 && (name.len > 0 || x->usage_added))
        prompt_splice(x->prompt, &x->body, name, x->usage_added, &x->sent);
    else
        buf_share(&x->sent, &x->body);
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
    const struct reason *reason = x->reason;

    if (!reason && !x->version) {
        reason = choose_version(x);
        if (!reason)
            splice_body(x);
    }
    if (!reason)
        return choose_endpoint(x);
    room_leave(x);
    return exchange_fail(x, reason);
}

const struct step step_route = { "route", run };
