/*
 * The clock of a replica's batch.
 */
#include "tests/bench/fleet/replica.h"

#include <stdlib.h>

static const struct batch_settings settings = { REPLICA_STEP_TOKENS, REPLICA_SEQUENCES_MAX };

/* A request at a replica. */
struct job {
    struct batch_item item;
    struct request *request;
};

static void on_progress(struct batch *batch, struct batch_item *item);

void replica_init(struct replica *r, uint32_t index, uint32_t blocks,
                  struct replica_listener *listener)
{
    *r = (struct replica){ .index = index, .slowness = 1, .listener = listener };
    cache_init(&r->cache, blocks, BLOCK_TOKENS);
    batch_init(&r->batch, &r->cache, &settings, on_progress);
}

void replica_release(struct replica *r)
{
    batch_release(&r->batch);
    cache_release(&r->cache);
}

double replica_usage(const struct replica *r)
{
    return 1 - (double)r->cache.free_count / r->cache.count;
}

void replica_add(struct replica *r, struct request *request)
{
    struct job *job = xcalloc(1, sizeof(*job));

    job->request = request;
    batch_item_init(&job->item);
    job->item.prompt_tokens = request->prompt_tokens;
    job->item.output_goal = request->output_tokens;
    job->item.keys = request->keys;
    job->item.keys_count = request->key_count;
    batch_add(&r->batch, &job->item);
}

void replica_step_begin(struct replica *r, uint64_t now_us)
{
    struct step_work work;
    double us;

    if (r->stepping || !batch_step_begin(&r->batch, &work))
        return;
    us = step_work_us(&work) * r->slowness;
    r->busy_s += us * 1e-6;
    r->step_end_us = now_us + (uint64_t)us;
    r->stepping = true;
}

static void end(struct replica *r, struct job *job)
{
    job->request->cached_tokens = job->item.cached_tokens;
    job->request->end_us = r->step_end_us;
    r->listener->ended(r->listener, r, job->request);
    free(job);
}

static void on_progress(struct batch *batch, struct batch_item *item)
{
    struct replica *r = CONTAINER_OF(batch, struct replica, batch);
    struct job *job = CONTAINER_OF(item, struct job, item);

    if (item->output_tokens == 1) {
        job->request->first_us = r->step_end_us;
        r->listener->first_token(r->listener, r, job->request);
    } else {
        r->listener->tokens(r->listener, r, job->request);
    }
    if (item->state == BATCH_DONE)
        end(r, job);
}

void replica_step_end(struct replica *r)
{
    r->stepping = false;
    batch_step_end(&r->batch);
}
