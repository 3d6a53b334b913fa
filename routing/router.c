/*
 * Versions by weight and stickiness; the retry budget.
 */
#include "routing/router.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdatomic.h>

/* The budget counts in thousandths of a retry, and never saves up more than a hundred retries. */
#define RETRY_TOKEN      1000
#define RETRY_TOKENS_MAX (100 * RETRY_TOKEN)

/* Not keyed: every gateway, and the same one after a restart, must come to the same version. */
static bool sticky_hash(const struct model *model, const struct message *request,
                        uint64_t *ret_hash)
{
    struct slice name = slice_str(model->conf->sticky->header);

    for (uint32_t i = 0; i < request->count; i++)
        if (slice_ieq(request->fields[i].name, name)) {
            *ret_hash = XXH3_64bits(request->fields[i].value.at, request->fields[i].value.len);
            return true;
        }
    return false;
}

const struct version *router_version(const struct model *model, const struct message *request,
                                     uint64_t random)
{
    uint32_t point;

    if (model->weight_sum == 0)
        return NULL;
    if (model->conf->sticky && model->count > 1) {
        uint64_t hash;

        if (sticky_hash(model, request, &hash))
            random = hash;
    }
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
