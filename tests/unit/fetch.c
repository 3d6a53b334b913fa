/*
 * The gateway's own small requests: one callback each, whatever the engine does.
 */
#include "tests/unit/upstream_rig.h"

#include "gateway/upstream/fetch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIMIT      16
#define TIMEOUT_MS 100

struct fixture {
    struct rig rig;
    struct engine engine;
    struct origin *origin;
    const char *answer; /* what the engine says; NULL: it hangs up; "": nothing */
    bool answered;
    unsigned calls;
    const struct reason *reason;
    unsigned status;
    char body[LIMIT + 1];
};

static void on_done(void *user, const struct reason *reason, unsigned status, struct slice body)
{
    struct fixture *f = user;

    f->calls++;
    f->reason = reason;
    f->status = status;
    assert_true(body.len <= LIMIT);
    memcpy(f->body, body.at ? body.at : "", body.len);
    f->body[body.len] = '\0';
}

static bool is_done(void *user)
{
    struct fixture *f = user;

    engine_turn(&f->engine);
    if (!f->answered && engine_got(&f->engine, 0, "\r\n\r\n")) {
        f->answered = true;
        if (f->answer)
            engine_send(&f->engine, 0, f->answer);
        else
            engine_hang_up(&f->engine, 0);
    }
    return f->calls > 0;
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .answer = "" };
    upstream_rig_open(&fixture.rig);
    engine_open(&fixture.engine);
    fixture.origin = rig_origin("http", "127.0.0.1", fixture.engine.port);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    origin_unref(f->origin);
    upstream_rig_close(&f->rig);
    engine_close(&f->engine);
    return 0;
}

static struct fetch *get(struct fixture *f, struct slice authorization)
{
    return fetch_get(f->rig.worker, f->origin, SLICE("/health"), authorization, LIMIT, TIMEOUT_MS,
                     on_done, f);
}

static void every_end_is_told_once(void **state)
{
    static const struct {
        const char *answer;
        const struct reason *reason;
        unsigned status;
        const char *body;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", NULL, 200, "ok" },
        { "HTTP/1.1 204 No Content\r\n\r\n", NULL, 204, "" },
        { "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", NULL, 503, "" },
        { "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", NULL, 200,
          "ok" },
        { "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789", NULL, 200,
          "0123456789012345" },
        { "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", &reason_first_token_timeout, 0, "ok" },
        { "", &reason_first_token_timeout, 0, "" },
        { "rubbish\r\n\r\n", &reason_endpoint_malformed, 0, "" },
        { NULL, &reason_endpoint_reset, 0, "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;

        f->answer = rows[i].answer;
        get(f, SLICE(""));
        if (!rig_until(&f->rig, is_done, f))
            fail_msg("row %zu never ended", i);
        assert_true(rig_turns(&f->rig));
        if (f->calls != 1 || f->reason != rows[i].reason || f->status != rows[i].status ||
            strcmp(f->body, rows[i].body) != 0)
            fail_msg("row %zu: %u calls, %s, status %u, `%s`", i, f->calls,
                     f->reason ? f->reason->name : "no reason", f->status, f->body);
        teardown(state);
        setup(state);
    }
}

static void the_request_names_host_key_and_program(void **state)
{
    struct fixture *f = *state;
    char host[64];
    struct slice got;

    f->answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    get(f, SLICE("Bearer k"));
    assert_true(rig_until(&f->rig, is_done, f));
    got = buf_join(&f->engine.got[0]);
    snprintf(host, sizeof(host), "host: 127.0.0.1:%u\r\n", f->engine.port);
    assert_true(slice_starts(got, SLICE("GET /health HTTP/1.1\r\n")));
    for (size_t i = 0; i < 3; i++) {
        const char *wanted[] = { host, "authorization: Bearer k\r\n", "user-agent: sluice/" };

        if (!memmem(got.at, got.len, wanted[i], strlen(wanted[i])))
            fail_msg("no `%s` in %.*s", wanted[i], SLICE_ARGS(got));
    }
}

static void a_cancelled_one_calls_nobody(void **state)
{
    struct fixture *f = *state;

    fetch_cancel(get(f, SLICE("")));
    fetch_cancel(NULL);
    assert_true(rig_turns(&f->rig));
    assert_int_equal(f->calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_end_is_told_once),
        TEST(the_request_names_host_key_and_program),
        TEST(a_cancelled_one_calls_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
