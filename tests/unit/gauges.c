/*
 * Metrics pages of engines, good and bad, and what is known after them.
 */
#include "routing/gauges.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NO -1.0

struct row {
    const char *why;
    enum engine_id engine;
    const char *page;
    double waiting, running, usage; /* NO: not known */
    uint64_t capacity;
};

static const struct row rows[] = {
    { "vLLM", ENGINE_vllm,
      "# TYPE vllm:num_requests_running gauge\n"
      "vllm:num_requests_running{engine=\"0\",model_name=\"Qwen/Qwen3-0.6B\"} 3.0\n"
      "vllm:num_requests_waiting{engine=\"0\",model_name=\"Qwen/Qwen3-0.6B\"} 0.0\n"
      "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"Qwen/Qwen3-0.6B\"} 0.0421\n"
      "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"27512\",engine=\"0\"} 1.0\n",
      0, 3, 0.0421, 440192 },
    { "an old name of it", ENGINE_vllm, "vllm:gpu_cache_usage_perc 0.5\n", NO, NO, 0.5, 0 },
    { "the new name wins", ENGINE_vllm,
      "vllm:kv_cache_usage_perc 0.25\nvllm:gpu_cache_usage_perc 0.5\n", NO, NO, 0.25, 0 },
    { "wherever it stands", ENGINE_vllm,
      "vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.25\n", NO, NO, 0.25, 0 },
    { "two ranks", ENGINE_vllm,
      "vllm:num_requests_running{engine=\"0\"} 3\nvllm:num_requests_running{engine=\"1\"} 4\n"
      "vllm:kv_cache_usage_perc{engine=\"0\"} 0.9\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.1\n"
      "vllm:cache_config_info{engine=\"0\",block_size=\"16\",num_gpu_blocks=\"10\"} 1\n"
      "vllm:cache_config_info{engine=\"1\",block_size=\"16\",num_gpu_blocks=\"10\"} 1\n",
      NO, 7, 0.9, 320 },
    { "statistics are off", ENGINE_vllm, "python_info{major=\"3\"} 1\n", NO, NO, NO, 0 },
    { "nothing", ENGINE_vllm, "", NO, NO, NO, 0 },
    { "SGLang", ENGINE_sglang,
      "sglang:num_queue_reqs{tp_rank=\"0\"} 2\nsglang:num_running_reqs 5\n"
      "sglang:token_usage 0.3\nsglang:full_token_usage 0.31\nsglang:max_total_num_tokens 5000\n"
      "sglang:cache_config_info{page_size=\"64\",num_pages=\"7\"} 1\n",
      2, 5, 0.31, 5000 },
    { "TensorRT-LLM", ENGINE_trtllm,
      "trtllm_num_requests_waiting 1\ntrtllm_num_requests_running 2\n"
      "trtllm_kv_cache_utilization 0.5\ntrtllm_kv_cache_tokens_per_block 32\n"
      "trtllm_kv_cache_max_blocks 100\n",
      1, 2, 0.5, 3200 },
    { "TGI has no cache gauge", ENGINE_tgi, "tgi_queue_size 1\ntgi_batch_current_size 2\n", 1, 2,
      NO, 0 },
    { "llama.cpp", ENGINE_llamacpp,
      "llamacpp:requests_deferred 4\nllamacpp:requests_processing 1\n", 4, 1, NO, 0 },
    { "NIM says it as vLLM", ENGINE_nim, "vllm:num_requests_waiting 4\n", 4, NO, NO, 0 },
    { "another engine's names", ENGINE_sglang, "vllm:num_requests_waiting 4\n", NO, NO, NO, 0 },
    { "an engine without metrics", ENGINE_ollama, "vllm:num_requests_waiting 4\n", NO, NO, NO, 0 },
    { "no newline at the end", ENGINE_tgi, "tgi_queue_size 1", 1, NO, NO, 0 },
    { "CR LF", ENGINE_tgi, "tgi_queue_size 1\r\ntgi_batch_current_size 2\r\n", 1, 2, NO, 0 },
    { "with a time", ENGINE_tgi, "tgi_queue_size 1 1395066363000\n", 1, NO, NO, 0 },
    { "a longer name is another", ENGINE_tgi, "tgi_queue_size_total 1\n", NO, NO, NO, 0 },
    { "braces in a label", ENGINE_tgi, "tgi_queue_size{a=\"}\\\"{\",b=\"\\\\\"} 1\n", 1, NO, NO,
      0 },
    { "a comma after the last label", ENGINE_tgi, "tgi_queue_size{a=\"b\",} 1\n", 1, NO, NO, 0 },
    { "labels without an end", ENGINE_tgi, "tgi_queue_size{a=\"b\" 1\ntgi_queue_size{a=\"b\n", NO,
      NO, NO, 0 },
    { "an escape at the very end", ENGINE_tgi, "tgi_queue_size{a=\"\\", NO, NO, NO, 0 },
    { "not a number", ENGINE_tgi, "tgi_queue_size NaN\ntgi_batch_current_size +Inf\n", NO, NO, NO,
      0 },
    { "more than all of it", ENGINE_vllm, "vllm:kv_cache_usage_perc 1.01\n", NO, NO, NO, 0 },
    { "below nothing", ENGINE_tgi, "tgi_queue_size -1\n", NO, NO, NO, 0 },
    { "no value", ENGINE_tgi, "tgi_queue_size\ntgi_queue_size \ntgi_queue_size{}\n", NO, NO, NO,
      0 },
    { "rubbish after the value", ENGINE_tgi, "tgi_queue_size 1x\n", NO, NO, NO, 0 },
    { "a value longer than any", ENGINE_tgi,
      "tgi_queue_size 00000000000000000000000000000000000000001\n", NO, NO, NO, 0 },
    { "as many as can be", ENGINE_tgi, "tgi_queue_size 1e12\n", 1e12, NO, NO, 0 },
    { "more than can be", ENGINE_tgi, "tgi_queue_size 1.000001e12\ntgi_batch_current_size 1e308\n",
      NO, NO, NO, 0 },
    { "ranks of which one lies", ENGINE_vllm,
      "vllm:num_requests_waiting{engine=\"0\"} 1e308\nvllm:num_requests_waiting{engine=\"1\"} "
      "1e308\nvllm:num_requests_waiting{engine=\"2\"} 2\n",
      2, NO, NO, 0 },
    { "a page of HTML", ENGINE_vllm, "<html><body>{\"a\"=\"b\"} 1</body></html>\n", NO, NO, NO, 0 },
    { "a label without a number", ENGINE_vllm,
      "vllm:cache_config_info{block_size=\"auto\",num_gpu_blocks=\"None\"} 1\n", NO, NO, NO, 0 },
    { "a cache larger than any", ENGINE_vllm,
      "vllm:cache_config_info{block_size=\"1e300\",num_gpu_blocks=\"1e300\"} 1\n", NO, NO, NO, 0 },
};

static void check(const struct row *row, const struct gauges *gauges, enum gauge gauge,
                  double wanted)
{
    double got = gauges_know(gauges, gauge) ? gauges->values[gauge] : NO;

    if (got != wanted)
        fail_msg("%s: gauge %d is %f, not %f", row->why, (int)gauge, got, wanted);
}

static void pages_are_understood_or_not_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gauges gauges;

        gauges_read(engine_types[rows[i].engine].gauges, slice_str(rows[i].page), &gauges);
        check(&rows[i], &gauges, GAUGE_WAITING, rows[i].waiting);
        check(&rows[i], &gauges, GAUGE_RUNNING, rows[i].running);
        check(&rows[i], &gauges, GAUGE_USAGE, rows[i].usage);
        if (gauges_capacity(&gauges) != rows[i].capacity)
            fail_msg("%s: %llu tokens", rows[i].why, (unsigned long long)gauges_capacity(&gauges));
    }
}

static void the_newest_list_of_adapters_counts(void **state)
{
    static const struct {
        const char *page, *running, *waiting;
    } lists[] = {
        { "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"a,b\","
          "waiting_lora_adapters=\"c\"} 1.7e+09\n",
          "a,b", "c" },
        { "vllm:lora_requests_info{running_lora_adapters=\"old\"} 1\n"
          "vllm:lora_requests_info{running_lora_adapters=\"new\"} 3\n"
          "vllm:lora_requests_info{running_lora_adapters=\"older\"} 2\n",
          "new", "" },
        { "vllm:lora_requests_info{running_lora_adapters=\"\",waiting_lora_adapters=\"\"} 5\n", "",
          "" },
        { "vllm:lora_requests_info{running_lora_adapters=\"a\"} NaN\n", "", "" },
        { "vllm:lora_requests_info{running_lora_adapters=\"a\n", "", "" },
        { "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct gauges gauges;

        gauges_read(ENGINE_vllm, slice_str(lists[i].page), &gauges);
        if (!slice_eq(gauges.running_adapters, slice_str(lists[i].running)) ||
            !slice_eq(gauges.waiting_adapters, slice_str(lists[i].waiting)))
            fail_msg("row %zu: `%.*s`, `%.*s`", i, SLICE_ARGS(gauges.running_adapters),
                     SLICE_ARGS(gauges.waiting_adapters));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_understood_or_not_known),
        cmocka_unit_test(the_newest_list_of_adapters_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
