/*
 * Decisions as JSON: what is said, and that it stays within its bound, on one line of ASCII.
 */
#include "tests/unit/fleet_rig.h"

#include "gateway/base/clock.h"
#include "routing/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define NOW (1000 * CLOCK_US_PER_S)

static struct fleet *make(const char *route, unsigned concurrency, size_t count)
{
    struct buf text;
    struct fleet *fleet;

    buf_init(&text, SIZE_MAX);
    buf_printf(&text,
               "models:\n  - { name: m, pool: p }\npools:\n  - name: p\n    route: %s\n"
               "    concurrency: %u\n    endpoints:\n",
               route, concurrency);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "      - http://e%zu:1\n", i);
    buf_add(&text, slice_of("", 1));
    fleet = rig_fleet(buf_join(&text).at, NULL, NULL);
    buf_release(&text);
    return fleet;
}

/* Decides, explains, and reads what was printed. */
static json_t *explained(const struct pool *pool, struct decide_call call, size_t limit)
{
    struct decision *decision = decision_new();
    const struct endpoint *endpoint;
    struct choice choice;
    json_t *made, *read;
    char *text;

    call.pool = pool;
    call.now_us = NOW;
    made = explain_decision(decision, &call, decide(decision, &call, &endpoint, &choice), limit);
    text = json_dumps(made, EXPLAIN_FLAGS);
    assert_non_null(text);
    for (const char *at = text; *at; at++)
        assert_in_range((unsigned char)*at, 0x20, 0x7e);
    assert_true(strlen(text) <= limit);
    read = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(read);
    free(text);
    json_decref(made);
    decision_free(decision);
    return read;
}

static const char *said(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const json_t *entry(const json_t *whole, const char *list, size_t i)
{
    return json_array_get(json_object_get(whole, list), i);
}

static void a_priced_decision_says_who_what_and_why(void **state)
{
    struct fleet *fleet = make("price", 0, 3);
    const struct pool *pool = &fleet->pools[0];
    struct share busy = { 0 };
    json_t *whole;
    double sum = 0;
    const char *name;
    json_t *term, *terms;

    (void)state;
    atomic_store(&pool->endpoints[1].state->probe_failing, true);
    signals_sent(&pool->endpoints[0].state->signals, &busy, 5000, 5000, 0.4, NOW);
    whole = explained(pool, (struct decide_call){ .tokens = 1000, .output = 100 }, 8192);
    assert_string_equal(said(whole, "outcome"), "chosen");
    assert_string_equal(said(whole, "endpoint"), "http://e2:1");
    assert_string_equal(said(whole, "policy"), "price");
    assert_string_equal(said(whole, "pool"), "p");
    assert_int_equal(json_integer_value(json_object_get(whole, "tokens")), 1000);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(whole, "screens"), "health")), 1);
    assert_int_equal(json_array_size(json_object_get(whole, "endpoints")), 2);
    assert_string_equal(said(entry(whole, "endpoints", 0), "endpoint"), "http://e2:1");
    assert_string_equal(said(entry(whole, "endpoints", 1), "endpoint"), "http://e0:1");
    assert_string_equal(said(entry(whole, "dropped", 0), "endpoint"), "http://e1:1");
    assert_string_equal(said(entry(whole, "dropped", 0), "by"), "health");
    assert_null(json_object_get(whole, "more"));

    terms = json_object_get(entry(whole, "endpoints", 1), "terms");
    json_object_foreach(terms, name, term) sum += json_real_value(term);
    assert_true(json_object_get(terms, "wait") != NULL);
    assert_float_equal(
        sum, json_real_value(json_object_get(entry(whole, "endpoints", 1), "price_s")), sum / 100);
    json_decref(whole);
    signals_ended(&pool->endpoints[0].state->signals, &busy, NOW);
    fleet_unref(fleet);
}

static void other_policies_say_what_they_look_at(void **state)
{
    struct fleet *fleet = make("least_requests", 2, 2);
    const struct pool *pool = &fleet->pools[0];
    json_t *whole;

    (void)state;
    atomic_store(&pool->endpoints[0].state->inflight, 1);
    whole = explained(pool, (struct decide_call){ .tokens = 10 }, 8192);
    assert_string_equal(said(whole, "endpoint"), "http://e1:1");
    assert_int_equal(json_integer_value(json_object_get(entry(whole, "endpoints", 1), "inflight")),
                     1);
    assert_null(json_object_get(entry(whole, "endpoints", 1), "price_s"));
    json_decref(whole);

    atomic_store(&pool->endpoints[0].state->inflight, 2);
    atomic_store(&pool->endpoints[1].state->inflight, 2);
    whole = explained(pool, (struct decide_call){ .tokens = 10 }, 8192);
    assert_string_equal(said(whole, "outcome"), "waits");
    json_decref(whole);

    whole = explained(pool, (struct decide_call){ .pin = SLICE("http://e9:1") }, 8192);
    assert_string_equal(said(whole, "outcome"), "nobody");
    assert_string_equal(said(whole, "policy"), "pin");
    assert_true(json_is_null(json_object_get(whole, "endpoint")));
    json_decref(whole);
    fleet_unref(fleet);
}

static void a_large_pool_is_cut_and_the_rest_counted(void **state)
{
    static const size_t limits[] = { 512, 2048, 8192, 65536 };
    struct fleet *fleet = make("price", 0, 1500);
    const struct pool *pool = &fleet->pools[0];

    (void)state;
    for (size_t i = 0; i < 200; i++)
        atomic_store(&pool->endpoints[i * 3].state->probe_failing, true);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        json_t *whole = explained(pool, (struct decide_call){ .tokens = 100 }, limits[i]);
        const json_t *more = json_object_get(whole, "more");

        assert_int_equal(json_array_size(json_object_get(whole, "endpoints")) +
                             (size_t)json_integer_value(json_object_get(more, "endpoints")),
                         1300);
        assert_int_equal(json_array_size(json_object_get(whole, "dropped")) +
                             (size_t)json_integer_value(json_object_get(more, "dropped")),
                         200);
        json_decref(whole);
    }
    fleet_unref(fleet);
}

static void names_become_ascii_and_long_ones_are_cut(void **state)
{
    static const char part[] =
        "\xe6\xb1\xa0\xf0\x9f\x98\x80"; /* characters of three and four bytes */
    char name[64 * (sizeof(part) - 1) + 1] = "";
    struct fleet *fleet = make("round_robin", 0, 1);
    struct pool pool = fleet->pools[0]; /* no configuration would have it */
    json_t *whole;

    (void)state;
    for (size_t i = 0; i < 64; i++)
        strcat(name, part);
    pool.name = name;
    whole = explained(&pool, (struct decide_call){ 0 }, 8192);
    assert_true(slice_starts(slice_str(name), slice_str(said(whole, "pool"))));
    assert_in_range(strlen(said(whole, "pool")), 250, 256);
    json_decref(whole);
    fleet_unref(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_priced_decision_says_who_what_and_why),
        cmocka_unit_test(other_policies_say_what_they_look_at),
        cmocka_unit_test(a_large_pool_is_cut_and_the_rest_counted),
        cmocka_unit_test(names_become_ascii_and_long_ones_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
