/*
 * Waiting for room at an endpoint: exchanges whose pool has all endpoints at their `concurrency`.
 *
 * First come, first served, a pool and worker at a time. Woken when an exchange of the same pool
 * ends on this worker, and every few milliseconds for those that end on others.
 */
#ifndef SLUICE_PROXY_ROOM_H
#define SLUICE_PROXY_ROOM_H

#include "gateway/io/worker.h"

struct exchange;

struct room {
    struct worker *worker;
    struct list waiting; /* exchange->room_link */
    struct timer look;
};

void room_init(struct room *room, struct worker *worker);
void room_release(struct room *room);

/* Whether somebody has waited longer for the same pool. */
bool room_has_others_first(const struct room *room, const struct exchange *x);
/* Nothing happens when it waits already; nor when it does not, for room_leave. */
void room_wait(struct room *room, struct exchange *x);
void room_leave(struct exchange *x);
/* An exchange has left an endpoint of x's pool: wakes the first that waits for that pool. */
void room_made(struct room *room, const struct exchange *x);

#endif
