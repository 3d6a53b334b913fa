/*
 * All configured listeners together: as servers, and bound to their addresses.
 *
 * Control thread.
 */
#ifndef SLUICE_LISTENERS_H
#define SLUICE_LISTENERS_H

#include "gateway/proxy/server.h"

struct listeners {
    struct server **servers; /* reffed; ours */
    size_t count;
};

/* False, and complaints in `errors`: there are none. `via` outlives them and their clients. */
bool listeners_make(struct conf *conf, const struct via *via, struct listeners *ret_listeners,
                    struct buf *errors) MUST_USE;
void listeners_release(struct listeners *listeners);

/*
 * A socket for every new address and thread: fds[listener * threads + thread]; -1 where one of
 * `before` listens already. The caller's, to be given to threads_listen or listeners_close. NULL,
 * and a complaint in `errors`, where an address cannot be bound.
 */
int *listeners_bind(const struct listeners *listeners, const struct listeners *before,
                    unsigned threads, struct buf *errors) MUST_USE;
/* Sockets that are not wanted after all. */
void listeners_close(const struct listeners *listeners, unsigned threads, int *fds);

#endif
