/*
 * An exchange's share.
 */
#include "gateway/proxy/share.h"

#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"

static struct signals *signals_of(const struct exchange *x)
{
    return &x->endpoint->state->signals;
}

static struct pace_learners learners_of(const struct exchange *x)
{
    return (struct pace_learners){ &x->endpoint->state->pace, &x->version->pool->state->pace };
}

static void on_prefilled(struct timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, share.prefilled);

    signals_first_token(signals_of(x), &x->share.counted, x->worker->now_us);
}

void share_init(struct exchange_share *share)
{
    timer_init(&share->prefilled, on_prefilled);
}

static double expected_prefill_s(const struct exchange *x, uint32_t tokens, uint32_t uncached)
{
    struct pace pool, pace;

    pace_read_pool(&x->version->pool->state->pace, &pool);
    pace_read(&x->endpoint->state->pace, &pool, x->worker->now_us, &pace);
    return pace_prefill_s(&pace, tokens, uncached);
}

void share_begin(struct exchange *x)
{
    struct exchange_share *share = &x->share;
    uint32_t tokens = prediction_tokens(&x->prediction);
    uint32_t uncached = tokens - (x->choice.cached_tokens < tokens ? x->choice.cached_tokens : 0);
    uint64_t now_us = x->worker->now_us;
    double prefill_s = expected_prefill_s(x, tokens, uncached);
    struct load before;

    signals_read(signals_of(x), now_us, &before);
    pace_watch_sent(&share->watch, &before, tokens, now_us);
    signals_sent(signals_of(x), &share->counted, tokens, uncached, prefill_s, now_us);
    share->one_choice = !x->prompt || x->prompt->choices == 1;
    if (!x->streams)
        timer_set(&x->worker->timers, &share->prefilled,
                  now_us + (uint64_t)((before.queued_s + prefill_s) * CLOCK_US_PER_S));
}

void share_contents(struct exchange *x, uint32_t contents)
{
    struct exchange_share *share = &x->share;
    struct pace_learners learners = learners_of(x);
    uint64_t now_us = x->worker->now_us;

    if (x->answer_streamed && share->counted.state == SHARE_PREFILL)
        pace_watch_first(&share->watch, signals_of(x), now_us);
    signals_first_token(signals_of(x), &share->counted, now_us);
    signals_tokens(signals_of(x), &share->counted, contents);
    if (x->answer_streamed && share->one_choice)
        pace_watch_contents(&share->watch, &learners, signals_of(x), contents, now_us);
}

/* What the engine says it computed; else what was expected. */
static uint32_t uncached_in_the_end(const struct exchange *x)
{
    const struct answer_usage *usage = &x->reader.usage;
    unsigned both = ANSWER_USAGE_PROMPT | ANSWER_USAGE_CACHED;

    if ((usage->known & both) == both && usage->cached <= usage->prompt &&
        usage->prompt <= UINT32_MAX)
        return (uint32_t)(usage->prompt - usage->cached);
    return x->share.counted.uncached;
}

void share_end(struct exchange *x)
{
    struct pace_learners learners = learners_of(x);

    timer_clear(&x->share.prefilled);
    pace_watch_ended(&x->share.watch, &learners, uncached_in_the_end(x),
                     x->version->pool->conf->price->step_tokens, x->worker->now_us);
    signals_ended(signals_of(x), &x->share.counted, x->worker->now_us);
}
