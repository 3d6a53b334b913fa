/*
 * HTTP/1.1 towards endpoints: one request at a time, no pipelining, nothing taken on trust.
 *
 *   idle --conn_open--> request out, answer expected --head--> body --whole--> idle, if both sides
 *   kept to it: the request had left whole, nothing came behind the answer, both want to persist
 */
#include "gateway/codec/h1.h"

#include "gateway/codec/h1_write.h"

/* Interim answers are skipped; more of them than this is no conversation (H1-23). */
#define INTERIMS_MAX 20

#define STATUS_LINE_BYTES 1024

/* Whether the conn can carry another request. */
static bool may_persist(const struct conn *conn, const struct h1_stream *s)
{
    return s->persistent && s->out.done && buf_is_empty(&conn->out) &&
           transport_is_flushed(&conn->transport) && !conn->peer_closed && conn->state == CONN_OPEN;
}

/* The answer is whole. Returns why the conn ends, or NULL when it goes on. */
static const struct reason *end_answer(struct conn *conn, struct h1_stream *s, bool more_came)
{
    bool persists = may_persist(conn, s) && !more_came;

    if (!persists) {
        conn->close_after = true; /* no room from now on */
        buf_release(&conn->out);  /* what is left of a request nobody reads */
    }
    h1_finish(s, &reason_done);
    return persists ? NULL : &reason_done;
}

static const struct reason *begin_answer(struct h1_stream *s, struct slice head,
                                         const struct h1_line *line)
{
    struct h1_facts facts;

    message_init(&s->head, s->stream.arena);
    if (h1_head_read_answer(head, line, s->to_head, &s->conn->settings->head, &s->head, &facts))
        return &reason_endpoint_malformed;
    s->persistent = facts.persistent;
    s->stream.head = &s->head;
    h1_expect_body(s, facts.framing);
    return NULL;
}

/* A whole head. Interim ones end here, but for 101: nobody asked to switch. */
static const struct reason *read_whole_head(struct h1_stream *s, struct slice head)
{
    struct slice rest = head;
    struct h1_line line;

    if (h1_guard_status_line(h1_guard_cut_line(&rest), &line))
        return &reason_endpoint_malformed;
    if (line.status >= 200)
        return begin_answer(s, head, &line);
    if (line.status == 101 || ++s->interims > INTERIMS_MAX)
        return &reason_endpoint_malformed;
    return NULL;
}

/* Of a head that is not whole: its first line, if that is. */
static const struct reason *check_first_line(struct slice bytes)
{
    struct h1_line line;

    if (slice_find(bytes, '\n') == bytes.len)
        return NULL;
    return h1_guard_status_line(h1_guard_cut_line(&bytes), &line);
}

static const struct reason *read_head(struct conn *conn, struct h1_stream *s, struct slice bytes,
                                      size_t *ret_used)
{
    struct h1_guard_limits limits = { .line_bytes = STATUS_LINE_BYTES,
                                      .fields_bytes = conn->settings->head.bytes };

    if (bytes.at[0] != 'H' || h1_guard_head(bytes, &limits, &conn->scanned, ret_used))
        return &reason_endpoint_malformed;
    if (*ret_used == 0)
        return check_first_line(bytes) ? &reason_endpoint_malformed : NULL;
    conn->scanned = 0;
    return read_whole_head(s, slice_head(bytes, *ret_used));
}

static const struct reason *read_some(struct conn *conn, struct h1_stream *s, struct slice bytes,
                                      size_t *ret_used)
{
    const struct reason *reason;

    *ret_used = 0;
    if (!s->stream.head)
        return read_head(conn, s, bytes, ret_used);
    reason = h1_read_body(s, bytes, ret_used);
    return reason ? &reason_endpoint_malformed : NULL;
}

/* Why bytes are no answer to anything; NULL when they are. */
static const struct reason *judge_bytes(struct conn *conn, struct h1_stream *s)
{
    if (!s) /* unasked for */
        return &reason_protocol_error;
    if (!s->out.open || (!s->answer_begun && s->stream.out_bytes == 0 && !buf_is_empty(&conn->out)))
        return &reason_endpoint_reset; /* said before it can have seen the request: to another one
                                        */
    s->answer_begun = true;
    return NULL;
}

static const struct reason *h1_client_on_bytes(struct conn *conn, struct slice bytes,
                                               size_t *ret_used)
{
    struct h1_stream *s = conn->codec;
    const struct reason *reason = judge_bytes(conn, s);
    size_t n = 1;

    while (n > 0 && !reason && *ret_used < bytes.len && !s->stream.in_ended && !conn->pause) {
        reason = read_some(conn, s, slice_skip(bytes, *ret_used), &n);
        *ret_used += n;
    }
    if (reason)
        return reason;
    if (s->stream.in_ended)
        return end_answer(conn, s, *ret_used < bytes.len);
    if (s->stream.head)
        stream_notify(&s->stream);
    return NULL;
}

static const struct reason *h1_client_on_end(struct conn *conn)
{
    struct h1_stream *s = conn->codec;

    if (!s)
        return &reason_done;
    if (!s->stream.head || s->in.framing != H1_UNTIL_CLOSE)
        return &reason_endpoint_reset;
    s->stream.in_ended = true;
    return end_answer(conn, s, false);
}

/* ---- the request ---- */

static enum h1_framing request_framing(const struct message *head)
{
    static const struct slice with_body[] = { SLICE_INIT("POST"), SLICE_INIT("PUT"),
                                              SLICE_INIT("PATCH") };

    if (head->has_body)
        return head->length == MESSAGE_LENGTH_UNKNOWN ? H1_CHUNKED : H1_LENGTH;
    for (size_t i = 0; i < ARRAY_LEN(with_body); i++)
        if (slice_eq(head->method, with_body[i]))
            return H1_LENGTH;
    return H1_NO_BODY;
}

static void h1_client_send_head(struct stream *stream, const struct message *head)
{
    struct h1_stream *s = h1_stream_of(stream);
    enum h1_framing framing = request_framing(head);
    struct message sized = *head;

    if (stream->closed || s->out.open)
        return;
    if (!head->has_body)
        sized.length = 0;
    s->to_head = slice_eq(head->method, SLICE("HEAD"));
    h1_write_request(&s->conn->out, &sized, framing);
    h1_open_out(s, framing, sized.length);
}

static void h1_client_took(struct stream *stream)
{
    h1_reopen_window(h1_stream_of(stream));
}

/* ---- the conn ---- */

static void h1_client_open(struct conn *conn)
{
    conn->codec = NULL;
}

static void h1_client_fill(struct conn *conn)
{
    if (conn->codec)
        h1_fill(conn->codec);
}

/* The endpoint may answer what is under way; the conn ends with it. */
static void h1_client_drain(struct conn *conn)
{
    (void)conn;
}

static void h1_client_close(struct conn *conn, const struct reason *reason)
{
    struct h1_stream *s = conn->codec;

    if (!s)
        return;
    if (reason == &reason_endpoint_reset && s->answer_begun)
        reason = &reason_endpoint_truncated;
    h1_finish(s, reason);
}

static unsigned h1_client_room(const struct conn *conn)
{
    return conn->streams == 0 && !conn->close_after;
}

static const struct stream_type h1_client_stream = {
    .send_head = h1_client_send_head,
    .send = h1_send,
    .send_end = h1_send_end,
    .took = h1_client_took,
    .reset = h1_reset,
    .release = h1_release,
};

static struct stream *h1_client_open_stream(struct conn *conn, struct arena *arena)
{
    struct h1_stream *s = h1_stream_new(conn, &h1_client_stream, arena);

    s->stream.reused_conn = conn->served > 0;
    conn_stream_added(conn);
    return &s->stream;
}

const struct conn_type conn_h1_client = {
    .name = "h1",
    .open = h1_client_open,
    .on_bytes = h1_client_on_bytes,
    .on_end = h1_client_on_end,
    .fill = h1_client_fill,
    .drain = h1_client_drain,
    .close = h1_client_close,
    .open_stream = h1_client_open_stream,
    .room = h1_client_room,
};
