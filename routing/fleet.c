/*
 * Fleets: published as snapshots, searched, seen by workers through views.
 */
#include "routing/fleet.h"

#include "routing/fleet_adapters.h"
#include "routing/fleet_build.h"
#include "routing/fleet_recipes.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- fleets ---- */

static void pool_release(struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        free(pool->endpoints[i].name);
        origin_unref(pool->endpoints[i].origin);
        endpoint_state_unref(pool->endpoints[i].state);
    }
    free(pool->endpoints);
    free(pool->authorization);
    if (pool->state)
        snapshot_unref(&pool->state->snapshot);
}

void fleet_model_release(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        recipe_unref(model->versions[i].recipe);
        agreement_unref(model->versions[i].agreement);
        free(model->versions[i].model_text);
    }
    free(model->versions);
}

static void fleet_free(struct snapshot *snapshot)
{
    struct fleet *fleet = CONTAINER_OF(snapshot, struct fleet, snapshot);

    for (size_t i = 0; i < fleet->model_count; i++)
        fleet_model_release(&fleet->models[i]);
    fleet_free_adapters(fleet);
    for (size_t i = 0; i < fleet->pool_count; i++)
        pool_release(&fleet->pools[i]);
    map_release(&fleet->models_by_name);
    free(fleet->models);
    free(fleet->pools);
    conf_unref(fleet->conf);
    free(fleet);
}

struct fleet *fleet_new(struct conf *conf, const struct names *names, const struct fleet *before,
                        unsigned workers, struct buf *errors)
{
    struct fleet *fleet = xcalloc(1, sizeof(*fleet));
    bool built;

    snapshot_init(&fleet->snapshot, fleet_free);
    fleet->conf = conf_ref(conf);
    fleet->number = before ? before->number + 1 : 1;
    built = fleet_build(fleet, before, names, workers, errors);
    built &= fleet_add_recipes(fleet, before, errors);
    if (built) {
        fleet_add_adapters(fleet);
        return fleet;
    }
    fleet_unref(fleet);
    return NULL;
}

struct fleet *fleet_ref(struct fleet *fleet)
{
    snapshot_ref(&fleet->snapshot);
    return fleet;
}

void fleet_unref(struct fleet *fleet)
{
    if (fleet)
        snapshot_unref(&fleet->snapshot);
}

/* Endpoints that an exchange of the older fleet may still choose are not sent anything new. */
static void fleet_mark(const struct fleet *fleet, uint64_t number)
{
    for (size_t i = 0; fleet && i < fleet->pool_count; i++)
        for (size_t j = 0; j < fleet->pools[i].count; j++) {
            struct endpoint_state *state = fleet->pools[i].endpoints[j].state;

            if (fleet->number == number)
                state->fleet_number = number;
            atomic_store_explicit(&state->gone, state->fleet_number != number,
                                  memory_order_relaxed);
        }
}

void fleet_retire(const struct fleet *before, const struct fleet *after)
{
    fleet_mark(after, after->number);
    fleet_mark(before, after->number);
}

bool pool_answers(const struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        const struct endpoint_state *state = pool->endpoints[i].state;

        if (!atomic_load_explicit(&state->probe_failing, memory_order_relaxed) &&
            !atomic_load_explicit(&state->gone, memory_order_relaxed))
            return true;
    }
    return false;
}

void pool_note_answer(struct pool_state *state)
{
    if (!atomic_load_explicit(&state->unreached, memory_order_relaxed))
        return;
    atomic_store_explicit(&state->unreached, false, memory_order_relaxed);
    room_made(state);
}

const struct endpoint *pool_endpoint_with(const struct pool *pool,
                                          const struct endpoint_state *state)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->endpoints[i].state == state)
            return &pool->endpoints[i];
    return NULL;
}

/* "base:adapter", as clients of some engines name an adapter. NULL: it is none. */
static const struct model *adapter_after_base(const struct fleet *fleet, struct slice name)
{
    const struct model *base, *adapter;
    size_t colon = name.len;

    while (colon > 0 && name.at[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return NULL;
    base = map_get(&fleet->models_by_name, slice_head(name, colon - 1));
    adapter = map_get(&fleet->models_by_name, slice_skip(name, colon));
    return base && adapter && adapter->base == base ? adapter : NULL;
}

const struct model *fleet_model(const struct fleet *fleet, struct slice name)
{
    const struct model *model = name.len > 0 ? map_get(&fleet->models_by_name, name) : NULL;

    if (!model)
        model = adapter_after_base(fleet, name);
    if (model || fleet->catch_all)
        return model ? model : fleet->catch_all;
    return name.len == 0 && fleet->model_count == 1 ? &fleet->models[0] : NULL;
}

/* ---- views ---- */

struct fleet_view {
    struct snapshot_slot *slot;
    uint64_t generation;
    struct fleet *fleet;
};

struct fleet_view *fleet_view_new(struct snapshot_slot *slot)
{
    struct fleet_view *view = xcalloc(1, sizeof(*view));

    view->slot = slot;
    return view;
}

void fleet_view_free(struct fleet_view *view)
{
    if (view)
        fleet_unref(view->fleet);
    free(view);
}

struct fleet *fleet_view_get(struct fleet_view *view)
{
    struct snapshot *snapshot;

    if (view->fleet &&
        atomic_load_explicit(&view->slot->generation, memory_order_acquire) == view->generation)
        return view->fleet;
    snapshot = snapshot_get(view->slot, &view->generation);
    CHECK(snapshot); /* published before the first worker starts */
    fleet_unref(view->fleet);
    view->fleet = CONTAINER_OF(snapshot, struct fleet, snapshot);
    return view->fleet;
}
