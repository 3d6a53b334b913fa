/*
 * Streams of HTTP/2 on both sides: their life, their outgoing halves, windows, and those that
 * stall.
 *
 * Nothing here sends or receives: it notes and submits.
 */
#include "gateway/codec/h2_parts.h"

#include "gateway/base/clock.h"
#include "gateway/codec/h2_head.h"

/* A window that lets less than this through while more waits is a dribble (H2-11). */
#define DRIBBLE_BYTES 128

/* A stall is so many sweeps in a row in which a stream's peer took less than these bytes. */
#define STALL_SWEEPS 4
#define STALL_BYTES  256

struct h2_stream *h2_stream_find(struct h2 *h2, int32_t id)
{
    void *found = nghttp2_session_get_stream_user_data(h2->session, id);

    return found ? CAST(struct h2_stream, found, H2_STREAM_MAGIC) : NULL;
}

/* ---- life ---- */

void h2_stream_init(struct h2_stream *s, struct h2 *h2, struct arena *arena)
{
    MAGIC_SET(s, H2_STREAM_MAGIC);
    s->h2 = h2;
    s->stream.arena = arena;
    s->length_out = MESSAGE_LENGTH_UNKNOWN;
    buf_init(&s->stream.in, h2->conn->settings->window_bytes);
    buf_init(&s->stream.out, STREAM_OUT_HIGH);
    message_init(&s->message, arena);
    list_push(&h2->streams, &s->link);
    conn_stream_added(h2->conn);
}

void h2_stream_forget_window(struct h2_stream *s)
{
    uint64_t kept = s->stream.in_bytes - s->window_given;

    s->window_given = s->stream.in_bytes;
    if (kept > 0)
        nghttp2_session_consume_connection(s->h2->session, (size_t)kept);
}

/* The library knows it no longer. */
static void stream_detach(struct h2_stream *s)
{
    h2_stream_forget_window(s);
    if (s->id)
        nghttp2_session_set_stream_user_data(s->h2->session, s->id, NULL);
}

void h2_stream_close(struct h2_stream *s, const struct reason *reason)
{
    s->stream.closed = true;
    s->stream.reason = reason;
    if (s->owned) {
        stream_notify(&s->stream);
        return;
    }
    list_remove(&s->link);
    list_push(&s->h2->orphans, &s->link);
}

static void stream_free(struct h2_stream *s)
{
    struct h2 *h2 = s->h2;
    struct arena arena = s->arena;

    list_remove(&s->link);
    buf_release(&s->stream.in);
    buf_release(&s->stream.out);
    s->magic = 0;
    arena_release(&arena); /* a server's stream lies in it */
    if (!h2)
        return;
    if (h2->conn->state == CONN_DRAINING && h2->conn->streams == 1)
        h2_goaway(h2);
    conn_stream_removed(h2->conn);
}

void h2_streams_free_orphans(struct h2 *h2)
{
    struct list *link;

    while ((link = list_pop(&h2->orphans)))
        stream_free(CONTAINER_OF(link, struct h2_stream, link));
}

void h2_streams_lose(struct h2 *h2, const struct reason *reason)
{
    struct list *link;

    h2_streams_free_orphans(h2);
    while ((link = list_pop(&h2->streams))) {
        struct h2_stream *s = CONTAINER_OF(link, struct h2_stream, link);

        s->h2 = NULL;
        if (s->owned && !s->stream.closed) {
            s->stream.closed = true;
            s->stream.reason = h2->side->why_lost(s, reason);
            stream_notify(&s->stream);
        } else if (!s->owned) {
            stream_free(s);
        }
    }
}

void h2_submit_reset(struct h2 *h2, int32_t id, uint32_t h2_error)
{
    h2->own_resets++;
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, h2_error);
    h2_dirty(h2);
}

/* NO_ERROR would make a cut answer look whole to a careless client. */
static uint32_t error_of_reason(const struct reason *reason)
{
    return reason->h2_error ? reason->h2_error : NGHTTP2_INTERNAL_ERROR;
}

void h2_stream_abort(struct h2_stream *s, const struct reason *reason, uint32_t h2_error)
{
    if (s->stream.closed)
        return;
    if (s->id)
        h2_submit_reset(s->h2, s->id, h2_error);
    stream_detach(s);
    h2_stream_close(s, reason);
}

void h2_stream_reset(struct stream *stream, const struct reason *reason)
{
    struct h2_stream *s = h2_stream_of(stream);

    if (stream->closed)
        return;
    if (s->id)
        h2_submit_reset(s->h2, s->id, error_of_reason(reason));
    stream_detach(s);
    stream->closed = true;
    stream->reason = reason;
}

void h2_stream_release(struct stream *stream)
{
    h2_stream_reset(stream, &reason_cancelled);
    stream_free(h2_stream_of(stream));
}

void h2_stream_took(struct stream *stream)
{
    struct h2_stream *s = h2_stream_of(stream);
    uint64_t taken = stream->in_bytes - stream->in.len;

    if (stream->closed || taken <= s->window_given)
        return;
    nghttp2_session_consume(s->h2->session, s->id, (size_t)(taken - s->window_given));
    s->window_given = taken;
    if (nghttp2_session_want_write(s->h2->session))
        h2_dirty(s->h2);
}

/* ---- bodies out ---- */

static void sweep_later(struct h2 *h2)
{
    struct worker *worker = h2->conn->transport.worker;

    if (!timer_is_set(&h2->sweep))
        timer_set(&worker->timers, &h2->sweep,
                  worker->now_us + h2->conn->settings->stall_ms * CLOCK_US_PER_MS / STALL_SWEEPS);
}

static void stream_resume(struct h2_stream *s)
{
    if (s->stream.closed)
        return;
    if (s->deferred) {
        s->deferred = false;
        nghttp2_session_resume_data(s->h2->session, s->id);
    }
    h2_dirty(s->h2);
}

void h2_stream_send(struct stream *stream)
{
    struct h2_stream *s = h2_stream_of(stream);

    if (!stream->closed)
        sweep_later(s->h2);
    stream_resume(s);
}

/* A copy; NULL when the arena is full: trailers are not worth an exchange. */
static struct message *keep_trailers(struct arena *arena, const struct message *trailers)
{
    struct message *kept = arena_try_alloc(arena, sizeof(*kept));

    if (!kept)
        return NULL;
    message_init(kept, arena);
    for (uint32_t i = 0; i < trailers->count; i++)
        if (message_add_copy(kept, trailers->fields[i].name, trailers->fields[i].value, NULL))
            return NULL;
    return kept;
}

void h2_stream_send_end(struct stream *stream, const struct message *trailers)
{
    struct h2_stream *s = h2_stream_of(stream);

    if (trailers && trailers->count > 0 && !stream->closed)
        s->trailers_out = keep_trailers(stream->arena, trailers);
    stream_resume(s);
}

static bool length_is_wrong(const struct h2_stream *s, size_t next)
{
    uint64_t sent = s->stream.out_bytes + next;

    if (s->length_out == MESSAGE_LENGTH_UNKNOWN)
        return false;
    return sent > s->length_out ||
           (s->stream.out_ended && next == s->stream.out.len && sent != s->length_out);
}

static void end_data(struct h2_stream *s, uint32_t *flags)
{
    struct h2_nva nva;

    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!s->trailers_out)
        return;
    h2_nva_trailers(&nva, s->trailers_out);
    if (nghttp2_submit_trailer(s->h2->session, s->id, nva.at, nva.count) == 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    h2_nva_release(&nva);
}

/* nghttp2_data_source_read_callback: how much of stream->out the next frame carries. */
static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *s = CAST(struct h2_stream, source->ptr, H2_STREAM_MAGIC);
    size_t waiting = s->stream.out.len;
    size_t n = waiting < room ? waiting : room;

    (void)session, (void)id, (void)bytes, (void)user;
    if (n == 0 && !s->stream.out_ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (length_is_wrong(s, n))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == waiting && s->stream.out_ended)
        end_data(s, flags);
    else if (n < waiting && n < DRIBBLE_BYTES)
        h2_guard_charge(s->h2, H2_GLITCH_POINTS);
    return (ssize_t)n;
}

nghttp2_data_provider h2_body(struct h2_stream *s)
{
    return (nghttp2_data_provider){ .source.ptr = s, .read_callback = read_data };
}

/* The frame's head, then the pieces themselves. */
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                 nghttp2_data_source *source, void *user)
{
    struct h2_stream *s = CAST(struct h2_stream, source->ptr, H2_STREAM_MAGIC);
    struct buf *out = &s->h2->conn->out;
    size_t before = s->stream.out.len;

    (void)session, (void)frame, (void)user;
    buf_add(out, slice_of((const char *)head, H2_FRAME_HEAD));
    buf_move(out, &s->stream.out, length);
    s->stream.out_bytes += length;
    h2_guard_credit(&s->h2->guard);
    if (before > STREAM_OUT_LOW && s->stream.out.len <= STREAM_OUT_LOW)
        stream_notify(&s->stream);
    return out->len >= STREAM_OUT_LOW ? NGHTTP2_ERR_PAUSE : 0;
}

/* ---- stalled streams (H2-10) ---- */

static bool stream_is_stalled(struct h2_stream *s)
{
    uint64_t took = s->stream.out_bytes - s->swept_bytes;

    s->swept_bytes = s->stream.out_bytes;
    if (buf_is_empty(&s->stream.out) || took >= STALL_BYTES)
        s->idle_sweeps = 0;
    else
        s->idle_sweeps++;
    return s->idle_sweeps >= STALL_SWEEPS;
}

void h2_streams_sweep(struct timer *timer)
{
    struct h2 *h2 = CONTAINER_OF(timer, struct h2, sweep);
    const struct reason *reason = h2->side->server ? &reason_client_stalled : &reason_idle_timeout;
    bool waiting = false;

    LIST_FOREACH_SAFE (at, &h2->streams) {
        struct h2_stream *s = CONTAINER_OF(at, struct h2_stream, link);

        if (s->stream.closed)
            continue;
        waiting |= !buf_is_empty(&s->stream.out);
        if (stream_is_stalled(s))
            h2_stream_abort(s, reason, error_of_reason(reason));
    }
    if (waiting)
        sweep_later(h2);
    h2_streams_free_orphans(h2);
}
