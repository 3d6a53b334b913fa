/*
 * Leaving an endpoint, and whether another one is tried.
 */
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "routing/holdings.h"
#include "routing/router.h"

#include <stdatomic.h>

/* Ends that say nothing about the endpoint: nobody wanted the answer any more, or there was no
 * time. */
static bool is_no_verdict(const struct reason *reason)
{
    return reason->retry == REASON_RETRY_NEVER && reason != &reason_done;
}

static void count_abort(struct exchange *x)
{
    struct slice pool = slice_str(x->version->pool->name);

    metric_series_add(metric_series(x->worker->metrics, METRIC_ID_aborts, &pool), 1);
}

void exchange_leave_endpoint(struct exchange *x, const struct reason *reason)
{
    bool was_sent = x->attempt.stream != NULL;
    struct pool_state *pool;
    bool announced;

    if (!x->counted)
        return;
    pool = x->version->pool->state;
    announced = room_announce(pool);
    if (was_sent && !x->attempt.stream->closed && is_no_verdict(reason))
        count_abort(x);
    attempt_release(&x->attempt, reason);
    if (reason == &reason_done)
        cache_reports_complete(&x->endpoint->state->cache_reports, x->dialect, &x->reader.usage);
    if (reason == &reason_dial_failed) /* nobody listens: what comes back there comes back empty */
        holdings_lost(x->endpoint);
    share_end(x);
    endpoint_leave(x->endpoint);
    x->counted = false;
    x->was_sent |= was_sent;
    tally_attempt(x->worker->exchanges->tally, x, reason);
    if (!is_no_verdict(reason))
        health_report(x->endpoint, x->version->pool->conf->health, x->worker->metrics,
                      x->worker->now_us, reason != &reason_done);
    if (announced)
        room_tell(pool);
    else
        room_made(pool);
}

static bool may_retry(const struct exchange *x, const struct reason *reason)
{
    const struct pool *pool = x->version->pool;

    return reason->retry != REASON_RETRY_NEVER && !x->committed && x->body_replayable &&
           x->tries < pool->conf->retry->attempts && x->tries < pool->count &&
           x->filter.pin.len == 0;
}

/* What was read of an answer that nobody will see. */
static void forget_answer(struct exchange *x)
{
    usage_reader_release(&x->reader);
    x->reader = (struct usage_reader){ .dialect = NULL };
    x->reading = x->answer_streamed = false;
    x->first_content_us = x->last_content_us = 0;
    x->gaps = NULL;
    buf_release(&x->ready);
}

/*
 * Nobody was there wherever it was tried, and nobody has had it: it waits for one that comes
 * (hold.cold_start). Somebody must look for that one, so only where checks are active.
 */
static bool may_wait_for_first(const struct exchange *x, const struct reason *reason)
{
    bool absent = reason == &reason_dial_failed || reason == &reason_dial_timeout ||
                  reason == &reason_name_failed;

    return absent && !x->was_sent && !x->committed && x->body_replayable &&
           waiting_is_for_first(x) && x->version->pool->conf->health->active;
}

static const struct step *wait_for_first(struct exchange *x, const struct reason *reason)
{
    const struct pool *pool = x->version->pool;

    exchange_leave_endpoint(x, reason);
    forget_answer(x);
    if (x->tries >= pool->count || x->tries == TRIES_MAX)
        x->tries = 0; /* from the beginning */
    x->none_answered = true;
    atomic_store_explicit(&pool->state->unreached, true, memory_order_relaxed);
    return &step_route;
}

static bool take_retry(struct exchange *x)
{
    struct slice pool = slice_str(x->version->pool->name);

    if (router_take_retry(x->version->pool))
        return true;
    metric_series_add(metric_series(x->worker->metrics, METRIC_ID_retries_refused, &pool), 1);
    return false;
}

static const struct step *try_another(struct exchange *x, const struct reason *reason)
{
    struct slice pool = slice_str(x->version->pool->name);

    log_warn(&x->subject, "%s, trying another", reason->text);
    metric_series_add(metric_series(x->worker->metrics, METRIC_ID_retries, &pool), 1);
    exchange_leave_endpoint(x, reason);
    forget_answer(x);
    return &step_route;
}

/* Those that a check says are down are tried all the same before it waits, because checks can be
 * wrong of all of them at once (health.panic); but where they agree, one that was tried is enough.
 */
const struct step *exchange_retry(struct exchange *x, const struct reason *reason)
{
    bool may_wait = may_wait_for_first(x, reason);

    if (may_wait && !pool_answers(x->version->pool))
        return wait_for_first(x, reason);
    if (may_retry(x, reason) && take_retry(x))
        return try_another(x, reason);
    return may_wait ? wait_for_first(x, reason) : NULL;
}
