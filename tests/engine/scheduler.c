/*
 * The clock of the batch: step_begin plans what is computed and sets the timer; when it is due,
 * batch_step_end gives out what was computed, and sequences get tokens and keys.
 */
#include "tests/engine/scheduler.h"

#include "gateway/base/clock.h"

#include <stdlib.h>

/* Steps caught up with in one tick; when more are due the model's clock falls behind instead of the
 * loop. */
#define STEPS_A_TICK 32

static void on_step_timer(struct timer *timer);
static void on_step_defer(struct defer *defer);
static void on_item_progress(struct batch *batch, struct batch_item *item);

void scheduler_init(struct scheduler *scheduler, struct worker *worker, struct cache *cache,
                    const struct scheduler_settings *settings)
{
    *scheduler = (struct scheduler){ .worker = worker, .settings = settings };
    batch_init(&scheduler->batch, cache, &settings->batch, on_item_progress);
    timer_init(&scheduler->step_timer, on_step_timer);
    defer_init(&scheduler->step_defer, on_step_defer);
}

void scheduler_release(struct scheduler *scheduler)
{
    batch_release(&scheduler->batch);
    timer_clear(&scheduler->step_timer);
    defer_cancel(&scheduler->step_defer);
}

void sequence_init(struct sequence *sequence)
{
    *sequence = (struct sequence){ .token = NULL };
    batch_item_init(&sequence->item);
    tokens_init(&sequence->tokens);
}

void sequence_release(struct sequence *sequence)
{
    CHECK(sequence->item.state == BATCH_NEW || sequence->item.state == BATCH_DONE);
    tokens_release(&sequence->tokens);
    free(sequence->keys);
    sequence->keys = NULL;
}

uint32_t scheduler_room(const struct scheduler *scheduler)
{
    const struct cache *cache = scheduler->batch.cache;
    uint64_t room = (uint64_t)cache->count * cache->block_size;

    return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

/* Keys of the blocks that became full since the last call, as far as they are to be found. */
static void hash_full_blocks(const struct scheduler *s, struct sequence *sequence)
{
    struct batch_item *item = &sequence->item;
    const struct cache *cache = s->batch.cache;
    uint32_t tokens =
        s->settings->cache_outputs ? (uint32_t)sequence->tokens.count : item->prompt_tokens;
    uint32_t full = tokens / cache->block_size;

    if (full > sequence->keys_size) {
        sequence->keys_size = full + item->output_goal / cache->block_size + 1;
        sequence->keys = xrealloc(sequence->keys, sequence->keys_size * sizeof(*sequence->keys));
    }
    for (uint32_t i = item->keys_count; i < full; i++)
        sequence->keys[i] = cache_key(cache, i > 0 ? sequence->keys[i - 1] : item->root,
                                      sequence->tokens.at + (size_t)i * cache->block_size);
    item->keys = sequence->keys;
    item->keys_count = full;
    item->tokens = sequence->tokens.at;
}

static bool has_nothing(const struct scheduler *s)
{
    return s->batch.running_count + s->batch.waiting_count == 0;
}

static void idle_begin(struct scheduler *s)
{
    if (has_nothing(s) && s->idle.since_us == 0)
        s->idle.since_us = s->worker->now_us;
}

static void idle_end(struct scheduler *s)
{
    struct scheduler_idle *idle = &s->idle;
    uint64_t us = s->worker->now_us - idle->since_us;

    if (idle->since_us == 0)
        return;
    idle->count++;
    idle->total_us += us;
    idle->over_ms += us > CLOCK_US_PER_MS;
    idle->longest_us = us > idle->longest_us ? us : idle->longest_us;
    idle->since_us = 0;
}

static void on_item_progress(struct batch *batch, struct batch_item *item)
{
    struct scheduler *s = CONTAINER_OF(batch, struct scheduler, batch);
    struct sequence *sequence = CONTAINER_OF(item, struct sequence, item);

    if (item->output_tokens > 0) {
        tokens_add(&sequence->tokens, sequence->token(sequence, item->output_tokens - 1));
        hash_full_blocks(s, sequence);
    }
    sequence->on_progress(sequence);
    idle_begin(s);
}

/* Plans the next step, to begin at step_end_us. False when there is nothing to do. */
static bool step_begin(struct scheduler *s)
{
    struct step_work work;
    double end;

    if (!batch_step_begin(&s->batch, &work))
        return false;
    end = s->step_end_fraction + step_work_us(&work) * s->settings->time_scale;
    s->step_end_us += (uint64_t)end;
    s->step_end_fraction = end - (double)(uint64_t)end;
    return true;
}

/* Has the end of the step under way looked at. */
static void await_step_end(struct scheduler *s)
{
    s->stepping = true;
    if (s->settings->time_scale > 0)
        timer_set(&s->worker->timers, &s->step_timer, s->step_end_us);
    else
        worker_defer_next(s->worker, &s->step_defer);
}

/* Finishes the steps that are over and begins the next ones. */
static void make_steps(struct scheduler *s)
{
    unsigned steps = s->settings->time_scale > 0 ? STEPS_A_TICK : 1;

    s->stepping = false;
    while (steps-- > 0 && s->step_end_us <= s->worker->now_us) {
        batch_step_end(&s->batch);
        if (!step_begin(s))
            return;
    }
    if (s->step_end_us < s->worker->now_us)
        s->step_end_us = s->worker->now_us;
    await_step_end(s);
}

static void on_step_timer(struct timer *timer)
{
    make_steps(CONTAINER_OF(timer, struct scheduler, step_timer));
}

static void on_step_defer(struct defer *defer)
{
    make_steps(CONTAINER_OF(defer, struct scheduler, step_defer));
}

bool scheduler_add(struct scheduler *s, struct sequence *sequence)
{
    struct batch_item *item = &sequence->item;

    CHECK(item->prompt_tokens == sequence->tokens.count);
    if ((uint64_t)item->prompt_tokens + item->output_goal > scheduler_room(s))
        return false;
    idle_end(s);
    hash_full_blocks(s, sequence);
    batch_add(&s->batch, item);
    if (!s->stepping) {
        s->step_end_us = s->worker->now_us;
        s->step_end_fraction = 0;
        /* An empty step that ends now: all who arrive in this turn begin together. */
        await_step_end(s);
    }
    return true;
}

void scheduler_cancel(struct scheduler *s, struct sequence *sequence)
{
    batch_cancel(&s->batch, &sequence->item);
    idle_begin(s);
}
