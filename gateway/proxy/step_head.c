/*
 * Step 1, head: whose API this is, and which fleet the exchange is born with.
 */
#include "gateway/proxy/exchange.h"

static const struct step *run(struct exchange *x)
{
    struct message *request = x->client->head;

    x->fleet = fleet_ref(fleet_view_get(x->worker->fleet_view));
    x->path = slice_head(request->path, slice_find(request->path, '?'));
    x->dialect = dialect_find(request->method, x->path);
    x->inspected = x->dialect && x->fleet->inspect;
    return &step_admit;
}

const struct step step_head = { "head", run };
