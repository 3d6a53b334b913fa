/*
 * What is at an endpoint: histories as text, and what is counted after them.
 */
#include "routing/signals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SHARES 4

/*
 * A history: "s0" share 0 is sent (1,000 tokens, 400 uncached, 0.5 s), "f0" its first token, "t0"
 * ten more tokens, "e0" it ends. Each takes a second.
 */
struct row {
    const char *why;
    const char *history;
    double queued_s, head_s, queued_tokens, live_tokens;
    int prefills, decodes;
};

static const struct row rows[] = {
    { "nothing", "", 0, 0, 0, 0, 0, 0 },
    { "one is sent", "s0", 0.5, 1, 400, 1000, 1, 0 },
    { "the first one's age counts", "s0 s1", 1, 2, 800, 2000, 2, 0 },
    { "a first token begins the next one's", "s0 s1 f0", 0.5, 1, 400, 2000, 1, 1 },
    { "a queue that was empty begins anew", "s0 f0 s1", 0.5, 1, 400, 2000, 1, 1 },
    { "the answer grows", "s0 f0 t0 t0", 0, 0, 0, 1020, 0, 1 },
    { "the end takes all of it", "s0 f0 t0 e0", 0, 0, 0, 0, 0, 0 },
    { "an end before the first token", "s0 s1 e0", 0.5, 1, 400, 1000, 1, 0 },
    { "a second first token is none", "s0 f0 f0", 0, 0, 0, 1000, 0, 1 },
    { "a second end is none", "s0 s1 e0 e0", 0.5, 2, 400, 1000, 1, 0 },
    { "what was never sent", "f0 t0 e0", 0, 0, 0, 0, 0, 0 },
    { "it may come again", "s0 e0 s0", 0.5, 1, 400, 1000, 1, 0 },
};

static uint64_t play(struct signals *signals, struct share *shares, const char *history)
{
    uint64_t now_us = 1000000;

    for (const char *at = history; *at; at += at[2] ? 3 : 2) {
        struct share *share = &shares[at[1] - '0'];

        if (at[0] == 's')
            signals_sent(signals, share, 1000, 400, 0.5, now_us);
        else if (at[0] == 'f')
            signals_first_token(signals, share, now_us);
        else if (at[0] == 't')
            signals_tokens(signals, share, 10);
        else
            signals_ended(signals, share, now_us);
        now_us += 1000000;
    }
    return now_us;
}

static void assert_near(const char *why, const char *what, double got, double wanted)
{
    if (got < wanted - 1e-9 || got > wanted + 1e-9)
        fail_msg("%s: %s is %f, not %f", why, what, got, wanted);
}

static void histories_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct signals signals = { 0 };
        struct share shares[SHARES] = { 0 };
        struct load load;

        signals_read(&signals, play(&signals, shares, row->history), &load);
        assert_near(row->why, "queued_s", load.queued_s, row->queued_s);
        assert_near(row->why, "head_s", load.head_s, row->head_s);
        assert_near(row->why, "queued_tokens", load.queued_tokens, row->queued_tokens);
        assert_near(row->why, "live_tokens", load.live_tokens, row->live_tokens);
        assert_near(row->why, "prefills", load.prefills, row->prefills);
        assert_near(row->why, "decodes", load.decodes, row->decodes);
    }
}

/* With 1,000 live tokens; metrics say the same `times` times. */
static const struct {
    const char *why;
    uint64_t capacity;
    double usage;
    int times;
    double used, known; /* tokens */
} cache_rows[] = {
    { "nothing was said", 0, 0, 0, 1000, 0 },
    { "all of it", 10000, 0.1, 1, 1000, 10000 },
    { "half is shared", 10000, 0.05, 1, 500, 10000 },
    { "more than we sent is not ours", 10000, 0.9, 1, 1000, 10000 },
    { "no engine works with nothing", 10000, 0, 1, 50, 10000 },
    { "a claim of less than nothing", 10000, -5, 100, 50, 10000 },
    { "a capacity of nothing is unknown", 0, 1, 1, 50, 0 },
};

static void shared_blocks_are_learned(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cache_rows); i++) {
        struct signals signals = { 0 };
        struct share share = { 0 };
        struct load load;

        signals_sent(&signals, &share, 1000, 400, 0.5, 0);
        for (int j = 0; j < cache_rows[i].times; j++)
            signals_cache(&signals, cache_rows[i].capacity, cache_rows[i].usage);
        signals_read(&signals, 0, &load);
        assert_near(cache_rows[i].why, "used", load.used, cache_rows[i].used);
        assert_near(cache_rows[i].why, "capacity", load.capacity, cache_rows[i].known);
    }
}

/* One odd page changes little; many are believed. */
static void shared_follows_slowly(void **state)
{
    struct signals signals = { 0 };
    struct share share = { 0 };
    struct load load;

    (void)state;
    signals_sent(&signals, &share, 1000, 400, 0.5, 0);
    signals_cache(&signals, 10000, 0.1);
    signals_cache(&signals, 10000, 0.05);
    signals_read(&signals, 0, &load);
    assert_near("once", "used", load.used, 950);
    for (int i = 0; i < 200; i++)
        signals_cache(&signals, 10000, 0.05);
    signals_read(&signals, 0, &load);
    assert_true(load.used > 499 && load.used < 501);
}

static const struct {
    double prefill_s, queued_s;
} prefill_rows[] = {
    { 0, 0 },         { 86399, 86399 }, { 86400, 86400 },
    { 86401, 86400 }, { 1e300, 86400 }, { INFINITY, 86400 },
    { -1, 0 },        { -INFINITY, 0 }, { NAN, 0 },
};

static void no_prediction_spoils_the_queue(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prefill_rows); i++) {
        struct signals signals = { 0 };
        struct share share = { 0 };
        struct load load;

        signals_sent(&signals, &share, 1000, 400, prefill_rows[i].prefill_s, 0);
        signals_read(&signals, 0, &load);
        assert_near("sent", "queued_s", load.queued_s, prefill_rows[i].queued_s);
        signals_ended(&signals, &share, 0);
        signals_read(&signals, 0, &load);
        assert_near("ended", "queued_s", load.queued_s, 0);
    }
}

/* Half a second each. */
static void prefill_is_over_after_those_before_it(void **state)
{
    struct signals signals = { 0 };
    struct share shares[3] = { 0 };
    struct load before;

    (void)state;
    for (uint64_t i = 0; i < ARRAY_LEN(shares); i++) {
        signals_read(&signals, 7000000, &before);
        signals_sent(&signals, &shares[i], 1000, 400, 0.5, 7000000);
        assert_int_equal(signals_prefilled_us(&before, &shares[i]), 7000000 + (i + 1) * 500000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_are_counted),
        cmocka_unit_test(shared_blocks_are_learned),
        cmocka_unit_test(shared_follows_slowly),
        cmocka_unit_test(no_prediction_spoils_the_queue),
        cmocka_unit_test(prefill_is_over_after_those_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
