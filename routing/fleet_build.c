/*
 * Pools, their endpoints and models, from the directives and from what names resolve to; what stays
 * keeps its state and its connections.
 */
#include "routing/fleet_build.h"

#include "gateway/token/blocks.h"
#include "routing/names.h"

#include <stdio.h>
#include <stdlib.h>

/* A key is a line of a file, a few hundred bytes in practice. */
#define KEY_FILE_BYTES 8192

/* A pool's exchanges may always be retried a little: ten at once after a quiet time. */
#define RETRY_TOKENS_START 10000

struct fleet_build {
    struct fleet *fleet;
    const struct fleet *before;
    const struct names *addresses;
    unsigned workers;
    struct buf *errors;
    struct map names;            /* of the endpoints of the pool that is being built */
    struct map endpoints_before; /* by name: what the same pool had before */
    bool failed;
};

static void build_fail(struct fleet_build *build, const char *what, const char *why)
{
    buf_printf(build->errors, "%s: %s: %s\n", build->fleet->conf->path, what, why);
    build->failed = true;
}

/* ---- what outlives fleets ---- */

static const struct pool *fleet_pool(const struct fleet *fleet, const char *name)
{
    for (size_t i = 0; fleet && i < fleet->pool_count; i++)
        if (strcmp(fleet->pools[i].name, name) == 0)
            return &fleet->pools[i];
    return NULL;
}

static void pool_state_free(struct snapshot *snapshot)
{
    struct pool_state *state = CONTAINER_OF(snapshot, struct pool_state, snapshot);

    snapshot_slot_release(&state->cards);
    free(state);
}

static struct pool_state *pool_state_for(const struct fleet_build *build, const char *name)
{
    const struct pool *before = fleet_pool(build->before, name);
    struct pool_state *state;

    if (before) {
        snapshot_ref(&before->state->snapshot);
        return before->state;
    }
    state = xcalloc(1, sizeof(*state));
    snapshot_init(&state->snapshot, pool_state_free);
    snapshot_slot_init(&state->cards);
    state->retry_tokens = RETRY_TOKENS_START;
    state->hash = map_hash(slice_str(name));
    return state;
}

/* ---- endpoints ---- */

static void endpoint_print(const struct log_subject *subject, char *text, size_t size)
{
    const struct endpoint *endpoint = CONTAINER_OF(subject, struct endpoint, subject);

    snprintf(text, size, "pool %s endpoint %s", endpoint->pool_name, endpoint->name);
}

/* Only what names resolve to has changed: no file is read again, and connections are kept. */
static bool is_same_conf(const struct fleet_build *build)
{
    return build->before && build->before->conf == build->fleet->conf;
}

static bool origin_stays(const struct fleet_build *build, const struct origin *origin,
                         const struct pool *pool)
{
    return is_same_conf(build) ||
           (!origin->tls && origin->connect_ms == pool->conf->timeouts->connect &&
            origin->settings.idle_ms == pool->conf->keep_alive);
}

static void pool_add_endpoint(struct fleet_build *build, struct pool *pool, struct slice name,
                              const struct origin_settings *settings)
{
    struct endpoint *endpoint = &pool->endpoints[pool->count];
    char *text = slice_dup(name);
    const struct endpoint *before = map_get(&build->endpoints_before, name);

    if (map_get(&build->names, name)) { /* written twice: one endpoint */
        free(text);
        return;
    }
    map_put(&build->names, slice_str(text), text);
    *endpoint = (struct endpoint){
        .subject = { endpoint_print },
        .name = text,
        .pool_name = pool->name,
        .hash = blocks_hash_bytes(0, slice_str(text)),
        .index = (uint32_t)pool->count,
        .state = before ? endpoint_state_ref(before->state) : endpoint_state_new(),
        .origin = before && origin_stays(build, before->origin, pool)
                      ? origin_ref(before->origin)
                      : origin_new(settings, build->workers),
    };
    pool->count++;
}

/* "http://name:8000/x" with another address in the name's place. */
static char *url_with_address(struct slice url, const struct origin_url *parsed,
                              const char *address)
{
    size_t before = (size_t)(parsed->host.at - url.at);
    bool v6 = strchr(address, ':') != NULL;
    size_t size = url.len + strlen(address) + 3;
    char *text = xmalloc(size);

    snprintf(text, size, "%.*s%s%s%s%.*s", (int)before, url.at, v6 ? "[" : "", address,
             v6 ? "]" : "", (int)(url.len - before - parsed->host.len),
             parsed->host.at + parsed->host.len);
    return text;
}

static void pool_add_url(struct fleet_build *build, struct pool *pool, const char *url_text,
                         struct origin_settings *settings)
{
    bool dns;
    struct slice url = endpoint_url(url_text, &dns);
    const char *const *addresses;
    size_t count;

    CHECK(origin_url_parse(url, &settings->url)); /* pools_set's check has seen it */
    if (!dns) {
        settings->pin = slice_of(NULL, 0);
        pool_add_endpoint(build, pool, url, settings);
        return;
    }
    addresses = names_addresses(build->addresses, settings->url.host, &count);
    pool->endpoints =
        xrealloc(pool->endpoints,
                 (pool->count + count + pool->conf->endpoints.count) * sizeof(*pool->endpoints));
    for (size_t i = 0; i < count; i++) {
        char *text = url_with_address(url, &settings->url, addresses[i]);

        settings->pin = slice_str(addresses[i]);
        pool_add_endpoint(build, pool, slice_str(text), settings);
        free(text);
    }
}

/* ---- pools ---- */

static void pool_read_key(struct fleet_build *build, struct pool *pool)
{
    char key[KEY_FILE_BYTES];
    FILE *file = fopen(pool->conf->key_file, "re");
    struct slice line;
    size_t n;

    if (!file) {
        build_fail(build, pool->conf->key_file, "the key file cannot be read");
        return;
    }
    n = fread(key, 1, sizeof(key), file);
    fclose(file);
    line = slice_of(key, n);
    line = slice_trim(slice_head(line, slice_find(line, '\n')));
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 || n == sizeof(key) || !http_is_value(line)) {
        build_fail(build, pool->conf->key_file, "the key file holds no key");
        return;
    }
    n = line.len + sizeof("Bearer ");
    pool->authorization = xmalloc(n);
    snprintf(pool->authorization, n, "Bearer %.*s", SLICE_ARGS(line));
}

static bool pool_uses_tls(const struct pool_conf *conf)
{
    for (size_t i = 0; i < conf->endpoints.count; i++) {
        struct origin_url url;
        bool dns;

        CHECK(origin_url_parse(endpoint_url(conf->endpoints.at[i], &dns), &url));
        if (url.tls)
            return true;
    }
    return false;
}

/* Made from the same files before. */
static struct tls_context *pool_tls_before(const struct fleet_build *build, const struct pool *pool)
{
    const struct pool *before = is_same_conf(build) ? fleet_pool(build->before, pool->name) : NULL;

    for (size_t i = 0; before && i < before->count; i++)
        if (before->endpoints[i].origin->tls)
            return tls_context_ref(before->endpoints[i].origin->tls);
    return NULL;
}

static struct tls_context *pool_tls(struct fleet_build *build, const struct pool *pool)
{
    static const struct pool_tls_conf usual = { .verify = true };
    const struct pool_tls_conf *conf = pool->conf->tls ? pool->conf->tls : &usual;
    struct tls_client_settings settings = {
        .ca = conf->ca, .certificate = conf->certificate, .key = conf->key, .verify = conf->verify
    };
    char error[TLS_ERROR_SIZE];
    struct tls_context *tls = pool_tls_before(build, pool);

    if (!tls)
        tls = tls_context_client(&settings, error);
    if (!tls)
        build_fail(build, pool->name, error);
    return tls;
}

static void pool_add_endpoints(struct fleet_build *build, struct pool *pool,
                               struct origin_settings *settings)
{
    const struct conf_texts *urls = &pool->conf->endpoints;
    const struct pool *before = fleet_pool(build->before, pool->name);

    map_init(&build->names);
    map_init(&build->endpoints_before);
    for (size_t i = 0; before && i < before->count; i++)
        map_put(&build->endpoints_before, slice_str(before->endpoints[i].name),
                &before->endpoints[i]);
    for (size_t i = 0; i < urls->count; i++)
        pool_add_url(build, pool, urls->at[i], settings);
    map_release(&build->names);
    map_release(&build->endpoints_before);
}

static void pool_build(struct fleet_build *build, struct pool *pool, const struct pool_conf *conf)
{
    struct origin_settings settings = { 0 };

    pool->name = conf->name;
    pool->conf = conf;
    pool->engine = &engine_types[conf->engine];
    pool->state = pool_state_for(build, conf->name);
    pool->endpoints = xcalloc(conf->endpoints.count, sizeof(*pool->endpoints));
    if (conf->key_file && is_same_conf(build))
        pool->authorization = xstrdup(fleet_pool(build->before, pool->name)->authorization);
    else if (conf->key_file)
        pool_read_key(build, pool);
    if (pool_uses_tls(conf) && !(settings.tls = pool_tls(build, pool)))
        return;
    settings.connect_ms = (unsigned)conf->timeouts->connect;
    settings.idle_ms = (unsigned)conf->keep_alive;
    if (conf->tls && conf->tls->server_name)
        settings.server_name = slice_str(conf->tls->server_name);
    pool_add_endpoints(build, pool, &settings);
    tls_context_unref(settings.tls);
}

static void pools_build(struct fleet_build *build)
{
    const struct conf_list *list = conf_section(build->fleet->conf, &pools_set);
    const struct pool_conf *confs = list->items;
    struct fleet *fleet = build->fleet;

    fleet->pools = xcalloc(list->count, sizeof(*fleet->pools));
    fleet->pool_count = list->count;
    for (size_t i = 0; i < list->count; i++)
        pool_build(build, &fleet->pools[i], &confs[i]);
}

/* ---- models ---- */

static struct pool *fleet_pool_named(struct fleet *fleet, const char *name)
{
    for (size_t i = 0; i < fleet->pool_count; i++)
        if (strcmp(fleet->pools[i].name, name) == 0)
            return &fleet->pools[i];
    CHECK(!"a pool that models_set's check has seen");
    return NULL;
}

static void model_add_version(struct fleet *fleet, struct model *model, const char *name,
                              const char *pool, const char *engine_model, uint64_t weight)
{
    struct version *version = &model->versions[model->count++];

    model->weight_sum += (uint32_t)weight;
    *version = (struct version){
        .name = name,
        .model = slice_str(engine_model),
        .base = slice_str(engine_model),
        .pool = fleet_pool_named(fleet, pool),
        .weight_until = model->weight_sum,
        .index = fleet->version_count++,
    };
}

/* "*" is passed on under whatever name the client gave. */
static const char *model_engine_name(const struct model_conf *conf)
{
    return strcmp(conf->name, "*") == 0 ? NULL : conf->name;
}

static void model_build(struct fleet *fleet, struct model *model, const struct model_conf *conf)
{
    const struct version_conf *versions = conf->versions.items;

    model->name = conf->name;
    model->conf = conf;
    model->versions = xcalloc(conf->versions.count + 1, sizeof(*model->versions));
    if (conf->pool)
        model_add_version(fleet, model, "default", conf->pool, model_engine_name(conf), 1);
    for (size_t i = 0; i < conf->versions.count; i++)
        model_add_version(fleet, model, versions[i].name, versions[i].pool,
                          versions[i].model ? versions[i].model : model_engine_name(conf),
                          versions[i].weight);
    if (strcmp(conf->name, "*") == 0)
        fleet->catch_all = model;
    else
        map_put(&fleet->models_by_name, slice_str(conf->name), model);
    for (size_t i = 0; i < conf->aliases.count; i++)
        map_put(&fleet->models_by_name, slice_str(conf->aliases.at[i]), model);
}

static void models_build(struct fleet *fleet)
{
    const struct conf_list *list = conf_section(fleet->conf, &models_set);
    const struct model_conf *confs = list->items;

    map_init(&fleet->models_by_name);
    fleet->models = xcalloc(list->count, sizeof(*fleet->models));
    fleet->model_count = list->count;
    fleet->inspect = true;
    for (size_t i = 0; i < list->count; i++) {
        model_build(fleet, &fleet->models[i], &confs[i]);
        fleet->inspect &= confs[i].inspect;
    }
}

bool fleet_build(struct fleet *fleet, const struct fleet *before, const struct names *names,
                 unsigned workers, struct buf *errors)
{
    struct fleet_build build = {
        .fleet = fleet, .before = before, .addresses = names, .workers = workers, .errors = errors
    };

    pools_build(&build);
    models_build(fleet);
    return !build.failed;
}
