/*
 * The threads that serve clients: made, told by letters what to do, joined.
 *
 *   new -> start -> listen, again at each reload -> drain -> stop -> join -> free
 *
 * A thread is a worker and what it alone touches. Called on the control thread.
 */
#ifndef SLUICE_THREADS_H
#define SLUICE_THREADS_H

#include "gateway/account/access_log.h"
#include "gateway/base/snapshot.h"
#include "gateway/listeners.h"

struct holdings;
struct threads;

struct threads_settings {
    struct worker *control; /* its loop stops when the last thread has ended */
    unsigned count;
    struct holdings *holdings;
    struct snapshot_slot *fleets;
    uint64_t prefix_seed;
    access_log_hurry_fn *hurry; /* with `control` */
};

/* Nothing runs yet. Keeps what the settings point to. */
struct threads *threads_new(const struct threads_settings *settings);
/* When none runs any more: opens the letters that they sent each other last, and what comes of
 * them, on the caller's thread. */
void threads_open_last(struct threads *threads);
void threads_free(struct threads *threads); /* then */

unsigned threads_count(const struct threads *threads);
struct worker *threads_worker(const struct threads *threads, unsigned index);

void threads_start(struct threads *threads);
/* Takes the sockets of listeners_bind. */
void threads_listen(struct threads *threads, const struct listeners *listeners, int *fds);
/* Listeners close, connections end when their exchanges are over. */
void threads_drain(struct threads *threads);
/* Who is left hears that it ends; each thread ends when its last connection has been freed. A
 * second time it does nothing. */
void threads_stop(struct threads *threads);
void threads_join(struct threads *threads);

/* Of control's own worker as well. */
void threads_free_worker(struct worker *worker);

#endif
