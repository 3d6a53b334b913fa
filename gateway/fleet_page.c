/*
 * The fleet's page: lists of things, one thing after the other, and where in them it is.
 *
 *   models -> adapters -> pools, each: its head, its endpoints, its end
 */
#include "gateway/fleet_page.h"

#include "gateway/base/clock.h"
#include "gateway/prompt/json.h"
#include "routing/decide.h"
#include "routing/holdings.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define GET(field) atomic_load_explicit(field, memory_order_relaxed)

/* Digits that say more than a page shows. */
#define REAL_DIGITS 6

/* Things of a piece: models, adapters, endpoints. */
#define PIECE_THINGS 32

struct fleet_page {
    struct fleet *fleet;  /* reffed */
    char *only;           /* the pool that is wanted; NULL: all */
    size_t part;          /* index into parts */
    size_t at;            /* of the part's list: a model, an adapter, a pool */
    size_t endpoint;      /* of the pool */
    size_t pools, wanted; /* printed so far; endpoints there would be without a limit */
    size_t room;          /* endpoints that may still be printed */
};

/* ---- values: each with what stands before it ---- */

static void put(struct buf *out, const char *text)
{
    buf_add(out, slice_str(text));
}

static void put_text(struct buf *out, const char *before, const char *text)
{
    put(out, before);
    json_write_text(out, slice_str(text));
}

static void put_count(struct buf *out, const char *before, uint64_t count)
{
    buf_printf(out, "%s%llu", before, (unsigned long long)count);
}

static void put_truth(struct buf *out, const char *before, bool truth)
{
    put(out, before);
    put(out, truth ? "true" : "false");
}

/* What JSON has no number for is not known. */
static void put_real(struct buf *out, const char *before, double real)
{
    if (isfinite(real))
        buf_printf(out, "%s%.*g", before, REAL_DIGITS, real);
    else
        buf_printf(out, "%snull", before);
}

/* ---- an endpoint ---- */

static void put_own(struct buf *out, const struct signals *signals)
{
    put_real(out, ",\"own\":{\"queued_s\":", (double)GET(&signals->queued_us) / CLOCK_US_PER_S);
    put_count(out, ",\"queued_tokens\":", GET(&signals->queued_tokens));
    put_count(out, ",\"live_tokens\":", GET(&signals->live_tokens));
    put_count(out, ",\"prefills\":", GET(&signals->prefills));
    put_count(out, ",\"decodes\":", GET(&signals->decodes));
    put(out, "}");
}

/* As prices take it: what it has not shown itself is its pool's. */
static void put_pace(struct buf *out, const struct pool *pool, const struct endpoint *endpoint,
                     uint64_t now_us)
{
    struct pace usual, pace;

    pace_read_pool(&pool->state->pace, &usual);
    pace_read(&endpoint->state->pace, &usual, now_us, &pace);
    put_real(out, ",\"pace\":{\"token_s\":", pace.token_s);
    put_real(out, ",\"square_s\":", pace.square_s);
    put_real(out, ",\"step_s\":", pace.step_s);
    put_real(out, ",\"sequence_s\":", pace.sequence_s);
    put_real(out, ",\"context_s\":", pace.context_s);
    put(out, "}");
}

static void put_gauge(struct buf *out, const char *before, const struct gauges *gauges,
                      enum gauge gauge)
{
    put_real(out, before, gauges_know(gauges, gauge) ? gauges->values[gauge] : NAN);
}

/* 0 stands for what was not said. */
static void put_said(struct buf *out, const char *before, uint64_t said, uint64_t count)
{
    if (said)
        put_count(out, before, count);
    else
        buf_printf(out, "%snull", before);
}

static void put_reported(struct buf *out, const struct reported *reported, uint64_t now_us)
{
    uint64_t seen_us = GET(&reported->seen_us), capacity = GET(&reported->capacity);
    uint64_t age_us = now_us > seen_us ? now_us - seen_us : 0;
    struct gauges gauges;

    reported_read(reported, now_us, &gauges);
    put_said(out, ",\"reported\":{\"age_ms\":", seen_us, age_us / CLOCK_US_PER_MS);
    put_gauge(out, ",\"waiting\":", &gauges, GAUGE_WAITING);
    put_gauge(out, ",\"running\":", &gauges, GAUGE_RUNNING);
    put_gauge(out, ",\"usage\":", &gauges, GAUGE_USAGE);
    put_said(out, ",\"capacity_tokens\":", capacity, capacity);
    put(out, "}");
}

static void put_cache(struct buf *out, const struct endpoint *endpoint)
{
    struct holdings_view view;

    if (!holdings_look(endpoint, &view)) {
        put(out, ",\"cache\":null");
        return;
    }
    put_text(out, ",\"cache\":{\"known_by\":", view.heard ? "events" : "model");
    if (view.events)
        put_text(out, ",\"events\":", view.events);
    else
        put(out, ",\"events\":null");
    put_truth(out, ",\"connected\":", view.connected);
    put_count(out, ",\"page_tokens\":", view.page_tokens);
    put_real(out, ",\"trust\":", view.trust);
    put_count(out, ",\"expected_tokens\":", view.expected_tokens);
    put_count(out, ",\"found_tokens\":", view.found_tokens);
    put(out, "}");
}

static void put_adapters(struct buf *out, const struct adapters *adapters)
{
    put_truth(out, ",\"adapters\":{\"known\":", GET(&adapters->known));
    put_count(out, ",\"served\":", GET(&adapters->served.count));
    put_count(out, ",\"loaded\":", GET(&adapters->loaded.count));
    put(out, "}");
}

static void put_health(struct buf *out, const struct pool *pool, const struct endpoint *endpoint,
                       uint64_t now_us)
{
    double weight = health_weight(endpoint, pool->conf->health, now_us);
    uint64_t until_us = GET(&endpoint->state->ejected_until_us);

    put_truth(out, ",\"ready\":", weight > 0);
    put_real(out, ",\"weight\":", weight);
    put_truth(out, ",\"probe_failing\":", GET(&endpoint->state->probe_failing));
    put_count(
        out, ",\"ejected_for_ms\":", until_us > now_us ? (until_us - now_us) / CLOCK_US_PER_MS : 0);
}

static void put_endpoint(struct buf *out, const struct pool *pool, const struct endpoint *endpoint,
                         uint64_t now_us)
{
    const struct endpoint_state *state = endpoint->state;

    put_text(out, "\n{\"endpoint\":", endpoint->name);
    put_health(out, pool, endpoint, now_us);
    put_count(out, ",\"inflight\":", GET(&state->inflight));
    put_count(out, ",\"served\":", GET(&state->served));
    put_count(out, ",\"failed\":", GET(&state->failed));
    put_count(out, ",\"prompt_tokens\":", GET(&state->prompt_tokens));
    put_count(out, ",\"cached_tokens\":", GET(&state->cached_tokens));
    put_count(out, ",\"predicted_cached_tokens\":", GET(&state->expected_cached_tokens));
    put_own(out, &state->signals);
    put_pace(out, pool, endpoint, now_us);
    put_reported(out, &state->reported, now_us);
    put_adapters(out, &state->adapters);
    put_cache(out, endpoint);
    put(out, "}");
}

/* ---- a list's next thing; false: there is none any more ---- */

enum exactness fleet_page_exactness(const struct version *version)
{
    if (!version->recipe)
        return EXACTNESS_no_tokenizer;
    return agreement_is_trusted(version->agreement) ? version->recipe->chats : EXACTNESS_distrusted;
}

static void put_version(struct buf *out, const struct version *version, uint32_t weight)
{
    put_text(out, "{\"version\":", version->name);
    put_text(out, ",\"pool\":", version->pool->name);
    put_count(out, ",\"weight\":", weight);
    put_text(out, ",\"tokens\":", exactness_rows[fleet_page_exactness(version)].name);
    put_real(out, ",\"token_bytes\":", agreement_token_bytes(version->agreement));
    put(out, "}");
}

static bool next_model(struct fleet_page *page, uint64_t now_us, struct buf *out)
{
    const struct model *model;
    uint32_t before = 0;

    (void)now_us;
    if (page->at == page->fleet->model_count)
        return false;
    model = &page->fleet->models[page->at];
    put_text(out, page->at > 0 ? ",\n{\"model\":" : "\n{\"model\":", model->name);
    put(out, ",\"versions\":[");
    for (size_t i = 0; i < model->count; i++) {
        put(out, i > 0 ? "," : "");
        put_version(out, &model->versions[i], model->versions[i].weight_until - before);
        before = model->versions[i].weight_until;
    }
    put(out, "]}");
    page->at++;
    return true;
}

static bool next_adapter(struct fleet_page *page, uint64_t now_us, struct buf *out)
{
    const struct model *adapter;

    (void)now_us;
    if (page->at == page->fleet->adapter_count)
        return false;
    adapter = page->fleet->adapters[page->at];
    put_text(out, page->at > 0 ? ",\n{\"adapter\":" : "\n{\"adapter\":", adapter->name);
    put_text(out, ",\"model\":", adapter->base->name);
    put(out, ",\"versions\":[");
    for (size_t i = 0; i < adapter->count; i++)
        put_text(out, i > 0 ? "," : "", adapter->versions[i].name);
    put(out, "]}");
    page->at++;
    return true;
}

static void begin_pool(struct fleet_page *page, const struct pool *pool, struct buf *out)
{
    put_text(out, page->pools++ > 0 ? ",\n{\"pool\":" : "\n{\"pool\":", pool->name);
    put_text(out, ",\"engine\":", pool->engine->name);
    put_text(out, ",\"route\":", pick_names[pool->conf->route]);
    put_count(out, ",\"waiting\":", GET(&pool->state->room.waiting));
    put_truth(out, ",\"panic\":", GET(&pool->state->panicking));
    put(out, ",\"endpoints\":[");
    page->wanted += pool->count;
}

static bool is_wanted(const struct fleet_page *page, const struct pool *pool)
{
    return !page->only || strcmp(page->only, pool->name) == 0;
}

/* An endpoint of the pool, with the pool's head before the first and its end behind the last. */
static bool next_endpoint(struct fleet_page *page, uint64_t now_us, struct buf *out)
{
    const struct fleet *fleet = page->fleet;
    const struct pool *pool;

    while (page->at < fleet->pool_count && !is_wanted(page, &fleet->pools[page->at]))
        page->at++;
    if (page->at == fleet->pool_count)
        return false;
    pool = &fleet->pools[page->at];
    if (page->endpoint == 0)
        begin_pool(page, pool, out);
    if (page->endpoint < pool->count && page->room > 0) {
        put(out, page->endpoint > 0 ? "," : "");
        put_endpoint(out, pool, &pool->endpoints[page->endpoint], now_us);
        page->room--;
        page->endpoint++;
    }
    if (page->endpoint == pool->count || page->room == 0) {
        put(out, "]}");
        page->at++;
        page->endpoint = 0;
    }
    return true;
}

static const struct part {
    const char *begin; /* what stands before its list */
    bool (*next)(struct fleet_page *page, uint64_t now_us, struct buf *out);
} parts[] = {
    { ",\"models\":[", next_model },
    { "],\n\"adapters\":[", next_adapter },
    { "],\n\"pools\":[", next_endpoint },
};

/* ---- a page ---- */

struct fleet_page *fleet_page_new(struct fleet *fleet, struct slice query)
{
    struct fleet_page *page = xcalloc(1, sizeof(*page));
    struct slice key = SLICE("pool=");

    page->fleet = fleet_ref(fleet);
    page->room = FLEET_PAGE_ENDPOINTS;
    if (slice_starts(query, key))
        page->only = slice_dup(slice_skip(query, key.len));
    return page;
}

void fleet_page_free(struct fleet_page *page)
{
    if (!page)
        return;
    fleet_unref(page->fleet);
    free(page->only);
    free(page);
}

/* Where it begins, or goes on to the next list. */
static void begin_part(struct fleet_page *page, struct buf *out)
{
    put(out, parts[page->part].begin);
    page->at = 0;
}

bool fleet_page_print(struct fleet_page *page, uint64_t now_us, struct buf *out)
{
    if (page->part == 0 && page->at == 0) {
        put_count(out, "{\"fleet\":", page->fleet->number);
        begin_part(page, out);
    }
    for (size_t things = 0; things < PIECE_THINGS; things++) {
        if (parts[page->part].next(page, now_us, out))
            continue;
        if (++page->part == ARRAY_LEN(parts)) {
            put_truth(out, "],\n\"cut\":", page->wanted > FLEET_PAGE_ENDPOINTS);
            put(out, "}\n");
            return false;
        }
        begin_part(page, out);
    }
    return true;
}
