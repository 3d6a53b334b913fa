/*
 * HTTP/2 shared by both sides: the library's session, the turn of bytes in and out, the end.
 *
 * What is fatal is kept in h2->failed and told to conn.c by h2_on_bytes or h2_fill, with the GOAWAY
 * already in conn->out.
 */
#include "gateway/codec/h2.h"

#include "gateway/base/clock.h"
#include "gateway/codec/h2_memory.h"
#include "gateway/codec/h2_parts.h"

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

/* ---- the end ---- */

void h2_fail(struct h2 *h2, const struct reason *reason, uint32_t h2_error)
{
    if (h2->failed)
        return;
    h2->failed = reason;
    h2->failed_error = h2_error;
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

/* ---- the session ---- */

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
    nghttp2_session_callbacks *callbacks = h2_callbacks_new();
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
    timer_init(&h2->sweep, h2_streams_sweep);
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
    h2_streams_free_orphans(h2);
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
    h2_streams_free_orphans(h2);
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

    h2_streams_lose(h2, reason);
    timer_clear(&h2->sweep);
    nghttp2_session_del(h2->session);
    h2->magic = 0;
    free(h2);
    conn->codec = NULL;
}
