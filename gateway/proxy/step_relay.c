/*
 * Step 9, relay: the answer, verbatim and at once, with back-pressure both ways; a reader looks at
 * a copy.
 *
 * Until the first content event the answer is held, head and role-only events with it, so that
 * another endpoint can still be tried (commit ends that). A whole JSON answer is held until it is
 * complete or grows over the bound. What fails after the commit is said in the stream, in the
 * client's dialect, with no proper end invented.
 */
#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/explanation.h"
#include "routing/orca.h"

/* ---- reading along ---- */

/* What the engine adds of its load; clients do not get it (filters/edge.c). */
static void note_load(const struct exchange *x, const struct message *head)
{
    struct slice value = message_value(head, FIELD_load_metrics);
    uint64_t now_us = x->worker->now_us;
    struct gauges gauges;

    if (value.len == 0 || !x->version->pool->conf->metrics->active)
        return;
    orca_read(value, &gauges);
    endpoint_report(x->endpoint->state, &gauges, now_us,
                    now_us + ORCA_BELIEVED_MS * CLOCK_US_PER_MS);
}

static void begin(struct exchange *x)
{
    const struct message *head = x->attempt.stream->head;
    bool readable = x->inspected && head->status < 300;

    x->reading = true;
    note_load(x, head);
    usage_reader_init(&x->reader, readable ? x->dialect : NULL,
                      message_value(head, FIELD_content_type),
                      message_value(head, FIELD_content_encoding));
    if (x->usage_added)
        usage_reader_strip(&x->reader,
                           x->prompt->continuous_usage ? USAGE_STRIP_ALL : USAGE_STRIP_ADDED);
    x->answer_streamed = x->reader.form == USAGE_FORM_SSE || x->reader.form == USAGE_FORM_LINES;
}

static void note_step(struct exchange *x, struct usage_step step)
{
    uint64_t now_us = x->worker->now_us;

    if (!step.content)
        return;
    share_contents(x, step.contents);
    if (!x->first_content_us) {
        x->first_content_us = now_us;
        prediction_computed(x);
    } else if (x->answer_streamed) {
        if (!x->gaps)
            x->gaps = arena_zalloc(x->arena, sizeof(*x->gaps));
        tally_gap(x->gaps, now_us - x->last_content_us);
    }
    x->last_content_us = now_us;
    if (x->first_content_us == now_us)
        exchange_arm(x); /* the gaps' deadline begins to hold */
}

/* Takes what has come from the endpoint into `ready`. */
static void pull(struct exchange *x)
{
    struct stream *from = x->attempt.stream;
    struct buf *in = &from->in;

    if (buf_is_empty(in))
        return;
    if (usage_reader_strips(&x->reader)) {
        while (!buf_is_empty(in)) {
            struct slice bytes = buf_front(in);

            note_step(x, usage_reader_feed(&x->reader, bytes, &x->ready));
            buf_drop(in, bytes.len);
        }
    } else {
        struct iovec pieces[16];
        size_t count, total;

        while ((count = buf_iov(in, pieces, ARRAY_LEN(pieces))) > 0) {
            total = 0;
            for (size_t i = 0; i < count; i++) {
                struct slice bytes = slice_of(pieces[i].iov_base, pieces[i].iov_len);

                note_step(x, usage_reader_feed(&x->reader, bytes, NULL));
                total += bytes.len;
            }
            buf_move(&x->ready, in, total);
        }
    }
    stream_took(from);
}

/* The answer is complete; whether it stopped inside an event. */
static void read_end(struct exchange *x)
{
    x->cut_inside = x->reader.form == USAGE_FORM_SSE && !usage_reader_is_between(&x->reader);
    note_step(x, usage_reader_end(&x->reader, &x->ready));
}

/* ---- holding and committing ---- */

static bool is_held(const struct exchange *x)
{
    const struct stream *from = x->attempt.stream;

    if (x->committed || x->ready.len >= EXCHANGE_HOLD_BYTES || from->in_ended)
        return false;
    if (keepalive_is_let_down(x))
        return true;
    switch (x->reader.form) {
    case USAGE_FORM_SSE:
    case USAGE_FORM_LINES:
        return !x->reader.content_begun;
    case USAGE_FORM_JSON:
        return true;
    default:
        return false;
    }
}

/*
 * The length the client is told: known where all of it is here, or where nothing is taken out. A
 * stream is never given one that its engine did not give.
 */
static uint64_t answer_length(const struct exchange *x)
{
    const struct stream *from = x->attempt.stream;

    if (!x->answer_streamed && from->in_ended && buf_is_empty(&from->in))
        return x->ready.len;
    return usage_reader_strips(&x->reader) ? MESSAGE_LENGTH_UNKNOWN : from->head->length;
}

static void send_head(struct exchange *x)
{
    struct message *answer = x->attempt.stream->head;
    bool head_only = slice_eq(x->client->head->method, SLICE("HEAD"));

    x->status = answer->status;
    x->filter.answer = answer;
    filters_on_answer(&x->filter);
    if (x->filter.peer->trusted)
        message_put(answer, FIELD_x_sluice_endpoint, slice_str(x->endpoint->name));
    explanation_put(x, answer);
    if (x->answer_streamed && !message_find_name(answer, SLICE("x-accel-buffering")))
        message_put_other(answer, SLICE("x-accel-buffering"), SLICE("no"));
    if (answer->has_body && !head_only)
        answer->length = answer_length(x);
    stream_send_head(x->client, answer);
}

static void commit(struct exchange *x)
{
    x->committed = true;
    timer_clear(&x->comment);
    if (!x->opened)
        send_head(x);
    exchange_forget_body(x);
}

static void pass_on(struct exchange *x)
{
    if (buf_is_empty(&x->ready))
        return;
    buf_move(&x->client->out, &x->ready, x->ready.len);
    stream_send(x->client);
}

/* ---- ending ---- */

/* A stream that stopped without saying that it was finished. */
static bool is_cut_short(const struct exchange *x)
{
    return x->answer_streamed && x->dialect->streams && !x->reader.terminal_seen &&
           !x->reader.finish_seen && !x->reader.error_seen;
}

static const struct step *end_well(struct exchange *x)
{
    const struct stream *from = x->attempt.stream;

    x->reason = x->reader.error_seen        ? &reason_endpoint_error
                : from->head->status >= 500 ? &reason_endpoint_status
                                            : &reason_done;
    stream_send_end(x->client, from->in_trailers);
    exchange_leave_endpoint(x, x->reason);
    return &step_finish;
}

bool exchange_end_stream(struct exchange *x, const struct reason *reason)
{
    if (!x->dialect->stream_error || x->client->closed)
        return false;
    x->dialect->stream_error(&x->client->out, reason, x->message, x->reader.sequence);
    stream_send(x->client);
    stream_send_end(x->client, NULL);
    return true;
}

/* An answer that is no stream, to a client that has been told that one comes. */
static const struct step *let_down(struct exchange *x)
{
    const struct reason *reason = keepalive_read_refusal(x);

    exchange_leave_endpoint(x, reason == &reason_endpoint_refusal ? &reason_done : reason);
    return exchange_fail(x, reason);
}

/* After the commit: the client is told inside the stream where that is possible, else cut off. */
static const struct step *end_badly(struct exchange *x, const struct reason *reason)
{
    x->reason = x->reason ? x->reason : reason;
    exchange_leave_endpoint(x, reason);
    pass_on(x);
    if (x->answer_streamed && !x->cut_inside && usage_reader_is_between(&x->reader))
        (void)exchange_end_stream(x, reason);
    return &step_finish;
}

static const struct step *fail(struct exchange *x, const struct reason *reason)
{
    const struct step *retry;

    if (x->committed)
        return end_badly(x, reason);
    retry = exchange_retry(x, reason);
    return retry ? retry : exchange_fail(x, reason);
}

/* It ended too early, and all that came before has been passed on, if any was. */
static bool is_broken_off(const struct exchange *x)
{
    const struct stream *from = x->attempt.stream;

    return x->attempt.reason && !from->in_ended && (!x->committed || buf_is_empty(&from->in));
}

static bool has_room(const struct exchange *x)
{
    return x->committed ? x->client->out.len < STREAM_OUT_HIGH : x->ready.len < EXCHANGE_HOLD_BYTES;
}

static const struct step *run(struct exchange *x)
{
    struct stream *from = x->attempt.stream;
    const struct reason *reason;

    if (x->reason)
        return fail(x, x->reason);
    attempt_advance(&x->attempt);
    reason = exchange_push_body(x);
    if (reason)
        return fail(x, reason);
    if (!x->reading)
        begin(x);
    if (has_room(x))
        pull(x);
    else
        pace_watch_paused(&x->share.watch);
    if (from->in_ended && buf_is_empty(&from->in))
        read_end(x);
    if (x->reader.error_seen && !x->committed && exchange_retry(x, &reason_endpoint_error))
        return &step_route;
    if (is_broken_off(x))
        return fail(x, x->attempt.reason);
    if (is_held(x))
        return NULL;
    if (keepalive_is_let_down(x))
        return let_down(x);
    if (from->in_ended && buf_is_empty(&from->in) && is_cut_short(x))
        return fail(x, &reason_endpoint_truncated);
    if (!x->committed)
        commit(x);
    pass_on(x);
    return from->in_ended && buf_is_empty(&from->in) ? end_well(x) : NULL;
}

const struct step step_relay = { "relay", run };
