/*
 * Prices of endpoints, term by term, and who is chosen.
 */
#include "routing/price.h"

#include "conf/directive.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* 1 ms a token, nothing squared; steps of 10 ms, 1 ms a sequence, 1 us a token of context. */
static const struct pace pace = { 1e-3, 0, 10e-3, 1e-3, 1e-6 };

/* An endpoint with this load; the request has 1,000 tokens and 100 to come. */
struct row {
    const char *why;
    struct load load;
    uint32_t cached;
    enum scorer_id term;
    double seconds; /* with all weights 1 */
};

#define LOAD(...)                                                                                  \
    {                                                                                              \
        .shared = 1, __VA_ARGS__                                                                   \
    }

static const struct row rows[] = {
    { "idle: no wait", LOAD(.queued_s = 0), 0, SCORER_wait, 0 },
    { "what is queued", LOAD(.queued_s = 2, .prefills = 2), 0, SCORER_wait, 2 },
    { "the first is half done", LOAD(.queued_s = 2, .prefills = 2, .head_s = 0.5), 0, SCORER_wait,
      1.55 },
    { "and not more than done", LOAD(.queued_s = 2, .prefills = 2, .head_s = 60), 0, SCORER_wait,
      1 },
    { "all of it", LOAD(.queued_s = 0), 0, SCORER_prefill, 1 },
    { "what is not cached", LOAD(.queued_s = 0), 600, SCORER_prefill, 0.4 },
    { "something is always computed", LOAD(.queued_s = 0), 1000, SCORER_prefill, 0.001 },
    { "more cached than asked for", LOAD(.queued_s = 0), 5000, SCORER_prefill, 0.001 },
    { "half of the fleet is busy", LOAD(.queued_s = 0), 600, SCORER_recompute, 0.3 },
    { "one step", LOAD(.queued_s = 0), 0, SCORER_steps, 0.01 },
    { "a step grows with the batch", LOAD(.decodes = 5, .live_tokens = 1000), 0, SCORER_steps,
      0.016 },
    { "three steps", LOAD(.queued_tokens = 15400, .prefills = 1), 0, SCORER_steps, 0.03 },
    { "nobody to harm", LOAD(.queued_s = 1, .prefills = 3), 0, SCORER_harm, 0 },
    { "five are stalled", LOAD(.decodes = 5), 500, SCORER_harm, 2.5 },
    { "nobody slows it", LOAD(.queued_s = 0), 0, SCORER_decode, 0 },
    { "it and five others", LOAD(.decodes = 5, .live_tokens = 10000), 0, SCORER_decode, 2.5 },
    { "unknown capacity is not zero", LOAD(.live_tokens = 1e9, .used = 1e9), 0, SCORER_pressure,
      0 },
    { "it fits to the token", LOAD(.used = 8900, .capacity = 10000), 0, SCORER_pressure, 0 },
    { "a tenth too much", LOAD(.used = 9900, .capacity = 10000), 0, SCORER_pressure, 0.1 },
    { "half of it is shared",
      { .shared = 0.5, .used = 9400, .capacity = 10000 },
      0,
      SCORER_pressure,
      0 },
    { "alone it is let try", LOAD(.used = 0, .capacity = 10), 0, SCORER_pressure, 0 },
};

static const struct price_request request = {
    .tokens = 1000, .output = 100, .busy = 0.5, .key = 1
};

static struct price_conf conf_of(double weight)
{
    struct price_conf conf;

    price_conf_default(&conf);
    for (size_t i = 0; i < SCORER_COUNT; i++)
        conf.weights[i] = weight;
    return conf;
}

static void terms_are_seconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct price_candidate at = { .pace = &pace, .load = row->load, .cached = row->cached };
        struct price_conf once = conf_of(1), thrice = conf_of(3);
        struct price price, weighted;
        double sum = 0;

        price_of(&once, &request, &at, &price);
        price_of(&thrice, &request, &at, &weighted);
        if (price.terms[row->term] < row->seconds - 1e-9 ||
            price.terms[row->term] > row->seconds + 1e-9)
            fail_msg("%s: %s is %f, not %f", row->why, scorer_names[row->term],
                     price.terms[row->term], row->seconds);
        for (size_t j = 0; j < SCORER_COUNT; j++)
            sum += price.terms[j];
        assert_true(price.total_s > sum - 1e-9 && price.total_s < sum + 1e-9);
        assert_true(weighted.total_s > 3 * sum - 1e-9 && weighted.total_s < 3 * sum + 1e-9);
    }
}

/* 8 us a token from host memory, 52 from disk: less than to compute it. */
static void what_is_not_at_hand_is_loaded(void **state)
{
    struct price_candidate near = { .pace = &pace, .cached = 600 };
    struct price_candidate far = {
        .pace = &pace, .cached = 600, .on_host = 300, .on_disk = 100, .loads_adapter = true
    };
    struct price_conf conf = conf_of(1);
    struct price price, farther;

    (void)state;
    price_of(&conf, &request, &near, &price);
    price_of(&conf, &request, &far, &farther);
    assert_true(price.terms[SCORER_reload] == 0);
    assert_true(farther.terms[SCORER_reload] > 0.00759 && farther.terms[SCORER_reload] < 0.00761);
    assert_true(price.terms[SCORER_adapter] == 0 && farther.terms[SCORER_adapter] > 0.1);
    assert_true(farther.prefill_s == price.prefill_s);
}

/* 600 of its tokens, 0.6 s, must be computed; half of the fleet is busy. */
static const struct {
    const char *why;
    double heat, recompute, spread;
} heat_rows[] = {
    { "nobody else", 0, 0.45, 0 },
    { "few", 1, 0.4235, -0.0353 },
    { "some", 4, 0.225, -0.3 },
    { "many", 40, 0.0045, -0.5941 },
};

static void what_many_ask_for_may_spread(void **state)
{
    struct price_conf conf = conf_of(1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heat_rows); i++) {
        struct price_candidate at = { .pace = &pace, .cached = 400 };
        struct price_request asked = request;
        struct price price;

        asked.heat = heat_rows[i].heat;
        price_of(&conf, &asked, &at, &price);
        if (fabs(price.terms[SCORER_recompute] - heat_rows[i].recompute) > 1e-4 ||
            fabs(price.terms[SCORER_spread] - heat_rows[i].spread) > 1e-4)
            fail_msg("%s: %f and %f", heat_rows[i].why, price.terms[SCORER_recompute],
                     price.terms[SCORER_spread]);
    }
}

/* It may be as good as free, and not better: what is divided by it would be dearer. */
static void no_price_is_below_nothing(void **state)
{
    struct price_candidate at = { .pace = &pace, .cached = 400 };
    struct price_conf conf = conf_of(1);
    struct price_request asked = request;
    struct price price;

    (void)state;
    asked.heat = 40;
    conf.weights[SCORER_spread] = 3;
    price_of(&conf, &asked, &at, &price);
    assert_true(price.terms[SCORER_spread] < -1.7);
    assert_true(price.total_s == 0);
}

static void steps_are_of_a_token_at_least(void **state)
{
    (void)state;
    for (size_t i = 0; i < price_set.count; i++) {
        const struct directive *row = &price_set.rows[i];

        assert_true(row->min == (strcmp(row->key, "step_tokens") == 0 ? 1 : 0));
    }
}

static const struct {
    const char *why;
    double queued_s, prefills, queued_tokens, used, capacity;
    uint32_t cached;
    bool room;
} room_rows[] = {
    { "idle", 0, 0, 0, 0, 0, 0, true },
    { "one before it", 1, 1, 9000, 0, 0, 0, true },
    { "a long one before it", 1.01, 1, 9000, 0, 0, 0, false },
    { "two before it", 0.5, 2, 9000, 0, 0, 0, false },
    { "two that fit into a step with it", 0.5, 2, 7192, 0, 0, 0, true },
    { "by a token not", 0.5, 2, 7193, 0, 0, 0, false },
    { "because it is cached", 0.5, 2, 7500, 0, 0, 512, true },
    { "the cache takes it", 0, 0, 0, 8900, 10000, 0, true },
    { "by a token not", 0, 0, 0, 8901, 10000, 0, false },
};

static void room_is_for_what_begins_at_once(void **state)
{
    struct price_conf conf;

    (void)state;
    price_conf_default(&conf);
    for (size_t i = 0; i < ARRAY_LEN(room_rows); i++) {
        struct price_candidate at = {
            .pace = &pace,
            .load = { .queued_s = room_rows[i].queued_s,
                      .prefills = room_rows[i].prefills,
                      .queued_tokens = room_rows[i].queued_tokens,
                      .used = room_rows[i].used,
                      .capacity = room_rows[i].capacity,
                      .shared = 1 },
            .cached = room_rows[i].cached,
        };

        if (price_has_room(&conf, &request, &at) != room_rows[i].room)
            fail_msg("%zu %s: not %d", i, room_rows[i].why, room_rows[i].room);
    }
}

#define ENDPOINTS 5

static size_t choose(const double *totals, uint64_t key, const uint64_t *names)
{
    struct price prices[ENDPOINTS];
    struct price_candidate candidates[ENDPOINTS];
    struct price_request asked = { .tokens = 1000, .output = 100, .key = key };

    for (size_t i = 0; i < ENDPOINTS; i++) {
        prices[i].total_s = totals[i];
        candidates[i].name = names[i];
    }
    return price_best(&asked, candidates, prices, ENDPOINTS);
}

static void the_cheapest_is_chosen(void **state)
{
    static const uint64_t names[ENDPOINTS] = { 11, 22, 33, 44, 55 };

    (void)state;
    for (uint64_t key = 1; key < 100; key++) {
        assert_int_equal(choose((double[]){ 5, 4, 1, 4, 5 }, key, names), 2);
        assert_int_equal(choose((double[]){ 1, 1.02, 1.02, 1.02, 1.02 }, key, names), 0);
        assert_int_equal(choose((double[]){ 0, 0.0006, 0.0006, 0.0006, 0.0006 }, key, names), 0);
    }
}

/* Every gateway lists them in its own order, and sees loads that differ a little. */
static void equals_are_told_apart_by_key(void **state)
{
    static const uint64_t names[ENDPOINTS] = { 11, 22, 33, 44, 55 };
    static const uint64_t reversed[ENDPOINTS] = { 55, 44, 33, 22, 11 };
    unsigned got[ENDPOINTS] = { 0 };

    (void)state;
    for (uint64_t key = 1; key <= 1000; key++) {
        size_t at = choose((double[]){ 1, 1.004, 1, 1.002, 1 }, key * 0x9e3779b97f4a7c15ull, names);

        assert_int_equal(
            at, ENDPOINTS - 1 -
                    choose((double[]){ 1, 1, 1, 1.003, 1 }, key * 0x9e3779b97f4a7c15ull, reversed));
        got[at]++;
    }
    for (size_t i = 0; i < ENDPOINTS; i++)
        assert_true(got[i] > 120 && got[i] < 280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_seconds),
        cmocka_unit_test(what_many_ask_for_may_spread),
        cmocka_unit_test(no_price_is_below_nothing),
        cmocka_unit_test(steps_are_of_a_token_at_least),
        cmocka_unit_test(what_is_not_at_hand_is_loaded),
        cmocka_unit_test(room_is_for_what_begins_at_once),
        cmocka_unit_test(the_cheapest_is_chosen),
        cmocka_unit_test(equals_are_told_apart_by_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
