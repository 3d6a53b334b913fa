/*
 * Closing so that the last words arrive: what is still unsent is sent, then FIN, and what the peer
 * goes on sending is read and dropped for a while. A plain close() with unread bytes would send a
 * reset, and a reset makes the peer throw away the answer it has not read yet (RFC 9112, 9.6).
 *
 * A linger is on its own, and lives on the worker whose transport it was. Only a drain waits for
 * it: a socket that the process's end closes is reset by what the peer sends next.
 */
#ifndef SLUICE_IO_LINGER_H
#define SLUICE_IO_LINGER_H

#include "gateway/base/buf.h"
#include "gateway/io/worker.h"

/* Takes fd, which no event watches any more, and the bytes of `unsent`. */
void linger_open(struct worker *worker, int fd, struct buf *unsent);

/* At the worker's end: closes all without waiting. */
void linger_close_all(struct worker *worker);

#endif
