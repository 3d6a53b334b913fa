/*
 * Loads of engines in JSON, good and bad, and what is known after them.
 */
#include "routing/loads.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NO -1.0

#define RANK(running, waiting, usage, tokens)                                                      \
    "{\"dp_rank\":0,\"num_running_reqs\":" running ",\"num_waiting_reqs\":" waiting                \
    ",\"token_usage\":" usage ",\"max_total_num_tokens\":" tokens "}"

static const struct {
    const char *why;
    enum engine_id engine;
    const char *page;
    double waiting, running, usage; /* NO: not known */
    uint64_t capacity;
} rows[] = {
    { "SGLang", ENGINE_sglang, "{\"loads\":[" RANK("2", "3", "0.25", "5000") "]}", 3, 2, 0.25,
      5000 },
    { "two ranks", ENGINE_sglang,
      "{\"loads\":[" RANK("2", "3", "0.25", "5000") "," RANK("1", "0", "0.5", "5000") "]}", 3, 3,
      0.5, 10000 },
    { "it is not ready", ENGINE_sglang, "{\"loads\":[" RANK("0", "0", "0", "0") "]}", NO, NO, NO,
      0 },
    { "no rank", ENGINE_sglang, "{\"loads\":[]}", NO, NO, NO, 0 },
    { "nothing of it", ENGINE_sglang, "{\"loads\":[{}]}", NO, NO, NO, 0 },
    { "no object", ENGINE_sglang, "{\"loads\":[1,null,[],\"x\"]}", NO, NO, NO, 0 },
    { "no list", ENGINE_sglang, "{\"loads\":{\"num_running_reqs\":1}}", NO, NO, NO, 0 },
    { "numbers that cannot be", ENGINE_sglang,
      "{\"loads\":[" RANK("-1", "1e13", "1.5", "\"5\"") "]}", NO, NO, NO, 0 },
    { "llama.cpp", ENGINE_llamacpp,
      " [{\"id\":0,\"is_processing\":true},{\"id\":1,\"is_processing\":false}]", NO, 1, NO, 0 },
    { "all idle is known", ENGINE_llamacpp, "[{\"is_processing\":false}]", NO, 0, NO, 0 },
    { "slots are off", ENGINE_llamacpp, "{\"error\":{\"code\":501}}", NO, NO, NO, 0 },
    { "another engine's", ENGINE_vllm, "[{\"is_processing\":true}]", NO, NO, NO, 0 },
    { "cut off", ENGINE_llamacpp, "[{\"is_processing\":true},", NO, NO, NO, 0 },
    { "no JSON", ENGINE_llamacpp, "[true false]", NO, NO, NO, 0 },
};

static double known(const struct gauges *gauges, enum gauge gauge)
{
    return gauges_know(gauges, gauge) ? gauges->values[gauge] : NO;
}

static void every_load_is_understood_or_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice page = slice_str(rows[i].page);
        struct gauges got;

        assert_true(loads_begin(page));
        loads_read(rows[i].engine, page, &got);
        if (known(&got, GAUGE_WAITING) != rows[i].waiting ||
            known(&got, GAUGE_RUNNING) != rows[i].running ||
            known(&got, GAUGE_USAGE) != rows[i].usage || gauges_capacity(&got) != rows[i].capacity)
            fail_msg("%s: waiting %g, running %g, usage %g, capacity %llu", rows[i].why,
                     known(&got, GAUGE_WAITING), known(&got, GAUGE_RUNNING),
                     known(&got, GAUGE_USAGE), (unsigned long long)gauges_capacity(&got));
    }
}

static void a_metrics_page_is_none(void **state)
{
    (void)state;
    assert_false(loads_begin(SLICE("# HELP x\nx{a=\"[\"} 1\n")));
    assert_false(loads_begin(SLICE("")));
    assert_false(loads_begin(SLICE(" \n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_load_is_understood_or_unknown),
        cmocka_unit_test(a_metrics_page_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
