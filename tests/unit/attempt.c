/*
 * Attempts: a request reaches the engine whole, once, and an answer is known to be whole or not.
 */
#include "tests/unit/upstream_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BODY   "{\"model\":\"m\"}"
#define ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

struct fixture {
    struct rig rig;
    struct engine engine;
    struct origin *origin;
    struct arena arena;
    struct message request;
    struct buf body;
    struct attempt attempt;
    size_t wanted;    /* connection whose bytes are waited for */
    const char *text; /* what they end with */
    uint64_t until_us;
};

static void on_event(struct attempt *attempt UNUSED)
{
}

static void begin(struct fixture *f, const char *scheme)
{
    f->origin = rig_origin(scheme, "127.0.0.1", f->engine.port);
    message_init(&f->request, &f->arena);
    f->request.method = SLICE("POST");
    f->request.scheme = f->origin->scheme;
    f->request.authority = slice_str(f->origin->authority);
    f->request.path = SLICE("/v1/chat/completions");
    f->request.has_body = true;
    f->request.length = f->body.len;
}

static void start(struct fixture *f, bool body_complete)
{
    attempt_start(&f->attempt, f->rig.worker, f->origin, &f->arena, &f->request, &f->body,
                  body_complete, on_event);
}

static bool turn(struct fixture *f)
{
    engine_turn(&f->engine);
    attempt_advance(&f->attempt);
    if (f->attempt.stream)
        stream_took(f->attempt.stream);
    return true;
}

static bool is_over(void *user)
{
    struct fixture *f = user;

    return turn(f) && f->attempt.reason;
}

static bool engine_has(void *user)
{
    struct fixture *f = user;

    return turn(f) && engine_got(&f->engine, f->wanted, f->text);
}

static bool has_stream(void *user)
{
    struct fixture *f = user;

    return turn(f) && f->attempt.stream;
}

static bool time_has_passed(void *user)
{
    struct fixture *f = user;

    return turn(f) && f->rig.worker->now_us > f->until_us;
}

static bool engine_saw_the_end(void *user)
{
    struct fixture *f = user;

    return turn(f) && f->engine.ended[0];
}

static void wait_for(struct fixture *f, size_t conn, const char *text)
{
    f->wanted = conn;
    f->text = text;
    if (!rig_until(&f->rig, engine_has, f))
        fail_msg("connection %zu of %zu never had `%s`", conn, f->engine.count, text);
}

/* Leaves an idle connection behind. */
static void exchange_once(struct fixture *f)
{
    start(f, true);
    wait_for(f, 0, BODY);
    engine_send(&f->engine, 0, ANSWER);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_done);
    assert_int_equal(f->attempt.stream->head->status, 200);
    assert_true(slice_eq(buf_join(&f->attempt.stream->in), SLICE("ok")));
    attempt_release(&f->attempt, &reason_done);
    assert_false(attempt_is_active(&f->attempt));
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .wanted = 0 };
    upstream_rig_open(&fixture.rig);
    engine_open(&fixture.engine);
    arena_init(&fixture.arena, 1 << 20);
    buf_init(&fixture.body, SIZE_MAX);
    buf_add(&fixture.body, SLICE(BODY));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    attempt_release(&f->attempt, &reason_cancelled);
    origin_unref(f->origin);
    upstream_rig_close(&f->rig);
    engine_close(&f->engine);
    buf_release(&f->body);
    arena_release(&f->arena);
    return 0;
}

static void an_idle_connection_is_used_again(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    exchange_once(f);
    exchange_once(f);
    assert_int_equal(f->engine.count, 1);
}

static void a_stale_connection_is_replaced_unnoticed(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    exchange_once(f);
    start(f, true);
    wait_for(f, 0, BODY);
    engine_hang_up(&f->engine, 0);
    wait_for(f, 1, BODY);
    assert_true(f->attempt.refreshed);
    engine_send(&f->engine, 1, ANSWER);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_done);
}

static void a_fresh_connection_that_dies_is_not_replaced(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    start(f, true);
    wait_for(f, 0, BODY);
    engine_hang_up(&f->engine, 0);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_endpoint_reset);
    assert_int_equal(f->engine.count, 1);
}

static void a_second_stale_connection_ends_it(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    exchange_once(f);
    start(f, true);
    wait_for(f, 0, BODY);
    engine_hang_up(&f->engine, 0);
    wait_for(f, 1, BODY);
    engine_hang_up(&f->engine, 1);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_endpoint_reset);
    assert_int_equal(f->engine.count, 2);
}

static void once_an_answer_has_begun_nothing_is_sent_again(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    exchange_once(f);
    start(f, true);
    wait_for(f, 0, BODY);
    engine_send(&f->engine, 0, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    engine_hang_up(&f->engine, 0);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_endpoint_truncated);
    assert_int_equal(f->engine.count, 1);
}

/* A body that is still coming, of which all that came is kept, or no more. */
static void stale_with_half_a_body(struct fixture *f, bool kept)
{
    begin(f, "http");
    exchange_once(f);
    f->request.length = f->body.len + 4;
    start(f, false);
    wait_for(f, 0, BODY);
    f->attempt.body_kept = kept;
    engine_hang_up(&f->engine, 0);
}

static void what_came_of_a_body_is_sent_again_while_it_is_kept(void **state)
{
    struct fixture *f = *state;

    stale_with_half_a_body(f, true);
    wait_for(f, 1, BODY);
    assert_true(rig_until(&f->rig, has_stream, f));
    buf_add(&f->attempt.stream->out, SLICE("more"));
    stream_send(f->attempt.stream);
    stream_send_end(f->attempt.stream, NULL);
    wait_for(f, 1, BODY "more");
    engine_send(&f->engine, 1, ANSWER);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_done);
}

static void a_body_that_is_not_kept_is_not_sent_again(void **state)
{
    struct fixture *f = *state;

    stale_with_half_a_body(f, false);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_endpoint_reset);
    assert_int_equal(f->engine.count, 1);
}

static void who_gives_up_is_noticed_by_the_engine(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    start(f, true);
    wait_for(f, 0, BODY);
    attempt_release(&f->attempt, &reason_client_gone);
    assert_true(rig_until(&f->rig, engine_saw_the_end, f));
}

static void giving_up_while_it_dials_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;

    begin(f, "http");
    start(f, true);
    attempt_release(&f->attempt, &reason_client_gone);
    assert_false(attempt_is_active(&f->attempt));
    attempt_release(&f->attempt, &reason_client_gone);
}

#define H2_SETTINGS "\0\0\0\4\0\0\0\0\0"
#define H2_HEADERS  "\0\0\1\1\4\0\0\0\1" /* a block of one byte follows: :status 200 */
#define H2_DATA     "\0\0\2\0\1\0\0\0\1ok"

static void send_bytes(struct fixture *f, const char *bytes, size_t len)
{
    assert_int_equal(send(f->engine.fds[0], bytes, len, MSG_NOSIGNAL), len);
}

static void a_head_over_http2_may_come_in_pieces(void **state)
{
    struct fixture *f = *state;

    begin(f, "h2c");
    start(f, true);
    wait_for(f, 0, BODY);
    send_bytes(f, H2_SETTINGS, sizeof(H2_SETTINGS) - 1);
    send_bytes(f, H2_HEADERS, sizeof(H2_HEADERS) - 1);
    f->until_us = clock_now_us() + 20 * CLOCK_US_PER_MS;
    assert_true(rig_until(&f->rig, time_has_passed, f));
    assert_null(f->attempt.reason);
    send_bytes(f, "\x88", 1);
    send_bytes(f, H2_DATA, sizeof(H2_DATA) - 1);
    assert_true(rig_until(&f->rig, is_over, f));
    assert_ptr_equal(f->attempt.reason, &reason_done);
    assert_true(slice_eq(buf_join(&f->attempt.stream->in), SLICE("ok")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_connection_is_used_again),
        TEST(a_stale_connection_is_replaced_unnoticed),
        TEST(a_fresh_connection_that_dies_is_not_replaced),
        TEST(a_second_stale_connection_ends_it),
        TEST(once_an_answer_has_begun_nothing_is_sent_again),
        TEST(what_came_of_a_body_is_sent_again_while_it_is_kept),
        TEST(a_body_that_is_not_kept_is_not_sent_again),
        TEST(who_gives_up_is_noticed_by_the_engine),
        TEST(giving_up_while_it_dials_leaves_nothing_behind),
        TEST(a_head_over_http2_may_come_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
