/*
 * A hash map from byte strings to pointers, open addressing, SipHash-1-3 with a random key a
 * process (J-07: nobody outside can aim at collisions). One thread. Keys are borrowed: they must
 * live in the values. (J.-P. Aumasson, D. J. Bernstein: SipHash, 2012.)
 */
#ifndef SLUICE_BASE_MAP_H
#define SLUICE_BASE_MAP_H

#include "gateway/base/slice.h"

struct map_entry {
    struct slice key;
    void *value; /* NULL: free slot */
    uint64_t hash;
};

struct map {
    struct map_entry *entries;
    size_t count, size; /* size is 0 or a power of two */
};

void map_init(struct map *map);
void map_release(struct map *map); /* the values are not touched */
/* NULL when it is not there. */
void *map_get(const struct map *map, struct slice key);
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *map_put(struct map *map, struct slice key, void *value);
/* Returns what was removed, or NULL. */
void *map_remove(struct map *map, struct slice key);
/* For walks: `*at` starts at 0; NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *map, size_t *at);

/* With the process's key. */
uint64_t map_hash(struct slice key);
/* SipHash-1-3 with a key of the caller's. */
uint64_t map_siphash(const uint64_t key[2], struct slice text);

#endif
