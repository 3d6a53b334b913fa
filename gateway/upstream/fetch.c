/*
 * The gateway's own small requests.
 */
#include "gateway/upstream/fetch.h"

#include "gateway/base/clock.h"

#include <stdlib.h>

#define FETCH_ARENA_BYTES (256 * 1024)

struct fetch {
    struct worker *worker;
    struct arena arena;
    struct message request;
    struct buf body; /* none is sent */
    struct buf answer;
    struct attempt attempt;
    struct timer deadline;
    struct defer wake;
    fetch_fn *done;
    void *user;
};

static void fetch_free(struct fetch *fetch)
{
    attempt_release(&fetch->attempt, &reason_cancelled);
    timer_clear(&fetch->deadline);
    defer_cancel(&fetch->wake);
    buf_release(&fetch->answer);
    arena_release(&fetch->arena);
    free(fetch);
}

static void fetch_finish(struct fetch *fetch, const struct reason *reason)
{
    const struct stream *stream = fetch->attempt.stream;
    unsigned status = !reason && stream ? stream->head->status : 0;

    fetch->done(fetch->user, reason, status, buf_join(&fetch->answer));
    fetch_free(fetch);
}

static void fetch_wake(struct defer *defer)
{
    struct fetch *fetch = CONTAINER_OF(defer, struct fetch, wake);
    struct attempt *attempt = &fetch->attempt;

    attempt_advance(attempt);
    if (attempt->stream && attempt->stream->head) {
        buf_move(&fetch->answer, &attempt->stream->in, buf_room(&fetch->answer));
        if (attempt->stream->in_ended || buf_room(&fetch->answer) == 0) {
            fetch_finish(fetch, NULL);
            return;
        }
        stream_took(attempt->stream);
    }
    if (attempt->reason)
        fetch_finish(fetch, attempt->reason);
}

static void fetch_on_event(struct attempt *attempt)
{
    struct fetch *fetch = CONTAINER_OF(attempt, struct fetch, attempt);

    worker_defer(fetch->worker, WORKER_WAKE, &fetch->wake);
}

static void fetch_on_deadline(struct timer *timer)
{
    fetch_finish(CONTAINER_OF(timer, struct fetch, deadline), &reason_first_token_timeout);
}

struct fetch *fetch_get(struct worker *worker, struct origin *origin, struct slice path,
                        struct slice authorization, size_t limit_bytes, unsigned timeout_ms,
                        fetch_fn *done, void *user)
{
    struct fetch *fetch = xcalloc(1, sizeof(*fetch));

    fetch->worker = worker;
    fetch->done = done;
    fetch->user = user;
    arena_init(&fetch->arena, FETCH_ARENA_BYTES);
    buf_init(&fetch->body, 0);
    buf_init(&fetch->answer, limit_bytes);
    timer_init(&fetch->deadline, fetch_on_deadline);
    defer_init(&fetch->wake, fetch_wake);
    message_init(&fetch->request, &fetch->arena);
    fetch->request.method = SLICE("GET");
    fetch->request.scheme = origin->scheme;
    fetch->request.authority = slice_str(origin->authority);
    fetch->request.path = arena_printf(&fetch->arena, "%s%.*s", origin->prefix, SLICE_ARGS(path));
    fetch->request.length = 0;
    message_put_other(&fetch->request, SLICE("user-agent"), SLICE("sluice/" SLUICE_VERSION));
    if (authorization.len)
        message_put(&fetch->request, FIELD_authorization, arena_copy(&fetch->arena, authorization));
    timer_set(&worker->timers, &fetch->deadline, worker->now_us + timeout_ms * CLOCK_US_PER_MS);
    attempt_start(&fetch->attempt, worker, origin, &fetch->arena, &fetch->request, &fetch->body,
                  true, fetch_on_event);
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch)
        fetch_free(fetch);
}
