/*
 * Advice on pools.
 */
#include "routing/fleet_advice.h"

#include "routing/fleet.h"

/* Requests keep their paths, which begin with /v1: other gateways want it in the endpoint. */
static void advise_endpoint(const struct conf *conf, const struct pool_conf *pool, const char *text,
                            struct buf *out)
{
    struct origin_url url;
    struct buf what;
    bool dns;

    if (!origin_url_parse(endpoint_url(text, &dns), &url) || !slice_ends(url.prefix, SLICE("/v1")))
        return;
    buf_init(&what, SIZE_MAX);
    buf_printf(&what,
               "warning: `%s` ends in /v1, which the paths of requests have already: the endpoint "
               "is asked for %.*s/v1/chat/completions",
               text, SLICE_ARGS(url.prefix));
    conf_blame(conf, &pool->endpoints, buf_join(&what), out);
    buf_release(&what);
}

static bool model_uses(const struct model_conf *model, const char *pool)
{
    const struct version_conf *versions = model->versions.items;

    if (model->pool && strcmp(model->pool, pool) == 0)
        return true;
    for (size_t i = 0; i < model->versions.count; i++)
        if (strcmp(versions[i].pool, pool) == 0)
            return true;
    return false;
}

static void advise_use(const struct conf *conf, const struct pool_conf *pool, struct buf *out)
{
    const struct conf_list *models = conf_section(conf, &models_set);
    const struct model_conf *at = models->items;

    for (size_t i = 0; i < models->count; i++)
        if (model_uses(&at[i], pool->name))
            return;
    conf_blame(conf, &pool->name, SLICE("warning: no model uses this pool"), out);
}

void fleet_advise(const struct conf *conf, struct buf *out)
{
    const struct conf_list *pools = conf_section(conf, &pools_set);
    const struct pool_conf *at = pools->items;

    for (size_t i = 0; i < pools->count; i++) {
        advise_use(conf, &at[i], out);
        for (size_t k = 0; k < at[i].endpoints.count; k++)
            advise_endpoint(conf, &at[i], at[i].endpoints.at[k], out);
    }
}
