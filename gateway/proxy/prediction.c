/*
 * Predictions, made by the worker's pipeline and compared with usage.
 */
#include "gateway/proxy/prediction.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/prompt/rough.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/process.h"
#include "routing/cache_scope.h"
#include "routing/signals.h"

/* Speculation lasts twice as long as the first token should take, behind what is queued there; no
 * shorter, and no longer, whatever the endpoint's pace is thought to be. */
#define SPECULATE_LEAST_US (2 * CLOCK_US_PER_S)
#define SPECULATE_MOST_US  (600 * CLOCK_US_PER_S)

/* The adapter that a field of its own names (SGLang). What is no plain name has keys of its own,
 * whatever it says. */
static struct slice adapter_field(const struct prompt *prompt)
{
    struct slice raw = prompt->lora.raw;

    if (prompt->lora.kind != JSON_KIND_STRING || slice_find(raw, '\\') < raw.len)
        return raw;
    return json_inner(prompt->lora);
}

struct blocks_scope prediction_scope(const struct model *model, const struct version *version,
                                     const struct prompt *prompt, struct slice tenant,
                                     uint64_t prefix_seed)
{
    struct slice name = version->base, adapter = version->adapter;
    struct blocks_scope scope;

    if (name.len == 0)
        engine_split_name(version->pool->engine, prompt->model, &name, &adapter);
    scope = cache_scope(prefix_seed, cache_of(version, name),
                        adapter.len > 0 ? adapter : adapter_field(prompt), prompt->cache_salt);

    if (!model->conf->share_prefixes)
        scope.tenant = tenant;
    return scope;
}

static struct pipeline_call call_of(const struct exchange *x)
{
    return (struct pipeline_call){
        .conf = conf_section(x->fleet->conf, &pipeline_set),
        .prompt = x->prompt,
        .recipe = x->version->recipe,
        .scope = prediction_scope(
            x->model, x->version, x->prompt, x->filter.tenant,
            process_prefix_seed(x->fleet->conf, x->worker->exchanges->prefix_seed)),
        .token_bytes = agreement_token_bytes(x->version->agreement),
        .wall_us = x->begun_wall_us,
    };
}

bool prediction_is_possible(const struct prompt *prompt)
{
    return prompt && !prompt->form && rough_bytes(prompt) > 0;
}

uint64_t prediction_forecast_us(const struct exchange *x)
{
    struct pipeline_call call;

    if (!prediction_is_possible(x->prompt))
        return 0;
    call = call_of(x);
    return pipeline_forecast_us(x->worker->exchanges->pipeline, &call);
}

/* Encoders of tokenizers that a reload has replaced or removed go when the newer fleet is met. */
static void tidy(const struct exchange *x)
{
    struct exchanges *exchanges = x->worker->exchanges;

    if (exchanges->pipeline_fleet >= x->fleet->number)
        return;
    exchanges->pipeline_fleet = x->fleet->number;
    for (size_t i = 0; i < x->fleet->model_count; i++)
        for (size_t k = 0; k < x->fleet->models[i].count; k++)
            pipeline_keep(exchanges->pipeline, x->fleet->models[i].versions[k].recipe);
    pipeline_tidy(exchanges->pipeline);
}

static void count_bytes(struct worker *worker)
{
    struct exchanges *exchanges = worker->exchanges;
    size_t bytes = pipeline_bytes(exchanges->pipeline);

    metric_add(worker->metrics, METRIC_ID_prompt_cache_bytes,
               (int64_t)bytes - (int64_t)exchanges->pipeline_bytes);
    exchanges->pipeline_bytes = bytes;
}

void prediction_make(struct exchange *x, struct pipeline_tokens *ret_tokens)
{
    struct prediction *prediction = &x->prediction;
    struct pipeline_call call;

    if (!prediction_is_possible(x->prompt)) {
        *ret_tokens = (struct pipeline_tokens){ .exactness = EXACTNESS_malformed };
        return;
    }
    tidy(x);
    call = call_of(x);
    call.distrusted =
        call.recipe && !x->dialect->answered_here && !agreement_wants_exact(x->version->agreement);
    pipeline_run(x->worker->exchanges->pipeline, &call, ret_tokens);
    count_bytes(x->worker);
    *prediction = (struct prediction){
        .made = true,
        .deferred = prediction->deferred,
        .keys_exact = ret_tokens->keys_exact,
        .exactness = ret_tokens->exactness,
        .tokens = ret_tokens->count,
        .reused = ret_tokens->reused,
        .bytes = rough_bytes(x->prompt),
        .keys = ret_tokens->keys,
    };
}

uint32_t prediction_tokens(const struct prediction *prediction)
{
    if (!prediction->made)
        return 0;
    return prediction->tokens < UINT32_MAX ? (uint32_t)prediction->tokens : UINT32_MAX;
}

double prediction_output(const struct version *version, const struct prompt *prompt)
{
    double output = agreement_output(version->agreement);

    if (prompt && prompt->has_max_tokens && (double)prompt->max_tokens < output)
        output = (double)prompt->max_tokens;
    return prompt && prompt->choices > 1 ? output * (double)prompt->choices : output;
}

/* About what a rough key stands for in the engine's tokens. */
static uint32_t rough_block(const struct exchange *x, uint32_t block)
{
    double tokens = ROUGH_TOKEN_BYTES * block / agreement_token_bytes(x->version->agreement);

    return tokens > 1 ? (uint32_t)tokens : 1;
}

struct holdings_prompt prediction_prompt(const struct exchange *x)
{
    const struct prediction *prediction = &x->prediction;
    uint32_t block = prediction->keys.block ? prediction->keys.block : 1;

    /* Where nothing is priced nobody asks who holds what. */
    if (!prediction->made || x->version->pool->conf->route != PICK_price)
        return (struct holdings_prompt){ .block = 1 };
    return (struct holdings_prompt){
        .keys = prediction->keys.at,
        .count = prediction->keys.count,
        .block = prediction->keys_exact ? block : rough_block(x, block),
        .tokens = prediction->tokens,
        .events_know = prediction->keys_exact && x->model->conf->share_prefixes,
        .tenant = x->filter.tenant,
    };
}

static uint64_t speculate_until_us(const struct exchange *x)
{
    const struct share *share = &x->share.counted;
    uint64_t first_us = signals_prefilled_us(&x->share.watch.before, share) - share->sent_us;
    uint64_t twice_us = first_us < SPECULATE_MOST_US / 2 ? 2 * first_us : SPECULATE_MOST_US;

    return x->worker->now_us + (twice_us > SPECULATE_LEAST_US ? twice_us : SPECULATE_LEAST_US);
}

void prediction_sent(struct exchange *x)
{
    struct holdings_prompt prompt = prediction_prompt(x);

    if (prompt.count > 0)
        holdings_sent(x->worker->holdings, x->endpoint, &prompt, x->choice.known_blocks,
                      speculate_until_us(x));
}

void prediction_computed(const struct exchange *x)
{
    struct holdings_prompt prompt = prediction_prompt(x);

    if (prompt.count > 0)
        holdings_computed(x->endpoint, &prompt);
}

static void settle_cached(const struct exchange *x)
{
    const struct answer_usage *usage = &x->reader.usage;
    struct holdings_prompt prompt = prediction_prompt(x);
    struct holdings_report report = {
        .tokens = usage->prompt,
        .cached = usage->cached,
    };

    if (x->endpoint && prompt.count > 0 && usage->known & ANSWER_USAGE_CACHED)
        holdings_learn(x->endpoint, &prompt, x->choice.reported_tokens, &report);
}

static void say_change(const struct exchange *x, enum agreement_change change)
{
    if (change == AGREEMENT_LOST)
        log_warn(NULL,
                 "model %s version %s: predicted prompt tokens differ from the engine's usage "
                 "(last: %llu, reported %llu), block keys are approximate until they agree again; "
                 "compare its tokenizer, chat_template and tokenizer_mode with the engine's",
                 x->model->name, x->version->name, (unsigned long long)x->prediction.tokens,
                 (unsigned long long)x->reader.usage.prompt);
    if (change == AGREEMENT_REGAINED)
        log_info(NULL,
                 "model %s version %s: predicted prompt tokens agree again, block keys are "
                 "exact",
                 x->model->name, x->version->name);
}

void prediction_settle(struct exchange *x)
{
    const struct prediction *prediction = &x->prediction;
    const struct answer_usage *usage = &x->reader.usage;

    if (usage->known & ANSWER_USAGE_COMPLETION && x->version)
        agreement_learn_output(x->version->agreement, usage->completion);
    if (!prediction->made || !(usage->known & ANSWER_USAGE_PROMPT) || usage->prompt == 0)
        return;
    settle_cached(x);
    if (prediction->exactness == EXACTNESS_exact)
        say_change(x, agreement_note(x->version->agreement, prediction->tokens == usage->prompt));
    if (prediction->exactness != EXACTNESS_media)
        agreement_learn(x->version->agreement, prediction->bytes, usage->prompt);
}

void prediction_release(struct prediction *prediction)
{
    blocks_release(&prediction->keys);
}
