/*
 * /metrics in Prometheus' text format, under vLLM's names. A row a metric; values are read when
 * they are asked for.
 */
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"

struct metric {
    const char *name; /* without "vllm:"; counters' samples get "_total" */
    const char *type;
    const char *help;
    double (*value)(const struct engine *engine);
};

#define VALUE(name, expression)                                                                    \
    static double name(const struct engine *engine)                                                \
    {                                                                                              \
        return (double)(expression);                                                               \
    }

VALUE(running, engine->scheduler.batch.running_count)
VALUE(waiting, engine->scheduler.batch.waiting_count)
VALUE(cache_usage, 1.0 - (double)engine->cache.free_count / (double)engine->cache.count)
VALUE(cache_queries, engine->scheduler.batch.counts.cache_queries)
VALUE(cache_hits, engine->scheduler.batch.counts.cache_hits)
VALUE(preemptions, engine->scheduler.batch.counts.preemptions)
VALUE(prompt_tokens, engine->scheduler.batch.counts.prompt_tokens)
VALUE(prompt_tokens_cached, engine->scheduler.batch.counts.prompt_tokens_cached)
VALUE(generation_tokens, engine->scheduler.batch.counts.generation_tokens)

static const struct metric rows[] = {
    { "num_requests_running", "gauge", "Number of requests in model execution batches.", running },
    { "num_requests_waiting", "gauge", "Number of requests waiting to be processed.", waiting },
    { "kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", cache_usage },
    { "prefix_cache_queries", "counter", "Prefix cache queries, in number of queried tokens.",
      cache_queries },
    { "prefix_cache_hits", "counter", "Prefix cache hits, in number of cached tokens.",
      cache_hits },
    { "num_preemptions", "counter", "Cumulative number of preemptions from the engine.",
      preemptions },
    { "prompt_tokens", "counter", "Number of prefill tokens processed.", prompt_tokens },
    { "prompt_tokens_cached", "counter", "Number of prompt tokens found in the cache.",
      prompt_tokens_cached },
    { "generation_tokens", "counter", "Number of generation tokens processed.", generation_tokens },
};

static void add_head(struct buf *out, const char *name, const char *suffix, const char *type,
                     const char *help)
{
    buf_printf(out, "# HELP vllm:%s%s %s\n# TYPE vllm:%s%s %s\n", name, suffix, help, name, suffix,
               type);
}

static void add_row(struct buf *out, const struct metric *row, const struct engine *engine)
{
    const char *suffix = strcmp(row->type, "counter") == 0 ? "_total" : "";

    add_head(out, row->name, suffix, row->type, row->help);
    buf_printf(out, "vllm:%s%s{engine=\"0\",model_name=\"%s\"} %.17g\n", row->name, suffix,
               engine->options->models.at[0], row->value(engine));
}

static void add_waiting_by_reason(struct buf *out, const struct engine *engine)
{
    const char *model = engine->options->models.at[0];

    add_head(out, "num_requests_waiting_by_reason", "", "gauge", "Waiting requests by reason.");
    buf_printf(out,
               "vllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"%s\",reason="
               "\"capacity\"} %u\n"
               "vllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"%s\",reason="
               "\"deferred\"} 0\n",
               model, engine->scheduler.batch.waiting_count, model);
}

static void add_sleep_state(struct buf *out, const struct engine *engine)
{
    add_head(out, "engine_sleep_state", "", "gauge",
             "Engine sleep state; awake = 0 means engine is sleeping.");
    buf_printf(out,
               "vllm:engine_sleep_state{engine=\"0\",sleep_state=\"awake\"} %d\n"
               "vllm:engine_sleep_state{engine=\"0\",sleep_state=\"weights_offloaded\"} %d\n"
               "vllm:engine_sleep_state{engine=\"0\",sleep_state=\"discard_all\"} 0\n",
               !engine->sleeping, engine->sleeping);
}

static void add_finished(struct buf *out, const struct engine *engine)
{
    add_head(out, "request_success", "_total", "counter",
             "Count of successfully processed requests.");
    for (int i = 0; i < FINISH_COUNT; i++)
        buf_printf(out,
                   "vllm:request_success_total{engine=\"0\",finished_reason=\"%s\",model_name=\"%"
                   "s\"} %llu\n",
                   finish_name[i], engine->options->models.at[0],
                   (unsigned long long)engine->finished[i]);
}

static void add_adapters(struct buf *out, const struct engine *engine)
{
    const char *comma = "";

    if (list_is_empty(&engine->adapters.all))
        return;
    add_head(out, "lora_requests_info", "", "gauge", "Running stats on lora requests.");
    buf_printf(out, "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"");
    LIST_FOREACH (at, &engine->adapters.all) {
        buf_printf(out, "%s%s", comma, CONTAINER_OF(at, struct adapter, link)->name);
        comma = ",";
    }
    buf_printf(out, "\",waiting_lora_adapters=\"\"} %llu\n", (unsigned long long)engine->started_s);
}

static void add_cache_config(struct buf *out, const struct engine *engine)
{
    add_head(out, "cache_config_info", "", "gauge", "Information of the LLMEngine CacheConfig");
    buf_printf(out,
               "vllm:cache_config_info{block_size=\"%u\",cache_dtype=\"auto\",enable_prefix_"
               "caching=\"True\","
               "engine=\"0\",gpu_memory_utilization=\"0.9\",num_gpu_blocks=\"%u\","
               "prefix_caching_hash_algo=\"sha256\"} 1.0\n",
               engine->cache.block_size, engine->cache.count);
}

void serve_metrics(struct call *call)
{
    const struct engine *engine = call->engine;
    struct buf out;

    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add_row(&out, &rows[i], engine);
    add_waiting_by_reason(&out, engine);
    add_sleep_state(&out, engine);
    add_finished(&out, engine);
    add_adapters(&out, engine);
    add_cache_config(&out, engine);
    call_answer(call, 200, SLICE("text/plain; version=0.0.4; charset=utf-8"), buf_join(&out));
    buf_release(&out);
}
