/*
 * Publishers that two engines would share. See kv_check.h.
 */
#include "routing/kv_check.h"

#include "gateway/base/arena.h"
#include "gateway/base/map.h"
#include "routing/fleet.h"
#include "routing/kv_feed.h"
#include "routing/kv_url.h"

/* Whose an address is. */
struct claim {
    const struct pool_conf *pool;
    const char *endpoint; /* as it is written */
    struct origin_url url;
};

struct claims {
    struct conf_checker *checker;
    struct arena arena; /* addresses and claims */
    struct map by_address;
    uint64_t publishers;
};

/* An engine may be in several pools. */
static bool is_same_engine(const struct origin_url *a, const struct origin_url *b)
{
    return a->port == b->port && slice_eq(a->host, b->host) && slice_eq(a->prefix, b->prefix);
}

/* False: it was complained about. */
static bool claim_address(struct claims *claims, const struct claim *claim, const char *address,
                          char *const *pattern)
{
    const struct claim *other = map_get(&claims->by_address, slice_str(address));

    if (!other) {
        map_put(&claims->by_address, slice_str(arena_str(&claims->arena, slice_str(address))),
                (void *)claim);
        return true;
    }
    if (is_same_engine(&other->url, &claim->url))
        return true;
    conf_complain(
        claims->checker, pattern,
        "`%s` comes to %s for %s, which is where %s of the pool `%s` publishes: engines on "
        "one host need ports of their own, as with {port+N}",
        *pattern, address, claim->endpoint, other->endpoint, other->pool->name);
    return false;
}

static bool claim_pattern(struct claims *claims, const struct claim *claim, char *const *pattern)
{
    char first[KV_URL_MAX], address[KV_URL_MAX];

    if (!*pattern || kv_url_expand(*pattern, claim->url.host, claim->url.port, first))
        return true;
    for (uint32_t rank = 0; rank < claim->pool->kv_events_ranks; rank++)
        if (!kv_url_rank(first, rank, address) && !claim_address(claims, claim, address, pattern))
            return false;
    return true;
}

static bool claim_endpoint(struct claims *claims, const struct pool_conf *pool,
                           const char *endpoint)
{
    struct claim *claim = arena_zalloc(&claims->arena, sizeof(*claim));
    bool dns;

    claim->pool = pool;
    claim->endpoint = endpoint;
    return !origin_url_parse(endpoint_url(endpoint, &dns), &claim->url) ||
           (claim_pattern(claims, claim, &pool->kv_events) &&
            claim_pattern(claims, claim, &pool->kv_events_replay));
}

/* Up to the first complaint, or to more publishers than there may be, which is complained of
 * elsewhere. */
static void claim_pool(struct claims *claims, const struct pool_conf *pool)
{
    for (size_t i = 0; pool->kv_events && i < pool->endpoints.count; i++) {
        claims->publishers += pool->kv_events_ranks;
        if (claims->publishers > KV_PUBLISHERS_MAX ||
            !claim_endpoint(claims, pool, pool->endpoints.at[i]))
            return;
    }
}

void kv_check_publishers(struct conf_checker *checker, const struct conf_list *pools)
{
    struct claims claims = { .checker = checker };
    const struct pool_conf *pool = pools->items;

    arena_init(&claims.arena, SIZE_MAX); /* the most publishers bound it */
    map_init(&claims.by_address);
    for (size_t i = 0; i < pools->count; i++)
        claim_pool(&claims, &pool[i]);
    map_release(&claims.by_address);
    arena_release(&claims.arena);
}
