/*
 * Which endpoints get requests, and how many, after what was seen of them.
 */
#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "routing/health.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S CLOCK_US_PER_S

struct fixture {
    struct metric_shard *metrics;
    struct endpoint endpoint;
    struct health_conf conf;
};

static void print(const struct log_subject *subject, char *text, size_t size)
{
    (void)subject;
    snprintf(text, size, "e");
}

static int setup(void **state)
{
    static struct fixture f;

    log_level = LOG_ERROR;
    f = (struct fixture){
        .metrics = metric_shard_new(),
        .endpoint = { .subject = { print },
                      .name = (char *)"http://e:1",
                      .pool_name = "p",
                      .state = endpoint_state_new() },
        .conf = { .eject_after = 3, .eject_for = 10000, .slow_return = 10000, .panic = 30 },
    };
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    endpoint_state_unref(f->endpoint.state);
    metric_shard_free(f->metrics);
    return 0;
}

static void report(struct fixture *f, uint64_t now_us, const char *ends)
{
    for (; *ends; ends++)
        health_report(&f->endpoint, &f->conf, f->metrics, now_us, *ends == '-');
}

static bool is_out(struct fixture *f, uint64_t now_us)
{
    return health_weight(&f->endpoint, &f->conf, now_us) == 0;
}

static void failures_in_a_row_eject(void **state)
{
    static const struct {
        const char *ends;
        uint64_t eject_after;
        bool out;
    } rows[] = {
        { "", 3, false },      { "--", 3, false },    { "---", 3, true },    { "--+--", 3, false },
        { "+++---", 3, true }, { "------", 3, true }, { "-", 1, true },      { "+-", 1, true },
        { "-", 0, false },     { "-----", 0, false }, { "--+---", 3, true },
    };

    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        endpoint_state_unref(f->endpoint.state);
        f->endpoint.state = endpoint_state_new();
        f->conf.eject_after = rows[i].eject_after;
        report(f, 100 * S, rows[i].ends);
        if (is_out(f, 100 * S) != rows[i].out)
            fail_msg("%s after %d: out %d", rows[i].ends, (int)rows[i].eject_after,
                     is_out(f, 100 * S));
    }
}

static void a_bound_that_was_lowered_counts_at_once(void **state)
{
    struct fixture *f = *state;

    f->conf.eject_after = 5;
    report(f, 100 * S, "----");
    f->conf.eject_after = 3;
    report(f, 100 * S, "-");
    assert_true(is_out(f, 100 * S));
    assert_int_equal(metric_total(METRIC_ID_ejections), 1);
}

static void it_returns_when_its_time_is_over_and_slowly(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t at_s;
        double weight;
    } rows[] = { { 100, 0 },   { 109, 0 },   { 110, 0.1 }, { 111, 0.1 },
                 { 115, 0.5 }, { 119, 0.9 }, { 120, 1 },   { 1000, 1 } };

    report(f, 100 * S, "---");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double weight = health_weight(&f->endpoint, &f->conf, rows[i].at_s * S);

        if (fabs(weight - rows[i].weight) > 1e-9)
            fail_msg("at %d s: %f, not %f", (int)rows[i].at_s, weight, rows[i].weight);
    }
}

static void a_clock_that_is_behind_the_return_sees_its_beginning(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->endpoint.state->returned_us, 100 * S);
    assert_true(health_weight(&f->endpoint, &f->conf, 100 * S - 1) <= 0.1);
    assert_true(health_weight(&f->endpoint, &f->conf, 100 * S - 1) > 0);
}

static void ejections_in_a_row_last_longer_each_up_to_64_times(void **state)
{
    struct fixture *f = *state;
    uint64_t now_us = 100 * S;

    for (unsigned n = 0; n < 9; n++) {
        uint64_t expected_us = 10 * S << (n < 6 ? n : 6);

        report(f, now_us, "---");
        if (!is_out(f, now_us + expected_us - 1) || is_out(f, now_us + expected_us))
            fail_msg("ejection %u does not last %d s", n, (int)(expected_us / S));
        now_us += expected_us;
    }
}

static void a_good_answer_after_the_return_forgives_all(void **state)
{
    struct fixture *f = *state;

    report(f, 100 * S, "---");
    report(f, 110 * S + 1, "+"); /* while it returns: not yet */
    assert_int_equal(atomic_load(&f->endpoint.state->ejections), 1);
    report(f, 121 * S, "+");
    assert_int_equal(atomic_load(&f->endpoint.state->ejections), 0);
}

static void late_failures_of_one_that_is_out_do_not_prolong_it(void **state)
{
    struct fixture *f = *state;

    report(f, 100 * S, "---");
    report(f, 105 * S, "------");
    assert_false(is_out(f, 110 * S));
    assert_int_equal(metric_total(METRIC_ID_ejections), 1);
}

static void what_probes_or_the_configuration_took_out_is_out(void **state)
{
    struct fixture *f = *state;

    assert_false(is_out(f, 1));
    atomic_store(&f->endpoint.state->probe_failing, true);
    assert_true(is_out(f, 1));
    atomic_store(&f->endpoint.state->probe_failing, false);
    atomic_store(&f->endpoint.state->gone, true);
    assert_true(is_out(f, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failures_in_a_row_eject),
        TEST(a_bound_that_was_lowered_counts_at_once),
        TEST(it_returns_when_its_time_is_over_and_slowly),
        TEST(a_clock_that_is_behind_the_return_sees_its_beginning),
        TEST(ejections_in_a_row_last_longer_each_up_to_64_times),
        TEST(a_good_answer_after_the_return_forgives_all),
        TEST(late_failures_of_one_that_is_out_do_not_prolong_it),
        TEST(what_probes_or_the_configuration_took_out_is_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
