/*
 * The clients' side: listeners as configured, their TLS and limits, and the connections they
 * accept.
 *
 * A `server` is one configured listener: an immutable, counted snapshot that its clients keep. A
 * `client` is one connection of it, on one worker.
 */
#ifndef SLUICE_PROXY_SERVER_H
#define SLUICE_PROXY_SERVER_H

#include "conf/conf.h"
#include "filters/filter.h"
#include "gateway/base/snapshot.h"
#include "gateway/codec/conn.h"
#include "gateway/io/listener.h"
#include "gateway/io/tls.h"

struct listener_limits_conf {
    uint64_t head, fields, target; /* bytes, count, bytes */
    uint64_t body;                 /* bytes */
    uint64_t streams;              /* of one HTTP/2 connection */
    uint64_t connections;          /* of one worker; 0: as many as descriptors allow */
    uint64_t requests;             /* of one connection; 0: no limit */
};

struct listener_timeouts_conf {
    uint64_t handshake, head, body, idle, stall; /* ms */
};

struct certificate_conf {
    char *certificate, *key;
};

struct listener_tls_conf {
    char *certificate, *key;
    struct conf_list certificates; /* struct certificate_conf: more, chosen by SNI */
    char *client_ca;
    bool client_required;
    int unknown_name; /* index: default, refuse */
};

struct listener_conf {
    char *address;
    struct listener_tls_conf *tls;
    bool trusted, half_close;
    struct listener_limits_conf *limits;
    struct listener_timeouts_conf *timeouts;
};

extern const struct directive_set listeners_set;

struct server {
    struct snapshot snapshot;
    struct conf *conf; /* keeps what is borrowed from it */
    const struct listener_conf *listener;
    struct tls_context *tls; /* NULL: cleartext */
    struct conn_settings settings;
    struct filter_peer peer; /* of every client */
};

/* One for a configured listener; `via` stays the caller's for as long as it lives. NULL and a
 * complaint in `errors` when a certificate cannot be read. */
struct server *server_new(struct conf *conf, const struct listener_conf *listener,
                          struct slice tenant_header, const struct via *via,
                          struct buf *errors) MUST_USE;
struct server *server_ref(struct server *server);
void server_unref(struct server *server);

/* Adds every file whose change should bring a reload. */
struct conf_watch;
void server_watch_files(const struct server *server, struct conf_watch *watch);

struct client {
    struct clients *clients;
    struct conn *conn;     /* its link is on clients->all */
    struct server *server; /* reffed: the one it was accepted with */
    uint8_t address_len;
    char address[]; /* "10.0.0.1:34512": as long as it is, since ten thousand wait idle */
};

static inline struct slice client_address(const struct client *client)
{
    return slice_of(client->address, client->address_len);
}

/* A worker's listeners and clients. */
struct clients;

struct clients *clients_new(struct worker *worker);
void clients_free(struct clients *clients);

/*
 * Takes over a set of servers: `servers[i]` listens on `fds[i]`; an fd of -1 keeps the listener
 * that serves the same address already and only changes what it does from now on. Addresses that
 * are not in the set are closed. The worker's thread.
 */
void clients_listen(struct clients *clients, struct server *const *servers, const int *fds,
                    size_t count);

/* Stops listening; every connection is told (GOAWAY, Connection: close) and ends when its exchanges
 * are over. */
void clients_drain(struct clients *clients);
/* Ends all connections now. */
void clients_close(struct clients *clients);
size_t clients_count(const struct clients *clients);

#endif
