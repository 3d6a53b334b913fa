/*
 * Step 1, head: whose API this is, and which fleet the exchange is born with.
 */
#include "gateway/proxy/exchange.h"

#include "gateway/proxy/own.h"

static bool method_is_ours(struct slice method)
{
    return !slice_eq(method, SLICE("CONNECT")) && !slice_eq(method, SLICE("TRACE"));
}

/*
 * A path no dialect has, or that steers engines, which a dialect's wildcard must not let through:
 * under /v1 the model "*" may take the former.
 */
static const struct reason *refuse(const struct exchange *x)
{
    struct slice method = x->client->head->method;

    if (!method_is_ours(method))
        return &reason_method_not_allowed;
    if (engine_path_is_admin(x->path))
        return &reason_not_found;
    if (x->dialect || own_answers(method, x->path))
        return NULL;
    if (dialect_knows_path(x->path))
        return &reason_method_not_allowed;
    return x->fleet->catch_all && slice_starts(x->path, SLICE("/v1/")) ? NULL : &reason_not_found;
}

static const struct step *run(struct exchange *x)
{
    struct message *request = x->client->head;
    const struct reason *refused;

    x->fleet = fleet_ref(fleet_view_get(x->worker->fleet_view));
    x->path = slice_head(request->path, slice_find(request->path, '?'));
    x->dialect = dialect_find(request->method, x->path);
    x->inspected = x->dialect && x->fleet->inspect;
    refused = refuse(x);
    return refused ? exchange_fail(x, refused) : &step_admit;
}

const struct step step_head = { "head", run };
