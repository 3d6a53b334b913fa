/*
 * Versions by weight and stickiness; the retry budget.
 */
#include "routing/router.h"

#include "gateway/token/blocks.h"

#include <stdatomic.h>

/* The budget counts in thousandths of a retry, and never saves up more than a hundred retries. */
#define RETRY_TOKEN      1000
#define RETRY_TOKENS_MAX (100 * RETRY_TOKEN)

uint64_t router_session(const struct sticky_conf *conf, const struct message *request)
{
    for (uint32_t i = 0; conf && i < request->count; i++)
        if (slice_ieq(request->fields[i].name, slice_str(conf->header))) {
            struct slice value = request->fields[i].value;
            uint64_t hash = blocks_hash_bytes(0, value);

            return hash != 0 ? hash : 1;
        }
    return 0;
}

const struct version *router_version(const struct model *model, const struct message *request,
                                     uint64_t random)
{
    uint64_t session = model->count > 1 ? router_session(model->conf->sticky, request) : 0;
    uint32_t point;

    if (model->weight_sum == 0)
        return NULL;
    if (session != 0)
        random = session;
    point = (uint32_t)(((random >> 32) * model->weight_sum) >> 32);
    for (size_t i = 0; i < model->count; i++)
        if (point < model->versions[i].weight_until)
            return &model->versions[i];
    return &model->versions[model->count - 1];
}

bool router_opens(const struct fleet *fleet, const struct model *model,
                  const struct version *version, struct slice path)
{
    const struct engine_type *engine = version->pool->engine;

    return model == fleet->catch_all ? engine_allows_unlisted(engine, path)
                                     : engine_allows(engine, path);
}

struct slice router_listed_name(const struct version *version, struct slice named)
{
    struct slice base, adapter;

    if (version->adapter.len > 0)
        return version->adapter;
    if (version->model.len > 0)
        return version->model;
    engine_split_name(version->pool->engine, named, &base, &adapter);
    return adapter.len > 0 ? adapter : base;
}

void router_pay_budget(const struct pool *pool)
{
    _Atomic int64_t *tokens = &pool->state->retry_tokens;

    if (atomic_load_explicit(tokens, memory_order_relaxed) < RETRY_TOKENS_MAX)
        atomic_fetch_add_explicit(tokens, (int64_t)pool->conf->retry->budget * (RETRY_TOKEN / 100),
                                  memory_order_relaxed);
}

bool router_take_retry(const struct pool *pool)
{
    _Atomic int64_t *tokens = &pool->state->retry_tokens;

    if (atomic_fetch_sub_explicit(tokens, RETRY_TOKEN, memory_order_relaxed) >= RETRY_TOKEN)
        return true;
    atomic_fetch_add_explicit(tokens, RETRY_TOKEN, memory_order_relaxed);
    return false;
}
