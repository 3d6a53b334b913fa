/*
 * Listeners as configured, and the connections they accept.
 */
#include "gateway/proxy/server.h"

#include "conf/providers/watch.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/process.h"
#include "routing/own_address.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- directives ---- */

static const struct directive limits_rows[] = {
    DIRECTIVE_SIZE(struct listener_limits_conf, head, "32KB", 1024, 1 << 20,
                   "Bytes of a request's header, trailers included."),
    DIRECTIVE_NUMBER(struct listener_limits_conf, fields, "100", 1, 10000,
                     "Fields of a request's header; cookie crumbs count one by one."),
    DIRECTIVE_SIZE(struct listener_limits_conf, target, "8KB", 64, 1 << 20,
                   "Bytes of a request target."),
    DIRECTIVE_SIZE(struct listener_limits_conf, body, "64MB", 0, 1e12,
                   "Bytes of a request's body."),
    DIRECTIVE_NUMBER(struct listener_limits_conf, streams, "128", 1, 10000,
                     "Requests under way on one HTTP/2 connection."),
    DIRECTIVE_NUMBER(
        struct listener_limits_conf, connections, "0", 0, 1e7,
        "Connections of one worker; past it a connection is closed at once. 0: no limit."),
    DIRECTIVE_NUMBER(struct listener_limits_conf, requests, "0", 0, 1e9,
                     "Requests after which a connection is drained. 0: never."),
};

static const struct directive_set limits_set = {
    .key = "limits",
    .shape = DIRECTIVE_OBJECT,
    .help = "What one client may use.",
    .rows = limits_rows,
    .count = ARRAY_LEN(limits_rows),
    .size = sizeof(struct listener_limits_conf),
};

static const struct directive timeouts_rows[] = {
    DIRECTIVE_DURATION(struct listener_timeouts_conf, handshake, "10s", 10, 600e3,
                       "For TLS, and until a connection's first byte."),
    DIRECTIVE_DURATION(struct listener_timeouts_conf, head, "15s", 10, 600e3,
                       "For a whole request header."),
    DIRECTIVE_DURATION(struct listener_timeouts_conf, body, "30s", 10, 3600e3,
                       "For a request's body, and a second more for each 16 KB of it."),
    DIRECTIVE_DURATION(struct listener_timeouts_conf, idle, "300s", 10, 86400e3,
                       "Until a connection without a request is closed."),
    DIRECTIVE_DURATION(struct listener_timeouts_conf, stall, "30s", 10, 3600e3,
                       "How long a client may take nothing of what waits for it."),
};

static const struct directive_set timeouts_set = {
    .key = "timeouts",
    .shape = DIRECTIVE_OBJECT,
    .help = "How long a client may take.",
    .rows = timeouts_rows,
    .count = ARRAY_LEN(timeouts_rows),
    .size = sizeof(struct listener_timeouts_conf),
};

static const struct directive certificate_rows[] = {
    { .key = "certificate",
      .type = DIRECTIVE_TYPE_PATH,
      .offset = offsetof(struct certificate_conf, certificate),
      .required = true,
      .help = "PEM file: the certificate and its chain." },
    { .key = "key",
      .type = DIRECTIVE_TYPE_PATH,
      .offset = offsetof(struct certificate_conf, key),
      .required = true,
      .help = "PEM file of its key." },
};

static const struct directive_set certificate_set = {
    .key = "certificates",
    .shape = DIRECTIVE_LIST,
    .help = "Further certificates; clients get the one that names what they ask for (SNI).",
    .rows = certificate_rows,
    .count = ARRAY_LEN(certificate_rows),
    .size = sizeof(struct certificate_conf),
};

static const char *const unknown_names[] = { "default", "refuse", NULL };

static const struct directive tls_rows[] = {
    { .key = "certificate",
      .type = DIRECTIVE_TYPE_PATH,
      .offset = offsetof(struct listener_tls_conf, certificate),
      .required = true,
      .help = "PEM file: the default certificate and its chain." },
    { .key = "key",
      .type = DIRECTIVE_TYPE_PATH,
      .offset = offsetof(struct listener_tls_conf, key),
      .required = true,
      .help = "PEM file of its key." },
    DIRECTIVE_SUBS(struct listener_tls_conf, certificates, &certificate_set,
                   "Further certificates, chosen by SNI."),
    DIRECTIVE_PATH(struct listener_tls_conf, client_ca,
                   "PEM file of the authorities whose client certificates are accepted."),
    DIRECTIVE_BOOL(struct listener_tls_conf, client_required, "on",
                   "Off lets clients without a certificate in, although client_ca is set."),
    DIRECTIVE_WORD(struct listener_tls_conf, unknown_name, "default", unknown_names,
                   "What a client gets that asks for a name no certificate has: the default "
                   "certificate, or an alert."),
};

static const struct directive_set tls_set = {
    .key = "tls",
    .shape = DIRECTIVE_OBJECT,
    .help = "TLS towards clients: 1.2 and 1.3, ALPN h2 and http/1.1.",
    .rows = tls_rows,
    .count = ARRAY_LEN(tls_rows),
    .size = sizeof(struct listener_tls_conf),
};

static const struct directive listener_rows[] = {
    { .key = "address",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct listener_conf, address),
      .required = true,
      .format = "address",
      .help = "host:port, [v6]:port or unix:/path." },
    DIRECTIVE_SUB(struct listener_conf, tls, &tls_set,
                  "TLS; left out: cleartext, HTTP/1.1 and h2c told apart by the first bytes."),
    DIRECTIVE_BOOL(struct listener_conf, trusted, "off",
                   "Lets peers set tenant, class, explain, pin and X-Forwarded-*."),
    DIRECTIVE_BOOL(struct listener_conf, half_close, "off",
                   "A client that has closed its sending side (HTTP/1.1) still gets its answer."),
    DIRECTIVE_IMPLIED(struct listener_conf, limits, &limits_set, "Limits."),
    DIRECTIVE_IMPLIED(struct listener_conf, timeouts, &timeouts_set, "Deadlines."),
};

static void listener_check(struct conf_checker *checker, const void *section)
{
    const struct listener_conf *listener = section;
    const struct conf_list *all = conf_section(conf_checker_conf(checker), &listeners_set);
    const struct listener_conf *at = all->items;

    for (; at != listener; at++)
        if (strcmp(at->address, listener->address) == 0)
            conf_complain(checker, &listener->address, "a listener of this address stands above");
    own_address_check(checker, listener->address, "a listener");
}

const struct directive_set listeners_set = {
    .key = "listeners",
    .shape = DIRECTIVE_LIST,
    .help = "Where clients connect.",
    .rows = listener_rows,
    .count = ARRAY_LEN(listener_rows),
    .size = sizeof(struct listener_conf),
    .check = listener_check,
};

/* ---- servers ---- */

static void server_free(struct snapshot *snapshot)
{
    struct server *server = CONTAINER_OF(snapshot, struct server, snapshot);

    tls_context_unref(server->tls);
    conf_unref(server->conf);
    free((char *)server->peer.tenant_header.at);
    free(server);
}

static bool server_tls(struct server *server, struct buf *errors)
{
    const struct listener_tls_conf *conf = server->listener->tls;
    const struct certificate_conf *more = conf->certificates.items;
    size_t count = 1 + conf->certificates.count;
    struct tls_certificate *certificates = xcalloc(count, sizeof(*certificates));
    struct tls_server_settings settings = {
        .certificates = certificates,
        .count = count,
        .client_ca = conf->client_ca,
        .client_required = conf->client_required,
        .refuse_unknown_name = conf->unknown_name == 1,
        .session_context = slice_str(server->listener->address),
    };
    char error[TLS_ERROR_SIZE];

    certificates[0] = (struct tls_certificate){ conf->certificate, conf->key };
    for (size_t i = 1; i < count; i++)
        certificates[i] = (struct tls_certificate){ more[i - 1].certificate, more[i - 1].key };
    server->tls = tls_context_server(&settings, error);
    if (!server->tls)
        buf_printf(errors, "%s: listener %s: %s\n", server->conf->path, server->listener->address,
                   error);
    free(certificates);
    return server->tls != NULL;
}

/*
 * Past `memory` requests are answered with 503 (step_body.c). A client that takes no answers would
 * still have a head's memory for each of them, and over HTTP/2 heads cost it next to nothing; so a
 * little further there are no answers either.
 */
static size_t held_most(const struct conf *conf)
{
    uint64_t memory = process_conf(conf)->memory;

    return (size_t)(memory + memory / 8);
}

static struct conn_settings server_settings(const struct conf *conf,
                                            const struct listener_conf *listener)
{
    const struct listener_limits_conf *limits = listener->limits;
    const struct listener_timeouts_conf *timeouts = listener->timeouts;

    return (struct conn_settings){
        .head = { .fields = (uint32_t)limits->fields, .bytes = (uint32_t)limits->head },
        .target_bytes = (uint32_t)limits->target,
        .streams = (uint32_t)limits->streams,
        .window_bytes = STREAM_IN_BYTES,
        .handshake_ms = (unsigned)timeouts->handshake,
        .head_ms = (unsigned)timeouts->head,
        .idle_ms = (unsigned)timeouts->idle,
        .stall_ms = (unsigned)timeouts->stall,
        .half_close = listener->half_close,
        .requests = (uint32_t)limits->requests,
        .held_bytes = held_most(conf),
    };
}

static struct slice lower_copy(struct slice s)
{
    char *copy = slice_dup(s);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = slice_lower(copy[i]);
    return slice_of(copy, s.len);
}

struct server *server_new(struct conf *conf, const struct listener_conf *listener,
                          struct slice tenant_header, const struct via *via, struct buf *errors)
{
    struct server *server = xcalloc(1, sizeof(*server));

    snapshot_init(&server->snapshot, server_free);
    server->conf = conf_ref(conf);
    server->listener = listener;
    server->settings = server_settings(conf, listener);
    server->peer = (struct filter_peer){
        .trusted = listener->trusted,
        .tls = listener->tls != NULL,
        .tenant_header = lower_copy(tenant_header),
        .via = via,
    };
    if (!listener->tls || server_tls(server, errors))
        return server;
    server_unref(server);
    return NULL;
}

struct server *server_ref(struct server *server)
{
    snapshot_ref(&server->snapshot);
    return server;
}

void server_unref(struct server *server)
{
    if (server)
        snapshot_unref(&server->snapshot);
}

void server_watch_files(const struct server *server, struct conf_watch *watch)
{
    const struct listener_tls_conf *tls = server->listener->tls;
    const struct certificate_conf *more = tls ? tls->certificates.items : NULL;

    if (!tls)
        return;
    conf_watch_add(watch, tls->certificate);
    conf_watch_add(watch, tls->key);
    if (tls->client_ca)
        conf_watch_add(watch, tls->client_ca);
    for (size_t i = 0; i < tls->certificates.count; i++) {
        conf_watch_add(watch, more[i].certificate);
        conf_watch_add(watch, more[i].key);
    }
}

/* ---- clients ---- */

/* Of the process's descriptors: for endpoints, reloads and logs. Most clients of a crowd are idle.
 */
#define DESCRIPTORS_KEPT_PERCENT 25

struct listening { /* an address a worker listens on */
    struct list link;
    struct clients *clients;
    struct server *server;
    struct listener *listener;
    bool wanted;
};

struct clients {
    struct worker *worker;
    struct list all, listening;
    size_t count;
};

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    (void)conn;
    exchange_start(user, stream);
}

static void on_close(struct conn *conn, const struct reason *reason, void *user)
{
    struct client *client = user;

    (void)reason;
    list_remove(&conn->link);
    client->clients->count--;
    server_unref(client->server);
    free(client);
}

static const struct conn_events client_events = { .on_stream = on_stream, .on_close = on_close };

static struct client *client_new(struct clients *clients, struct server *server, struct conn *conn)
{
    char text[TRANSPORT_PEER_SIZE];
    struct slice address = transport_peer(&conn->transport, text);
    struct client *client = xmalloc(sizeof(*client) + address.len);

    client->clients = clients;
    client->conn = conn;
    client->server = server_ref(server);
    client->address_len = (uint8_t)address.len;
    memcpy(client->address, address.at, address.len);
    list_push(&clients->all, &conn->link);
    clients->count++;
    return client;
}

static void on_accept(struct worker *worker, int fd, void *user)
{
    struct listening *listening = user;
    struct clients *clients = listening->clients;
    uint64_t limit = listening->server->listener->limits->connections;
    struct server *server = listening->server;
    struct conn *conn;

    if (limit > 0 && clients->count >= limit) {
        struct slice label = slice_str(reason_client_limit.name);

        metric_series_add(metric_series(worker->metrics, METRIC_ID_requests_refused, &label), 1);
        close(fd);
        return;
    }
    conn = conn_accept(worker, fd, server->tls, &server->settings, &client_events, NULL);
    conn->user = client_new(clients, server, conn); /* its events come from the loop */
}

struct clients *clients_new(struct worker *worker)
{
    struct clients *clients = xcalloc(1, sizeof(*clients));

    clients->worker = worker;
    list_init(&clients->all);
    list_init(&clients->listening);
    return clients;
}

static void listening_close(struct listening *listening)
{
    listener_close(listening->listener);
    list_remove(&listening->link);
    server_unref(listening->server);
    free(listening);
}

void clients_free(struct clients *clients)
{
    if (!clients)
        return;
    CHECK(list_is_empty(&clients->all));
    LIST_FOREACH_SAFE (at, &clients->listening)
        listening_close(CONTAINER_OF(at, struct listening, link));
    free(clients);
}

static struct listening *clients_find(struct clients *clients, const char *address)
{
    LIST_FOREACH (at, &clients->listening) {
        struct listening *listening = CONTAINER_OF(at, struct listening, link);

        if (strcmp(listening->server->listener->address, address) == 0)
            return listening;
    }
    return NULL;
}

static void clients_listen_one(struct clients *clients, struct server *server, int fd)
{
    struct listening *listening = clients_find(clients, server->listener->address);

    if (listening) {
        server_unref(listening->server);
        listening->server = server_ref(server);
        listening->wanted = true;
        if (fd >= 0)
            close(fd);
        return;
    }
    CHECK(fd >= 0);
    listening = xcalloc(1, sizeof(*listening));
    listening->clients = clients;
    listening->server = server_ref(server);
    listening->wanted = true;
    list_push(&clients->listening, &listening->link);
    listening->listener = listener_open(clients->worker, fd, on_accept, listening);
    listener_keep_free(listening->listener, DESCRIPTORS_KEPT_PERCENT);
}

void clients_listen(struct clients *clients, struct server *const *servers, const int *fds,
                    size_t count)
{
    LIST_FOREACH (at, &clients->listening)
        CONTAINER_OF(at, struct listening, link)->wanted = false;
    for (size_t i = 0; i < count; i++)
        clients_listen_one(clients, servers[i], fds[i]);
    LIST_FOREACH_SAFE (at, &clients->listening) {
        struct listening *listening = CONTAINER_OF(at, struct listening, link);

        if (!listening->wanted)
            listening_close(listening);
    }
}

void clients_drain(struct clients *clients)
{
    LIST_FOREACH_SAFE (at, &clients->listening)
        listening_close(CONTAINER_OF(at, struct listening, link));
    LIST_FOREACH_SAFE (at, &clients->all)
        conn_drain(CONTAINER_OF(at, struct conn, link));
}

void clients_close(struct clients *clients)
{
    LIST_FOREACH_SAFE (at, &clients->all)
        conn_close(CONTAINER_OF(at, struct conn, link), &reason_draining);
}

size_t clients_count(const struct clients *clients)
{
    return clients->count;
}
