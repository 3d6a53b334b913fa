/*
 * HTTP/1.1 towards endpoints: what is asked, what an endpoint of any manners answers, and what
 * becomes of the stream and its connection. Every answer comes whole, then byte by byte.
 */
#include "gateway/codec/conn.h"

#include "tests/unit/h1_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHUNKED "Transfer-Encoding: chunked\r\n"

struct stage {
    struct rig rig;
    struct peer peer; /* the endpoint */
    struct conn *conn;
    bool ready;
    unsigned idle; /* on_idle calls */
    const struct reason *conn_reason;
    struct arena arena;
    struct stream *stream;
    struct buf body;
    bool lazy; /* takes nothing */
    struct defer wake;
};

static const struct conn_settings settings = {
    .head = { .fields = 20, .bytes = 4096 },
    .window_bytes = 65536,
    .idle_ms = 5000,
    .stall_ms = 5000,
};

static void on_ready(struct conn *conn, void *user)
{
    (void)conn;
    ((struct stage *)user)->ready = true;
}

static void on_idle(struct conn *conn, void *user)
{
    (void)conn;
    ((struct stage *)user)->idle++;
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct stage *stage = user;

    (void)conn;
    stage->conn = NULL;
    stage->conn_reason = reason;
}

static const struct conn_events conn_events = { .on_ready = on_ready,
                                                .on_idle = on_idle,
                                                .on_close = on_close };

static void take_body(struct defer *defer)
{
    struct stage *stage = CONTAINER_OF(defer, struct stage, wake);

    if (stage->lazy || !stage->stream)
        return;
    buf_move(&stage->body, &stage->stream->in, stage->stream->in.len);
    stream_took(stage->stream);
}

static void on_event(struct stream *stream, void *user)
{
    struct stage *stage = user;

    (void)stream;
    worker_defer(stage->rig.worker, WORKER_WAKE, &stage->wake);
}

static const struct stream_events stream_events = { .on_event = on_event };

static bool is_ready(struct peer *peer, void *user)
{
    (void)peer;
    return ((struct stage *)user)->ready;
}

static void stage_open(struct stage *stage)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 1);

    *stage = (struct stage){ 0 };
    rig_open(&stage->rig);
    arena_init(&stage->arena, 1 << 20);
    buf_init(&stage->body, SIZE_MAX);
    defer_init(&stage->wake, take_body);
    stage->conn = conn_dial(stage->rig.worker, (struct sockaddr *)&address, sizeof(address), NULL,
                            NULL, false, &settings, 5000, &conn_events, stage);
    peer_open(&stage->peer, &stage->rig, accept(listening, NULL, NULL));
    close(listening);
    assert_true(peer_until(&stage->peer, is_ready, stage));
}

static void stage_ask(struct stage *stage, const struct message *request, struct slice body)
{
    stage->stream = conn_open(stage->conn, &stage->arena);
    stage->stream->events = &stream_events;
    stage->stream->user = stage;
    buf_add(&stage->stream->out, body);
    stream_send_head(stage->stream, request);
    if (request->has_body)
        stream_send(stage->stream);
}

static void stage_init_request(struct stage *stage, struct message *request, struct slice method)
{
    message_init(request, &stage->arena);
    request->method = method;
    request->scheme = SLICE("http");
    request->authority = SLICE("e:8000");
    request->path = SLICE("/v1/x?y");
    request->length = 0;
}

static void stage_ask_simply(struct stage *stage, struct slice method)
{
    struct message request;

    stage_init_request(stage, &request, method);
    stage_ask(stage, &request, SLICE(""));
}

static bool is_gone(struct peer *peer, void *user)
{
    return peer->turns > 1 && !((struct stage *)user)->conn;
}

static void stage_close(struct stage *stage)
{
    if (stage->stream)
        stream_release(stage->stream);
    stage->stream = NULL;
    peer_hang_up(&stage->peer);
    assert_true(peer_until(&stage->peer, is_gone, stage));
    defer_cancel(&stage->wake);
    peer_close(&stage->peer);
    buf_release(&stage->body);
    arena_release(&stage->arena);
    rig_close(&stage->rig);
}

static bool has_request(struct peer *peer, void *user)
{
    (void)user;
    return peer->got.len > 0 && memmem(buf_join(&peer->got).at, peer->got.len, "\r\n\r\n", 4);
}

static bool is_over(struct peer *peer, void *user)
{
    (void)peer;
    return ((struct stage *)user)->stream->closed;
}

/* ---- what is asked ---- */

static void assert_asked(struct stage *stage, const char *expected)
{
    struct slice got;

    assert_true(peer_until(&stage->peer, has_request, stage));
    got = buf_join(&stage->peer.got);
    if (!slice_eq(got, slice_str(expected)))
        fail_msg("\n--- expected:\n%s\n--- got:\n%.*s\n---", expected, SLICE_ARGS(got));
}

static void head_and_body_leave_together_with_framing_of_our_own(void **state UNUSED)
{
    struct message request;
    struct stage stage;

    stage_open(&stage);
    stage_init_request(&stage, &request, SLICE("POST"));
    message_put(&request, FIELD_content_type, SLICE("text/plain"));
    message_put(&request, FIELD_connection, SLICE("close"));
    message_put(&request, FIELD_te, SLICE("trailers"));
    request.has_body = true;
    request.length = 5;
    stage_ask(&stage, &request, SLICE("hello"));
    stream_send_end(stage.stream, NULL);
    assert_asked(&stage, "POST /v1/x?y HTTP/1.1\r\nhost: e:8000\r\ncontent-type: "
                         "text/plain\r\ncontent-length: 5\r\n\r\nhello");
    stage_close(&stage);
}

static void a_body_of_unknown_length_is_chunked(void **state UNUSED)
{
    struct message request;
    struct stage stage;

    stage_open(&stage);
    stage_init_request(&stage, &request, SLICE("POST"));
    request.has_body = true;
    request.length = MESSAGE_LENGTH_UNKNOWN;
    stage_ask(&stage, &request, SLICE("hello, my world!"));
    stream_send_end(stage.stream, NULL);
    assert_asked(&stage, "POST /v1/x?y HTTP/1.1\r\nhost: e:8000\r\ntransfer-encoding: "
                         "chunked\r\n\r\n10\r\nhello, my world!\r\n0\r\n\r\n");
    stage_close(&stage);
}

static void requests_without_a_body_say_so_where_one_is_usual(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    stage_ask_simply(&stage, SLICE("POST"));
    assert_asked(&stage, "POST /v1/x?y HTTP/1.1\r\nhost: e:8000\r\ncontent-length: 0\r\n\r\n");
    stage_close(&stage);
    stage_open(&stage);
    stage_ask_simply(&stage, SLICE("GET"));
    assert_asked(&stage, "GET /v1/x?y HTTP/1.1\r\nhost: e:8000\r\n\r\n");
    stage_close(&stage);
}

/* ---- what is answered ---- */

struct row {
    const char *what;
    struct slice answer;
    unsigned status; /* 0: no head came through */
    const char *body;
    const struct reason *reason;
    bool fin;           /* the endpoint closes behind its answer */
    bool reused;        /* the connection may carry another request */
    const char *method; /* NULL: GET */
};

#define OK "HTTP/1.1 200 OK\r\n"
#define MALFORMED(what, bytes)                                                                     \
    {                                                                                              \
        what, SLICE_INIT(bytes), 0, "", &reason_endpoint_malformed, false, false, NULL             \
    }
#define CUT_BODY(what, bytes, body)                                                                \
    {                                                                                              \
        what, SLICE_INIT(bytes), 200, body, &reason_endpoint_truncated, true, false, NULL          \
    }

static const struct row rows[] = {
    { "a length", SLICE_INIT(OK "Content-Length: 5\r\n\r\nhello"), 200, "hello", &reason_done,
      false, true, NULL },
    { "a length of 0", SLICE_INIT(OK "Content-Length: 0\r\n\r\n"), 200, "", &reason_done, false,
      true, NULL },
    { "chunks", SLICE_INIT(OK CHUNKED "\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n"), 200, "hello!",
      &reason_done, false, true, NULL },
    { "chunks and trailers", SLICE_INIT(OK CHUNKED "\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), 200,
      "hello", &reason_done, false, true, NULL },
    { "until the connection closes", SLICE_INIT(OK "\r\nhello"), 200, "hello", &reason_done, true,
      false, NULL },
    { "no reason phrase", SLICE_INIT("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), 200, "",
      &reason_done, false, true, NULL },
    { "interim answers are skipped",
      SLICE_INIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK
                 "Content-Length: 1\r\n\r\nx"),
      200, "x", &reason_done, false, true, NULL },
    { "204 has no body", SLICE_INIT("HTTP/1.1 204 No Content\r\n\r\n"), 204, "", &reason_done,
      false, true, NULL },
    { "304 has none whatever it says",
      SLICE_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), 304, "", &reason_done,
      false, true, NULL },
    { "HEAD has none", SLICE_INIT(OK "Content-Length: 5\r\n\r\n"), 200, "", &reason_done, false,
      true, "HEAD" },
    { "Connection: close", SLICE_INIT(OK "Connection: close\r\nContent-Length: 1\r\n\r\nx"), 200,
      "x", &reason_done, false, false, NULL },
    { "HTTP/1.0", SLICE_INIT("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), 200, "x",
      &reason_done, false, false, NULL },
    { "HTTP/1.0 that keeps alive",
      SLICE_INIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"), 200,
      "x", &reason_done, false, true, NULL },
    { "H1-23 bytes behind the answer", SLICE_INIT(OK "Content-Length: 1\r\n\r\nx" OK "\r\n"), 200,
      "x", &reason_done, false, false, NULL },
    { "H1-23 204 with a body", SLICE_INIT("HTTP/1.1 204 No Content\r\n\r\nevil"), 204, "",
      &reason_done, false, false, NULL },
    { "a NUL in a field that is dropped", SLICE_INIT(OK "Host: a\0\r\n\r\n"), 0, "",
      &reason_endpoint_malformed, false, false, NULL },
    MALFORMED("H1-23 length and coding",
              OK "Content-Length: 5\r\n" CHUNKED "\r\n5\r\nhello\r\n0\r\n\r\n"),
    MALFORMED("H1-23 bad length", OK "Content-Length: 5x\r\n\r\nhello"),
    MALFORMED("H1-23 two lengths", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    MALFORMED("H1-23 another coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    MALFORMED("H1-23 coding in HTTP/1.0", "HTTP/1.0 200 OK\r\n" CHUNKED "\r\n0\r\n\r\n"),
    MALFORMED("H1-23 101",
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    MALFORMED("H1-23 NUL in a value", OK "X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 LF line ends", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    MALFORMED("H1-23 a fold", OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 no colon", OK "X\r\nContent-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 not HTTP", "SSH-2.0-OpenSSH_9.2\r\n"),
    MALFORMED("H1-23 HTTP/2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 an empty line first", "\r\n" OK "Content-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    MALFORMED("H1-23 a status of 600", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
    { "H1-23 a bad chunk", SLICE_INIT(OK CHUNKED "\r\n5\r\nhello\r\nx\r\n"), 200, "hello",
      &reason_endpoint_malformed, false, false, NULL },
    { "nothing", SLICE_INIT(""), 0, "", &reason_endpoint_reset, true, false, NULL },
    { "half a head", SLICE_INIT(OK "Content-Le"), 0, "", &reason_endpoint_truncated, true, false,
      NULL },
    { "only interim answers", SLICE_INIT("HTTP/1.1 100 Continue\r\n\r\n"), 0, "",
      &reason_endpoint_truncated, true, false, NULL },
    CUT_BODY("H1-23 less than its length", OK "Content-Length: 6\r\n\r\nhello", "hello"),
    CUT_BODY("H1-23 cut inside a chunk", OK CHUNKED "\r\n6\r\nhello", "hello"),
    CUT_BODY("H1-23 no last chunk", OK CHUNKED "\r\n5\r\nhello\r\n", "hello"),
    CUT_BODY("H1-23 no end of trailers", OK CHUNKED "\r\n5\r\nhello\r\n0\r\nX: y\r\n", "hello"),
};

static bool conn_has_settled(struct peer *peer, void *user)
{
    const struct stage *stage = user;

    return (!stage->conn || stage->idle > 0) && peer->to_send.len == 0 && peer->turns > 5;
}

static void check_row(const struct row *row, size_t step)
{
    struct stage stage;
    struct slice body;

    stage_open(&stage);
    stage_ask_simply(&stage, slice_str(row->method ? row->method : "GET"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stage.peer.to_send = row->answer;
    stage.peer.step = step;
    stage.peer.fin_after = row->fin;
    if (!peer_until(&stage.peer, is_over, &stage))
        fail_msg("%s, %zu bytes at a time: never over", row->what, step);
    if (!peer_until(&stage.peer, conn_has_settled, &stage))
        fail_msg("%s, %zu bytes at a time: connection neither idle nor closed", row->what, step);
    if (stage.stream->reason != row->reason)
        fail_msg("%s, %zu bytes at a time: ended with %s", row->what, step,
                 stage.stream->reason->name);
    assert_int_equal(stage.stream->head ? stage.stream->head->status : 0, row->status);
    assert_int_equal(stage.stream->in_ended, row->reason == &reason_done);
    buf_move(&stage.body, &stage.stream->in, stage.stream->in.len);
    body = buf_join(&stage.body);
    if (!slice_eq(body, slice_str(row->body)))
        fail_msg("%s, %zu bytes at a time: body %.*s", row->what, step, SLICE_ARGS(body));
    if ((stage.conn && conn_room(stage.conn) == 1) != row->reused)
        fail_msg("%s, %zu bytes at a time: connection %s", row->what, step,
                 row->reused ? "not reused" : "reused");
    stage_close(&stage);
}

static void answers_are_read_strictly_and_end_as_they_were_framed(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(&rows[i], SIZE_MAX);
        check_row(&rows[i], 1);
    }
}

static void a_flood_of_interim_answers_is_malformed(void **state UNUSED)
{
    struct row row = { "H1-23 1xx flood",          { NULL, 0 }, 0,     "",
                       &reason_endpoint_malformed, false,       false, NULL };
    struct buf answer;

    buf_init(&answer, 0);
    for (int i = 0; i < 21; i++)
        buf_add(&answer, SLICE("HTTP/1.1 103 Early Hints\r\n\r\n"));
    buf_add(&answer, SLICE(OK "Content-Length: 0\r\n\r\n"));
    row.answer = buf_join(&answer);
    check_row(&row, SIZE_MAX);
    buf_release(&answer);
}

static void a_head_over_the_limit_is_malformed(void **state UNUSED)
{
    struct row row = { "a head of 1 MB",           { NULL, 0 }, 0,     "",
                       &reason_endpoint_malformed, false,       false, NULL };
    struct buf answer;

    buf_init(&answer, 0);
    buf_add(&answer, SLICE(OK));
    for (int i = 0; i < 65536; i++)
        buf_add(&answer, SLICE("x: 0123456789\r\n"));
    buf_add(&answer, SLICE("\r\n"));
    row.answer = buf_join(&answer);
    check_row(&row, SIZE_MAX);
    buf_release(&answer);
}

static void a_connection_carries_one_request_after_another(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    for (int i = 0; i < 3; i++) {
        stage_ask_simply(&stage, SLICE("GET"));
        assert_int_equal(stage.stream->reused_conn, i > 0);
        assert_int_equal(conn_room(stage.conn), 0);
        assert_true(peer_until(&stage.peer, has_request, &stage));
        buf_release(&stage.peer.got);
        stage.peer.to_send = SLICE(OK "Content-Length: 2\r\n\r\nhi");
        assert_true(peer_until(&stage.peer, is_over, &stage));
        assert_int_equal(conn_room(stage.conn), 1); /* although the stream is still held */
        stream_release(stage.stream);
        stage.stream = NULL;
    }
    assert_int_equal(stage.idle, 3);
    stage_close(&stage);
}

static void a_reused_connection_that_was_closed_is_told_from_a_broken_answer(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    stage_ask_simply(&stage, SLICE("GET"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stage.peer.to_send = SLICE(OK "Content-Length: 0\r\n\r\n");
    assert_true(peer_until(&stage.peer, is_over, &stage));
    stream_release(stage.stream);
    stage_ask_simply(&stage, SLICE("GET"));
    peer_hang_up(&stage.peer);
    assert_true(peer_until(&stage.peer, is_over, &stage));
    assert_ptr_equal(stage.stream->reason, &reason_endpoint_reset);
    assert_true(stage.stream->reused_conn);
    assert_null(stage.stream->head);
    stage_close(&stage);
}

static void an_early_answer_retires_the_connection(void **state UNUSED)
{
    struct message request;
    struct stage stage;

    stage_open(&stage);
    stage_init_request(&stage, &request, SLICE("POST"));
    request.has_body = true;
    request.length = 1000;
    stage_ask(&stage, &request, SLICE("not all of it"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stage.peer.to_send = SLICE("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_true(peer_until(&stage.peer, is_over, &stage));
    assert_ptr_equal(stage.stream->reason, &reason_done);
    assert_int_equal(stage.stream->head->status, 413);
    assert_true(peer_until(&stage.peer, is_gone, &stage));
    stage_close(&stage);
}

static bool sees_answer(struct peer *peer, void *user)
{
    (void)peer;
    return ((struct stage *)user)->stream->head != NULL;
}

/* An endpoint that answers, closes and resets while we are still sending. */
static void what_an_endpoint_said_before_it_broke_off_is_read(void **state UNUSED)
{
    static char body[8 << 20];
    struct message request;
    struct stage stage;

    stage_open(&stage);
    stage.peer.deaf = true;
    stage_init_request(&stage, &request, SLICE("POST"));
    request.has_body = true;
    request.length = sizeof(body);
    stage_ask(&stage, &request, slice_of(body, sizeof(body)));
    stream_send_end(stage.stream, NULL);
    stage.peer.to_send = SLICE("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_true(peer_until(&stage.peer, sees_answer, &stage));
    assert_int_equal(stage.stream->head->status, 413);
    assert_true(peer_until(&stage.peer, is_over, &stage));
    assert_ptr_equal(stage.stream->reason, &reason_done);
    stage_close(&stage);
}

static void bytes_nobody_asked_for_close_an_idle_connection(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    stage.peer.to_send = SLICE(OK "\r\n");
    assert_true(peer_until(&stage.peer, is_gone, &stage));
    assert_ptr_equal(stage.conn_reason, &reason_protocol_error);
    stage_close(&stage);
}

static void an_idle_connection_owns_nothing_and_ends_with_its_endpoint(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    stage_ask_simply(&stage, SLICE("GET"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stage.peer.to_send = SLICE(OK "Content-Length: 2\r\n\r\nhi");
    assert_true(peer_until(&stage.peer, is_over, &stage));
    assert_null(stage.conn->codec);
    assert_null(stage.conn->rest);
    assert_null(stage.conn->out.first);
    stage.peer.fin_after = true;
    assert_true(peer_until(&stage.peer, is_gone, &stage));
    assert_ptr_equal(stage.conn_reason, &reason_done);
    stage_close(&stage);
}

static bool nothing_moves(struct peer *peer, void *user UNUSED)
{
    return peer->turns > 200;
}

static bool has_all(struct peer *peer, void *user)
{
    (void)peer;
    return ((struct stage *)user)->body.len == 1 << 22;
}

static void an_answer_nobody_takes_stops_the_reading(void **state UNUSED)
{
    struct stage stage;
    struct buf answer;

    buf_init(&answer, 0);
    buf_add(&answer, SLICE(OK "Content-Length: 4194304\r\n\r\n"));
    memset(buf_reserve(&answer, 1 << 22), 'x', 1 << 22);
    buf_commit(&answer, 1 << 22);
    stage_open(&stage);
    stage.lazy = true;
    stage_ask_simply(&stage, SLICE("GET"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stage.peer.to_send = buf_join(&answer);
    assert_true(peer_until(&stage.peer, nothing_moves, &stage));
    assert_int_equal(stage.stream->in.len, settings.window_bytes);
    assert_true(stage.conn->rest_len <= stage.rig.worker->scratch_size);
    stage.lazy = false;
    worker_defer(stage.rig.worker, WORKER_WAKE, &stage.wake);
    assert_true(peer_until(&stage.peer, has_all, &stage));
    assert_true(stage.stream->closed);
    stage_close(&stage);
    buf_release(&answer);
}

static void a_reset_closes_the_connection_at_once(void **state UNUSED)
{
    struct stage stage;

    stage_open(&stage);
    stage_ask_simply(&stage, SLICE("GET"));
    assert_true(peer_until(&stage.peer, has_request, &stage));
    stream_reset(stage.stream, &reason_client_gone);
    assert_true(stage.stream->closed);
    assert_ptr_equal(stage.stream->reason, &reason_client_gone);
    assert_true(peer_until(&stage.peer, peer_is_over, &stage));
    stage_close(&stage);
}

static void nobody_listening_is_a_failed_dial(void **state UNUSED)
{
    struct sockaddr_in address;
    struct stage stage = { 0 };
    int fd[2];

    close(rig_listen(&address, 1));
    rig_open(&stage.rig);
    rig_connect(fd);
    close(fd[0]);
    peer_open(&stage.peer, &stage.rig, fd[1]);
    stage.conn = conn_dial(stage.rig.worker, (struct sockaddr *)&address, sizeof(address), NULL,
                           NULL, false, &settings, 5000, &conn_events, &stage);
    assert_true(peer_until(&stage.peer, is_gone, &stage));
    assert_ptr_equal(stage.conn_reason, &reason_dial_failed);
    peer_close(&stage.peer);
    rig_close(&stage.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_and_body_leave_together_with_framing_of_our_own),
        cmocka_unit_test(a_body_of_unknown_length_is_chunked),
        cmocka_unit_test(requests_without_a_body_say_so_where_one_is_usual),
        cmocka_unit_test(answers_are_read_strictly_and_end_as_they_were_framed),
        cmocka_unit_test(a_flood_of_interim_answers_is_malformed),
        cmocka_unit_test(a_head_over_the_limit_is_malformed),
        cmocka_unit_test(a_connection_carries_one_request_after_another),
        cmocka_unit_test(a_reused_connection_that_was_closed_is_told_from_a_broken_answer),
        cmocka_unit_test(an_early_answer_retires_the_connection),
        cmocka_unit_test(what_an_endpoint_said_before_it_broke_off_is_read),
        cmocka_unit_test(bytes_nobody_asked_for_close_an_idle_connection),
        cmocka_unit_test(an_idle_connection_owns_nothing_and_ends_with_its_endpoint),
        cmocka_unit_test(an_answer_nobody_takes_stops_the_reading),
        cmocka_unit_test(a_reset_closes_the_connection_at_once),
        cmocka_unit_test(nobody_listening_is_a_failed_dial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
