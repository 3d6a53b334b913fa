/*
 * Probes: rounds over health paths.
 */
#include "routing/probe.h"

#include "gateway/base/metric.h"
#include "routing/holdings.h"
#include "routing/rounds.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A health answer is read to its end when it is short, so that its connection can be kept. */
#define PROBE_ANSWER_BYTES 65536

struct probes {
    struct worker *control;
    struct rounds *rounds;
};

static const char *health_path(const struct pool *pool)
{
    const struct health_conf *conf = pool->conf->health;

    if (!conf->active)
        return NULL;
    return conf->path ? conf->path : pool->engine->health_path;
}

/* `reason` NULL: the status is none of success. */
static void say_failing(const struct asked *asked, const struct reason *reason, unsigned status)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", status);
    log_warn(&asked->endpoint->subject,
             "health check: GET %s%s: %s, it gets nothing until it is well, but where its pool is "
             "in panic",
             asked->endpoint->origin->prefix, health_path(asked->pool),
             reason ? reason->text : number);
}

static void set_failing(const struct probes *probes, struct asked *asked, bool failing,
                        const struct reason *reason, unsigned status)
{
    _Atomic bool *flag = &asked->state->probe_failing;

    if (atomic_load_explicit(flag, memory_order_relaxed) == failing)
        return;
    atomic_store_explicit(flag, failing, memory_order_relaxed);
    if (failing) {
        say_failing(asked, reason, status);
        return;
    }
    atomic_store_explicit(&asked->state->returned_us, probes->control->now_us,
                          memory_order_relaxed);
    log_info(&asked->endpoint->subject, "health check: well again");
    room_made(asked->pool->state);
}

static void judge(const struct probes *probes, struct asked *asked, bool good,
                  const struct reason *reason, unsigned status)
{
    const struct health_conf *conf = asked->pool->conf->health;

    asked->good = good ? asked->good + 1 : 0;
    asked->bad = good ? 0 : asked->bad + 1;
    if (asked->good >= conf->healthy)
        set_failing(probes, asked, false, reason, status);
    else if (asked->bad >= conf->unhealthy)
        set_failing(probes, asked, true, reason, status);
}

static uint64_t on_answer(void *user, struct asked *asked, const struct reason *reason,
                          unsigned status, struct slice body)
{
    struct probes *probes = user;
    bool good = !reason && status >= 200 && status < 300;
    struct slice labels[] = { slice_str(asked->pool->name), good ? SLICE("ok") : SLICE("failed") };

    (void)body;
    if (reason == &reason_dial_failed) /* nobody listens: what comes back there comes back empty */
        holdings_lost(asked->endpoint);
    if (good)
        pool_note_answer(asked->pool->state);
    metric_series_add(metric_series(probes->control->metrics, METRIC_ID_probes, labels), 1);
    judge(probes, asked, good, reason, status);
    return asked->pool->conf->health->interval;
}

/* Nobody looks at it any more: what was found does not hold. */
static void on_gone(void *user, struct asked *asked)
{
    (void)user;
    atomic_store_explicit(&asked->state->probe_failing, false, memory_order_relaxed);
}

static unsigned health_timeout_ms(const struct pool *pool)
{
    return (unsigned)pool->conf->health->timeout;
}

static const struct rounds_type checks = {
    .path = health_path,
    .timeout_ms = health_timeout_ms,
    .answer_bytes = PROBE_ANSWER_BYTES,
    .at_once = 0, /* however many hang, the others are checked */
    .on_answer = on_answer,
    .on_gone = on_gone,
};

struct probes *probes_new(struct worker *control)
{
    struct probes *probes = xcalloc(1, sizeof(*probes));

    probes->control = control;
    probes->rounds = rounds_new(control, &checks, probes);
    return probes;
}

void probes_free(struct probes *probes)
{
    if (probes)
        rounds_free(probes->rounds);
    free(probes);
}

void probes_follow(struct probes *probes, struct fleet *fleet)
{
    rounds_follow(probes->rounds, fleet);
}
