/*
 * Streams of HTTP/1.1, whichever side. Nothing here parses heads or decides about the connection.
 */
#include "gateway/codec/h1.h"

#include "gateway/base/spare.h"
#include "gateway/codec/h1_write.h"

/*
 * What an arena holds beside a head: notes and other heads of the exchange, whose sizes its owner
 * bounds. A head itself is held once as it came, once as an array of fields that doubled on its
 * way, and perhaps with a rewritten path; trailers come out of the same limits.
 */
#define ARENA_OWNER_BYTES (1024 * 1024)
#define FIELDS_GROWTH     4

static size_t arena_limit(const struct conn_settings *settings)
{
    return ARENA_OWNER_BYTES + 2 * ((size_t)settings->head.bytes + 2 * settings->target_bytes) +
           FIELDS_GROWTH * settings->head.fields * sizeof(struct field);
}

struct h1_stream *h1_stream_new(struct conn *conn, const struct stream_type *type,
                                struct arena *arena)
{
    struct h1_stream *s = spare_zalloc(sizeof(*s));

    s->conn = conn;
    s->owned = true;
    arena_init_held(&s->arena, arena ? 0 : arena_limit(conn->settings));
    s->stream.type = type;
    s->stream.arena = arena ? arena : &s->arena;
    buf_init(&s->stream.in, conn->settings->window_bytes);
    buf_init(&s->stream.out, STREAM_OUT_HIGH);
    buf_init(&s->out.last, 0);
    message_init(&s->head, s->stream.arena);
    conn->codec = s;
    return s;
}

static void stream_free(struct h1_stream *s)
{
    buf_release(&s->stream.in);
    buf_release(&s->stream.out);
    buf_release(&s->out.last);
    arena_release(&s->arena);
    spare_free(s, sizeof(*s));
}

void h1_stream_discard(struct h1_stream *s)
{
    s->conn->codec = NULL;
    stream_free(s);
}

/* ---- reading ---- */

void h1_expect_body(struct h1_stream *s, enum h1_framing framing)
{
    s->in.framing = (uint8_t)framing;
    s->in.left = framing == H1_LENGTH ? s->head.length : 0;
    h1_chunks_init(&s->in.chunks);
    s->stream.in_ended = framing == H1_NO_BODY || (framing == H1_LENGTH && s->in.left == 0);
}

/* `data` was bounded by the window. */
static void take_data(struct h1_stream *s, struct slice data)
{
    s->stream.in_bytes += data.len;
    if (!s->in.discard)
        buf_add(&s->stream.in, data);
}

static void read_length(struct h1_stream *s, struct slice bytes, size_t *ret_used)
{
    struct slice data = s->in.left < bytes.len ? slice_head(bytes, (size_t)s->in.left) : bytes;

    take_data(s, data);
    s->in.left -= data.len;
    s->stream.in_ended = s->in.left == 0;
    *ret_used = data.len;
}

/* What the head has left of its limits. */
static struct message_limits trailer_limits(const struct h1_stream *s)
{
    const struct message_limits *limits = &s->conn->settings->head;

    return (struct message_limits){
        .fields = limits->fields > s->head.count ? limits->fields - s->head.count : 0,
        .bytes = limits->bytes > s->head.bytes ? limits->bytes - s->head.bytes : 0,
    };
}

/* The trailer section is looked at when it is whole. */
static const struct reason *read_trailers(struct h1_stream *s, struct slice bytes, size_t *ret_used)
{
    struct message_limits limits = trailer_limits(s);
    struct h1_guard_limits guard = { .fields_bytes = limits.bytes + 2 };
    const struct reason *reason = h1_guard_trailers(bytes, &guard, &s->conn->scanned, ret_used);

    if (reason || *ret_used == 0)
        return reason;
    s->conn->scanned = 0;
    message_init(&s->in.trailers, s->stream.arena);
    if (!s->in.discard)
        reason = h1_head_read_trailers(slice_head(bytes, *ret_used), &limits, &s->in.trailers);
    if (reason)
        return reason;
    if (s->in.trailers.count > 0)
        s->stream.in_trailers = &s->in.trailers;
    s->stream.in_ended = true;
    return NULL;
}

static const struct reason *read_chunks(struct h1_stream *s, struct slice bytes, size_t room,
                                        size_t *ret_used)
{
    struct slice data;
    const struct reason *reason;

    if (s->in.chunks.state == H1_CHUNKS_ENDED)
        return read_trailers(s, bytes, ret_used);
    reason = h1_chunks_read(&s->in.chunks, bytes, room, ret_used, &data);
    if (!reason)
        take_data(s, data);
    return reason;
}

/* One run. *ret_used stays 0 when more bytes are needed. */
static const struct reason *read_run(struct h1_stream *s, struct slice bytes, size_t room,
                                     size_t *ret_used)
{
    switch ((enum h1_framing)s->in.framing) {
    case H1_LENGTH:
        read_length(s, slice_head(bytes, room), ret_used);
        return NULL;
    case H1_CHUNKED:
        return read_chunks(s, bytes, room, ret_used);
    case H1_UNTIL_CLOSE:
        *ret_used = bytes.len < room ? bytes.len : room;
        take_data(s, slice_head(bytes, room));
        return NULL;
    case H1_NO_BODY:
        break;
    }
    return NULL;
}

const struct reason *h1_read_body(struct h1_stream *s, struct slice bytes, size_t *ret_used)
{
    const struct reason *reason = NULL;
    size_t room, n = 1;

    *ret_used = 0;
    while (n > 0 && !reason && !s->stream.in_ended && *ret_used < bytes.len) {
        room = s->in.discard ? SIZE_MAX : buf_room(&s->stream.in);
        n = 0;
        if (room > 0)
            reason = read_run(s, slice_skip(bytes, *ret_used), room, &n);
        *ret_used += n;
    }
    if (!s->stream.in_ended && !s->in.discard && buf_room(&s->stream.in) == 0)
        conn_pause(s->conn, CONN_PAUSE_WINDOW);
    return reason;
}

/* Half a window: less would cost a read for little. */
void h1_reopen_window(struct h1_stream *s)
{
    if (s->conn && buf_room(&s->stream.in) >= s->stream.in.limit / 2)
        conn_resume(s->conn, CONN_PAUSE_WINDOW);
}

/* ---- writing ---- */

void h1_open_out(struct h1_stream *s, enum h1_framing framing, uint64_t length)
{
    s->out.open = true;
    s->out.framing = (uint8_t)framing;
    s->out.length = framing == H1_LENGTH ? length : 0;
    if (framing == H1_NO_BODY || (framing == H1_LENGTH && length == 0)) {
        buf_release(&s->stream.out);
        s->stream.out_ended = true;
    }
    conn_dirty(s->conn);
}

static void fill_data(struct h1_stream *s)
{
    struct stream *stream = &s->stream;
    struct buf *out = &s->conn->out;
    size_t n = stream->out.len < STREAM_OUT_HIGH ? stream->out.len : STREAM_OUT_HIGH;

    if (n == 0)
        return;
    if (s->out.framing == H1_CHUNKED)
        h1_write_chunk_size(out, n);
    buf_move(out, &stream->out, n);
    if (s->out.framing == H1_CHUNKED)
        buf_add(out, SLICE("\r\n"));
    stream->out_bytes += n;
}

void h1_fill(struct h1_stream *s)
{
    struct stream *stream = &s->stream;
    bool was_full = stream->out.len >= STREAM_OUT_LOW;

    if (!s->out.open || s->out.done)
        return;
    fill_data(s);
    if (buf_is_empty(&stream->out) && stream->out_ended) {
        buf_move(&s->conn->out, &s->out.last, s->out.last.len);
        s->out.done = true;
    }
    if (was_full && stream->out.len < STREAM_OUT_LOW)
        stream_notify(stream);
}

/* ---- the end ---- */

void h1_detach(struct h1_stream *s)
{
    struct conn *conn = s->conn;

    conn->codec = NULL;
    conn->scanned = 0;
    s->conn = NULL;
    if (!s->owned)
        stream_free(s);
    conn_stream_removed(conn);
}

void h1_finish(struct h1_stream *s, const struct reason *reason)
{
    if (!s->stream.closed) {
        s->stream.closed = true;
        s->stream.reason = reason;
        stream_notify(&s->stream);
    }
    h1_detach(s);
}

void h1_reset(struct stream *stream, const struct reason *reason)
{
    struct h1_stream *s = h1_stream_of(stream);
    struct conn *conn = s->conn;

    if (stream->closed)
        return;
    stream->closed = true;
    stream->reason = reason;
    conn->abort = conn->close_after = true;
    h1_detach(s);
    conn_close(conn, reason);
}

void h1_release(struct stream *stream)
{
    struct h1_stream *s = h1_stream_of(stream);

    h1_reset(stream, &reason_cancelled);
    stream->events = NULL;
    s->owned = false;
    if (!s->conn)
        stream_free(s);
}

/* The owner broke its own declaration: nobody may take what was sent for whole. */
static void fail_length(struct h1_stream *s)
{
    h1_reset(&s->stream, &reason_internal);
    stream_notify(&s->stream);
}

void h1_send(struct stream *stream)
{
    struct h1_stream *s = h1_stream_of(stream);

    if (stream->closed || (s->out.open && s->out.framing == H1_NO_BODY))
        buf_release(&stream->out);
    else if (s->out.framing == H1_LENGTH && stream->out_bytes + stream->out.len > s->out.length)
        fail_length(s);
    else
        conn_dirty(s->conn);
}

void h1_send_end(struct stream *stream, const struct message *trailers)
{
    struct h1_stream *s = h1_stream_of(stream);

    if (stream->closed || s->out.framing == H1_NO_BODY) {
        buf_release(&stream->out);
        return;
    }
    if (s->out.framing == H1_LENGTH && stream->out_bytes + stream->out.len != s->out.length) {
        fail_length(s);
        return;
    }
    if (s->out.framing == H1_CHUNKED)
        h1_write_last_chunk(&s->out.last, trailers);
    conn_dirty(s->conn);
}
