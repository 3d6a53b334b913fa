/*
 * A worker that dials, and an engine's end that the test moves by hand: a listening socket on
 * loopback, the connections it accepted and what came on each.
 */
#ifndef SLUICE_TESTS_UNIT_UPSTREAM_RIG_H
#define SLUICE_TESTS_UNIT_UPSTREAM_RIG_H

#include "tests/unit/io_rig.h"

#include "gateway/upstream/attempt.h"

#include <stdio.h>

#define ENGINE_CONNS_MAX 32

struct engine {
    int listening;
    uint16_t port;
    int fds[ENGINE_CONNS_MAX]; /* -1: closed by the test */
    struct buf got[ENGINE_CONNS_MAX];
    bool ended[ENGINE_CONNS_MAX]; /* the gateway closed or reset it */
    size_t count;
};

static inline void engine_open(struct engine *engine)
{
    struct sockaddr_in address;

    *engine = (struct engine){ .listening = rig_listen(&address, 64) };
    fcntl(engine->listening, F_SETFL, O_NONBLOCK);
    engine->port = ntohs(address.sin_port);
}

static inline void engine_read(struct engine *engine, size_t i)
{
    ssize_t n = 1;

    while (n > 0 && engine->fds[i] >= 0 && !engine->ended[i]) {
        char *at = buf_reserve(&engine->got[i], 65536);

        n = recv(engine->fds[i], at, 65536, MSG_DONTWAIT);
        buf_commit(&engine->got[i], n > 0 ? (size_t)n : 0);
        engine->ended[i] = n == 0 || (n < 0 && errno != EAGAIN);
    }
}

/* Accepts and reads what is there. */
static inline void engine_turn(struct engine *engine)
{
    int fd;

    while (engine->count < ENGINE_CONNS_MAX &&
           (fd = accept4(engine->listening, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        buf_init(&engine->got[engine->count], SIZE_MAX);
        engine->fds[engine->count++] = fd;
    }
    for (size_t i = 0; i < engine->count; i++)
        engine_read(engine, i);
}

static inline void engine_send(struct engine *engine, size_t i, const char *text)
{
    if (send(engine->fds[i], text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        abort();
}

static inline void engine_hang_up(struct engine *engine, size_t i)
{
    close(engine->fds[i]);
    engine->fds[i] = -1;
}

static inline void engine_close(struct engine *engine)
{
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->fds[i] >= 0)
            close(engine->fds[i]);
        buf_release(&engine->got[i]);
    }
    close(engine->listening);
}

/* What came on a connection ends with `text`. */
static inline bool engine_got(struct engine *engine, size_t i, const char *text)
{
    return i < engine->count && slice_ends(buf_join(&engine->got[i]), slice_str(text));
}

static inline void upstream_rig_open(struct rig *rig)
{
    rig_open(rig);
    rig->worker->upstream = upstream_new();
}

static inline void upstream_rig_close(struct rig *rig)
{
    upstream_close_all(rig->worker);
    if (!rig_turns(rig))
        abort();
    upstream_free(rig->worker->upstream);
    rig_close(rig);
}

static inline struct origin *rig_origin(const char *scheme, const char *host, uint16_t port)
{
    struct origin_settings settings = { .connect_ms = 2000, .idle_ms = 60000 };
    struct origin *origin;
    char url[128];

    snprintf(url, sizeof(url), "%s://%s:%u", scheme, host, port);
    if (!origin_url_parse(slice_str(url), &settings.url))
        abort();
    origin = origin_new(&settings, 1);
    return origin;
}

#endif
