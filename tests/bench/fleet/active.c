/*
 * A table of keys that grows; an entry without users stays for the next ones.
 */
#include "tests/bench/fleet/active.h"

#include "gateway/base/check.h"

#include <stdlib.h>

static struct active_entry *find(struct active_entry *entries, size_t size, uint64_t key)
{
    size_t at = (size_t)(key >> 8) & (size - 1);

    while (entries[at].key != 0 && entries[at].key != key)
        at = (at + 1) & (size - 1);
    return &entries[at];
}

static void grow(struct active *active)
{
    struct active bigger = { .size = active->size ? 2 * active->size : 1024 };

    bigger.entries = xcalloc(bigger.size, sizeof(*bigger.entries));
    bigger.count = active->count;
    for (size_t i = 0; i < active->size; i++)
        if (active->entries[i].users > 0) {
            *find(bigger.entries, bigger.size, active->entries[i].key) = active->entries[i];
            bigger.used++;
        }
    free(active->entries);
    *active = bigger;
}

void active_add(struct active *active, const uint64_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct active_entry *entry;

        if (2 * active->used >= active->size)
            grow(active);
        entry = find(active->entries, active->size, keys[i]);
        active->used += entry->key == 0;
        entry->key = keys[i];
        active->count += entry->users++ == 0;
    }
}

void active_remove(struct active *active, const uint64_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        active->count -= --find(active->entries, active->size, keys[i])->users == 0;
}

uint32_t active_with(const struct active *active, const uint64_t *keys, size_t count)
{
    uint32_t sum = active->count;

    for (size_t i = 0; i < count && active->size > 0; i++)
        sum += find(active->entries, active->size, keys[i])->users == 0;
    return active->size > 0 ? sum : (uint32_t)count;
}

void active_release(struct active *active)
{
    free(active->entries);
}
