/*
 * Versions by weight and stickiness; the retry budget.
 */
#include "tests/unit/fleet_rig.h"

#include "routing/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define POOLS "pools: [ { name: p, endpoints: [ \"http://a\" ], retry: { budget: 20 } } ]\n"

#define SPLIT                                                                                      \
    "models:\n  - name: m\n    sticky: { header: X-Session-Id }\n    versions:\n"                  \
    "      - { name: a, pool: p, weight: 90 }\n      - { name: b, pool: p, weight: 0 }\n"          \
    "      - { name: c, pool: p, weight: 10 }\n"

struct fixture {
    struct fleet *fleet;
    struct arena arena;
    struct message request;
};

static int setup(void **state)
{
    static struct fixture f;

    f.fleet = rig_fleet(POOLS SPLIT, NULL, NULL);
    arena_init(&f.arena, 1 << 20);
    message_init(&f.request, &f.arena);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fleet_unref(f->fleet);
    arena_release(&f->arena);
    return 0;
}

static const struct version *version(struct fixture *f, uint64_t random)
{
    return router_version(&f->fleet->models[0], &f->request, random);
}

static void weights_are_shares(void **state)
{
    struct fixture *f = *state;
    unsigned counts[3] = { 0 };

    for (uint64_t i = 0; i < 1000; i++)
        counts[version(f, i * (UINT64_MAX / 1000))->index]++;
    assert_in_range(counts[0], 899, 901);
    assert_int_equal(counts[1], 0);
    assert_in_range(counts[2], 99, 101);
    assert_string_equal(version(f, 0)->name, "a");
    assert_string_equal(version(f, UINT64_MAX)->name, "c");
}

static void equal_sessions_get_equal_versions_in_the_right_shares(void **state)
{
    struct fixture *f = *state;
    unsigned counts[3] = { 0 };

    for (int i = 0; i < 2000; i++) {
        const struct version *first;

        message_init(&f->request, &f->arena);
        message_put_other(&f->request, SLICE("x-session-id"),
                          arena_printf(&f->arena, "session %d", i));
        first = version(f, 0);
        assert_ptr_equal(first, version(f, UINT64_MAX));
        counts[first->index]++;
    }
    assert_in_range(counts[0], 1740, 1860);
    assert_int_equal(counts[1], 0);
}

static void a_budget_is_paid_in_by_exchanges_and_taken_out_by_retries(void **state)
{
    struct fixture *f = *state;
    const struct pool *pool = &f->fleet->pools[0];
    unsigned taken = 0;

    while (taken < 1000 && router_take_retry(pool)) /* what a pool begins with */
        taken++;
    assert_int_equal(taken, 10);
    for (int i = 0; i < 4; i++)
        router_pay_budget(pool);
    assert_false(router_take_retry(pool));
    router_pay_budget(pool);
    assert_true(router_take_retry(pool));
    assert_false(router_take_retry(pool));
    for (int i = 0; i < 100000; i++)
        router_pay_budget(pool);
    for (taken = 0; taken < 1000 && router_take_retry(pool);)
        taken++;
    assert_int_equal(taken, 100);
}

static void nobody_is_chosen_where_every_weight_is_nothing(void **state)
{
    struct fixture *f = *state;
    struct model model = f->fleet->models[0];

    model.weight_sum = 0; /* a configuration cannot say so: see the fleet's tests */
    assert_null(router_version(&model, &f->request, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(weights_are_shares),
        TEST(equal_sessions_get_equal_versions_in_the_right_shares),
        TEST(a_budget_is_paid_in_by_exchanges_and_taken_out_by_retries),
        TEST(nobody_is_chosen_where_every_weight_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
