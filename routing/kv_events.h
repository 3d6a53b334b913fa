/*
 * The index thread: it alone changes the prefix index. It listens to the engines' KV events
 * (kv_feed.h), keeps models of the caches of those that send none (kv_model.h), and takes workers'
 * speculation.
 *
 * Everything here may be called from any thread; what it asks for happens soon, on the index
 * thread, in the order of the calls of one thread. What workers tell it waits in letters of
 * KV_TOLD_BYTES_MAX in all: past that the thread is behind by much, and more is shed and counted.
 */
#ifndef SLUICE_ROUTING_KV_EVENTS_H
#define SLUICE_ROUTING_KV_EVENTS_H

#include "routing/prefix_index.h"

/* A second of what the thread takes in: four million keys, or 8,000 prompts of 8,192 tokens. */
#define KV_TOLD_BYTES_MAX (32u << 20)

struct kv_events;

/* Starts the thread. The index is its own from now on, until kv_events_free has returned. */
struct kv_events *kv_events_new(struct prefix_index *index);
/* Ends the thread, feeds and models with it. NULL is fine. */
void kv_events_free(struct kv_events *events);

/* prefix_index_speculate, on the index thread. Copies the keys. False: shed. */
bool kv_events_speculate(struct kv_events *events, const struct prefix_guess *guess);
/* Prompts that were shed. */
uint64_t kv_events_shed(const struct kv_events *events);

#endif
