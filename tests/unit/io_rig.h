/*
 * A worker whose loop runs until something is so, and ends of transports that keep what they see.
 *
 * Everything is on loopback and on the test's own thread; a wait ends at a deadline, as a failure.
 */
#ifndef SLUICE_TESTS_UNIT_IO_RIG_H
#define SLUICE_TESTS_UNIT_IO_RIG_H

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/io/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#define RIG_WAIT_US (10 * CLOCK_US_PER_S)

struct rig {
    struct worker *worker;
    struct metric_shard *metrics;
    struct timer poll;
    bool (*is_so)(void *user);
    void *user;
    uint64_t opened_us, deadline_us;
    bool was_so;
};

static inline void rig_open(struct rig *rig)
{
    *rig = (struct rig){ .metrics = metric_shard_new(), .opened_us = clock_now_us() };
    rig->worker = worker_new(0, rig->metrics);
}

static inline void rig_close(struct rig *rig)
{
    worker_free(rig->worker);
    metric_shard_free(rig->metrics);
}

static inline void rig_on_poll(struct timer *timer)
{
    struct rig *rig = CONTAINER_OF(timer, struct rig, poll);
    struct worker *worker = rig->worker;

    rig->was_so = rig->is_so(rig->user);
    if (rig->was_so || worker->now_us > rig->deadline_us)
        worker_stop(worker);
    else
        timer_set(&worker->timers, &rig->poll, worker->now_us + 1);
}

/* Runs the loop until is_so(user), which is asked every millisecond. False: it never was. */
static inline bool rig_until(struct rig *rig, bool (*is_so)(void *user), void *user)
{
    rig->is_so = is_so;
    rig->user = user;
    rig->deadline_us = clock_now_us() + RIG_WAIT_US;
    rig->was_so = false;
    timer_init(&rig->poll, rig_on_poll);
    timer_set(&rig->worker->timers, &rig->poll, clock_now_us());
    worker_run(rig->worker);
    return rig->was_so;
}

static inline bool rig_turned(void *user)
{
    return ++*(int *)user > 3;
}

/* A few turns, for what must not happen. False: a test has gone round with it for too long. */
static inline bool rig_turns(struct rig *rig)
{
    int turns = 0;

    return rig_until(rig, rig_turned, &turns) && clock_now_us() - rig->opened_us < 3 * RIG_WAIT_US;
}

/* A transport and what it saw. */
struct end {
    struct transport transport;
    struct buf out, in;
    unsigned opened, readable, peer_closed; /* callbacks */
    unsigned reads;                         /* transport_recv calls that gave bytes */
    bool paused;                            /* does not read */
    bool ended, broken;                     /* what reading met */
    const struct reason *failed;
};

static inline void end_flush(struct end *end)
{
    if (end->transport.open && !end->ended && !transport_send(&end->transport, &end->out))
        end->broken = true;
}

static inline void end_read(struct end *end)
{
    while (!end->paused && !end->ended && !end->broken) {
        struct slice bytes = { NULL, 0 };
        enum transport_result result = transport_recv(&end->transport, &bytes);

        if (result == TRANSPORT_EMPTY)
            return;
        end->ended = result == TRANSPORT_END;
        end->broken = result == TRANSPORT_FAILED;
        end->reads += result == TRANSPORT_BYTES;
        buf_add(&end->in, bytes);
    }
}

static inline void end_on_open(struct transport *transport)
{
    struct end *end = CONTAINER_OF(transport, struct end, transport);

    end->opened++;
    end_flush(end);
}

static inline void end_on_ready(struct transport *transport, unsigned ready)
{
    struct end *end = CONTAINER_OF(transport, struct end, transport);

    if (ready & TRANSPORT_PEER_CLOSED)
        end->peer_closed++;
    if (ready & TRANSPORT_READABLE) {
        end->readable++;
        end_read(end);
    }
    if (ready & TRANSPORT_WRITABLE)
        end_flush(end);
}

static inline void end_on_failed(struct transport *transport, const struct reason *reason)
{
    CONTAINER_OF(transport, struct end, transport)->failed = reason;
}

static const struct transport_events end_events UNUSED = {
    .on_open = end_on_open,
    .on_ready = end_on_ready,
    .on_failed = end_on_failed,
};

static inline void end_init(struct end *end)
{
    *end = (struct end){ .transport.fd = -1 };
    buf_init(&end->out, SIZE_MAX);
    buf_init(&end->in, SIZE_MAX);
}

static inline void end_release(struct end *end, enum transport_close how)
{
    transport_close(&end->transport, how);
    buf_release(&end->out);
    buf_release(&end->in);
}

/* A listening socket on loopback. */
static inline int rig_listen(struct sockaddr_in *ret_address, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*ret_address);

    *ret_address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)) != 0 ||
        listen(fd, backlog) != 0 || getsockname(fd, (struct sockaddr *)ret_address, &len) != 0)
        abort();
    return fd;
}

/* Two connected TCP sockets; the first does not block. */
static inline void rig_connect(int ret_fd[2])
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 1);

    ret_fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(ret_fd[1], (struct sockaddr *)&address, sizeof(address)) != 0)
        abort();
    ret_fd[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listening);
}

/* Bytes whose order can be checked. */
static inline void rig_fill(struct buf *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_add(buf, slice_of(&(char){ (char)(i * 31 + i / 253) }, 1));
}

static inline bool rig_is_filled(struct buf *buf, size_t len)
{
    struct slice all = buf_join(buf);

    for (size_t i = 0; i < all.len; i++)
        if (all.at[i] != (char)(i * 31 + i / 253))
            return false;
    return all.len == len;
}

#endif
