/*
 * A worker: one thread, one event loop, and everything that belongs to that thread.
 *
 * A loop turn: libevent reports what is ready (callbacks only note and wake), due timers fire, the
 * mailbox is emptied; then the deferred work runs by phase: WAKE (exchanges move), FLUSH (each
 * connection with something to send writes once), FREE (what events could still have reached is
 * freed). Work deferred meanwhile runs in the same turn, in that order, until nothing is left; only
 * work that goes on deferring more for many rounds is continued in the next turn, so that nobody
 * who always has something to do can keep the sockets and timers of others waiting.
 *
 * The control thread has a worker of its own (index = number of workers) without client listeners.
 */
#ifndef SLUICE_IO_WORKER_H
#define SLUICE_IO_WORKER_H

#include "gateway/base/list.h"
#include "gateway/base/reason.h"
#include "gateway/base/timer.h"

struct event_base;
struct mailbox;
struct metric_shard;
struct resolver;

enum worker_phase { WORKER_WAKE, WORKER_FLUSH, WORKER_FREE, WORKER_PHASES };

/* Work put off to a phase of this turn; lives in the object it is for. */
struct defer {
    struct list link;
    void (*run)(struct defer *defer);
};

struct worker {
    unsigned index;
    struct event_base *base;
    struct timers timers;
    uint64_t now_us;  /* clock_now_us, read once a turn */
    uint64_t wall_us; /* clock_wall_us, read once a turn */
    struct list deferred[WORKER_PHASES];
    struct list deferred_next; /* joins WAKE after the next look at the sockets */
    bool awake;                /* the clocks were read since the loop last waited */

    /* Scratch for one callback at a time: what is read from sockets lands here first. */
    char *scratch;
    size_t scratch_size;
    char *scratch_plain; /* decrypted bytes; as large */

    struct metric_shard *metrics; /* this thread's counters */
    struct mailbox *mailbox;      /* from other threads */
    struct resolver *resolver;    /* io/resolve, made with the worker */

    /* Typed slots, filled by gateway/control before the thread starts; of their modules. */
    struct fleet_view *fleet_view; /* routing/fleet: the current fleet as this worker sees it */
    struct holdings *holdings;     /* routing/holdings: the process's, who holds what */
    struct upstream *upstream;     /* upstream/pool: connections towards endpoints */
    struct exchanges *exchanges;   /* proxy/exchange: this worker's live exchanges */
    struct access_log *access_log; /* account/access_log */
    struct control *control;       /* gateway/control: the control thread's worker only */

    /* io's own */
    struct resets *resets;       /* watches sockets for resets (io/resets) */
    struct list lingering;       /* sockets that outlive their transport (io/linger) */
    uint64_t handshake_spent_us; /* on TLS handshakes in this turn; io/transport bounds it */

    bool stopping; /* worker_stop was called: the loop ends after this turn */
};

/* On the control thread. `metrics` is kept, not owned. */
struct worker *worker_new(unsigned index, struct metric_shard *metrics);
void worker_free(struct worker *worker); /* after its loop has ended; nothing may be left on it */

/* Runs the loop on the calling thread until worker_stop. */
void worker_run(struct worker *worker);
/* Own thread only; from others, post worker_stop through the mailbox. */
void worker_stop(struct worker *worker);
/* Starts a thread that calls worker_run; worker_join waits for its end. */
void worker_start(struct worker *worker);
void worker_join(struct worker *worker);

/* Once, before anything else. */
static inline void defer_init(struct defer *defer, void (*run)(struct defer *))
{
    list_init(&defer->link);
    defer->run = run;
}

/* Nothing happens when it is deferred already. */
static inline void worker_defer(struct worker *worker, enum worker_phase phase, struct defer *defer)
{
    if (!list_is_linked(&defer->link))
        list_push(&worker->deferred[phase], &defer->link);
}

/*
 * For the next turn's WAKE: others' sockets and timers get their turn first, and the loop does not
 * wait in between. For work that could go on for long, such as reading from a peer that is faster.
 */
static inline void worker_defer_next(struct worker *worker, struct defer *defer)
{
    if (!list_is_linked(&defer->link))
        list_push(&worker->deferred_next, &defer->link);
}

/* Reads the clocks if this turn has not yet; every callback of libevent starts with it. */
void worker_awake(struct worker *worker);

static inline void defer_cancel(struct defer *defer)
{
    list_remove(&defer->link);
}

#endif
