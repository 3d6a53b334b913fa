/*
 * Predictions, made by the worker's pipeline and compared with usage.
 */
#include "gateway/proxy/prediction.h"

#include "gateway/prompt/rough.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/process.h"

static uint64_t seed_of(const struct exchange *x)
{
    uint64_t said = process_conf(x->fleet->conf)->prefix_seed;

    return said > 0 ? said : x->worker->exchanges->prefix_seed;
}

struct blocks_scope prediction_scope(const struct model *model, const struct version *version,
                                     const struct prompt *prompt, struct slice tenant,
                                     uint64_t prefix_seed)
{
    return (struct blocks_scope){
        .prefix_seed = prefix_seed,
        .model = version->base.len > 0 ? version->base : prompt->model,
        .lora = model->base ? model_adapter(model) : prompt->lora.raw,
        .cache_salt = prompt->cache_salt,
        .tenant = model->conf->share_prefixes ? slice_of(NULL, 0) : tenant,
    };
}

static struct pipeline_call call_of(const struct exchange *x)
{
    return (struct pipeline_call){
        .conf = conf_section(x->fleet->conf, &pipeline_set),
        .prompt = x->prompt,
        .recipe = x->version->recipe,
        .scope = prediction_scope(x->model, x->version, x->prompt, x->filter.tenant, seed_of(x)),
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
    if (prediction->exactness == EXACTNESS_exact)
        say_change(x, agreement_note(x->version->agreement, prediction->tokens == usage->prompt));
    if (prediction->exactness != EXACTNESS_media)
        agreement_learn(x->version->agreement, prediction->bytes, usage->prompt);
}

void prediction_release(struct prediction *prediction)
{
    blocks_release(&prediction->keys);
}
