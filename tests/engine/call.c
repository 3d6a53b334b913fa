/*
 * The life of a call, and the ways to answer it.
 */
#include "tests/engine/call.h"

#include "tests/engine/generation.h"
#include "tests/engine/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_MAGIC 0xca11ca11u

#define BODY_BYTES_MAX                                                                             \
    (256u << 20)        /* uvicorn has no limit; ours keeps a wrong test from filling memory */
#define SLOW_READ_MS 10 /* between the reads of the slow reader */

static void call_run(struct defer *defer);

static void on_stream_event(struct stream *stream UNUSED, void *user)
{
    call_wake(CAST(struct call, user, CALL_MAGIC));
}

static const struct stream_events stream_events = { .on_event = on_stream_event };

static void on_timer(struct timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    call_then_fn *then = call->then;

    if (call->stream->closed)
        return;
    if (call->then_when_sent &&
        !(buf_is_empty(&call->stream->out) && buf_is_empty(&call->conn->out))) {
        call_when_sent(call, then);
        return;
    }
    call->then = NULL;
    then(call);
}

static void set_timer(struct call *call, uint64_t ms)
{
    struct worker *worker = call->engine->worker;

    timer_set(&worker->timers, &call->timer, worker->now_us + ms * 1000);
}

void call_later(struct call *call, uint64_t ms, call_then_fn *then)
{
    call->then = then;
    call->then_when_sent = false;
    set_timer(call, ms);
}

void call_when_sent(struct call *call, call_then_fn *then)
{
    call->then = then;
    call->then_when_sent = true;
    set_timer(call, 1);
}

void call_wake(struct call *call)
{
    worker_defer(call->engine->worker, WORKER_WAKE, &call->wake);
}

/* The fault that the request asks for, or that a rule deals to it. False when it asks for an
 * unknown one. */
static bool find_fault(struct call *call)
{
    struct slice asked = call_field(call, SLICE("x-fault"));

    if (!call->engine->options->allow_faults)
        return true;
    if (asked.len == 0)
        call->fault = faults_deal(&call->engine->faults, call->path);
    else if (!fault_parse(asked, &call->fault))
        return false;
    call->engine->faults_struck += call->fault.kind != NULL;
    return true;
}

void call_open(struct engine *engine, struct conn *conn, struct stream *stream)
{
    struct call *call = xcalloc(1, sizeof(*call));

    MAGIC_SET(call, CALL_MAGIC);
    call->engine = engine;
    call->conn = conn;
    call->stream = stream;
    call->query = stream->head->path;
    call->path = slice_cut(&call->query, '?');
    buf_init(&call->body, BODY_BYTES_MAX);
    buf_init(&call->held, SIZE_MAX);
    defer_init(&call->wake, call_run);
    timer_init(&call->timer, on_timer);
    list_push(&engine->calls, &call->link);
    engine->calls_count++;
    stream->events = &stream_events;
    stream->user = call;
    call_wake(call);
}

/* Whether the client left while an answer was being made. */
static bool was_aborted(const struct call *call)
{
    return call->generation ? generation_is_under_way(call->generation) : call->stalled;
}

static void call_free(struct call *call)
{
    if (was_aborted(call))
        call->engine->aborts++;
    generation_free(call->generation);
    timer_clear(&call->timer);
    defer_cancel(&call->wake);
    buf_release(&call->body);
    buf_release(&call->held);
    list_remove(&call->link);
    call->engine->calls_count--;
    stream_release(call->stream);
    free(call);
}

struct slice call_body(struct call *call)
{
    return buf_join(&call->body);
}

struct slice call_field(const struct call *call, struct slice name)
{
    const struct field *field = message_find_name(call->stream->head, name);

    return field ? field->value : slice_of(NULL, 0);
}

/* Moves what has come of the body; a slow reader takes a little and comes again later. */
static void take_body(struct call *call)
{
    struct stream *stream = call->stream;
    bool slow = call->fault.kind && call->fault.kind->when == FAULT_AT_BODY;
    size_t most = slow ? call->fault.a : SIZE_MAX;

    if (slow && timer_is_set(&call->timer))
        return;
    if (buf_move(&call->body, &stream->in, most) > 0)
        stream_took(stream);
    if (slow && !buf_is_empty(&stream->in))
        call_later(call, SLOW_READ_MS, call_wake);
}

static void read_head(struct call *call)
{
    if (find_fault(call)) {
        call->step = CALL_BODY;
        call_wake(call);
    } else {
        call->step = CALL_SERVED;
        call_refuse(call, 400, "BadRequestError", "x-fault: no such fault, or wrong numbers");
    }
}

static void strike_or_serve(struct call *call)
{
    const struct fault_kind *kind = call->fault.kind;

    if (kind && (kind->when == FAULT_AT_ONCE || kind->when == FAULT_AT_HEAD))
        kind->strike(call);
    if (!kind || kind->when != FAULT_AT_HEAD)
        server_route(call);
}

static void read_body(struct call *call)
{
    const struct stream *stream = call->stream;

    take_body(call);
    if (call->body.len > BODY_BYTES_MAX) {
        call->step = CALL_SERVED;
        call_refuse(call, 413, "BadRequestError", "The body is over %u bytes.", BODY_BYTES_MAX);
    } else if (stream->in_ended && buf_is_empty(&stream->in)) {
        call->step = CALL_SERVED;
        strike_or_serve(call);
    }
}

static void make_progress(struct call *call)
{
    if (call->generation && !call->halted)
        generation_progress(call->generation);
}

static void call_run(struct defer *defer)
{
    static void (*const steps[])(struct call * call) = {
        [CALL_HEAD] = read_head,
        [CALL_BODY] = read_body,
        [CALL_SERVED] = make_progress,
    };
    struct call *call = CONTAINER_OF(defer, struct call, wake);

    if (call->stream->closed)
        call_free(call);
    else
        steps[call->step](call);
}

static void put_common_fields(struct call *call, struct message *head)
{
    struct slice id = call_field(call, SLICE("x-request-id"));

    message_put(head, FIELD_server, SLICE("uvicorn"));
    message_put_other(head, SLICE("x-engine"), slice_str(call->engine->name));
    if (call->engine->options->request_id_headers && id.len > 0)
        message_put(head, FIELD_x_request_id, id);
}

/* `length`: MESSAGE_LENGTH_UNKNOWN for streams. */
static void send_head(struct call *call, unsigned status, struct slice content_type,
                      uint64_t length, uint64_t retry_after_s)
{
    struct message head;
    char number[24];

    message_init(&head, call->stream->arena);
    head.status = (uint16_t)status;
    head.length = length;
    head.has_body = status != 204 && status != 304;
    put_common_fields(call, &head);
    if (content_type.len > 0)
        message_put(&head, FIELD_content_type, content_type);
    if (retry_after_s > 0) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)retry_after_s);
        message_put(&head, FIELD_retry_after, slice_str(number));
    }
    stream_send_head(call->stream, &head);
}

static void answer(struct call *call, unsigned status, struct slice content_type, struct slice body,
                   uint64_t retry_after_s)
{
    bool struck = call->fault.kind && call->fault.kind->when == FAULT_AT_WHOLE;

    send_head(call, status, content_type, body.len, retry_after_s);
    buf_add(&call->stream->out, struck ? slice_head(body, body.len / 2) : body);
    stream_send(call->stream);
    if (struck)
        call->fault.kind->strike(call);
    else
        stream_send_end(call->stream, /* trailers= */ NULL);
}

void call_answer(struct call *call, unsigned status, struct slice content_type, struct slice body)
{
    answer(call, status, content_type, body, /* retry_after_s= */ 0);
}

void call_answer_json(struct call *call, unsigned status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text);
    call_answer(call, status, SLICE("application/json"), slice_str(text));
    free(text);
    json_decref(json);
}

static json_t *error_json(unsigned status, const char *type, const char *message)
{
    return json_pack("{s:{s:s%,s:s,s:n,s:i}}", "error", "message", message, strlen(message), "type",
                     type, "param", "code", (int)status);
}

void call_refuse(struct call *call, unsigned status, const char *type, const char *format, ...)
{
    char message[1024];
    va_list args;
    json_t *error;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    error = error_json(status, type, message);
    /* A cut or quoted message may be no UTF-8. */
    call_answer_json(call, status, error ? error : error_json(status, type, "Bad request."));
}

void call_refuse_for(struct call *call, unsigned status, uint64_t seconds)
{
    char *text;
    json_t *error = error_json(status, "ServiceUnavailable", "The engine is busy.");

    text = json_dumps(error, JSON_COMPACT);
    answer(call, status, SLICE("application/json"), slice_str(text), seconds);
    free(text);
    json_decref(error);
}

void call_begin_stream(struct call *call)
{
    send_head(call, 200, SLICE("text/event-stream; charset=utf-8"), MESSAGE_LENGTH_UNKNOWN,
              /* retry_after_s= */ 0);
}

bool call_has_room(const struct call *call)
{
    return !call->halted && call->stream->out.len + call->held.len < STREAM_OUT_HIGH;
}

/* Sends what is held in pieces of fault.a bytes, one a tick, so that each is a chunk and a packet
 * of its own. */
static void send_piece(struct call *call)
{
    buf_move(&call->stream->out, &call->held, call->fault.a);
    stream_send(call->stream);
    if (!buf_is_empty(&call->held))
        call_later(call, 1, send_piece);
    else if (call->ending)
        stream_send_end(call->stream, /* trailers= */ NULL);
    else
        call_wake(call); /* there is room again */
}

static void send_event(struct call *call, struct buf *event)
{
    if (call->fault.kind && call->fault.kind->when == FAULT_ON_EVENTS) {
        buf_move(&call->held, event, event->len);
        if (!call->then)
            call_later(call, 1, send_piece);
    } else {
        buf_move(&call->stream->out, event, event->len);
        stream_send(call->stream);
    }
}

void call_emit(struct call *call, struct buf *event)
{
    if (call->fault.kind && call->fault.kind->when == FAULT_AT_EVENT &&
        call->events >= call->fault.a) {
        const struct fault_kind *kind = call->fault.kind;

        buf_move(&call->held, event, event->len); /* what the fault keeps from being sent */
        call->fault.kind = NULL;
        kind->strike(call);
    } else if (call->halted) {
        buf_move(&call->held, event, event->len);
    } else {
        call->events++;
        send_event(call, event);
    }
}

void call_end(struct call *call)
{
    call->ending = true;
    if (!call->halted && buf_is_empty(&call->held))
        stream_send_end(call->stream, /* trailers= */ NULL);
}
