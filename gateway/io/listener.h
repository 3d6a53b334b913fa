/*
 * A listening socket of one worker: each worker has one for every configured address
 * (SO_REUSEPORT), the kernel spreads connections over them.
 *
 * Out of descriptors: accepting pauses for 100 ms by timer, is logged once and counted, and goes on
 * (S-05). Accepting is bounded to some connections a turn, so that streams at hand keep their pace
 * (S-10).
 */
#ifndef SLUICE_IO_LISTENER_H
#define SLUICE_IO_LISTENER_H

#include "gateway/base/slice.h"
#include "gateway/io/worker.h"

#include <sys/socket.h>

struct listener;

/* `fd` is non-blocking, close-on-exec, TCP_NODELAY; the callee's from now on. */
typedef void listener_accept_fn(struct worker *worker, int fd, void *user);

/* "host:port" or "[v6]:port": the host, without brackets and perhaps empty, and the port. Borrows.
 * False: it is neither. */
bool listener_address_parse(const char *address, struct slice *ret_host,
                            uint16_t *ret_port) MUST_USE;

/*
 * Binds and listens, on the control thread at start or reload, so that failures are known before
 * anything is changed. Returns the fd, or -1 with errno (EINVAL: no address). "host:port" (a name
 * is looked up, which may block; none: every IPv4 address), "[v6]:port" (IPv6 only, so that both
 * families of a port can be listed) or "unix:/path" (a socket file nobody answers on is replaced).
 *
 * A `shared` port can be bound again for each worker, and by whoever else runs as this user and
 * shares it; a unix path only once, for the others dup() its fd.
 */
int listener_bind(const char *address, bool shared);

/* On the worker's thread. Takes fd. */
struct listener *listener_open(struct worker *worker, int fd, listener_accept_fn *accept,
                               void *user);
/*
 * Leaves so many percent of the process's descriptors to others: every client needs an endpoint's
 * connection, too, and dials that fail for want of one would look like broken endpoints. A
 * connection past it is closed, and accepting pauses.
 */
void listener_keep_free(struct listener *listener, unsigned percent);
/* Stops accepting and closes the socket. */
void listener_close(struct listener *listener);

#endif
