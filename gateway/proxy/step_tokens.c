/*
 * Step 6, tokens: what the version's engine will see of the prompt, known before it is asked; or
 * the gateway's own answer, where that was the question.
 */
#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/own.h"
#include "routing/router.h"

/* Longer work than this lets others' sockets and timers go first. */
#define TOKENS_DEFER_US 1000

/* Long work begins in a turn of its own, after others' sockets and timers: with many long prompts a
 * turn costs the budget once. */
static bool lets_others_first(struct exchange *x)
{
    uint64_t *long_us = &x->worker->exchanges->pipeline_long_us;

    if (prediction_forecast_us(x) < TOKENS_DEFER_US)
        return false;
    if (x->prediction.deferred && *long_us != x->worker->now_us) {
        *long_us = x->worker->now_us;
        return false;
    }
    x->prediction.deferred = true;
    worker_defer_next(x->worker, &x->wake);
    return true;
}

/* POST /tokenize. */
static const struct step *answer(struct exchange *x, const struct pipeline_tokens *tokens)
{
    const struct reason *reason;

    x->own = arena_zalloc(x->arena, sizeof(*x->own));
    buf_init(x->own, SIZE_MAX);
    reason = own_tokenize(x->version, tokens, x->prompt->return_token_strs == PROMPT_ON, x->arena,
                          x->own, &x->message);
    return reason ? exchange_fail(x, reason) : &step_reply;
}

static const struct step *go_on(struct exchange *x, const struct pipeline_tokens *tokens)
{
    if (x->dialect && x->dialect->answered_here)
        return answer(x, tokens);
    router_pay_budget(x->version->pool);
    return &step_route;
}

static const struct step *run(struct exchange *x)
{
    uint64_t begun_us = clock_now_us();
    struct pipeline_tokens tokens;
    const struct step *next;

    if (x->reason)
        return exchange_fail(x, x->reason);
    if (lets_others_first(x))
        return NULL;
    prediction_make(x, &tokens);
    metric_observe(x->worker->metrics, METRIC_ID_prompt_seconds,
                   (double)(clock_now_us() - begun_us) / CLOCK_US_PER_S);
    next = go_on(x, &tokens);
    pipeline_forget(x->worker->exchanges->pipeline);
    return next;
}

const struct step step_tokens = { "tokens", run };
