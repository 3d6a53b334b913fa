/*
 * Implementation of the step loop. step_begin plans what is computed and sets the timer;
 * step_finish gives out what was computed. Between them nothing of the plan changes but by
 * cancelling, which frees blocks and lets the step take as long as it was planned, as a GPU would.
 */
#include "tests/engine/scheduler.h"

#include <stdlib.h>

/* Steps caught up with in one tick; when more are due the model's clock falls behind instead of the
 * loop. */
#define STEPS_A_TICK 32

static void on_step_timer(struct timer *timer);
static void on_step_defer(struct defer *defer);

void scheduler_init(struct scheduler *scheduler, struct worker *worker, struct cache *cache,
                    const struct scheduler_settings *settings)
{
    *scheduler = (struct scheduler){ .worker = worker, .cache = cache, .settings = settings };
    list_init(&scheduler->running);
    list_init(&scheduler->waiting);
    timer_init(&scheduler->step_timer, on_step_timer);
    defer_init(&scheduler->step_defer, on_step_defer);
}

void scheduler_release(struct scheduler *scheduler)
{
    CHECK(list_is_empty(&scheduler->running) && list_is_empty(&scheduler->waiting));
    timer_clear(&scheduler->step_timer);
    defer_cancel(&scheduler->step_defer);
}

void sequence_init(struct sequence *sequence)
{
    *sequence = (struct sequence){ .state = SEQUENCE_NEW };
    tokens_init(&sequence->tokens);
    cache_hold_init(&sequence->hold);
    list_init(&sequence->link);
}

void sequence_release(struct sequence *sequence)
{
    CHECK(sequence->state == SEQUENCE_NEW || sequence->state == SEQUENCE_DONE);
    tokens_release(&sequence->tokens);
    free(sequence->keys);
    sequence->keys = NULL;
}

uint32_t scheduler_room(const struct scheduler *scheduler)
{
    uint64_t room = (uint64_t)scheduler->cache->count * scheduler->cache->block_size;

    return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

/* The only place that moves a sequence between the lists. */
static void set_state(struct scheduler *s, struct sequence *sequence, enum sequence_state state)
{
    if (sequence->state == SEQUENCE_RUNNING)
        s->running_count--;
    if (sequence->state == SEQUENCE_WAITING)
        s->waiting_count--;
    list_remove(&sequence->link);
    if (state == SEQUENCE_RUNNING) {
        s->running_count++;
        list_push(&s->running, &sequence->link);
    } else if (state == SEQUENCE_WAITING) {
        s->waiting_count++;
        if (sequence->state == SEQUENCE_RUNNING) /* preempted: first in line */
            list_push_front(&s->waiting, &sequence->link);
        else
            list_push(&s->waiting, &sequence->link);
    }
    sequence->state = (uint8_t)state;
}

static uint32_t blocks_for(const struct scheduler *s, uint32_t tokens)
{
    return (tokens + s->cache->block_size - 1) / s->cache->block_size;
}

static bool is_decoding(const struct sequence *sequence)
{
    return sequence->computed + 1 == sequence->tokens.count && sequence->output_tokens > 0;
}

/* Keys of the blocks that became full since the last call. */
static void hash_full_blocks(const struct scheduler *s, struct sequence *sequence)
{
    uint32_t size = s->cache->block_size;
    uint32_t full = (uint32_t)sequence->tokens.count / size;

    if (full > sequence->keys_size) {
        sequence->keys_size = full + blocks_for(s, sequence->output_goal);
        sequence->keys = xrealloc(sequence->keys, sequence->keys_size * sizeof(*sequence->keys));
    }
    for (uint32_t i = sequence->keys_count; i < full; i++)
        sequence->keys[i] = cache_key(s->cache, i > 0 ? sequence->keys[i - 1] : sequence->root,
                                      sequence->tokens.at + (size_t)i * size);
    sequence->keys_count = full;
}

static void preempt(struct scheduler *s, struct sequence *sequence)
{
    cache_hold_drop(s->cache, &sequence->hold);
    sequence->computed = 0;
    sequence->chunk = 0;
    set_state(s, sequence, SEQUENCE_WAITING);
    s->counts.preemptions++;
}

/* Blocks for `chunk` more tokens of a running sequence; others may lose theirs. False: it lost its
 * own. */
static bool reserve_blocks(struct scheduler *s, struct sequence *sequence, uint32_t chunk)
{
    uint32_t need = blocks_for(s, sequence->computed + chunk) - sequence->hold.count;

    while (!cache_hold_grow(s->cache, &sequence->hold, need)) {
        struct sequence *youngest = CONTAINER_OF(s->running.prev, struct sequence, link);

        preempt(s, youngest);
        if (youngest == sequence)
            return false;
    }
    return true;
}

/*
 * Gives the running sequences that decode, or those that do not, their part of the step, oldest
 * first. One that was planned before may be preempted for an older one; its part of the budget is
 * lost for this step.
 */
static void plan_running(struct scheduler *s, bool decodes, uint32_t *budget)
{
    struct list *at = s->running.next;

    while (at != &s->running && *budget > 0) {
        struct sequence *sequence = CONTAINER_OF(at, struct sequence, link);
        uint32_t left = (uint32_t)sequence->tokens.count - sequence->computed;
        uint32_t chunk = left < *budget ? left : *budget;

        if (is_decoding(sequence) != decodes) {
            at = at->next;
            continue;
        }
        if (!reserve_blocks(s, sequence, chunk))
            return; /* it was the youngest */
        sequence->chunk = chunk;
        *budget -= chunk;
        at = at->next;
    }
}

/* The prefix that is in the cache, without the last token: something must be computed to get an
 * answer. */
static uint32_t find_prefix(const struct scheduler *s, const struct sequence *sequence)
{
    uint32_t most = ((uint32_t)sequence->tokens.count - 1) / s->cache->block_size;

    return cache_match(s->cache, sequence->keys,
                       most < sequence->keys_count ? most : sequence->keys_count);
}

static bool admit(struct scheduler *s, struct sequence *sequence, uint32_t *budget)
{
    uint32_t found = find_prefix(s, sequence);
    uint32_t found_tokens = found * s->cache->block_size;
    uint32_t left = (uint32_t)sequence->tokens.count - found_tokens;
    uint32_t chunk = left < *budget ? left : *budget;

    if (!cache_hold_take(s->cache, &sequence->hold, sequence->keys, found,
                         blocks_for(s, found_tokens + chunk) - found))
        return false;
    sequence->computed = found_tokens;
    sequence->chunk = chunk;
    *budget -= chunk;
    s->counts.cache_queries += sequence->tokens.count;
    s->counts.cache_hits += found_tokens;
    if (!sequence->admitted) {
        sequence->admitted = true;
        sequence->cached_tokens = found_tokens;
        s->counts.prompt_tokens += sequence->prompt_tokens;
        s->counts.prompt_tokens_cached += found_tokens;
    }
    set_state(s, sequence, SEQUENCE_RUNNING);
    return true;
}

static void plan_waiting(struct scheduler *s, uint32_t *budget)
{
    while (*budget > 0 && s->running_count < s->settings->sequences_max &&
           !list_is_empty(&s->waiting))
        if (!admit(s, CONTAINER_OF(s->waiting.next, struct sequence, link), budget))
            return;
}

static struct step_work planned_work(const struct scheduler *s)
{
    struct step_work work = { 0 };

    LIST_FOREACH (at, &s->running) {
        const struct sequence *sequence = CONTAINER_OF(at, struct sequence, link);

        if (sequence->chunk > 0 && is_decoding(sequence)) {
            work.decodes++;
            work.kv_tokens += sequence->computed;
        } else {
            work.prefill_tokens += sequence->chunk;
            work.attention += (double)sequence->chunk *
                              ((double)sequence->computed + (double)sequence->chunk / 2);
        }
    }
    return work;
}

/* Plans the next step, to begin at step_end_us. False when there is nothing to do. */
static bool step_begin(struct scheduler *s)
{
    uint32_t budget = s->settings->step_tokens;
    uint64_t preempted_before = s->counts.preemptions;
    struct step_work work;
    double end;

    plan_running(s, /* decodes= */ true, &budget);
    plan_running(s, /* decodes= */ false, &budget);
    if (s->counts.preemptions ==
        preempted_before) /* else the preempted one would come right back */
        plan_waiting(s, &budget);
    if (s->running_count == 0)
        return false;
    s->counts.steps++;
    work = planned_work(s);
    end = s->step_end_fraction + step_work_us(&work) * s->settings->time_scale;
    s->step_end_us += (uint64_t)end;
    s->step_end_fraction = end - (double)(uint64_t)end;
    return true;
}

static void commit_full_blocks(struct scheduler *s, struct sequence *sequence,
                               uint32_t computed_before)
{
    uint32_t size = s->cache->block_size;

    for (uint32_t i = computed_before / size; i < sequence->computed / size; i++)
        cache_hold_commit(s->cache, &sequence->hold, i,
                          i > 0 ? sequence->keys[i - 1] : sequence->root, sequence->keys[i],
                          sequence->tokens.at + (size_t)i * size);
}

static void finish(struct scheduler *s, struct sequence *sequence)
{
    cache_hold_drop(s->cache, &sequence->hold);
    set_state(s, sequence, SEQUENCE_DONE);
}

/* What the step made of one sequence: its blocks, and a token when the end of what is known was
 * reached. */
static void advance(struct scheduler *s, struct sequence *sequence)
{
    uint32_t before = sequence->computed;

    sequence->computed += sequence->chunk;
    sequence->chunk = 0;
    commit_full_blocks(s, sequence, before);
    if (sequence->computed < sequence->tokens.count)
        return;
    if (sequence->output_tokens < sequence->output_goal) {
        tokens_add(&sequence->tokens, sequence->token(sequence, sequence->output_tokens++));
        hash_full_blocks(s, sequence);
        s->counts.generation_tokens++;
    }
    if (sequence->output_tokens == sequence->output_goal)
        finish(s, sequence);
    sequence->on_progress(sequence);
}

static void step_finish(struct scheduler *s)
{
    LIST_FOREACH_SAFE (at, &s->running) {
        struct sequence *sequence = CONTAINER_OF(at, struct sequence, link);

        if (sequence->chunk > 0)
            advance(s, sequence);
    }
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
        step_finish(s);
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
    CHECK(sequence->state == SEQUENCE_NEW && sequence->prompt_tokens > 0);
    CHECK(sequence->prompt_tokens == sequence->tokens.count);
    if ((uint64_t)sequence->prompt_tokens + sequence->output_goal > scheduler_room(s))
        return false;
    hash_full_blocks(s, sequence);
    set_state(s, sequence, SEQUENCE_WAITING);
    if (!s->stepping) {
        s->step_end_us = s->worker->now_us;
        s->step_end_fraction = 0;
        await_step_end(
            s); /* an empty step that ends now: all who arrive in this turn begin together */
    }
    return true;
}

void scheduler_cancel(struct scheduler *s, struct sequence *sequence)
{
    if (sequence->state != SEQUENCE_WAITING && sequence->state != SEQUENCE_RUNNING)
        return;
    finish(s, sequence);
}
