/*
 * Health, from what exchanges and probes report.
 */
#include "routing/health.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"

#include <stdatomic.h>

/* An endpoint that keeps failing is left out up to 64 times as long. */
#define EJECTIONS_DOUBLED_MAX 6

/* What a returning endpoint gets at first: enough to learn from. */
#define SLOW_RETURN_START 0.1

static const struct directive health_rows[] = {
    DIRECTIVE_BOOL(struct health_conf, active, "on", "Ask each endpoint for its health."),
    { .key = "path",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct health_conf, path),
      .format = "path",
      .help = "Path of the active check; left out: the engine's own." },
    DIRECTIVE_DURATION(struct health_conf, interval, "5s", 10, 3600e3,
                       "Between two active checks of an endpoint."),
    DIRECTIVE_DURATION(struct health_conf, timeout, "2s", 10, 60e3,
                       "How long an active check may take."),
    DIRECTIVE_NUMBER(struct health_conf, unhealthy, "2", 1, 100,
                     "Failed active checks in a row after which an endpoint gets nothing."),
    DIRECTIVE_NUMBER(struct health_conf, healthy, "1", 1, 100,
                     "Good active checks in a row after which it gets requests again."),
    DIRECTIVE_NUMBER(struct health_conf, eject_after, "5", 0, 1000,
                     "Failed attempts in a row after which an endpoint is left out; 0: never."),
    DIRECTIVE_DURATION(struct health_conf, eject_for, "10s", 10, 3600e3,
                       "How long the first time; doubled each time in a row."),
    DIRECTIVE_DURATION(struct health_conf, slow_return, "10s", 0, 3600e3,
                       "Over how long its share grows back to full."),
    DIRECTIVE_NUMBER(struct health_conf, panic, "30", 0, 100,
                     "Percentage of healthy endpoints below which health is ignored; 0: never."),
};

const struct directive_set health_set = {
    .key = "health",
    .shape = DIRECTIVE_OBJECT,
    .help = "How it is found out which endpoints of a pool can answer.",
    .rows = health_rows,
    .count = ARRAY_LEN(health_rows),
    .size = sizeof(struct health_conf),
};

static void health_eject(const struct endpoint *endpoint, const struct health_conf *conf,
                         struct metric_shard *metrics, uint64_t now_us)
{
    struct endpoint_state *state = endpoint->state;
    struct slice labels[] = { slice_str(endpoint->pool_name), slice_str(endpoint->name) };
    uint32_t times = atomic_fetch_add_explicit(&state->ejections, 1, memory_order_relaxed);
    uint64_t ms =
        conf->eject_for << (times < EJECTIONS_DOUBLED_MAX ? times : EJECTIONS_DOUBLED_MAX);
    uint64_t until = now_us + ms * CLOCK_US_PER_MS;

    atomic_store_explicit(&state->ejected_until_us, until, memory_order_relaxed);
    atomic_store_explicit(&state->returned_us, until, memory_order_relaxed);
    metric_series_add(metric_series(metrics, METRIC_ID_ejections, labels), 1);
    log_warn(&endpoint->subject, "%llu attempts in a row failed, left out for %llu ms",
             (unsigned long long)conf->eject_after, (unsigned long long)ms);
}

/* An answer of an endpoint that has been back for as long as its return takes: all is forgotten. */
static void health_forgive(struct endpoint_state *state, const struct health_conf *conf,
                           uint64_t now_us)
{
    uint64_t returned = atomic_load_explicit(&state->returned_us, memory_order_relaxed);

    if (atomic_load_explicit(&state->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&state->failures, 0, memory_order_relaxed);
    if (atomic_load_explicit(&state->ejections, memory_order_relaxed) != 0 &&
        now_us > returned + conf->slow_return * CLOCK_US_PER_MS)
        atomic_store_explicit(&state->ejections, 0, memory_order_relaxed);
}

void health_report(const struct endpoint *endpoint, const struct health_conf *conf,
                   struct metric_shard *metrics, uint64_t now_us, bool failed)
{
    struct endpoint_state *state = endpoint->state;
    uint32_t failures;

    if (!failed) {
        atomic_fetch_add_explicit(&state->served, 1, memory_order_relaxed);
        health_forgive(state, conf, now_us);
        return;
    }
    atomic_fetch_add_explicit(&state->failed, 1, memory_order_relaxed);
    if (atomic_load_explicit(&state->ejected_until_us, memory_order_relaxed) > now_us)
        return; /* already out: late failures of what it still had */
    failures = atomic_fetch_add_explicit(&state->failures, 1, memory_order_relaxed) + 1;
    if (conf->eject_after > 0 && failures >= conf->eject_after &&
        atomic_exchange_explicit(&state->failures, 0, memory_order_relaxed) >= conf->eject_after)
        health_eject(endpoint, conf, metrics, now_us); /* one of those who count, not all */
}

double health_weight(const struct endpoint *endpoint, const struct health_conf *conf,
                     uint64_t now_us)
{
    const struct endpoint_state *state = endpoint->state;
    uint64_t returned = atomic_load_explicit(&state->returned_us, memory_order_relaxed);
    uint64_t slow_us = conf->slow_return * CLOCK_US_PER_MS;
    double weight;

    if (atomic_load_explicit(&state->gone, memory_order_relaxed) ||
        atomic_load_explicit(&state->probe_failing, memory_order_relaxed) ||
        atomic_load_explicit(&state->ejected_until_us, memory_order_relaxed) > now_us)
        return 0;
    if (returned == 0 || now_us >= returned + slow_us)
        return 1;
    if (now_us <= returned) /* another thread's clock is ahead of this one's turn */
        return SLOW_RETURN_START;
    weight = (double)(now_us - returned) / (double)slow_us;
    return weight > SLOW_RETURN_START ? weight : SLOW_RETURN_START;
}
