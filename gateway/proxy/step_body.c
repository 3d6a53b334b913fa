/*
 * Step 3, body: collected whole, because it must be read before it is known where it goes, and kept
 * for another try. A body nobody reads goes on as soon as a good part of it is here.
 */
#include "gateway/base/held.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/process.h"

/* Unread: up to here it is waited for, so that a small body costs one write and can be sent again.
 */
#define BODY_WAIT_BYTES (64 * 1024)

static const struct reason *collect(struct exchange *x)
{
    struct stream *client = x->client;
    const struct process_conf *process = process_conf(x->peer->server->conf);

    if (x->body.len + client->in.len > x->peer->server->listener->limits->body)
        return &reason_body_too_large;
    if (held_bytes() > process->memory)
        return &reason_memory_limit;
    if (!buf_is_empty(&client->in))
        buf_move(&x->body, &client->in, client->in.len);
    x->body_complete = client->in_ended;
    return NULL;
}

static bool has_enough(const struct exchange *x)
{
    return x->body_complete || (!x->inspected && x->body.len >= BODY_WAIT_BYTES);
}

static const struct step *run(struct exchange *x)
{
    const struct reason *reason;

    if (x->reason)
        return exchange_fail(x, x->reason);
    reason = collect(x);
    if (reason)
        return exchange_fail(x, reason);
    if (!has_enough(x)) {
        stream_took(x->client);
        exchange_arm(x);
        return NULL;
    }
    x->body_us = x->worker->now_us;
    return &step_prompt;
}

const struct step step_body = { "body", run };
