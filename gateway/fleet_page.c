/*
 * The fleet's page: a JSON value a part, written as soon as it is made.
 */
#include "gateway/fleet_page.h"

#include "gateway/base/clock.h"
#include "routing/decide.h"
#include "routing/holdings.h"

#include <jansson.h>
#include <stdatomic.h>

#define GET(field) atomic_load_explicit(field, memory_order_relaxed)

/* Digits that say more than a page shows. */
#define REAL_DIGITS 6

static int buf_write(const char *bytes, size_t size, void *user)
{
    buf_add(user, slice_of(bytes, size));
    return 0;
}

/* Takes the value. */
static void write_json(json_t *value, struct buf *out)
{
    CHECK(value && json_dump_callback(value, buf_write, out,
                                      JSON_COMPACT | JSON_ENCODE_ANY |
                                          JSON_REAL_PRECISION(REAL_DIGITS)) == 0);
    json_decref(value);
}

/* ---- an endpoint ---- */

static json_t *own_json(const struct signals *signals)
{
    return json_pack("{s:f, s:I, s:I, s:i, s:i}", "queued_s",
                     (double)GET(&signals->queued_us) / CLOCK_US_PER_S, "queued_tokens",
                     (json_int_t)GET(&signals->queued_tokens), "live_tokens",
                     (json_int_t)GET(&signals->live_tokens), "prefills",
                     (int)GET(&signals->prefills), "decodes", (int)GET(&signals->decodes));
}

/* As prices take it: what it has not shown itself is its pool's. */
static json_t *pace_json(const struct pool *pool, const struct endpoint *endpoint, uint64_t now_us)
{
    struct pace usual, pace;

    pace_read_pool(&pool->state->pace, &usual);
    pace_read(&endpoint->state->pace, &usual, now_us, &pace);
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "token_s", pace.token_s, "square_s",
                     pace.square_s, "step_s", pace.step_s, "sequence_s", pace.sequence_s,
                     "context_s", pace.context_s);
}

static json_t *gauge_json(const struct gauges *gauges, enum gauge gauge)
{
    return gauges_know(gauges, gauge) ? json_real(gauges->values[gauge]) : json_null();
}

static json_t *reported_json(const struct reported *reported, uint64_t now_us)
{
    uint64_t seen_us = GET(&reported->seen_us), capacity = GET(&reported->capacity);
    uint64_t age_us = now_us > seen_us ? now_us - seen_us : 0;
    struct gauges gauges;

    reported_read(reported, now_us, &gauges);
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "age_ms",
                     seen_us ? json_integer((json_int_t)(age_us / CLOCK_US_PER_MS)) : json_null(),
                     "waiting", gauge_json(&gauges, GAUGE_WAITING), "running",
                     gauge_json(&gauges, GAUGE_RUNNING), "usage", gauge_json(&gauges, GAUGE_USAGE),
                     "capacity_tokens",
                     capacity ? json_integer((json_int_t)capacity) : json_null());
}

static json_t *adapters_json(const struct adapters *adapters)
{
    return json_pack("{s:b, s:i, s:i}", "known", (int)GET(&adapters->known), "served",
                     (int)GET(&adapters->served.count), "loaded",
                     (int)GET(&adapters->loaded.count));
}

static json_t *health_json(const struct pool *pool, const struct endpoint *endpoint,
                           uint64_t now_us)
{
    const struct endpoint_state *state = endpoint->state;
    double weight = health_weight(endpoint, pool->conf->health, now_us);
    uint64_t until_us = GET(&state->ejected_until_us);

    return json_pack("{s:s, s:b, s:f, s:b, s:I}", "endpoint", endpoint->name, "ready", weight > 0,
                     "weight", weight, "probe_failing", (int)GET(&state->probe_failing),
                     "ejected_for_ms",
                     (json_int_t)(until_us > now_us ? (until_us - now_us) / CLOCK_US_PER_MS : 0));
}

static void set_count(json_t *json, const char *key, uint64_t count)
{
    json_object_set_new(json, key, json_integer((json_int_t)count));
}

static json_t *endpoint_json(const struct pool *pool, const struct endpoint *endpoint,
                             uint64_t now_us)
{
    const struct endpoint_state *state = endpoint->state;
    json_t *json = health_json(pool, endpoint, now_us);

    set_count(json, "inflight", GET(&state->inflight));
    set_count(json, "served", GET(&state->served));
    set_count(json, "failed", GET(&state->failed));
    set_count(json, "prompt_tokens", GET(&state->prompt_tokens));
    set_count(json, "cached_tokens", GET(&state->cached_tokens));
    set_count(json, "predicted_cached_tokens", GET(&state->expected_cached_tokens));
    json_object_set_new(json, "own", own_json(&state->signals));
    json_object_set_new(json, "pace", pace_json(pool, endpoint, now_us));
    json_object_set_new(json, "reported", reported_json(&state->reported, now_us));
    json_object_set_new(json, "adapters", adapters_json(&state->adapters));
    json_object_set_new(json, "cache", holdings_json(endpoint));
    return json;
}

/* ---- pools and models ---- */

/* `{...}` without its end: members follow. Takes the value. */
static void write_open(json_t *object, struct buf *out)
{
    struct buf text;

    buf_init(&text, SIZE_MAX);
    write_json(object, &text);
    buf_move(out, &text, text.len - 1);
    buf_release(&text);
}

static void write_pool(const struct pool *pool, uint64_t now_us, size_t *room, struct buf *out)
{
    const char *comma = "";

    write_open(json_pack("{s:s, s:s, s:s, s:I, s:b}", "pool", pool->name, "engine",
                         pool->engine->name, "route", pick_names[pool->conf->route], "waiting",
                         (json_int_t)GET(&pool->state->room.waiting), "panic",
                         (int)GET(&pool->state->panicking)),
               out);
    buf_printf(out, ",\"endpoints\":[");
    for (size_t i = 0; i<pool->count && * room> 0; i++, --*room) {
        buf_printf(out, "%s\n", comma);
        write_json(endpoint_json(pool, &pool->endpoints[i], now_us), out);
        comma = ",";
    }
    buf_printf(out, "]}");
}

enum exactness fleet_page_exactness(const struct version *version)
{
    if (!version->recipe)
        return EXACTNESS_no_tokenizer;
    return agreement_is_trusted(version->agreement) ? version->recipe->chats : EXACTNESS_distrusted;
}

static json_t *model_json(const struct model *model)
{
    json_t *versions = json_array();
    uint32_t before = 0;

    for (size_t i = 0; i < model->count; i++) {
        const struct version *version = &model->versions[i];

        json_array_append_new(versions,
                              json_pack("{s:s, s:s, s:I, s:s, s:f}", "version", version->name,
                                        "pool", version->pool->name, "weight",
                                        (json_int_t)(version->weight_until - before), "tokens",
                                        exactness_rows[fleet_page_exactness(version)].name,
                                        "token_bytes", agreement_token_bytes(version->agreement)));
        before = version->weight_until;
    }
    return json_pack("{s:s, s:o}", "model", model->name, "versions", versions);
}

static void write_models(const struct fleet *fleet, struct buf *out)
{
    for (size_t i = 0; i < fleet->model_count; i++) {
        buf_printf(out, "%s\n", i > 0 ? "," : "");
        write_json(model_json(&fleet->models[i]), out);
    }
}

static json_t *adapter_json(const struct model *adapter)
{
    json_t *versions = json_array();

    for (size_t i = 0; i < adapter->count; i++)
        json_array_append_new(versions, json_string(adapter->versions[i].name));
    return json_pack("{s:s, s:s, s:o}", "adapter", adapter->name, "model", adapter->base->name,
                     "versions", versions);
}

static void write_adapters(const struct fleet *fleet, struct buf *out)
{
    for (size_t i = 0; i < fleet->adapter_count; i++) {
        buf_printf(out, "%s\n", i > 0 ? "," : "");
        write_json(adapter_json(fleet->adapters[i]), out);
    }
}

static bool is_wanted(const struct pool *pool, struct slice query)
{
    struct slice key = SLICE("pool=");

    return !slice_starts(query, key) || slice_eq(slice_skip(query, key.len), slice_str(pool->name));
}

void fleet_page_print(const struct fleet *fleet, struct slice query, uint64_t now_us,
                      struct buf *out)
{
    size_t room = FLEET_PAGE_ENDPOINTS, wanted = 0;
    const char *comma = "";

    buf_printf(out, "{\"fleet\":%llu,\"models\":[", (unsigned long long)fleet->number);
    write_models(fleet, out);
    buf_printf(out, "],\n\"adapters\":[");
    write_adapters(fleet, out);
    buf_printf(out, "],\n\"pools\":[");
    for (size_t i = 0; i < fleet->pool_count; i++)
        if (is_wanted(&fleet->pools[i], query)) {
            buf_printf(out, "%s\n", comma);
            wanted += fleet->pools[i].count;
            write_pool(&fleet->pools[i], now_us, &room, out);
            comma = ",";
        }
    buf_printf(out, "],\n\"cut\":%s}\n", wanted > FLEET_PAGE_ENDPOINTS ? "true" : "false");
}
