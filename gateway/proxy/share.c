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

/* Its prefill is over: who waits for room there may find some. */
static void note_first_token(struct exchange *x)
{
    if (x->share.counted.state != SHARE_PREFILL)
        return;
    signals_first_token(signals_of(x), &x->share.counted, x->worker->now_us);
    room_made(x->version->pool->state);
}

static void on_prefilled(struct timer *timer)
{
    note_first_token(CONTAINER_OF(timer, struct exchange, share.prefilled));
}

void share_init(struct exchange_share *share)
{
    timer_init(&share->prefilled, on_prefilled);
}

/* ---- places ---- */

static double expected_prefill_s(const struct decide_call *call, const struct endpoint *endpoint,
                                 uint32_t uncached)
{
    struct pace pool, pace;

    pace_read_pool(&call->pool->state->pace, &pool);
    pace_read(&endpoint->state->pace, &pool, call->now_us, &pace);
    return pace_prefill_s(&pace, call->tokens, uncached);
}

bool share_keep(const struct decide_call *call, const struct endpoint *endpoint,
                const struct choice *choice, struct share_place *ret_place)
{
    struct signals *signals = &endpoint->state->signals;
    uint32_t cached = choice->cached_tokens < call->tokens ? choice->cached_tokens : 0;
    uint32_t uncached = call->tokens - cached;

    if (!endpoint_enter(endpoint, call->pool->conf->concurrency))
        return false;
    *ret_place = (struct share_place){ .counted = { .state = SHARE_NONE } };
    signals_read(signals, call->now_us, &ret_place->before);
    signals_sent(signals, &ret_place->counted, call->tokens, uncached,
                 expected_prefill_s(call, endpoint, uncached), call->now_us);
    return true;
}

void share_give_back(const struct endpoint *endpoint, struct share_place *place, uint64_t now_us)
{
    signals_ended(&endpoint->state->signals, &place->counted, now_us);
    endpoint_leave(endpoint);
}

/* ---- an exchange's ---- */

void share_begin(struct exchange *x, const struct endpoint *endpoint,
                 const struct share_place *place)
{
    struct exchange_share *share = &x->share;
    uint64_t now_us = x->worker->now_us;

    x->endpoint = endpoint;
    x->counted = true;
    share->counted = place->counted;
    pace_watch_sent(&share->watch, &place->before, place->counted.tokens, now_us);
    share->one_choice = !x->prompt || x->prompt->choices == 1;
    if (!x->streams)
        timer_set(&x->worker->timers, &share->prefilled,
                  signals_prefilled_us(&place->before, &place->counted));
}

void share_contents(struct exchange *x, uint32_t contents)
{
    struct exchange_share *share = &x->share;
    struct pace_learners learners = learners_of(x);
    uint64_t now_us = x->worker->now_us;

    if (x->answer_streamed && share->counted.state == SHARE_PREFILL)
        pace_watch_first(&share->watch, signals_of(x), now_us);
    note_first_token(x);
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
