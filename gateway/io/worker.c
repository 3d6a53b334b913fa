/*
 * The loop of a worker, around libevent's.
 *
 * libevent finds out which sockets are ready; deadlines are the worker's own wheel, driven by one
 * timer event that is moved only when the next deadline comes before it: a wake-up that finds
 * nothing due costs less than re-arming every turn.
 */
#include "gateway/io/worker.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/io/linger.h"
#include "gateway/io/resets.h"
#include "gateway/io/resolve.h"

#include <event2/event.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Four 64 KB messages, or one h2 window: larger reads were not faster, smaller ones cost calls. */
#define SCRATCH_BYTES (256 * 1024)

/*
 * Rounds of deferred work in a turn. A request that is answered without waiting needs fewer than
 * ten; a conn that reads as fast as its peer writes would need all there are.
 */
#define ROUNDS_MAX 16

/* What only the loop itself looks at. */
struct loop {
    struct worker worker;
    struct event *tick; /* fires when the wheel may have something due */
    uint64_t tick_us;   /* when it fires; UINT64_MAX: it is not set */
    struct event *mail; /* the mailbox's eventfd */
    bool mail_came;
    pthread_t thread;
};

static struct loop *loop_of(struct worker *worker)
{
    return CONTAINER_OF(worker, struct loop, worker);
}

void worker_awake(struct worker *worker)
{
    if (worker->awake)
        return;
    worker->awake = true;
    worker->now_us = clock_now_us();
    worker->wall_us = clock_wall_us();
}

static void on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct loop *loop = arg;

    loop->tick_us = UINT64_MAX;
}

static void on_mail(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct loop *loop = arg;

    loop->mail_came = true;
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    CHECK(config);
    /* EV_CLOSED tells of a FIN while reading is paused; only epoll has both. */
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base);
    return base;
}

struct worker *worker_new(unsigned index, struct metric_shard *metrics)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    struct worker *worker = &loop->worker;

    worker->index = index;
    worker->metrics = metrics;
    worker->base = base_new();
    worker_awake(worker);
    timers_init(&worker->timers, worker->now_us);
    for (int phase = 0; phase < WORKER_PHASES; phase++)
        list_init(&worker->deferred[phase]);
    list_init(&worker->deferred_next);
    list_init(&worker->lingering);
    worker->scratch_size = SCRATCH_BYTES;
    worker->scratch = xmalloc(SCRATCH_BYTES);
    worker->scratch_plain = xmalloc(SCRATCH_BYTES);
    worker->mailbox = mailbox_new(worker);
    worker->resolver = resolver_new(worker);
    worker->resets = resets_new(worker);

    loop->tick_us = UINT64_MAX;
    loop->tick = evtimer_new(worker->base, on_tick, loop);
    loop->mail =
        event_new(worker->base, mailbox_fd(worker->mailbox), EV_READ | EV_PERSIST, on_mail, loop);
    CHECK(loop->tick && loop->mail && event_add(loop->mail, NULL) == 0);
    return worker;
}

void worker_free(struct worker *worker)
{
    struct loop *loop = loop_of(worker);

    linger_close_all(worker);
    resets_free(worker->resets);
    resolver_free(worker->resolver);
    event_free(loop->mail);
    event_free(loop->tick);
    mailbox_free(worker->mailbox);
    event_base_free(worker->base);
    free(worker->scratch_plain);
    free(worker->scratch);
    free(loop);
}

/* Lets libevent wake up for the next deadline. A tick set too early stays: it is harmless once. */
static void loop_set_tick(struct loop *loop)
{
    const struct worker *worker = &loop->worker;
    uint64_t next_us = timers_next_us(&worker->timers);
    struct timeval wait;
    uint64_t wait_us;

    if (next_us >= loop->tick_us)
        return;
    wait_us = next_us > worker->now_us ? next_us - worker->now_us : 0;
    wait = (struct timeval){ .tv_sec = (time_t)(wait_us / CLOCK_US_PER_S),
                             .tv_usec = (suseconds_t)(wait_us % CLOCK_US_PER_S) };
    CHECK(evtimer_add(loop->tick, &wait) == 0);
    loop->tick_us = next_us;
}

/* The first phase with something to do; WORKER_PHASES when there is none. */
static int worker_next_phase(const struct worker *worker)
{
    int phase = WORKER_WAKE;

    while (phase < WORKER_PHASES && list_is_empty(&worker->deferred[phase]))
        phase++;
    return phase;
}

/* Runs what is in the phase's list now; what is added meanwhile waits for the next round. */
static void worker_run_phase(struct worker *worker, int phase)
{
    struct list due, *link;

    list_init(&due);
    list_splice(&due, &worker->deferred[phase]);
    while ((link = list_pop(&due))) {
        struct defer *defer = CONTAINER_OF(link, struct defer, link);

        defer->run(defer);
    }
}

static void worker_run_deferred(struct worker *worker)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int phase = worker_next_phase(worker);

        if (phase == WORKER_PHASES)
            return;
        worker_run_phase(worker, phase);
    }
}

/* Waits for events, unless there is work already; their callbacks run inside. */
static void loop_wait(struct loop *loop)
{
    struct worker *worker = &loop->worker;
    bool busy =
        !list_is_empty(&worker->deferred_next) || worker_next_phase(worker) != WORKER_PHASES;

    worker->awake = false;
    event_base_loop(worker->base, busy ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
    worker_awake(worker);
}

static void loop_turn(struct loop *loop)
{
    struct worker *worker = &loop->worker;

    loop_set_tick(loop);
    worker->handshake_spent_us = 0;
    loop_wait(loop);
    timers_run(&worker->timers, worker->now_us);
    if (loop->mail_came) {
        loop->mail_came = false;
        mailbox_open_all(worker->mailbox);
    }
    list_splice(&worker->deferred[WORKER_WAKE], &worker->deferred_next);
    worker_run_deferred(worker);
}

void worker_run(struct worker *worker)
{
    worker->stopping = false;
    while (!worker->stopping)
        loop_turn(loop_of(worker));
}

void worker_stop(struct worker *worker)
{
    worker->stopping = true;
}

static void *worker_thread(void *arg)
{
    worker_run(arg);
    return NULL;
}

void worker_start(struct worker *worker)
{
    struct loop *loop = loop_of(worker);
    char name[16]; /* what Linux keeps of a thread's name */
    sigset_t all, before;

    /* Signals are the control thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&loop->thread, NULL, worker_thread, worker) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    snprintf(name, sizeof(name), "worker-%u", worker->index % 10000);
    pthread_setname_np(loop->thread, name);
}

void worker_join(struct worker *worker)
{
    pthread_join(loop_of(worker)->thread, NULL);
}
