/*
 * Notices resets that the loop cannot tell.
 *
 * libevent reports a socket's error as readable and writable, which is also what every arriving
 * byte looks like on an edge-triggered socket. So a reset that comes together with an endpoint's
 * last bytes, or right behind a client's request, would be missed: the bytes are read, the short
 * read is taken to mean that the socket is empty, and no edge follows. A second epoll set, asked
 * for nothing but errors (which epoll always reports), costs one call a connection and nothing a
 * message.
 *
 * One a worker; its thread.
 */
#ifndef SLUICE_IO_RESETS_H
#define SLUICE_IO_RESETS_H

#include "gateway/io/worker.h"

struct resets;
struct transport;

struct resets *resets_new(struct worker *worker);
void resets_free(struct resets *resets);

/* Until the transport's fd is closed. Where the kernel has no room to watch it, it is not watched.
 */
void resets_watch(struct resets *resets, struct transport *transport);

/* The fd outlives its transport. Nothing happens when it is not watched. */
void resets_forget(struct resets *resets, int fd);

#endif
