/*
 * Endpoints' states, and places at them.
 */
#include "routing/endpoint.h"

#include "routing/holdings.h"

#include <stdatomic.h>
#include <stdlib.h>

struct slice endpoint_url(const char *text, bool *ret_dns)
{
    struct slice url = slice_str(text);

    *ret_dns = slice_starts(url, SLICE("dns:"));
    return *ret_dns ? slice_skip(url, 4) : url;
}

/* Counted first: two workers cannot both take the last place. */
bool endpoint_enter(const struct endpoint *endpoint, uint64_t limit)
{
    uint32_t before =
        atomic_fetch_add_explicit(&endpoint->state->inflight, 1, memory_order_relaxed);

    if (limit == 0 || before < limit)
        return true;
    endpoint_leave(endpoint);
    return false;
}

void endpoint_leave(const struct endpoint *endpoint)
{
    atomic_fetch_sub_explicit(&endpoint->state->inflight, 1, memory_order_relaxed);
}

/* How much of its cache is in use says little without how much that is. */
void endpoint_report(struct endpoint_state *state, const struct gauges *gauges, uint64_t now_us,
                     uint64_t until_us)
{
    uint64_t capacity;

    reported_note(&state->reported, gauges, now_us, until_us);
    capacity = atomic_load_explicit(&state->reported.capacity, memory_order_relaxed);
    if (capacity > 0 && gauges_know(gauges, GAUGE_USAGE))
        signals_cache(&state->signals, capacity, gauges->values[GAUGE_USAGE]);
}

void endpoint_forget_stale(struct endpoint_state *state, uint64_t now_us)
{
    struct gauges gauges;

    reported_read(&state->reported, now_us, &gauges);
    if (!gauges_know(&gauges, GAUGE_USAGE))
        signals_cache_unknown(&state->signals);
    if (gauges.known == 0)
        adapters_set_loaded(&state->adapters, NULL, 0);
}

uint64_t endpoint_capacity(const struct endpoint *endpoint)
{
    return atomic_load_explicit(&endpoint->state->reported.capacity, memory_order_relaxed);
}

enum adapter_state endpoint_adapter(const struct endpoint *endpoint, uint64_t key)
{
    return adapters_state(&endpoint->state->adapters, key);
}

static void endpoint_state_free(struct snapshot *snapshot)
{
    struct endpoint_state *state = CONTAINER_OF(snapshot, struct endpoint_state, snapshot);

    holding_free(state->holding);
    free(state);
}

struct endpoint_state *endpoint_state_new(void)
{
    struct endpoint_state *state = xcalloc(1, sizeof(*state));

    snapshot_init(&state->snapshot, endpoint_state_free);
    return state;
}

struct endpoint_state *endpoint_state_ref(struct endpoint_state *state)
{
    snapshot_ref(&state->snapshot);
    return state;
}

void endpoint_state_unref(struct endpoint_state *state)
{
    if (state)
        snapshot_unref(&state->snapshot);
}
