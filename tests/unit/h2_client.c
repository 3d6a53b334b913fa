/*
 * HTTP/2 towards endpoints: requests as they leave, answers as their owner sees them, and what an
 * endpoint may not do.
 */
#include "gateway/codec/h2.h"

#include "tests/unit/h2_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define CALLS_MAX 64

/* A stream and what its owner saw of the answer. */
struct call {
    struct client *client;
    struct arena arena;
    struct stream *stream; /* NULL: released */
    struct defer wake;
    bool hoards; /* takes no bytes */
    unsigned status;
    uint64_t length;
    struct buf fields, body, trailers;
    bool in_ended, reused;
    const struct reason *reason; /* NULL: open */
};

struct client {
    struct peer *peer;
    struct conn_settings settings;
    struct call calls[CALLS_MAX];
    unsigned count;
    unsigned ready; /* on_ready calls */
};

static const struct conn_settings usual = {
    .head = { .fields = 100, .bytes = 16384 },
    .streams = 100,
    .window_bytes = 65536,
    .handshake_ms = 5000,
    .head_ms = 5000,
    .idle_ms = 60000,
    .stall_ms = 5000,
};

/* ---- calls ---- */

static void note_fields(struct buf *out, const struct message *message)
{
    for (uint32_t i = 0; message && i < message->count; i++)
        buf_printf(out, "%.*s: %.*s\n", SLICE_ARGS(message->fields[i].name),
                   SLICE_ARGS(message->fields[i].value));
}

static void call_note(struct call *call)
{
    struct stream *stream = call->stream;

    if (stream->head && !call->status) {
        call->status = stream->head->status;
        call->length = stream->head->length;
        note_fields(&call->fields, stream->head);
    }
    if (!call->hoards) {
        buf_share(&call->body, &stream->in);
        buf_drop(&stream->in, stream->in.len);
        if (!stream->closed)
            stream_took(stream);
    }
    if (stream->in_ended && !call->in_ended) {
        call->in_ended = true;
        note_fields(&call->trailers, stream->in_trailers);
    }
}

static void call_release(struct call *call)
{
    if (!call->stream)
        return;
    if (!call->reason)
        call->reason = call->stream->reason;
    stream_release(call->stream);
    call->stream = NULL;
}

static void call_wake(struct defer *defer)
{
    struct call *call = CONTAINER_OF(defer, struct call, wake);

    if (!call->stream)
        return;
    call_note(call);
    if (call->stream->closed)
        call_release(call);
}

static void call_on_event(struct stream *stream, void *user)
{
    struct call *call = user;

    (void)stream;
    worker_defer(call->client->peer->rig.worker, WORKER_WAKE, &call->wake);
}

static const struct stream_events call_events = { .on_event = call_on_event };

/* Opens a stream; its request is still to be sent. */
static struct call *call_open(struct client *client)
{
    struct call *call = &client->calls[client->count++];

    assert_in_range(client->count, 1, CALLS_MAX);
    call->client = client;
    arena_init(&call->arena, 1024 * 1024);
    defer_init(&call->wake, call_wake);
    buf_init(&call->fields, SIZE_MAX);
    buf_init(&call->body, SIZE_MAX);
    buf_init(&call->trailers, SIZE_MAX);
    call->stream = conn_open(client->peer->conn, &call->arena);
    call->reused = call->stream->reused_conn;
    call->stream->events = &call_events;
    call->stream->user = call;
    return call;
}

static void call_send_head(struct call *call, bool has_body, uint64_t length)
{
    struct message head;

    message_init(&head, &call->arena);
    head.method = has_body ? SLICE("POST") : SLICE("GET");
    head.scheme = SLICE("http");
    head.authority = SLICE("engine.test:8000");
    head.path = SLICE("/v1/chat/completions");
    head.has_body = has_body;
    head.length = length;
    message_put(&head, FIELD_content_type, SLICE("application/json"));
    message_put(&head, FIELD_te, SLICE("trailers")); /* hop-by-hop: must not leave */
    message_put_other(&head, SLICE("x-other"), SLICE("1"));
    stream_send_head(call->stream, &head);
}

static struct call *call_get(struct client *client)
{
    struct call *call = call_open(client);

    call_send_head(call, false, 0);
    return call;
}

static void call_send(struct call *call, const char *text, bool end)
{
    buf_add(&call->stream->out, slice_str(text));
    stream_send(call->stream);
    if (end)
        stream_send_end(call->stream, NULL);
}

/* ---- a client ---- */

static void on_ready(struct conn *conn, void *user)
{
    struct peer *peer = user;

    (void)conn;
    ((struct client *)peer->test)->ready++;
}

static const struct conn_events conn_events = { .on_ready = on_ready,
                                                .on_close = peer_on_conn_close };

static bool client_is_ready(struct peer *peer)
{
    return ((struct client *)peer->test)->ready > 0;
}

/* Connected, and the peer has said nothing yet. */
static struct client *client_bare(const struct conn_settings *settings)
{
    struct client *client = xcalloc(1, sizeof(*client));
    struct peer *peer = xcalloc(1, sizeof(*peer));
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t len = sizeof(address);

    client->peer = peer;
    client->settings = *settings;
    peer->test = client;
    peer->preface_left = peer_preface.len;
    peer->no_acks = true;                             /* its own SETTINGS must come first */
    peer->settings[NGHTTP2_SETTINGS_ENABLE_PUSH] = 1; /* when nothing is said */
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    rig_open(&peer->rig);
    peer->conn = conn_dial(peer->rig.worker, (struct sockaddr *)&address, len, NULL, NULL,
                           /* h2= */ true, &client->settings, 5000, &conn_events, peer);
    peer_open(peer, accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    close(listening);
    assert_true(peer_until(peer, client_is_ready));
    return client;
}

/* After the peer's SETTINGS. */
static struct client *client_new(const struct conn_settings *settings)
{
    struct client *client = client_bare(settings);

    put_frame(&client->peer->out, NGHTTP2_SETTINGS, 0, 0, SLICE(""));
    return client;
}

static void client_free(struct client *client)
{
    struct peer *peer = client->peer;

    if (peer->conn)
        conn_close(peer->conn, &reason_cancelled);
    peer_until(peer, peer_has_no_conn);
    for (unsigned i = 0; i < client->count; i++) {
        struct call *call = &client->calls[i];

        defer_cancel(&call->wake);
        call_release(call);
        buf_release(&call->fields);
        buf_release(&call->body);
        buf_release(&call->trailers);
        arena_release(&call->arena);
    }
    peer_free(peer);
    free(client);
}

static const struct pair ok_head[] = { { ":status", "200" },
                                       { "content-type", "text/event-stream" },
                                       { NULL, NULL } };

/* ---- calls that pass ---- */

static void a_call_gets_its_answer(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    assert_string_equal(buf_text(&peer_stream(peer, 1)->fields),
                        ":method: GET\n:scheme: http\n:authority: engine.test:8000\n"
                        ":path: /v1/chat/completions\ncontent-type: application/json\n"
                        "x-other: 1\n");
    assert_true(peer_stream(peer, 1)->ended);
    assert_int_equal(peer_stream(peer, 1)->datas, 0);
    put_head(&peer->out, 1, 0, ok_head);
    put_data(&peer->out, 1, 0, "data: 1\n\n");
    assert_true(peer_sync(peer));
    assert_int_equal(call->status, 200);
    assert_true(call->length == MESSAGE_LENGTH_UNKNOWN);
    assert_string_equal(buf_text(&call->fields), "content-type: text/event-stream\n");
    assert_int_equal(call->body.len, 9);
    assert_false(call->in_ended);
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "data: 2\n\n");
    assert_true(peer_sync(peer));
    assert_true(call->in_ended);
    assert_ptr_equal(call->reason, &reason_done);
    assert_string_equal(buf_text(&call->body), "data: 1\n\ndata: 2\n\n");
    assert_int_equal(peer->conn->streams, 0);
    client_free(client);
}

static void pushes_are_switched_off_and_windows_are_wide(void **state)
{
    struct client *client = client_new(&usual);

    (void)state;
    assert_true(peer_sync(client->peer));
    assert_int_equal(client->peer->settings[NGHTTP2_SETTINGS_ENABLE_PUSH], 0);
    assert_int_equal(client->peer->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 65536);
    assert_int_equal(client->peer->window_updates, 1); /* of the conn, before anything was sent */
    client_free(client);
}

static void a_body_leaves_with_its_head(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_open(client);
    struct peer_stream *s = peer_stream(peer, 1);

    (void)state;
    call_send_head(call, true, 11);
    call_send(call, "hello world", true);
    assert_true(peer_sync(peer));
    assert_non_null(strstr(buf_text(&s->fields), "content-length: 11\n"));
    assert_int_equal(s->body.len, 11);
    assert_int_equal(s->datas, 1);
    assert_true(s->ended);
    client_free(client);
}

static void a_body_may_come_in_pieces_without_a_length(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_open(client);
    struct peer_stream *s = peer_stream(peer, 1);

    (void)state;
    call_send_head(call, true, MESSAGE_LENGTH_UNKNOWN);
    assert_true(peer_sync(peer));
    assert_null(strstr(buf_text(&s->fields), "content-length"));
    for (int i = 1; i <= 5; i++) {
        call_send(call, "piece", i == 5);
        assert_true(peer_sync(peer));
        assert_int_equal(s->body.len, 5 * i);
    }
    assert_true(s->ended);
    client_free(client);
}

static void interim_answers_are_skipped(void **state)
{
    static const struct pair hints[] = { { ":status", "103" }, { "link", "</a>" }, { NULL, NULL } };
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    for (int i = 0; i < 20; i++)
        put_head(&peer->out, 1, 0, hints);
    assert_true(peer_sync(peer));
    assert_int_equal(call->status, 0);
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, ok_head);
    assert_true(peer_sync(peer));
    assert_int_equal(call->status, 200);
    assert_string_equal(buf_text(&call->fields), "content-type: text/event-stream\n");
    assert_ptr_equal(call->reason, &reason_done);
    client_free(client);
}

static void trailers_are_given_on(void **state)
{
    static const struct pair trailers[] = { { "x-tokens", "7" }, { NULL, NULL } };
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    put_head(&peer->out, 1, 0, ok_head);
    put_data(&peer->out, 1, 0, "x");
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, trailers);
    assert_true(peer_sync(peer));
    assert_string_equal(buf_text(&call->trailers), "x-tokens: 7\n");
    assert_ptr_equal(call->reason, &reason_done);
    client_free(client);
}

static void a_conn_that_carried_a_call_says_so(void **state)
{
    struct client *client = client_new(&usual);

    (void)state;
    assert_false(call_get(client)->reused);
    assert_true(call_get(client)->reused);
    assert_true(peer_sync(client->peer));
    assert_true(peer_stream(client->peer, 3)->ended);
    client_free(client);
}

static void the_endpoints_limit_is_room(void **state)
{
    struct client *client = client_bare(&usual);
    struct peer *peer = client->peer;
    struct call *call;

    (void)state;
    assert_int_equal(conn_room(peer->conn), 100);
    put_setting(&peer->out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    assert_true(peer_sync(peer));
    assert_int_equal(conn_room(peer->conn), 2);
    call = call_get(client);
    call_get(client);
    assert_int_equal(conn_room(peer->conn), 0);
    assert_true(peer_sync(peer));
    client->ready = 0;
    put_setting(&peer->out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 50);
    assert_true(peer_sync(peer));
    assert_int_equal(client->ready, 1);
    assert_int_equal(conn_room(peer->conn), 48);
    put_setting(&peer->out, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5000);
    call_release(call);
    assert_true(peer_sync(peer));
    assert_int_equal(conn_room(peer->conn), 99); /* and no more than our own */
    client_free(client);
}

/* ---- ends ---- */

struct end_row {
    const char *why;
    void (*send)(struct peer *peer);
    const struct reason *const reason; /* of the call */
    unsigned status;
};

static void reset_with(struct peer *peer, bool head, uint32_t error)
{
    if (head) {
        put_head(&peer->out, 1, 0, ok_head);
        put_data(&peer->out, 1, 0, "data: 1\n\n");
    }
    put_frame_u32(&peer->out, NGHTTP2_RST_STREAM, 1, error);
}

static void reset_before(struct peer *peer)
{
    reset_with(peer, false, NGHTTP2_INTERNAL_ERROR);
}

static void reset_inside(struct peer *peer)
{
    reset_with(peer, true, NGHTTP2_INTERNAL_ERROR);
}

static void reset_inside_without_error(struct peer *peer)
{
    reset_with(peer, true, NGHTTP2_NO_ERROR);
}

static void refused(struct peer *peer)
{
    reset_with(peer, false, NGHTTP2_REFUSED_STREAM);
}

static void hang_up(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
}

static void hang_up_inside(struct peer *peer)
{
    put_head(&peer->out, 1, 0, ok_head);
    assert_true(peer_sync(peer));
    shutdown(peer->fd, SHUT_RDWR);
}

static void goaway_before(struct peer *peer)
{
    put_goaway(&peer->out, 0, NGHTTP2_NO_ERROR);
}

static void answer_and_reset(struct peer *peer)
{
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, ok_head);
    put_frame_u32(&peer->out, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR);
}

static const struct end_row end_rows[] = {
    { "reset before its answer", reset_before, &reason_endpoint_reset, 0 },
    { "reset inside its answer", reset_inside, &reason_endpoint_truncated, 200 },
    { "NO_ERROR inside the answer is no end", reset_inside_without_error,
      &reason_endpoint_truncated, 200 },
    { "refused", refused, &reason_endpoint_refused, 0 },
    { "hung up on", hang_up, &reason_endpoint_reset, 0 },
    { "hung up on inside its answer", hang_up_inside, &reason_endpoint_truncated, 200 },
    { "left out by a GOAWAY", goaway_before, &reason_endpoint_refused, 0 },
    { "answered before its body was sent", answer_and_reset, &reason_done, 200 },
};

static bool call_is_over(struct peer *peer)
{
    return ((struct client *)peer->test)->calls[0].reason != NULL;
}

static void calls_end_for_the_reason_there_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(end_rows); i++) {
        const struct end_row *row = &end_rows[i];
        struct client *client = client_new(&usual);
        struct call *call = call_open(client);

        call_send_head(call, true, 100);
        call_send(call, "a part", false);
        assert_true(peer_sync(client->peer));
        row->send(client->peer);
        if (!peer_until(client->peer, call_is_over))
            fail_msg("%s: never over", row->why);
        if (call->reason != row->reason || call->status != row->status)
            fail_msg("%s: %s, status %u", row->why, call->reason->name, call->status);
        client_free(client);
    }
}

static void a_goaway_lets_earlier_calls_end(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *first = call_get(client), *second = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    put_goaway(&peer->out, 1, NGHTTP2_NO_ERROR);
    assert_true(peer_sync(peer));
    assert_ptr_equal(second->reason, &reason_endpoint_refused);
    assert_null(first->reason);
    assert_int_equal(conn_room(peer->conn), 0);
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, ok_head);
    assert_true(peer_until(peer, peer_is_closed));
    assert_ptr_equal(first->reason, &reason_done);
    assert_ptr_equal(peer->closed, &reason_done);
    client_free(client);
}

static void a_release_cancels_the_endpoints_work(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client), *other = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    put_head(&peer->out, 1, 0, ok_head);
    assert_true(peer_sync(peer));
    call_release(call);
    assert_true(peer_sync(peer));
    assert_true(peer_stream(peer, 1)->reset);
    assert_int_equal(peer_stream(peer, 1)->error, NGHTTP2_CANCEL);
    for (int i = 0; i < 100; i++) /* what was under way does no harm */
        put_data(&peer->out, 1, 0, "data: late\n\n");
    put_head(&peer->out, 3, NGHTTP2_FLAG_END_STREAM, ok_head);
    assert_true(peer_sync(peer));
    assert_ptr_equal(other->reason, &reason_done);
    assert_null(peer->closed);
    client_free(client);
}

static void a_call_released_before_it_left_is_never_seen(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;

    (void)state;
    assert_true(peer_sync(peer));
    call_release(call_open(client)); /* without a head */
    call_release(call_get(client));
    call_get(client);
    assert_true(peer_sync(peer));
    assert_int_equal(peer_stream(peer, 1)->heads, 0);
    assert_int_equal(peer_stream(peer, 3)->heads, 1);
    assert_int_equal(peer->conn->streams, 1);
    client_free(client);
}

static void a_reset_says_the_reasons_code(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    stream_reset(call->stream, &reason_first_token_timeout);
    assert_true(call->stream->closed);
    assert_true(peer_sync(peer));
    assert_int_equal(peer_stream(peer, 1)->error, NGHTTP2_CANCEL);
    client_free(client);
}

static void draining_waits_for_the_last_call(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    conn_drain(peer->conn);
    assert_int_equal(conn_room(peer->conn), 0);
    assert_true(peer_sync(peer));
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, ok_head);
    assert_true(peer_until(peer, peer_is_closed));
    assert_ptr_equal(call->reason, &reason_done);
    assert_int_equal(peer->goaways, 1);
    client_free(client);
}

/* ---- windows ---- */

/* A slow reader must not stand in the way of others on the same conn. */
static void a_stream_nobody_reads_stops_only_itself(void **state)
{
    char *piece = xcalloc(1, 16001);
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *slow = call_get(client), *quick = call_get(client);

    (void)state;
    memset(piece, 'x', 16000);
    slow->hoards = true;
    assert_true(peer_sync(peer));
    put_head(&peer->out, 1, 0, ok_head);
    put_head(&peer->out, 3, 0, ok_head);
    for (int i = 0; i < 4; i++)
        put_data(&peer->out, 1, 0, piece);
    for (int i = 0; i < 40; i++) {
        put_data(&peer->out, 3, i == 39 ? NGHTTP2_FLAG_END_STREAM : 0, piece);
        assert_true(peer_sync(peer));
    }
    assert_ptr_equal(quick->reason, &reason_done);
    assert_int_equal(quick->body.len, 640000);
    assert_null(slow->reason);
    put_data(&peer->out, 1, 0, piece); /* past its window */
    assert_true(peer_until(peer, peer_is_closed));
    assert_int_equal(peer->goaway_error, NGHTTP2_FLOW_CONTROL_ERROR);
    assert_ptr_equal(slow->reason, &reason_endpoint_malformed);
    client_free(client);
    free(piece);
}

static void an_endpoint_that_takes_no_body_is_given_up(void **state)
{
    struct conn_settings settings = usual;
    struct client *client;
    struct call *call;

    (void)state;
    settings.stall_ms = 80;
    client = client_bare(&settings);
    put_setting(&client->peer->out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    assert_true(peer_sync(client->peer));
    call = call_open(client);
    call_send_head(call, true, 11);
    call_send(call, "hello world", true);
    assert_true(peer_until(client->peer, call_is_over));
    assert_ptr_equal(call->reason, &reason_idle_timeout);
    assert_null(client->peer->closed);
    client_free(client);
}

/* ---- answers off the rules ---- */

struct answer_row {
    const char *why;
    struct pair fields[6];
    const char *body; /* NULL: END_STREAM on the head */
};

static const struct answer_row answer_rows[] = {
    { "no status", { { "x-a", "b" } }, NULL },
    { "a status that is no number", { { ":status", "2OO" } }, NULL },
    { "a status of four digits", { { ":status", "2000" } }, NULL },
    { "101", { { ":status", "101" } }, "x" },
    { "an interim answer that ends the stream", { { ":status", "100" } }, NULL },
    { "a request's field", { { ":status", "200" }, { ":path", "/" } }, NULL },
    { "connection", { { ":status", "200" }, { "connection", "close" } }, NULL },
    { "transfer-encoding", { { ":status", "200" }, { "transfer-encoding", "chunked" } }, "x" },
    { "upper case", { { ":status", "200" }, { "X-A", "b" } }, NULL },
    { "LF in a value", { { ":status", "200" }, { "x-a", "b\nc" } }, NULL },
    { "a body that is too short", { { ":status", "200" }, { "content-length", "6" } }, "hello" },
    { "a body that is too long", { { ":status", "200" }, { "content-length", "4" } }, "hello" },
    { "two lengths",
      { { ":status", "200" }, { "content-length", "5" }, { "content-length", "5" } },
      "hello" },
};

static void answers_off_the_rules_are_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answer_rows); i++)
        for (int dribble = 0; dribble < 2; dribble++) {
            const struct answer_row *row = &answer_rows[i];
            struct client *client = client_new(&usual);
            struct peer *peer = client->peer;
            struct call *call = call_get(client);

            assert_true(peer_sync(peer));
            peer->dribble = dribble;
            put_head(&peer->out, 1, row->body ? 0 : NGHTTP2_FLAG_END_STREAM, row->fields);
            if (row->body)
                put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, row->body);
            assert_true(peer_sync(peer));
            if (call->reason != &reason_endpoint_malformed)
                fail_msg("%s: %s", row->why, call->reason ? call->reason->name : "open");
            if (call->in_ended)
                fail_msg("%s: the answer was completed", row->why);
            if (!peer_stream(peer, 1)->reset || peer->closed)
                fail_msg("%s: the stream alone must be reset", row->why);
            client_free(client);
        }
}

static void a_head_past_the_limits_is_malformed(void **state)
{
    static const struct {
        unsigned fields;
        const struct reason *const reason;
    } rows[] = { { 99, &reason_done }, { 100, &reason_done }, { 101, &reason_endpoint_malformed } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *client = client_new(&usual);
        struct peer *peer = client->peer;
        struct call *call = call_get(client);
        struct buf block;

        assert_true(peer_sync(peer));
        buf_init(&block, SIZE_MAX);
        put_field(&block, SLICE(":status"), SLICE("200"));
        for (unsigned n = 0; n < rows[i].fields; n++)
            put_field(&block, SLICE("set-cookie"), SLICE("a=b"));
        put_frame(&peer->out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                  1, buf_join(&block));
        buf_release(&block);
        assert_true(peer_sync(peer));
        assert_ptr_equal(call->reason, rows[i].reason);
        client_free(client);
    }
}

/* ---- attacks by endpoints ---- */

struct attack_row {
    const char *why;
    void (*send)(struct buf *out);
};

static void continuations(struct buf *out)
{
    put_frame(out, NGHTTP2_HEADERS, 0, 1, slice_of("\x88", 1));
    for (int i = 0; i < 1000; i++)
        put_frame(out, NGHTTP2_CONTINUATION, 0, 1, slice_of("\0\1a\1b", 5));
}

static void push(struct buf *out)
{
    put_frame(out, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, slice_of("\0\0\0\2", 4));
}

static void interims(struct buf *out)
{
    static const struct pair hints[] = { { ":status", "103" }, { NULL, NULL } };

    for (int i = 0; i < 1000; i++)
        put_head(out, 1, 0, hints);
}

static void pings(struct buf *out)
{
    for (int i = 0; i < 20000; i++)
        put_ping(out);
}

static void settings_flood(struct buf *out)
{
    for (int i = 0; i < 20000; i++)
        put_setting(out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535);
}

static void goaways(struct buf *out)
{
    for (int i = 0; i < 5000; i++)
        put_goaway(out, 1, NGHTTP2_NO_ERROR);
}

static void garbage(struct buf *out)
{
    buf_add(out, SLICE("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
}

static void unasked(struct buf *out)
{
    put_head(out, 9, NGHTTP2_FLAG_END_STREAM, ok_head);
}

static void data_first(struct buf *out)
{
    put_data(out, 1, NGHTTP2_FLAG_END_STREAM, "x");
}

static void empty_datas(struct buf *out)
{
    put_head(out, 1, 0, ok_head);
    for (int i = 0; i < 50000; i++)
        put_data(out, 1, 0, "");
}

static const struct attack_row attack_rows[] = {
    { "CONTINUATION flood", continuations },
    { "a push", push },
    { "1xx flood", interims },
    { "PING flood", pings },
    { "SETTINGS flood", settings_flood },
    { "GOAWAY storm", goaways },
    { "garbage", garbage },
    { "an answer nobody asked for", unasked },
    { "DATA before the head", data_first },
    { "empty DATA", empty_datas },
};

static void attacks_by_endpoints_end_the_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(attack_rows); i++) {
        struct client *client = client_new(&usual);
        struct call *call = call_get(client);

        assert_true(peer_sync(client->peer));
        attack_rows[i].send(&client->peer->out);
        if (!peer_until(client->peer, call_is_over))
            fail_msg("%s: the call lives", attack_rows[i].why);
        if (call->reason != &reason_endpoint_malformed)
            fail_msg("%s: %s", attack_rows[i].why, call->reason->name);
        client_free(client);
    }
}

static bool request_has_left(struct peer *peer)
{
    return peer_stream(peer, 1)->ended;
}

static void an_answer_before_settings_is_garbage(void **state)
{
    struct client *client = client_bare(&usual);
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_until(client->peer, request_has_left));
    garbage(&client->peer->out);
    assert_true(peer_until(client->peer, call_is_over));
    assert_ptr_equal(call->reason, &reason_endpoint_malformed);
    client_free(client);
}

/* A token a frame is what engines send. */
static void thousands_of_small_frames_are_an_answer(void **state)
{
    struct client *client = client_new(&usual);
    struct peer *peer = client->peer;
    struct call *call = call_get(client);

    (void)state;
    assert_true(peer_sync(peer));
    put_head(&peer->out, 1, 0, ok_head);
    for (int i = 0; i < 50000; i++) {
        put_data(&peer->out, 1, 0, "data: 1\n\n");
        if (i % 5000 == 0)
            assert_true(peer_sync(peer));
    }
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "");
    assert_true(peer_sync(peer));
    assert_ptr_equal(call->reason, &reason_done);
    assert_int_equal(call->body.len, 450000);
    client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gets_its_answer),
        cmocka_unit_test(pushes_are_switched_off_and_windows_are_wide),
        cmocka_unit_test(a_body_leaves_with_its_head),
        cmocka_unit_test(a_body_may_come_in_pieces_without_a_length),
        cmocka_unit_test(interim_answers_are_skipped),
        cmocka_unit_test(trailers_are_given_on),
        cmocka_unit_test(a_conn_that_carried_a_call_says_so),
        cmocka_unit_test(the_endpoints_limit_is_room),
        cmocka_unit_test(calls_end_for_the_reason_there_is),
        cmocka_unit_test(a_goaway_lets_earlier_calls_end),
        cmocka_unit_test(a_release_cancels_the_endpoints_work),
        cmocka_unit_test(a_call_released_before_it_left_is_never_seen),
        cmocka_unit_test(a_reset_says_the_reasons_code),
        cmocka_unit_test(draining_waits_for_the_last_call),
        cmocka_unit_test(a_stream_nobody_reads_stops_only_itself),
        cmocka_unit_test(an_endpoint_that_takes_no_body_is_given_up),
        cmocka_unit_test(answers_off_the_rules_are_malformed),
        cmocka_unit_test(a_head_past_the_limits_is_malformed),
        cmocka_unit_test(attacks_by_endpoints_end_the_call),
        cmocka_unit_test(an_answer_before_settings_is_garbage),
        cmocka_unit_test(thousands_of_small_frames_are_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
