/*
 * HTTP/1.1 towards clients: bytes in, and what the owner saw, what was answered and how it ended.
 * Every row is sent whole, then byte by byte.
 */
#include "gateway/codec/conn.h"

#include "gateway/http/reply.h"
#include "tests/unit/h1_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST    "Host: h\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* ---- an owner that answers by path ---- */

struct owner {
    struct rig *rig;
    struct conn *conn;
    struct conn_settings settings;
    unsigned begun, live;             /* exchanges */
    const struct reason *last_reason; /* of a stream that closed */
    const struct reason *conn_reason; /* why the conn closed */
    bool saw_peer_gone;
    bool let_go;           /* /hold answers now */
    struct exchange *held; /* the last one there */
};

struct exchange {
    struct owner *owner;
    struct stream *stream;
    struct defer wake;
    struct buf body;
    bool answered;
    size_t sent;
};

typedef void act_fn(struct exchange *x);

static struct slice request_rest(const struct exchange *x, size_t prefix)
{
    return slice_skip(x->stream->head->path, prefix);
}

/* Method, path, authority, version, fields, body, trailers. */
static void describe(struct exchange *x, struct buf *out)
{
    const struct message *head = x->stream->head;
    const struct message *trailers = x->stream->in_trailers;

    buf_printf(out, "%.*s %.*s %.*s %d", SLICE_ARGS(head->method), SLICE_ARGS(head->path),
               SLICE_ARGS(head->authority), head->version);
    for (uint32_t i = 0; i < head->count; i++)
        buf_printf(out, "|%.*s%s=%.*s", SLICE_ARGS(head->fields[i].name),
                   head->fields[i].flags & FIELD_FLAG_HOP ? "~" : "",
                   SLICE_ARGS(head->fields[i].value));
    if (head->has_body)
        buf_printf(out, "|%.*s", SLICE_ARGS(buf_join(&x->body)));
    for (uint32_t i = 0; trailers && i < trailers->count; i++)
        buf_printf(out, "|+%.*s=%.*s", SLICE_ARGS(trailers->fields[i].name),
                   SLICE_ARGS(trailers->fields[i].value));
}

static void send_head(struct exchange *x, unsigned status, bool has_body, uint64_t length)
{
    struct message head;

    message_init(&head, x->stream->arena);
    head.status = (uint16_t)status;
    head.has_body = has_body;
    head.length = length;
    stream_send_head(x->stream, &head);
    x->answered = true;
}

static bool body_is_here(struct exchange *x)
{
    buf_move(&x->body, &x->stream->in, x->stream->in.len);
    stream_took(x->stream);
    return x->stream->in_ended;
}

static void act_echo(struct exchange *x)
{
    struct buf text;

    if (!body_is_here(x) || x->answered)
        return;
    buf_init(&text, 0);
    describe(x, &text);
    send_head(x, 200, true, text.len);
    buf_move(&x->stream->out, &text, text.len);
    stream_send(x->stream);
    stream_send_end(x->stream, NULL);
}

static void act_chunked(struct exchange *x)
{
    struct message trailers;

    if (!body_is_here(x) || x->answered)
        return;
    send_head(x, 200, true, MESSAGE_LENGTH_UNKNOWN);
    buf_add(&x->stream->out, SLICE("hello"));
    stream_send(x->stream);
    message_init(&trailers, x->stream->arena);
    message_put_other(&trailers, SLICE("x-sum"), SLICE("1"));
    stream_send_end(x->stream, &trailers);
}

/* "/early": answers without a look at the body. */
static void act_early(struct exchange *x)
{
    if (x->answered)
        return;
    send_head(x, 413, false, 0);
}

/* "/hold": owes an answer until it is let go. */
static void act_hold(struct exchange *x)
{
    x->owner->held = x;
    if (body_is_here(x) && x->owner->let_go && !x->answered)
        send_head(x, 200, false, 0);
}

/* "/cut": half an answer, then a reset. */
static void act_cut(struct exchange *x)
{
    if (!x->answered) {
        send_head(x, 200, true, MESSAGE_LENGTH_UNKNOWN);
        buf_add(&x->stream->out, SLICE("half"));
        stream_send(x->stream);
    } else if (x->stream->out_bytes > 0) {
        stream_reset(x->stream, &reason_endpoint_truncated);
    }
    if (!x->stream->closed)
        worker_defer_next(x->owner->rig->worker, &x->wake);
}

/* "/short", "/long": bodies that are not what was declared. */
static void act_lie(struct exchange *x)
{
    if (x->answered)
        return;
    send_head(x, 200, true, 5);
    buf_add(&x->stream->out,
            slice_eq(x->stream->head->path, SLICE("/long")) ? SLICE("sixsix") : SLICE("four"));
    stream_send_end(x->stream, NULL);
}

/* "/status/204" and the like, with a body that must not show. */
static void act_status(struct exchange *x)
{
    uint64_t status = 0;

    if (x->answered || !slice_u64(request_rest(x, strlen("/status/")), &status))
        return;
    send_head(x, (unsigned)status, true, 5);
    buf_add(&x->stream->out, SLICE("never"));
    stream_send_end(x->stream, NULL);
}

/* "/interim": 103, then an answer. */
static void act_interim(struct exchange *x)
{
    if (x->answered)
        return;
    send_head(x, 103, false, 0);
    send_head(x, 200, false, 0);
}

/* "/large": 4 MB, as the window opens. */
#define LARGE_BYTES (4u << 20)
static void act_large(struct exchange *x)
{
    static const char bytes[65536];

    if (!x->answered)
        send_head(x, 200, true, LARGE_BYTES);
    while (x->sent < LARGE_BYTES && x->stream->out.len < STREAM_OUT_HIGH) {
        buf_add(&x->stream->out, slice_of(bytes, sizeof(bytes)));
        x->sent += sizeof(bytes);
    }
    stream_send(x->stream);
    if (x->sent == LARGE_BYTES && !x->stream->out_ended)
        stream_send_end(x->stream, NULL);
}

/* "/stuck": takes nothing of the body. */
static void act_stuck(struct exchange *x)
{
    if (x->owner->let_go)
        act_echo(x);
}

static const struct {
    struct slice path;
    act_fn *act;
} acts[] = {
    { SLICE_INIT("/chunked"), act_chunked },
    { SLICE_INIT("/early"), act_early },
    { SLICE_INIT("/hold"), act_hold },
    { SLICE_INIT("/cut"), act_cut },
    { SLICE_INIT("/short"), act_lie },
    { SLICE_INIT("/long"), act_lie },
    { SLICE_INIT("/status/"), act_status },
    { SLICE_INIT("/interim"), act_interim },
    { SLICE_INIT("/large"), act_large },
    { SLICE_INIT("/stuck"), act_stuck },
    { SLICE_INIT(""), act_echo },
};

static void exchange_free(struct exchange *x)
{
    x->owner->last_reason = x->stream->reason;
    x->owner->saw_peer_gone |= x->stream->peer_gone;
    x->owner->live--;
    stream_release(x->stream);
    defer_cancel(&x->wake);
    buf_release(&x->body);
    free(x);
}

static void exchange_wake(struct defer *defer)
{
    struct exchange *x = CONTAINER_OF(defer, struct exchange, wake);
    size_t i = 0;

    while (!slice_starts(x->stream->head->path, acts[i].path))
        i++;
    if (!x->stream->closed)
        acts[i].act(x);
    if (x->stream->closed)
        exchange_free(x);
}

static void on_stream_event(struct stream *stream, void *user)
{
    struct exchange *x = user;

    (void)stream;
    worker_defer(x->owner->rig->worker, WORKER_WAKE, &x->wake);
}

static const struct stream_events stream_events = { .on_event = on_stream_event };

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    struct owner *owner = user;
    struct exchange *x = xcalloc(1, sizeof(*x));

    (void)conn;
    x->owner = owner;
    x->stream = stream;
    stream->events = &stream_events;
    stream->user = x;
    buf_init(&x->body, SIZE_MAX);
    defer_init(&x->wake, exchange_wake);
    owner->begun++;
    owner->live++;
    worker_defer(owner->rig->worker, WORKER_WAKE, &x->wake);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct owner *owner = user;

    (void)conn;
    owner->conn = NULL;
    owner->conn_reason = reason;
}

static const struct conn_events conn_events = { .on_stream = on_stream, .on_close = on_close };

static const struct conn_settings usual_settings = {
    .head = { .fields = 20, .bytes = 4096 },
    .target_bytes = 1024,
    .streams = 100,
    .window_bytes = 65536,
    .handshake_ms = 5000,
    .head_ms = 5000,
    .idle_ms = 5000,
    .stall_ms = 5000,
};

/* ---- the stage ---- */

struct stage {
    struct rig rig;
    struct owner owner;
    struct peer peer;
};

static void stage_open(struct stage *stage, const struct conn_settings *settings)
{
    int fd[2];

    rig_open(&stage->rig);
    rig_connect(fd);
    stage->owner = (struct owner){ .rig = &stage->rig, .settings = *settings };
    peer_open(&stage->peer, &stage->rig, fd[1]);
    stage->owner.conn = conn_accept(stage->rig.worker, fd[0], NULL, &stage->owner.settings,
                                    &conn_events, &stage->owner);
}

static bool is_settled(struct peer *peer, void *user)
{
    const struct owner *owner = user;

    return peer->turns > 1 && !owner->conn && owner->live == 0;
}

/* Whatever happened, nothing is left when the peer has gone. */
static void stage_close(struct stage *stage)
{
    peer_hang_up(&stage->peer);
    stage->peer.to_send = slice_of(NULL, 0);
    assert_true(peer_until(&stage->peer, is_settled, &stage->owner));
    assert_int_equal(metric_total(METRIC_ID_connections_open), 0);
    peer_close(&stage->peer);
    rig_close(&stage->rig);
}

/* What was got, without the Date lines. */
static void take_got(struct peer *peer, struct buf *out)
{
    struct slice all = buf_join(&peer->got);

    while (all.len > 0) {
        size_t n = slice_find(all, '\n');
        struct slice line = slice_head(all, n < all.len ? n + 1 : n);

        if (!slice_starts(line, SLICE("date: ")))
            buf_add(out, line);
        all = slice_skip(all, line.len);
    }
}

static void assert_got(struct peer *peer, struct slice expected, const char *what)
{
    struct buf got;
    struct slice text;

    buf_init(&got, 0);
    take_got(peer, &got);
    text = buf_join(&got);
    if (!slice_eq(text, expected))
        fail_msg("%s\n--- expected:\n%.*s\n--- got:\n%.*s\n---", what, SLICE_ARGS(expected),
                 SLICE_ARGS(text));
    buf_release(&got);
}

enum ending { KEPT, CLOSED, RESET };

struct row {
    const char *what;
    struct slice in;
    const char *echoes;           /* descriptions of requests that reached the owner, one a line */
    const struct reason *refused; /* the answer behind them */
    enum ending ending;
};

static void expect_answers(const struct row *row, struct buf *out)
{
    struct slice echoes = slice_str(row->echoes);
    struct buf body;

    while (echoes.len > 0) {
        struct slice text = slice_cut(&echoes, '\n');

        buf_printf(out, "HTTP/1.1 200 OK\r\n%scontent-length: %zu\r\n\r\n%.*s",
                   row->ending == CLOSED && !row->refused && echoes.len == 0
                       ? "connection: close\r\n"
                       : "",
                   text.len, SLICE_ARGS(text));
    }
    if (!row->refused || row->refused->status == 0)
        return;
    buf_init(&body, 0);
    reply_error_json(&body, row->refused, SLICE(""), SLICE(""));
    buf_printf(out,
               "HTTP/1.1 %u %.*s\r\ncontent-type: application/json\r\nconnection: "
               "close\r\ncontent-length: %zu\r\n\r\n",
               row->refused->status, SLICE_ARGS(http_status_text(row->refused->status)), body.len);
    buf_move(out, &body, body.len);
}

struct wait {
    size_t bytes; /* of answers, Date lines apart */
    bool end;
};

static bool has_answers(struct peer *peer, void *user)
{
    const struct wait *wait = user;
    struct buf got;
    size_t len;

    if (peer->ended || peer->reset)
        return true;
    if (wait->end || peer->to_send.len > 0)
        return false;
    buf_init(&got, 0);
    take_got(peer, &got);
    len = got.len;
    buf_release(&got);
    return len >= wait->bytes && peer->turns > 5;
}

static void check_row(const struct row *row, size_t step)
{
    struct stage stage;
    struct buf expected;
    struct wait wait = { .end = row->ending != KEPT };
    char what[256];

    snprintf(what, sizeof(what), "%s, %zu bytes at a time", row->what, step);
    buf_init(&expected, 0);
    expect_answers(row, &expected);
    wait.bytes = expected.len;
    stage_open(&stage, &usual_settings);
    stage.peer.to_send = row->in;
    stage.peer.step = step;
    if (!peer_until(&stage.peer, has_answers, &wait))
        print_error("%s: waited in vain\n", what);
    assert_got(&stage.peer, buf_join(&expected), what);
    if (stage.peer.ended != (row->ending == CLOSED) || stage.peer.reset != (row->ending == RESET))
        fail_msg("%s: ended %d, reset %d", what, stage.peer.ended, stage.peer.reset);
    if (row->refused && row->refused->status && stage.owner.begun == 0)
        assert_int_equal(metric_total(METRIC_ID_requests_refused), 1);
    buf_release(&expected);
    stage_close(&stage);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], SIZE_MAX);
        check_row(&rows[i], 1);
    }
}

/* ---- what is taken ---- */

#define GET(fields)  "GET /a HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(fields) "POST /a HTTP/1.1\r\n" HOST fields "\r\n"

static const struct row good_rows[] = {
    { "a request", SLICE_INIT(GET("")), "GET /a h 11", NULL, KEPT },
    { "one empty line before it", SLICE_INIT("\r\n" GET("")), "GET /a h 11", NULL, KEPT },
    { "names become lower case, values lose spaces", SLICE_INIT(GET("X-A:  b\t \r\nY:\r\n")),
      "GET /a h 11|x-a=b|y=", NULL, KEPT },
    { "two in a row", SLICE_INIT(GET("") "GET /b HTTP/1.1\r\n" HOST "\r\n"),
      "GET /a h 11\nGET /b h 11", NULL, KEPT },
    { "a body by length, a request behind",
      SLICE_INIT(POST("Content-Length: 5\r\n") "hello" GET("")), "POST /a h 11|hello\nGET /a h 11",
      NULL, KEPT },
    { "a body of no bytes", SLICE_INIT(POST("Content-Length: 0\r\n")), "POST /a h 11|", NULL,
      KEPT },
    { "a length of nineteen digits",
      SLICE_INIT(POST("Content-Length: 0000000000000000002\r\n") "hi"), "POST /a h 11|hi", NULL,
      KEPT },
    { "a body in chunks, a request behind",
      SLICE_INIT(POST(CHUNKED) "5\r\nhello\r\n00A;x=\"y\"\r\n, my world\r\n0\r\n\r\n" GET("")),
      "POST /a h 11|hello, my world\nGET /a h 11", NULL, KEPT },
    { "coding in capitals",
      SLICE_INIT(POST("TRANSFER-ENCODING: CHUNKED \r\n") "1\r\nx\r\n0\r\n\r\n"), "POST /a h 11|x",
      NULL, KEPT },
    { "trailers, those that frame or identify dropped",
      SLICE_INIT(POST(CHUNKED) "1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\nHost: "
                               "evil\r\nTransfer-Encoding: y\r\nAuthorization: z\r\n\r\n" GET("")),
      "POST /a h 11|x|+x-sum=1\nGET /a h 11", NULL, KEPT },
    { "GET with a body (H1-16)", SLICE_INIT(GET("Content-Length: 3\r\n") "abc" GET("")),
      "GET /a h 11|abc\nGET /a h 11", NULL, KEPT },
    { "POST without one (H1-16)", SLICE_INIT(POST("") GET("")), "POST /a h 11\nGET /a h 11", NULL,
      KEPT },
    { "absolute target replaces Host (H1-14)",
      SLICE_INIT("GET http://named:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n"), "GET /p?q named:81 11",
      NULL, KEPT },
    { "absolute target without a path",
      SLICE_INIT("GET HTTP://named HTTP/1.1\r\nHost: other\r\n\r\n"), "GET / named 11", NULL,
      KEPT },
    { "absolute target with only a query",
      SLICE_INIT("GET http://named?q HTTP/1.1\r\nHost: other\r\n\r\n"), "GET /?q named 11", NULL,
      KEPT },
    { "OPTIONS *", SLICE_INIT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "OPTIONS * h 11", NULL, KEPT },
    { "OPTIONS of an authority", SLICE_INIT("OPTIONS http://h HTTP/1.1\r\n" HOST "\r\n"),
      "OPTIONS * h 11", NULL, KEPT },
    { "the path is normalised once", SLICE_INIT("GET /v1/%63hat?%7e HTTP/1.1\r\n" HOST "\r\n"),
      "GET /v1/chat?%7e h 11", NULL, KEPT },
    { "obs-text in a value", SLICE_INIT(GET("X-A: \xc3\xa9\r\n")), "GET /a h 11|x-a=\xc3\xa9", NULL,
      KEPT },
    { "Connection: close", SLICE_INIT(GET("Connection: close\r\n")),
      "GET /a h 11|connection~=close", NULL, CLOSED },
    { "Connection: close, and nothing behind it is looked at",
      SLICE_INIT(GET("Connection: close\r\n") GET("")), "GET /a h 11|connection~=close", NULL,
      CLOSED },
    { "Connection nominates (H1-21)",
      SLICE_INIT(GET("X-A: 1\r\nConnection: x-a, keep-alive\r\nUpgrade: h2c\r\n")),
      "GET /a h 11|x-a~=1|connection~=x-a, keep-alive|upgrade~=h2c", NULL, KEPT },
    { "HTTP/1.0", SLICE_INIT("GET /a HTTP/1.0\r\n\r\n"), "GET /a  10", NULL, CLOSED },
    { "HTTP/1.0 expects nothing",
      SLICE_INIT("POST /a HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\nz"),
      "POST /a  10|expect~=x|z", NULL, CLOSED },
    { "an expectation without a body", SLICE_INIT(GET("Expect: 100-continue\r\n")),
      "GET /a h 11|expect~=100-continue", NULL, KEPT },
    { "an upgrade is no tunnel",
      SLICE_INIT(GET("Connection: upgrade\r\nUpgrade: websocket\r\n") GET("")),
      "GET /a h 11|connection~=upgrade|upgrade~=websocket\nGET /a h 11", NULL, KEPT },
};

static void requests_reach_their_owner_and_are_answered_in_order(void **state UNUSED)
{
    check_rows(good_rows, ARRAY_LEN(good_rows));
}

/* ---- what is refused ---- */

#define LINE(line) line "\r\n" HOST "\r\n"
#define FRAMED(fields)                                                                             \
    SLICE_INIT(POST(fields) "1\r\nx\r\n0\r\n\r\n"), "", &reason_bad_framing, CLOSED
#define FIELD_LINE(line) SLICE_INIT(GET(line "\r\n")), "", &reason_bad_field, CLOSED
#define BAD_LINE(line)   SLICE_INIT(LINE(line)), "", &reason_bad_request, CLOSED
#define NO_HTTP(line)    SLICE_INIT(LINE(line)), "", &reason_not_http, CLOSED
#define BAD_TARGET(target)                                                                         \
    SLICE_INIT(LINE("GET " target " HTTP/1.1")), "", &reason_bad_target, CLOSED
#define BAD_HOST(fields)                                                                           \
    SLICE_INIT("GET /a HTTP/1.1\r\n" fields "\r\n"), "", &reason_bad_host, CLOSED

static const struct row bad_rows[] = {
    { "H1-01 CL.TE", FRAMED("Content-Length: 4\r\n" CHUNKED) },
    { "H1-02 TE.CL", FRAMED(CHUNKED "Content-Length: 4\r\n") },
    { "H1-03 xchunked", FRAMED("Transfer-Encoding: xchunked\r\n") },
    { "H1-03 chunked, identity", FRAMED("Transfer-Encoding: chunked, identity\r\n") },
    { "H1-03 identity, chunked", FRAMED("Transfer-Encoding: identity, chunked\r\n") },
    { "H1-03 chunked twice", FRAMED("Transfer-Encoding: chunked, chunked\r\n") },
    { "H1-03 identity", FRAMED("Transfer-Encoding: identity\r\n") },
    { "H1-03 vertical tab", FRAMED("Transfer-Encoding:\x0b"
                                   "chunked\r\n") },
    { "H1-03 tab", FRAMED("Transfer-Encoding:\tchunked\r\n") },
    { "H1-03 quoted", FRAMED("Transfer-Encoding: \"chunked\"\r\n") },
    { "H1-03 parameter", FRAMED("Transfer-Encoding: chunked;a=b\r\n") },
    { "H1-03 empty", FRAMED("Transfer-Encoding:\r\n") },
    { "H1-03 two lines", FRAMED(CHUNKED CHUNKED) },
    { "H1-03 space before the colon", FIELD_LINE("Transfer-Encoding : chunked") },
    { "H1-03 underscore", FIELD_LINE("Transfer_Encoding: chunked") },
    { "H1-03 folded", SLICE_INIT(POST("Transfer-Encoding:\r\n chunked\r\n")), "", &reason_bad_field,
      CLOSED },
    { "H1-04 the same length twice", FRAMED("Content-Length: 5\r\nContent-Length: 5\r\n") },
    { "H1-04 list", FRAMED("Content-Length: 5, 5\r\n") },
    { "H1-05 sign", FRAMED("Content-Length: +5\r\n") },
    { "H1-05 minus", FRAMED("Content-Length: -1\r\n") },
    { "H1-05 hexadecimal", FRAMED("Content-Length: 0x5\r\n") },
    { "H1-05 space behind", FRAMED("Content-Length: 5 \r\n") },
    { "H1-05 vertical tab behind", FRAMED("Content-Length: 5\x0b\r\n") },
    { "H1-05 semicolon", FRAMED("Content-Length: 5;\r\n") },
    { "H1-05 empty", FRAMED("Content-Length:\r\n") },
    { "H1-05 exponent", FRAMED("Content-Length: 5e1\r\n") },
    { "H1-05 twenty digits", FRAMED("Content-Length: 00000000000000000005\r\n") },
    { "H1-05 2^63", FRAMED("Content-Length: 9223372036854775808\r\n") },
    { "H1-05 2^64 + 5", FRAMED("Content-Length: 18446744073709551621\r\n") },
    { "H1-06 coding in HTTP/1.0", SLICE_INIT("POST /a HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n"), "",
      &reason_bad_framing, CLOSED },
    { "H1-10 LF behind the request line", SLICE_INIT("GET /a HTTP/1.1\n" HOST "\r\n"), "",
      &reason_bad_request, CLOSED },
    { "H1-10 LF behind a field", SLICE_INIT("GET /a HTTP/1.1\r\nHost: h\n\r\n"), "",
      &reason_bad_request, CLOSED },
    { "H1-10 LF as the last line", SLICE_INIT("GET /a HTTP/1.1\r\nHost: h\r\n\n"), "",
      &reason_bad_request, CLOSED },
    { "H1-10 CR in a value", SLICE_INIT(GET("X-A: b\rc\r\n")), "", &reason_bad_request, CLOSED },
    { "H1-10 CR and another byte at the end", SLICE_INIT("GET /a HTTP/1.1\r\nHost: h\r\n\rX"), "",
      &reason_bad_request, CLOSED },
    { "H1-11 folded value", FIELD_LINE("X-A: b\r\n c") },
    { "H1-11 folded with a tab", FIELD_LINE("X-A: b\r\n\tc") },
    { "H1-11 space before the first field", SLICE_INIT("GET /a HTTP/1.1\r\n Host: h\r\n\r\n"), "",
      &reason_bad_field, CLOSED },
    { "H1-12 NUL in a name", SLICE_INIT(GET("x\0a: b\r\n")), "", &reason_bad_field, CLOSED },
    { "H1-12 control in a name", FIELD_LINE("x\x01"
                                            "a: b") },
    { "H1-12 DEL in a name", FIELD_LINE("x\x7f"
                                        "a: b") },
    { "H1-12 obs-text in a name", FIELD_LINE("x\xe9: b") },
    { "H1-12 space in a name", FIELD_LINE("x a: b") },
    { "H1-12 empty name", FIELD_LINE(": b") },
    { "H1-12 no colon", FIELD_LINE("x-a") },
    { "H1-12 NUL in a value", SLICE_INIT(GET("x: b\0c\r\n")), "", &reason_bad_field, CLOSED },
    { "H1-12 escape in a value", FIELD_LINE("x: b\x1b"
                                            "c") },
    { "H1-12 DEL in a value", FIELD_LINE("x: b\x7f"
                                         "c") },
    { "H1-13 tab", BAD_LINE("GET\t/a HTTP/1.1") },
    { "H1-13 two spaces", BAD_LINE("GET  /a HTTP/1.1") },
    { "H1-13 two spaces behind", BAD_LINE("GET /a  HTTP/1.1") },
    { "H1-13 space at the end", BAD_LINE("GET /a HTTP/1.1 ") },
    { "H1-13 control in the method", BAD_LINE("G\x01T /a HTTP/1.1") },
    { "H1-13 control in the target", BAD_TARGET("/a\x01") },
    { "H1-13 1.10", BAD_LINE("GET /a HTTP/1.10") },
    { "H1-13 01.1", BAD_LINE("GET /a HTTP/01.1") },
    { "H1-13 1.2", SLICE_INIT(LINE("GET /a HTTP/1.2")), "", &reason_bad_version, CLOSED },
    { "H1-13 2.0", SLICE_INIT(LINE("GET /a HTTP/2.0")), "", &reason_bad_version, CLOSED },
    { "H1-13 lower-case version", NO_HTTP("GET /a http/1.1") },
    { "H1-13 0.9", NO_HTTP("GET /a") },
    { "H1-13 SSH", NO_HTTP("SSH-2.0-OpenSSH_9.2") },
    { "H1-13 TLS", NO_HTTP("\x16\x03\x01") },
    { "H1-13 not quite the h2 preface", SLICE_INIT("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), "",
      &reason_not_http, CLOSED },
    { "H1-13 two empty lines", SLICE_INIT("\r\n\r\n" GET("")), "", &reason_not_http, CLOSED },
    { "H1-13 garbage as a second request", SLICE_INIT(GET("") "SSH-2.0-OpenSSH_9.2\r\n"),
      "GET /a h 11", &reason_bad_request, CLOSED },
    { "H1-13 lower-case method", SLICE_INIT(LINE("get /a HTTP/1.1")), "", &reason_bad_method,
      CLOSED },
    { "H1-13 unknown method", SLICE_INIT(LINE("BREW /a HTTP/1.1")), "", &reason_bad_method,
      CLOSED },
    { "H1-14 authority", BAD_TARGET("h:80") },
    { "H1-14 asterisk", BAD_TARGET("*") },
    { "H1-14 fragment", BAD_TARGET("/a#b") },
    { "H1-14 not ASCII", BAD_TARGET("/\xc3\xa9") },
    { "H1-14 escaped NUL", BAD_TARGET("/%00") },
    { "H1-14 two slashes", BAD_TARGET("/a//b") },
    { "H1-14 dot segment", BAD_TARGET("/a/../b") },
    { "H1-14 escaped dot segment", BAD_TARGET("/a/%2e%2E/b") },
    { "H1-14 backslash", BAD_TARGET("/a\\b") },
    { "H1-14 another scheme", BAD_TARGET("ftp://h/a") },
    { "H1-14 user information", BAD_TARGET("http://u@h/a") },
    { "H1-14 no authority", BAD_TARGET("http:///a") },
    { "H1-14 NUL behind an authority", SLICE_INIT(LINE("GET http://h?\0q HTTP/1.1")), "",
      &reason_bad_target, CLOSED },
    { "H1-15 none", BAD_HOST("") },
    { "H1-15 two", BAD_HOST(HOST HOST) },
    { "H1-15 empty", BAD_HOST("Host:\r\n") },
    { "H1-15 list", BAD_HOST("Host: a, b\r\n") },
    { "H1-15 user information", BAD_HOST("Host: u@a\r\n") },
    { "H1-15 path", BAD_HOST("Host: a/b\r\n") },
    { "H1-15 port", BAD_HOST("Host: a:99999\r\n") },
    { "H1-15 two in HTTP/1.0", SLICE_INIT("GET /a HTTP/1.0\r\n" HOST HOST "\r\n"), "",
      &reason_bad_host, CLOSED },
    { "H1-17 obfuscated", SLICE_INIT(POST("Expect: y 100-continue\r\nContent-Length: 1\r\n") "x"),
      "", &reason_bad_expect, CLOSED },
    { "H1-17 twice",
      SLICE_INIT(POST("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n") "x"),
      "", &reason_bad_expect, CLOSED },
    { "H1-19 a smuggled-looking second request",
      SLICE_INIT(GET("") POST("Content-Length: 4\r\n" CHUNKED) "0\r\n\r\n"), "GET /a h 11",
      &reason_bad_framing, CLOSED },
    { "H1-21 Connection nominates framing", FIELD_LINE("Connection: content-length") },
    { "H1-21 Connection nominates an edge field", FIELD_LINE("Connection: X-Forwarded-For") },
    { "H1-22 CONNECT", SLICE_INIT(LINE("CONNECT h:80 HTTP/1.1")), "", &reason_bad_method, CLOSED },
    { "H1-22 TRACE", SLICE_INIT(LINE("TRACE /a HTTP/1.1")), "", &reason_method_not_allowed,
      CLOSED },
};

static void heads_off_the_grammar_are_refused_and_the_connection_ends(void **state UNUSED)
{
    check_rows(bad_rows, ARRAY_LEN(bad_rows));
}

/* A chunked body that is none: the exchange has begun and is told. */
#define SIZED(line)                                                                                \
    SLICE_INIT(POST(CHUNKED) line "hello\r\n0\r\n\r\n"), "", &reason_bad_framing, CLOSED
#define CHUNKS(chunks) SLICE_INIT(POST(CHUNKED) chunks), "", &reason_bad_framing, CLOSED
#define TRAILERS(lines, reason)                                                                    \
    SLICE_INIT(POST(CHUNKED) "1\r\nx\r\n0\r\n" lines), "", &reason, CLOSED

static const struct row chunk_rows[] = {
    { "H1-07 seventeen digits", SIZED("00000000000000005\r\n") },
    { "H1-07 0x", SIZED("0x5\r\n") },
    { "H1-07 plus", SIZED("+5\r\n") },
    { "H1-07 minus", SIZED("-5\r\n") },
    { "H1-07 leading space", SIZED(" 5\r\n") },
    { "H1-07 empty", SIZED("\r\n") },
    { "H1-07 2^64", SIZED("10000000000000000\r\n") },
    { "H1-07 2^64 - 1", SIZED("ffffffffffffffff\r\n") },
    { "H1-07 2^63", SIZED("8000000000000000\r\n") },
    { "H1-07 space and junk", SIZED("5 x\r\n") },
    { "H1-07 space behind", SIZED("5 \r\n") },
    { "H1-07 no digit", SIZED("g\r\n") },
    { "H1-09 LF ends the size", CHUNKS("5\nhello\r\n0\r\n\r\n") },
    { "H1-09 CR ends the size", CHUNKS("5\rhello\r\n0\r\n\r\n") },
    { "H1-09 CR CR LF", CHUNKS("5\r\r\nhello\r\n0\r\n\r\n") },
    { "H1-09 LF in an extension", CHUNKS("5;a\nb\r\nhello\r\n0\r\n\r\n") },
    { "H1-09 CR in an extension", CHUNKS("5;a\rb\r\nhello\r\n0\r\n\r\n") },
    { "H1-09 NUL in an extension", CHUNKS("5;a\0b\r\nhello\r\n0\r\n\r\n") },
    { "H1-09 LF behind the data", CHUNKS("5\r\nhello\n0\r\n\r\n") },
    { "H1-09 CR behind the data", CHUNKS("5\r\nhello\r0\r\n\r\n") },
    { "H1-09 two other bytes behind the data", CHUNKS("5\r\nhelloXX0\r\n\r\n") },
    { "H1-09 longer than its size", CHUNKS("5\r\nhello world\r\n0\r\n\r\n") },
    { "H1-09 LF ends the last chunk", CHUNKS("1\r\nx\r\n0\n\n") },
    { "H1-09 LF ends a trailer", TRAILERS("X-A: b\n\r\n", reason_bad_request) },
    { "H1-09 LF as the last line", TRAILERS("\n", reason_bad_request) },
    { "H1-11 folded trailer", TRAILERS("X-A: b\r\n c\r\n\r\n", reason_bad_field) },
    { "H1-12 a trailer without a name", TRAILERS(": b\r\n\r\n", reason_bad_field) },
};

static void chunks_off_the_grammar_are_refused_and_the_exchange_is_told(void **state UNUSED)
{
    check_rows(chunk_rows, ARRAY_LEN(chunk_rows));
}

/* ---- limits ---- */

/* A request with `count` copies of `piece` between `before` and `after`. */
static void check_repeated(const char *what, struct slice before, struct slice piece, size_t count,
                           struct slice after, const char *echo, const struct reason *refused)
{
    struct row row = {
        .what = what, .echoes = echo, .refused = refused, .ending = refused ? CLOSED : KEPT
    };
    struct buf in;

    buf_init(&in, 0);
    buf_add(&in, before);
    for (size_t i = 0; i < count; i++)
        buf_add(&in, piece);
    buf_add(&in, after);
    row.in = buf_join(&in);
    check_row(&row, SIZE_MAX);
    check_row(&row, 997);
    buf_release(&in);
}

static void limits_are_met_before_memory_is_taken(void **state UNUSED)
{
    check_repeated("S-06 a field of 64 KB", SLICE("GET /a HTTP/1.1\r\n" HOST "x: "),
                   SLICE("0123456789abcdef"), 4096, SLICE("\r\n\r\n"), "", &reason_head_too_large);
    check_repeated("S-06 a field without end", SLICE("GET /a HTTP/1.1\r\n" HOST "x: "),
                   SLICE("0123456789abcdef"), 65536, SLICE(""), "", &reason_head_too_large);
    check_repeated("S-06 one field too many", SLICE("GET /a HTTP/1.1\r\n" HOST), SLICE("x:\r\n"),
                   21, SLICE("\r\n"), "", &reason_head_too_large);
    check_repeated("S-06 as many fields as may be", SLICE("GET /a HTTP/1.1\r\n" HOST),
                   SLICE("x:\r\n"), 20, SLICE("\r\n"),
                   "GET /a h 11|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=|x=", NULL);
    check_repeated("H1-14 a target of 64 KB", SLICE("GET /"), SLICE("0123456789abcdef"), 4096,
                   SLICE(" HTTP/1.1\r\n" HOST "\r\n"), "", &reason_target_too_long);
    check_repeated("H1-13 a method of 1 MB", SLICE(""), SLICE("G"), 1 << 20,
                   SLICE(" /a HTTP/1.1\r\n" HOST "\r\n"), "", &reason_not_http);
    check_repeated("H1-13 a flood of empty lines", SLICE(""), SLICE("\r\n"), 5000, SLICE(GET("")),
                   "", &reason_not_http);
    check_repeated("H1-08 an extension of 1 MB", SLICE(POST(CHUNKED) "5;"), SLICE("a"), 1 << 20,
                   SLICE("\r\nhello\r\n0\r\n\r\n"), "", &reason_bad_framing);
    check_repeated("H1-08 extensions of 6 KB in all", SLICE(POST(CHUNKED)),
                   SLICE("1;aaaaaaaaaaa\r\nx\r\n"), 512, SLICE("0\r\n\r\n"), "",
                   &reason_bad_framing);
    check_repeated("H1-20 a megabyte of trailers", SLICE(POST(CHUNKED) "0\r\n"),
                   SLICE("x-a: 0123456789\r\n"), 65536, SLICE("\r\n"), "", &reason_head_too_large);
    check_repeated("H1-20 trailers count with the head", SLICE(POST(CHUNKED) "0\r\n"),
                   SLICE("x-a: 0\r\n"), 21, SLICE("\r\n"), "", &reason_head_too_large);
}

/* ---- answers ---- */

struct answer_row {
    const char *what;
    struct slice in;
    const char *out;
    enum ending ending;
};

static const struct answer_row answer_rows[] = {
    { "an unknown length is chunked", SLICE_INIT("GET /chunked HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", KEPT },
    { "trailers for those who take them",
      SLICE_INIT("GET /chunked HTTP/1.1\r\nTE: trailers\r\n" HOST "\r\n"),
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
      KEPT },
    { "in HTTP/1.0 it ends with the connection",
      SLICE_INIT("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
      "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello", CLOSED },
    { "HTTP/1.0 keeps alive when asked",
      SLICE_INIT("GET /status/200 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
      "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nnever", KEPT },
    { "HEAD has a length and no body",
      SLICE_INIT("HEAD /status/200 HTTP/1.1\r\n" HOST "\r\n"
                 "HEAD /status/200 HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
      KEPT },
    { "204 has neither", SLICE_INIT("GET /status/204 HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 204 No Content\r\n\r\n", KEPT },
    { "304 has no body", SLICE_INIT("GET /status/304 HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", KEPT },
    { "an interim answer comes first", SLICE_INIT("GET /interim HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", KEPT },
    { "HTTP/1.0 gets no interim answer", SLICE_INIT("GET /interim HTTP/1.0\r\n\r\n"),
      "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", CLOSED },
    { "an early answer, the rest is dropped",
      SLICE_INIT("POST /early HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
                 "GET /status/204 HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
      KEPT },
    { "H1-18 an early answer, too much to drop",
      SLICE_INIT("POST /early HTTP/1.1\r\n" HOST "Content-Length: 5000000\r\n\r\nhello"),
      "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", CLOSED },
    { "H1-18 an early answer, chunks without a known end",
      SLICE_INIT("POST /early HTTP/1.1\r\n" HOST CHUNKED "\r\n5\r\n"),
      "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", CLOSED },
    { "H1-17 a refusal instead of 100",
      SLICE_INIT("POST /early HTTP/1.1\r\n" HOST
                 "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
      "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", CLOSED },
    { "a reset answer is cut", SLICE_INIT("GET /cut HTTP/1.1\r\n" HOST "\r\n"),
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", RESET },
    { "a body shorter than declared", SLICE_INIT("GET /short HTTP/1.1\r\n" HOST "\r\n"), "",
      RESET },
    { "a body longer than declared", SLICE_INIT("GET /long HTTP/1.1\r\n" HOST "\r\n"), "", RESET },
};

static void answers_are_framed_for_the_client_at_hand(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i];
        struct wait wait = { .bytes = strlen(row->out), .end = row->ending != KEPT };
        struct stage stage;

        stage_open(&stage, &usual_settings);
        stage.peer.to_send = row->in;
        if (!peer_until(&stage.peer, has_answers, &wait))
            print_error("%s: waited in vain\n", row->what);
        assert_got(&stage.peer, slice_str(row->out), row->what);
        assert_int_equal(stage.peer.reset, row->ending == RESET);
        assert_int_equal(stage.peer.ended, row->ending == CLOSED);
        stage_close(&stage);
    }
}

static void a_date_is_in_every_answer(void **state UNUSED)
{
    struct wait wait = { .bytes = 10 };
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE(GET(""));
    assert_true(peer_until(&stage.peer, has_answers, &wait));
    buf_add(&stage.peer.got, slice_of("", 1));
    assert_non_null(strstr(buf_join(&stage.peer.got).at, "\r\ndate: "));
    assert_non_null(strstr(buf_join(&stage.peer.got).at, " GMT\r\n"));
    stage_close(&stage);
}

/* ---- single stories ---- */

static void send_and_wait(struct stage *stage, struct slice bytes, size_t answer_bytes)
{
    struct wait wait = { .bytes = answer_bytes };

    stage->peer.to_send = bytes;
    assert_true(peer_until(&stage->peer, has_answers, &wait));
}

static void continue_is_said_when_the_body_is_first_waited_for(void **state UNUSED)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct stage stage;

    stage_open(&stage, &usual_settings);
    send_and_wait(&stage, SLICE(POST("Expect: 100-Continue\r\nContent-Length: 5\r\n")),
                  strlen(interim));
    assert_got(&stage.peer, slice_str(interim), "before the body");
    send_and_wait(&stage, SLICE("hello"), strlen(interim) + 30);
    assert_got(&stage.peer,
               SLICE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 39\r\n\r\n"
                     "POST /a h 11|expect~=100-Continue|hello"),
               "after the body");
    stage_close(&stage);
}

static void continue_is_not_said_to_who_did_not_wait(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    send_and_wait(&stage, SLICE(POST("Expect: 100-continue\r\nContent-Length: 5\r\n") "hello"), 50);
    assert_got(
        &stage.peer,
        SLICE(
            "HTTP/1.1 200 OK\r\ncontent-length: 39\r\n\r\nPOST /a h 11|expect~=100-continue|hello"),
        "body sent at once");
    stage_close(&stage);
}

static bool has_begun(struct peer *peer, void *user)
{
    (void)peer;
    return ((struct owner *)user)->begun > 0 && peer->turns > 3;
}

static bool owner_is_done(struct peer *peer, void *user)
{
    const struct owner *owner = user;

    (void)peer;
    return owner->begun > 0 && owner->live == 0 && !owner->conn;
}

static void a_fin_while_an_answer_is_owed_aborts_it(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    assert_true(peer_until(&stage.peer, has_begun, &stage.owner));
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_ptr_equal(stage.owner.last_reason, &reason_client_gone);
    assert_true(stage.owner.saw_peer_gone);
    stage_close(&stage);
}

static void a_fin_together_with_the_request_aborts_it_too(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_ptr_equal(stage.owner.last_reason, &reason_client_gone);
    stage_close(&stage);
}

static void a_fin_behind_pipelined_requests_is_seen_although_reading_is_paused(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n" GET("") GET(""));
    assert_true(peer_until(&stage.peer, has_begun, &stage.owner));
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_int_equal(stage.owner.begun, 1);
    stage_close(&stage);
}

static void a_reset_while_an_answer_is_owed_aborts_it(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    assert_true(peer_until(&stage.peer, has_begun, &stage.owner));
    peer_hang_up(&stage.peer);
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_ptr_equal(stage.owner.last_reason, &reason_client_gone);
    stage_close(&stage);
}

static void a_fin_inside_a_body_aborts_the_exchange(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE(POST("Content-Length: 5\r\n") "hel");
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_ptr_equal(stage.owner.last_reason, &reason_client_gone);
    assert_int_equal(stage.peer.got.len, 0);
    stage_close(&stage);
}

static void half_close_lets_the_answers_come(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.half_close = true;
    stage_open(&stage, &settings);
    stage.peer.to_send = SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n" GET(""));
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, has_begun, &stage.owner));
    assert_int_equal(stage.owner.live, 1);
    stage.owner.let_go = true;
    worker_defer(stage.rig.worker, WORKER_WAKE, &stage.owner.held->wake);
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_got(&stage.peer,
               SLICE("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                     "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nGET /a h 11"),
               "after FIN");
    assert_true(stage.peer.ended);
    stage_close(&stage);
}

static bool nothing_moves(struct peer *peer, void *user UNUSED)
{
    return peer->turns > 200;
}

static void requests_are_not_read_ahead(void **state UNUSED)
{
    static const struct slice hold = SLICE_INIT("GET /hold HTTP/1.1\r\n" HOST "\r\n");
    struct stage stage;
    struct buf many;

    buf_init(&many, 0);
    for (int i = 0; i < 100000; i++)
        buf_add(&many, hold);
    stage_open(&stage, &usual_settings);
    stage.peer.to_send = buf_join(&many);
    assert_true(peer_until(&stage.peer, nothing_moves, NULL));
    assert_int_equal(stage.owner.begun, 1);
    assert_true(stage.owner.conn->rest_len <= stage.rig.worker->scratch_size);
    stage_close(&stage);
    buf_release(&many);
}

static size_t count_answers(struct peer *peer)
{
    const struct slice mark = SLICE("HTTP/1.1 200 OK");
    struct slice all = buf_join(&peer->got);
    size_t found = 0;

    for (size_t i = 0; i + mark.len <= all.len; i++)
        found += memcmp(all.at + i, mark.at, mark.len) == 0;
    return found;
}

static bool all_are_answered(struct peer *peer, void *user)
{
    const struct owner *owner = user;

    return owner->begun == 10000 && owner->live == 0 && count_answers(peer) == 10000;
}

static void ten_thousand_pipelined_requests_are_all_answered(void **state UNUSED)
{
    struct stage stage;
    struct buf many;

    buf_init(&many, 0);
    for (int i = 0; i < 10000; i++)
        buf_add(&many, SLICE(GET("")));
    stage_open(&stage, &usual_settings);
    stage.peer.to_send = buf_join(&many);
    assert_true(peer_until(&stage.peer, all_are_answered, &stage.owner));
    stage_close(&stage);
    buf_release(&many);
}

static void a_body_nobody_takes_stops_the_reading(void **state UNUSED)
{
    struct stage stage;
    struct buf body;

    buf_init(&body, 0);
    buf_add(&body, SLICE("POST /stuck HTTP/1.1\r\n" HOST "Content-Length: 16777216\r\n\r\n"));
    memset(buf_reserve(&body, 1 << 24), 'x', 1 << 24);
    buf_commit(&body, 1 << 24);
    stage_open(&stage, &usual_settings);
    stage.peer.to_send = buf_join(&body);
    assert_true(peer_until(&stage.peer, nothing_moves, NULL));
    assert_true(stage.owner.conn->pause & CONN_PAUSE_WINDOW);
    assert_true(stage.owner.conn->rest_len <= stage.rig.worker->scratch_size);
    assert_true(stage.peer.to_send.len > 0);
    stage_close(&stage);
    buf_release(&body);
}

static void a_large_body_passes_through_a_small_window(void **state UNUSED)
{
    struct wait wait = { .bytes = 1 << 20 };
    struct stage stage;
    struct buf body;

    buf_init(&body, 0);
    buf_add(&body, SLICE(POST("Content-Length: 1048576\r\n")));
    memset(buf_reserve(&body, 1 << 20), 'x', 1 << 20);
    buf_commit(&body, 1 << 20);
    stage_open(&stage, &usual_settings);
    stage.peer.to_send = buf_join(&body);
    assert_true(peer_until(&stage.peer, has_answers, &wait));
    stage_close(&stage);
    buf_release(&body);
}

static bool has_large(struct peer *peer, void *user UNUSED)
{
    return peer->got.len > LARGE_BYTES;
}

static void a_large_answer_waits_for_a_slow_client(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE("GET /large HTTP/1.1\r\n" HOST "\r\n");
    stage.peer.deaf = true;
    assert_true(peer_until(&stage.peer, nothing_moves, NULL));
    assert_int_equal(stage.owner.live, 1);
    assert_true(stage.owner.conn->out.len <= 2 * STREAM_OUT_HIGH);
    stage.peer.deaf = false;
    assert_true(peer_until(&stage.peer, has_large, NULL));
    stage_close(&stage);
}

static void a_client_that_takes_nothing_is_given_up(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.stall_ms = 50;
    stage_open(&stage, &settings);
    stage.peer.to_send = SLICE("GET /large HTTP/1.1\r\n" HOST "\r\n");
    stage.peer.deaf = true;
    assert_true(peer_until(&stage.peer, owner_is_done, &stage.owner));
    assert_ptr_equal(stage.owner.last_reason, &reason_client_stalled);
    stage_close(&stage);
}

/* ---- deadlines ---- */

static void a_head_has_one_deadline_whatever_drips_in(void **state UNUSED)
{
    static char drip[1 << 24]; /* more than the deadline leaves time for */
    struct conn_settings settings = usual_settings;
    struct row row = { .refused = &reason_head_timeout };
    struct buf expected;
    struct stage stage;
    uint64_t begun_us;

    settings.head_ms = 100;
    settings.head.bytes = settings.target_bytes = 1 << 30;
    stage_open(&stage, &settings);
    memset(drip, 'x', sizeof(drip));
    memcpy(drip, "GET /", 5);
    stage.peer.to_send = slice_of(drip, sizeof(drip));
    stage.peer.step = 1;
    begun_us = clock_now_us();
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_in_range(clock_now_us() - begun_us, 100 * CLOCK_US_PER_MS, 3000 * CLOCK_US_PER_MS);
    buf_init(&expected, 0);
    expect_answers(&row, &expected);
    assert_got(&stage.peer, buf_join(&expected), "408");
    buf_release(&expected);
    stage_close(&stage);
}

static void silence_is_closed_without_an_answer(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.handshake_ms = 50;
    stage_open(&stage, &settings);
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_int_equal(stage.peer.got.len, 0);
    assert_true(stage.peer.ended);
    stage_close(&stage);
}

static void half_a_preface_is_closed_without_an_answer(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.handshake_ms = 50;
    stage_open(&stage, &settings);
    stage.peer.to_send = SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n");
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_int_equal(stage.peer.got.len, 0);
    stage_close(&stage);
}

static void an_idle_connection_is_closed_and_owned_nothing(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.idle_ms = 100;
    stage_open(&stage, &settings);
    send_and_wait(&stage, SLICE(POST("Content-Length: 5\r\n") "hello"), 50);
    assert_non_null(stage.owner.conn);
    assert_null(stage.owner.conn->rest);
    assert_null(stage.owner.conn->codec);
    assert_null(stage.owner.conn->out.first);
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_true(stage.peer.ended);
    assert_ptr_equal(stage.owner.conn_reason, &reason_client_idle);
    stage_close(&stage);
}

static void draining_lets_the_answer_say_that_it_is_the_last(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage, &usual_settings);
    stage.peer.to_send = SLICE(POST("Content-Length: 5\r\n") "hel");
    assert_true(peer_until(&stage.peer, has_begun, &stage.owner));
    conn_drain(stage.owner.conn);
    stage.peer.to_send = SLICE("lo");
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_got(
        &stage.peer,
        SLICE(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 18\r\n\r\nPOST /a h 11|hello"),
        "drained");
    assert_true(stage.peer.ended);
    stage_close(&stage);
}

static void a_connection_ends_after_as_many_requests_as_it_may_carry(void **state UNUSED)
{
    struct conn_settings settings = usual_settings;
    struct stage stage;

    settings.requests = 2;
    stage_open(&stage, &settings);
    stage.peer.to_send = SLICE(GET("") GET("") GET(""));
    assert_true(peer_until(&stage.peer, peer_is_over, NULL));
    assert_int_equal(stage.owner.begun, 2);
    assert_true(stage.peer.ended);
    stage_close(&stage);
}

static void error_bodies_have_all_four_keys_whatever_is_in_them(void **state UNUSED)
{
    struct buf out;

    buf_init(&out, 0);
    reply_error_json(&out, &reason_model_not_found, slice_of("a\"\\\n\x01\xff\xc3\xa9", 8),
                     SLICE("model"));
    assert_true(slice_eq(
        buf_join(&out), SLICE("{\"error\":{\"message\":\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\","
                              "\"type\":\"invalid_request_error\","
                              "\"param\":\"model\",\"code\":\"model_not_found\"}}")));
    buf_release(&out);
    reply_error_json(&out, &reason_internal, SLICE(""), SLICE(""));
    assert_true(
        slice_eq(buf_join(&out),
                 SLICE("{\"error\":{\"message\":\"the gateway "
                       "failed\",\"type\":\"server_error\",\"param\":null,\"code\":null}}")));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_reach_their_owner_and_are_answered_in_order),
        cmocka_unit_test(heads_off_the_grammar_are_refused_and_the_connection_ends),
        cmocka_unit_test(chunks_off_the_grammar_are_refused_and_the_exchange_is_told),
        cmocka_unit_test(limits_are_met_before_memory_is_taken),
        cmocka_unit_test(answers_are_framed_for_the_client_at_hand),
        cmocka_unit_test(a_date_is_in_every_answer),
        cmocka_unit_test(continue_is_said_when_the_body_is_first_waited_for),
        cmocka_unit_test(continue_is_not_said_to_who_did_not_wait),
        cmocka_unit_test(a_fin_while_an_answer_is_owed_aborts_it),
        cmocka_unit_test(a_fin_together_with_the_request_aborts_it_too),
        cmocka_unit_test(a_fin_behind_pipelined_requests_is_seen_although_reading_is_paused),
        cmocka_unit_test(a_reset_while_an_answer_is_owed_aborts_it),
        cmocka_unit_test(a_fin_inside_a_body_aborts_the_exchange),
        cmocka_unit_test(half_close_lets_the_answers_come),
        cmocka_unit_test(requests_are_not_read_ahead),
        cmocka_unit_test(ten_thousand_pipelined_requests_are_all_answered),
        cmocka_unit_test(a_body_nobody_takes_stops_the_reading),
        cmocka_unit_test(a_large_body_passes_through_a_small_window),
        cmocka_unit_test(a_large_answer_waits_for_a_slow_client),
        cmocka_unit_test(a_client_that_takes_nothing_is_given_up),
        cmocka_unit_test(a_head_has_one_deadline_whatever_drips_in),
        cmocka_unit_test(silence_is_closed_without_an_answer),
        cmocka_unit_test(half_a_preface_is_closed_without_an_answer),
        cmocka_unit_test(an_idle_connection_is_closed_and_owned_nothing),
        cmocka_unit_test(draining_lets_the_answer_say_that_it_is_the_last),
        cmocka_unit_test(a_connection_ends_after_as_many_requests_as_it_may_carry),
        cmocka_unit_test(error_bodies_have_all_four_keys_whatever_is_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
