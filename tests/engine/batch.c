/*
 * The planning of steps, and what becomes of them. Between begin and end nothing of the plan
 * changes but by cancelling, which frees blocks and lets the step take as long as it was planned,
 * as a GPU would.
 */
#include "tests/engine/batch.h"

void batch_init(struct batch *batch, struct cache *cache, const struct batch_settings *settings,
                void (*on_progress)(struct batch *batch, struct batch_item *item))
{
    *batch = (struct batch){ .cache = cache, .settings = settings, .on_progress = on_progress };
    list_init(&batch->running);
    list_init(&batch->waiting);
}

void batch_release(struct batch *batch)
{
    CHECK(list_is_empty(&batch->running) && list_is_empty(&batch->waiting));
}

void batch_item_init(struct batch_item *item)
{
    *item = (struct batch_item){ .state = BATCH_NEW };
    cache_hold_init(&item->hold);
    list_init(&item->link);
}

uint32_t batch_item_tokens(const struct batch_item *item)
{
    return item->prompt_tokens + item->output_tokens;
}

static struct batch_item *item_at(struct list *link)
{
    return CONTAINER_OF(link, struct batch_item, link);
}

/* The only place that moves an item between the lists. */
static void set_state(struct batch *batch, struct batch_item *item, enum batch_state state)
{
    if (item->state == BATCH_RUNNING)
        batch->running_count--;
    if (item->state == BATCH_WAITING)
        batch->waiting_count--;
    list_remove(&item->link);
    if (state == BATCH_RUNNING) {
        batch->running_count++;
        list_push(&batch->running, &item->link);
    } else if (state == BATCH_WAITING) {
        batch->waiting_count++;
        if (item->state == BATCH_RUNNING) /* preempted: first in line */
            list_push_front(&batch->waiting, &item->link);
        else
            list_push(&batch->waiting, &item->link);
    }
    item->state = (uint8_t)state;
}

static uint32_t blocks_for(const struct batch *batch, uint32_t tokens)
{
    return (tokens + batch->cache->block_size - 1) / batch->cache->block_size;
}

static bool is_decoding(const struct batch_item *item)
{
    return item->computed + 1 == batch_item_tokens(item) && item->output_tokens > 0;
}

static void preempt(struct batch *batch, struct batch_item *item)
{
    cache_hold_drop(batch->cache, &item->hold);
    item->computed = 0;
    item->chunk = 0;
    set_state(batch, item, BATCH_WAITING);
    batch->counts.preemptions++;
}

/* Blocks for `chunk` more tokens of a running item; others may lose theirs. False: it lost its
 * own. */
static bool reserve_blocks(struct batch *batch, struct batch_item *item, uint32_t chunk)
{
    uint32_t blocks = blocks_for(batch, item->computed + chunk);
    uint32_t need = blocks > item->hold.count ? blocks - item->hold.count : 0;

    while (!cache_hold_grow(batch->cache, &item->hold, need)) {
        struct batch_item *youngest = item_at(batch->running.prev);

        preempt(batch, youngest);
        if (youngest == item)
            return false;
    }
    return true;
}

/*
 * Gives the running items that decode, or those that do not, their part of the step, oldest first.
 * One that was planned before may be preempted for an older one; its part of the budget is lost for
 * this step.
 */
static void plan_running(struct batch *batch, bool decodes, uint32_t *budget)
{
    struct list *at = batch->running.next;

    while (at != &batch->running && *budget > 0) {
        struct batch_item *item = item_at(at);
        uint32_t left = batch_item_tokens(item) - item->computed;
        uint32_t chunk = left < *budget ? left : *budget;

        if (is_decoding(item) != decodes) {
            at = at->next;
            continue;
        }
        if (!reserve_blocks(batch, item, chunk))
            return; /* it was the youngest */
        item->chunk = chunk;
        *budget -= chunk;
        at = at->next;
    }
}

/* The prefix that is in the cache, without the last token: something must be computed to get an
 * answer. */
static uint32_t find_prefix(const struct batch *batch, const struct batch_item *item)
{
    uint32_t most = (batch_item_tokens(item) - 1) / batch->cache->block_size;

    return cache_match(batch->cache, item->keys, most < item->keys_count ? most : item->keys_count);
}

static void count_admission(struct batch *batch, struct batch_item *item)
{
    batch->counts.cache_queries += batch_item_tokens(item);
    batch->counts.cache_hits += item->computed;
    if (item->admitted)
        return;
    item->admitted = true;
    item->cached_tokens = item->computed;
    batch->counts.prompt_tokens += item->prompt_tokens;
    batch->counts.prompt_tokens_cached += item->computed;
}

/* With room for the first chunk only, engines would preempt each other's work in overload. */
static bool admit(struct batch *batch, struct batch_item *item, uint32_t *budget)
{
    uint32_t found = find_prefix(batch, item);
    uint32_t tokens = batch_item_tokens(item);
    uint32_t left = tokens - found * batch->cache->block_size;

    if (!cache_hold_take(batch->cache, &item->hold, item->keys, found,
                         blocks_for(batch, tokens) - found))
        return false;
    item->computed = tokens - left;
    item->chunk = left < *budget ? left : *budget;
    *budget -= item->chunk;
    count_admission(batch, item);
    set_state(batch, item, BATCH_RUNNING);
    return true;
}

static void plan_waiting(struct batch *batch, uint32_t *budget)
{
    while (*budget > 0 && batch->running_count < batch->settings->sequences_max &&
           !list_is_empty(&batch->waiting))
        if (!admit(batch, item_at(batch->waiting.next), budget))
            return;
}

static struct step_work planned_work(const struct batch *batch)
{
    struct step_work work = { 0 };

    LIST_FOREACH (at, &batch->running) {
        const struct batch_item *item = item_at(at);

        if (item->chunk > 0 && is_decoding(item)) {
            work.decodes++;
            work.kv_tokens += item->computed;
        } else {
            work.prefill_tokens += item->chunk;
            work.attention +=
                (double)item->chunk * ((double)item->computed + (double)item->chunk / 2);
        }
    }
    return work;
}

bool batch_step_begin(struct batch *batch, struct step_work *ret_work)
{
    uint32_t budget = batch->settings->step_tokens;
    uint64_t preempted_before = batch->counts.preemptions;

    plan_running(batch, /* decodes= */ true, &budget);
    plan_running(batch, /* decodes= */ false, &budget);
    if (batch->counts.preemptions ==
        preempted_before) /* else the preempted one would come right back */
        plan_waiting(batch, &budget);
    if (batch->running_count == 0)
        return false;
    batch->counts.steps++;
    *ret_work = planned_work(batch);
    return true;
}

static void commit_full_blocks(struct batch *batch, const struct batch_item *item, uint32_t before)
{
    uint32_t size = batch->cache->block_size;

    for (uint32_t i = before / size; i < item->computed / size && i < item->keys_count; i++)
        cache_hold_commit(batch->cache, &item->hold, i, i > 0 ? item->keys[i - 1] : item->root,
                          item->keys[i], item->tokens ? item->tokens + (size_t)i * size : NULL);
}

static void finish(struct batch *batch, struct batch_item *item)
{
    cache_hold_drop(batch->cache, &item->hold);
    set_state(batch, item, BATCH_DONE);
}

/* What the step made of one item: its blocks, and a token when the end of what is known was
 * reached. */
static void advance(struct batch *batch, struct batch_item *item)
{
    uint32_t before = item->computed;

    item->computed += item->chunk;
    item->chunk = 0;
    commit_full_blocks(batch, item, before);
    if (item->computed < batch_item_tokens(item))
        return;
    if (item->output_tokens < item->output_goal) {
        item->output_tokens++;
        batch->counts.generation_tokens++;
    }
    if (item->output_tokens == item->output_goal)
        finish(batch, item);
    batch->on_progress(batch, item);
}

void batch_step_end(struct batch *batch)
{
    LIST_FOREACH_SAFE (at, &batch->running)
        if (item_at(at)->chunk > 0)
            advance(batch, item_at(at));
}

void batch_add(struct batch *batch, struct batch_item *item)
{
    CHECK(item->state == BATCH_NEW && item->prompt_tokens > 0);
    set_state(batch, item, BATCH_WAITING);
}

void batch_cancel(struct batch *batch, struct batch_item *item)
{
    if (item->state == BATCH_WAITING || item->state == BATCH_RUNNING)
        finish(batch, item);
}
