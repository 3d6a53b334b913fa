/*
 * A transport: a socket, with TLS or without, that gives and takes plain bytes.
 *
 * Embedded in a conn. The socket is registered once with the loop, edge-triggered for reading,
 * writing and the peer's FIN, and never touched again (epoll_ctl costs more than parsing a head).
 * One thread: the worker's. Callbacks come from the loop only, never from within a call here.
 */
#ifndef SLUICE_IO_TRANSPORT_H
#define SLUICE_IO_TRANSPORT_H

#include "gateway/base/buf.h"
#include "gateway/base/reason.h"
#include "gateway/io/worker.h"

#include <sys/socket.h>

struct event;
struct tls_context; /* io/tls: a listener's or an origin's settings, counted */
struct tls_session;
struct transport;

enum transport_ready {
    TRANSPORT_READABLE = 1,
    TRANSPORT_WRITABLE = 2,
    TRANSPORT_PEER_CLOSED = 4, /* FIN or reset seen, although nothing may have been read */
};

struct transport_events {
    /* Connected, and the TLS handshake (with ALPN) done. Comes before anything else. */
    void (*on_open)(struct transport *transport);
    /* `ready`: bits of enum transport_ready. */
    void (*on_ready)(struct transport *transport, unsigned ready);
    /*
     * Opening failed: dial_failed, dial_timeout, endpoint_tls (its certificate was refused) towards
     * an endpoint, tls_failed, tls_timeout towards a client, overloaded (no more sockets can be
     * watched) towards either. Nothing follows; transport_close is
     * still the owner's.
     */
    void (*on_failed)(struct transport *transport, const struct reason *reason);
};

enum transport_result {
    TRANSPORT_BYTES, /* some came */
    TRANSPORT_EMPTY, /* nothing there now; on_ready will come */
    TRANSPORT_END,   /* the peer's orderly end: FIN, over TLS after close_notify */
    TRANSPORT_FAILED /* reset, or TLS broken or cut off without close_notify */
};

enum transport_close {
    TRANSPORT_CLOSE_NOW,    /* close(), kernel delivers what was written */
    TRANSPORT_CLOSE_LINGER, /* FIN now; reads and drops for up to 2 s or 1 MB, so that a refusal
                               reaches a client that is still sending; then closes by itself */
    TRANSPORT_CLOSE_RESET   /* RST: the peer must notice that this was no clean end */
};

struct transport {
    struct worker *worker;
    const struct transport_events *events;
    struct event *event;
    struct tls_session *tls; /* NULL: cleartext */
    int fd;                  /* -1: closed */
    bool read_ready;         /* the last read did not empty the socket */
    bool write_blocked;      /* the last write did not fit; on_ready WRITABLE will come */
    bool peer_closed;
    bool ended;      /* TRANSPORT_END was given; READABLE comes no more, but for a reset */
    bool reset;      /* a reset came after that: reading fails from now on */
    bool open;       /* on_open was called */
    bool connecting; /* dialled, not connected yet */
    bool read_tried; /* transport_recv was called in this on_ready */
    const struct reason *failure; /* known at once; on_failed comes from the loop */
    struct timer deadline;        /* of the handshake or dial */
};

/*
 * Takes an accepted, non-blocking fd. tls NULL: cleartext, and on_open comes from the next turn or
 * this one's end, never from within. The TLS handshake must end within `handshake_ms`.
 */
void transport_accept(struct transport *transport, struct worker *worker, int fd,
                      struct tls_context *tls, unsigned handshake_ms,
                      const struct transport_events *events);

/*
 * Dials. server_name: for SNI and verification, borrowed during the call; unused when tls is NULL.
 * alpn_h2: offer only h2, else only http/1.1. Connect and handshake together must end within
 * `connect_ms`.
 */
void transport_dial(struct transport *transport, struct worker *worker,
                    const struct sockaddr *address, socklen_t address_len, struct tls_context *tls,
                    const char *server_name, bool alpn_h2, unsigned connect_ms,
                    const struct transport_events *events);

/*
 * Reads at most worker->scratch_size. The bytes lie in the worker's scratch: valid until anything
 * else is read on this worker. A short read is taken to mean that the socket is empty, so that no
 * read is spent on EAGAIN.
 */
enum transport_result transport_recv(struct transport *transport, struct slice *ret_bytes);

/* Writes as much of `out` as the kernel takes, dropping it from `out`. False: broken, close it. */
bool transport_send(struct transport *transport, struct buf *out) MUST_USE;

/* Whether all that transport_send took has reached the kernel (TLS may hold an encrypted rest). */
bool transport_is_flushed(const struct transport *transport);

/* For io/resets: the peer is gone for both directions. What it sent before is still read. */
void transport_was_reset(struct transport *transport);

/* Once, also after on_failed. No callback afterwards; the struct may be freed at WORKER_FREE. */
void transport_close(struct transport *transport, enum transport_close how);

/* After on_open. Whether ALPN chose h2; whether there is TLS at all. False on cleartext. */
bool transport_is_h2(const struct transport *transport);
bool transport_is_tls(const struct transport *transport);
/* Whether the TLS version and cipher are allowed for HTTP/2 (RFC 9113, 9.2). */
bool transport_may_h2(const struct transport *transport);

/* "10.0.0.1:34512" or "[::1]:80" of the peer, into a caller's buffer. */
#define TRANSPORT_PEER_SIZE 64
struct slice transport_peer(const struct transport *transport, char ret_text[TRANSPORT_PEER_SIZE]);

#endif
