/*
 * An origin: what a pool of connections dials: address, TLS, protocol, limits.
 *
 * Immutable but for the per-worker slots, each of which only its worker touches. Counted: endpoints
 * and live connections hold it. Made on the control thread.
 */
#ifndef SLUICE_UPSTREAM_ORIGIN_H
#define SLUICE_UPSTREAM_ORIGIN_H

#include "gateway/base/snapshot.h"
#include "gateway/codec/conn.h"
#include "gateway/io/tls.h"

/* An endpoint's URL: http, https (HTTP/1.1 over TLS), h2c (HTTP/2 by prior knowledge), h2 (HTTP/2
 * over TLS). */
struct origin_url {
    bool tls, h2;
    struct slice host; /* without brackets */
    uint16_t port;
    struct slice prefix; /* path prefix without a trailing '/', often empty */
};

/* False when it is no such URL, or has user info, a query or a fragment. Slices borrow from `text`.
 */
bool origin_url_parse(struct slice text, struct origin_url *ret_url) MUST_USE;

struct origin_settings {
    struct origin_url url;
    struct tls_context *tls;  /* reffed; needed when url.tls */
    struct slice server_name; /* for SNI and verification; empty: the host */
    struct slice pin; /* address to dial instead of resolving the host ("dns:"); empty: none */
    unsigned connect_ms;
    unsigned idle_ms; /* an idle connection is closed after it: less than the engine's keep-alive */
};

struct origin_pool; /* upstream/pool.c */

struct origin {
    struct snapshot snapshot;
    bool h2;
    uint16_t port;
    char *host, *pin, *server_name, *prefix;
    char *authority; /* host[:port] for the Host field */
    struct slice scheme;
    struct tls_context *tls;
    unsigned connect_ms;
    struct conn_settings settings; /* of its connections */
    struct origin_pool **pools;    /* one a worker, made at first use */
    unsigned workers;
};

/* `workers`: threads that may dial, the control thread's included. */
struct origin *origin_new(const struct origin_settings *settings, unsigned workers);
struct origin *origin_ref(struct origin *origin);
void origin_unref(struct origin *origin);

#endif
