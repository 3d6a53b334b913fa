/*
 * Publishes what happens in the engine's cache, as vLLM does: PUB for batches as they are made,
 * ROUTER for those who missed some (--kv-events, --kv-events-replay). And what roads and restarts
 * do to them, on demand (the kv-... faults).
 *
 * A batch is all that happened in one turn of the worker. The worker's thread.
 */
#ifndef SLUICE_ENGINE_PUBLISHER_H
#define SLUICE_ENGINE_PUBLISHER_H

#include "gateway/io/worker.h"
#include "tests/engine/kv_batch.h"
#include "tests/engine/options.h"

struct publisher;

/* Listens to the cache from now on. NULL, and a sentence was printed, when an address cannot be
 * had. */
struct publisher *publisher_new(struct worker *worker, struct cache *cache,
                                const struct options *options);
void publisher_free(struct publisher *publisher); /* NULL is fine */

/* Chains from this root belong to the adapter and the salt; empty: none. NULL is fine. */
void publisher_name_root(struct publisher *publisher, uint64_t root, struct slice adapter,
                         struct slice salt);

enum publisher_fault {
    PUBLISHER_LOSE,   /* the next `count` batches are not sent, and kept for replays */
    PUBLISHER_REPEAT, /* the next `count` are sent twice */
    PUBLISHER_SWAP,   /* the next `count` are overtaken by the one after each */
    PUBLISHER_MIX,    /* each batch in another form; 0: no more */
    PUBLISHER_FAULTS,
};
void publisher_disturb(struct publisher *publisher, enum publisher_fault fault, uint64_t count);
/* As if the engine had been started anew: its cache empty, without a word; numbers from 0. */
void publisher_restart(struct publisher *publisher);

/* Batches made. NULL: 0. */
uint64_t publisher_batches(const struct publisher *publisher);

#endif
