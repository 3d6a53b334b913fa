/*
 * Conns: what all codecs share. The states and the function behind each arrow:
 *
 *   OPENING   on_open -> OPEN; on_failed -> CLOSED
 *   OPEN      conn_drain -> DRAINING
 *   DRAINING  conn_settle, when no stream is left and all is sent -> CLOSED
 *   CLOSING   entered by conn_fail with last words in `out`; conn_settle -> CLOSED
 *   CLOSED    entered by conn_close; conn_free_later at WORKER_FREE
 *
 * One timer serves all deadlines of a conn. It is moved only when a deadline comes before it; a
 * deadline that moved away or was cleared is noticed when the timer fires, so that the usual
 * request costs no timer work at all.
 */
#include "gateway/codec/conn.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"

#include <stdlib.h>

#define CONN_MAGIC 0x636f6e6e

/* Full reads after which others get their turn. */
#define READS_A_TURN 4

static const struct slice h2_preface = SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/* A first line of its own: whoever sends it and something else behind it speaks neither version. */
#define H2_PREFACE_LINE 16

static void conn_read(struct conn *conn);

static struct conn *conn_of(struct transport *transport)
{
    struct conn *conn = CONTAINER_OF(transport, struct conn, transport);

    CHECK(conn->magic == CONN_MAGIC);
    return conn;
}

static struct worker *conn_worker(const struct conn *conn)
{
    return conn->transport.worker;
}

static uint64_t conn_due(const struct conn *conn, unsigned ms)
{
    return conn_worker(conn)->now_us + ms * CLOCK_US_PER_MS;
}

/* ---- unread bytes ---- */

static struct slice rest_slice(const struct conn *conn)
{
    return slice_of(conn->rest + conn->rest_at, conn->rest_len);
}

static void rest_free(struct conn *conn)
{
    free(conn->rest);
    conn->rest = NULL;
    conn->rest_at = conn->rest_len = conn->rest_size = 0;
}

static void rest_drop(struct conn *conn, size_t n)
{
    conn->rest_at += (uint32_t)n;
    conn->rest_len -= (uint32_t)n;
    if (conn->rest_len == 0)
        rest_free(conn);
}

/* Doubles, so that a head that comes byte by byte is not copied as often. */
static void rest_append(struct conn *conn, struct slice bytes)
{
    size_t need = conn->rest_len + bytes.len;

    CHECK(need <= UINT32_MAX / 2);
    if (conn->rest_at + need > conn->rest_size) {
        size_t size = need > 2 * (size_t)conn->rest_len ? need : 2 * (size_t)conn->rest_len;
        char *grown = xmalloc(size);

        if (conn->rest_len)
            memcpy(grown, conn->rest + conn->rest_at, conn->rest_len);
        free(conn->rest);
        conn->rest = grown;
        conn->rest_at = 0;
        conn->rest_size = (uint32_t)size;
    }
    memcpy(conn->rest + conn->rest_at + conn->rest_len, bytes.at, bytes.len);
    conn->rest_len = (uint32_t)need;
}

/* ---- the end ---- */

static void conn_close_codec(struct conn *conn, const struct reason *reason)
{
    if (!conn->opened)
        return;
    conn->opened = false;
    conn->type->close(conn, reason);
}

static void conn_count_closed(struct conn *conn)
{
    struct metric_shard *metrics = conn_worker(conn)->metrics;
    struct slice label = slice_str(conn->reason->name);

    metric_add(metrics, METRIC_ID_connections_open, -1);
    metric_series_add(metric_series(metrics, METRIC_ID_connections_closed, &label), 1);
}

static void conn_free_later(struct defer *defer)
{
    struct conn *conn = CONTAINER_OF(defer, struct conn, flush_defer);

    if (conn->server)
        conn_count_closed(conn);
    conn->events->on_close(conn, conn->reason, conn->user);
    conn->magic = 0;
    free(conn);
}

static enum transport_close conn_how(const struct conn *conn)
{
    if (conn->abort)
        return TRANSPORT_CLOSE_RESET;
    return conn->linger ? TRANSPORT_CLOSE_LINGER : TRANSPORT_CLOSE_NOW;
}

void conn_close(struct conn *conn, const struct reason *reason)
{
    if (conn->state == CONN_CLOSED)
        return;
    if (!conn->reason)
        conn->reason = reason;
    conn->state = CONN_CLOSED;
    conn_close_codec(conn, conn->reason);
    transport_close(&conn->transport, conn_how(conn));
    timer_clear(&conn->deadline);
    defer_cancel(&conn->flush_defer);
    defer_cancel(&conn->read_defer);
    buf_release(&conn->out);
    rest_free(conn);
    defer_init(&conn->flush_defer, conn_free_later); /* nothing is flushed any more */
    worker_defer(conn_worker(conn), WORKER_FREE, &conn->flush_defer);
}

/* The codec gave up: its last words, if any, are sent, nothing more is read. */
static void conn_fail(struct conn *conn, const struct reason *reason)
{
    if (conn->state >= CONN_CLOSING)
        return;
    conn->reason = reason;
    if (buf_is_empty(&conn->out) || conn->abort) {
        conn_close(conn, reason);
        return;
    }
    conn->state = CONN_CLOSING;
    conn_close_codec(conn, reason);
    conn->head_due_us = conn->idle_due_us = 0;
    conn_dirty(conn);
}

void conn_drain(struct conn *conn)
{
    if (conn->state >= CONN_DRAINING)
        return;
    if (!conn->opened) {
        conn_close(conn, &reason_draining);
        return;
    }
    conn->state = CONN_DRAINING;
    conn->close_after = true;
    conn->type->drain(conn);
    conn_dirty(conn);
}

/* ---- deadlines ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

void conn_arm(struct conn *conn)
{
    uint64_t due = sooner(sooner(conn->head_due_us, conn->stall_due_us), conn->idle_due_us);

    if (due && (!timer_is_set(&conn->deadline) || due < conn->deadline.deadline_us))
        timer_set(&conn_worker(conn)->timers, &conn->deadline, due);
}

static bool conn_is_past(const struct conn *conn, uint64_t due_us)
{
    return due_us && due_us <= conn_worker(conn)->now_us;
}

static void conn_expire_head(struct conn *conn)
{
    const struct reason *reason = &reason_head_timeout;

    conn->head_due_us = 0;
    if (conn->type && conn->type->expire)
        reason = conn->type->expire(conn);
    if (reason)
        conn_fail(conn, reason);
}

static void conn_expire_idle(struct conn *conn)
{
    conn->idle_due_us = 0;
    if (!conn->reason)
        conn->reason = &reason_client_idle;
    if (conn->state == CONN_OPEN && conn->opened && conn->server)
        conn_drain(conn);
    else
        conn_close(conn, conn->reason);
}

/* The peer takes nothing: what it has of an answer must not look whole. */
static void conn_expire_stall(struct conn *conn)
{
    conn->abort = true;
    conn_close(conn, conn->server ? &reason_client_stalled : &reason_idle_timeout);
}

static void conn_on_deadline(struct timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, deadline);

    if (conn_is_past(conn, conn->stall_due_us))
        conn_expire_stall(conn);
    else if (conn_is_past(conn, conn->head_due_us))
        conn_expire_head(conn);
    else if (conn_is_past(conn, conn->idle_due_us))
        conn_expire_idle(conn);
    if (conn->state != CONN_CLOSED)
        conn_arm(conn);
}

/* ---- reading ---- */

static void conn_open_codec(struct conn *conn, const struct conn_type *type)
{
    conn->type = type;
    conn->opened = true;
    type->open(conn);
}

/*
 * What is spoken on cleartext, told by the first bytes, of which there is one at least; NULL in
 * *ret_type: not known yet. A first line that is not HTTP/1.x in the end is h1_server's to refuse.
 */
static const struct reason *first_bytes(struct slice bytes, const struct conn_type **ret_type)
{
    size_t n = bytes.len < h2_preface.len ? bytes.len : h2_preface.len;
    size_t same = 0;

    while (same < n && bytes.at[same] == h2_preface.at[same])
        same++;
    if (same == h2_preface.len)
        *ret_type = &conn_h2_server;
    else if (same == n)
        *ret_type = NULL;
    else if (same >= H2_PREFACE_LINE ||
             !(bytes.at[0] == '\r' || http_is_token(slice_head(bytes, 1))))
        return &reason_not_http;
    else
        *ret_type = &conn_h1_server;
    return NULL;
}

/* The codec's turn at `bytes`, once it is known which. */
static const struct reason *conn_parse(struct conn *conn, struct slice bytes, size_t *ret_used)
{
    const struct conn_type *type;
    const struct reason *reason;

    *ret_used = 0;
    if (!conn->type) {
        reason = first_bytes(bytes, &type);
        if (reason || !type)
            return reason;
        conn_open_codec(conn, type);
    }
    if (conn->served == 0 && conn->idle_due_us) /* the first bytes came in time */
        conn->idle_due_us = conn_due(conn, conn->settings->idle_ms);
    return conn->type->on_bytes(conn, bytes, ret_used);
}

static void conn_feed_rest(struct conn *conn)
{
    size_t used;
    const struct reason *reason = conn_parse(conn, rest_slice(conn), &used);

    if (reason)
        conn_fail(conn, reason);
    else
        rest_drop(conn, used);
}

static void conn_feed(struct conn *conn, struct slice bytes)
{
    const struct reason *reason;
    size_t used;

    if (conn->rest_len) {
        rest_append(conn, bytes);
        conn_feed_rest(conn);
        return;
    }
    reason = conn_parse(conn, bytes, &used);
    if (reason)
        conn_fail(conn, reason);
    else if (used < bytes.len)
        rest_append(conn, slice_skip(bytes, used));
}

/* Without a codec there was no request: nothing is lost. */
static const struct reason *conn_end(struct conn *conn)
{
    conn->peer_closed = true;
    return conn->opened ? conn->type->on_end(conn) : &reason_done;
}

static const struct reason *conn_broken(const struct conn *conn)
{
    return conn->server ? &reason_client_gone : &reason_endpoint_reset;
}

static bool conn_wants_bytes(const struct conn *conn)
{
    return conn->state != CONN_OPENING && conn->state < CONN_CLOSING && conn->pause == 0;
}

/* One read. False when there is nothing more to read now. */
static bool conn_read_once(struct conn *conn)
{
    const struct reason *reason;
    struct slice bytes;

    switch (transport_recv(&conn->transport, &bytes)) {
    case TRANSPORT_BYTES:
        conn_feed(conn, bytes);
        return true;
    case TRANSPORT_EMPTY:
        return false;
    case TRANSPORT_END:
        reason = conn_end(conn);
        if (reason)
            conn_fail(conn, reason);
        return false;
    case TRANSPORT_FAILED:
        conn_close(conn, conn_broken(conn));
        return false;
    }
    return false;
}

static void conn_read(struct conn *conn)
{
    for (int reads = 0; conn_wants_bytes(conn); reads++) {
        if (reads == READS_A_TURN) {
            worker_defer_next(conn_worker(conn), &conn->read_defer);
            return;
        }
        if (!conn_read_once(conn))
            return;
    }
}

/* Goes on after a pause: first with what was read before. */
static void conn_read_later(struct defer *defer)
{
    struct conn *conn = CONTAINER_OF(defer, struct conn, read_defer);

    if (!conn_wants_bytes(conn))
        return;
    if (conn->rest_len)
        conn_feed_rest(conn);
    conn_read(conn);
}

void conn_pause(struct conn *conn, enum conn_pause bit)
{
    conn->pause |= (uint8_t)bit;
}

void conn_resume(struct conn *conn, enum conn_pause bit)
{
    if (!(conn->pause & bit))
        return;
    conn->pause &= (uint8_t)~bit;
    if (conn->pause == 0 && conn->state < CONN_CLOSING)
        worker_defer(conn_worker(conn), WORKER_WAKE, &conn->read_defer);
}

/* ---- writing ---- */

void conn_dirty(struct conn *conn)
{
    if (conn->state != CONN_CLOSED)
        worker_defer(conn_worker(conn), WORKER_FLUSH, &conn->flush_defer);
}

static bool conn_is_sent(const struct conn *conn)
{
    return buf_is_empty(&conn->out) && transport_is_flushed(&conn->transport);
}

/* False: the codec failed, and conn_fail has seen to it. */
static bool conn_fill(struct conn *conn)
{
    const struct reason *before = conn->reason;

    if (!conn->opened || conn->out.len >= STREAM_OUT_LOW)
        return true;
    conn->type->fill(conn);
    if (conn->reason == before)
        return true;
    conn_fail(conn, conn->reason);
    return false;
}

/*
 * An endpoint may have answered before it closed: what it said is still read, up to its end, which
 * the loop reports, or for as long as a stalled conn lives.
 */
static void conn_send_failed(struct conn *conn)
{
    if (conn->server || conn->state == CONN_CLOSING) {
        conn_close(conn, conn_broken(conn));
        return;
    }
    conn->send_broken = true;
    buf_release(&conn->out);
    conn->stall_due_us = conn_due(conn, conn->settings->stall_ms);
    conn_arm(conn);
    conn_read(conn);
}

static void conn_close_if_over(struct conn *conn)
{
    if (conn->state == CONN_CLOSING || (conn->close_after && conn->streams == 0))
        conn_close(conn, conn->reason ? conn->reason : &reason_done);
}

/* After a write: what a full or an empty `out` means for reading, deadlines and the conn's end. */
static void conn_settle(struct conn *conn)
{
    if (!conn_is_sent(conn)) {
        if (!conn->stall_due_us) {
            conn->stall_due_us = conn_due(conn, conn->settings->stall_ms);
            conn_arm(conn);
        }
        if (conn->out.len > STREAM_OUT_HIGH)
            conn_pause(conn, CONN_PAUSE_OUT);
        return;
    }
    conn->stall_due_us = 0;
    conn_resume(conn, CONN_PAUSE_OUT);
    conn_close_if_over(conn);
}

/* The one place that writes: fills and sends until there is nothing more or the socket is full. */
static void conn_flush(struct defer *defer)
{
    struct conn *conn = CONTAINER_OF(defer, struct conn, flush_defer);

    if (conn->state == CONN_OPENING || conn->state == CONN_CLOSED || conn->transport.write_blocked)
        return;
    if (conn->send_broken) {
        conn_close_if_over(conn);
        return;
    }
    do {
        if (!conn_fill(conn))
            return;
        if (conn_is_sent(conn))
            break;
        if (!transport_send(&conn->transport, &conn->out)) {
            conn_send_failed(conn);
            return;
        }
    } while (conn_is_sent(conn));
    conn_settle(conn);
}

/* ---- the transport's events ---- */

static void on_open(struct transport *transport)
{
    struct conn *conn = conn_of(transport);

    conn->state = CONN_OPEN;
    if (!conn->server) {
        conn_open_codec(conn, conn->type);
        conn->idle_due_us = conn_due(conn, conn->settings->idle_ms);
        conn->events->on_ready(conn, conn->user);
    } else {
        conn->idle_due_us = conn_due(conn, conn->settings->handshake_ms);
        if (transport_is_tls(transport))
            conn_open_codec(conn, transport_is_h2(transport) ? &conn_h2_server : &conn_h1_server);
    }
    conn_arm(conn);
}

/* The peer is gone while nothing may be read: only h1 answers to that. */
static void conn_note_peer_closed(struct conn *conn)
{
    const struct reason *reason;

    conn->peer_closed = true;
    if (!conn->opened || !conn->type->on_peer_closed)
        return;
    reason = conn->type->on_peer_closed(conn);
    if (reason)
        conn_fail(conn, reason);
}

static void on_ready(struct transport *transport, unsigned ready)
{
    struct conn *conn = conn_of(transport);

    if ((ready & TRANSPORT_WRITABLE) && !conn_is_sent(conn)) {
        conn->stall_due_us = 0;
        conn_dirty(conn);
    }
    if (ready & (TRANSPORT_READABLE | TRANSPORT_PEER_CLOSED))
        conn_read(conn);
    if ((ready & TRANSPORT_PEER_CLOSED) && conn->pause && conn->state < CONN_CLOSING)
        conn_note_peer_closed(conn);
}

static void on_failed(struct transport *transport, const struct reason *reason)
{
    conn_close(conn_of(transport), reason);
}

static const struct transport_events conn_transport_events = { .on_open = on_open,
                                                               .on_ready = on_ready,
                                                               .on_failed = on_failed };

/* ---- beginnings ---- */

static struct conn *conn_new(const struct conn_settings *settings, const struct conn_events *events,
                             void *user)
{
    struct conn *conn = xcalloc(1, sizeof(*conn));

    MAGIC_SET(conn, CONN_MAGIC);
    conn->state = CONN_OPENING;
    conn->settings = settings;
    conn->events = events;
    conn->user = user;
    buf_init(&conn->out, 0);
    timer_init(&conn->deadline, conn_on_deadline);
    defer_init(&conn->flush_defer, conn_flush);
    defer_init(&conn->read_defer, conn_read_later);
    list_init(&conn->link);
    return conn;
}

struct conn *conn_accept(struct worker *worker, int fd, struct tls_context *tls,
                         const struct conn_settings *settings, const struct conn_events *events,
                         void *user)
{
    struct conn *conn = conn_new(settings, events, user);

    conn->server = true;
    metric_add(worker->metrics, METRIC_ID_connections_accepted, 1);
    metric_add(worker->metrics, METRIC_ID_connections_open, 1);
    transport_accept(&conn->transport, worker, fd, tls, settings->handshake_ms,
                     &conn_transport_events);
    return conn;
}

struct conn *conn_dial(struct worker *worker, const struct sockaddr *address, socklen_t address_len,
                       struct tls_context *tls, const char *server_name, bool h2,
                       const struct conn_settings *settings, unsigned connect_ms,
                       const struct conn_events *events, void *user)
{
    struct conn *conn = conn_new(settings, events, user);

    conn->type = h2 ? &conn_h2_client : &conn_h1_client;
    transport_dial(&conn->transport, worker, address, address_len, tls, server_name, h2, connect_ms,
                   &conn_transport_events);
    return conn;
}

/* ---- streams ---- */

unsigned conn_room(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->send_broken ? conn->type->room(conn) : 0;
}

struct stream *conn_open(struct conn *conn, struct arena *arena)
{
    CHECK(conn_room(conn) > 0);
    return conn->type->open_stream(conn, arena);
}

void conn_stream_added(struct conn *conn)
{
    conn->streams++;
    conn->served++;
    conn->idle_due_us = 0;
    if (conn->server && conn->settings->requests && conn->served >= conn->settings->requests)
        conn_drain(conn);
}

void conn_stream_removed(struct conn *conn)
{
    CHECK(conn->streams > 0);
    conn->streams--;
    if (conn->state >= CONN_CLOSING)
        return;
    if (conn->streams == 0) {
        conn->idle_due_us = conn_due(conn, conn->settings->idle_ms);
        conn_arm(conn);
        if (conn->close_after)
            conn_dirty(conn);
    }
    if (conn->events->on_idle)
        conn->events->on_idle(conn, conn->user);
}

void conn_count_refused(struct conn *conn, const struct reason *reason)
{
    struct metric_shard *metrics = conn_worker(conn)->metrics;
    struct slice label = slice_str(reason->name);

    metric_series_add(metric_series(metrics, METRIC_ID_requests_refused, &label), 1);
}
