/*
 * Workers that serve clients, and the letters to them.
 */
#include "gateway/threads.h"

#include "gateway/base/clock.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchanges.h"
#include "gateway/upstream/pool.h"
#include "routing/fleet.h"

#include <stdlib.h>

/* Clients that are told at the end why there is no answer have so long to take it, and as long
 * again to read what has been sent. */
#define LAST_WORDS_US  (500 * CLOCK_US_PER_MS)
#define CLOSED_LOOK_US CLOCK_US_PER_MS

struct thread { /* a worker and what it alone touches */
    struct worker *worker;
    struct clients *clients;
};

struct threads {
    struct worker *control;
    struct thread *at;
    struct worker **workers; /* of the threads */
    unsigned count;
    unsigned running;
    bool stopping;
};

/* ---- letters ---- */

struct order {
    struct letter letter;
    struct threads *threads;
    unsigned index;    /* order_close's: of the worker whose turn it is */
    struct timer look; /* order_stop's */
    uint64_t close_us; /* when it closes what is left */
    struct worker *worker;
    struct clients *clients;
    struct server **servers; /* reffed */
    int *fds;
    size_t count;
};

static struct order *order_new(struct threads *threads, unsigned index,
                               void (*open)(struct letter *, void *))
{
    struct order *order = xcalloc(1, sizeof(*order));

    order->threads = threads;
    order->index = index;
    order->clients = threads->at[index].clients;
    order->letter.open = open;
    return order;
}

static void order_send(struct order *order)
{
    mailbox_send(order->threads->at[order->index].worker->mailbox, &order->letter);
}

static void order_listen(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    (void)receiver;
    clients_listen(order->clients, order->servers, order->fds, order->count);
    for (size_t i = 0; i < order->count; i++)
        server_unref(order->servers[i]);
    free(order->servers);
    free(order->fds);
    free(order);
}

static void order_drain(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    (void)receiver;
    clients_drain(order->clients);
    free(order);
}

static void on_stopped(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    if (--order->threads->running == 0)
        worker_stop(receiver);
    free(order);
}

static bool is_empty(const struct order *order)
{
    const struct worker *worker = order->worker;

    return clients_count(order->clients) == 0 &&
           (list_is_empty(&worker->lingering) || worker->now_us >= order->close_us + LAST_WORDS_US);
}

/* The thread ends when the last connection has been freed. */
static void stop_when_empty(struct timer *timer)
{
    struct order *order = CONTAINER_OF(timer, struct order, look);
    struct worker *worker = order->worker;

    if (!is_empty(order)) {
        if (worker->now_us >= order->close_us)
            clients_close(order->clients);
        timer_set(&worker->timers, timer, worker->now_us + CLOSED_LOOK_US);
        return;
    }
    upstream_close_all(worker);
    worker_stop(worker);
    order->letter.open = on_stopped;
    mailbox_send(order->threads->control->mailbox, &order->letter);
}

/* Who waits, or is being answered, hears that it ends; connections close behind it. */
static void order_stop(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);

    order->worker = receiver;
    order->close_us = order->worker->now_us + LAST_WORDS_US;
    timer_init(&order->look, stop_when_empty);
    clients_drain(order->clients);
    exchanges_end(order->worker->exchanges, &reason_draining);
    stop_when_empty(&order->look);
}

/* From worker to worker, until all homes are closed: one that ends makes room, and nobody shall be
 * sent to an engine for it only to be stopped there. */
static void order_close(struct letter *letter, void *receiver)
{
    struct order *order = CONTAINER_OF(letter, struct order, letter);
    struct threads *threads = order->threads;
    const struct worker *worker = receiver;

    exchanges_close(worker->exchanges);
    if (++order->index < threads->count) {
        order_send(order);
        return;
    }
    for (unsigned t = 0; t < threads->count; t++)
        order_send(order_new(threads, t, order_stop));
    free(order);
}

/* ---- what they are told ---- */

void threads_listen(struct threads *threads, const struct listeners *listeners, int *fds)
{
    size_t count = listeners->count;

    for (unsigned t = 0; t < threads->count; t++) {
        struct order *order = order_new(threads, t, order_listen);

        order->servers = xcalloc(count, sizeof(*order->servers));
        order->fds = xcalloc(count, sizeof(*order->fds));
        order->count = count;
        for (size_t i = 0; i < count; i++) {
            order->servers[i] = server_ref(listeners->servers[i]);
            order->fds[i] = fds[i * threads->count + t];
        }
        order_send(order);
    }
    free(fds);
}

void threads_drain(struct threads *threads)
{
    for (unsigned t = 0; t < threads->count; t++)
        order_send(order_new(threads, t, order_drain));
}

void threads_stop(struct threads *threads)
{
    if (!threads->stopping)
        order_send(order_new(threads, 0, order_close));
    threads->stopping = true;
}

/* ---- life ---- */

static void thread_init(struct thread *thread, const struct threads_settings *settings,
                        unsigned index)
{
    struct worker *worker = worker_new(index, metric_shard_new());

    worker->upstream = upstream_new();
    worker->holdings = settings->holdings;
    worker->exchanges = exchanges_new(worker, settings->prefix_seed);
    worker->access_log =
        access_log_new(worker->metrics, settings->control->mailbox, settings->hurry);
    worker->fleet_view = fleet_view_new(settings->fleets);
    *thread = (struct thread){ worker, clients_new(worker) };
}

struct threads *threads_new(const struct threads_settings *settings)
{
    struct threads *threads = xcalloc(1, sizeof(*threads));

    threads->control = settings->control;
    threads->count = settings->count;
    threads->at = xcalloc(threads->count, sizeof(*threads->at));
    threads->workers = xcalloc(threads->count, sizeof(*threads->workers));
    for (unsigned t = 0; t < threads->count; t++) {
        thread_init(&threads->at[t], settings, t);
        threads->workers[t] = threads->at[t].worker;
    }
    for (unsigned t = 0; t < threads->count; t++)
        exchanges_meet(threads->workers[t]->exchanges, threads->workers, threads->count);
    return threads;
}

void threads_start(struct threads *threads)
{
    for (unsigned t = 0; t < threads->count; t++)
        worker_start(threads->workers[t]);
    threads->running = threads->count;
}

void threads_join(struct threads *threads)
{
    for (unsigned t = 0; t < threads->count; t++)
        worker_join(threads->workers[t]);
}

void threads_open_last(struct threads *threads)
{
    bool opened;

    do {
        opened = false;
        for (unsigned t = 0; t < threads->count; t++)
            opened |= mailbox_open_all(threads->workers[t]->mailbox);
    } while (opened);
}

void threads_free_worker(struct worker *worker)
{
    struct metric_shard *metrics = worker->metrics;

    upstream_free(worker->upstream);
    worker_free(worker);
    metric_shard_free(metrics);
}

void threads_free(struct threads *threads)
{
    for (unsigned t = 0; t < threads->count; t++) {
        struct thread *thread = &threads->at[t];

        clients_free(thread->clients);
        exchanges_free(thread->worker->exchanges);
        fleet_view_free(thread->worker->fleet_view);
        access_log_free(thread->worker->access_log);
        threads_free_worker(thread->worker);
    }
    free(threads->at);
    free(threads->workers);
    free(threads);
}

unsigned threads_count(const struct threads *threads)
{
    return threads->count;
}

struct worker *threads_worker(const struct threads *threads, unsigned index)
{
    return threads->workers[index];
}
