/*
 * Frames of clients, through a real conn: nothing breaks, every stream is closed once with a
 * reason, no byte stays behind, and what owners see does not depend on how the bytes were cut.
 */
#include "gateway/base/held.h"
#include "tests/fuzz/h2_stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct owner {
    struct stream *stream;
    struct defer wake;
    struct list link;
    bool answered;
};

/* One run of an input. */
static struct run {
    struct stage stage;
    bool answers; /* owners answer and let go; else they wait, and the story is comparable */
    struct list owners;
    struct buf story; /* heads as they came */
} run;

/* No limit that depends on when something was sent. */
static const struct conn_settings settings = {
    .head = { .fields = 20, .bytes = 2048 },
    .target_bytes = 512,
    .streams = 10000,
    .window_bytes = 4096,
    .handshake_ms = 60000,
    .head_ms = 60000,
    .idle_ms = 60000,
    .stall_ms = 60000,
};

static void tell_head(const struct message *head)
{
    CHECK(http_is_token(head->method) && http_is_authority(head->authority));
    buf_printf(&run.story, "%.*s %.*s %.*s %d", SLICE_ARGS(head->method), SLICE_ARGS(head->path),
               SLICE_ARGS(head->authority), head->has_body);
    for (uint32_t i = 0; i < head->count; i++)
        buf_printf(&run.story, "|%.*s=%.*s", SLICE_ARGS(head->fields[i].name),
                   SLICE_ARGS(head->fields[i].value));
    buf_add(&run.story, SLICE("\n"));
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

static void owner_free(struct owner *owner)
{
    defer_cancel(&owner->wake);
    list_remove(&owner->link);
    stream_release(owner->stream);
    free(owner);
}

static void on_wake(struct defer *defer)
{
    struct owner *owner = CONTAINER_OF(defer, struct owner, wake);
    struct stream *stream = owner->stream;

    CHECK(stream->in.len <= settings.window_bytes);
    if (run.answers && !stream->closed) {
        buf_drop(&stream->in, stream->in.len);
        stream_took(stream);
        if (stream->in_ended && !owner->answered)
            answer(stream);
        owner->answered |= stream->in_ended;
    }
    CHECK(stream->closed == !!stream->reason);
    if (stream->closed && run.answers)
        owner_free(owner);
}

static void on_event(struct stream *stream, void *user)
{
    (void)stream;
    worker_defer(run.stage.worker, WORKER_WAKE, &((struct owner *)user)->wake);
}

static const struct stream_events stream_events = { .on_event = on_event };

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    struct owner *owner = xcalloc(1, sizeof(*owner));

    (void)conn, (void)user;
    owner->stream = stream;
    defer_init(&owner->wake, on_wake);
    list_push(&run.owners, &owner->link);
    stream->events = &stream_events;
    stream->user = owner;
    tell_head(stream->head);
    on_event(stream, owner);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    (void)conn, (void)user;
    CHECK(reason);
    run.stage.conn = NULL;
}

static const struct conn_events conn_events = { .on_stream = on_stream, .on_close = on_close };

/* Appends the story of a run to `ret_story`. */
static void play(struct slice bytes, size_t cut, bool answers, struct buf *ret_story)
{
    struct stage *stage = &run.stage;
    struct list *link;
    int fds[2];

    stage_init(stage);
    list_init(&run.owners);
    buf_init(&run.story, SIZE_MAX);
    run.answers = answers;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    stage->fd = fds[1];
    stage->conn = conn_accept(stage->worker, fds[0], NULL, &settings, &conn_events, NULL);
    stage_write(stage, bytes, cut);
    stage_close(stage);
    while ((link = list_pop(&run.owners)))
        owner_free(CONTAINER_OF(link, struct owner, link));
    buf_move(ret_story, &run.story, run.story.len);
    buf_release(&run.story);
}

/* After a GOAWAY of the client's, how much more is read depends on when the last stream was over.
 */
static void check_same(struct slice a, struct slice b)
{
    CHECK(a.len < b.len ? slice_starts(b, a) : slice_starts(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t before = held_bytes();
    struct buf input, whole, pieces;
    size_t cut;

    if (size < 2)
        return 0;
    buf_init(&input, SIZE_MAX);
    buf_init(&whole, SIZE_MAX);
    buf_init(&pieces, SIZE_MAX);
    buf_add(&input, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    put_records(&input, bytes + 1, size - 1);
    cut = 1 + bytes[0] % 64;
    if (bytes[0] & 0x80) {
        play(buf_join(&input), SIZE_MAX, /* answers= */ true, &whole);
    } else {
        play(buf_join(&input), SIZE_MAX, /* answers= */ false, &whole);
        play(buf_join(&input), cut, /* answers= */ false, &pieces);
        check_same(buf_join(&whole), buf_join(&pieces));
    }
    buf_release(&input);
    buf_release(&whole);
    buf_release(&pieces);
    CHECK(held_bytes() == before);
    return 0;
}
