/*
 * Bytes of clients, through a real conn: nothing breaks, everything ends, and what reaches the
 * owner does not depend on how the bytes were cut. The first byte of an input says how.
 */
#include "gateway/codec/conn.h"

#include "tests/unit/h1_rig.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* One stream at a time, as HTTP/1.1 has it. */
struct stage {
    struct rig *rig;
    struct peer peer;
    struct conn *conn;
    struct stream *stream;
    struct defer wake;
    struct buf story; /* requests as they came, their bodies and how they ended */
};

static const struct conn_settings settings = {
    .head = { .fields = 20, .bytes = 2048 },
    .target_bytes = 512,
    .streams = 10,
    .window_bytes = 4096,
    .handshake_ms = 60000,
    .head_ms = 60000,
    .idle_ms = 60000,
    .stall_ms = 60000,
    .half_close = true, /* what was sent before the FIN is to be read */
};

static void tell_message(struct buf *story, const struct message *message)
{
    buf_printf(story, "%.*s %.*s %.*s %d", SLICE_ARGS(message->method), SLICE_ARGS(message->path),
               SLICE_ARGS(message->authority), message->version);
    for (uint32_t i = 0; i < message->count; i++)
        buf_printf(story, "|%.*s=%.*s", SLICE_ARGS(message->fields[i].name),
                   SLICE_ARGS(message->fields[i].value));
    buf_add(story, SLICE("\n"));
}

static void answer(struct stream *stream)
{
    struct message head;

    message_init(&head, stream->arena);
    head.status = 200;
    head.has_body = true;
    stream_send_head(stream, &head);
    buf_add(&stream->out, SLICE("hello"));
    stream_send(stream);
    stream_send_end(stream, NULL);
}

static void on_wake(struct defer *defer)
{
    struct stage *stage = CONTAINER_OF(defer, struct stage, wake);
    struct stream *stream = stage->stream;

    if (!stream)
        return;
    buf_move(&stage->story, &stream->in, stream->in.len);
    stream_took(stream);
    if (stream->in_ended && !stream->out_head_sent) {
        if (stream->in_trailers)
            tell_message(&stage->story, stream->in_trailers);
        buf_add(&stage->story, SLICE(" whole\n"));
        answer(stream);
    }
    if (stream->closed) {
        buf_printf(&stage->story, " %s\n", stream->reason == &reason_done ? "done" : "broken");
        stream_release(stream);
        stage->stream = NULL;
    }
}

static void on_event(struct stream *stream, void *user)
{
    struct stage *stage = user;

    (void)stream;
    worker_defer(stage->rig->worker, WORKER_WAKE, &stage->wake);
}

static const struct stream_events stream_events = { .on_event = on_event };

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    struct stage *stage = user;

    (void)conn;
    CHECK(!stage->stream);
    stage->stream = stream;
    stream->events = &stream_events;
    stream->user = stage;
    tell_message(&stage->story, stream->head);
    worker_defer(stage->rig->worker, WORKER_WAKE, &stage->wake);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    (void)conn;
    CHECK(reason);
    ((struct stage *)user)->conn = NULL;
}

static const struct conn_events conn_events = { .on_stream = on_stream, .on_close = on_close };

static bool is_over(struct peer *peer, void *user)
{
    const struct stage *stage = user;

    (void)peer;
    return !stage->conn && !stage->stream;
}

/* Sends all, then FIN, and waits for the end. */
static void play(struct rig *rig, struct slice bytes, size_t step, struct buf *ret_story)
{
    struct stage stage = { .rig = rig };
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) != 0)
        abort();
    defer_init(&stage.wake, on_wake);
    buf_init(&stage.story, SIZE_MAX);
    peer_open(&stage.peer, rig, fd[1]);
    stage.peer.to_send = bytes;
    stage.peer.step = step;
    stage.peer.fin_after = true;
    stage.conn = conn_accept(rig->worker, fd[0], NULL, &settings, &conn_events, &stage);
    CHECK(peer_until(&stage.peer, is_over, &stage));
    peer_close(&stage.peer);
    buf_move(ret_story, &stage.story, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct rig rig;
    struct slice input = slice_of((const char *)bytes, size);
    struct buf whole, cut;

    if (size < 2)
        return 0;
    if (!rig.worker)
        rig_open(&rig);
    buf_init(&whole, SIZE_MAX);
    buf_init(&cut, SIZE_MAX);
    input = slice_skip(input, 1);
    play(&rig, input, SIZE_MAX, &whole);
    play(&rig, input, 1 + bytes[0] % 64, &cut);
    if (input.at[0] != 'P') /* HTTP/2 may be cut short by its limits sooner or later */
        CHECK(slice_eq(buf_join(&whole), buf_join(&cut)));
    buf_release(&whole);
    buf_release(&cut);
    return 0;
}
