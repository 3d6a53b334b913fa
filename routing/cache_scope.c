/*
 * Scopes of block keys. See cache_scope.h.
 */
#include "routing/cache_scope.h"

#include "routing/fleet.h"

struct slice cache_of(const struct version *version, struct slice name)
{
    return version->pool->conf->kv_events ? slice_str(version->pool->name) : name;
}

struct blocks_scope cache_scope(uint64_t prefix_seed, struct slice cache, struct slice adapter,
                                struct slice salt)
{
    return (struct blocks_scope){
        .prefix_seed = prefix_seed, .model = cache, .lora = adapter, .cache_salt = salt
    };
}
