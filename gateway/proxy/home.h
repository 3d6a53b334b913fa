/*
 * A worker as the home of pools: the exchanges that wait for their endpoints, whichever worker
 * serves them (routing/hold).
 *
 * Whose home a worker is says a hash of the pool's name, for as long as the process runs. All of
 * it on the worker's thread, its turns (routing/hold.h) once a turn of the loop at most, after all
 * letters have been opened.
 */
#ifndef SLUICE_PROXY_HOME_H
#define SLUICE_PROXY_HOME_H

#include "gateway/proxy/ticket.h"

struct home;

struct home *home_new(struct worker *worker);
/* When no exchange is under way anywhere, and all letters have been opened. NULL is fine. */
void home_free(struct home *home);

/* Lets nobody go any more; who waits here stays until it leaves. */
void home_close(struct home *home);

/* Letters of tickets: what their `ask` and `leave` are opened by. */
void home_on_ask(struct letter *letter, void *receiver);
void home_on_leave(struct letter *letter, void *receiver);

#endif
