/*
 * Attempts: from wanting a connection to the end of the answer.
 */
#include "gateway/upstream/attempt.h"

static void attempt_on_stream_event(struct stream *stream, void *user)
{
    struct attempt *attempt = user;

    (void)stream;
    attempt->on_event(attempt);
}

static const struct stream_events attempt_stream_events = { .on_event = attempt_on_stream_event };

/* Hands the request to the connection; head and body leave in one write at the end of the turn. */
static void attempt_send(struct attempt *attempt, struct stream *stream)
{
    attempt->stream = stream;
    stream->events = &attempt_stream_events;
    stream->user = attempt;
    buf_share(&stream->out, attempt->body);
    stream_send_head(stream, attempt->request);
    if (!attempt->request->has_body)
        return;
    if (!buf_is_empty(attempt->body))
        stream_send(stream);
    if (attempt->body_complete)
        stream_send_end(stream, NULL);
}

static void attempt_on_stream(struct pool_waiter *waiter, struct stream *stream)
{
    struct attempt *attempt = CONTAINER_OF(waiter, struct attempt, waiter);

    attempt_send(attempt, stream);
    attempt->on_event(attempt);
}

static void attempt_on_failed(struct pool_waiter *waiter, const struct reason *reason)
{
    struct attempt *attempt = CONTAINER_OF(waiter, struct attempt, waiter);

    attempt->reason = reason;
    attempt->on_event(attempt);
}

static void attempt_connect(struct attempt *attempt)
{
    struct stream *stream = pool_get(attempt->worker, attempt->origin, &attempt->waiter);

    if (stream)
        attempt_send(attempt, stream);
}

void attempt_start(struct attempt *attempt, struct worker *worker, struct origin *origin,
                   struct arena *arena, const struct message *request, const struct buf *body,
                   bool body_complete, void (*on_event)(struct attempt *attempt))
{
    *attempt = (struct attempt){
        .worker = worker,
        .origin = origin_ref(origin),
        .waiter = { .arena = arena,
                    .on_stream = attempt_on_stream,
                    .on_failed = attempt_on_failed },
        .body_complete = body_complete,
        .body_kept = true,
        .request = request,
        .body = body,
        .on_event = on_event,
    };
    list_init(&attempt->waiter.link);
    attempt_connect(attempt);
}

/* Whether the engine cannot have looked at the request, so that it may be sent again. */
static bool attempt_may_refresh(const struct attempt *attempt)
{
    const struct stream *stream = attempt->stream;

    return stream->reason->retry == REASON_RETRY_FRESH && stream->reused_conn && !stream->head &&
           !attempt->refreshed && attempt->body_kept;
}

void attempt_advance(struct attempt *attempt)
{
    struct stream *stream = attempt->stream;

    if (!stream || !stream->closed || attempt->reason)
        return;
    if (!attempt_may_refresh(attempt)) {
        attempt->reason = stream->reason;
        return;
    }
    stream_release(stream);
    attempt->stream = NULL;
    attempt->refreshed = true;
    attempt->waiter.fresh_only = true;
    attempt_connect(attempt);
}

void attempt_release(struct attempt *attempt, const struct reason *reason)
{
    if (!attempt_is_active(attempt))
        return;
    pool_cancel(&attempt->waiter);
    if (attempt->stream) {
        attempt->stream->events = NULL;
        if (!attempt->stream->closed)
            stream_reset(attempt->stream, reason);
        stream_release(attempt->stream);
    }
    origin_unref(attempt->origin);
    *attempt = (struct attempt){ 0 };
}
