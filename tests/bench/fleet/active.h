/*
 * The blocks of the prompts that are under way at a replica, each counted once.
 */
#ifndef SLUICE_FLEET_ACTIVE_H
#define SLUICE_FLEET_ACTIVE_H

#include <stddef.h>
#include <stdint.h>

struct active_entry {
    uint64_t key; /* 0: free */
    uint32_t users;
};

struct active {
    struct active_entry *entries;
    size_t used, size;
    uint32_t count; /* blocks with users */
};

void active_add(struct active *active, const uint64_t *keys, size_t count);
void active_remove(struct active *active, const uint64_t *keys, size_t count);
/* How many there would be, were these added. */
uint32_t active_with(const struct active *active, const uint64_t *keys, size_t count);
void active_release(struct active *active);

#endif
