/*
 * KV events as engines write them: what happens in a cache becomes batches of msgpack.
 *
 * A listener of the cache. Blocks that follow each other are one event, as in vLLM. Batches are
 * numbered from 0; the last ones are kept for replays. Without sockets: tests/engine/publisher.h
 * sends what is made here, and unit tests read it. One thread.
 */
#ifndef SLUICE_ENGINE_KV_BATCH_H
#define SLUICE_ENGINE_KV_BATCH_H

#include "gateway/base/buf.h"
#include "tests/engine/cache.h"

enum kv_batch_form {
    KV_BATCH_ARRAYS, /* vLLM up to 0.23 */
    KV_BATCH_MAPS,   /* from 0.24 on */
    KV_BATCH_SGLANG, /* arrays with signed hashes */
    KV_BATCH_BYTES,  /* maps with hashes of 32 bytes */
    KV_BATCH_FORMS,
};

/* The words for them, NULL-terminated. */
extern const char *const kv_batch_forms[KV_BATCH_FORMS + 1];

/* Whose chains begin at a root. */
struct kv_root {
    uint64_t root;
    char *adapter, *salt; /* empty: none */
};

#define KV_ROOTS_MAX 64 /* beside the base model's; the chains of more hang in the air */

struct kv_batch {
    uint64_t number;
    struct buf payload;
};

struct kv_batches {
    struct cache_listener listener;
    uint32_t block_size;
    uint64_t root; /* of the base model, without a salt: a parent written as none */
    struct kv_root roots[KV_ROOTS_MAX]; /* of adapters and salts, likewise */
    uint32_t root_count;
    enum kv_batch_form form; /* may change at any time */
    struct buf events;       /* of the batch being made */
    uint32_t event_count;
    /* Blocks stored one after the other, not yet written. */
    uint64_t parent, *keys;
    uint32_t *tokens;
    uint32_t run, run_room;
    uint64_t next;         /* the next batch's number */
    struct kv_batch *kept; /* the last `keep` of them, by number */
    uint32_t keep;
};

void kv_batches_init(struct kv_batches *batches, uint64_t root, uint32_t block_size, uint32_t keep);
void kv_batches_release(struct kv_batches *batches);

/* Chains from `root` belong to the adapter and the salt. Known ones stay. */
void kv_batches_name_root(struct kv_batches *batches, uint64_t root, struct slice adapter,
                          struct slice salt);

/* Ends the batch, also one without events (a heartbeat). Borrowed until `keep` more are made. */
const struct kv_batch *kv_batches_flush(struct kv_batches *batches);
bool kv_batches_is_empty(const struct kv_batches *batches);
/* One that is still kept, or NULL. */
const struct kv_batch *kv_batches_kept(const struct kv_batches *batches, uint64_t number);
/* As after a start: numbers from 0, nothing kept. */
void kv_batches_restart(struct kv_batches *batches);

#endif
