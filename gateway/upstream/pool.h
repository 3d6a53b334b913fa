/*
 * Connections of one worker towards one origin: those that are idle, those with room for another
 * stream, those being dialled, and who waits for one.
 *
 * HTTP/1.1: a connection carries one stream; idle ones are taken last in, first out, so that the
 * others grow old and are closed. HTTP/2: streams share a connection until it is full.
 */
#ifndef SLUICE_UPSTREAM_POOL_H
#define SLUICE_UPSTREAM_POOL_H

#include "gateway/upstream/origin.h"

struct origin_pool;

/* Who wants a stream; embedded in an attempt. */
struct pool_waiter {
    struct list link; /* pool.c's */
    struct origin_pool *pool;
    bool fresh_only; /* a reused connection has failed it before: only one that opens from now on */
    uint64_t after;  /* pool.c's: the youngest connection that will not do */
    struct arena *arena;
    /* Exactly one of them, once, unless cancelled; never from within pool_get. */
    void (*on_stream)(struct pool_waiter *waiter, struct stream *stream);
    void (*on_failed)(struct pool_waiter *waiter, const struct reason *reason);
};

/*
 * A stream at once, if a connection has room: returned, and no callback follows. Else NULL: one of
 * the waiter's callbacks comes, or pool_cancel ends it. Bounded by the origin's connect time.
 */
struct stream *pool_get(struct worker *worker, struct origin *origin, struct pool_waiter *waiter);
void pool_cancel(struct pool_waiter *waiter);

/* Worker's end: closes what it holds towards every origin. */
void upstream_close_all(struct worker *worker);

/* Of origin.c. NULL is fine. */
void origin_pool_free(struct origin_pool *pool);

struct upstream *upstream_new(void);
void upstream_free(struct upstream *upstream);

#endif
