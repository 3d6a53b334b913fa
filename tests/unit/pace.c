/*
 * What an endpoint's times teach: endpoints with a true pace, watched for so many exchanges.
 */
#include "routing/pace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define STEP_TOKENS 8192.0

/* As factors of pace_default; network_s is in every time to a first token, and no term stands for
 * it but that of steps. */
struct truth {
    double prefill, square, step, network_s;
};

struct row {
    const char *why;
    struct truth truth;
    unsigned exchanges;
    unsigned odd; /* every so many's time is a hundred times what it should be; 0: none */
    double prefill_low, prefill_high; /* factors of the default's that are fine, 8,000 tokens */
    double short_low, short_high;     /* the same, 100 tokens without the step */
    double step_low, step_high;
};

static const struct row rows[] = {
    { "as expected", { 1, 1, 1, 0 }, 50, 0, 0.99, 1.05, 0.95, 1.05, 0.99, 1.05 },
    { "four times slower", { 4, 4, 4, 0 }, 30, 0, 3.9, 4.1, 3.9, 4.1, 3.9, 4.1 },
    { "soon known", { 4, 4, 4, 0 }, 12, 0, 3.0, 4.2, 3.0, 4.2, 3.0, 4.2 },
    { "half as slow", { 0.5, 0.5, 0.5, 0 }, 30, 0, 0.49, 0.52, 0.49, 0.52, 0.49, 0.52 },
    { "a hundred times faster",
      { 0.01, 0.01, 0.01, 0 },
      100,
      0,
      0.009,
      0.012,
      0.009,
      0.012,
      0.009,
      0.012 },
    { "far away: tokens are as ever", { 1, 1, 1, 0.1 }, 100, 0, 0.95, 1.1, 0.95, 1.1, 0.99, 1.05 },
    { "slow steps: so are they", { 1, 1, 3, 0 }, 100, 0, 0.95, 1.1, 0.95, 1.1, 2.9, 3.1 },
    { "one in ten is odd", { 1, 1, 1, 0 }, 100, 10, 0.99, 1.5, 0.9, 1.5, 0.99, 1.5 },
    { "one alone changes little", { 4, 4, 4, 0 }, 1, 0, 1.1, 2.1, 1.1, 2.1, 1.1, 2.6 },
    { "nothing was seen", { 4, 4, 4, 0 }, 0, 0, 1, 1, 1, 1, 1, 1 },
};

/* Tokens of the prompts, one after the other: most are short. */
static const uint32_t lengths[] = { 200, 12000, 700, 3000, 60, 40000, 1500, 8000 };

struct rig {
    struct pace_learner endpoint, pool;
    struct signals signals;
    uint64_t now_us;
};

static void pass(struct rig *rig, double seconds)
{
    rig->now_us += (uint64_t)(seconds * 1e6);
}

static struct pace pace_of(const struct truth *truth)
{
    struct pace pace = pace_default;

    pace.token_s *= truth->prefill;
    pace.square_s *= truth->square;
    pace.step_s *= truth->step;
    pace.sequence_s *= truth->step;
    pace.context_s *= truth->step;
    return pace;
}

static void exchange(struct rig *rig, const struct truth *truth, uint32_t tokens, double odd)
{
    struct pace_learners learners = { &rig->endpoint, &rig->pool };
    struct pace pace = pace_of(truth);
    struct pace_watch watch = { 0 };
    struct share share = { 0 };
    struct load before;

    signals_read(&rig->signals, rig->now_us, &before);
    pace_watch_sent(&watch, &before, tokens, rig->now_us);
    signals_sent(&rig->signals, &share, tokens, tokens, 1, rig->now_us);
    pass(rig, odd * (truth->network_s + (1 + floor(tokens / STEP_TOKENS)) * pace.step_s +
                     pace_prefill_s(&pace, tokens, tokens)));
    pace_watch_first(&watch, &rig->signals, rig->now_us);
    signals_first_token(&rig->signals, &share, rig->now_us);
    for (int i = 0; i < 20; i++) {
        signals_tokens(&rig->signals, &share, 1);
        pace_watch_contents(&watch, &learners, &rig->signals, 1, rig->now_us);
        pass(rig, odd * pace_step_s(&pace, 1, share.tokens));
    }
    pace_watch_ended(&watch, &learners, tokens, STEP_TOKENS, rig->now_us);
    signals_ended(&rig->signals, &share, rig->now_us);
}

static void assert_between(const char *why, const char *what, double got, double low, double high)
{
    if (!(got >= low - 1e-9 && got <= high + 1e-9))
        fail_msg("%s: %s is %f of the default, not %f to %f", why, what, got, low, high);
}

static void assert_row(const struct row *row, const struct pace *pace)
{
    assert_between(row->why, "a long prefill",
                   pace_prefill_s(pace, 8000, 8000) / pace_prefill_s(&pace_default, 8000, 8000),
                   row->prefill_low, row->prefill_high);
    assert_between(row->why, "a short prefill",
                   pace_prefill_s(pace, 100, 100) / pace_prefill_s(&pace_default, 100, 100),
                   row->short_low, row->short_high);
    assert_between(row->why, "a step",
                   pace_step_s(pace, 1, 5000) / pace_step_s(&pace_default, 1, 5000), row->step_low,
                   row->step_high);
}

static void truth_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct rig rig = { .now_us = 1000000 };
        struct pace pool, pace;

        for (unsigned k = 0; k < row->exchanges; k++)
            exchange(&rig, &row->truth, lengths[k % ARRAY_LEN(lengths)],
                     row->odd > 0 && k % row->odd == 5 ? 100 : 1);
        pace_read_pool(&rig.pool, &pool);
        pace_read(&rig.endpoint, &pool, rig.now_us, &pace);
        assert_row(row, &pace);
    }
}

/* What is known of the others stands in for what it has not shown, or not lately. */
static void the_pool_stands_in(void **state)
{
    static const struct truth fast = { 0.25, 0.25, 0.25, 0 }, slow = { 1, 1, 1, 0 };
    struct rig rig = { .now_us = 1000000 };
    struct pace_learner fresh = { 0 };
    struct pace pool, pace;

    (void)state;
    for (unsigned k = 0; k < 40; k++)
        exchange(&rig, &fast, lengths[k % ARRAY_LEN(lengths)], 1);
    pace_read_pool(&rig.pool, &pool);
    assert_between("pool", "a token", pool.token_s / pace_default.token_s, 0.24, 0.32);
    pace_read(&fresh, &pool, rig.now_us, &pace);
    assert_true(pace.token_s == pool.token_s && pace.step_s == pool.step_s);

    rig.endpoint = fresh;
    for (unsigned k = 0; k < 20; k++)
        exchange(&rig, &slow, lengths[k % ARRAY_LEN(lengths)], 1);
    pace_read(&rig.endpoint, &pool, rig.now_us, &pace);
    assert_between("shown", "a token", pace.token_s / pace_default.token_s, 0.85, 1.1);
    pace_read(&rig.endpoint, &pool, rig.now_us + 3600000000u, &pace);
    assert_between("long ago", "a token", pace.token_s / pace_default.token_s, 0.24, 0.32);
}

/* Prefills beside it, or a reader that paused: no step's time can be told. */
static void disturbed_windows_teach_nothing(void **state)
{
    struct rig rig = { .now_us = 1000000 };
    struct pace_learners learners = { &rig.endpoint, &rig.pool };
    struct pace_watch watch = { 0 };
    struct share mine = { 0 }, other = { 0 };
    struct load before = { 0 };

    (void)state;
    pace_watch_sent(&watch, &before, 100, rig.now_us);
    signals_sent(&rig.signals, &mine, 100, 100, 1, rig.now_us);
    signals_first_token(&rig.signals, &mine, rig.now_us);
    for (int i = 0; i < 100; i++) {
        if (i % 5 == 0)
            pace_watch_paused(&watch);
        pace_watch_contents(&watch, &learners, &rig.signals, 1, rig.now_us);
        pass(&rig, 1);
    }
    for (int i = 0; i < 100; i++) {
        if (i % 4 == 0) {
            signals_sent(&rig.signals, &other, 100, 100, 1, rig.now_us);
            signals_ended(&rig.signals, &other, rig.now_us);
        }
        pace_watch_contents(&watch, &learners, &rig.signals, 1, rig.now_us);
        pass(&rig, 1);
    }
    assert_int_equal(rig.endpoint.step.count, 0);
}

static void short_prefills_behind_others_teach_nothing(void **state)
{
    struct rig rig = { .now_us = 1000000 };
    struct pace_learners learners = { &rig.endpoint, &rig.pool };
    struct load before = { .prefills = 1 };
    struct pace_watch watch = { 0 };

    (void)state;
    for (uint32_t tokens = 1; tokens < 20000; tokens += 4000) {
        uint32_t known = rig.endpoint.first.count;

        pace_watch_sent(&watch, &before, tokens, rig.now_us);
        pass(&rig, 1);
        pace_watch_first(&watch, &rig.signals, rig.now_us);
        pace_watch_ended(&watch, &learners, tokens, STEP_TOKENS, rig.now_us);
        assert_int_equal(rig.endpoint.first.count - known, tokens >= 4096);
    }
}

/* What an engine says it computed of a prompt that was taken for 200 tokens, after a second. */
static void say(struct rig *rig, uint32_t uncached, double step_tokens)
{
    struct pace_learners learners = { &rig->endpoint, &rig->pool };
    struct load before = { 0 };
    struct pace_watch watch = { 0 };

    pace_watch_sent(&watch, &before, 200, rig->now_us);
    pass(rig, 1);
    pace_watch_first(&watch, &rig->signals, rig->now_us);
    pace_watch_ended(&watch, &learners, uncached, step_tokens, rig->now_us);
}

static const struct {
    const char *why;
    uint32_t uncached;
    double step_tokens;
} disagreements[] = {
    { "a few more than were counted", 210, STEP_TOKENS },
    { "twice as many, and one", 401, STEP_TOKENS },
    { "a film", 60000, STEP_TOKENS },
    { "a lie", UINT32_MAX, STEP_TOKENS },
    { "steps of nothing", 200, 0 },
    { "steps of nearly nothing", UINT32_MAX, 1e-300 },
};

/* Usage that was not foreseen, whatever it is, is outlived by honest samples. */
static void what_engines_say_is_outlived(void **state)
{
    static const struct truth honest = { 2, 1, 2, 0 };
    struct pace truth = pace_of(&honest);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(disagreements); i++) {
        struct rig rig = { .now_us = 1000000 };
        struct pace pool, pace;

        for (unsigned k = 0; k < 20; k++)
            exchange(&rig, &honest, lengths[k % ARRAY_LEN(lengths)], 1);
        for (unsigned k = 0; k < 5; k++)
            say(&rig, disagreements[i].uncached, disagreements[i].step_tokens);
        pace_read_pool(&rig.pool, &pool);
        assert_between(disagreements[i].why, "a token", pool.token_s / pace_default.token_s, 0.01,
                       100);
        for (unsigned k = 0; k < 400; k++)
            exchange(&rig, &honest, lengths[k % ARRAY_LEN(lengths)], 1);
        pace_read_pool(&rig.pool, &pool);
        pace_read(&rig.endpoint, &pool, rig.now_us, &pace);
        assert_between(disagreements[i].why, "a token, later", pool.token_s / truth.token_s, 0.9,
                       1.1);
        assert_between(disagreements[i].why, "a prefill, later",
                       pace_prefill_s(&pace, 8000, 8000) / pace_prefill_s(&truth, 8000, 8000), 0.9,
                       1.1);
    }
}

static void prefill_has_a_square_part(void **state)
{
    (void)state;
    /* 62.8 us * 10,000 + 2.36 ns * 10,000 * 5,000 */
    assert_between("cold", "s", pace_prefill_s(&pace_default, 10000, 10000), 0.746, 0.746);
    assert_between("half is cached", "s", pace_prefill_s(&pace_default, 10000, 5000), 0.4025,
                   0.4025);
    assert_between("nothing", "s", pace_prefill_s(&pace_default, 10000, 0), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_is_found),
        cmocka_unit_test(the_pool_stands_in),
        cmocka_unit_test(disturbed_windows_teach_nothing),
        cmocka_unit_test(short_prefills_behind_others_teach_nothing),
        cmocka_unit_test(what_engines_say_is_outlived),
        cmocka_unit_test(prefill_has_a_square_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
