/*
 * What is wrong with pools and models. See fleet_check.h.
 */
#include "routing/fleet_check.h"

#include "gateway/base/map.h"
#include "routing/fleet.h"
#include "routing/kv_check.h"
#include "routing/kv_feed.h"
#include "routing/kv_url.h"

static bool text_names(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* A text stands once in its list. */
static void texts_check_once(struct conf_checker *checker, const struct conf_texts *texts)
{
    struct map seen;

    map_init(&seen);
    for (size_t i = 0; i < texts->count; i++)
        if (map_put(&seen, slice_str(texts->at[i]), texts->at[i]))
            conf_complain(checker, texts, "`%s` stands there twice", texts->at[i]);
    map_release(&seen);
}

static const struct pool_conf *pool_conf_find(const struct conf_list *pools, const char *name)
{
    const struct pool_conf *at = pools->items;

    for (size_t i = 0; i < pools->count; i++)
        if (text_names(at[i].name, name))
            return &at[i];
    return NULL;
}

/* False: it was said what is wrong. */
static bool pool_check_publisher(struct conf_checker *checker, const char *pattern, uint64_t ranks,
                                 const void *place, char ret_url[KV_URL_MAX])
{
    char last[KV_URL_MAX];
    const char *wrong = kv_url_expand(pattern, SLICE("host"), /* port= */ 8000, ret_url);

    if (!wrong)
        wrong = kv_url_rank(ret_url, (uint32_t)ranks - 1, last);
    if (wrong)
        conf_complain(checker, place, "`%s` %s", pattern, wrong);
    return !wrong;
}

static void pool_check_publishers(struct conf_checker *checker, const struct pool_conf *pool)
{
    uint64_t ranks = pool->kv_events_ranks;
    char url[KV_URL_MAX], replay_url[KV_URL_MAX];
    bool good = true;

    if (pool->kv_events)
        good = pool_check_publisher(checker, pool->kv_events, ranks, &pool->kv_events, url);
    if (pool->kv_events_replay)
        good &= pool_check_publisher(checker, pool->kv_events_replay, ranks,
                                     &pool->kv_events_replay, replay_url);
    if (pool->kv_events_replay && !pool->kv_events)
        conf_complain(checker, &pool->kv_events_replay, "needs `kv_events`");
    else if (pool->kv_events_replay && good && kv_urls_meet(url, replay_url, (uint32_t)ranks))
        conf_complain(checker, &pool->kv_events_replay,
                      "names a port that `kv_events` has, when both are counted up for %llu ranks",
                      (unsigned long long)ranks);
}

static uint64_t publishers_of(const struct pool_conf *pool)
{
    return pool->kv_events ? pool->endpoints.count * pool->kv_events_ranks : 0;
}

/* With the pools above; the first that is too much is complained of. What names of "dns:" stand for
 * is not known here. */
static void pool_count_publishers(struct conf_checker *checker, const struct pool_conf *pool)
{
    const struct conf_list *pools = conf_section(conf_checker_conf(checker), &pools_set);
    uint64_t before = 0, now;

    for (const struct pool_conf *at = pools->items; at != pool; at++)
        before += publishers_of(at);
    now = before + publishers_of(pool);
    if (before <= KV_PUBLISHERS_MAX && now > KV_PUBLISHERS_MAX)
        conf_complain(checker, &pool->kv_events,
                      "with the pools above it makes %llu publishers, of which %d are listened to "
                      "at most: one for each endpoint and rank",
                      (unsigned long long)now, KV_PUBLISHERS_MAX);
}

/* Once, with the last of them. */
static void pools_check_together(struct conf_checker *checker, const struct pool_conf *pool)
{
    const struct conf_list *pools = conf_section(conf_checker_conf(checker), &pools_set);

    if (pool == (const struct pool_conf *)pools->items + pools->count - 1)
        kv_check_publishers(checker, pools);
}

void fleet_check_pool(struct conf_checker *checker, const void *section)
{
    const struct pool_conf *pool = section;

    for (size_t i = 0; i < pool->endpoints.count; i++) {
        struct origin_url url;
        bool dns;

        if (!origin_url_parse(endpoint_url(pool->endpoints.at[i], &dns), &url))
            conf_complain(checker, &pool->endpoints,
                          "`%s` is no URL of an endpoint: http, https, h2c or h2, "
                          "a host, a port, perhaps a path prefix",
                          pool->endpoints.at[i]);
    }
    if (pool->endpoints.count == 0)
        conf_complain(checker, &pool->endpoints, "a pool needs at least one endpoint");
    pool_check_publishers(checker, pool);
    pool_count_publishers(checker, pool);
    pools_check_together(checker, pool);
    if (pool->tls && !pool->tls->certificate != !pool->tls->key)
        conf_complain(checker, pool->tls, "certificate and key go together");
}

static bool model_answers_to(const struct model_conf *model, const char *name)
{
    if (text_names(model->name, name))
        return true;
    for (size_t i = 0; i < model->aliases.count; i++)
        if (text_names(model->aliases.at[i], name))
            return true;
    return false;
}

static void model_check_name(struct conf_checker *checker, const struct model_conf *model,
                             const struct conf_list *models, const char *name, const void *place)
{
    const struct model_conf *at = models->items;

    for (; at != model; at++)
        if (model_answers_to(at, name))
            conf_complain(checker, place, "`%s` is taken by the model `%s` above", name, at->name);
}

static void model_check_pool(struct conf_checker *checker, const char *pool, const void *place)
{
    const struct conf_list *pools = conf_section(conf_checker_conf(checker), &pools_set);
    const struct pool_conf *at = pools->items;
    const char *names[64];
    size_t count = 0;

    if (!pool || pool_conf_find(pools, pool))
        return;
    for (size_t i = 0; i < pools->count && count < ARRAY_LEN(names); i++)
        names[count++] = at[i].name;
    conf_complain_word(checker, place, slice_str(pool), names, count, "no pool is called `%s`",
                       pool);
}

static void model_check_versions(struct conf_checker *checker, const struct model_conf *model)
{
    const struct version_conf *versions = model->versions.items;
    uint64_t sum = 0;

    if (!model->pool == (model->versions.count == 0))
        conf_complain(checker, &model->versions, "a model needs either `pool` or `versions`");
    model_check_pool(checker, model->pool, &model->pool);
    for (size_t i = 0; i < model->versions.count; i++) {
        model_check_pool(checker, versions[i].pool, &versions[i].pool);
        sum += versions[i].weight;
    }
    if (model->versions.count > 0 && (sum == 0 || sum > UINT32_MAX))
        conf_complain(checker, &model->versions, "the weights of a model's versions add up to %llu",
                      (unsigned long long)sum);
}

static bool is_json_object(const char *text)
{
    struct json_reader r;

    json_open(&r, slice_str(text), NULL);
    if (!json_enter_object(&r))
        return false;
    while (json_next(&r, NULL))
        json_take(&r, NULL);
    return !json_close(&r);
}

static void model_check_tokens(struct conf_checker *checker, const struct model_conf *model)
{
    if (model->default_chat_template_kwargs && !is_json_object(model->default_chat_template_kwargs))
        conf_complain(checker, &model->default_chat_template_kwargs, "`%s` is no JSON object",
                      model->default_chat_template_kwargs);
}

/* ---- adapters: names beside those of models ---- */

struct names_taken {
    struct conf_checker *checker;
    struct map models, adapters; /* by name, alias, adapter: the model */
};

static void take_model(struct names_taken *taken, struct model_conf *model)
{
    map_put(&taken->models, slice_str(model->name), model);
    for (size_t i = 0; i < model->aliases.count; i++)
        map_put(&taken->models, slice_str(model->aliases.at[i]), model);
}

/* Of a model or of a version of it: several versions may serve one adapter. */
static void take_adapters(struct names_taken *taken, struct model_conf *model,
                          const struct conf_texts *adapters)
{
    texts_check_once(taken->checker, adapters);
    for (size_t i = 0; i < adapters->count; i++) {
        const char *name = adapters->at[i];
        const struct model_conf *named = map_get(&taken->models, slice_str(name));
        const struct model_conf *other = map_get(&taken->adapters, slice_str(name));

        if (named)
            conf_complain(taken->checker, adapters,
                          "`%s` is taken by the model `%s`: clients could not name the adapter",
                          name, named->name);
        else if (other && other != model)
            conf_complain(taken->checker, adapters, "`%s` is an adapter of the model `%s` above",
                          name, other->name);
        else
            map_put(&taken->adapters, slice_str(name), model);
    }
}

static void models_check_adapters(struct conf_checker *checker, const struct conf_list *models)
{
    struct names_taken taken = { .checker = checker };
    struct model_conf *model = models->items;

    map_init(&taken.models);
    map_init(&taken.adapters);
    for (size_t i = 0; i < models->count; i++)
        take_model(&taken, &model[i]);
    for (size_t i = 0; i < models->count; i++) {
        const struct version_conf *versions = model[i].versions.items;

        take_adapters(&taken, &model[i], &model[i].adapters);
        for (size_t v = 0; v < model[i].versions.count; v++)
            take_adapters(&taken, &model[i], &versions[v].adapters);
    }
    map_release(&taken.models);
    map_release(&taken.adapters);
}

void fleet_check_model(struct conf_checker *checker, const void *section)
{
    const struct model_conf *model = section;
    const struct conf_list *models = conf_section(conf_checker_conf(checker), &models_set);

    model_check_name(checker, model, models, model->name, &model->name);
    for (size_t i = 0; i < model->aliases.count; i++)
        model_check_name(checker, model, models, model->aliases.at[i], &model->aliases);
    texts_check_once(checker, &model->aliases);
    if (model == (const struct model_conf *)models->items + models->count - 1)
        models_check_adapters(checker, models);
    model_check_versions(checker, model);
    model_check_tokens(checker, model);
    if (!model->inspect && (!text_names(model->name, "*") || models->count > 1))
        conf_complain(checker, &model->inspect,
                      "`inspect: off` is possible only where \"*\" is the only model");
}
