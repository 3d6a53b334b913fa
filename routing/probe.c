/*
 * Probes: a timer and a fetch an endpoint.
 */
#include "routing/probe.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/upstream/fetch.h"
#include "routing/holdings.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A health answer is read to its end when it is short, so that its connection can be kept. */
#define PROBE_ANSWER_BYTES 65536

struct probe {
    struct list link;
    struct probes *probes;
    const struct pool *pool;         /* of probes->fleet */
    const struct endpoint *endpoint; /* of probes->fleet */
    struct endpoint_state *state;    /* reffed: what it is known again by in the next fleet */
    struct timer due;
    struct fetch *fetch;
    unsigned good, bad; /* in a row */
};

struct probes {
    struct worker *control;
    struct fleet *fleet;
    struct list all;
};

static void probe_schedule(struct probe *probe, uint64_t after_ms)
{
    struct worker *control = probe->probes->control;

    timer_set(&control->timers, &probe->due, control->now_us + after_ms * CLOCK_US_PER_MS);
}

static void probe_set_failing(struct probe *probe, bool failing, const char *why)
{
    _Atomic bool *flag = &probe->state->probe_failing;

    if (atomic_load_explicit(flag, memory_order_relaxed) == failing)
        return;
    atomic_store_explicit(flag, failing, memory_order_relaxed);
    if (failing) {
        log_warn(&probe->endpoint->subject, "health check: %s, it gets nothing until it is well",
                 why);
        return;
    }
    atomic_store_explicit(&probe->state->returned_us, probe->probes->control->now_us,
                          memory_order_relaxed);
    log_info(&probe->endpoint->subject, "health check: well again");
    room_made(probe->pool->state);
}

static void probe_judge(struct probe *probe, bool good, const char *why)
{
    const struct health_conf *conf = probe->pool->conf->health;

    probe->good = good ? probe->good + 1 : 0;
    probe->bad = good ? 0 : probe->bad + 1;
    if (probe->good >= conf->healthy)
        probe_set_failing(probe, false, why);
    else if (probe->bad >= conf->unhealthy)
        probe_set_failing(probe, true, why);
}

static void probe_on_answer(void *user, const struct reason *reason, unsigned status,
                            struct slice body)
{
    struct probe *probe = user;
    bool good = !reason && status >= 200 && status < 300;
    struct slice labels[] = { slice_str(probe->pool->name), good ? SLICE("ok") : SLICE("failed") };

    (void)body;
    probe->fetch = NULL;
    if (reason == &reason_dial_failed) /* nobody listens: what comes back there comes back empty */
        holdings_lost(probe->probes->control->holdings, probe->endpoint);
    if (good)
        pool_note_answer(probe->pool->state);
    metric_series_add(metric_series(probe->probes->control->metrics, METRIC_ID_probes, labels), 1);
    probe_judge(probe, good, reason ? reason->text : "its status is no success");
    probe_schedule(probe, probe->pool->conf->health->interval);
}

static void probe_on_due(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, due);
    const struct health_conf *conf = probe->pool->conf->health;
    const char *path = conf->path ? conf->path : probe->pool->engine->health_path;

    probe->fetch = fetch_get(probe->probes->control, probe->endpoint->origin, slice_str(path),
                             slice_str(probe->pool->authorization), PROBE_ANSWER_BYTES,
                             (unsigned)conf->timeout, probe_on_answer, probe);
}

static void probe_free(struct probe *probe)
{
    fetch_cancel(probe->fetch);
    timer_clear(&probe->due);
    list_remove(&probe->link);
    endpoint_state_unref(probe->state);
    free(probe);
}

struct probes *probes_new(struct worker *control)
{
    struct probes *probes = xcalloc(1, sizeof(*probes));

    probes->control = control;
    list_init(&probes->all);
    return probes;
}

void probes_free(struct probes *probes)
{
    if (!probes)
        return;
    LIST_FOREACH_SAFE (at, &probes->all)
        probe_free(CONTAINER_OF(at, struct probe, link));
    fleet_unref(probes->fleet);
    free(probes);
}

/* The probe of the same endpoint in the fleet before, taken off its list; NULL when there was none.
 */
static struct probe *probes_take(struct list *before, const struct endpoint_state *state)
{
    LIST_FOREACH (at, before) {
        struct probe *probe = CONTAINER_OF(at, struct probe, link);

        if (probe->state == state) {
            list_remove(&probe->link);
            return probe;
        }
    }
    return NULL;
}

static void probes_follow_endpoint(struct probes *probes, struct list *before,
                                   const struct pool *pool, const struct endpoint *endpoint)
{
    struct probe *probe = probes_take(before, endpoint->state);

    if (!probe) {
        probe = xcalloc(1, sizeof(*probe));
        probe->probes = probes;
        probe->state = endpoint_state_ref(endpoint->state);
        list_init(&probe->link);
        timer_init(&probe->due, probe_on_due);
    }
    fetch_cancel(probe->fetch);
    probe->fetch = NULL;
    probe->pool = pool;
    probe->endpoint = endpoint;
    list_push(&probes->all, &probe->link);
    if (!timer_is_set(&probe->due))
        probe_schedule(probe, 0);
}

void probes_follow(struct probes *probes, struct fleet *fleet)
{
    struct fleet *old = probes->fleet;
    struct list before;

    list_init(&before);
    list_splice(&before, &probes->all);
    probes->fleet = fleet_ref(fleet);
    for (size_t i = 0; i < fleet->pool_count; i++) {
        const struct pool *pool = &fleet->pools[i];

        for (size_t j = 0; pool->conf->health->active && j < pool->count; j++)
            probes_follow_endpoint(probes, &before, pool, &pool->endpoints[j]);
    }
    LIST_FOREACH_SAFE (at, &before) {
        struct probe *probe = CONTAINER_OF(at, struct probe, link);

        atomic_store_explicit(&probe->state->probe_failing, false, memory_order_relaxed);
        probe_free(probe);
    }
    fleet_unref(old);
}
