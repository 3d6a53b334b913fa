/*
 * LoRA adapters that are loaded: names a request may give as its model. Each has a cache of its
 * own.
 */
#ifndef SLUICE_ENGINE_ADAPTERS_H
#define SLUICE_ENGINE_ADAPTERS_H

#include "gateway/base/list.h"
#include "gateway/base/slice.h"

struct adapter {
    struct list link;
    char *name, *path;
};

struct adapters {
    struct list all;
};

void adapters_init(struct adapters *adapters);
void adapters_release(struct adapters *adapters);
const struct adapter *adapters_find(const struct adapters *adapters, struct slice name);
/* False when the name is taken, or there are too many. */
bool adapters_add(struct adapters *adapters, struct slice name, struct slice path) MUST_USE;
/* False when there is none. */
bool adapters_remove(struct adapters *adapters, struct slice name) MUST_USE;

#endif
