/*
 * The engine: what one process has. Filled in by main.c, then the worker thread's alone.
 */
#ifndef SLUICE_ENGINE_ENGINE_H
#define SLUICE_ENGINE_ENGINE_H

#include "tests/engine/adapters.h"
#include "tests/engine/fault.h"
#include "tests/engine/options.h"
#include "tests/engine/scheduler.h"
#include "tests/engine/vocabulary.h"

struct publisher;
struct server;

/* How a sequence ended; the names are vLLM's (engine.c). */
enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_COUNT };
extern const char *const finish_name[FINISH_COUNT];

struct engine {
    const struct options *options;
    struct worker *worker;
    struct server *server;
    const char *name; /* the value of x-engine */
    struct cache cache;
    struct scheduler_settings scheduler_settings;
    struct scheduler scheduler;
    struct publisher *publisher; /* NULL: nothing is published */
    struct faults faults;
    struct adapters adapters;
    struct vocabulary *vocabulary; /* NULL: toy tokens */
    struct list calls;             /* requests under way */
    uint64_t calls_count;
    uint64_t started_s; /* Unix time */
    uint64_t instance;  /* random: tells this process's ids from others' */
    bool sleeping, paused;

    /* counters */
    uint64_t requests;    /* that were given to the scheduler */
    uint64_t aborts;      /* of them, those whose client left before the end */
    uint64_t admin_calls; /* on paths that no client of a gateway may reach */
    uint64_t faults_struck;
    uint64_t finished[FINISH_COUNT]; /* sequences */
};

void engine_init(struct engine *engine, const struct options *options, struct worker *worker);
void engine_release(struct engine *engine);

/* Whether `name` is a served model, an alias or an adapter. */
bool engine_serves(const struct engine *engine, struct slice name);

#endif
