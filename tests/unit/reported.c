/*
 * What engines say, and for how long it is believed; adapters as sets.
 */
#include "routing/endpoint.h"
#include "routing/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void say(struct endpoint_state *state, const char *page, uint64_t now_us, uint64_t until_us)
{
    struct gauges gauges;

    gauges_read(ENGINE_vllm, slice_str(page), &gauges);
    endpoint_report(state, &gauges, now_us, until_us);
}

static struct gauges believed(struct endpoint_state *state, uint64_t now_us)
{
    struct gauges gauges;

    reported_read(&state->reported, now_us, &gauges);
    return gauges;
}

static void a_number_is_believed_until_its_time(void **state)
{
    struct endpoint_state *endpoint = endpoint_state_new();

    (void)state;
    assert_int_equal(believed(endpoint, 1).known, 0);
    say(endpoint, "vllm:num_requests_waiting 3\n", 100, 200);
    say(endpoint, "vllm:num_requests_running 0\n", 150, 250);
    assert_int_equal(believed(endpoint, 199).known, 1 << GAUGE_WAITING | 1 << GAUGE_RUNNING);
    assert_true(believed(endpoint, 199).values[GAUGE_WAITING] == 3);
    assert_true(believed(endpoint, 199).values[GAUGE_RUNNING] == 0);
    assert_int_equal(believed(endpoint, 200).known, 1 << GAUGE_RUNNING);
    assert_int_equal(believed(endpoint, 250).known, 0);
    assert_int_equal(endpoint->reported.seen_us, 150);
    say(endpoint, "nothing\n", 160, 300);
    assert_int_equal(endpoint->reported.seen_us, 150);
    endpoint_state_unref(endpoint);
}

#define CACHE(usage)                                                                               \
    "vllm:kv_cache_usage_perc " usage "\n"                                                         \
    "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"100\"} 1\n"

static void its_cache_is_known_to_signals_while_it_is_believed(void **state)
{
    struct endpoint_state *endpoint = endpoint_state_new();
    const struct endpoint at = { .state = endpoint };
    struct load load;

    (void)state;
    say(endpoint, "vllm:kv_cache_usage_perc 0.5\n", 100, 200); /* of how much? */
    signals_read(&endpoint->signals, 100, &load);
    assert_true(load.capacity == 0);
    say(endpoint, CACHE("0.5"), 100, 200);
    signals_read(&endpoint->signals, 100, &load);
    assert_true(load.capacity == 1600);
    endpoint_forget_stale(endpoint, 199);
    signals_read(&endpoint->signals, 199, &load);
    assert_true(load.capacity == 1600);
    endpoint_forget_stale(endpoint, 200);
    signals_read(&endpoint->signals, 200, &load);
    assert_true(load.capacity == 0);
    assert_int_equal(endpoint_capacity(&at), 1600);
    say(endpoint, "vllm:kv_cache_usage_perc 0.5\n", 300, 400); /* of as much as before */
    signals_read(&endpoint->signals, 300, &load);
    assert_true(load.capacity == 1600);
    endpoint_state_unref(endpoint);
}

/* ---- adapters ---- */

static void an_adapter_is_absent_only_where_the_engine_has_said_what_it_serves(void **state)
{
    struct adapters *adapters = xcalloc(1, sizeof(*adapters));
    uint64_t sql = adapter_key(SLICE("sql")), chat = adapter_key(SLICE("chat"));

    (void)state;
    assert_true(sql != 0 && chat != 0 && sql != chat);
    assert_int_equal(adapters_state(adapters, sql), ADAPTER_UNKNOWN);
    adapters_set_loaded(adapters, &chat, 1);
    assert_int_equal(adapters_state(adapters, chat), ADAPTER_LOADED);
    assert_int_equal(adapters_state(adapters, sql), ADAPTER_UNKNOWN);
    adapters_set_served(adapters, &sql, 1);
    assert_int_equal(adapters_state(adapters, sql), ADAPTER_SERVED);
    assert_int_equal(adapters_state(adapters, chat), ADAPTER_LOADED);
    adapters_set_loaded(adapters, NULL, 0);
    assert_int_equal(adapters_state(adapters, chat), ADAPTER_ABSENT);
    adapters_forget_served(adapters);
    assert_int_equal(adapters_state(adapters, sql), ADAPTER_UNKNOWN);
    free(adapters);
}

static void of_more_adapters_than_are_kept_none_is_absent(void **state)
{
    struct adapters *adapters = xcalloc(1, sizeof(*adapters));
    uint64_t keys[ADAPTERS_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        keys[i] = i + 1;
    adapters_set_served(adapters, keys, ADAPTERS_MAX);
    assert_int_equal(adapters_state(adapters, ADAPTERS_MAX), ADAPTER_SERVED);
    assert_int_equal(adapters_state(adapters, ADAPTERS_MAX + 1), ADAPTER_ABSENT);
    adapters_set_served(adapters, keys, ADAPTERS_MAX + 1);
    assert_int_equal(adapters_state(adapters, ADAPTERS_MAX), ADAPTER_SERVED);
    assert_int_equal(adapters_state(adapters, ADAPTERS_MAX + 1), ADAPTER_UNKNOWN);
    free(adapters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_believed_until_its_time),
        cmocka_unit_test(its_cache_is_known_to_signals_while_it_is_believed),
        cmocka_unit_test(an_adapter_is_absent_only_where_the_engine_has_said_what_it_serves),
        cmocka_unit_test(of_more_adapters_than_are_kept_none_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
