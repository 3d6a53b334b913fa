/*
 * Step 5, version: the model's version, and the body as its engine is to get it.
 */
#include "gateway/proxy/exchange.h"

#include "routing/router.h"

static const struct reason *choose_version(struct exchange *x)
{
    x->version = router_version(x->model, x->client->head, exchange_random(x->worker->exchanges));
    if (!x->version)
        return &reason_no_endpoint;
    if (x->dialect && x->dialect->answered_here)
        return NULL;
    return router_opens(x->fleet, x->model, x->version, x->path) ? NULL : &reason_not_found;
}

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

static const struct step *run(struct exchange *x)
{
    const struct reason *reason = choose_version(x);

    if (reason)
        return exchange_fail(x, reason);
    splice_body(x);
    return &step_tokens;
}

const struct step step_version = { "version", run };
