/*
 * Step 1, head: whose API this is, and which fleet the exchange is born with.
 */
#include "gateway/proxy/exchange.h"

#include "gateway/proxy/own.h"

static bool method_is_ours(struct slice method)
{
    return !slice_eq(method, SLICE("CONNECT")) && !slice_eq(method, SLICE("TRACE"));
}

/* A path no dialect has: under /v1 the model "*" may take it, unless it steers engines. */
static const struct reason *refuse_unknown(const struct exchange *x)
{
    struct slice method = x->client->head->method;

    if (!method_is_ours(method) || dialect_knows_path(x->path))
        return &reason_method_not_allowed;
    if (x->fleet->catch_all && slice_starts(x->path, SLICE("/v1/")) &&
        !engine_path_is_admin(x->path))
        return NULL;
    return &reason_not_found;
}

static const struct step *run(struct exchange *x)
{
    struct message *request = x->client->head;
    const struct reason *refused;

    x->fleet = fleet_ref(fleet_view_get(x->worker->fleet_view));
    x->path = slice_head(request->path, slice_find(request->path, '?'));
    x->dialect = dialect_find(request->method, x->path);
    x->inspected = x->dialect && x->fleet->inspect;
    if (x->dialect || own_answers(request->method, x->path))
        return &step_admit;
    refused = refuse_unknown(x);
    return refused ? exchange_fail(x, refused) : &step_admit;
}

const struct step step_head = { "head", run };
