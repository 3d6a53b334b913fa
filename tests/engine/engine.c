/*
 * The engine's own life: made from the options, released after the worker has stopped.
 */
#include "tests/engine/engine.h"

#include "gateway/base/clock.h"
#include "tests/engine/publisher.h"

#include <sys/random.h>

const char *const finish_name[FINISH_COUNT] = {
    [FINISH_STOP] = "stop",
    [FINISH_LENGTH] = "length",
    [FINISH_ABORT] = "abort",
};

void engine_init(struct engine *engine, const struct options *options, struct worker *worker)
{
    *engine = (struct engine){ .options = options, .worker = worker };
    engine->scheduler_settings = (struct scheduler_settings){
        .batch = { .step_tokens = (uint32_t)options->step_tokens,
                   .sequences_max = (uint32_t)options->sequences_max },
        .time_scale = options->time_scale,
        .cache_outputs = options->cache_outputs,
    };
    engine->started_s = clock_wall_us() / CLOCK_US_PER_S;
    CHECK(getrandom(&engine->instance, sizeof(engine->instance), 0) == sizeof(engine->instance));
    cache_init(&engine->cache, (uint32_t)options->blocks, (uint32_t)options->block_size);
    scheduler_init(&engine->scheduler, worker, &engine->cache, &engine->scheduler_settings);
    faults_init(&engine->faults, options->seed);
    adapters_init(&engine->adapters);
    list_init(&engine->calls);
}

void engine_release(struct engine *engine)
{
    CHECK(list_is_empty(&engine->calls));
    vocabulary_free(engine->vocabulary);
    adapters_release(&engine->adapters);
    faults_release(&engine->faults);
    scheduler_release(&engine->scheduler);
    publisher_free(engine->publisher);
    cache_release(&engine->cache);
}

bool engine_serves(const struct engine *engine, struct slice name)
{
    const struct options_list *models = &engine->options->models;

    for (size_t i = 0; i < models->count; i++)
        if (slice_eq(name, slice_str(models->at[i])))
            return true;
    return adapters_find(&engine->adapters, name) != NULL;
}
