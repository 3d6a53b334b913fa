/*
 * HTTP/2 towards clients: requests in, answers out.
 *
 * A head that is well-formed HTTP/2 but no request we take is answered here, with the reason's
 * status and OpenAI's error body; malformed ones were reset by the library. Such streams have no
 * owner.
 */
#include "gateway/base/clock.h"
#include "gateway/base/held.h"
#include "gateway/codec/h2.h"
#include "gateway/codec/h2_head.h"
#include "gateway/http/reply.h"

/* Beside the head, for what the exchange notes about the request. */
#define ARENA_SPARE_BYTES (256 * 1024)

/* Half of the id space: a conn is drained long before a client runs out of ids (H2-16). */
#define STREAM_ID_DRAIN (1 << 30)

/* No registered method is longer. */
#define METHOD_BYTES 32

static void server_send_head(struct stream *stream, const struct message *head);
static void server_took(struct stream *stream);

static const struct stream_type server_stream = {
    .send_head = server_send_head,
    .send = h2_stream_send,
    .send_end = h2_stream_send_end,
    .took = server_took,
    .reset = h2_stream_reset,
    .release = h2_stream_release,
};

static size_t arena_limit(const struct conn_settings *settings)
{
    return 2 * (size_t)settings->head.bytes +
           4 * (size_t)settings->head.fields * sizeof(struct field) + settings->target_bytes +
           ARENA_SPARE_BYTES;
}

/* The stream lies at the front of its own arena: one allocation for it and a usual head. */
static struct h2_stream *server_stream_new(struct h2 *h2)
{
    struct h2_stream *s;
    struct arena arena;

    arena_init_held(&arena, arena_limit(h2->conn->settings));
    s = arena_zalloc(&arena, sizeof(*s));
    s->arena = arena;
    s->stream.type = &server_stream;
    h2_stream_init(s, h2, &s->arena);
    return s;
}

static void refuse_stream(struct h2 *h2, int32_t id, const struct reason *reason)
{
    conn_count_refused(h2->conn, reason);
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
}

/*
 * Streams count until their owner released them, not only while they are open: otherwise a client
 * that resets could have any number of exchanges running (CVE-2025-8671).
 */
static void server_begin(struct h2 *h2, int32_t id)
{
    static const nghttp2_extpri fair = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
    struct h2_stream *s;

    if (h2->conn->streams >= h2->conn->settings->streams) {
        refuse_stream(h2, id, &reason_stream_refused);
        return;
    }
    if (h2->conn->settings->held_bytes && held_bytes() > h2->conn->settings->held_bytes) {
        refuse_stream(h2, id, &reason_memory_limit);
        return;
    }
    s = server_stream_new(h2);
    s->id = id;
    nghttp2_session_set_stream_user_data(h2->session, id, s);
    nghttp2_session_change_extpri_stream_priority(h2->session, id, &fair,
                                                  /* ignore_client_signal= */ 1);
    if (id >= STREAM_ID_DRAIN)
        conn_drain(h2->conn);
}

static const struct reason *on_path(struct h2_stream *s, struct slice name, struct slice value)
{
    if (value.len > s->h2->conn->settings->target_bytes)
        return &reason_target_too_long;
    return h2_head_pseudo(s, name, value, &s->message.path);
}

static const struct reason *server_field(struct h2_stream *s, struct slice name, struct slice value)
{
    struct message *m = &s->message;

    if (name.at[0] != ':')
        return h2_head_field(s, name, value);
    if (slice_eq(name, SLICE(":path")))
        return on_path(s, name, value);
    if (slice_eq(name, SLICE(":authority")))
        return h2_head_pseudo(s, name, value, &m->authority);
    if (slice_eq(name, SLICE(":scheme")))
        return h2_head_pseudo(s, name, value, &m->scheme);
    return h2_head_pseudo(s, name, value, &m->method); /* the library lets no other pass */
}

/* ---- what a whole head says ---- */

static const struct reason *check_method(const struct message *m)
{
    if (m->method.len > METHOD_BYTES || !http_is_token(m->method))
        return &reason_bad_request;
    if (slice_eq(m->method, SLICE("CONNECT"))) /* no tunnels */
        return &reason_bad_method;
    if (slice_eq(m->method, SLICE("TRACE")))
        return &reason_method_not_allowed;
    return NULL;
}

/* Who is asked stands in :authority; Host may repeat it or take its place (RFC 9113, 8.3.1). */
static const struct reason *check_authority(struct h2_stream *s)
{
    struct message *m = &s->message;

    if (m->authority.at && s->host.at && !slice_ieq(m->authority, s->host))
        return &reason_bad_host;
    if (!m->authority.at)
        m->authority = s->host;
    return http_is_authority(m->authority) ? NULL : &reason_bad_host;
}

static const struct reason *check_target(struct message *m)
{
    if (!slice_eq(m->scheme, SLICE("http")) && !slice_eq(m->scheme, SLICE("https")))
        return &reason_bad_target;
    if (slice_eq(m->path, SLICE("*")))
        return slice_eq(m->method, SLICE("OPTIONS")) ? NULL : &reason_bad_target;
    return http_normalise_path(m->arena, &m->path);
}

static const struct reason *check_expect(struct message *m)
{
    const struct field *expect = message_find(m, FIELD_expect);

    if (!expect)
        return NULL;
    for (const struct field *at = m->fields; at < m->fields + m->count; at++)
        if (at->id == FIELD_expect &&
            (at != expect || !slice_ieq(at->value, SLICE("100-continue"))))
            return &reason_bad_expect;
    m->expects_100 = true;
    return NULL;
}

static const struct reason *check_head(struct h2_stream *s)
{
    const struct reason *reason = s->refused;

    if (!reason)
        reason = check_method(&s->message);
    if (!reason)
        reason = check_authority(s);
    if (!reason)
        reason = check_target(&s->message);
    if (!reason)
        reason = check_expect(&s->message);
    return reason ? reason : h2_head_join_cookies(&s->message);
}

static void frame_message(struct message *m, bool end_stream)
{
    m->version = 20;
    m->has_body = !end_stream || m->length != MESSAGE_LENGTH_UNKNOWN;
    if (end_stream)
        m->length = 0; /* the library refused any other content-length */
}

/* In memory of its own: the stream's arena may be what is full. */
static void refuse(struct h2_stream *s, const struct reason *reason)
{
    struct message answer;
    struct arena arena;

    s->refused = reason;
    conn_count_refused(s->h2->conn, reason);
    reply_error_json(&s->stream.out, reason, SLICE(""), SLICE(""));
    arena_init(&arena, 64 * 1024);
    message_init(&answer, &arena);
    answer.status = reason->status;
    answer.length = s->stream.out.len;
    answer.has_body = !slice_eq(s->message.method, SLICE("HEAD"));
    message_put(&answer, FIELD_content_type, SLICE("application/json"));
    stream_send_head(&s->stream, &answer);
    stream_send_end(&s->stream, NULL);
    arena_release(&arena);
}

static void server_head(struct h2_stream *s, bool end_stream)
{
    struct conn *conn = s->h2->conn;
    const struct reason *reason = check_head(s);

    s->head_done = true;
    s->stream.in_ended = end_stream;
    frame_message(&s->message, end_stream);
    if (reason) {
        refuse(s, reason);
        return;
    }
    s->owned = true;
    s->stream.head = &s->message;
    conn->events->on_stream(conn, &s->stream, conn->user);
}

/* ---- answers ---- */

static void send_interim(struct h2_stream *s, const struct message *head)
{
    struct h2_nva nva;

    h2_nva_answer(&nva, head);
    nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NULL, nva.at, nva.count, NULL);
    h2_nva_release(&nva);
    h2_dirty(s->h2);
}

static void server_send_head(struct stream *stream, const struct message *head)
{
    struct h2_stream *s = h2_stream_of(stream);
    nghttp2_data_provider body = h2_body(s);
    bool has_body = head->has_body && head->length != 0;
    struct h2_nva nva;

    if (stream->closed)
        return;
    if (head->status < 200) {
        send_interim(s, head);
        return;
    }
    if (has_body)
        s->length_out = head->length;
    h2_nva_answer(&nva, head);
    nghttp2_submit_response(s->h2->session, s->id, nva.at, nva.count, has_body ? &body : NULL);
    h2_nva_release(&nva);
    h2_dirty(s->h2);
}

/* The owner asks for a body that has not begun to come: now is when the client is told to send it.
 */
static void server_took(struct stream *stream)
{
    struct h2_stream *s = h2_stream_of(stream);
    struct message go_on = { .status = 100, .length = MESSAGE_LENGTH_UNKNOWN };

    if (!stream->closed && s->message.expects_100 && !s->continued && !stream->out_head_sent &&
        stream->in_bytes == 0 && !stream->in_ended) {
        s->continued = true;
        send_interim(s, &go_on);
    }
    h2_stream_took(stream);
}

/* ---- the conn ---- */

static const struct reason *server_why_closed(const struct h2_stream *s, uint32_t h2_error,
                                              bool from_peer)
{
    if (s->out_done)
        return &reason_done;
    if (from_peer)
        return &reason_client_gone;
    if (h2_error == NGHTTP2_INTERNAL_ERROR)
        return &reason_internal;
    return h2_error == NGHTTP2_FLOW_CONTROL_ERROR ? &reason_flow_control_error
                                                  : &reason_protocol_error;
}

static const struct reason *server_why_lost(const struct h2_stream *s, const struct reason *reason)
{
    (void)s;
    return reason;
}

static const struct h2_side server_side = {
    .server = true,
    .on_begin = server_begin,
    .on_field = server_field,
    .on_head = server_head,
    .why_closed = server_why_closed,
    .why_lost = server_why_lost,
};

/* The preface is owed within handshake_ms (H2-18). */
static void server_open(struct conn *conn)
{
    h2_open(conn, &server_side);
    conn->head_due_us =
        conn->transport.worker->now_us + conn->settings->handshake_ms * CLOCK_US_PER_MS;
    conn_arm(conn);
    if (transport_is_tls(&conn->transport) && !transport_may_h2(&conn->transport))
        h2_fail(h2_of(conn), &reason_tls_failed, NGHTTP2_INADEQUATE_SECURITY);
}

static const struct reason *server_end(struct conn *conn)
{
    return conn->streams > 0 ? &reason_client_gone : &reason_done;
}

/*
 * With streams under way: a GOAWAY that names no stream yet, so that requests already on their way
 * are still taken, and the real one a round trip later (RFC 9113, 6.8).
 */
static void server_drain(struct conn *conn)
{
    struct h2 *h2 = h2_of(conn);

    if (conn->streams == 0) {
        h2_goaway(h2);
        return;
    }
    nghttp2_submit_shutdown_notice(h2->session);
    nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    h2_dirty(h2);
}

const struct conn_type conn_h2_server = {
    .name = "h2",
    .open = server_open,
    .on_bytes = h2_on_bytes,
    .on_end = server_end,
    .expire = h2_expire,
    .fill = h2_fill,
    .drain = server_drain,
    .close = h2_close,
};
