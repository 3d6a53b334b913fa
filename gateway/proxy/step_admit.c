/*
 * Step 2, admit: the filters, and what can be refused before the body is looked at.
 */
#include "gateway/proxy/exchange.h"

#include "gateway/proxy/own.h"

/* Bodies that are read must be readable: no coding but identity (J-08). */
static bool is_coded(const struct message *request)
{
    struct slice coding = message_value(request, FIELD_content_encoding);

    return coding.len > 0 && !slice_ieq(coding, SLICE("identity"));
}

static bool method_is_ours(struct slice method)
{
    return !slice_eq(method, SLICE("CONNECT")) && !slice_eq(method, SLICE("TRACE"));
}

/* Nobody's dialect: a method that does not fit the path, or a path that does not exist. */
static const struct reason *why_nobodys(const struct exchange *x)
{
    if (!method_is_ours(x->client->head->method) || dialect_knows_path(x->path))
        return &reason_method_not_allowed;
    return &reason_not_found;
}

static const struct reason *admit(struct exchange *x)
{
    struct message *request = x->client->head;
    const struct listener_limits_conf *limits = x->peer->server->listener->limits;

    if (!x->dialect)
        return why_nobodys(x);
    if (x->dialect->answered_here && !x->inspected)
        return &reason_not_found;
    if (engine_path_is_admin(x->path))
        return &reason_not_found;
    if (request->length != MESSAGE_LENGTH_UNKNOWN && request->length > limits->body)
        return &reason_body_too_large;
    if (x->inspected && is_coded(request))
        return &reason_bad_coding;
    return NULL;
}

static const struct step *run(struct exchange *x)
{
    const struct reason *reason;

    x->filter.request = x->client->head;
    x->filter.peer = &x->peer->server->peer;
    x->filter.address = client_address(x->peer);
    x->filter.random = exchange_random(x->worker->exchanges);
    reason = filters_on_request(&x->filter);
    if (reason) {
        x->param = x->filter.param;
        return exchange_fail(x, reason);
    }
    if (own_answers(x->client->head->method, x->path))
        return &step_reply;
    reason = admit(x);
    return reason ? exchange_fail(x, reason) : &step_body;
}

const struct step step_admit = { "admit", run };
