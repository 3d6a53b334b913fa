/*
 * Frames of endpoints, through a real conn with three calls under way: nothing breaks, every call
 * ends once with a reason, and an answer that is called complete is complete.
 */
#include "gateway/base/held.h"
#include "tests/fuzz/h2_stage.h"

#include <sys/un.h>

#define CALLS 3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct call {
    struct stream *stream; /* NULL: released */
    struct arena arena;
    struct defer wake;
};

static struct run {
    struct stage stage;
    int listening;
    struct sockaddr_un address;
    socklen_t address_len;
    struct call calls[CALLS];
    bool opened;
} run;

static const struct conn_settings settings = {
    .head = { .fields = 20, .bytes = 2048 },
    .streams = 10,
    .window_bytes = 4096,
    .handshake_ms = 60000,
    .head_ms = 60000,
    .idle_ms = 60000,
    .stall_ms = 60000,
};

static void call_release(struct call *call)
{
    if (!call->stream)
        return;
    CHECK(!call->stream->closed || call->stream->reason);
    CHECK(call->stream->reason != &reason_done || (call->stream->in_ended && call->stream->head));
    stream_release(call->stream);
    call->stream = NULL;
    defer_cancel(&call->wake);
}

static void on_wake(struct defer *defer)
{
    struct call *call = CONTAINER_OF(defer, struct call, wake);
    struct stream *stream = call->stream;

    CHECK(stream->in.len <= settings.window_bytes);
    CHECK(!stream->head || stream->head->status >= 200);
    if (stream->closed) {
        call_release(call);
        return;
    }
    buf_drop(&stream->in, stream->in.len);
    stream_took(stream);
}

static void on_event(struct stream *stream, void *user)
{
    (void)stream;
    worker_defer(run.stage.worker, WORKER_WAKE, &((struct call *)user)->wake);
}

static const struct stream_events stream_events = { .on_event = on_event };

static void call_open(struct call *call, size_t body)
{
    struct message head;

    arena_init(&call->arena, 256 * 1024);
    defer_init(&call->wake, on_wake);
    call->stream = conn_open(run.stage.conn, &call->arena);
    call->stream->events = &stream_events;
    call->stream->user = call;
    message_init(&head, &call->arena);
    head.method = SLICE("POST");
    head.authority = SLICE("e:1");
    head.path = SLICE("/");
    head.has_body = body > 0;
    stream_send_head(call->stream, &head);
    for (; body > 0; body -= 1024)
        buf_reserve(&call->stream->out, 1024)[0] = 'x', buf_commit(&call->stream->out, 1024);
    stream_send(call->stream);
    stream_send_end(call->stream, NULL);
}

static void on_ready(struct conn *conn, void *user)
{
    static const size_t bodies[CALLS] = { 0, 1024, 256 * 1024 };

    (void)conn, (void)user;
    if (run.opened)
        return;
    run.opened = true;
    for (int i = 0; i < CALLS; i++)
        call_open(&run.calls[i], bodies[i]);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    (void)conn, (void)user;
    CHECK(reason);
    run.stage.conn = NULL;
}

static const struct conn_events conn_events = { .on_ready = on_ready, .on_close = on_close };

static void run_init(void)
{
    if (run.stage.worker)
        return;
    stage_init(&run.stage);
    run.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    run.address.sun_family = AF_UNIX;
    run.address_len = sizeof(run.address);
    CHECK(bind(run.listening, (struct sockaddr *)&run.address, sizeof(sa_family_t)) == 0);
    CHECK(listen(run.listening, 1) == 0);
    CHECK(getsockname(run.listening, (struct sockaddr *)&run.address, &run.address_len) == 0);
}

static void play(struct slice bytes, size_t cut, int release)
{
    struct stage *stage = &run.stage;

    run.opened = false;
    stage->conn =
        conn_dial(stage->worker, (struct sockaddr *)&run.address, run.address_len, NULL, NULL,
                  /* h2= */ true, &settings, 60000, &conn_events, NULL);
    stage->fd = accept4(run.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(stage->fd >= 0);
    while (!run.opened)
        stage_turn(stage);
    stage_write(stage, slice_head(bytes, bytes.len / 2), cut);
    if (release < CALLS)
        call_release(&run.calls[release]);
    stage_write(stage, slice_skip(bytes, bytes.len / 2), cut);
    stage_close(stage);
    for (int i = 0; i < CALLS; i++) {
        CHECK(!run.calls[i].stream || run.calls[i].stream->closed);
        call_release(&run.calls[i]);
        arena_release(&run.calls[i].arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t before = held_bytes();
    struct buf input;

    if (size < 2)
        return 0;
    run_init();
    buf_init(&input, SIZE_MAX);
    buf_add(&input, SLICE("\0\0\0\4\0\0\0\0\0"));
    put_records(&input, bytes + 1, size - 1);
    play(buf_join(&input), bytes[0] & 0x80 ? SIZE_MAX : 1 + bytes[0] % 32, bytes[0] >> 5 & 3);
    buf_release(&input);
    CHECK(held_bytes() == before);
    return 0;
}
