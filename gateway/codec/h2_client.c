/*
 * HTTP/2 towards endpoints, by prior knowledge or ALPN: requests out, answers in.
 *
 * Streams lie in their owner's arena. Interim answers are skipped, pushes were switched off, and
 * what a server may cost is bounded by the same guard as what a client may.
 */
#include "gateway/codec/h2.h"
#include "gateway/codec/h2_head.h"

/* Interim answers before the final one. */
#define INTERIMS_MAX 20

/* Half of the id space: long before it is used up, the pool dials anew. */
#define STREAM_ID_LAST (1u << 30)

static void client_send_head(struct stream *stream, const struct message *head);

static const struct stream_type client_stream = {
    .send_head = client_send_head,
    .send = h2_stream_send,
    .send_end = h2_stream_send_end,
    .took = h2_stream_took,
    .reset = h2_stream_reset,
    .release = h2_stream_release,
};

static struct stream *client_open_stream(struct conn *conn, struct arena *arena)
{
    struct h2_stream *s = arena_zalloc(arena, sizeof(*s));

    s->stream.type = &client_stream;
    s->stream.reused_conn = conn->served > 0;
    s->owned = true;
    h2_stream_init(s, h2_of(conn), arena);
    return &s->stream;
}

static unsigned client_room(const struct conn *conn)
{
    const struct h2 *h2 = h2_of(conn);
    uint32_t limit = conn->settings->streams;

    if (h2->failed || nghttp2_session_get_next_stream_id(h2->session) > STREAM_ID_LAST)
        return 0;
    if (limit > h2->peer_streams)
        limit = h2->peer_streams;
    return limit > conn->streams ? limit - conn->streams : 0;
}

/* ---- requests ---- */

static void client_send_head(struct stream *stream, const struct message *head)
{
    struct h2_stream *s = h2_stream_of(stream);
    nghttp2_data_provider body = h2_body(s);
    bool has_body = head->has_body && head->length != 0;
    struct h2_nva nva;
    int32_t id;

    if (stream->closed)
        return;
    if (has_body)
        s->length_out = head->length;
    h2_nva_request(&nva, head);
    id =
        nghttp2_submit_request(s->h2->session, NULL, nva.at, nva.count, has_body ? &body : NULL, s);
    h2_nva_release(&nva);
    if (id < 0) {
        h2_stream_abort(s, &reason_endpoint_refused, NGHTTP2_NO_ERROR);
        return;
    }
    s->id = id;
    s->h2->guard.last_id = id;
    h2_dirty(s->h2);
}

/* ---- answers ---- */

static const struct reason *on_status(struct h2_stream *s, struct slice value)
{
    uint64_t status;

    if (value.len != 3 || !slice_u64(value, &status) || status < 100)
        return &reason_endpoint_malformed;
    s->message.status = (uint16_t)status;
    s->interim = status < 200;
    return NULL;
}

static const struct reason *client_field(struct h2_stream *s, struct slice name, struct slice value)
{
    if (name.at[0] == ':') /* the library lets only :status pass, first and once */
        return on_status(s, value);
    return s->interim ? NULL : h2_head_field(s, name, value);
}

static void frame_message(struct message *m, bool end_stream)
{
    m->version = 20;
    m->has_body = !end_stream;
    if (end_stream && m->length == MESSAGE_LENGTH_UNKNOWN)
        m->length = 0;
}

static void client_head(struct h2_stream *s, bool end_stream)
{
    if (s->refused || (s->interim && (end_stream || ++s->interims > INTERIMS_MAX))) {
        h2_stream_abort(s, &reason_endpoint_malformed, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    if (s->interim) {
        s->interim = false;
        return;
    }
    s->head_done = true;
    s->stream.in_ended = end_stream;
    frame_message(&s->message, end_stream);
    s->stream.head = &s->message;
    stream_notify(&s->stream);
}

/* ---- ends ---- */

static const struct reason *cut_off(const struct h2_stream *s)
{
    return s->head_done ? &reason_endpoint_truncated : &reason_endpoint_reset;
}

static const struct reason *client_why_closed(const struct h2_stream *s, uint32_t h2_error,
                                              bool from_peer)
{
    if (s->stream.in_ended)
        return &reason_done;
    if (h2_error == NGHTTP2_REFUSED_STREAM && !s->head_done)
        return &reason_endpoint_refused;
    return from_peer ? cut_off(s) : &reason_endpoint_malformed;
}

static const struct reason *client_why_lost(const struct h2_stream *s, const struct reason *reason)
{
    if (reason == &reason_protocol_error || reason == &reason_flow_control_error ||
        reason == &reason_client_flood || reason == &reason_head_timeout)
        return &reason_endpoint_malformed;
    return reason == &reason_done || reason == &reason_endpoint_reset ? cut_off(s) : reason;
}

static const struct h2_side client_side = {
    .on_field = client_field,
    .on_head = client_head,
    .why_closed = client_why_closed,
    .why_lost = client_why_lost,
};

static void client_open(struct conn *conn)
{
    h2_open(conn, &client_side);
}

static const struct reason *client_end(struct conn *conn)
{
    return conn->streams > 0 ? &reason_endpoint_reset : &reason_done;
}

/* No stream of the server's will ever come: one GOAWAY says it all, when the last of ours is over.
 */
static void client_drain(struct conn *conn)
{
    if (conn->streams == 0)
        h2_goaway(h2_of(conn));
}

const struct conn_type conn_h2_client = {
    .name = "h2",
    .open = client_open,
    .on_bytes = h2_on_bytes,
    .on_end = client_end,
    .expire = h2_expire,
    .fill = h2_fill,
    .drain = client_drain,
    .close = h2_close,
    .open_stream = client_open_stream,
    .room = client_room,
};
