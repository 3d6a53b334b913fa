/*
 * The engine of exchanges: begins them, wakes them, moves them step by step, watches their
 * deadlines.
 */
#include "gateway/proxy/exchange.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/base/random.h"
#include "gateway/proxy/home.h"
#include "routing/hold_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define EXCHANGE_MAGIC 0x65786368

/* An exchange that moves more often than this in one turn runs in a circle. */
#define EXCHANGE_MOVES_MAX 64

/* On top of what the codec gave the stream's arena: answers' heads, names, ids. */
#define EXCHANGE_ARENA_BYTES (1024 * 1024)

static void exchange_run(struct exchange *x);

/* ---- a worker's exchanges ---- */

struct exchanges *exchanges_new(struct worker *worker, uint64_t prefix_seed)
{
    struct exchanges *exchanges = xcalloc(1, sizeof(*exchanges));

    exchanges->worker = worker;
    exchanges->tally = tally_new(worker->metrics);
    exchanges->pipeline = pipeline_new();
    exchanges->prefix_seed = prefix_seed;
    exchanges->decision = decision_new();
    exchanges->home = home_new(worker);
    list_init(&exchanges->active);
    CHECK(getrandom(&exchanges->random, sizeof(exchanges->random), 0) ==
          (ssize_t)sizeof(exchanges->random));
    return exchanges;
}

void exchanges_free(struct exchanges *exchanges)
{
    if (!exchanges)
        return;
    CHECK(list_is_empty(&exchanges->active));
    home_free(exchanges->home);
    decision_free(exchanges->decision);
    pipeline_free(exchanges->pipeline);
    tally_free(exchanges->tally);
    free(exchanges);
}

void exchanges_meet(struct exchanges *exchanges, struct worker *const *workers, unsigned count)
{
    exchanges->peers = workers;
    exchanges->peer_count = count;
}

uint64_t exchange_random(struct exchanges *exchanges)
{
    return random_next(&exchanges->random);
}

/* ---- waking and moving ---- */

void exchange_wake(struct exchange *x)
{
    worker_defer(x->worker, WORKER_WAKE, &x->wake);
}

static void exchange_on_wake(struct defer *defer)
{
    struct exchange *x = CONTAINER_OF(defer, struct exchange, wake);

    check_subject(&x->subject);
    exchange_run(x); /* it may be gone afterwards */
    check_subject(NULL);
}

static void exchange_on_client_event(struct stream *stream, void *user)
{
    (void)stream;
    exchange_wake(CAST(struct exchange, user, EXCHANGE_MAGIC));
}

static const struct stream_events exchange_client_events = { .on_event = exchange_on_client_event };

/* The client left, or its connection broke, before the exchange was over. */
static bool exchange_lost_client(const struct exchange *x)
{
    return (x->client->closed || x->client->peer_gone) && x->step != &step_finish;
}

/* The one loop that moves exchanges, and the only place that writes x->step. */
static void exchange_run(struct exchange *x)
{
    const struct step *next;

    if (exchange_lost_client(x)) {
        const struct reason *reason = x->client->reason;

        x->reason = x->reason                          ? x->reason
                    : reason && reason != &reason_done ? reason
                                                       : &reason_client_gone;
        x->step = &step_finish;
    }
    for (int moves = 0; (next = x->step->run(x)); moves++) {
        CHECK(moves < EXCHANGE_MOVES_MAX);
        x->step = next;
    }
}

static void exchange_subject(const struct log_subject *subject, char *text, size_t size)
{
    const struct exchange *x = CONTAINER_OF(subject, struct exchange, subject);

    snprintf(text, size, "exchange %.*s client %.*s%s%s", SLICE_ARGS(x->filter.request_id),
             SLICE_ARGS(client_address(x->peer)), x->endpoint ? " endpoint " : "",
             x->endpoint ? x->endpoint->name : "");
}

/* ---- deadlines ---- */

struct due {
    uint64_t at_us;
    const struct reason *reason;
};

static void due_add(struct due *due, uint64_t from_us, uint64_t after_ms,
                    const struct reason *reason)
{
    uint64_t at_us = from_us + after_ms * CLOCK_US_PER_MS;

    if (from_us > 0 && at_us < due->at_us)
        *due = (struct due){ at_us, reason };
}

/* A second for each 16 KB on top of the listener's time: half of what a slow modem gives. */
#define BODY_BYTES_PER_S (16 * 1024)

/* The client is slower than the endpoint, which is kept waiting. */
static bool is_blocked(const struct exchange *x)
{
    return x->attempt.stream && !buf_is_empty(&x->attempt.stream->in);
}

/* A body still comes, and nobody but the client holds it up. */
static bool waits_for_body(const struct exchange *x)
{
    const struct stream *to = x->attempt.stream;

    return x->step == &step_body || (!x->body_complete && to && to->out.len < STREAM_OUT_HIGH);
}

static struct due exchange_due(const struct exchange *x)
{
    const struct timeouts_conf *timeouts = x->version ? x->version->pool->conf->timeouts : NULL;
    struct due due = { UINT64_MAX, NULL };

    if (waits_for_body(x))
        due_add(&due, x->sent_us ? x->sent_us : x->begun_us,
                x->peer->server->listener->timeouts->body +
                    x->client->in_bytes * 1000 / BODY_BYTES_PER_S,
                &reason_body_timeout);
    if (x->step == &step_reply && !x->committed)
        due_add(&due, x->begun_us, EXCHANGE_REPLY_WAIT_MS, &reason_body_timeout);
    if (!timeouts || x->step == &step_reply || x->step == &step_finish)
        return due;
    due_add(&due, x->begun_us, timeouts->total, &reason_total_timeout);
    if (x->step == &step_route && x->cold_us)
        due_add(&due, x->cold_us, hold_limits(x->fleet->conf)->cold_start, &reason_no_endpoint);
    else if (x->step == &step_route)
        due_add(&due, x->queued_us, timeouts->queue, &reason_queue_timeout);
    else if (x->streams && !x->first_content_us)
        due_add(&due, x->sent_us, timeouts->first_token, &reason_first_token_timeout);
    else if (x->streams && !x->reader.terminal_seen)
        due_add(&due, is_blocked(x) ? x->worker->now_us : x->last_content_us, timeouts->idle,
                &reason_idle_timeout);
    return due;
}

void exchange_arm(struct exchange *x)
{
    struct due due = exchange_due(x);

    if (due.reason && (!timer_is_set(&x->deadline) || due.at_us < x->deadline.deadline_us))
        timer_set(&x->worker->timers, &x->deadline, due.at_us);
}

static void exchange_on_deadline(struct timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, deadline);
    struct due due = exchange_due(x);

    if (!due.reason || due.at_us > x->worker->now_us) {
        exchange_arm(x);
        return;
    }
    if (x->attempt.origin && !x->attempt.reason && due.reason->retry != REASON_RETRY_NEVER)
        x->attempt.reason = due.reason;
    else if (x->step != &step_reply)
        x->reason = x->reason ? x->reason : due.reason;
    exchange_wake(x);
}

/* ---- beginning and ending ---- */

void exchange_start(struct client *client, struct stream *stream)
{
    struct worker *worker = client->conn->transport.worker;
    struct exchanges *exchanges = worker->exchanges;
    struct exchange *x;

    stream->arena->limit_bytes += EXCHANGE_ARENA_BYTES;
    x = arena_zalloc(stream->arena, sizeof(*x));
    MAGIC_SET(x, EXCHANGE_MAGIC);
    x->subject.print = exchange_subject;
    x->worker = worker;
    x->peer = client;
    x->client = stream;
    x->arena = stream->arena;
    x->step = &step_head;
    x->begun_us = worker->now_us;
    x->begun_wall_us = worker->wall_us;
    x->body_replayable = true;
    buf_init(&x->body, SIZE_MAX);
    buf_init(&x->sent, SIZE_MAX);
    buf_init(&x->ready, SIZE_MAX);
    defer_init(&x->wake, exchange_on_wake);
    timer_init(&x->deadline, exchange_on_deadline);
    share_init(&x->share);
    timer_init(&x->comment, keepalive_on_due);
    list_push(&exchanges->active, &x->link);
    metric_add(worker->metrics, METRIC_ID_exchanges_started, 1);
    metric_add(worker->metrics, METRIC_ID_exchanges_active, 1);
    stream->events = &exchange_client_events;
    stream->user = x;
    exchange_wake(x);
}

const struct step *exchange_fail(struct exchange *x, const struct reason *reason)
{
    x->reason = x->reason ? x->reason : reason;
    if (x->opened && !x->committed && x->reason->status > 0)
        (void)exchange_end_stream(x, x->reason);
    if (x->opened)
        return &step_finish;
    return x->reason->status > 0 && !x->committed ? &step_reply : &step_finish;
}

void exchanges_close(struct exchanges *exchanges)
{
    home_close(exchanges->home);
}

void exchanges_end(struct exchanges *exchanges, const struct reason *reason)
{
    LIST_FOREACH (at, &exchanges->active) {
        struct exchange *x = CONTAINER_OF(at, struct exchange, link);

        x->reason = x->reason ? x->reason : reason;
        exchange_wake(x);
    }
}

static void print_choice(const struct choice *choice, struct buf *out)
{
    buf_printf(out, " policy %s considered %u", choice->policy, choice->considered);
    for (uint32_t i = 0; i < choice->screen_count; i++)
        buf_printf(out, " dropped_by_%s %u", choice->screens[i].name, choice->screens[i].dropped);
    if (choice->priced)
        buf_printf(out, " price_s %.6f prefill_s %.6f predicted_cached_tokens %u", choice->price_s,
                   choice->prefill_s, choice->cached_tokens);
}

void exchange_print(const struct exchange *x, struct buf *out)
{
    uint64_t now_us = x->worker->now_us;

    buf_printf(
        out,
        "%.*s step %s age_ms %llu client %.*s %.*s %.*s model %s pool %s endpoint %s tries %u "
        "body_bytes %zu in_bytes %llu out_bytes %llu ready_bytes %zu committed %d",
        SLICE_ARGS(x->filter.request_id), x->step->name,
        (unsigned long long)((now_us - x->begun_us) / CLOCK_US_PER_MS),
        SLICE_ARGS(client_address(x->peer)), SLICE_ARGS(x->client->head->method),
        SLICE_ARGS(x->path), x->model ? x->model->name : "-",
        x->version ? x->version->pool->name : "-", x->endpoint ? x->endpoint->name : "-", x->tries,
        x->body.len, (unsigned long long)x->client->in_bytes,
        (unsigned long long)x->client->out_bytes, x->ready.len, x->committed);
    if (x->endpoint)
        print_choice(&x->choice, out);
    if (x->reader.usage.known & ANSWER_USAGE_CACHED)
        buf_printf(out, " cached_tokens %llu", (unsigned long long)x->reader.usage.cached);
    buf_add(out, SLICE("\n"));
}

void exchanges_print(const struct worker *worker, size_t max, struct buf *out)
{
    struct list *active = &worker->exchanges->active;
    size_t n = 0;

    LIST_FOREACH (at, active)
        if (n++ < max)
            exchange_print(CONTAINER_OF(at, struct exchange, link), out);
    if (n > max)
        buf_printf(out, "worker %u: %zu more\n", worker->index, n - max);
}
