/*
 * Listening, accepting and routing.
 */
#include "tests/engine/server.h"

#include "gateway/base/clock.h"
#include "gateway/io/listener.h"
#include "gateway/io/tls.h"
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERVER_MAGIC 0x5e47e401u

enum route_flag {
    ROUTE_GUARDED = 1, /* wants the bearer token, when there is one */
    ROUTE_ADMIN = 2,   /* counted: no client of a gateway may get here */
    ROUTE_FAULTS = 4,  /* only with --allow-faults */
};

struct route {
    const char *method, *path;
    void (*serve)(struct call *call);
    unsigned flags; /* enum route_flag */
};

static const struct route routes[] = {
    { "POST", "/v1/chat/completions", serve_chat, ROUTE_GUARDED },
    { "POST", "/v1/completions", serve_completions, ROUTE_GUARDED },
    { "POST", "/v1/responses", serve_responses, ROUTE_GUARDED },
    { "POST", "/v1/messages", serve_messages, ROUTE_GUARDED },
    { "POST", "/v1/embeddings", serve_embeddings, ROUTE_GUARDED },
    { "POST", "/v1/audio/transcriptions", serve_transcriptions, ROUTE_GUARDED },
    { "GET", "/v1/models", serve_models, ROUTE_GUARDED },
    { "POST", "/tokenize", serve_tokenize, 0 },
    { "POST", "/detokenize", serve_detokenize, 0 },
    { "GET", "/health", serve_health, 0 },
    { "GET", "/ping", serve_health, 0 },
    { "GET", "/version", serve_version, 0 },
    { "GET", "/load", serve_load, 0 },
    { "GET", "/metrics", serve_metrics, 0 },
    { "POST", "/v1/load_lora_adapter", serve_load_lora_adapter, ROUTE_GUARDED | ROUTE_ADMIN },
    { "POST", "/v1/unload_lora_adapter", serve_unload_lora_adapter, ROUTE_GUARDED | ROUTE_ADMIN },
    { "POST", "/sleep", serve_sleep, ROUTE_ADMIN },
    { "POST", "/wake_up", serve_wake_up, ROUTE_ADMIN },
    { "GET", "/is_sleeping", serve_is_sleeping, ROUTE_ADMIN },
    { "POST", "/pause", serve_pause, ROUTE_ADMIN },
    { "POST", "/resume", serve_resume, ROUTE_ADMIN },
    { "GET", "/is_paused", serve_is_paused, ROUTE_ADMIN },
    { "POST", "/reset_prefix_cache", serve_reset_prefix_cache, ROUTE_ADMIN },
    { "GET", "/server_info", serve_nothing, ROUTE_ADMIN },
    { "POST", "/collective_rpc", serve_nothing, ROUTE_ADMIN },
    { "POST", "/update_weights", serve_nothing, ROUTE_ADMIN },
    { "POST", "/scale_elastic_ep", serve_nothing, ROUTE_ADMIN },
    { "POST", "/start_profile", serve_nothing, ROUTE_ADMIN },
    { "POST", "/stop_profile", serve_nothing, ROUTE_ADMIN },
    { "GET", "/debug/stats", serve_stats, 0 },
    { "POST", "/debug/fault", serve_fault, ROUTE_FAULTS },
};

struct server_listener {
    struct listener *listener; /* NULL: closed */
    char address[128];         /* as bound: with the port the kernel chose */
};

struct server {
    uint32_t magic;
    struct engine *engine;
    struct tls_context *tls;
    struct conn_settings settings;
    struct list conns;
    uint64_t conns_count;
    struct timer reopen;
    struct server_listener listeners[OPTIONS_LIST_MAX];
    size_t listeners_count;
};

static void on_stream(struct conn *conn, struct stream *stream, void *user)
{
    call_open(CAST(struct server, user, SERVER_MAGIC)->engine, conn, stream);
}

static void on_close(struct conn *conn, const struct reason *reason UNUSED, void *user)
{
    list_remove(&conn->link);
    CAST(struct server, user, SERVER_MAGIC)->conns_count--;
}

static const struct conn_events conn_events = { .on_stream = on_stream, .on_close = on_close };

static void on_accept(struct worker *worker, int fd, void *user)
{
    struct server *server = CAST(struct server, user, SERVER_MAGIC);
    struct conn *conn =
        conn_accept(worker, fd, server->tls, &server->settings, &conn_events, server);

    list_push(&server->conns, &conn->link);
    server->conns_count++;
}

/* The text of the address a socket got, since ":0" lets the kernel choose. */
static void bound_address(int fd, const char *wanted, char *ret_text, size_t size)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    char host[64], port[16];

    snprintf(ret_text, size, "%s", wanted);
    if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0 || storage.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&storage, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(ret_text, size, storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Also says on standard error when it fails. */
static bool listen_on(struct server *server, struct server_listener *at, const char *address)
{
    int fd = listener_bind(address, false);

    if (fd < 0) {
        fprintf(stderr, "sluice-engine: listen on %s: %s\n", address, strerror(errno));
        return false;
    }
    bound_address(fd, address, at->address, sizeof(at->address));
    at->listener = listener_open(server->engine->worker, fd, on_accept, server);
    return true;
}

static void on_reopen(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, reopen);

    for (size_t i = 0; i < server->listeners_count; i++) {
        char address[sizeof(server->listeners[i].address)];

        memcpy(address, server->listeners[i].address, sizeof(address));
        if (!server->listeners[i].listener)
            listen_on(server, &server->listeners[i], address);
    }
}

/* As uvicorn: long deadlines for everything but an idle connection; limits of h11 (4 MB, 256
 * fields). */
static struct conn_settings make_settings(const struct options *options)
{
    return (struct conn_settings){
        .head = { .fields = 256, .bytes = 4 << 20 },
        .target_bytes = 64 << 10,
        .streams = 100000,
        .window_bytes = STREAM_IN_BYTES,
        .handshake_ms = 10000,
        .head_ms = 60000,
        .idle_ms = (unsigned)options->keep_alive_ms,
        .stall_ms = 600000,
    };
}

struct server *server_new(struct engine *engine, struct tls_context *tls)
{
    const struct options_list *addresses = &engine->options->listen;
    struct server *server = xcalloc(1, sizeof(*server));

    MAGIC_SET(server, SERVER_MAGIC);
    server->engine = engine;
    server->tls = tls ? tls_context_ref(tls) : NULL;
    server->settings = make_settings(engine->options);
    list_init(&server->conns);
    timer_init(&server->reopen, on_reopen);
    engine->server = server;
    for (size_t i = 0; i < addresses->count; i++) {
        if (!listen_on(server, &server->listeners[i], addresses->at[i])) {
            server_close(server);
            server_free(server);
            return NULL;
        }
        server->listeners_count++;
    }
    engine->name = engine->options->name ? engine->options->name : server->listeners[0].address;
    for (size_t i = 0; i < server->listeners_count; i++)
        fprintf(stderr, "listening on %s\n", server->listeners[i].address);
    return server;
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].listener) {
            listener_close(server->listeners[i].listener);
            server->listeners[i].listener = NULL;
        }
}

void server_close(struct server *server)
{
    timer_clear(&server->reopen);
    close_listeners(server);
    LIST_FOREACH_SAFE (at, &server->conns)
        conn_close(CONTAINER_OF(at, struct conn, link), &reason_draining);
}

void server_free(struct server *server)
{
    CHECK(list_is_empty(&server->conns));
    tls_context_unref(server->tls);
    free(server);
}

void server_refuse_for(struct server *server, uint64_t ms)
{
    struct worker *worker = server->engine->worker;

    close_listeners(server);
    LIST_FOREACH_SAFE (at, &server->conns)
        conn_drain(CONTAINER_OF(at, struct conn, link));
    timer_set(&worker->timers, &server->reopen, worker->now_us + ms * CLOCK_US_PER_MS);
}

uint64_t server_connections(const struct server *server)
{
    return server->conns_count;
}

static bool is_authorised(const struct call *call, const struct route *route)
{
    const char *key = call->engine->options->api_key;
    struct slice given = call_field(call, SLICE("authorization"));

    if (!key || !(route->flags & ROUTE_GUARDED))
        return true;
    return slice_ieq(slice_head(given, 7), SLICE("Bearer ")) &&
           slice_eq(slice_skip(given, 7), slice_str(key));
}

static bool is_echo(const struct call *call)
{
    return call->engine->options->allow_faults && call_field(call, SLICE("x-echo")).len > 0;
}

/* The row for this path and method; sets whether there is one for the path at all. */
static const struct route *find_route(const struct call *call, bool *ret_path_known)
{
    struct slice method = call->stream->head->method;

    *ret_path_known = false;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!slice_eq(call->path, slice_str(routes[i].path)) ||
            ((routes[i].flags & ROUTE_FAULTS) && !call->engine->options->allow_faults))
            continue;
        *ret_path_known = true;
        if (slice_eq(method, slice_str(routes[i].method)))
            return &routes[i];
    }
    return NULL;
}

void server_route(struct call *call)
{
    bool path_known;
    const struct route *route = find_route(call, &path_known);

    if (is_echo(call)) {
        serve_echo(call);
    } else if (!route) {
        call_answer_json(
            call, path_known ? 405 : 404,
            json_pack("{s:s}", "detail", path_known ? "Method Not Allowed" : "Not Found"));
    } else if (!is_authorised(call, route)) {
        call_answer_json(call, 401, json_pack("{s:s}", "error", "Unauthorized"));
    } else {
        call->engine->admin_calls += (route->flags & ROUTE_ADMIN) != 0;
        route->serve(call);
    }
}
