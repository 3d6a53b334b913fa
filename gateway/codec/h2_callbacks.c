/*
 * What nghttp2 tells of frames that came and frames that left.
 *
 * Callbacks note and submit; they never send or receive.
 */
#include "gateway/codec/h2_parts.h"

#include "gateway/codec/h2_head.h"

/* ---- what came ---- */

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
    struct h2_stream *s = h2_stream_find(h2, frame->hd.stream_id);
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
    struct h2_stream *s = h2_stream_find(h2, frame->hd.stream_id);
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
        s = h2_stream_find(h2, frame->hd.stream_id);
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
    struct h2_stream *s = h2_stream_find(h2, id);

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
    struct h2_stream *s = h2_stream_find(h2, id);
    bool from_peer = h2->peer_reset_id == id;

    (void)session;
    h2_guard_note_closed(h2, id, from_peer ? H2_CLOSED_BY_PEER : H2_CLOSED_ENDED);
    if (!s || s->stream.closed)
        return 0;
    h2_stream_forget_window(s);
    h2_stream_close(s, h2->side->why_closed(s, h2_error, from_peer));
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

/* ---- what left ---- */

/*
 * An answer that ended before its request: the rest is not wanted (RFC 9113, 8.1). A client's half
 * is ended by its server's RST_STREAM or by the owner's release.
 */
static void on_end_sent(struct h2 *h2, int32_t id)
{
    struct h2_stream *s = h2_stream_find(h2, id);

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

/* ---- all of them ---- */

nghttp2_session_callbacks *h2_callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_data);
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
