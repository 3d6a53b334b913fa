/*
 * Pools of connections: who waits is served or told, with as few dials as that takes.
 */
#include "tests/unit/upstream_rig.h"

#include "gateway/io/resolve.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WAITERS 8

struct wait {
    struct pool_waiter waiter;
    struct arena arena;
    struct stream *stream;
    const struct reason *reason;
};

struct fixture {
    struct rig rig;
    struct engine engine;
    struct wait waits[WAITERS];
    size_t count;
    struct conn *servers[ENGINE_CONNS_MAX]; /* HTTP/2 ends */
    size_t served;
    bool plain; /* the engine's end is sockets only */
};

static void on_stream(struct pool_waiter *waiter, struct stream *stream)
{
    CONTAINER_OF(waiter, struct wait, waiter)->stream = stream;
}

static void on_failed(struct pool_waiter *waiter, const struct reason *reason)
{
    CONTAINER_OF(waiter, struct wait, waiter)->reason = reason;
}

static void ask(struct fixture *f, struct origin *origin, bool fresh_only)
{
    struct wait *wait = &f->waits[f->count++];

    *wait = (struct wait){ .waiter = { .fresh_only = fresh_only,
                                       .arena = &wait->arena,
                                       .on_stream = on_stream,
                                       .on_failed = on_failed } };
    arena_init(&wait->arena, 1 << 20);
    list_init(&wait->waiter.link);
    wait->stream = pool_get(f->rig.worker, origin, &wait->waiter);
}

static void let_go(struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        pool_cancel(&f->waits[i].waiter);
        if (f->waits[i].stream)
            stream_release(f->waits[i].stream);
        arena_release(&f->waits[i].arena);
    }
    f->count = 0;
}

static void server_on_stream(struct conn *conn UNUSED, struct stream *stream UNUSED,
                             void *user UNUSED)
{
}

static void server_on_close(struct conn *conn, const struct reason *reason UNUSED, void *user)
{
    struct fixture *f = user;

    for (size_t i = 0; i < f->served; i++)
        if (f->servers[i] == conn)
            f->servers[i] = NULL;
}

static const struct conn_events server_events = { .on_stream = server_on_stream,
                                                  .on_close = server_on_close };

static const struct conn_settings server_settings = {
    .head = { .fields = 100, .bytes = 32768 },
    .target_bytes = 8192,
    .streams = 100,
    .window_bytes = STREAM_IN_BYTES,
    .handshake_ms = 10000,
    .head_ms = 10000,
    .idle_ms = 10000,
    .stall_ms = 10000,
};

/* Gives what was accepted to a codec, unless the end is plain sockets. */
static void serve(struct fixture *f)
{
    int fd;

    if (f->plain) {
        engine_turn(&f->engine);
        return;
    }
    while ((fd = accept4(f->engine.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        f->servers[f->served++] =
            conn_accept(f->rig.worker, fd, NULL, &server_settings, &server_events, f);
}

static bool all_know(void *user)
{
    struct fixture *f = user;

    serve(f);
    for (size_t i = 0; i < f->count; i++)
        if (!f->waits[i].stream && !f->waits[i].reason)
            return false;
    return true;
}

static bool nothing_is_open(void *user UNUSED)
{
    return metric_total(METRIC_ID_endpoint_connections) == 0;
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .plain = false };
    upstream_rig_open(&fixture.rig);
    engine_open(&fixture.engine);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    let_go(f);
    for (size_t i = 0; i < f->served; i++)
        if (f->servers[i])
            conn_close(f->servers[i], &reason_done);
    upstream_rig_close(&f->rig);
    engine_close(&f->engine);
    return 0;
}

static void who_waits_for_a_dead_endpoint_is_told_after_one_dial_each(void **state)
{
    struct fixture *f = *state;
    struct origin *origin;

    close(f->engine.listening);
    f->engine.listening = open("/dev/null", O_RDONLY | O_CLOEXEC);
    origin = rig_origin("http", "127.0.0.1", f->engine.port);
    for (size_t i = 0; i < WAITERS; i++)
        ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    for (size_t i = 0; i < WAITERS; i++)
        assert_ptr_equal(f->waits[i].reason, &reason_dial_failed);
    assert_int_equal(metric_total(METRIC_ID_dials), WAITERS);
    origin_unref(origin);
}

static void who_waits_for_a_name_is_told_after_one_question(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("http", "nobody.invalid", 80);

    resolver_set_servers(f->rig.worker->resolver, "127.0.0.1:1");
    for (size_t i = 0; i < WAITERS; i++)
        ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    for (size_t i = 0; i < WAITERS; i++)
        assert_ptr_equal(f->waits[i].reason, &reason_name_failed);
    assert_int_equal(metric_total(METRIC_ID_resolutions), 1);
    origin_unref(origin);
}

static void a_name_is_reached_at_whichever_address_answers(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("http", "localhost", f->engine.port);

    f->plain = true;
    ask(f, origin, false); /* the engine has no ::1 */
    assert_true(rig_until(&f->rig, all_know, f));
    assert_non_null(f->waits[0].stream);
    origin_unref(origin);
}

static void streams_share_one_http2_connection(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("h2c", "127.0.0.1", f->engine.port);

    for (size_t i = 0; i < WAITERS; i++)
        ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    for (size_t i = 0; i < WAITERS; i++)
        assert_non_null(f->waits[i].stream);
    assert_int_equal(metric_total(METRIC_ID_dials), 1);
    origin_unref(origin);
}

static void second_tries_share_one_fresh_http2_connection(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("h2c", "127.0.0.1", f->engine.port);

    ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    for (size_t i = 1; i < WAITERS; i++)
        ask(f, origin, true);
    assert_true(rig_until(&f->rig, all_know, f));
    for (size_t i = 0; i < WAITERS; i++)
        assert_non_null(f->waits[i].stream);
    assert_int_equal(metric_total(METRIC_ID_dials), 2);
    origin_unref(origin);
}

static void a_connection_that_was_idle_is_not_fresh(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("http", "127.0.0.1", f->engine.port);

    f->plain = true;
    ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    ask(f, origin, false);
    pool_cancel(&f->waits[1].waiter); /* its dial goes on, and nobody uses it */
    f->waits[1].reason = &reason_cancelled;
    assert_true(rig_turns(&f->rig));
    ask(f, origin, true);
    assert_null(f->waits[2].stream);
    assert_true(rig_until(&f->rig, all_know, f));
    assert_non_null(f->waits[2].stream);
    assert_int_equal(metric_total(METRIC_ID_dials), 3);
    origin_unref(origin);
}

static void an_origin_nobody_holds_is_gone_when_its_connections_are(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("http", "127.0.0.1", f->engine.port);

    f->plain = true;
    ask(f, origin, false);
    assert_true(rig_until(&f->rig, all_know, f));
    origin_unref(origin); /* the leak checker knows whether it is freed */
    let_go(f);
    assert_true(rig_until(&f->rig, nothing_is_open, f));
}

static void a_question_or_dial_that_nobody_waits_for_any_more_does_no_harm(void **state)
{
    struct fixture *f = *state;
    struct origin *origin = rig_origin("http", "127.0.0.1", f->engine.port);

    ask(f, origin, false);
    let_go(f);
    origin_unref(origin);
    assert_true(rig_turns(&f->rig));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_waits_for_a_dead_endpoint_is_told_after_one_dial_each,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_a_name_is_told_after_one_question, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_name_is_reached_at_whichever_address_answers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(streams_share_one_http2_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(second_tries_share_one_fresh_http2_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_was_idle_is_not_fresh, setup, teardown),
        cmocka_unit_test_setup_teardown(an_origin_nobody_holds_is_gone_when_its_connections_are,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_question_or_dial_that_nobody_waits_for_any_more_does_no_harm, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
