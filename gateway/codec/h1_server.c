/*
 * HTTP/1.1 towards clients: one request at a time.
 *
 *   idle --head whole--> request --body whole--> answer owed (reading paused) --answer out--> idle
 *                           \--answer out first--> the rest is dropped, if it is little --> idle
 *   any of them --refused, FIN, too much to drop, not persistent--> the conn ends
 *
 * What is refused before there is an exchange is answered here and counted; while there is one, it
 * is told the reason, and the client is answered here only if the exchange has not begun to.
 */
#include "gateway/codec/h1.h"

#include "gateway/base/clock.h"
#include "gateway/codec/h1_write.h"
#include "gateway/http/reply.h"

/* Dropped of a body nobody wants any more, rather than giving up the connection. */
#define DRAIN_BYTES (256 * 1024)

/* Beside the target in a request line: a method of any length that is known, spaces, version. */
#define LINE_OWN_BYTES 32

/* A refusal: its fields and its body of a sentence or two. */
#define REFUSAL_ARENA_BYTES 4096

/* ---- refusing ---- */

static void write_refusal(struct conn *conn, const struct reason *reason)
{
    struct message head;
    struct arena arena;
    struct buf body;

    arena_init(&arena, REFUSAL_ARENA_BYTES);
    message_init(&head, &arena);
    buf_init(&body, 0);
    reply_error_json(&body, reason, SLICE(""), SLICE(""));
    head.status = reason->status;
    head.length = body.len;
    message_put(&head, FIELD_content_type, SLICE("application/json"));
    h1_write_answer(&conn->out, &head, H1_LENGTH, H1_SAY_CLOSE, conn->transport.worker->wall_us);
    buf_move(&conn->out, &body, body.len);
    arena_release(&arena);
}

/* The last word on a request of which no exchange knows. Returns why the conn ends. */
static const struct reason *refuse_head(struct conn *conn, struct slice bytes,
                                        const struct reason *reason)
{
    if (conn->served == 0 && !transport_is_tls(&conn->transport) && !h1_guard_means_http(bytes))
        reason = &reason_not_http;
    conn_count_refused(conn, reason);
    if (reason->status)
        write_refusal(conn, reason);
    conn->linger = true;
    return reason;
}

/* The same for the body of a request that is an exchange already. */
static const struct reason *refuse_body(struct conn *conn, struct h1_stream *s,
                                        const struct reason *reason)
{
    conn->linger = true;
    if (s->stream.closed) /* it was answered, and what follows was being dropped */
        return &reason_done;
    conn->abort = s->out.open;
    if (!s->out.open)
        write_refusal(conn, reason);
    return reason;
}

/* ---- reading ---- */

static struct h1_guard_limits head_limits(const struct conn *conn)
{
    return (struct h1_guard_limits){ .line_bytes = conn->settings->target_bytes + LINE_OWN_BYTES,
                                     .fields_bytes = conn->settings->head.bytes };
}

/* Of a head that is not whole: its first line, if that is. */
static const struct reason *check_first_line(struct slice bytes)
{
    struct slice head = slice_starts(bytes, SLICE("\r\n")) ? slice_skip(bytes, 2) : bytes;
    struct h1_line line;

    if (slice_find(head, '\n') == head.len)
        return NULL;
    return h1_guard_request_line(h1_guard_cut_line(&head), &line);
}

/* From its first byte on, a head has one deadline, which no further byte moves (S-01). */
static void wait_for_head(struct conn *conn)
{
    if (conn->head_due_us)
        return;
    conn->idle_due_us = 0;
    conn->head_due_us = conn->transport.worker->now_us + conn->settings->head_ms * CLOCK_US_PER_MS;
    conn_arm(conn);
}

static const struct stream_type h1_server_stream;

static const struct reason *begin_request(struct conn *conn, struct slice head)
{
    struct h1_stream *s = h1_stream_new(conn, &h1_server_stream, NULL);
    struct h1_facts facts;
    const struct reason *reason =
        h1_head_read_request(head, &conn->settings->head, &s->head, &facts);

    if (reason) {
        h1_stream_discard(s);
        return refuse_head(conn, head, reason);
    }
    s->head.scheme = transport_is_tls(&conn->transport) ? SLICE("https") : SLICE("http");
    s->stream.head = &s->head;
    s->persistent = facts.persistent;
    s->keep_alive_said = facts.persistent && s->head.version == 10;
    s->takes_trailers = facts.takes_trailers;
    s->expects_100 = s->head.expects_100;
    s->to_head = slice_eq(s->head.method, SLICE("HEAD"));
    h1_expect_body(s, facts.framing);
    conn_stream_added(conn);
    conn->events->on_stream(conn, &s->stream, conn->user);
    if (s->stream.in_ended)
        conn_pause(conn, CONN_PAUSE_ANSWER);
    return NULL;
}

static const struct reason *read_head(struct conn *conn, struct slice bytes, size_t *ret_used)
{
    struct h1_guard_limits limits = head_limits(conn);
    const struct reason *reason = h1_guard_head(bytes, &limits, &conn->scanned, ret_used);

    if (!reason && *ret_used == 0)
        reason = check_first_line(bytes);
    if (reason)
        return refuse_head(conn, bytes, reason);
    if (*ret_used == 0) {
        wait_for_head(conn);
        return NULL;
    }
    conn->scanned = 0;
    conn->head_due_us = 0;
    return begin_request(conn, slice_head(bytes, *ret_used));
}

/* The answer is out; what still comes of the request is dropped. */
static const struct reason *discard_body(struct conn *conn, struct h1_stream *s, struct slice bytes,
                                         size_t *ret_used)
{
    const struct reason *reason = h1_read_body(s, bytes, ret_used);

    if (reason)
        return refuse_body(conn, s, reason);
    if (s->stream.in_ended) {
        conn->head_due_us = 0;
        h1_detach(s);
    }
    return NULL;
}

static const struct reason *read_body(struct conn *conn, struct h1_stream *s, struct slice bytes,
                                      size_t *ret_used)
{
    const struct reason *reason = h1_read_body(s, bytes, ret_used);

    s->expects_100 = false; /* the client did not wait */
    if (reason)
        return refuse_body(conn, s, reason);
    if (s->stream.in_ended)
        conn_pause(conn, CONN_PAUSE_ANSWER);
    stream_notify(&s->stream);
    return NULL;
}

static const struct reason *read_some(struct conn *conn, struct slice bytes, size_t *ret_used)
{
    struct h1_stream *s = conn->codec;

    if (!s)
        return read_head(conn, bytes, ret_used);
    return s->in.discard ? discard_body(conn, s, bytes, ret_used)
                         : read_body(conn, s, bytes, ret_used);
}

static const struct reason *h1_server_on_bytes(struct conn *conn, struct slice bytes,
                                               size_t *ret_used)
{
    const struct reason *reason = NULL;
    size_t n = 1;

    while (n > 0 && !reason && *ret_used < bytes.len && !conn->pause) {
        if (conn->close_after && !conn->codec) { /* nothing that comes now is looked at */
            *ret_used = bytes.len;
            return NULL;
        }
        reason = read_some(conn, slice_skip(bytes, *ret_used), &n);
        *ret_used += n;
    }
    return reason;
}

/* A client that has gone while something was owed gets nothing that could look whole. */
static const struct reason *client_gone(struct conn *conn)
{
    conn->abort = true;
    return &reason_client_gone;
}

static const struct reason *h1_server_on_end(struct conn *conn)
{
    const struct h1_stream *s = conn->codec;

    if (!s)
        return conn->rest_len ? &reason_client_gone : &reason_done;
    return s->stream.closed ? &reason_done : client_gone(conn);
}

static const struct reason *h1_server_on_peer_closed(struct conn *conn)
{
    struct h1_stream *s = conn->codec;

    if (!s)
        return NULL;
    if (s->stream.closed)
        return &reason_done;
    if (conn->settings->half_close)
        return NULL;
    s->stream.peer_gone = true;
    return client_gone(conn);
}

static const struct reason *h1_server_expire(struct conn *conn)
{
    conn->linger = true;
    if (conn->codec) /* a body that was being dropped */
        return &reason_done;
    conn_count_refused(conn, &reason_head_timeout);
    write_refusal(conn, &reason_head_timeout);
    return &reason_head_timeout;
}

/* ---- answering ---- */

static bool rest_is_little(const struct h1_stream *s)
{
    return s->stream.in_ended || (s->in.framing == H1_LENGTH && s->in.left <= DRAIN_BYTES);
}

/* Whether the conn can carry another request after this answer; said in its head. */
static bool will_persist(const struct conn *conn, const struct h1_stream *s,
                         enum h1_framing framing)
{
    return s->persistent && conn->state == CONN_OPEN && framing != H1_UNTIL_CLOSE &&
           rest_is_little(s) && !s->expects_100; /* it may send the body or not: nobody can tell */
}

static enum h1_framing answer_framing(const struct h1_stream *s, const struct message *head)
{
    if (s->to_head || head->status == 204 || head->status == 304)
        return H1_NO_BODY;
    if (!head->has_body || head->length != MESSAGE_LENGTH_UNKNOWN)
        return H1_LENGTH;
    return s->head.version == 11 ? H1_CHUNKED : H1_UNTIL_CLOSE;
}

static void send_final(struct h1_stream *s, const struct message *head)
{
    struct conn *conn = s->conn;
    enum h1_framing framing = answer_framing(s, head);
    enum h1_connection say = H1_SAY_NOTHING;
    struct message sized = *head;

    if (head->status == 204 || (framing == H1_LENGTH && !head->has_body))
        sized.length = 0;
    s->persistent = will_persist(conn, s, framing);
    if (!s->persistent)
        say = H1_SAY_CLOSE;
    else if (s->keep_alive_said)
        say = H1_SAY_KEEP_ALIVE;
    h1_write_answer(&conn->out, &sized, framing, say, conn->transport.worker->wall_us);
    h1_open_out(s, framing, sized.length);
}

static void h1_server_send_head(struct stream *stream, const struct message *head)
{
    struct h1_stream *s = h1_stream_of(stream);

    if (stream->closed || s->out.open)
        return;
    if (head->status >= 200) {
        send_final(s, head);
    } else if (s->head.version == 11) {
        s->expects_100 &= head->status != 100;
        h1_write_interim(&s->conn->out, head);
        conn_dirty(s->conn);
    }
}

static void h1_server_send_end(struct stream *stream, const struct message *trailers)
{
    h1_send_end(stream, h1_stream_of(stream)->takes_trailers ? trailers : NULL);
}

/* The owner waits for body bytes: the client hears that it may send them. */
static void h1_server_took(struct stream *stream)
{
    struct h1_stream *s = h1_stream_of(stream);

    if (stream->closed)
        return;
    if (s->expects_100 && !s->out.open) {
        s->expects_100 = false;
        buf_add(&s->conn->out, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
        conn_dirty(s->conn);
    }
    h1_reopen_window(s);
}

/* Goes on without the owner until the body has been dropped; bounded in bytes and time. */
static void begin_discard(struct conn *conn, struct h1_stream *s)
{
    s->stream.closed = true;
    s->stream.reason = &reason_done;
    stream_notify(&s->stream);
    s->in.discard = true;
    wait_for_head(conn);
    conn_resume(conn, CONN_PAUSE_WINDOW);
}

/* The answer has left. Its owner hears of it before the next request is looked at. */
static void after_answer(struct conn *conn, struct h1_stream *s)
{
    bool persistent = s->persistent;

    if (persistent && !s->stream.in_ended) {
        begin_discard(conn, s);
        return;
    }
    if (!persistent)
        conn->linger = conn->close_after = true;
    h1_finish(s, &reason_done);
    if (persistent)
        conn_resume(conn, CONN_PAUSE_ANSWER);
}

static void h1_server_fill(struct conn *conn)
{
    struct h1_stream *s = conn->codec;

    if (!s || s->stream.closed)
        return;
    h1_fill(s);
    if (s->out.done && buf_is_empty(&conn->out))
        after_answer(conn, s);
}

/* ---- the conn ---- */

static void h1_server_open(struct conn *conn)
{
    conn->codec = NULL;
}

/* The answer at hand, if any, will say that it is the last. */
static void h1_server_drain(struct conn *conn)
{
    conn->linger = true;
}

static void h1_server_close(struct conn *conn, const struct reason *reason)
{
    if (conn->codec)
        h1_finish(conn->codec, reason);
}

static const struct stream_type h1_server_stream = {
    .send_head = h1_server_send_head,
    .send = h1_send,
    .send_end = h1_server_send_end,
    .took = h1_server_took,
    .reset = h1_reset,
    .release = h1_release,
};

const struct conn_type conn_h1_server = {
    .name = "h1",
    .open = h1_server_open,
    .on_bytes = h1_server_on_bytes,
    .on_end = h1_server_on_end,
    .on_peer_closed = h1_server_on_peer_closed,
    .expire = h1_server_expire,
    .fill = h1_server_fill,
    .drain = h1_server_drain,
    .close = h1_server_close,
};
