/*
 * The engine's scheduler: sequences wait, are computed in steps (batch.h), and get one token a
 * step.
 *
 * One thread, the worker's: steps end in its timers. Steps shorter than a timer's tick are caught
 * up with, several a tick.
 */
#ifndef SLUICE_ENGINE_SCHEDULER_H
#define SLUICE_ENGINE_SCHEDULER_H

#include "gateway/io/worker.h"
#include "tests/engine/batch.h"
#include "tests/engine/tokens.h"

struct scheduler_settings {
    struct batch_settings batch;
    double time_scale;  /* 1: as a GPU; 0.01: a hundred times faster; 0: no step takes time */
    bool cache_outputs; /* answers' blocks can be found, too */
};

struct scheduler;

/* One prompt and what is made of it. Embedded in its owner, who fills in the first part and of the
 * item what is its owner's, but for keys and tokens. */
struct sequence {
    struct batch_item item;
    struct tokens tokens; /* prompt, then output */
    /* The output token at `index`; asked once each. */
    uint32_t (*token)(struct sequence *sequence, uint32_t index);
    /* More output, or DONE. Called at the end of a step; may only note it. */
    void (*on_progress)(struct sequence *sequence);

    /* the scheduler's */
    uint64_t *keys;
    uint32_t keys_size;
};

/* From when the last sequence was done until the next one came: what who sends them takes. */
struct scheduler_idle {
    uint64_t since_us; /* 0: it is not idle, or never had anything */
    uint64_t count, total_us, longest_us;
    uint64_t over_ms; /* of count: longer than a millisecond */
};

struct scheduler {
    struct worker *worker;
    const struct scheduler_settings *settings;
    struct batch batch;
    struct timer step_timer;  /* end of the step under way */
    struct defer step_defer;  /* the same, when steps take no time */
    bool stepping;            /* one of them is set */
    uint64_t step_end_us;     /* on the model's clock, which may lag behind the worker's */
    double step_end_fraction; /* of a microsecond: short steps must not be rounded away */
    struct scheduler_idle idle;
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
