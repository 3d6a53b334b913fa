/*
 * The engine's step.
 */
#include "tests/bench/fleet/replica.h"

#include "tests/engine/step.h"

#include <stdlib.h>
#include <string.h>

void replica_init(struct replica *r, uint32_t index, uint32_t blocks,
                  struct replica_listener *listener)
{
    *r = (struct replica){ .index = index, .slowness = 1, .listener = listener };
    cache_init(&r->cache, blocks, BLOCK_TOKENS);
    r->running = xcalloc(REPLICA_SEQUENCES_MAX, sizeof(struct job *));
}

void replica_release(struct replica *r)
{
    CHECK(r->running_count == 0 && r->waiting_count == 0);
    cache_release(&r->cache);
    free(r->running);
    free(r->waiting);
}

double replica_usage(const struct replica *r)
{
    return 1 - (double)r->cache.free_count / r->cache.count;
}

static void wait_at(struct replica *r, struct job *job, uint32_t at)
{
    if (r->waiting_count == r->waiting_size) {
        r->waiting_size = r->waiting_size ? 2 * r->waiting_size : 64;
        r->waiting = xrealloc(r->waiting, r->waiting_size * sizeof(struct job *));
    }
    memmove(r->waiting + at + 1, r->waiting + at, (r->waiting_count - at) * sizeof(struct job *));
    r->waiting[at] = job;
    r->waiting_count++;
}

void replica_add(struct replica *r, struct request *request)
{
    struct job *job = xcalloc(1, sizeof(*job));

    job->request = request;
    job->known = request->prompt_tokens;
    cache_hold_init(&job->hold);
    wait_at(r, job, r->waiting_count);
}

static uint32_t blocks_for(uint32_t tokens)
{
    return (tokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
}

static bool is_decoding(const struct job *job)
{
    return job->computed + 1 == job->known && job->made > 0;
}

static void preempt_youngest(struct replica *r)
{
    struct job *job = r->running[--r->running_count];

    cache_hold_drop(&r->cache, &job->hold);
    job->computed = 0;
    job->chunk = 0;
    wait_at(r, job, 0);
    r->preemptions++;
}

/* False: the job itself had to give up its blocks. */
static bool reserve(struct replica *r, uint32_t at, uint32_t chunk)
{
    struct job *job = r->running[at];
    uint32_t blocks = blocks_for(job->computed + chunk);
    uint32_t need = blocks > job->hold.count ? blocks - job->hold.count : 0;

    while (need > 0 && !cache_hold_grow(&r->cache, &job->hold, need)) {
        preempt_youngest(r);
        if (at >= r->running_count)
            return false;
    }
    return true;
}

static void plan_running(struct replica *r, bool decodes, uint32_t *budget)
{
    for (uint32_t i = 0; i<r->running_count && * budget> 0; i++) {
        struct job *job = r->running[i];
        uint32_t left = job->known - job->computed;
        uint32_t chunk = left < *budget ? left : *budget;

        if (is_decoding(job) != decodes)
            continue;
        if (!reserve(r, i, chunk))
            return;
        job->chunk = chunk;
        *budget -= chunk;
    }
}

static bool admit(struct replica *r, struct job *job, uint32_t *budget)
{
    const struct request *rq = job->request;
    uint32_t most = (job->known - 1) / BLOCK_TOKENS; /* something must be computed */
    uint32_t found = cache_match(&r->cache, rq->keys, most < rq->key_count ? most : rq->key_count);
    uint32_t left = job->known - found * BLOCK_TOKENS;
    uint32_t chunk = left < *budget ? left : *budget;

    if (!cache_hold_take(&r->cache, &job->hold, rq->keys, found, blocks_for(job->known) - found))
        return false;
    job->computed = found * BLOCK_TOKENS;
    job->chunk = chunk;
    *budget -= chunk;
    if (!job->admitted) {
        job->request->cached_tokens = job->computed;
        r->prompt_tokens += rq->prompt_tokens;
        r->cached_tokens += job->computed;
    }
    job->admitted = true;
    return true;
}

static void plan_waiting(struct replica *r, uint32_t *budget)
{
    uint32_t taken = 0;

    while (*budget > 0 && r->running_count < REPLICA_SEQUENCES_MAX && taken < r->waiting_count &&
           admit(r, r->waiting[taken], budget))
        r->running[r->running_count++] = r->waiting[taken++];
    r->waiting_count -= taken;
    memmove(r->waiting, r->waiting + taken, r->waiting_count * sizeof(struct job *));
}

static struct step_work planned_work(const struct replica *r)
{
    struct step_work work = { 0 };

    for (uint32_t i = 0; i < r->running_count; i++) {
        const struct job *job = r->running[i];

        if (is_decoding(job) && job->chunk > 0) {
            work.decodes++;
            work.kv_tokens += job->computed;
        } else {
            work.prefill_tokens += job->chunk;
            work.attention += (double)job->chunk * ((double)job->computed + (double)job->chunk / 2);
        }
    }
    return work;
}

void replica_step_begin(struct replica *r, uint64_t now_us)
{
    uint32_t budget = REPLICA_STEP_TOKENS;
    uint64_t preemptions = r->preemptions;
    struct step_work work;
    double us;

    if (r->stepping || r->running_count + r->waiting_count == 0)
        return;
    plan_running(r, /* decodes= */ true, &budget);
    plan_running(r, /* decodes= */ false, &budget);
    if (r->preemptions == preemptions)
        plan_waiting(r, &budget);
    if (r->running_count == 0)
        return;
    work = planned_work(r);
    us = step_work_us(&work) * r->slowness;
    r->busy_s += us * 1e-6;
    r->step_end_us = now_us + (uint64_t)us;
    r->stepping = true;
}

/* Only prompts' blocks are ever asked for. */
static void commit(struct replica *r, const struct job *job, uint32_t before)
{
    const struct request *rq = job->request;
    uint32_t full = job->computed / BLOCK_TOKENS;

    for (uint32_t i = before / BLOCK_TOKENS; i < full && i < rq->key_count; i++)
        cache_hold_commit(&r->cache, &job->hold, i, i > 0 ? rq->keys[i - 1] : 0, rq->keys[i], NULL);
}

/* True: it is over. */
static bool advance(struct replica *r, struct job *job)
{
    struct request *rq = job->request;
    uint32_t before = job->computed;

    job->computed += job->chunk;
    job->chunk = 0;
    commit(r, job, before);
    if (job->computed < job->known)
        return false;
    job->known++;
    if (job->made++ == 0) {
        rq->first_us = r->step_end_us;
        r->listener->first_token(r->listener, r, rq);
    } else {
        r->listener->tokens(r->listener, r, rq);
    }
    return job->made >= rq->output_tokens;
}

static void end(struct replica *r, struct job *job)
{
    cache_hold_drop(&r->cache, &job->hold);
    job->request->end_us = r->step_end_us;
    r->listener->ended(r->listener, r, job->request);
    free(job);
}

void replica_step_end(struct replica *r)
{
    uint32_t kept = 0;

    r->stepping = false;
    for (uint32_t i = 0; i < r->running_count; i++) {
        struct job *job = r->running[i];

        if (job->chunk > 0 && advance(r, job))
            end(r, job);
        else
            r->running[kept++] = job;
    }
    r->running_count = kept;
}
