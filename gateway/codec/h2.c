/*
 * HTTP/2 shared by both sides: the library's session and callbacks, the turn of bytes in and out,
 * streams' outgoing halves, windows and ends.
 *
 * Callbacks note and submit; they never send or receive. What is fatal is kept in h2->failed and
 * told to conn.c by h2_on_bytes or h2_fill, with the GOAWAY already in conn->out.
 */
#include "gateway/codec/h2.h"

#include "gateway/base/clock.h"
#include "gateway/codec/h2_head.h"
#include "gateway/codec/h2_memory.h"

#include <stdlib.h>

/* Streams' windows that a server's conn may hold in all: one slow reader must not starve others,
 * a hundred must not hold a hundred windows. Towards endpoints every stream may hold its own. */
#define SERVER_CONN_WINDOWS 4
#define WINDOW_MAX          0x7fffffff

/* Our encoder's table, whatever the peer allows (H2-13). */
#define ENCODER_TABLE_BYTES 4096

/* The library's own counter of resets stands behind the guard's, which also knows their worth. */
#define LIBRARY_RESETS_BURST 20000
#define LIBRARY_RESETS_RATE  1000

/* Heads that were accepted on one side are not refused on the other. */
#define HEAD_SENT_BYTES (1024 * 1024)

/* A window that lets less than this through while more waits is a dribble (H2-11). */
#define DRIBBLE_BYTES 128

/* A stall is so many sweeps in a row in which a stream's peer took less than these bytes. */
#define STALL_SWEEPS 4
#define STALL_BYTES  256

static struct h2_stream *stream_by_id(struct h2 *h2, int32_t id)
{
    void *found = nghttp2_session_get_stream_user_data(h2->session, id);

    return found ? CAST(struct h2_stream, found, H2_STREAM_MAGIC) : NULL;
}

/* ---- the end ---- */

void h2_fail(struct h2 *h2, const struct reason *reason, uint32_t h2_error)
{
    if (h2->failed)
        return;
    h2->failed = reason;
    h2->failed_error = h2_error;
}

/* An error the library found: it says the code, we the reason. */
static const struct reason *reason_of_error(uint32_t h2_error)
{
    switch (h2_error) {
    case NGHTTP2_FLOW_CONTROL_ERROR:
        return &reason_flow_control_error;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return &reason_client_flood;
    default:
        return &reason_protocol_error;
    }
}

/* The library's receive gave up. */
static void fail_of_library(struct h2 *h2, int error)
{
    switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        h2_fail(h2, &reason_not_http, NGHTTP2_PROTOCOL_ERROR);
        return;
    case NGHTTP2_ERR_FLOODED:
        h2_fail(h2, &reason_client_flood, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    default: /* NGHTTP2_ERR_CALLBACK_FAILURE: said already */
        h2_fail(h2, &reason_protocol_error, NGHTTP2_PROTOCOL_ERROR);
    }
}

void h2_dirty(struct h2 *h2)
{
    conn_dirty(h2->conn);
}

void h2_goaway(struct h2 *h2)
{
    if (h2->goaway_final)
        return;
    h2->goaway_final = true;
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    h2->conn->linger = true; /* bytes still unread here must not destroy it on its way */
    h2_dirty(h2);
}

/* ---- streams ---- */

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

/* The window of body bytes that nobody took goes back to the conn; the stream needs none. */
static void stream_forget_window(struct h2_stream *s)
{
    uint64_t kept = s->stream.in_bytes - s->window_given;

    s->window_given = s->stream.in_bytes;
    if (kept > 0)
        nghttp2_session_consume_connection(s->h2->session, (size_t)kept);
}

/* The library knows it no longer. */
static void stream_detach(struct h2_stream *s)
{
    stream_forget_window(s);
    if (s->id)
        nghttp2_session_set_stream_user_data(s->h2->session, s->id, NULL);
}

static void stream_close(struct h2_stream *s, const struct reason *reason)
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

static void free_orphans(struct h2 *h2)
{
    struct list *link;

    while ((link = list_pop(&h2->orphans)))
        stream_free(CONTAINER_OF(link, struct h2_stream, link));
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
    stream_close(s, reason);
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

/* nghttp2_send_data_callback: the frame's head, then the pieces themselves. */
static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t length, nghttp2_data_source *source, void *user)
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

static void sweep(struct timer *timer)
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
    free_orphans(h2);
}

/* ---- the library's callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);

    (void)session;
    if (h2->side->on_begin && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2->side->on_begin(h2, frame->hd.stream_id);
    return 0;
}

static void on_trailer(struct h2_stream *s, struct slice name, struct slice value)
{
    const struct reason *reason = h2_head_trailer(s, name, value);

    if (reason)
        h2_stream_abort(s, reason, NGHTTP2_PROTOCOL_ERROR);
}

/* Fields behind one that was refused cost the peer something, so that a bomb ends early (H2-04). */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);
    struct h2_stream *s = stream_by_id(h2, frame->hd.stream_id);
    struct slice n = slice_of((const char *)name, name_len);
    struct slice v = slice_of((const char *)value, value_len);

    (void)session, (void)flags;
    if (!s || s->stream.closed || s->refused)
        h2_guard_charge(h2, 1);
    else if (s->head_done)
        on_trailer(s, n, v);
    else
        s->refused = h2->side->on_field(s, n, v);
    return h2->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Left alone, the library would drop the field and let the message pass (D-01, D-07). */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user)
{
    (void)session, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len;
    (void)flags, (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void on_incoming_end(struct h2_stream *s)
{
    s->stream.in_ended = true;
    stream_notify(&s->stream);
}

static void on_headers_complete(struct h2 *h2, const nghttp2_frame *frame)
{
    struct h2_stream *s = stream_by_id(h2, frame->hd.stream_id);
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (!s || s->stream.closed)
        return;
    if (!s->head_done)
        h2->side->on_head(s, end);
    else if (end)
        on_incoming_end(s);
}

static void on_settings(struct h2 *h2)
{
    uint32_t streams =
        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    bool more = streams > h2->peer_streams;

    h2->peer_streams = streams;
    if (!h2->side->server && more && h2->conn->events->on_ready)
        h2->conn->events->on_ready(h2->conn, h2->conn->user);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);
    struct h2_stream *s;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers_complete(h2, frame);
        break;
    case NGHTTP2_DATA:
        s = stream_by_id(h2, frame->hd.stream_id);
        if (s && !s->stream.closed && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            on_incoming_end(s);
        break;
    case NGHTTP2_RST_STREAM:
        h2->peer_reset_id = frame->hd.stream_id;
        break;
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            on_settings(h2);
        break;
    case NGHTTP2_PING: /* our drain's: a round trip since the first GOAWAY is over */
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->conn->state == CONN_DRAINING)
            h2_goaway(h2);
        break;
    case NGHTTP2_GOAWAY:
        conn_drain(h2->conn);
        break;
    }
    return 0;
}

/* The window lets through no more than `in` holds, whatever its limit says now. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);
    struct h2_stream *s = stream_by_id(h2, id);

    (void)flags;
    if (!s || s->stream.closed || !s->owned) {
        nghttp2_session_consume_connection(session, len);
        return 0;
    }
    buf_add(&s->stream.in, slice_of((const char *)bytes, len));
    s->stream.in_bytes += len;
    stream_notify(&s->stream);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t h2_error, void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);
    struct h2_stream *s = stream_by_id(h2, id);
    bool from_peer = h2->peer_reset_id == id;

    (void)session;
    h2_guard_note_closed(h2, id, from_peer ? H2_CLOSED_BY_PEER : H2_CLOSED_ENDED);
    if (!s || s->stream.closed)
        return 0;
    stream_forget_window(s);
    stream_close(s, h2->side->why_closed(s, h2_error, from_peer));
    return 0;
}

/* A refused stream is known to the guard before its RST_STREAM leaves: its body may be here. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);

    (void)session;
    if (error != NGHTTP2_ERR_REFUSED_STREAM)
        return 0;
    h2_guard_note_closed(h2, frame->hd.stream_id, H2_CLOSED_BY_US);
    conn_count_refused(h2->conn, &reason_stream_refused);
    return 0;
}

/*
 * An answer that ended before its request: the rest is not wanted (RFC 9113, 8.1). A client's half
 * is ended by its server's RST_STREAM or by the owner's release.
 */
static void on_end_sent(struct h2 *h2, int32_t id)
{
    struct h2_stream *s = stream_by_id(h2, id);

    if (!s)
        return;
    s->out_done = true;
    if (h2->side->server && !s->stream.in_ended)
        h2_submit_reset(h2, id, NGHTTP2_NO_ERROR);
}

/*
 * Resets that a peer made the library send cost it a glitch (MadeYouReset, H2-02). A window past
 * its limit is worse: where SETTINGS did it, the conn must end (RFC 9113, 6.9.2), and the library
 * does not tell that from a WINDOW_UPDATE.
 */
static void on_reset_sent(struct h2 *h2, int32_t id, uint32_t h2_error)
{
    h2_guard_note_closed(h2, id, H2_CLOSED_BY_US);
    if (h2->own_resets > 0)
        h2->own_resets--;
    else if (h2_error == NGHTTP2_FLOW_CONTROL_ERROR)
        h2_fail(h2, &reason_flow_control_error, h2_error);
    else
        h2_guard_charge(h2, H2_GLITCH_POINTS);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = CAST(struct h2, user, H2_MAGIC);
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        if (end)
            on_end_sent(h2, frame->hd.stream_id);
        break;
    case NGHTTP2_RST_STREAM:
        on_reset_sent(h2, frame->hd.stream_id, frame->rst_stream.error_code);
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
            h2_fail(h2, reason_of_error(frame->goaway.error_code), frame->goaway.error_code);
        break;
    }
    return 0;
}

/* ---- the session ---- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    return callbacks;
}

static nghttp2_option *option_new(void)
{
    nghttp2_option *option;

    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, ENCODER_TABLE_BYTES);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_SENT_BYTES);
    nghttp2_option_set_stream_reset_rate_limit(option, LIBRARY_RESETS_BURST, LIBRARY_RESETS_RATE);
    return option;
}

static void session_new(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks = callbacks_new();
    nghttp2_option *option = option_new();

    CHECK((h2->side->server ? nghttp2_session_server_new3 : nghttp2_session_client_new3)(
              &h2->session, callbacks, h2, option, &h2_memory) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

/* Priorities are off: RFC 9113 took them out, and trees of them are a way to make work (H2-08). */
static void submit_settings(struct h2 *h2)
{
    const struct conn_settings *settings = h2->conn->settings;
    uint32_t window = settings->window_bytes;
    nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings->head.bytes },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
        { h2->side->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
          h2->side->server ? settings->streams : 0 },
    };
    int64_t conn_window = h2->side->server ? (int64_t)window * SERVER_CONN_WINDOWS : WINDOW_MAX;

    CHECK(nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries)) ==
          0);
    CHECK(nghttp2_session_set_local_window_size(
              h2->session, NGHTTP2_FLAG_NONE, 0,
              (int32_t)(conn_window < WINDOW_MAX ? conn_window : WINDOW_MAX)) == 0);
}

void h2_open(struct conn *conn, const struct h2_side *side)
{
    struct h2 *h2 = xcalloc(1, sizeof(*h2));

    MAGIC_SET(h2, H2_MAGIC);
    h2->conn = conn;
    h2->side = side;
    list_init(&h2->streams);
    list_init(&h2->orphans);
    timer_init(&h2->sweep, sweep);
    h2_guard_init(&h2->guard, side->server, conn->transport.worker->now_us);
    conn->codec = h2;
    session_new(h2);
    submit_settings(h2);
    h2->peer_streams =
        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    h2_dirty(h2);
}

/* Frames of all streams, until conn->out has `limit` bytes. */
static void session_send(struct h2 *h2, size_t limit)
{
    struct buf *out = &h2->conn->out;
    const uint8_t *bytes;
    ssize_t n;

    while (out->len < limit) {
        n = nghttp2_session_mem_send(h2->session, &bytes);
        if (n < 0)
            h2_fail(h2, &reason_internal, NGHTTP2_INTERNAL_ERROR);
        if (n <= 0)
            return;
        buf_add(out, slice_of((const char *)bytes, (size_t)n));
    }
}

/* GOAWAY, whatever else waits: the library sends nothing behind it. */
static void last_words(struct h2 *h2)
{
    h2->conn->linger = true;
    nghttp2_session_terminate_session(h2->session, h2->failed_error);
    session_send(h2, SIZE_MAX);
}

static void session_receive(struct h2 *h2, struct slice bytes)
{
    ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.at, bytes.len);

    if (n < 0)
        fail_of_library(h2, (int)n);
}

/* A head that was begun has head_ms from here, however its bytes dribble (S-01). */
static void watch_head(struct h2 *h2)
{
    struct conn *conn = h2->conn;

    if (!h2_guard_in_head(&h2->guard)) {
        conn->head_due_us = 0;
    } else if (!conn->head_due_us) {
        conn->head_due_us =
            conn->transport.worker->now_us + conn->settings->head_ms * CLOCK_US_PER_MS;
        conn_arm(conn);
    }
}

const struct reason *h2_on_bytes(struct conn *conn, struct slice bytes, size_t *ret_used)
{
    struct h2 *h2 = h2_of(conn);
    size_t len = 0;

    *ret_used = 0;
    while (bytes.len > 0 && !h2_guard_next(h2, bytes, &len) && len > 0) {
        session_receive(h2, slice_head(bytes, len));
        h2_guard_passed(&h2->guard, len);
        bytes = slice_skip(bytes, len);
        *ret_used += len;
    }
    if (!h2->failed && nghttp2_session_want_write(h2->session)) {
        session_send(h2, STREAM_OUT_LOW);
        conn_dirty(conn);
    }
    if (h2->failed)
        last_words(h2);
    watch_head(h2);
    free_orphans(h2);
    return h2->failed;
}

void h2_fill(struct conn *conn)
{
    struct h2 *h2 = h2_of(conn);

    if (!h2->failed)
        session_send(h2, STREAM_OUT_LOW);
    if (h2->failed) {
        last_words(h2);
        conn->reason = h2->failed;
    }
    free_orphans(h2);
}

const struct reason *h2_expire(struct conn *conn)
{
    struct h2 *h2 = h2_of(conn);

    h2_fail(h2, &reason_head_timeout, NGHTTP2_NO_ERROR);
    last_words(h2);
    return h2->failed;
}

/* Streams live on without a conn until their owners release them. */
void h2_close(struct conn *conn, const struct reason *reason)
{
    struct h2 *h2 = h2_of(conn);
    struct list *link;

    free_orphans(h2);
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
    timer_clear(&h2->sweep);
    nghttp2_session_del(h2->session);
    h2->magic = 0;
    free(h2);
    conn->codec = NULL;
}
