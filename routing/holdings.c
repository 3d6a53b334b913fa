/*
 * Who holds what. See holdings.h.
 */
#include "routing/holdings.h"

#include "gateway/base/clock.h"
#include "gateway/base/map.h"
#include "gateway/base/metric.h"
#include "gateway/prompt/pipeline.h"
#include "routing/kv_events.h"
#include "routing/kv_feed.h"
#include "routing/kv_model.h"
#include "routing/kv_pages.h"
#include "routing/kv_silence.h"
#include "routing/kv_url.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Endpoints of one pool that are looked at: what those behind them have is not known, and they are
 * priced as if they had nothing. */
#define ENDPOINTS_MAX 4096
#define SUBJECT_MAX   256 /* bytes of an endpoint in the log */
/* Trust in a match: found by expected tokens, as a running ratio. One prompt in sixteen counts;
 * while nearly all is found a match stands as it is, for what is missing then was evicted in
 * between. */
#define TRUST_ONE    65536
#define TRUST_SHARE  16
#define TRUST_ENOUGH (TRUST_ONE / 10 * 9)

struct holdings {
    struct prefix_index *index;
    struct kv_events *events;
    struct fleet *fleet;   /* the one that was followed last; reffed; control's */
    uint64_t payer_key[2]; /* so that nobody chooses with whom he shares */
};

struct holding {
    struct kv_feed *feed; /* silent where the pool has no kv_events */
    struct kv_model *model;
    char *settings; /* what the feed was told to listen to, as text; NULL: nothing; control's */
    struct kv_silence silence; /* of that; control's */
    /* Any worker. */
    _Atomic uint32_t trust; /* TRUST_ONE: all that was expected is found */
    _Atomic bool stood_in;  /* the model has keys that events know */
    _Atomic uint64_t implausible;
    _Atomic uint64_t expected_tokens, found_tokens;
};

static const struct directive holdings_rows[] = {
    DIRECTIVE_SIZE(struct holdings_conf, memory, "1GB", 1 << 16, 1e13,
                   "Bytes that the index of cached blocks may take, 40 at most for a block at an "
                   "endpoint; past it the blocks used least recently are forgotten. Reserved at "
                   "start, taken as blocks come. Needs a restart."),
};

const struct directive_set holdings_set = {
    .key = "prefix_index",
    .shape = DIRECTIVE_OBJECT,
    .help = "What is known of the engines' caches.",
    .rows = holdings_rows,
    .count = ARRAY_LEN(holdings_rows),
    .size = sizeof(struct holdings_conf),
};

struct holdings *holdings_new(const struct conf *conf)
{
    const struct holdings_conf *settings = conf_section(conf, &holdings_set);
    struct holdings *holdings = xcalloc(1, sizeof(*holdings));

    holdings->index = prefix_index_new(settings->memory);
    holdings->events = kv_events_new(holdings->index);
    CHECK(getrandom(holdings->payer_key, sizeof(holdings->payer_key), 0) ==
          (ssize_t)sizeof(holdings->payer_key));
    return holdings;
}

void holdings_free(struct holdings *holdings)
{
    if (!holdings)
        return;
    fleet_unref(holdings->fleet);
    kv_events_free(holdings->events);
    prefix_index_free(holdings->index);
    free(holdings);
}

bool holdings_resize(const struct conf *now, const struct conf *coming)
{
    const struct holdings_conf *a = conf_section(now, &holdings_set),
                               *b = conf_section(coming, &holdings_set);

    return a->memory != b->memory;
}

static uint64_t number(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* ---- following fleets ---- */

static struct holding *holding_of(const struct endpoint *endpoint)
{
    return atomic_load_explicit(&endpoint->state->holding, memory_order_acquire);
}

/* In blocks of ours: what the engine has said, or what the operator says. */
static uint32_t capacity_of(const struct endpoint *endpoint, uint64_t conf_tokens, uint32_t block)
{
    uint64_t said = endpoint_capacity(endpoint);
    uint64_t blocks = (said ? said : conf_tokens) / block;

    return blocks < KV_PAGES_MAX ? (uint32_t)blocks : KV_PAGES_MAX;
}

static struct holding *holding_new(struct holdings *holdings, uint32_t capacity)
{
    struct holding *holding = xcalloc(1, sizeof(*holding));

    holding->feed = kv_feed_open(holdings->events, NULL);
    holding->model = kv_model_open(holdings->events, capacity);
    atomic_init(&holding->trust, TRUST_ONE);
    return holding;
}

void holding_free(struct holding *holding)
{
    if (!holding)
        return;
    kv_feed_close(holding->feed);
    kv_model_close(holding->model);
    free(holding->settings);
    free(holding);
}

static void expand(const char *pattern, const struct origin *origin, char ret_url[KV_URL_MAX])
{
    struct slice host = slice_str(origin->pin ? origin->pin : origin->host);

    if (kv_url_expand(pattern, host, origin->port, ret_url) != NULL) /* a port out of range */
        snprintf(ret_url, KV_URL_MAX, "%s", pattern);
}

/* What the feed should listen to; its text tells whether it does already. */
struct listening {
    char name[SUBJECT_MAX], events[KV_URL_MAX], replay[KV_URL_MAX];
    struct kv_feed_conf conf;
};

static void listening_of(const struct pool *pool, const struct endpoint *endpoint, uint32_t block,
                         uint64_t prefix_seed, struct listening *ret_listening)
{
    const struct pool_conf *conf = pool->conf;

    endpoint->subject.print(&endpoint->subject, ret_listening->name, sizeof(ret_listening->name));
    expand(conf->kv_events, endpoint->origin, ret_listening->events);
    if (conf->kv_events_replay)
        expand(conf->kv_events_replay, endpoint->origin, ret_listening->replay);
    ret_listening->conf = (struct kv_feed_conf){
        .name = ret_listening->name,
        .events = ret_listening->events,
        .replay = conf->kv_events_replay ? ret_listening->replay : NULL,
        .ranks = (uint32_t)conf->kv_events_ranks,
        .topic = conf->kv_events_topic,
        .block = block,
        .prefix_seed = prefix_seed,
        .cache = slice_str(pool->name),
    };
}

static char *settings_text(const struct kv_feed_conf *conf)
{
    struct buf text;
    char *copy;

    buf_init(&text, SIZE_MAX);
    buf_printf(&text, "%s\n%s\n%u\n%s\n%u\n%llu", conf->events, conf->replay ? conf->replay : "",
               conf->ranks, conf->topic ? conf->topic : "", conf->block,
               (unsigned long long)conf->prefix_seed);
    copy = slice_dup(buf_join(&text));
    buf_release(&text);
    return copy;
}

static void silence(struct holding *holding)
{
    if (holding->settings)
        kv_feed_change(holding->feed, NULL);
    free(holding->settings);
    holding->settings = NULL;
}

static void listen_to(struct holding *holding, const struct endpoint *endpoint,
                      const struct kv_feed_conf *conf)
{
    char *settings = settings_text(conf);

    if (holding->settings && strcmp(holding->settings, settings) == 0) {
        free(settings);
        return;
    }
    free(holding->settings);
    holding->settings = settings;
    holding->silence = (struct kv_silence){ .served = number(&endpoint->state->served) };
    kv_feed_change(holding->feed, conf);
}

static void follow_endpoint(struct holdings *holdings, const struct pool *pool,
                            const struct endpoint *endpoint, uint32_t block, uint64_t prefix_seed)
{
    struct holding *holding = holding_of(endpoint);
    uint32_t capacity = capacity_of(endpoint, pool->conf->kv_cache_tokens, block);
    struct listening listening;

    if (!holding) {
        holding = holding_new(holdings, capacity);
        atomic_store_explicit(&endpoint->state->holding, holding, memory_order_release);
    }
    kv_model_resize(holding->model, capacity);
    if (!pool->conf->kv_events) {
        silence(holding);
        return;
    }
    listening_of(pool, endpoint, block, prefix_seed, &listening);
    listen_to(holding, endpoint, &listening.conf);
}

static void leave_those_gone(const struct fleet *before)
{
    for (size_t i = 0; before && i < before->pool_count; i++)
        for (size_t j = 0; j < before->pools[i].count; j++) {
            const struct endpoint *endpoint = &before->pools[i].endpoints[j];

            if (!atomic_load_explicit(&endpoint->state->gone, memory_order_relaxed))
                continue;
            silence(holding_of(endpoint));
            kv_model_clear(holding_of(endpoint)->model);
        }
}

static void say_what_cannot_match(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->model_count; i++) {
        const struct model *model = &fleet->models[i];

        for (size_t v = 0; v < model->count && !model->conf->share_prefixes; v++)
            if (model->versions[v].pool->conf->kv_events)
                log_warn(NULL,
                         "model %s: with share_prefixes off the KV events of pool %s cannot match, "
                         "models of its engines' caches stand in for them",
                         model->name, model->versions[v].pool->name);
    }
}

void holdings_follow(struct holdings *holdings, struct fleet *fleet, uint64_t prefix_seed)
{
    const struct pipeline_conf *tokens = conf_section(fleet->conf, &pipeline_set);
    struct fleet *before = holdings->fleet;

    for (size_t i = 0; i < fleet->pool_count; i++)
        for (size_t j = 0; j < fleet->pools[i].count; j++)
            follow_endpoint(holdings, &fleet->pools[i], &fleet->pools[i].endpoints[j],
                            (uint32_t)tokens->key_block, prefix_seed);
    leave_those_gone(before);
    if (!before || before->conf != fleet->conf)
        say_what_cannot_match(fleet);
    holdings->fleet = fleet_ref(fleet);
    fleet_unref(before);
}

/* ---- matching ---- */

static bool listens(const struct holding *holding, const struct holdings_prompt *prompt)
{
    return prompt->events_know && kv_feed_is_heard(holding->feed);
}

static uint32_t column_of(const struct holding *holding, const struct holdings_prompt *prompt)
{
    if (!holding)
        return PREFIX_COLUMN_NONE;
    return listens(holding, prompt) ? kv_feed_column(holding->feed)
                                    : kv_model_column(holding->model);
}

/* Of so many blocks that are there, those an engine finds. */
static uint32_t findable(const struct holding *holding, const struct holdings_prompt *prompt,
                         uint32_t blocks)
{
    uint64_t tokens = (uint64_t)blocks * prompt->block;
    uint32_t page = kv_feed_page_tokens(holding->feed);

    if (tokens >= prompt->tokens)
        tokens = prompt->tokens > 0 ? prompt->tokens - 1 : 0;
    if (listens(holding, prompt) && page > 0)
        tokens -= tokens % page;
    return (uint32_t)(tokens / prompt->block);
}

static uint32_t trusted(const struct holding *holding, uint32_t blocks)
{
    uint64_t trust = atomic_load_explicit(&holding->trust, memory_order_relaxed);

    return trust >= TRUST_ENOUGH ? blocks : (uint32_t)(blocks * trust / TRUST_ONE);
}

static uint32_t at_most(uint32_t count, uint32_t most)
{
    return count < most ? count : most;
}

void holdings_match(struct holdings *holdings, const struct pool *pool,
                    const struct holdings_prompt *prompt, struct prefix_match *ret_matches)
{
    uint32_t columns[ENDPOINTS_MAX];
    size_t count = pool->count < ENDPOINTS_MAX ? pool->count : ENDPOINTS_MAX;

    memset(ret_matches, 0, pool->count * sizeof(*ret_matches));
    if (count == 0 || prompt->count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        columns[i] = column_of(holding_of(&pool->endpoints[i]), prompt);
    prefix_index_match(holdings->index, prompt->keys, prompt->count, columns, count, ret_matches);
}

void holdings_findable(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                       const struct prefix_match *match, struct prefix_match *ret_match)
{
    const struct holding *holding = holding_of(endpoint);

    *ret_match = *match;
    if (!holding || match->blocks == 0)
        return;
    ret_match->blocks =
        at_most(match->blocks, trusted(holding, findable(holding, prompt, match->blocks)));
    ret_match->on_host = at_most(match->on_host, ret_match->blocks);
    ret_match->on_disk = at_most(match->on_disk, ret_match->blocks - ret_match->on_host);
    ret_match->speculative = at_most(match->speculative, ret_match->blocks);
}

uint64_t holdings_expected(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                           const struct prefix_match *match)
{
    const struct holding *holding = holding_of(endpoint);

    if (!holding || match->blocks == match->speculative)
        return 0;
    return (uint64_t)findable(holding, prompt, match->blocks - match->speculative) * prompt->block;
}

/* ---- what becomes of prompts ---- */

static uint32_t payer_of(const struct holdings *holdings, struct slice tenant)
{
    return (uint32_t)(map_siphash(holdings->payer_key, tenant) % PREFIX_PAYERS);
}

/* Events are heard: what the model had in their place would only take room. */
static void relieve(struct holding *holding)
{
    if (atomic_load_explicit(&holding->stood_in, memory_order_relaxed) &&
        atomic_exchange_explicit(&holding->stood_in, false, memory_order_relaxed))
        kv_model_clear(holding->model);
}

void holdings_sent(struct holdings *holdings, const struct endpoint *endpoint,
                   const struct holdings_prompt *prompt, size_t known, uint64_t until_us)
{
    struct holding *holding = holding_of(endpoint);
    bool heard = holding && listens(holding, prompt);
    struct prefix_guess guess = {
        .until_us = until_us,
        .payer = payer_of(holdings, prompt->tenant),
        .keys = prompt->keys + known,
        .count = prompt->count - known,
    };

    if (heard)
        relieve(holding);
    if (!holding || guess.count == 0)
        return;
    guess.column = kv_feed_column(holding->feed);
    if (heard)
        (void)kv_events_speculate(holdings->events, &guess);
    else
        kv_model_expect(holding->model, &guess);
}

void holdings_computed(const struct endpoint *endpoint, const struct holdings_prompt *prompt)
{
    struct holding *holding = holding_of(endpoint);

    if (!holding || prompt->count == 0 || listens(holding, prompt))
        return;
    if (prompt->events_know)
        atomic_store_explicit(&holding->stood_in, true, memory_order_relaxed);
    if (endpoint_capacity(endpoint) > 0)
        kv_model_resize(holding->model, capacity_of(endpoint, 0, prompt->block));
    kv_model_use(holding->model, prompt->keys, prompt->count);
}

static void note_implausible(const struct endpoint *endpoint, struct holding *holding)
{
    if (atomic_fetch_add_explicit(&holding->implausible, 1, memory_order_relaxed) == 0)
        log_warn(&endpoint->subject,
                 "reports more cached tokens than the prompt has; such reports are counted and "
                 "not believed");
}

static void learn_trust(struct holding *holding, uint64_t expected, uint64_t found)
{
    int64_t ratio = found < expected ? (int64_t)(found * TRUST_ONE / expected) : TRUST_ONE;
    int64_t trust = atomic_load_explicit(&holding->trust, memory_order_relaxed);

    atomic_store_explicit(&holding->trust, (uint32_t)(trust + (ratio - trust) / TRUST_SHARE),
                          memory_order_relaxed);
}

void holdings_learn(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                    uint64_t expected, const struct holdings_report *report)
{
    struct holding *holding = holding_of(endpoint);
    uint64_t found = report->cached;

    if (!holding)
        return;
    if (found > report->tokens) {
        note_implausible(endpoint, holding);
        return;
    }
    atomic_fetch_add_explicit(&holding->expected_tokens, expected, memory_order_relaxed);
    atomic_fetch_add_explicit(&holding->found_tokens, found, memory_order_relaxed);
    if (expected == 0)
        return;
    learn_trust(holding, expected, found);
    if (!listens(holding, prompt))
        kv_model_learn(holding->model, (uint32_t)(expected / prompt->block),
                       (uint32_t)(found / prompt->block));
}

void holdings_lost(const struct endpoint *endpoint)
{
    const struct holding *holding = holding_of(endpoint);

    cache_reports_forget(&endpoint->state->cache_reports);
    if (holding)
        kv_model_clear(holding->model);
}

/* ---- for operators ---- */

static void say_silence(const struct pool_conf *conf, const struct endpoint *endpoint,
                        struct kv_feed_standing standing)
{
    char first[KV_URL_MAX], url[KV_URL_MAX], rank[48] = "";

    expand(conf->kv_events, endpoint->origin, first);
    (void)kv_url_rank(first, standing.rank, url);
    if (conf->kv_events_ranks > 1)
        snprintf(rank, sizeof(rank), " (rank %u of %llu)", standing.rank,
                 (unsigned long long)conf->kv_events_ranks);
    if (standing.kind == KV_FEED_UNREACHED)
        log_warn(
            &endpoint->subject,
            "KV events: no connection to %s%s, a model of its cache stands in; does its engine "
            "publish there?",
            url, rank);
    else
        log_warn(&endpoint->subject,
                 "KV events: connected to %s%s, but none came, although it has answered; are they "
                 "enabled (vLLM: --kv-events-config), do their topics begin with `%s`?",
                 url, rank, conf->kv_events_topic ? conf->kv_events_topic : "");
}

static void watch_endpoint(const struct pool_conf *conf, const struct endpoint *endpoint,
                           uint64_t now_us)
{
    const struct endpoint_state *state = endpoint->state;
    struct holding *holding = holding_of(endpoint);
    struct kv_silence_look look = {
        .standing = kv_feed_standing(holding->feed),
        .well = !atomic_load_explicit(&state->probe_failing, memory_order_relaxed) &&
                atomic_load_explicit(&state->ejected_until_us, memory_order_relaxed) <= now_us,
        .served = number(&state->served),
        .now_us = now_us,
    };

    if (kv_silence_is_due(&holding->silence, &look))
        say_silence(conf, endpoint, look.standing);
}

void holdings_watch(const struct holdings *holdings, uint64_t now_us)
{
    const struct fleet *fleet = holdings->fleet;

    for (size_t i = 0; fleet && i < fleet->pool_count; i++) {
        const struct pool *pool = &fleet->pools[i];

        for (size_t j = 0; j < pool->count && pool->conf->kv_events; j++)
            watch_endpoint(pool->conf, &pool->endpoints[j], now_us);
    }
}

static double trust_of(const struct holding *holding)
{
    return (double)atomic_load_explicit(&holding->trust, memory_order_relaxed) / TRUST_ONE;
}

static void collect_feed(struct metric_writer *writer, const struct slice labels[2],
                         const struct kv_feed *feed)
{
    metric_sample(writer, METRIC_ID_kv_feed_connected, labels, kv_feed_is_connected(feed));
    metric_sample(writer, METRIC_ID_kv_feed_bytes, labels, (double)kv_feed_bytes(feed));
    for (int i = 0; i < KV_FEED_COUNTS; i++) {
        struct slice with_kind[] = { labels[0], labels[1], slice_str(kv_feed_count_names[i]) };

        metric_sample(writer, METRIC_ID_kv_feed, with_kind, (double)kv_feed_count(feed, i));
    }
}

static void collect_endpoint(struct metric_writer *writer, const struct pool *pool,
                             const struct endpoint *endpoint)
{
    const struct holding *holding = holding_of(endpoint);
    struct slice labels[] = { slice_str(pool->name), slice_str(endpoint->name) };

    if (!holding)
        return;
    metric_sample(writer, METRIC_ID_cache_trust, labels, trust_of(holding));
    metric_sample(writer, METRIC_ID_cached_expected, labels,
                  (double)number(&holding->expected_tokens));
    metric_sample(writer, METRIC_ID_cached_found, labels, (double)number(&holding->found_tokens));
    metric_sample(writer, METRIC_ID_cached_implausible, labels,
                  (double)number(&holding->implausible));
    if (pool->conf->kv_events)
        collect_feed(writer, labels, holding->feed);
}

static void collect_index(struct metric_writer *writer, const struct holdings *holdings)
{
    struct prefix_index_stats stats;

    prefix_index_stats(holdings->index, &stats);
    metric_sample(writer, METRIC_ID_index_blocks, NULL, (double)stats.blocks);
    metric_sample(writer, METRIC_ID_index_holders, NULL, (double)stats.holders);
    metric_sample(writer, METRIC_ID_index_bytes, NULL, (double)stats.bytes);
    metric_sample(writer, METRIC_ID_index_columns, NULL, (double)stats.columns);
    metric_sample(writer, METRIC_ID_index_shed, NULL, (double)stats.shed);
    metric_sample(writer, METRIC_ID_index_untold, NULL, (double)kv_events_shed(holdings->events));
}

void holdings_collect(struct metric_writer *writer, struct holdings *holdings,
                      const struct fleet *fleet)
{
    collect_index(writer, holdings);
    for (size_t i = 0; i < fleet->pool_count; i++)
        for (size_t j = 0; j < fleet->pools[i].count; j++)
            collect_endpoint(writer, &fleet->pools[i], &fleet->pools[i].endpoints[j]);
}

bool holdings_look(const struct endpoint *endpoint, struct holdings_view *ret_view)
{
    const struct holding *holding = holding_of(endpoint);

    if (!holding)
        return false;
    *ret_view = (struct holdings_view){
        .heard = kv_feed_is_heard(holding->feed),
        .connected = kv_feed_is_connected(holding->feed),
        .events = kv_feed_kind_names[kv_feed_standing(holding->feed).kind],
        .page_tokens = kv_feed_page_tokens(holding->feed),
        .trust = trust_of(holding),
        .expected_tokens = number(&holding->expected_tokens),
        .found_tokens = number(&holding->found_tokens),
    };
    return true;
}
