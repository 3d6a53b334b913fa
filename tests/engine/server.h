/*
 * The engine's listeners, its connections, and the table of its paths.
 */
#ifndef SLUICE_ENGINE_SERVER_H
#define SLUICE_ENGINE_SERVER_H

#include "tests/engine/engine.h"

struct call;
struct server;
struct tls_context;

/*
 * Binds all addresses and says so on standard error, a line each: "listening on 127.0.0.1:8000".
 * NULL, and a sentence was printed, when one cannot be bound. Before the worker runs. `tls` is
 * reffed; NULL: cleartext.
 */
struct server *server_new(struct engine *engine, struct tls_context *tls) MUST_USE;
/* On the worker's thread: closes listeners and connections; the worker must turn once more before
 * server_free. */
void server_close(struct server *server);
void server_free(struct server *server);

/* Stops listening for so long, as an engine that restarts; idle connections are closed, busy ones
 * after their answer. */
void server_refuse_for(struct server *server, uint64_t ms);
uint64_t server_connections(const struct server *server);

/* Finds the handler for a call's path and runs it, or answers 401, 404 or 405. */
void server_route(struct call *call);

#endif
