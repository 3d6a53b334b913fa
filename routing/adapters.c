/*
 * Sets of adapters: a handful of hashes, looked through one by one.
 */
#include "routing/adapters.h"

#include "gateway/base/map.h"

#include <stdatomic.h>

#define GET(field)    atomic_load_explicit(field, memory_order_relaxed)
#define SET(field, n) atomic_store_explicit(field, n, memory_order_relaxed)

uint64_t adapter_key(struct slice name)
{
    uint64_t hash = map_hash(name);

    return hash ? hash : 1;
}

static bool has(const struct adapter_set *set, uint64_t key)
{
    uint32_t count = GET(&set->count);

    for (uint32_t i = 0; i < count; i++)
        if (GET(&set->keys[i]) == key)
            return true;
    return false;
}

enum adapter_state adapters_state(const struct adapters *adapters, uint64_t key)
{
    if (has(&adapters->loaded, key))
        return ADAPTER_LOADED;
    if (has(&adapters->served, key))
        return ADAPTER_SERVED;
    return GET(&adapters->known) ? ADAPTER_ABSENT : ADAPTER_UNKNOWN;
}

static void set_write(struct adapter_set *set, const uint64_t *keys, size_t count)
{
    count = count < ADAPTERS_MAX ? count : ADAPTERS_MAX;
    for (size_t i = 0; i < count; i++)
        if (GET(&set->keys[i]) != keys[i])
            SET(&set->keys[i], keys[i]);
    if (GET(&set->count) != count)
        SET(&set->count, (uint32_t)count);
}

void adapters_set_served(struct adapters *adapters, const uint64_t *keys, size_t count)
{
    set_write(&adapters->served, keys, count);
    SET(&adapters->known, count <= ADAPTERS_MAX);
}

void adapters_set_loaded(struct adapters *adapters, const uint64_t *keys, size_t count)
{
    set_write(&adapters->loaded, keys, count);
}

void adapters_forget_served(struct adapters *adapters)
{
    SET(&adapters->known, false);
    SET(&adapters->served.count, 0);
}
