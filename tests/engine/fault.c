/*
 * The kinds of faults, and the rules that deal them.
 *
 * Bytes that no codec would send (a malformed head or chunk) are put into conn->out, behind all the
 * codec has made so far; the connection is closed when they have left. That works for every version
 * of HTTP and for TLS.
 */
#include "tests/engine/fault.h"

#include "tests/engine/generation.h"
#include "tests/engine/publisher.h"
#include "tests/engine/server.h"

#include <stdlib.h>

#define RULES_MAX 64

static void fail_generation(struct call *call)
{
    call->halted = true;
    if (call->generation)
        generation_fail(call->generation);
}

/* RST, or RST_STREAM. */
static void reset_now(struct call *call)
{
    fail_generation(call);
    stream_reset(call->stream, &reason_internal);
    call_wake(call);
}

/* FIN, in the middle of whatever was being said. */
static void close_now(struct call *call)
{
    fail_generation(call);
    conn_close(call->conn, &reason_cancelled);
}

/* A truncated answer: what has been sent, then the end. */
static void close_when_sent(struct call *call)
{
    fail_generation(call);
    call_when_sent(call, close_now);
}

static void reset_when_sent(struct call *call)
{
    fail_generation(call);
    call_when_sent(call, reset_now);
}

static void reset_inside(struct call *call)
{
    buf_move(&call->stream->out, &call->held, call->held.len / 2);
    stream_send(call->stream);
    reset_when_sent(call);
}

static void refuse(struct call *call)
{
    server_refuse_for(call->engine->server, call->fault.a);
}

static void slow_down(struct call *call)
{
    struct engine *engine = call->engine;

    engine->scheduler_settings.time_scale = engine->options->time_scale * (double)call->fault.a;
}

static void answer_status(struct call *call)
{
    bool known = call->fault.a >= 200 && call->fault.a <= 599;

    call_refuse(call, known ? (unsigned)call->fault.a : 500, "InternalServerError",
                "The engine was told to fail.");
}

static void answer_busy(struct call *call)
{
    call_refuse_for(call, 503, call->fault.a);
}

static void serve_after_stall(struct call *call)
{
    call->stalled = false;
    server_route(call);
}

static void stall_head(struct call *call)
{
    call->stalled = true;
    if (call->fault.a > 0)
        call_later(call, call->fault.a, serve_after_stall);
}

static void go_on_after_stall(struct call *call)
{
    call->halted = false;
    buf_move(&call->stream->out, &call->held, call->held.len);
    stream_send(call->stream);
    if (call->ending)
        call_end(call);
    else
        call_wake(call);
}

static void stall_events(struct call *call)
{
    call->halted = true;
    if (call->fault.b > 0)
        call_later(call, call->fault.b, go_on_after_stall);
}

/* An HTTP/2 frame that breaks the whole connection: DATA without a stream. */
static const struct slice wrong_frame = SLICE_INIT("\0\0\0\0\0\0\0\0\0");

static void send_raw(struct call *call, struct slice h1_bytes)
{
    bool h2 = call->conn->type && strcmp(call->conn->type->name, "h2") == 0;

    buf_add(&call->conn->out, h2 ? wrong_frame : h1_bytes);
    conn_dirty(call->conn);
    call_when_sent(call, close_now);
}

static void malformed_head(struct call *call)
{
    send_raw(call, SLICE("HTTP/1.1 2x0 Fine\r\ncontent-length: many\r\n\r\n"));
}

static void send_malformed_chunk(struct call *call)
{
    send_raw(call, SLICE("zz\r\ndata: {}\n\n\r\n"));
}

static void malformed_chunk(struct call *call)
{
    fail_generation(call);
    call_when_sent(call, send_malformed_chunk);
}

static void error_in_stream(struct call *call)
{
    fail_generation(call);
    buf_add(&call->stream->out, SLICE("data: {\"error\":{\"message\":\"The engine was told to "
                                      "fail.\",\"type\":\"InternalServerError\","
                                      "\"param\":null,\"code\":500}}\n\ndata: [DONE]\n\n"));
    stream_send_end(call->stream, /* trailers= */ NULL);
}

static void huge_event(struct call *call)
{
    struct buf *out = &call->stream->out;
    char *room;

    buf_add(out, SLICE("data: "
                       "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{"
                       "\"content\":\""));
    room = buf_reserve(out, call->fault.b);
    memset(room, 'a', call->fault.b);
    buf_commit(out, call->fault.b);
    buf_add(out, SLICE("\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"));
    buf_move(out, &call->held, call->held.len);
    stream_send(call->stream);
    call->events += 2;
}

static void lose_batches(struct call *call)
{
    publisher_disturb(call->engine->publisher, PUBLISHER_LOSE, call->fault.a);
}

static void repeat_batches(struct call *call)
{
    publisher_disturb(call->engine->publisher, PUBLISHER_REPEAT, call->fault.a);
}

static void swap_batches(struct call *call)
{
    publisher_disturb(call->engine->publisher, PUBLISHER_SWAP, call->fault.a);
}

static void mix_batches(struct call *call)
{
    publisher_disturb(call->engine->publisher, PUBLISHER_MIX, call->fault.a);
}

static void restart_batches(struct call *call)
{
    publisher_restart(call->engine->publisher);
}

static const struct fault_kind kinds[] = {
    { "kv-lose", FAULT_AT_ONCE, 1, 0, "the next A batches of KV events are lost", lose_batches },
    { "kv-repeat", FAULT_AT_ONCE, 1, 0, "the next A batches come twice", repeat_batches },
    { "kv-swap", FAULT_AT_ONCE, 1, 0, "the next A batches are overtaken by the one after each",
      swap_batches },
    { "kv-mix", FAULT_AT_ONCE, 1, 0, "each batch in another form; 0: no more", mix_batches },
    { "kv-restart", FAULT_AT_ONCE, 0, 0,
      "the cache is empty and batches are numbered from 0, as after a start", restart_batches },
    { "refuse", FAULT_AT_ONCE, 1000, 0,
      "connections are refused for A ms; those at hand are drained", refuse },
    { "slow", FAULT_AT_ONCE, 4, 0, "from now on a step takes A times as long; 1: as at first",
      slow_down },
    { "reset-head", FAULT_AT_HEAD, 0, 0, "the connection is reset before the answer's head",
      reset_now },
    { "close-head", FAULT_AT_HEAD, 0, 0, "the connection is closed before the answer's head",
      close_now },
    { "stall-head", FAULT_AT_HEAD, 0, 0, "no answer, or after A ms", stall_head },
    { "status", FAULT_AT_HEAD, 500, 0, "an error with status A", answer_status },
    { "busy", FAULT_AT_HEAD, 1, 0, "503 with Retry-After: A", answer_busy },
    { "malformed-head", FAULT_AT_HEAD, 0, 0, "the answer's head is no HTTP", malformed_head },
    { "reset-events", FAULT_AT_EVENT, 3, 0, "the connection is reset after A events",
      reset_when_sent },
    { "reset-inside", FAULT_AT_EVENT, 3, 0, "the connection is reset inside the event after A",
      reset_inside },
    { "close-events", FAULT_AT_EVENT, 3, 0, "the connection is closed after A events",
      close_when_sent },
    { "stall-events", FAULT_AT_EVENT, 3, 0, "nothing comes after A events, or after B ms",
      stall_events },
    { "error-events", FAULT_AT_EVENT, 3, 0, "after A events an error event, then [DONE]",
      error_in_stream },
    { "malformed-chunk", FAULT_AT_EVENT, 3, 0, "after A events a chunk without a length",
      malformed_chunk },
    { "huge-event", FAULT_AT_EVENT, 3, 1 << 20, "after A events one with B bytes of content",
      huge_event },
    { "truncate", FAULT_AT_WHOLE, 0, 0, "half of a body of known length, then the end",
      close_when_sent },
    { "no-done", FAULT_AT_END, 0, 0, "the stream ends properly without its last event", NULL },
    { "split-events", FAULT_ON_EVENTS, 7, 0, "events are cut into chunks of A bytes, 1 ms apart",
      NULL },
    { "slow-read", FAULT_AT_BODY, 1024, 0, "A bytes of the request's body are read every 10 ms",
      NULL },
};

const struct fault_kind *fault_kind_at(size_t index)
{
    return index < ARRAY_LEN(kinds) ? &kinds[index] : NULL;
}

static bool parse_number(struct slice text, uint64_t *value)
{
    return text.len == 0 || (slice_u64(text, value) && *value <= UINT32_MAX);
}

bool fault_parse(struct slice text, struct fault *ret_fault)
{
    struct slice name = slice_cut(&text, '=');
    struct slice a = slice_cut(&text, ':');

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct fault fault = { .kind = &kinds[i], .a = kinds[i].a, .b = kinds[i].b };

        if (!slice_eq(name, slice_str(kinds[i].name)))
            continue;
        if (!parse_number(a, &fault.a) || !parse_number(text, &fault.b))
            return false;
        *ret_fault = fault;
        return true;
    }
    return false;
}

struct rule {
    struct list link;
    struct fault fault;
    uint64_t left; /* requests it still strikes; UINT64_MAX: without end */
    double probability;
    char *path; /* beginning of the paths it is for */
};

void faults_init(struct faults *faults, uint64_t seed)
{
    list_init(&faults->rules);
    faults->count = 0;
    faults->random = seed * 2 + 1; /* odd, so never 0 */
}

void faults_release(struct faults *faults)
{
    faults_clear(faults);
}

static void rule_free(struct faults *faults, struct rule *rule)
{
    list_remove(&rule->link);
    faults->count--;
    free(rule->path);
    free(rule);
}

void faults_clear(struct faults *faults)
{
    LIST_FOREACH_SAFE (at, &faults->rules)
        rule_free(faults, CONTAINER_OF(at, struct rule, link));
}

bool faults_add(struct faults *faults, const struct fault *fault, uint64_t count,
                double probability, struct slice path)
{
    struct rule *rule;

    if (faults->count == RULES_MAX)
        return false;
    rule = xcalloc(1, sizeof(*rule));
    rule->fault = *fault;
    rule->left = count;
    rule->probability = probability;
    rule->path = slice_dup(path);
    list_push(&faults->rules, &rule->link);
    faults->count++;
    return true;
}

/* Between 0 and 1. (G. Marsaglia: Xorshift RNGs, 2003.) */
static double next_random(struct faults *faults)
{
    faults->random ^= faults->random << 13;
    faults->random ^= faults->random >> 7;
    faults->random ^= faults->random << 17;
    return (double)(faults->random >> 11) / 9007199254740992.0;
}

struct fault faults_deal(struct faults *faults, struct slice path)
{
    LIST_FOREACH_SAFE (at, &faults->rules) {
        struct rule *rule = CONTAINER_OF(at, struct rule, link);
        struct fault fault = rule->fault;

        if (!slice_starts(path, slice_str(rule->path)) || next_random(faults) >= rule->probability)
            continue;
        if (rule->left != UINT64_MAX && --rule->left == 0)
            rule_free(faults, rule);
        return fault;
    }
    return (struct fault){ 0 };
}
