/*
 * Rounds: how many are asked at once, and who is known again in the next fleet.
 */
#include "tests/unit/fleet_rig.h"
#include "tests/unit/upstream_rig.h"

#include "routing/rounds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ENDPOINTS_MAX 4

struct fixture {
    struct rig rig;
    struct engine engine; /* takes connections and says nothing */
    struct fleet *fleet;
    size_t wanted; /* questions that are waited for */
    unsigned gone;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .gone = 0 };
    upstream_rig_open(&fixture.rig);
    engine_open(&fixture.engine);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fleet_unref(f->fleet);
    upstream_rig_close(&f->rig);
    engine_close(&f->engine);
    return 0;
}

/* Endpoints by the letters of `names`, all of them the engine. */
static struct fleet *fleet_of(struct fixture *f, const char *names)
{
    char endpoints[ENDPOINTS_MAX * 64], text[sizeof(endpoints) + 128];
    size_t at = 0;

    for (size_t i = 0; names[i]; i++)
        at +=
            (size_t)snprintf(endpoints + at, sizeof(endpoints) - at, "%s\"http://127.0.0.1:%u/%c\"",
                             i > 0 ? ", " : "", f->engine.port, names[i]);
    snprintf(text, sizeof(text),
             "models: [ { name: m, pool: p } ]\npools: [ { name: p, endpoints: [ %s ] } ]\n",
             endpoints);
    return rig_fleet(text, NULL, f->fleet);
}

static void follow(struct fixture *f, struct rounds *rounds, const char *names)
{
    struct fleet *fleet = fleet_of(f, names);

    rounds_follow(rounds, fleet);
    fleet_unref(f->fleet);
    f->fleet = fleet;
}

static const char *path(const struct pool *pool)
{
    (void)pool;
    return "/asked";
}

static unsigned timeout_ms(const struct pool *pool)
{
    (void)pool;
    return 60000;
}

static uint64_t on_answer(void *user, struct asked *asked, const struct reason *reason,
                          unsigned status, struct slice body)
{
    (void)user;
    (void)asked;
    (void)reason;
    (void)status;
    (void)body;
    return 60000;
}

static void on_gone(void *user, struct asked *asked)
{
    struct fixture *f = user;

    (void)asked;
    f->gone++;
}

static struct rounds_type type_of(unsigned at_once)
{
    return (struct rounds_type){
        .path = path,
        .timeout_ms = timeout_ms,
        .answer_bytes = 16,
        .at_once = at_once,
        .on_answer = on_answer,
        .on_gone = on_gone,
    };
}

static bool are_asked(void *user)
{
    struct fixture *f = user;
    size_t asked = 0;

    engine_turn(&f->engine);
    for (size_t i = 0; i < f->engine.count; i++)
        asked += engine_got(&f->engine, i, "\r\n\r\n");
    return asked >= f->wanted;
}

static void no_more_are_asked_at_once_than_may_be(void **state)
{
    static const struct {
        unsigned at_once;
        size_t wanted;
    } rows[] = {
        { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 3 }, { 0, 3 }, /* no limit but one an endpoint */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;
        struct rounds_type type = type_of(rows[i].at_once);
        struct rounds *rounds = rounds_new(f->rig.worker, &type, f);

        f->wanted = rows[i].wanted;
        follow(f, rounds, "abc");
        if (!rig_until(&f->rig, are_asked, f))
            fail_msg("row %zu: fewer are asked", i);
        assert_true(rig_turns(&f->rig));
        f->wanted++;
        if (are_asked(f))
            fail_msg("row %zu: more are asked", i);
        rounds_free(rounds);
        teardown(state);
        setup(state);
    }
}

/* What was noted of each, in the order of the fleet. */
static void expect_noted(struct rounds *rounds, const char *wanted)
{
    char noted[ENDPOINTS_MAX + 1] = "";
    size_t count = 0;

    for (struct asked *at = rounds_next(rounds, NULL); at; at = rounds_next(rounds, at))
        noted[count++] = at->good ? (char)at->good : '-';
    assert_string_equal(noted, wanted);
    assert_int_equal(rounds_count(rounds), count);
}

static void endpoints_are_known_again_in_the_next_fleet(void **state)
{
    struct fixture *f = *state;
    struct rounds_type type = type_of(1);
    struct rounds *rounds = rounds_new(f->rig.worker, &type, f);
    char letter = 'a';

    follow(f, rounds, "abcd");
    for (struct asked *at = rounds_next(rounds, NULL); at; at = rounds_next(rounds, at))
        at->good = (unsigned)letter++;
    expect_noted(rounds, "abcd");
    follow(f, rounds, "dcxa");
    expect_noted(rounds, "dc-a");
    assert_int_equal(f->gone, 1);
    follow(f, rounds, "yz");
    expect_noted(rounds, "--");
    assert_int_equal(f->gone, 5);
    rounds_free(rounds);
    assert_int_equal(f->gone, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_are_asked_at_once_than_may_be),
        TEST(endpoints_are_known_again_in_the_next_fleet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
