/*
 * Models of an endpoint, LoRA adapters among them: those it serves (its list of models) and the
 * adapters that its metrics name as running or waiting, which lie in its memory or are about to.
 *
 * Part of an endpoint's state. Control writes, any thread reads; names stand as hashes with the
 * process's key, in relaxed atomics. Who reads while a set changes may miss a name for that moment:
 * that is worth a price, not an answer.
 */
#ifndef SLUICE_ROUTING_ADAPTERS_H
#define SLUICE_ROUTING_ADAPTERS_H

#include "gateway/base/slice.h"

/* Of one endpoint. Engines hold a few in memory and list some dozens; of one that lists more it is
 * not known what it lacks. */
#define ADAPTERS_MAX 128

struct adapter_set {
    _Atomic uint32_t count;
    _Atomic uint64_t keys[ADAPTERS_MAX];
};

struct adapters {
    struct adapter_set served, loaded;
    _Atomic bool known; /* `served` is all it serves */
};

enum adapter_state {
    ADAPTER_UNKNOWN, /* the engine has not said what it serves */
    ADAPTER_ABSENT,  /* it said, and this is not among it */
    ADAPTER_SERVED,  /* it serves it; whether it must be loaded first is not known */
    ADAPTER_LOADED,  /* requests for it run or wait there */
};

/* What stands for a name, never 0: made once a request, compared with many endpoints. */
uint64_t adapter_key(struct slice name);
enum adapter_state adapters_state(const struct adapters *adapters, uint64_t key);

/* Control thread. More than ADAPTERS_MAX are cut off; of served ones nothing is known then. */
void adapters_set_served(struct adapters *adapters, const uint64_t *keys, size_t count);
void adapters_set_loaded(struct adapters *adapters, const uint64_t *keys, size_t count);
/* It is not known any more what it serves. */
void adapters_forget_served(struct adapters *adapters);

#endif
