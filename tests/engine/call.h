/*
 * A call: one request to the engine and its answer.
 *
 *     HEAD --> BODY --all of it is here--> SERVED --stream over--> freed
 *
 * In HEAD it is seen whether a fault is asked for. In BODY the body is collected. Then a fault
 * strikes, or the route's handler answers, at once or bit by bit. Whatever happens, the call ends
 * when its stream is closed; a generation that is not finished then is aborted.
 *
 * One thread, the worker's; everything here runs in its phases or timers, never in a codec's
 * callback.
 */
#ifndef SLUICE_ENGINE_CALL_H
#define SLUICE_ENGINE_CALL_H

#include "gateway/codec/conn.h"
#include "tests/engine/engine.h"

#include <jansson.h>

struct call;
struct generation;

typedef void call_then_fn(struct call *call);

enum call_step { CALL_HEAD, CALL_BODY, CALL_SERVED };

struct call {
    uint32_t magic;
    uint8_t step; /* enum call_step */
    struct engine *engine;
    struct conn *conn; /* borrows; not to be touched once stream->closed */
    struct stream *stream;
    struct slice path, query;
    struct buf body;
    struct generation *generation; /* NULL: nothing is being generated */
    struct list link;              /* in engine->calls */
    struct defer wake;

    struct fault fault; /* kind NULL: none; cleared when it has struck */
    uint64_t events;    /* sent on this stream */
    bool halted;        /* a fault has taken over: nothing more is emitted */
    bool stalled; /* a fault keeps it from being served; a client that leaves now has aborted it */
    bool ending;  /* call_end was called; what is held is still to be sent */
    struct buf held; /* bytes that a fault sends later, piece by piece */
    struct timer timer;
    call_then_fn *then; /* what the timer does; see call_later and call_when_sent */
    bool then_when_sent;
};

void call_open(struct engine *engine, struct conn *conn, struct stream *stream);

/* The whole body as one run; borrowed from call->body. */
struct slice call_body(struct call *call);
/* The value of a request's header field, lower-case name; empty when there is none. */
struct slice call_field(const struct call *call, struct slice name);

/* Answers with a whole body. Exactly one of these, or call_begin_stream, once a call. */
void call_answer(struct call *call, unsigned status, struct slice content_type, struct slice body);
/* Takes `json`. */
void call_answer_json(struct call *call, unsigned status, json_t *json);
/* vLLM's error form: {"error": {"message", "type", "param": null, "code": status}}. */
void call_refuse(struct call *call, unsigned status, const char *type, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* 503 (or 429 and the like) with Retry-After. */
void call_refuse_for(struct call *call, unsigned status, uint64_t seconds);

/* Answers with a stream of events: begin, emit any number, end. */
void call_begin_stream(struct call *call);
bool call_has_room(const struct call *call); /* else wait for the next wake */
/* Sends one whole event and empties `event`. Nothing is sent any more once a fault has struck. */
void call_emit(struct call *call, struct buf *event);
void call_end(struct call *call);

/* Runs call_wake's work soon: a sequence has made progress. */
void call_wake(struct call *call);

/* For faults. `then` runs once, unless the call is over before. */
void call_later(struct call *call, uint64_t ms, call_then_fn *then);
void call_when_sent(struct call *call, call_then_fn *then);

#endif
