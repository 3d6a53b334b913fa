/*
 * The list of loaded adapters. It is short; names are compared one by one.
 */
#include "tests/engine/adapters.h"

#include <stdlib.h>

#define ADAPTERS_MAX 64 /* a list, not a table: more would be slow to look through */

void adapters_init(struct adapters *adapters)
{
    list_init(&adapters->all);
}

static void adapter_free(struct adapter *adapter)
{
    list_remove(&adapter->link);
    free(adapter->name);
    free(adapter->path);
    free(adapter);
}

void adapters_release(struct adapters *adapters)
{
    while (!list_is_empty(&adapters->all))
        adapter_free(CONTAINER_OF(adapters->all.next, struct adapter, link));
}

const struct adapter *adapters_find(const struct adapters *adapters, struct slice name)
{
    LIST_FOREACH (at, &adapters->all) {
        const struct adapter *adapter = CONTAINER_OF(at, struct adapter, link);

        if (slice_eq(name, slice_str(adapter->name)))
            return adapter;
    }
    return NULL;
}

bool adapters_add(struct adapters *adapters, struct slice name, struct slice path)
{
    struct adapter *adapter;
    size_t count = 0;

    LIST_FOREACH (at, &adapters->all)
        count++;
    if (count == ADAPTERS_MAX || adapters_find(adapters, name))
        return false;
    adapter = xcalloc(1, sizeof(*adapter));
    adapter->name = slice_dup(name);
    adapter->path = slice_dup(path);
    list_push(&adapters->all, &adapter->link);
    return true;
}

bool adapters_remove(struct adapters *adapters, struct slice name)
{
    LIST_FOREACH_SAFE (at, &adapters->all) {
        struct adapter *adapter = CONTAINER_OF(at, struct adapter, link);

        if (slice_eq(name, slice_str(adapter->name))) {
            adapter_free(adapter);
            return true;
        }
    }
    return false;
}
