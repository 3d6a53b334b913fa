/*
 * The engine's scheduler: sequences wait, are computed in steps, and get one token a step.
 *
 * The model of vLLM V1 with continuous batching, chunked prefill and prefix caching: a step has a
 * budget of tokens; first every decoding sequence takes one, then running prefills go on, then the
 * longest waiting are admitted while budget, places and free blocks last. What a step will compute
 * is fixed when it begins; its blocks can be found and its tokens are there when it ends. A decode
 * that finds no block makes the youngest sequence give up its blocks and compute again later
 * (preemption).
 *
 *     NEW --scheduler_add--> WAITING --admit--> RUNNING --last token--> DONE
 *                               ^                  |  |
 *                               +----- preempt ----+  +--scheduler_cancel--> DONE (from WAITING
 * too)
 *
 * One thread, the worker's: steps end in its timers. Steps shorter than a timer's tick are caught
 * up with, several a tick.
 */
#ifndef SLUICE_ENGINE_SCHEDULER_H
#define SLUICE_ENGINE_SCHEDULER_H

#include "gateway/io/worker.h"
#include "tests/engine/cache.h"
#include "tests/engine/step.h"
#include "tests/engine/tokens.h"

struct scheduler_settings {
    uint32_t step_tokens;   /* budget of a step */
    uint32_t sequences_max; /* running at once */
    double time_scale;      /* 1: as a GPU; 0.01: a hundred times faster; 0: no step takes time */
};

enum sequence_state { SEQUENCE_NEW, SEQUENCE_WAITING, SEQUENCE_RUNNING, SEQUENCE_DONE };

struct scheduler;

/* One prompt and what is made of it. Embedded in its owner, who fills in the first part. */
struct sequence {
    struct tokens tokens;   /* prompt, then output */
    uint32_t prompt_tokens; /* how many of them are the prompt; at least 1 */
    uint32_t output_goal;   /* tokens to make; 0: only compute the prompt */
    uint64_t root;          /* cache_root */
    /* The output token at `index`; asked once each. */
    uint32_t (*token)(struct sequence *sequence, uint32_t index);
    /* More output, or DONE. Called at the end of a step; may only note it. */
    void (*on_progress)(struct sequence *sequence);

    /* the scheduler's */
    struct list link;
    uint8_t state;          /* enum sequence_state */
    uint32_t output_tokens; /* made so far */
    uint32_t computed;      /* tokens whose keys and values are there */
    uint32_t chunk;         /* tokens of the step under way */
    uint32_t cached_tokens; /* of the prompt, found at the first admission */
    bool admitted;          /* once at least: cached_tokens is known */
    struct cache_hold hold;
    uint64_t *keys; /* of all full blocks so far */
    uint32_t keys_count, keys_size;
};

/* Counters since the start; names as in vLLM's metrics. */
struct scheduler_counts {
    uint64_t steps, preemptions;
    uint64_t cache_queries, cache_hits; /* tokens */
    uint64_t prompt_tokens, generation_tokens, prompt_tokens_cached;
};

struct scheduler {
    struct worker *worker;
    struct cache *cache;
    const struct scheduler_settings *settings;
    struct list running, waiting; /* oldest first */
    uint32_t running_count, waiting_count;
    struct timer step_timer;  /* end of the step under way */
    struct defer step_defer;  /* the same, when steps take no time */
    bool stepping;            /* one of them is set */
    uint64_t step_end_us;     /* on the model's clock, which may lag behind the worker's */
    double step_end_fraction; /* of a microsecond: short steps must not be rounded away */
    struct scheduler_counts counts;
};

void scheduler_init(struct scheduler *scheduler, struct worker *worker, struct cache *cache,
                    const struct scheduler_settings *settings);
void scheduler_release(struct scheduler *scheduler); /* no sequence may be left */

/* Before the owner fills it in. */
void sequence_init(struct sequence *sequence);
/* In state NEW or DONE. */
void sequence_release(struct sequence *sequence);

/* The sequence stays where it is until it is DONE. False, and nothing done, when it can never fit
 * into the cache. */
bool scheduler_add(struct scheduler *scheduler, struct sequence *sequence) MUST_USE;
/* DONE at once; nothing when it is already. */
void scheduler_cancel(struct scheduler *scheduler, struct sequence *sequence);

/* How long a sequence may become and still fit into the cache, in tokens. */
uint32_t scheduler_room(const struct scheduler *scheduler);

#endif
