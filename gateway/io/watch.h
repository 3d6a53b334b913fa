/*
 * Watches a file descriptor that is no socket of a transport: signals, file changes.
 *
 * The worker's thread. The descriptor stays the caller's.
 */
#ifndef SLUICE_IO_WATCH_H
#define SLUICE_IO_WATCH_H

#include "gateway/io/worker.h"

struct watch;

/* `on_readable` comes as long as there is something to read. It must not free the watch. */
struct watch *watch_new(struct worker *worker, int fd, void (*on_readable)(void *user), void *user);
void watch_free(struct watch *watch);

#endif
