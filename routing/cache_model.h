/*
 * The cache of an engine that does not say what is in it: a model, fed with the prompts that were
 * sent there, whose blocks the prefix index has as if events had said them. A match is the same
 * walk whatever the source.
 *
 * As engines do, it gives a prompt's blocks back tail first, so that beginnings live longest, and
 * forgets the least recently used. Its capacity is the engine's own, in blocks of ours. What the
 * engine says of cached tokens corrects it: a running ratio of found to expected, by which to trust
 * a match, and a capacity that shrinks while less is found than expected by a fifth or more (other
 * gateways, longer answers, a smaller cache than was said) and slowly returns.
 *
 * One thread, the index's.
 */
#ifndef SLUICE_ROUTING_CACHE_MODEL_H
#define SLUICE_ROUTING_CACHE_MODEL_H

#include "routing/kv_pages.h"

struct cache_model {
    struct prefix_index *index;
    uint32_t column;
    struct kv_pages_taken taken; /* by `blocks` */
    struct kv_pages blocks;  /* by our keys; `key` of a page links it by number to its neighbours */
    uint32_t oldest, newest; /* 0: it is empty */
    uint32_t room;           /* blocks it may have now */
    uint32_t capacity;       /* of the engine */
    double trust;            /* found by expected blocks, 0 to 1 */
};

/* Takes a column. At least one block. */
void cache_model_init(struct cache_model *model, struct prefix_index *index, uint32_t capacity);
/* Gives the column back. */
void cache_model_release(struct cache_model *model);

/* The engine has computed a prompt with these blocks, or will have soon. */
void cache_model_use(struct cache_model *model, const uint64_t *keys, size_t count);
/* Of a prompt's blocks so many were expected in the cache, so many found there. */
void cache_model_learn(struct cache_model *model, uint32_t expected, uint32_t found);
/* The engine says what it has room for. */
void cache_model_resize(struct cache_model *model, uint32_t capacity);

#endif
