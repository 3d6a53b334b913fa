/*
 * Load reports in answers, good and bad, and what is known after them.
 */
#include "routing/orca.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NO -1.0

static const struct {
    const char *why, *value;
    double waiting, usage; /* NO: not known */
    uint64_t capacity;
} rows[] = {
    { "vLLM's text",
      "TEXT named_metrics.kv_cache_usage_perc=0.42, named_metrics.num_requests_waiting=5.0", 5,
      0.42, 0 },
    { "vLLM's JSON",
      "JSON {\"named_metrics\": {\"kv_cache_usage_perc\": 0.42, \"num_requests_waiting\": 5.0}}", 5,
      0.42, 0 },
    { "Triton's text",
      "TEXT named_metrics.kv_cache_utilization=0.5,named_metrics.max_token_capacity=4096", NO, 0.5,
      4096 },
    { "in whatever case", "text named_metrics.num_requests_waiting=1", 1, NO, 0 },
    { "one of them is no number",
      "TEXT named_metrics.kv_cache_usage_perc=x,named_metrics.num_requests_waiting=2", 2, NO, 0 },
    { "said twice, the last counts",
      "TEXT named_metrics.num_requests_waiting=2,named_metrics.num_requests_waiting=3", 3, NO, 0 },
    { "other members",
      "JSON {\"cpu_utilization\":0.3,\"named_metrics\":{\"num_requests_waiting\":1}}", 1, NO, 0 },
    { "another name", "TEXT named_metrics.waiting=2,cpu_utilization=0.5", NO, NO, 0 },
    { "without the prefix", "TEXT num_requests_waiting=2", NO, NO, 0 },
    { "a text in JSON", "JSON {\"named_metrics\":{\"num_requests_waiting\":\"1\"}}", NO, NO, 0 },
    { "no object of them", "JSON {\"named_metrics\":[1]}", NO, NO, 0 },
    { "no object at all", "JSON 7", NO, NO, 0 },
    { "half of it", "JSON {\"named_metrics\":{\"num_requests_waiting\":1}", NO, NO, 0 },
    { "something behind it", "JSON {\"named_metrics\":{\"num_requests_waiting\":1}} x", NO, NO, 0 },
    { "more than all of the cache", "TEXT named_metrics.kv_cache_usage_perc=42", NO, NO, 0 },
    { "below nothing", "TEXT named_metrics.num_requests_waiting=-1", NO, NO, 0 },
    { "endless", "TEXT named_metrics.num_requests_waiting=inf", NO, NO, 0 },
    { "a form that is not read", "BIN CgYIARACGAM=", NO, NO, 0 },
    { "a form only", "TEXT", NO, NO, 0 },
    { "nothing", "", NO, NO, 0 },
    { "signs only", "TEXT ,=,==,,named_metrics.=1,", NO, NO, 0 },
};

static double value_of(const struct gauges *gauges, enum gauge gauge)
{
    return gauges_know(gauges, gauge) ? gauges->values[gauge] : NO;
}

static void reports_are_understood_or_not_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gauges gauges;

        orca_read(slice_str(rows[i].value), &gauges);
        if (value_of(&gauges, GAUGE_WAITING) != rows[i].waiting ||
            value_of(&gauges, GAUGE_USAGE) != rows[i].usage ||
            gauges_capacity(&gauges) != rows[i].capacity)
            fail_msg("%s: waiting %f, usage %f, %llu tokens", rows[i].why,
                     value_of(&gauges, GAUGE_WAITING), value_of(&gauges, GAUGE_USAGE),
                     (unsigned long long)gauges_capacity(&gauges));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_understood_or_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
