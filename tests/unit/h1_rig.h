/*
 * A conn's peer that the test moves by hand: a plain socket that sends given bytes, as few at a
 * time as wanted, and keeps what it gets. It is driven from the worker's own loop, once a turn, so
 * that nothing sleeps and everything ends at a deadline.
 */
#ifndef SLUICE_TESTS_UNIT_H1_RIG_H
#define SLUICE_TESTS_UNIT_H1_RIG_H

#include "tests/unit/io_rig.h"

#include "gateway/codec/conn.h"

#include <netinet/tcp.h>

struct peer {
    struct rig *rig;
    int fd;
    struct defer turn;
    struct slice to_send;
    size_t step;    /* bytes a turn */
    bool deaf;      /* does not read */
    bool fin_after; /* sends FIN once all is sent */
    struct buf got;
    bool ended, reset;
    unsigned turns; /* since peer_until began */
    bool (*is_so)(struct peer *peer, void *user);
    void *user;
    bool was_so;
    uint64_t deadline_us;
};

static inline void peer_read(struct peer *peer)
{
    while (!peer->deaf && !peer->ended && !peer->reset) {
        char *at = buf_reserve(&peer->got, 65536);
        ssize_t n = recv(peer->fd, at, 65536, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        peer->ended = n == 0;
        peer->reset = n < 0;
        buf_commit(&peer->got, n > 0 ? (size_t)n : 0);
    }
}

static inline void peer_write(struct peer *peer)
{
    size_t n = peer->to_send.len < peer->step ? peer->to_send.len : peer->step;
    ssize_t sent;

    if (n > 0) {
        sent = send(peer->fd, peer->to_send.at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) /* the other side has gone */
            sent = (ssize_t)peer->to_send.len;
        peer->to_send = slice_skip(peer->to_send, sent > 0 ? (size_t)sent : 0);
    }
    if (peer->to_send.len == 0 && peer->fin_after) {
        shutdown(peer->fd, SHUT_WR);
        peer->fin_after = false;
    }
}

static inline void peer_on_turn(struct defer *defer)
{
    struct peer *peer = CONTAINER_OF(defer, struct peer, turn);
    struct worker *worker = peer->rig->worker;

    peer_read(peer);
    peer_write(peer);
    peer->turns++;
    peer->was_so = peer->is_so(peer, peer->user);
    if (peer->was_so || worker->now_us > peer->deadline_us)
        worker_stop(worker);
    else
        worker_defer_next(worker, defer);
}

/* Runs the loop until it is so. False: it never was. */
static inline bool peer_until(struct peer *peer, bool (*is_so)(struct peer *, void *), void *user)
{
    peer->is_so = is_so;
    peer->user = user;
    peer->turns = 0;
    peer->was_so = false;
    peer->deadline_us = clock_now_us() + RIG_WAIT_US;
    worker_defer_next(peer->rig->worker, &peer->turn);
    worker_run(peer->rig->worker);
    return peer->was_so;
}

static inline bool peer_is_over(struct peer *peer, void *user UNUSED)
{
    return peer->ended || peer->reset;
}

static inline bool peer_has_turned(struct peer *peer, void *user UNUSED)
{
    return peer->to_send.len == 0 && peer->turns >= 20;
}

static inline void peer_open(struct peer *peer, struct rig *rig, int fd)
{
    *peer = (struct peer){ .rig = rig, .fd = fd, .step = SIZE_MAX };
    buf_init(&peer->got, SIZE_MAX);
    defer_init(&peer->turn, peer_on_turn);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

/* By RST, which arrives even where nobody reads. */
static inline void peer_hang_up(struct peer *peer)
{
    struct linger linger = { .l_onoff = 1 };

    if (peer->fd >= 0) {
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(peer->fd);
    }
    peer->fd = -1;
    peer->deaf = true;
    peer->to_send = slice_of(NULL, 0);
}

static inline void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    buf_release(&peer->got);
}

#endif
