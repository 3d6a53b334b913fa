/*
 * Pools of connections. A connection is on one list at a time, and the list is its state:
 *
 *   dialling --open--> with room (h1: idle) --stream taken, none left--> full
 *                          ^                                              |
 *                          +-----------------stream over------------------+
 *
 * Only link_set moves a link between them. Dials are as many as there are waiters that no dial
 * under way will serve (h1), or one at a time (h2).
 *
 * A pool lives as long as its origin, whose last reference may be dropped on another thread. So a
 * pool that has a connection, a question or a wake-up under way holds its origin (pool_hold), and
 * only then is it on its worker's list.
 */
#include "gateway/upstream/pool.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/io/resolve.h"

#include <limits.h>
#include <stdlib.h>

/* One worker's connections towards one origin; more wait their turn. */
#define POOL_CONNS_MAX 20000

/* A name that cannot be resolved again keeps its addresses; it is asked for after this time. */
#define ADDRESSES_STALE_US (5 * CLOCK_US_PER_S)

/* pool->failures: all who wait. */
#define FAILURES_ALL UINT_MAX

enum link_state { LINK_DIALLING, LINK_ROOM, LINK_FULL, LINK_STATES };

struct pool_link { /* a connection and its place in the pool */
    struct list link;
    enum link_state state;
    struct origin_pool *pool;
    struct conn *conn;
    uint64_t number; /* counts the pool's connections in the order in which they opened */
    size_t address;  /* pool->next_address when it was dialled */
};

struct origin_pool {
    struct origin *origin; /* a reference while holds > 0 */
    struct worker *worker;
    struct list links[LINK_STATES];
    struct list waiters;
    struct list all; /* of upstream->pools, while held */
    unsigned holds;  /* connections, questions, wake-ups */
    unsigned conns, dialling, waiting;
    uint64_t opened; /* connections ever; the number of the youngest */
    struct resolve_question *question;
    union resolve_address *addresses; /* of the last answer */
    size_t address_count;
    size_t next_address;  /* modulo address_count: what is dialled */
    size_t bad_addresses; /* in a row that could not be reached, no connection opened since */
    uint64_t addresses_until_us;
    const struct reason *failed; /* what waiters are told at the next wake ... */
    unsigned failures;           /* ... so many of them */
    struct defer wake;
};

struct upstream { /* a worker's */
    struct list pools;
};

static void pool_hold(struct origin_pool *pool)
{
    if (pool->holds++ > 0)
        return;
    origin_ref(pool->origin);
    list_push(&pool->worker->upstream->pools, &pool->all);
}

/* The pool may be gone afterwards. */
static void pool_drop(struct origin_pool *pool)
{
    CHECK(pool->holds > 0);
    if (--pool->holds > 0)
        return;
    list_remove(&pool->all);
    origin_unref(pool->origin);
}

static void pool_wake_later(struct origin_pool *pool)
{
    if (list_is_linked(&pool->wake.link))
        return;
    pool_hold(pool);
    worker_defer(pool->worker, WORKER_WAKE, &pool->wake);
}

static void link_set(struct pool_link *link, enum link_state state)
{
    struct origin_pool *pool = link->pool;

    pool->dialling += (unsigned)(state == LINK_DIALLING) - (unsigned)(link->state == LINK_DIALLING);
    link->state = state;
    list_remove(&link->link);
    list_push_front(&pool->links[state], &link->link);
}

/* A stream from the connection with room that was used last, or NULL. */
static struct stream *pool_take(struct origin_pool *pool, const struct pool_waiter *waiter)
{
    LIST_FOREACH_SAFE (at, &pool->links[LINK_ROOM]) {
        struct pool_link *link = CONTAINER_OF(at, struct pool_link, link);
        struct stream *stream;

        if (conn_room(link->conn) == 0) {
            link_set(link, LINK_FULL);
            continue;
        }
        if (link->number <= waiter->after)
            continue;
        stream = conn_open(link->conn, waiter->arena);
        if (conn_room(link->conn) == 0)
            link_set(link, LINK_FULL);
        return stream;
    }
    return NULL;
}

static void pool_count_dial(struct origin_pool *pool, const char *outcome)
{
    struct slice labels[] = { slice_str(pool->origin->authority), slice_str(outcome) };

    metric_series_add(metric_series(pool->worker->metrics, METRIC_ID_dials, labels), 1);
}

static void on_ready(struct conn *conn, void *user)
{
    struct pool_link *link = user;

    if (link->state == LINK_DIALLING) {
        pool_count_dial(link->pool, "ok");
        link->number = ++link->pool->opened;
        link->pool->bad_addresses = 0;
    }
    if (link->state != LINK_ROOM && conn_room(conn) > 0)
        link_set(link, LINK_ROOM);
    pool_wake_later(link->pool);
}

static void on_idle(struct conn *conn, void *user)
{
    struct pool_link *link = user;

    if (link->state == LINK_FULL && conn_room(conn) > 0)
        link_set(link, LINK_ROOM);
    if (!list_is_empty(&link->pool->waiters))
        pool_wake_later(link->pool);
}

/* Who waits is told with the next wake: everybody where all shared the dial, else one a dial. */
static void pool_fail(struct origin_pool *pool, const struct reason *reason, unsigned failures)
{
    pool->failed = reason;
    if (pool->origin->h2 || failures == FAILURES_ALL || pool->failures == FAILURES_ALL)
        pool->failures = FAILURES_ALL;
    else
        pool->failures += failures;
}

/* Another of the name's addresses is next; nobody is told before all of them have failed. */
static void pool_dial_failed(struct origin_pool *pool, const struct pool_link *link,
                             const struct reason *reason)
{
    pool_count_dial(pool, reason->name);
    pool->dialling--;
    if (link->address == pool->next_address) { /* else another dial has found that out before */
        pool->next_address++;
        pool->bad_addresses++;
    }
    if (reason != &reason_dial_failed || pool->bad_addresses >= pool->address_count)
        pool_fail(pool, reason, 1);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct pool_link *link = user;
    struct origin_pool *pool = link->pool;

    (void)conn;
    if (link->state == LINK_DIALLING)
        pool_dial_failed(pool, link, reason);
    if (!list_is_empty(&pool->waiters))
        pool_wake_later(pool);
    list_remove(&link->link);
    pool->conns--;
    metric_add(pool->worker->metrics, METRIC_ID_endpoint_connections, -1);
    free(link);
    pool_drop(pool);
}

static const struct conn_events pool_conn_events = { .on_ready = on_ready,
                                                     .on_idle = on_idle,
                                                     .on_close = on_close };

static void pool_dial(struct origin_pool *pool)
{
    struct origin *origin = pool->origin;
    const union resolve_address *address =
        &pool->addresses[pool->next_address % pool->address_count];
    struct pool_link *link = xcalloc(1, sizeof(*link));

    link->pool = pool;
    link->state = LINK_DIALLING;
    link->address = pool->next_address;
    list_init(&link->link);
    list_push_front(&pool->links[LINK_DIALLING], &link->link);
    pool->dialling++;
    pool->conns++;
    pool_hold(pool);
    metric_add(pool->worker->metrics, METRIC_ID_endpoint_connections, 1);
    link->conn = conn_dial(pool->worker, &address->sa, resolve_address_len(address), origin->tls,
                           origin->server_name, origin->h2, &origin->settings, origin->connect_ms,
                           &pool_conn_events, link);
}

static void on_resolved(void *user, const struct reason *reason,
                        const struct resolve_answer *answer)
{
    struct origin_pool *pool = user;

    pool->question = NULL;
    if (reason && pool->address_count > 0) {
        pool->addresses_until_us = pool->worker->now_us + ADDRESSES_STALE_US;
    } else if (reason) {
        pool_fail(pool, reason, FAILURES_ALL);
    } else {
        pool->addresses = xrealloc(pool->addresses, answer->count * sizeof(*answer->addresses));
        memcpy(pool->addresses, answer->addresses, answer->count * sizeof(*answer->addresses));
        pool->address_count = answer->count;
        pool->addresses_until_us = pool->worker->now_us + answer->ttl_s * CLOCK_US_PER_S;
    }
    pool_wake_later(pool);
    pool_drop(pool);
}

/* Whether there is an address to dial; asks for one otherwise. */
static bool pool_has_address(struct origin_pool *pool)
{
    struct origin *origin = pool->origin;

    if (pool->address_count > 0 && pool->worker->now_us < pool->addresses_until_us)
        return true;
    if (!pool->question) {
        pool_hold(pool);
        pool->question =
            resolve(pool->worker->resolver, slice_str(origin->pin ? origin->pin : origin->host),
                    origin->port, origin->connect_ms, on_resolved, pool);
    }
    return false;
}

static void pool_dial_for_waiters(struct origin_pool *pool)
{
    unsigned wanted = pool->origin->h2 ? 1 : pool->waiting;

    if (list_is_empty(&pool->waiters) || !pool_has_address(pool))
        return;
    while (pool->dialling < wanted && pool->conns < POOL_CONNS_MAX)
        pool_dial(pool);
}

static void waiter_leave(struct pool_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->pool->waiting--;
    waiter->pool = NULL;
}

/* Serves who waits, first come first served. */
static void pool_wake(struct defer *defer)
{
    struct origin_pool *pool = CONTAINER_OF(defer, struct origin_pool, wake);
    const struct reason *failed = pool->failed;
    unsigned failures = pool->failures;

    pool->failed = NULL;
    pool->failures = 0;
    LIST_FOREACH_SAFE (at, &pool->waiters) {
        struct pool_waiter *waiter = CONTAINER_OF(at, struct pool_waiter, link);
        struct stream *stream = pool_take(pool, waiter);

        if (stream) {
            waiter_leave(waiter);
            waiter->on_stream(waiter, stream);
        } else if (failures > 0) {
            waiter_leave(waiter);
            waiter->on_failed(waiter, failed);
            failures -= failures != FAILURES_ALL;
        }
    }
    pool_dial_for_waiters(pool);
    pool_drop(pool);
}

static struct origin_pool *origin_pool_of(struct worker *worker, struct origin *origin)
{
    struct origin_pool *pool;

    CHECK(worker->index < origin->workers);
    pool = origin->pools[worker->index];
    if (pool)
        return pool;
    pool = xcalloc(1, sizeof(*pool));
    pool->origin = origin;
    pool->worker = worker;
    for (int i = 0; i < LINK_STATES; i++)
        list_init(&pool->links[i]);
    list_init(&pool->waiters);
    list_init(&pool->all);
    defer_init(&pool->wake, pool_wake);
    return origin->pools[worker->index] = pool;
}

void origin_pool_free(struct origin_pool *pool)
{
    if (!pool)
        return;
    CHECK(pool->holds == 0 && list_is_empty(&pool->waiters));
    free(pool->addresses);
    free(pool);
}

struct stream *pool_get(struct worker *worker, struct origin *origin, struct pool_waiter *waiter)
{
    struct origin_pool *pool = origin_pool_of(worker, origin);
    struct stream *stream = NULL;

    waiter->after = waiter->fresh_only ? pool->opened : 0;
    if (list_is_empty(&pool->waiters))
        stream = pool_take(pool, waiter);
    if (stream)
        return stream;
    waiter->pool = pool;
    pool->waiting++;
    list_push(&pool->waiters, &waiter->link);
    pool_dial_for_waiters(pool);
    return NULL;
}

void pool_cancel(struct pool_waiter *waiter)
{
    if (waiter->pool)
        waiter_leave(waiter);
}

/* Ends everything that holds the pool; it may be gone afterwards. */
static void pool_close(struct origin_pool *pool)
{
    pool_hold(pool);
    for (int state = 0; state < LINK_STATES; state++)
        LIST_FOREACH_SAFE (at, &pool->links[state])
            conn_close(CONTAINER_OF(at, struct pool_link, link)->conn, &reason_cancelled);
    if (pool->question) {
        resolve_cancel(pool->question);
        pool->question = NULL;
        pool_drop(pool);
    }
    if (list_is_linked(&pool->wake.link)) {
        defer_cancel(&pool->wake);
        pool_drop(pool);
    }
    pool_drop(pool);
}

void upstream_close_all(struct worker *worker)
{
    LIST_FOREACH_SAFE (at, &worker->upstream->pools)
        pool_close(CONTAINER_OF(at, struct origin_pool, all));
}

struct upstream *upstream_new(void)
{
    struct upstream *upstream = xcalloc(1, sizeof(*upstream));

    list_init(&upstream->pools);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream)
        CHECK(list_is_empty(&upstream->pools));
    free(upstream);
}
