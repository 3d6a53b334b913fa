/*
 * Models of the caches of engines that say nothing (cache_model.h), on the index thread.
 *
 * Any thread calls; what is asked for happens soon. A model has a column from its first prompt on.
 */
#ifndef SLUICE_ROUTING_KV_MODEL_H
#define SLUICE_ROUTING_KV_MODEL_H

#include "routing/prefix_index.h"

struct kv_events;
struct kv_model;

/* Empty. `capacity` in blocks of ours. */
struct kv_model *kv_model_open(struct kv_events *events, uint32_t capacity);
/* It must not be used afterwards. */
void kv_model_close(struct kv_model *model);

/* PREFIX_COLUMN_NONE: nothing was sent there. */
uint32_t kv_model_column(const struct kv_model *model);

/* prefix_index_speculate, on the model's column, whatever the guess says: a prompt was sent there.
 * Shed when the index thread is behind. */
void kv_model_expect(struct kv_model *model, const struct prefix_guess *guess);
/* As cache_model_use and cache_model_learn; keys are copied. Shed likewise. */
void kv_model_use(struct kv_model *model, const uint64_t *keys, size_t count);
void kv_model_learn(struct kv_model *model, uint32_t expected, uint32_t found);
/* Empty again, speculation included. Never shed. */
void kv_model_clear(struct kv_model *model);
/* Another capacity, if it is another. */
void kv_model_resize(struct kv_model *model, uint32_t capacity);

#endif
