/*
 * Bytes of endpoints, through a real conn: nothing breaks, the stream ends, and what it carried
 * does not depend on how the bytes were cut. The first byte of an input says how, and which method
 * was asked with.
 */
#include "gateway/codec/conn.h"

#include "tests/unit/h1_rig.h"

#include <stdlib.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct stage {
    struct rig *rig;
    struct peer peer;
    struct conn *conn;
    struct arena arena;
    struct stream *stream;
    bool to_head;
    struct defer wake;
    struct buf story; /* the answer as it came and how it ended */
};

static const struct conn_settings settings = {
    .head = { .fields = 20, .bytes = 2048 },
    .window_bytes = 4096,
    .idle_ms = 60000,
    .stall_ms = 60000,
};

static void on_wake(struct defer *defer)
{
    struct stage *stage = CONTAINER_OF(defer, struct stage, wake);

    buf_move(&stage->story, &stage->stream->in, stage->stream->in.len);
    stream_took(stage->stream);
}

static void on_event(struct stream *stream, void *user)
{
    struct stage *stage = user;

    (void)stream;
    worker_defer(stage->rig->worker, WORKER_WAKE, &stage->wake);
}

static const struct stream_events stream_events = { .on_event = on_event };

static void on_ready(struct conn *conn, void *user)
{
    struct stage *stage = user;
    struct message request;

    message_init(&request, &stage->arena);
    request.method = stage->to_head ? SLICE("HEAD") : SLICE("GET");
    request.authority = SLICE("e");
    request.path = SLICE("/");
    stage->stream = conn_open(conn, &stage->arena);
    stage->stream->events = &stream_events;
    stage->stream->user = stage;
    stream_send_head(stage->stream, &request);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    (void)conn;
    CHECK(reason);
    ((struct stage *)user)->conn = NULL;
}

static const struct conn_events conn_events = { .on_ready = on_ready, .on_close = on_close };

static bool was_asked(struct peer *peer, void *user UNUSED)
{
    return peer->got.len > 0;
}

static bool is_over(struct peer *peer, void *user)
{
    const struct stage *stage = user;

    (void)peer;
    return !stage->conn && buf_is_empty(&stage->stream->in);
}

static void tell_end(struct stage *stage)
{
    const struct stream *stream = stage->stream;

    CHECK(stream->closed && stream->reason);
    CHECK((stream->reason == &reason_done) == stream->in_ended);
    buf_printf(&stage->story, "\n%s\n", stream->reason->name);
    if (!stream->head)
        return;
    buf_printf(&stage->story, "%u", stream->head->status);
    for (uint32_t i = 0; i < stream->head->count; i++)
        buf_printf(&stage->story, "|%.*s=%.*s", SLICE_ARGS(stream->head->fields[i].name),
                   SLICE_ARGS(stream->head->fields[i].value));
}

/* One socket for all inputs, without a name in any file system. */
static int listen_once(struct sockaddr_un *ret_address, socklen_t *ret_len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *ret_len = sizeof(*ret_address);
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, sizeof(sa_family_t)) != 0 ||
        listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)ret_address, ret_len) != 0)
        abort();
    return fd;
}

static void play(struct rig *rig, struct slice bytes, size_t step, bool to_head,
                 struct buf *ret_story)
{
    static struct sockaddr_un address;
    static socklen_t address_len;
    static int listening = -1;
    struct stage stage = { .rig = rig, .to_head = to_head };

    if (listening < 0)
        listening = listen_once(&address, &address_len);
    arena_init(&stage.arena, 1 << 20);
    buf_init(&stage.story, SIZE_MAX);
    defer_init(&stage.wake, on_wake);
    stage.conn = conn_dial(rig->worker, (struct sockaddr *)&address, address_len, NULL, NULL, false,
                           &settings, 60000, &conn_events, &stage);
    peer_open(&stage.peer, rig, accept(listening, NULL, NULL));
    CHECK(peer_until(&stage.peer, was_asked, &stage));
    stage.peer.to_send = bytes;
    stage.peer.step = step;
    stage.peer.fin_after = true;
    CHECK(peer_until(&stage.peer, is_over, &stage));
    tell_end(&stage);
    defer_cancel(&stage.wake);
    stream_release(stage.stream);
    peer_close(&stage.peer);
    arena_release(&stage.arena);
    buf_move(ret_story, &stage.story, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct rig rig;
    struct slice input = slice_of((const char *)bytes, size);
    struct buf whole, cut;
    bool to_head;

    if (size < 1)
        return 0;
    if (!rig.worker)
        rig_open(&rig);
    buf_init(&whole, SIZE_MAX);
    buf_init(&cut, SIZE_MAX);
    to_head = bytes[0] & 128;
    input = slice_skip(input, 1);
    play(&rig, input, SIZE_MAX, to_head, &whole);
    play(&rig, input, 1 + bytes[0] % 64, to_head, &cut);
    CHECK(slice_eq(buf_join(&whole), buf_join(&cut)));
    buf_release(&whole);
    buf_release(&cut);
    return 0;
}
