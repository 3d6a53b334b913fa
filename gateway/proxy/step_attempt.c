/*
 * Step 8, attempt: the request is sent to the chosen endpoint, until its answer begins or it fails.
 */
#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "routing/orca.h"

#include <stdlib.h>

/* Fields the endpoint gets from us, or not at all. */
static bool is_replaced(const struct field *field, const void *what)
{
    const struct exchange *x = what;

    switch (field->id) {
    case FIELD_accept_encoding: /* what is read must come readable (J-09) */
        return x->inspected;
    case FIELD_authorization:
        return x->version->pool->authorization != NULL;
    case FIELD_load_metrics_format:
    case FIELD_x_sluice_class:
    case FIELD_x_sluice_endpoint:
    case FIELD_x_sluice_explain:
        return true;
    default:
        return false;
    }
}

/* Streams do not carry it. */
static bool asks_for_load(const struct exchange *x)
{
    const struct pool *pool = x->version->pool;

    return !x->streams && pool->conf->metrics->active && orca_is_offered(pool->engine);
}

/*
 * The fields as every endpoint of the pool gets them. Done in place, before the first try: nobody
 * asks for what the client sent any more.
 */
static void edit_fields(struct exchange *x)
{
    struct message *request = x->client->head;
    const char *authorization = x->version->pool->authorization;

    message_remove_where(request, is_replaced, x);
    if (authorization)
        message_put(request, FIELD_authorization, slice_str(authorization));
    if (asks_for_load(x))
        message_put(request, FIELD_load_metrics_format, SLICE(ORCA_FORMAT));
}

/* Written anew for every endpoint: the arena's limit has room for one target, and grows with it. */
static struct slice prefixed_path(struct exchange *x, const char *prefix)
{
    struct slice path = x->client->head->path;

    x->arena->limit_bytes += strlen(prefix) + path.len;
    return arena_printf(x->arena, "%s%.*s", prefix, SLICE_ARGS(path));
}

/* The request as this endpoint is to get it; the fields are shared. */
static struct message *make_request(struct exchange *x)
{
    const struct message *from = x->client->head;
    const struct origin *origin = x->endpoint->origin;
    struct message *to = arena_alloc(x->arena, sizeof(*to));

    *to = *from;
    to->scheme = origin->scheme;
    to->authority = slice_str(origin->authority);
    if (origin->prefix[0])
        to->path = prefixed_path(x, origin->prefix);
    to->length = x->body_complete ? x->sent.len : from->length;
    return to;
}

static void on_event(struct attempt *attempt)
{
    exchange_wake(CONTAINER_OF(attempt, struct exchange, attempt));
}

static void start(struct exchange *x)
{
    uint64_t now_us = x->worker->now_us;

    if (!x->request) {
        edit_fields(x);
        metric_observe(x->worker->metrics, METRIC_ID_overhead_seconds,
                       (double)(now_us - x->body_us - x->held_us) / CLOCK_US_PER_S);
    }
    x->tried[x->tries++] = x->endpoint;
    x->sent_us = now_us;
    x->request = make_request(x);
    prediction_sent(x);
    attempt_start(&x->attempt, x->worker, x->endpoint->origin, x->arena, x->request, &x->sent,
                  x->body_complete, on_event);
    exchange_arm(x);
}

void exchange_forget_body(struct exchange *x)
{
    x->body_replayable = x->attempt.body_kept = false;
    buf_release(&x->body);
    buf_release(&x->sent);
    free(x->prompt);
    x->prompt = NULL;
}

/* Hands on what has come since, and keeps it while that is little. */
static void push(struct exchange *x, struct stream *from, struct stream *to)
{
    if (x->body_replayable && x->sent.len + from->in.len > EXCHANGE_KEEP_BYTES)
        exchange_forget_body(x);
    if (x->body_replayable)
        buf_share(&x->sent, &from->in);
    if (!buf_is_empty(&from->in)) {
        buf_move(&to->out, &from->in, from->in.len);
        stream_send(to);
    }
    if (from->in_ended) {
        x->body_complete = x->attempt.body_complete = true;
        stream_send_end(to, from->in_trailers);
    } else {
        stream_took(from);
        exchange_arm(x);
    }
}

const struct reason *exchange_push_body(struct exchange *x)
{
    struct stream *to = x->attempt.stream;

    if (x->body_complete || !to || to->closed || to->out.len >= STREAM_OUT_HIGH)
        return NULL;
    if (x->client->in_bytes > x->peer->server->listener->limits->body)
        return &reason_body_too_large;
    push(x, x->client, to);
    return NULL;
}

/* Statuses that another endpoint may well not give: it is broken, starting, or has no room. */
static bool is_retryable(unsigned status)
{
    return status == 500 || (status >= 502 && status <= 504) || status == 429;
}

static const struct step *run(struct exchange *x)
{
    struct attempt *attempt = &x->attempt;
    const struct reason *reason;
    const struct step *retry;

    if (x->reason)
        return exchange_fail(x, x->reason);
    if (!attempt_is_active(attempt))
        start(x);
    attempt_advance(attempt);
    reason = exchange_push_body(x);
    if (reason)
        return exchange_fail(x, reason);
    if (attempt->stream && attempt->stream->head) {
        if (attempt->stream->head->status < 500)
            pool_note_answer(x->version->pool->state);
        if (is_retryable(attempt->stream->head->status) &&
            (retry = exchange_retry(x, &reason_endpoint_status)))
            return retry;
        return &step_relay;
    }
    if (!attempt->reason)
        return NULL;
    retry = exchange_retry(x, attempt->reason);
    return retry ? retry : exchange_fail(x, attempt->reason);
}

const struct step step_attempt = { "attempt", run };
