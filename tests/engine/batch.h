/*
 * What an engine computes at a time: continuous batching, chunked prefill, prefix caching.
 *
 * The model of vLLM V1: a step has a budget of tokens; first every decoding item takes one, then
 * running prefills go on, then the longest waiting are admitted while budget, places and free
 * blocks last. What a step will compute is fixed when it begins; its blocks can be found and its
 * tokens are there when it ends. A prompt is begun when the cache has room for all of it. A decode
 * that finds no block makes the youngest item give up its blocks and compute again later
 * (preemption).
 *
 *     NEW --batch_add--> WAITING --admit--> RUNNING --last token--> DONE
 *                           ^                  |  |
 *                           +----- preempt ----+  +--batch_cancel--> DONE (from WAITING too)
 *
 * No clock and no text: sluice-engine (scheduler.h) and the simulated fleet (tests/bench/fleet)
 * have one each, and take the same steps. One thread.
 */
#ifndef SLUICE_ENGINE_BATCH_H
#define SLUICE_ENGINE_BATCH_H

#include "tests/engine/cache.h"
#include "tests/engine/step.h"

enum batch_state { BATCH_NEW, BATCH_WAITING, BATCH_RUNNING, BATCH_DONE };

/* One prompt and what is made of it. Embedded in its owner, who fills in the first part. */
struct batch_item {
    uint32_t prompt_tokens; /* at least 1 */
    uint32_t output_goal;   /* tokens to make; 0: only compute the prompt */
    uint64_t root;          /* cache_root */
    /* Of the leading full blocks of all tokens so far; those without are never found again.
     * Borrowed. */
    const uint64_t *keys;
    uint32_t keys_count;
    const uint32_t *tokens; /* for the cache's listener; NULL when there is none. Borrowed. */

    /* the batch's */
    struct list link;
    uint8_t state;          /* enum batch_state */
    uint32_t output_tokens; /* made so far */
    uint32_t computed;      /* tokens whose keys and values are there */
    uint32_t chunk;         /* tokens of the step under way */
    uint32_t cached_tokens; /* of the prompt, found at the first admission */
    bool admitted;          /* once at least: cached_tokens is known */
    struct cache_hold hold;
};

struct batch_settings {
    uint32_t step_tokens;   /* budget of a step */
    uint32_t sequences_max; /* running at once */
};

/* Counters since the start; names as in vLLM's metrics. */
struct batch_counts {
    uint64_t steps, preemptions;
    uint64_t cache_queries, cache_hits; /* tokens */
    uint64_t prompt_tokens, generation_tokens, prompt_tokens_cached;
};

struct batch {
    struct cache *cache;
    const struct batch_settings *settings;
    /* It made a token, or it is DONE and may be freed, or both. Called at the end of a step; may
     * give the item more keys and tokens, and may not add or cancel items. */
    void (*on_progress)(struct batch *batch, struct batch_item *item);
    struct list running, waiting; /* oldest first */
    uint32_t running_count, waiting_count;
    struct batch_counts counts;
};

void batch_init(struct batch *batch, struct cache *cache, const struct batch_settings *settings,
                void (*on_progress)(struct batch *batch, struct batch_item *item));
void batch_release(struct batch *batch); /* no item may be left */

/* Before the owner fills it in. */
void batch_item_init(struct batch_item *item);
/* Prompt and answer so far. */
uint32_t batch_item_tokens(const struct batch_item *item);

/* The item stays where it is until it is DONE. It must fit into an empty cache when it is whole. */
void batch_add(struct batch *batch, struct batch_item *item);
/* DONE at once, without on_progress; nothing when it is already. */
void batch_cancel(struct batch *batch, struct batch_item *item);

/* Plans a step. False when there is nothing to do. */
bool batch_step_begin(struct batch *batch, struct step_work *ret_work);
/* It is computed. */
void batch_step_end(struct batch *batch);

#endif
