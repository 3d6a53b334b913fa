/*
 * HTTP/2 towards clients: frames in, what the owner sees and what comes back. Rows D- and H2- are
 * those of the security inventory.
 */
#include "gateway/codec/h2.h"

#include "gateway/base/held.h"

#include "tests/unit/h2_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ASKS_MAX 64

/* What an owner does with its stream. */
enum owner_way {
    OWNER_ANSWERS,  /* 200 and `answer_bytes`, when the request is complete */
    OWNER_HURRIES,  /* the same, when its head is there */
    OWNER_WAITS,    /* never answers */
    OWNER_KEEPS,    /* never answers and does not release what is closed */
    OWNER_HOARDS,   /* takes no bytes */
    OWNER_RESETS,   /* stream_reset with reason_endpoint_reset, when the request is complete */
    OWNER_STREAMS,  /* head at once, then an event of 10 bytes a turn */
    OWNER_MISCOUNTS /* declares one byte more than it sends */
};

struct ask { /* a request as its owner saw it */
    char *method, *authority, *path, *scheme;
    struct buf fields, body, trailers;
    uint64_t length;
    bool has_body, expects_100, in_ended;
    const struct reason *reason; /* NULL: still open */
};

struct server {
    struct peer *peer;
    struct conn_settings settings;
    enum owner_way way;
    size_t answer_bytes;
    const struct pair *answer_trailers;
    struct ask asks[ASKS_MAX];
    unsigned count; /* streams ever */
    unsigned alive; /* not released */
    struct list owners;
};

struct owner {
    struct list link;
    struct server *server;
    struct stream *stream;
    struct ask *ask; /* NULL past ASKS_MAX */
    struct defer wake;
    bool answered;
    unsigned events;
};

static const struct conn_settings usual = {
    .head = { .fields = 100, .bytes = 16384 },
    .target_bytes = 1024,
    .streams = 100,
    .window_bytes = 65536,
    .handshake_ms = 5000,
    .head_ms = 5000,
    .idle_ms = 60000,
    .stall_ms = 5000,
};

/* ---- an owner ---- */

static void add_field(void *user, struct slice name, struct slice value)
{
    buf_printf(user, "%.*s: %.*s\n", SLICE_ARGS(name), SLICE_ARGS(value));
}

static void note_fields(struct buf *out, const struct message *message)
{
    for (uint32_t i = 0; message && i < message->count; i++)
        add_field(out, message->fields[i].name, message->fields[i].value);
}

static void owner_send_end(struct owner *owner)
{
    const struct pair *pair = owner->server->answer_trailers;
    struct message trailers;
    struct arena arena;

    arena_init(&arena, 65536);
    message_init(&trailers, &arena);
    for (; pair && pair->name; pair++)
        message_put_other(&trailers, slice_str(pair->name), slice_str(pair->value));
    stream_send_end(owner->stream, &trailers);
    arena_release(&arena);
}

static void owner_send_head(struct owner *owner, uint64_t length)
{
    const struct message *request = owner->stream->head;
    struct message head;
    struct arena arena;

    arena_init(&arena, 65536);
    message_init(&head, &arena);
    head.status = 200;
    head.has_body = !slice_eq(request->method, SLICE("HEAD"));
    head.length = length;
    message_put(&head, FIELD_content_type, SLICE("text/plain"));
    message_put(&head, FIELD_connection, SLICE("close")); /* must not get out */
    stream_send_head(owner->stream, &head);
    arena_release(&arena);
}

static void owner_answer(struct owner *owner)
{
    size_t bytes = owner->server->answer_bytes;

    owner->answered = true;
    if (owner->server->way == OWNER_RESETS) {
        stream_reset(owner->stream, &reason_endpoint_reset);
        return;
    }
    owner_send_head(owner, bytes + (owner->server->way == OWNER_MISCOUNTS));
    if (!slice_eq(owner->stream->head->method, SLICE("HEAD")))
        rig_fill(&owner->stream->out, bytes);
    stream_send(owner->stream);
    owner_send_end(owner);
}

static void owner_stream(struct owner *owner)
{
    struct worker *worker = owner->server->peer->rig.worker;

    if (!owner->answered)
        owner_send_head(owner, MESSAGE_LENGTH_UNKNOWN);
    owner->answered = true;
    if (owner->events++ < owner->server->answer_bytes / 10) {
        buf_add(&owner->stream->out, SLICE("data: 12\n\n"));
        stream_send(owner->stream);
        worker_defer_next(worker, &owner->wake);
    } else if (!owner->stream->out_ended) {
        owner_send_end(owner);
    }
}

static void owner_take(struct owner *owner)
{
    struct stream *stream = owner->stream;

    if (owner->ask)
        buf_share(&owner->ask->body, &stream->in);
    buf_drop(&stream->in, stream->in.len);
    if (!stream->closed)
        stream_took(stream);
}

static void owner_release(struct owner *owner)
{
    if (owner->ask)
        owner->ask->reason = owner->stream->reason;
    if (owner->server->way == OWNER_KEEPS)
        return;
    stream_release(owner->stream);
    owner->server->alive--;
    list_remove(&owner->link);
    free(owner);
}

static void owner_wake(struct defer *defer)
{
    struct owner *owner = CONTAINER_OF(defer, struct owner, wake);
    enum owner_way way = owner->server->way;
    struct stream *stream = owner->stream;

    if (way != OWNER_HOARDS)
        owner_take(owner);
    if (stream->in_ended && owner->ask && !owner->ask->in_ended) {
        owner->ask->in_ended = true;
        note_fields(&owner->ask->trailers, stream->in_trailers);
    }
    if (way == OWNER_STREAMS && !stream->closed)
        owner_stream(owner);
    else if (way != OWNER_WAITS && way != OWNER_KEEPS && way != OWNER_HOARDS && !owner->answered &&
             !stream->closed && (stream->in_ended || way == OWNER_HURRIES))
        owner_answer(owner);
    if (stream->closed)
        owner_release(owner);
}

static void owner_on_event(struct stream *stream, void *user)
{
    struct owner *owner = user;

    (void)stream;
    worker_defer(owner->server->peer->rig.worker, WORKER_WAKE, &owner->wake);
}

static const struct stream_events owner_events = { .on_event = owner_on_event };

static char *text_of(struct slice s)
{
    return slice_dup(s);
}

static struct ask *ask_new(struct server *server, const struct message *head)
{
    struct ask *ask;

    if (server->count >= ASKS_MAX)
        return NULL;
    ask = &server->asks[server->count];
    ask->method = text_of(head->method);
    ask->scheme = text_of(head->scheme);
    ask->authority = text_of(head->authority);
    ask->path = text_of(head->path);
    ask->length = head->length;
    ask->has_body = head->has_body;
    ask->expects_100 = head->expects_100;
    buf_init(&ask->fields, SIZE_MAX);
    buf_init(&ask->body, SIZE_MAX);
    buf_init(&ask->trailers, SIZE_MAX);
    note_fields(&ask->fields, head);
    return ask;
}

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    struct peer *peer = user;
    struct server *server = peer->test;
    struct owner *owner = xcalloc(1, sizeof(*owner));

    (void)conn;
    owner->server = server;
    owner->stream = stream;
    owner->ask = ask_new(server, stream->head);
    defer_init(&owner->wake, owner_wake);
    list_push(&server->owners, &owner->link);
    server->count++;
    server->alive++;
    stream->events = &owner_events;
    stream->user = owner;
    worker_defer(peer->rig.worker, WORKER_WAKE, &owner->wake);
}

static const struct conn_events conn_events = { .on_stream = on_stream,
                                                .on_close = peer_on_conn_close };

/* ---- a server ---- */

static struct server *server_bare(const struct conn_settings *settings)
{
    struct server *server = xcalloc(1, sizeof(*server));
    struct peer *peer = xcalloc(1, sizeof(*peer));
    int fds[2];

    server->peer = peer;
    server->settings = *settings;
    server->answer_bytes = 5;
    list_init(&server->owners);
    rig_open(&peer->rig);
    peer_connect(fds);
    peer_open(peer, fds[1]);
    peer->test = server;
    peer->conn = conn_accept(peer->rig.worker, fds[0], NULL, &server->settings, &conn_events, peer);
    return server;
}

/* After the preface and the peer's SETTINGS. */
static struct server *server_new(const struct conn_settings *settings)
{
    struct server *server = server_bare(settings);

    buf_add(&server->peer->out, peer_preface);
    put_frame(&server->peer->out, NGHTTP2_SETTINGS, 0, 0, SLICE(""));
    return server;
}

static void server_free(struct server *server)
{
    struct list *link;

    peer_until(server->peer, peer_is_answered);
    if (server->peer->conn)
        conn_close(server->peer->conn, &reason_cancelled);
    peer_until(server->peer, peer_has_no_conn);
    while ((link = list_pop(&server->owners))) {
        struct owner *owner = CONTAINER_OF(link, struct owner, link);

        defer_cancel(&owner->wake);
        stream_release(owner->stream);
        free(owner);
    }
    for (unsigned i = 0; i < server->count && i < ASKS_MAX; i++) {
        struct ask *ask = &server->asks[i];

        free(ask->method);
        free(ask->scheme);
        free(ask->authority);
        free(ask->path);
        buf_release(&ask->fields);
        buf_release(&ask->body);
        buf_release(&ask->trailers);
    }
    peer_free(server->peer);
    free(server);
}

/* ---- requests that pass ---- */

static void a_request_gets_its_answer(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct peer_stream *s = peer_stream(peer, 1);

    (void)state;
    put_head(&peer->out, 1, 0, post_head);
    put_data(&peer->out, 1, 0, "hello ");
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "world");
    assert_true(peer_sync(peer));
    assert_int_equal(server->count, 1);
    assert_string_equal(server->asks[0].method, "POST");
    assert_string_equal(server->asks[0].scheme, "http");
    assert_string_equal(server->asks[0].authority, "a.test");
    assert_string_equal(server->asks[0].path, "/v1/chat/completions");
    assert_string_equal(buf_text(&server->asks[0].body), "hello world");
    assert_true(server->asks[0].has_body);
    assert_true(server->asks[0].length == MESSAGE_LENGTH_UNKNOWN);
    assert_ptr_equal(server->asks[0].reason, &reason_done);
    assert_string_equal(buf_text(&s->fields),
                        ":status: 200\ncontent-type: text/plain\ncontent-length: 5\n");
    assert_int_equal(s->body.len, 5);
    assert_int_equal(s->datas, 1);
    assert_true(s->ended);
    assert_false(s->reset);
    assert_int_equal(server->alive, 0);
    assert_non_null(peer->conn);
    assert_int_equal(peer->conn->streams, 0);
    server_free(server);
}

static void settings_say_what_is_taken(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    assert_true(peer_sync(peer));
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 65536);
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 16384);
    assert_int_equal(peer->settings[NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES], 1);
    server_free(server);
}

static void a_head_that_ends_the_stream_has_no_body(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    put_get(&peer->out, 1);
    assert_true(peer_sync(peer));
    assert_false(server->asks[0].has_body);
    assert_true(server->asks[0].length == 0);
    assert_true(server->asks[0].in_ended);
    assert_true(peer_stream(peer, 1)->ended);
    server_free(server);
}

static void the_answer_to_head_has_a_length_and_no_body(void **state)
{
    static const struct pair head[] = { { ":method", "HEAD" },
                                        { ":scheme", "http" },
                                        { ":authority", "a.test" },
                                        { ":path", "/" },
                                        { NULL, NULL } };
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct peer_stream *s = peer_stream(peer, 1);

    (void)state;
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, head);
    assert_true(peer_sync(peer));
    assert_non_null(strstr(buf_text(&s->fields), "content-length: 5\n"));
    assert_int_equal(s->datas, 0);
    assert_true(s->ended);
    server_free(server);
}

static void cookie_crumbs_become_one_field(void **state)
{
    struct pair head[] = { { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "a" },
                           { ":path", "/" },     { "cookie", "a=1" },   { "x-a", "b" },
                           { "cookie", "b=2" },  { "cookie", "c=3" },   { NULL, NULL } };
    struct server *server = server_new(&usual);

    (void)state;
    put_head(&server->peer->out, 1, NGHTTP2_FLAG_END_STREAM, head);
    assert_true(peer_sync(server->peer));
    assert_string_equal(buf_text(&server->asks[0].fields), "x-a: b\ncookie: a=1; b=2; c=3\n");
    server_free(server);
}

static void trailers_lose_what_frames_or_names(void **state)
{
    static const struct pair trailers[] = { { "x-fine", "1" },
                                            { "authorization", "Bearer evil" },
                                            { "host", "evil" },
                                            { "x-sluice-class", "vip" },
                                            { NULL, NULL } };
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    put_head(&peer->out, 1, 0, post_head);
    put_data(&peer->out, 1, 0, "x");
    put_head(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, trailers);
    assert_true(peer_sync(peer));
    assert_false(peer_stream(peer, 1)->reset);
    assert_string_equal(buf_text(&server->asks[0].trailers), "x-fine: 1\n");
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    server_free(server);
}

static void answers_may_end_in_trailers(void **state)
{
    static const struct pair trailers[] = { { "grpc-status", "0" }, { NULL, NULL } };
    struct server *server = server_new(&usual);
    struct peer_stream *s = peer_stream(server->peer, 1);

    (void)state;
    server->answer_trailers = trailers;
    put_get(&server->peer->out, 1);
    assert_true(peer_sync(server->peer));
    assert_int_equal(s->heads, 2);
    assert_int_equal(s->body.len, 5);
    assert_non_null(strstr(buf_text(&s->fields), "\ngrpc-status: 0\n"));
    assert_true(s->ended);
    server_free(server);
}

static void big_answers_arrive_whole_within_the_peers_windows(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct peer_stream *s = peer_stream(peer, 1);
    size_t granted = 65535;

    (void)state;
    server->answer_bytes = 300000;
    put_get(&peer->out, 1);
    while (!s->ended) {
        assert_true(peer_sync(peer));
        assert_true(s->body.len <= granted);
        assert_true(s->body.len == granted || s->ended);
        put_frame_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 1, 100000);
        put_frame_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 0, 100000);
        granted += 100000;
    }
    assert_true(rig_is_filled(&s->body, 300000));
    assert_ptr_equal(server->asks[0].reason, &reason_done);
    server_free(server);
}

static bool answer_is_over(struct peer *peer)
{
    return peer_stream(peer, 1)->ended || peer_is_closed(peer);
}

static void events_leave_as_they_are_made(void **state)
{
    struct server *server = server_new(&usual);
    struct peer_stream *s = peer_stream(server->peer, 1);

    (void)state;
    server->way = OWNER_STREAMS;
    server->answer_bytes = 1000;
    put_get(&server->peer->out, 1);
    assert_true(peer_until(server->peer, answer_is_over));
    assert_int_equal(s->body.len, 1000);
    assert_true(s->datas >= 50); /* an event a turn, not all at the end */
    server_free(server);
}

static void streams_of_a_turn_share_one_write(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    assert_true(peer_sync(peer));
    for (uint32_t id = 1; id < 101; id += 2)
        put_get(&peer->out, id);
    assert_true(peer_write(peer));
    peer_turn(peer); /* one read, fifty owners, one write */
    for (uint32_t id = 1; id < 101; id += 2)
        assert_true(peer_stream(peer, id)->ended);
    server_free(server);
}

static void uploads_get_their_window_back_in_large_steps(void **state)
{
    char *piece = xcalloc(1, 16001);
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    memset(piece, 'x', 16000);
    put_head(&peer->out, 1, 0, post_head);
    for (int i = 0; i < 20; i++) { /* more than both windows, which the owner empties each turn */
        put_data(&peer->out, 1, 0, piece);
        assert_true(peer_sync(peer));
    }
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "");
    assert_true(peer_sync(peer));
    assert_int_equal(server->asks[0].body.len, 320000);
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    assert_true(peer->window_updates >= 5 && peer->window_updates <= 15);
    server_free(server);
    free(piece);
}

static void a_window_nobody_empties_ends_the_conn_of_who_overruns_it(void **state)
{
    char *piece = xcalloc(1, 16001);
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    server->way = OWNER_HOARDS;
    memset(piece, 'x', 16000);
    put_head(&peer->out, 1, 0, post_head);
    for (int i = 0; i < 4; i++)
        put_data(&peer->out, 1, 0, piece);
    assert_true(peer_sync(peer));
    assert_false(peer_stream(peer, 1)->reset);
    put_data(&peer->out, 1, 0, piece);
    assert_true(peer_sync(peer));
    assert_int_equal(peer->goaway_error, NGHTTP2_FLOW_CONTROL_ERROR);
    assert_ptr_equal(peer->closed, &reason_flow_control_error);
    server_free(server);
    free(piece);
}

static void a_client_that_expects_100_gets_it_when_the_body_is_asked_for(void **state)
{
    static const struct pair head[] = { { ":method", "POST" },        { ":scheme", "http" },
                                        { ":authority", "a" },        { ":path", "/" },
                                        { "expect", "100-continue" }, { NULL, NULL } };
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    put_head(&peer->out, 1, 0, head);
    assert_true(peer_sync(peer));
    assert_true(server->asks[0].expects_100);
    assert_string_equal(peer_stream(peer, 1)->status, "100");
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "x");
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    server_free(server);
}

/* ---- heads that are refused ---- */

struct head_row {
    const char *why;
    struct pair fields[12];
    const char *body;   /* NULL: END_STREAM on the head */
    const char *status; /* of the answer; NULL: reset */
    uint32_t error;     /* of the reset */
};

#define PSEUDO(method, path)                                                                       \
    { ":method", method }, { ":scheme", "http" }, { ":authority", "a.test" },                      \
    {                                                                                              \
        ":path", path                                                                              \
    }
#define RESET NULL, NGHTTP2_PROTOCOL_ERROR

static const struct head_row head_rows[] = {
    { "D-01 CR LF in a value", { PSEUDO("GET", "/"), { "x-a", "b\r\nx-evil: 1" } }, NULL, RESET },
    { "D-01 LF in a value", { PSEUDO("GET", "/"), { "x-a", "b\nx" } }, NULL, RESET },
    { "D-01 CR in a value", { PSEUDO("GET", "/"), { "x-a", "b\rx" } }, NULL, RESET },
    { "D-01 CR LF in a name", { PSEUDO("GET", "/"), { "x\r\nevil", "b" } }, NULL, RESET },
    { "D-01 CR LF in :path", { PSEUDO("GET", "/ HTTP/1.1\r\nhost: a\r\n\r\n") }, NULL, RESET },
    { "D-01 LF in :method", { PSEUDO("G\nT", "/") }, NULL, RESET },
    { "D-01 CR LF in :authority",
      { { ":method", "GET" },
        { ":scheme", "http" },
        { ":authority", "a\r\nx: y" },
        { ":path", "/" } },
      NULL,
      RESET },
    { "D-01 CR LF in :scheme",
      { { ":method", "GET" },
        { ":scheme", "http\r\nx: y" },
        { ":authority", "a" },
        { ":path", "/" } },
      NULL,
      RESET },
    { "D-02 space in :path", { PSEUDO("GET", "/a b") }, NULL, RESET },
    { "D-02 no slash", { PSEUDO("GET", "a") }, NULL, RESET },
    { "D-02 empty :path", { PSEUDO("GET", "") }, NULL, RESET },
    { "D-02 absolute :path", { PSEUDO("GET", "http://a/") }, NULL, RESET },
    { "D-02 asterisk off OPTIONS", { PSEUDO("GET", "*") }, NULL, RESET },
    { "D-02 fragment", { PSEUDO("GET", "/a#b") }, NULL, "400", 0 },
    { "D-02 two slashes", { PSEUDO("GET", "//a") }, NULL, "400", 0 },
    { "D-02 dots", { PSEUDO("GET", "/v1/../a") }, NULL, "400", 0 },
    { "D-02 escaped dots", { PSEUDO("GET", "/v1/%2e%2E/a") }, NULL, "400", 0 },
    { "D-02 bad escape", { PSEUDO("GET", "/%zz") }, NULL, "400", 0 },
    { "D-02 method with a space", { PSEUDO("GET /", "/") }, NULL, RESET },
    { "D-02 empty method", { PSEUDO("", "/") }, NULL, RESET },
    { "D-02 endless method",
      { PSEUDO("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ", "/") },
      NULL,
      "400",
      0 },
    { "D-02 unknown scheme",
      { { ":method", "GET" }, { ":scheme", "ftp" }, { ":authority", "a" }, { ":path", "/" } },
      NULL,
      "400",
      0 },
    { "D-03 short body", { PSEUDO("POST", "/"), { "content-length", "6" } }, "hello", RESET },
    { "D-03 long body", { PSEUDO("POST", "/"), { "content-length", "4" } }, "hello", RESET },
    { "D-03 no body", { PSEUDO("POST", "/"), { "content-length", "4" } }, NULL, RESET },
    { "D-03 signed length", { PSEUDO("POST", "/"), { "content-length", "+5" } }, "hello", RESET },
    { "D-03 lengths",
      { PSEUDO("POST", "/"), { "content-length", "5" }, { "content-length", "5" } },
      "hello",
      RESET },
    { "D-04 transfer-encoding",
      { PSEUDO("POST", "/"), { "transfer-encoding", "chunked" } },
      "hello",
      RESET },
    { "D-04 connection", { PSEUDO("GET", "/"), { "connection", "close" } }, NULL, RESET },
    { "D-04 keep-alive", { PSEUDO("GET", "/"), { "keep-alive", "timeout=5" } }, NULL, RESET },
    { "D-04 upgrade", { PSEUDO("GET", "/"), { "upgrade", "h2c" } }, NULL, RESET },
    { "D-04 proxy-connection", { PSEUDO("GET", "/"), { "proxy-connection", "x" } }, NULL, RESET },
    { "D-04 te", { PSEUDO("GET", "/"), { "te", "gzip" } }, NULL, RESET },
    { "D-05 host differs", { PSEUDO("GET", "/"), { "host", "b.test" } }, NULL, "400", 0 },
    { "D-05 two hosts",
      { PSEUDO("GET", "/"), { "host", "a.test" }, { "host", "a.test" } },
      NULL,
      RESET },
    { "D-05 no host",
      { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" } },
      NULL,
      RESET },
    { "D-05 user in :authority",
      { { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "u@a" }, { ":path", "/" } },
      NULL,
      "400",
      0 },
    { "D-05 port past 65535",
      { { ":method", "GET" },
        { ":scheme", "http" },
        { ":authority", "a:99999" },
        { ":path", "/" } },
      NULL,
      "400",
      0 },
    { "D-06 :path twice", { PSEUDO("GET", "/"), { ":path", "/" } }, NULL, RESET },
    { "D-06 unknown pseudo-field", { PSEUDO("GET", "/"), { ":evil", "1" } }, NULL, RESET },
    { "D-06 :status in a request", { PSEUDO("GET", "/"), { ":status", "200" } }, NULL, RESET },
    { "D-06 pseudo-field after a regular one",
      { { "x-a", "b" }, PSEUDO("GET", "/") },
      NULL,
      RESET },
    { "D-06 no :method",
      { { ":scheme", "http" }, { ":authority", "a" }, { ":path", "/" } },
      NULL,
      RESET },
    { "D-07 upper case", { PSEUDO("GET", "/"), { "X-A", "b" } }, NULL, RESET },
    { "D-07 empty name", { PSEUDO("GET", "/"), { "", "b" } }, NULL, RESET },
    { "D-07 colon in a name", { PSEUDO("GET", "/"), { "x:a", "b" } }, NULL, RESET },
    { "D-07 space in a name", { PSEUDO("GET", "/"), { "x a", "b" } }, NULL, RESET },
    { "D-07 value in spaces", { PSEUDO("GET", "/"), { "x-a", " b " } }, NULL, RESET },
    { "D-12 extended CONNECT",
      { PSEUDO("CONNECT", "/"), { ":protocol", "websocket" } },
      NULL,
      RESET },
    { "D-12 CONNECT", { { ":method", "CONNECT" }, { ":authority", "a:443" } }, NULL, "501", 0 },
    { "TRACE", { PSEUDO("TRACE", "/") }, NULL, "405", 0 },
    { "expect what nobody offers",
      { PSEUDO("POST", "/"), { "expect", "y 100-continue" } },
      "x",
      "417",
      0 },
    { "expect twice",
      { PSEUDO("POST", "/"), { "expect", "100-continue" }, { "expect", "100-continue" } },
      "x",
      "417",
      0 },
    { "a field that may stand once",
      { PSEUDO("POST", "/"), { "content-type", "a" }, { "content-type", "a" } },
      "x",
      "400",
      0 },
};

static void send_row(struct peer *peer, uint32_t id, const struct head_row *row)
{
    put_head(&peer->out, id, row->body ? 0 : NGHTTP2_FLAG_END_STREAM, row->fields);
    if (row->body)
        put_data(&peer->out, id, NGHTTP2_FLAG_END_STREAM, row->body);
}

static void check_row(struct server *server, const struct head_row *row)
{
    struct peer_stream *s = peer_stream(server->peer, 1);

    if (row->status) {
        if (strcmp(s->status, row->status) != 0)
            fail_msg("%s: status %s, not %s", row->why, s->status, row->status);
        if (!strstr(buf_text(&s->body), "\"error\""))
            fail_msg("%s: no error body", row->why);
    } else if (!s->reset || s->error != row->error) {
        fail_msg("%s: reset %d with %u, not %u", row->why, s->reset, s->error, row->error);
    }
    for (unsigned i = 0; i < server->count; i++) /* a body may be judged after its head was shown */
        if (server->asks[i].in_ended && server->asks[i].reason != &reason_protocol_error)
            fail_msg("%s: a request was completed", row->why);
    if (server->peer->closed)
        fail_msg("%s: the conn was closed: %s", row->why, server->peer->closed->name);
}

static void heads_off_the_rules_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(head_rows); i++)
        for (int dribble = 0; dribble < 2; dribble++) {
            struct server *server = server_new(&usual);

            server->peer->dribble = dribble;
            server->way = OWNER_WAITS;
            send_row(server->peer, 1, &head_rows[i]);
            assert_true(peer_sync(server->peer));
            check_row(server, &head_rows[i]);
            assert_int_equal(server->peer->pongs, 1); /* others' streams would live on */
            server_free(server);
        }
}

static void refused_heads_leave_nothing_behind(void **state)
{
    struct server *server = server_new(&usual);
    uint32_t id = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(head_rows); i++, id += 2)
        send_row(server->peer, id, &head_rows[i]);
    put_get(&server->peer->out, id);
    assert_true(peer_sync(server->peer));
    assert_string_equal(peer_stream(server->peer, id)->status, "200");
    assert_int_equal(server->peer->conn->streams, 0);
    server_free(server);
}

struct pass_row {
    const char *why;
    struct pair fields[12];
    const char *authority, *path;
};

static const struct pass_row pass_rows[] = {
    { "te: trailers is legal", { PSEUDO("GET", "/"), { "te", "trailers" } }, "a.test", "/" },
    { "host may repeat", { PSEUDO("GET", "/"), { "host", "A.test" } }, "a.test", "/" },
    { "host alone",
      { { ":method", "GET" }, { ":scheme", "https" }, { ":path", "/" }, { "host", "h:8" } },
      "h:8",
      "/" },
    { "OPTIONS *", { PSEUDO("OPTIONS", "*") }, "a.test", "*" },
    { "one form of a path",
      { PSEUDO("GET", "/%7euser/%c3%a9?q=%zz") },
      "a.test",
      "/~user/%C3%A9?q=%zz" },
};

static void heads_within_the_rules_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pass_rows); i++)
        for (int dribble = 0; dribble < 2; dribble++) {
            struct server *server = server_new(&usual);

            server->peer->dribble = dribble;
            put_head(&server->peer->out, 1, NGHTTP2_FLAG_END_STREAM, pass_rows[i].fields);
            assert_true(peer_sync(server->peer));
            assert_int_equal(server->count, 1);
            assert_string_equal(server->asks[0].authority, pass_rows[i].authority);
            assert_string_equal(server->asks[0].path, pass_rows[i].path);
            assert_string_equal(peer_stream(server->peer, 1)->status, "200");
            server_free(server);
        }
}

/* ---- limits ---- */

static void put_request_with(struct buf *out, uint32_t id, const char *path, unsigned fields,
                             struct slice value)
{
    struct buf block;

    buf_init(&block, SIZE_MAX);
    put_pairs(&block, get_head); /* its :path is replaced below when another is asked for */
    if (path) {
        buf_release(&block);
        put_field(&block, SLICE(":method"), SLICE("GET"));
        put_field(&block, SLICE(":scheme"), SLICE("http"));
        put_field(&block, SLICE(":authority"), SLICE("a"));
        put_field(&block, SLICE(":path"), slice_str(path));
    }
    for (unsigned i = 0; i < fields; i++)
        put_field(&block, SLICE("cookie"), value);
    put_frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id,
              buf_join(&block));
    buf_release(&block);
}

static void the_number_of_fields_is_limited(void **state)
{
    static const struct {
        unsigned fields;
        const char *status;
    } rows[] = { { 0, "200" }, { 99, "200" }, { 100, "200" }, { 101, "431" }, { 400, "431" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server *server = server_new(&usual);

        put_request_with(&server->peer->out, 1, NULL, rows[i].fields, SLICE("a"));
        assert_true(peer_sync(server->peer));
        assert_string_equal(peer_stream(server->peer, 1)->status, rows[i].status);
        server_free(server);
    }
}

/* Names, values and 32 a field: four pseudo fields of 180 bytes, two cookies of 38 and their
 * values. */
static void the_bytes_of_a_head_are_limited(void **state)
{
    const size_t fits = (16384 - 180 - 2 * 38) / 2;
    char *value = xcalloc(1, 16384);

    (void)state;
    memset(value, 'v', 16383);
    for (size_t len = fits - 1; len <= fits + 1; len++) {
        struct server *server = server_new(&usual);

        put_request_with(&server->peer->out, 1, NULL, 2, slice_of(value, len));
        assert_true(peer_sync(server->peer));
        assert_string_equal(peer_stream(server->peer, 1)->status, len > fits ? "431" : "200");
        server_free(server);
    }
    free(value);
}

static void a_target_that_is_too_long_is_a_414(void **state)
{
    char path[1100] = "/";

    (void)state;
    for (size_t len = 1023; len <= 1025; len++) {
        struct server *server = server_new(&usual);

        memset(path + 1, 'a', len - 1);
        path[len] = '\0';
        put_request_with(&server->peer->out, 1, path, 0, SLICE(""));
        assert_true(peer_sync(server->peer));
        assert_string_equal(peer_stream(server->peer, 1)->status, len > 1024 ? "414" : "200");
        server_free(server);
    }
}

/* One entry of 4 KB, then a byte for each copy: decoded, 50 MB. */
static void an_hpack_bomb_is_a_431_or_the_end(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct buf block;
    char value[3900];

    (void)state;
    memset(value, 'b', sizeof(value));
    buf_init(&block, SIZE_MAX);
    put_pairs(&block, get_head);
    buf_add(&block, SLICE("\x40"));
    put_text(&block, SLICE("x-a"));
    put_text(&block, slice_of(value, sizeof(value)));
    for (int i = 0; i < 12000; i++)
        buf_add(&block, SLICE("\xbe"));
    put_frame(&peer->out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
              buf_join(&block));
    buf_release(&block);
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 1)->status, "431");
    assert_int_equal(server->count, 0);
    put_request_with(&peer->out, 3, NULL, 0, SLICE("")); /* the table is still in step */
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 3)->status, "200");
    server_free(server);
}

static void streams_past_the_limit_are_refused_and_counted(void **state)
{
    int64_t refused = metric_total(METRIC_ID_requests_refused);
    struct conn_settings settings = usual;
    struct server *server;
    struct peer *peer;

    (void)state;
    settings.streams = 10;
    server = server_new(&settings);
    peer = server->peer;
    peer->no_acks = true;
    server->way = OWNER_WAITS;
    for (uint32_t id = 1; id <= 25; id += 2)
        put_head(&peer->out, id, 0, post_head);
    for (uint32_t id = 1; id <= 25;
         id += 2) /* bodies of refused streams are dropped, not punished */
        put_data(&peer->out, id, 0, "hello");
    assert_true(peer_sync(peer));
    assert_int_equal(server->count, 10);
    for (uint32_t id = 1; id <= 25; id += 2) {
        assert_int_equal(peer_stream(peer, id)->reset, id > 20);
        if (id > 20)
            assert_int_equal(peer_stream(peer, id)->error, NGHTTP2_REFUSED_STREAM);
    }
    assert_int_equal(metric_total(METRIC_ID_requests_refused) - refused, 3);
    assert_null(peer->closed);
    server_free(server);
}

/* Past the limit they are reset; they begin again once there is less. A megabyte, because what the
 * two sides have in their queues counts as well. */
static void no_stream_begins_while_too_much_is_held(void **state)
{
    static const struct {
        int64_t more; /* than the limit is held */
        bool refused;
    } rows[] = { { -(1 << 20), false }, { 1 << 20, true }, { -(1 << 20), false } };
    int64_t refused = metric_total(METRIC_ID_requests_refused);
    struct conn_settings settings = usual;
    struct server *server;
    struct peer *peer;

    (void)state;
    settings.held_bytes = (size_t)1 << 40;
    server = server_new(&settings);
    peer = server->peer;
    assert_true(peer_sync(peer));
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t more = settings.held_bytes + (size_t)rows[i].more - held_bytes();

        put_get(&peer->out, 2 * i + 1);
        held_add(more);
        assert_true(peer_sync(peer));
        held_drop(more);
        assert_true(peer_sync(peer));
        assert_int_equal(peer_stream(peer, 2 * i + 1)->reset, rows[i].refused);
        if (rows[i].refused)
            assert_int_equal(peer_stream(peer, 2 * i + 1)->error, NGHTTP2_REFUSED_STREAM);
        else
            assert_string_equal(peer_stream(peer, 2 * i + 1)->status, "200");
    }
    assert_int_equal(metric_total(METRIC_ID_requests_refused) - refused, 1);
    assert_null(peer->closed);
    server_free(server);
}

/* A reset stream whose exchange still runs counts (MadeYouReset). */
static void streams_count_until_their_owners_let_go(void **state)
{
    int64_t refused = metric_total(METRIC_ID_requests_refused);
    struct conn_settings settings = usual;
    struct server *server;
    struct peer *peer;

    (void)state;
    settings.streams = 5;
    server = server_new(&settings);
    peer = server->peer;
    server->way = OWNER_KEEPS;
    for (uint32_t id = 1; id <= 9; id += 2) {
        put_head(&peer->out, id, 0, post_head);
        put_frame_u32(&peer->out, NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
    }
    put_get(&peer->out, 11);
    assert_true(peer_sync(peer));
    assert_int_equal(server->count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_ptr_equal(server->asks[i].reason, &reason_client_gone);
    assert_true(peer_stream(peer, 11)->reset);
    assert_int_equal(peer_stream(peer, 11)->error, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(metric_total(METRIC_ID_requests_refused) - refused, 1);
    server_free(server);
}

/* ---- attacks ---- */

struct flood_row {
    const char *why;
    void (*piece)(struct buf *out, uint32_t n); /* the n-th, from 0 */
    void (*first)(struct buf *out);
    unsigned most;  /* pieces that may pass */
    unsigned least; /* pieces that an honest peer may send */
    uint32_t error;
};

static void rapid_reset(struct buf *out, uint32_t n)
{
    put_get(out, 2 * n + 1);
    put_frame_u32(out, NGHTTP2_RST_STREAM, 2 * n + 1, NGHTTP2_CANCEL);
}

static void wrong_length(struct buf *out, uint32_t n)
{
    static const struct pair head[] = { PSEUDO("POST", "/"),
                                        { "content-length", "1" },
                                        { NULL, NULL } };

    put_head(out, 2 * n + 1, 0, head);
    put_data(out, 2 * n + 1, NGHTTP2_FLAG_END_STREAM, "hello");
}

static void ping(struct buf *out, uint32_t n)
{
    (void)n;
    put_ping(out);
}

static void setting(struct buf *out, uint32_t n)
{
    put_setting(out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 + n % 2);
}

static void priority(struct buf *out, uint32_t n)
{
    char payload[5] = { 0 };

    put_u32(payload, 2 * n + 3);
    put_frame(out, NGHTTP2_PRIORITY, 0, 2 * n + 1, slice_of(payload, 5));
}

static void priority_update(struct buf *out, uint32_t n)
{
    (void)n;
    put_frame(out, 0x10, 0, 0, SLICE("\0\0\0\1u=1"));
}

static void unknown(struct buf *out, uint32_t n)
{
    (void)n;
    put_frame(out, 0xee, 0, 0, SLICE(""));
}

static void post(struct buf *out)
{
    put_head(out, 1, 0, post_head);
}

static void empty_data(struct buf *out, uint32_t n)
{
    (void)n;
    put_data(out, 1, 0, "");
}

static void padding_only(struct buf *out, uint32_t n)
{
    char payload[201] = { (char)200 };

    (void)n;
    put_frame(out, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, slice_of(payload, sizeof(payload)));
}

static void one_byte(struct buf *out, uint32_t n)
{
    (void)n;
    put_data(out, 1, 0, "x");
}

static void open_block(struct buf *out)
{
    struct buf block;

    buf_init(&block, SIZE_MAX);
    put_pairs(&block, get_head);
    put_frame(out, NGHTTP2_HEADERS, 0, 1, buf_join(&block));
    buf_release(&block);
}

static void continuation(struct buf *out, uint32_t n)
{
    (void)n;
    put_frame(out, NGHTTP2_CONTINUATION, 0, 1, slice_of("\0\1a\1b", 5));
}

static void empty_continuation(struct buf *out, uint32_t n)
{
    (void)n;
    put_frame(out, NGHTTP2_CONTINUATION, 0, 1, SLICE(""));
}

static void window_update(struct buf *out, uint32_t n)
{
    (void)n;
    put_frame_u32(out, NGHTTP2_WINDOW_UPDATE, 0, 1);
}

static void refused_head(struct buf *out, uint32_t n)
{
    static const struct pair bad[] = { PSEUDO("GET", "/"), { "X", "y" }, { NULL, NULL } };

    put_head(out, 2 * n + 1, NGHTTP2_FLAG_END_STREAM, bad);
}

static const struct flood_row flood_rows[] = {
    { "H2-01 rapid reset", rapid_reset, NULL, 1100, 900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-02 bodies of a wrong length", wrong_length, NULL, 1100, 900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-02 malformed heads", refused_head, NULL, 1100, 900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-03 CONTINUATION", continuation, open_block, 9, 8, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-03 empty CONTINUATION", empty_continuation, open_block, 9, 8, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-07 PING", ping, NULL, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-07 SETTINGS", setting, NULL, 300, 240, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-08 PRIORITY", priority, NULL, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-08 PRIORITY_UPDATE", priority_update, NULL, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-08 unknown frames", unknown, NULL, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-09 empty DATA", empty_data, post, 1100, 900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-09 padding only", padding_only, post, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-09 DATA of a byte", one_byte, post, 4500, 3900, NGHTTP2_ENHANCE_YOUR_CALM },
    { "H2-11 WINDOW_UPDATE for nothing", window_update, NULL, 4500, 3900,
      NGHTTP2_ENHANCE_YOUR_CALM },
};

/* How many pieces pass before the conn ends, sent in batches as fast as it takes them. */
static unsigned flood(struct server *server, const struct flood_row *row, unsigned most)
{
    struct peer *peer = server->peer;
    unsigned sent = 0;

    if (row->first)
        row->first(&peer->out);
    while (sent < most && !peer->closed) {
        for (unsigned i = 0; i < 10 && sent < most; i++, sent++)
            row->piece(&peer->out, sent);
        do
            peer_turn(peer);
        while (!peer->settled && !peer->closed);
    }
    peer_until(peer, peer_is_closed);
    return sent;
}

static void floods_are_cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flood_rows); i++) {
        const struct flood_row *row = &flood_rows[i];
        struct server *server = server_new(&usual);
        unsigned sent = flood(server, row, row->most + 10);

        if (!server->peer->closed)
            fail_msg("%s: %u passed", row->why, sent);
        if (sent < row->least)
            fail_msg("%s: cut off after %u: %s, %u", row->why, sent, server->peer->closed->name,
                     server->peer->goaway_error);
        if (server->peer->goaway_error != row->error)
            fail_msg("%s: GOAWAY with %u, not %u", row->why, server->peer->goaway_error,
                     row->error);
        assert_ptr_equal(server->peer->closed, &reason_client_flood);
        assert_int_equal(server->alive, 0);
        assert_true(metric_total(METRIC_ID_frames_refused) > 0);
        server_free(server);
    }
}

/* A client that reads token streams acknowledges every one of them, twice. */
static void acknowledging_small_events_is_no_flood(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct peer_stream *s = peer_stream(peer, 1);
    unsigned seen = 0;

    (void)state;
    server->way = OWNER_STREAMS;
    server->answer_bytes = 100000;
    put_get(&peer->out, 1);
    while (!s->ended && !peer->closed) {
        peer_turn(peer);
        for (; seen < s->datas; seen++) {
            put_frame_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 1, 10);
            put_frame_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 0, 10);
        }
    }
    assert_null(peer->closed);
    assert_int_equal(s->body.len, 100000);
    assert_true(seen > 2500);
    server_free(server);
}

static void small_upload_chunks_at_an_honest_pace_are_no_flood(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    put_head(&peer->out, 1, 0, post_head);
    for (int i = 0; i < 10000; i++) {
        put_data(&peer->out, 1, 0, "{\"delta\":\"a token of text\"}");
        if (i % 1000 == 0)
            assert_true(peer_sync(peer));
    }
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "");
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    server_free(server);
}

static void a_window_that_grows_by_bytes_is_cut_off(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    unsigned grants = 0;

    (void)state;
    server->answer_bytes = 100000;
    put_setting(&peer->out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    put_get(&peer->out, 1);
    for (; grants < 2000 && !peer->closed; grants++) {
        put_frame_u32(&peer->out, NGHTTP2_WINDOW_UPDATE, 1, 1);
        peer_turn(peer);
    }
    assert_true(peer_until(peer, peer_is_closed));
    assert_ptr_equal(peer->closed, &reason_client_flood);
    assert_int_equal(peer->goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_in_range(peer_stream(peer, 1)->body.len, 900, 1100);
    server_free(server);
}

static void a_peer_that_takes_nothing_loses_its_stream(void **state)
{
    struct conn_settings settings = usual;
    struct server *server;
    struct peer *peer;

    (void)state;
    settings.stall_ms = 80;
    server = server_new(&settings);
    peer = server->peer;
    server->answer_bytes = 100000;
    put_setting(&peer->out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    put_get(&peer->out, 1);
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    while (!peer_stream(peer, 1)->reset && !peer->closed)
        peer_turn(peer);
    assert_int_equal(peer_stream(peer, 1)->error, NGHTTP2_CANCEL);
    assert_true(peer_sync(peer));
    assert_ptr_equal(server->asks[0].reason, &reason_client_stalled);
    assert_int_equal(server->alive, 0);
    assert_null(peer->closed); /* other streams go on */
    server_free(server);
}

/* ---- frames off the grammar ---- */

struct frame_row {
    const char *why;
    void (*send)(struct buf *out);
    uint32_t goaway; /* expected; 0: the conn lives */
    uint32_t reset_id, reset;
};

static void data_on_idle(struct buf *out)
{
    put_data(out, 7, 0, "x");
}

static void even_id(struct buf *out)
{
    put_get(out, 2);
}

static void falling_id(struct buf *out)
{
    put_get(out, 5);
    put_get(out, 3);
}

static void data_after_rst(struct buf *out)
{
    post(out);
    put_frame_u32(out, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    put_data(out, 1, 0, "x");
}

static void headers_after_rst(struct buf *out)
{
    post(out);
    put_frame_u32(out, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    put_head(out, 1, NGHTTP2_FLAG_END_STREAM, post_head);
}

static void data_on_half_closed(struct buf *out)
{
    put_get(out, 1);
    put_data(out, 1, 0, "x");
}

static void window_overflow_by_settings(struct buf *out)
{
    post(out);
    put_frame_u32(out, NGHTTP2_WINDOW_UPDATE, 1, 0x7fff0000);
    put_setting(out, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff);
}

static void conn_window_overflow(struct buf *out)
{
    put_frame_u32(out, NGHTTP2_WINDOW_UPDATE, 0, 0x7fffffff);
}

static void many_settings(struct buf *out)
{
    char payload[6 * 100] = { 0 };

    put_frame(out, NGHTTP2_SETTINGS, 0, 0, slice_of(payload, sizeof(payload)));
}

static void priority_on_itself(struct buf *out)
{
    put_frame(out, NGHTTP2_PRIORITY, 0, 9, slice_of("\0\0\0\x09\x10", 5));
}

static void priority_on_zero(struct buf *out)
{
    put_frame(out, NGHTTP2_PRIORITY, 0, 0, slice_of("\0\0\0\x09\x10", 5));
}

static void large_frame(struct buf *out)
{
    char payload[16385] = { 0 };

    post(out);
    put_frame(out, NGHTTP2_DATA, 0, 1, slice_of(payload, sizeof(payload)));
}

static void push(struct buf *out)
{
    put_frame(out, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, slice_of("\0\0\0\2", 4));
}

static void pseudo_in_trailers(struct buf *out)
{
    static const struct pair trailers[] = { { ":path", "/x" }, { NULL, NULL } };

    post(out);
    put_head(out, 1, NGHTTP2_FLAG_END_STREAM, trailers);
}

static void late_frames(struct buf *out)
{
    data_on_idle(out);
    for (uint32_t id = 9; id < 59; id += 2) {
        put_get(out, id);
        put_ping(out);
        put_frame_u32(out, NGHTTP2_WINDOW_UPDATE, 0, 1);
    }
}

static const struct frame_row frame_rows[] = {
    { "H2-14 DATA on an idle stream", data_on_idle, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "H2-14 an even id", even_id, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "H2-14 a falling id", falling_id, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "H2-14 a frame past 16 KB", large_frame, NGHTTP2_FRAME_SIZE_ERROR, 0, 0 },
    { "H2-14 PUSH_PROMISE of a client", push, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "DATA on a stream the client reset", data_after_rst, 0, 1, NGHTTP2_STREAM_CLOSED },
    { "HEADERS on a stream the client reset", headers_after_rst, 0, 1, NGHTTP2_STREAM_CLOSED },
    { "DATA after END_STREAM", data_on_half_closed, NGHTTP2_STREAM_CLOSED, 0, 0 },
    { "H2-12 SETTINGS overflow a window", window_overflow_by_settings, NGHTTP2_FLOW_CONTROL_ERROR,
      0, 0 },
    { "H2-12 overflow of the conn's window", conn_window_overflow, NGHTTP2_FLOW_CONTROL_ERROR, 0,
      0 },
    { "H2-07 a hundred settings", many_settings, NGHTTP2_ENHANCE_YOUR_CALM, 0, 0 },
    { "PRIORITY on itself", priority_on_itself, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "PRIORITY on stream 0", priority_on_zero, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
    { "D-06 pseudo-fields in trailers", pseudo_in_trailers, 0, 1, NGHTTP2_PROTOCOL_ERROR },
    { "H2-15 frames after the end", late_frames, NGHTTP2_PROTOCOL_ERROR, 0, 0 },
};

static void frames_off_the_grammar_get_the_rfcs_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frame_rows); i++)
        for (int dribble = 0; dribble < 2; dribble++) {
            const struct frame_row *row = &frame_rows[i];
            struct server *server = server_new(&usual);
            struct peer *peer = server->peer;

            peer->dribble = dribble;
            server->way = OWNER_WAITS;
            row->send(&peer->out);
            assert_true(peer_sync(peer));
            if (!!peer->closed != !!row->goaway || peer->goaway_error != row->goaway)
                fail_msg("%s: GOAWAY with %u, not %u", row->why, peer->goaway_error, row->goaway);
            if (row->reset_id && peer_stream(peer, row->reset_id)->error != row->reset)
                fail_msg("%s: reset with %u", row->why, peer_stream(peer, row->reset_id)->error);
            server_free(server);
        }
}

static void frames_after_both_ends_are_a_stream_closed_error(void **state)
{
    static const unsigned flags[] = { 0, NGHTTP2_FLAG_END_STREAM };

    (void)state;
    for (int headers = 0; headers < 2; headers++) {
        struct server *server = server_new(&usual);
        struct peer *peer = server->peer;

        put_get(&peer->out, 1);
        assert_true(peer_sync(peer));
        assert_true(peer_stream(peer, 1)->ended);
        if (headers)
            put_head(&peer->out, 1, flags[headers], post_head);
        else
            put_data(&peer->out, 1, flags[headers], "x");
        assert_true(peer_sync(peer));
        assert_int_equal(peer->goaway_error, NGHTTP2_STREAM_CLOSED);
        server_free(server);
    }
}

static void a_preface_that_does_not_come_closes_the_conn(void **state)
{
    static const struct slice starts[] = { SLICE_INIT(""), SLICE_INIT("PRI * HT"),
                                           SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                                           SLICE_INIT("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n") };
    struct conn_settings settings = usual;

    (void)state;
    settings.handshake_ms = 30;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        struct server *server = server_bare(&settings);

        buf_add(&server->peer->out, starts[i]);
        assert_true(peer_until(server->peer, peer_is_closed));
        assert_int_equal(server->count, 0);
        server_free(server);
    }
}

static void a_head_that_dribbles_meets_its_deadline(void **state)
{
    struct conn_settings settings = usual;
    struct server *server;

    (void)state;
    settings.head_ms = 60;
    server = server_new(&settings);
    assert_true(peer_sync(server->peer));
    open_block(&server->peer->out);
    assert_true(peer_until(server->peer, peer_is_closed));
    assert_ptr_equal(server->peer->closed, &reason_head_timeout);
    assert_int_equal(server->peer->goaways, 1);
    assert_int_equal(server->count, 0);
    server_free(server);
}

/* ---- ends ---- */

static void a_client_that_resets_ends_its_exchange(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    server->way = OWNER_WAITS;
    put_get(&peer->out, 1);
    put_get(&peer->out, 3);
    assert_true(peer_sync(peer));
    assert_int_equal(server->alive, 2);
    put_frame_u32(&peer->out, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
    assert_true(peer_sync(peer));
    assert_int_equal(server->alive, 1);
    assert_ptr_equal(server->asks[0].reason, &reason_client_gone);
    assert_null(server->asks[1].reason);
    server_free(server);
}

static bool nobody_is_left(struct peer *peer)
{
    return ((struct server *)peer->test)->alive == 0 && peer->closed;
}

static void a_client_that_leaves_ends_all_its_exchanges(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    server->way = OWNER_WAITS;
    put_get(&peer->out, 1);
    put_get(&peer->out, 3);
    assert_true(peer_sync(peer));
    shutdown(peer->fd, SHUT_WR);
    assert_true(peer_until(peer, nobody_is_left));
    assert_ptr_equal(server->asks[0].reason, &reason_client_gone);
    assert_ptr_equal(server->asks[1].reason, &reason_client_gone);
    server_free(server);
}

static void an_owner_that_resets_says_why_on_the_wire(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    server->way = OWNER_RESETS;
    put_get(&peer->out, 1);
    assert_true(peer_sync(peer));
    assert_true(peer_stream(peer, 1)->reset);
    assert_int_equal(peer_stream(peer, 1)->error, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(server->alive, 0);
    server_free(server);
}

static void a_body_that_is_not_as_long_as_declared_is_reset(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    server->way = OWNER_MISCOUNTS;
    put_get(&peer->out, 1);
    assert_true(peer_sync(peer));
    assert_true(peer_stream(peer, 1)->reset);
    assert_false(peer_stream(peer, 1)->ended);
    assert_ptr_equal(server->asks[0].reason, &reason_internal);
    server_free(server);
}

static void an_upload_after_the_answer_is_stopped_politely(void **state)
{
    char *piece = xcalloc(1, 16001);
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    struct peer_stream *s = peer_stream(peer, 1);

    (void)state;
    server->way = OWNER_HURRIES;
    memset(piece, 'x', 16000);
    put_head(&peer->out, 1, 0, post_head);
    assert_true(peer_sync(peer));
    assert_true(s->ended && s->reset);
    assert_int_equal(s->error, NGHTTP2_NO_ERROR);
    assert_ptr_equal(server->asks[0].reason, &reason_done);
    for (int i = 0; i < 4; i++) /* what was under way is dropped */
        put_data(&peer->out, 1, 0, piece);
    assert_true(peer_sync(peer));
    assert_null(peer->closed);
    for (int i = 0; i < 3000 && !peer->closed; i++) { /* what goes on and on is not */
        put_data(&peer->out, 1, 0, piece);
        peer_turn(peer);
    }
    assert_true(peer_until(peer, peer_is_closed));
    assert_int_equal(peer->goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    server_free(server);
    free(piece);
}

static void draining_lets_streams_end_and_takes_late_ones(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;

    (void)state;
    put_head(&peer->out, 1, 0, post_head);
    assert_true(peer_sync(peer));
    conn_drain(peer->conn);
    put_get(&peer->out, 3); /* was under way when we said so */
    assert_true(peer_sync(peer));
    assert_string_equal(peer_stream(peer, 3)->status, "200");
    assert_int_equal(peer->goaways, 2);
    assert_int_equal(peer->goaway_last, 3);
    assert_int_equal(peer->goaway_error, NGHTTP2_NO_ERROR);
    put_data(&peer->out, 1, NGHTTP2_FLAG_END_STREAM, "x");
    assert_true(peer_until(peer, peer_is_closed));
    assert_string_equal(peer_stream(peer, 1)->status, "200");
    assert_ptr_equal(peer->closed, &reason_done);
    server_free(server);
}

static void an_idle_conn_says_goodbye(void **state)
{
    struct conn_settings settings = usual;
    struct server *server;

    (void)state;
    settings.idle_ms = 40;
    server = server_new(&settings);
    put_get(&server->peer->out, 1);
    assert_true(peer_until(server->peer, peer_is_closed));
    assert_string_equal(peer_stream(server->peer, 1)->status, "200");
    assert_int_equal(server->peer->goaways, 1);
    assert_int_equal(server->peer->goaway_last, 1);
    assert_ptr_equal(server->peer->closed, &reason_client_idle);
    server_free(server);
}

static void a_conn_takes_so_many_requests(void **state)
{
    struct conn_settings settings = usual;
    struct server *server;

    (void)state;
    settings.requests = 3;
    server = server_new(&settings);
    for (uint32_t id = 1; id <= 5; id += 2)
        put_get(&server->peer->out, id);
    assert_true(peer_until(server->peer, peer_is_closed));
    assert_int_equal(server->count, 3);
    assert_true(peer_stream(server->peer, 5)->ended);
    assert_int_equal(server->peer->goaway_error, NGHTTP2_NO_ERROR);
    server_free(server);
}

static void forget(struct peer *peer)
{
    for (int i = 0; i < PEER_STREAMS; i++) {
        buf_release(&peer->streams[i].fields);
        buf_release(&peer->streams[i].body);
    }
}

static void many_streams_leave_nothing_behind(void **state)
{
    struct server *server = server_new(&usual);
    struct peer *peer = server->peer;
    size_t before = 0;

    (void)state;
    for (uint32_t id = 1; id < 4000; id += 2) {
        put_get(&peer->out, id);
        if (id % 50 == 1) {
            assert_true(peer_sync(peer));
            forget(peer);
        }
        if (id == 2001)
            before = held_bytes();
    }
    assert_true(peer_sync(peer));
    forget(peer);
    assert_int_equal(server->count, 2000);
    assert_int_equal(server->alive, 0);
    assert_int_equal(peer->conn->streams, 0);
    assert_true(held_bytes() <= before);
    server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gets_its_answer),
        cmocka_unit_test(settings_say_what_is_taken),
        cmocka_unit_test(a_head_that_ends_the_stream_has_no_body),
        cmocka_unit_test(the_answer_to_head_has_a_length_and_no_body),
        cmocka_unit_test(cookie_crumbs_become_one_field),
        cmocka_unit_test(trailers_lose_what_frames_or_names),
        cmocka_unit_test(answers_may_end_in_trailers),
        cmocka_unit_test(big_answers_arrive_whole_within_the_peers_windows),
        cmocka_unit_test(events_leave_as_they_are_made),
        cmocka_unit_test(streams_of_a_turn_share_one_write),
        cmocka_unit_test(uploads_get_their_window_back_in_large_steps),
        cmocka_unit_test(a_window_nobody_empties_ends_the_conn_of_who_overruns_it),
        cmocka_unit_test(a_client_that_expects_100_gets_it_when_the_body_is_asked_for),
        cmocka_unit_test(heads_off_the_rules_are_refused),
        cmocka_unit_test(refused_heads_leave_nothing_behind),
        cmocka_unit_test(heads_within_the_rules_pass),
        cmocka_unit_test(the_number_of_fields_is_limited),
        cmocka_unit_test(the_bytes_of_a_head_are_limited),
        cmocka_unit_test(a_target_that_is_too_long_is_a_414),
        cmocka_unit_test(an_hpack_bomb_is_a_431_or_the_end),
        cmocka_unit_test(streams_past_the_limit_are_refused_and_counted),
        cmocka_unit_test(no_stream_begins_while_too_much_is_held),
        cmocka_unit_test(streams_count_until_their_owners_let_go),
        cmocka_unit_test(floods_are_cut_off),
        cmocka_unit_test(acknowledging_small_events_is_no_flood),
        cmocka_unit_test(small_upload_chunks_at_an_honest_pace_are_no_flood),
        cmocka_unit_test(a_window_that_grows_by_bytes_is_cut_off),
        cmocka_unit_test(a_peer_that_takes_nothing_loses_its_stream),
        cmocka_unit_test(frames_off_the_grammar_get_the_rfcs_error),
        cmocka_unit_test(frames_after_both_ends_are_a_stream_closed_error),
        cmocka_unit_test(a_preface_that_does_not_come_closes_the_conn),
        cmocka_unit_test(a_head_that_dribbles_meets_its_deadline),
        cmocka_unit_test(a_client_that_resets_ends_its_exchange),
        cmocka_unit_test(a_client_that_leaves_ends_all_its_exchanges),
        cmocka_unit_test(an_owner_that_resets_says_why_on_the_wire),
        cmocka_unit_test(a_body_that_is_not_as_long_as_declared_is_reset),
        cmocka_unit_test(an_upload_after_the_answer_is_stopped_politely),
        cmocka_unit_test(draining_lets_streams_end_and_takes_late_ones),
        cmocka_unit_test(an_idle_conn_says_goodbye),
        cmocka_unit_test(a_conn_takes_so_many_requests),
        cmocka_unit_test(many_streams_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
