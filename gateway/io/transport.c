/*
 * Sockets of conns.
 *
 *   dial: CONNECTING --writable, no error--+
 *                                          v            cleartext, or handshake done
 *   accept: ------------------------> HANDSHAKING --------------------------------> OPEN
 *      any of them --deadline, refusal--> failed (on_failed)     any --transport_close--> closed
 *
 * The first event comes by itself: registering a socket that can be written reports it. Edges are
 * enough because every wait is preceded by a call that did less than it was asked to: a read that
 * came back short, or a write that was not taken whole. A FIN is an edge of its own; once it was
 * seen, no further edge comes, so reading goes on until it is reached.
 */
#include "gateway/io/transport.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/io/linger.h"
#include "gateway/io/resets.h"
#include "gateway/io/resolve.h"
#include "gateway/io/tls_session.h"

#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define SEND_IOVS 64
/* Ciphertext made before it is sent: four full records, what a slow peer makes us hold. */
#define TLS_FLUSH_BYTES (64 * 1024)
/* A ClientHello with everything in it, and a first flight of requests behind it. */
#define HANDSHAKE_READ_BYTES (16 * 1024)
/*
 * Handshakes may take this much of a turn (about four signatures), so that a herd of new clients
 * does not stop the streams at hand (S-10).
 */
#define HANDSHAKE_TURN_US 1000
/* A machine that vanished is noticed after 15 + 3 * 5 s, although its engine may think for minutes.
 */
#define KEEPALIVE_IDLE_S     15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES     3

static void transport_on_event(evutil_socket_t fd, short what, void *arg);

static void transport_count_handshake(struct transport *transport, struct slice outcome)
{
    if (transport->tls && !transport->tls->client)
        metric_series_add(
            metric_series(transport->worker->metrics, METRIC_ID_tls_handshakes, &outcome), 1);
}

/* Opening is over, and badly. */
static void transport_fail(struct transport *transport, const struct reason *reason)
{
    timer_clear(&transport->deadline);
    if (transport->event)
        event_del(transport->event);
    if (transport->tls)
        defer_cancel(&transport->tls->step);
    transport_count_handshake(transport,
                              reason == &reason_tls_timeout ? SLICE("timeout") : SLICE("failed"));
    transport->events->on_failed(transport, reason);
}

static void transport_on_deadline(struct timer *timer)
{
    struct transport *transport = CONTAINER_OF(timer, struct transport, deadline);
    bool dialled = transport->connecting || (transport->tls && transport->tls->client);

    if (transport->failure)
        transport_fail(transport, transport->failure);
    else
        transport_fail(transport, dialled ? &reason_dial_timeout : &reason_tls_timeout);
}

/* Reports what became ready, once the owner knows that the transport is open. */
static void transport_report(struct transport *transport, unsigned ready)
{
    if (ready && transport->fd >= 0)
        transport->events->on_ready(transport, ready);
}

static void transport_opened(struct transport *transport)
{
    unsigned ready = 0;

    timer_clear(&transport->deadline);
    if (transport->tls)
        defer_cancel(&transport->tls->step);
    transport->open = true;
    transport_count_handshake(transport, SLICE("done"));
    transport->events->on_open(transport);
    if (transport->read_ready || (transport->tls && tls_session_has_kept(transport->tls)))
        ready |= TRANSPORT_READABLE;
    if (transport->peer_closed)
        ready |= TRANSPORT_PEER_CLOSED;
    transport_report(transport, ready);
}

/* One recv of at most `size` bytes into the scratch. */
static enum transport_result transport_read(struct transport *transport, size_t size,
                                            struct slice *ret_bytes)
{
    struct worker *worker = transport->worker;
    ssize_t n;

    do
        n = recv(transport->fd, worker->scratch, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        transport->read_ready = false;
        return TRANSPORT_EMPTY;
    }
    if (n <= 0) {
        transport->peer_closed = true;
        transport->read_ready = false;
        return n == 0 ? TRANSPORT_END : TRANSPORT_FAILED;
    }
    transport->read_ready = (size_t)n == size || transport->peer_closed;
    *ret_bytes = slice_of(worker->scratch, (size_t)n);
    return TRANSPORT_BYTES;
}

/* One system call. -1 with errno when nothing was taken. */
static ssize_t transport_write(int fd, const struct buf *from, size_t *ret_offered)
{
    struct iovec iov[SEND_IOVS];
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = buf_iov(from, iov, SEND_IOVS) };

    *ret_offered = 0;
    for (size_t i = 0; i < message.msg_iovlen; i++)
        *ret_offered += iov[i].iov_len;
    if (message.msg_iovlen == 1) /* no header to copy in: a little cheaper */
        return send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Sends from the front of `from` until it is empty or the socket full. False: broken. */
static bool transport_drain(struct transport *transport, struct buf *from)
{
    while (!buf_is_empty(from) && !transport->write_blocked) {
        size_t offered;
        ssize_t n = transport_write(transport->fd, from, &offered);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n > 0)
            buf_drop(from, (size_t)n);
        transport->write_blocked = n < 0 || (size_t)n < offered;
    }
    return true;
}

/* Why a handshake towards an endpoint failed; its owner cannot ask OpenSSL, so the log says it. */
static const struct reason *transport_refusal(struct transport *transport)
{
    char peer[TRANSPORT_PEER_SIZE];
    const char *words;

    if (!transport->tls->client)
        return &reason_tls_failed;
    words = tls_session_verify_error(transport->tls);
    if (!words)
        return &reason_dial_failed;
    log_warn(NULL, "dial %.*s: certificate refused: %s",
             SLICE_ARGS(transport_peer(transport, peer)), words);
    return &reason_endpoint_tls;
}

static void transport_handshake(struct transport *transport)
{
    struct tls_session *tls = transport->tls;
    enum transport_result came = TRANSPORT_EMPTY;
    struct slice cipher = { NULL, 0 };
    enum tls_progress progress;
    bool sent;

    if (transport->read_ready)
        came = transport_read(transport, HANDSHAKE_READ_BYTES, &cipher);
    progress = tls_session_handshake(tls, cipher);
    sent = transport_drain(transport, &tls->wire);
    if (progress == TLS_DONE && sent)
        transport_opened(transport);
    else if (progress == TLS_FAILED || !sent || came == TRANSPORT_END || came == TRANSPORT_FAILED)
        transport_fail(transport, transport_refusal(transport));
    else if (transport->read_ready)
        worker_defer_next(transport->worker, &tls->step);
}

/* A step of the handshake now, or in the next turn if this one's share is spent. */
static void transport_step(struct defer *defer)
{
    struct tls_session *tls = CONTAINER_OF(defer, struct tls_session, step);
    struct worker *worker = tls->worker;
    uint64_t begun_us;

    if (worker->handshake_spent_us >= HANDSHAKE_TURN_US) {
        worker_defer_next(worker, defer);
        return;
    }
    begun_us = clock_now_us();
    transport_handshake(tls->transport);
    worker->handshake_spent_us += clock_now_us() - begun_us;
}

/* False: not connected, because it failed or goes on. */
static bool transport_connected(struct transport *transport, short what)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (!(what & EV_WRITE))
        return false;
    if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        transport_fail(transport, &reason_dial_failed);
        return false;
    }
    transport->connecting = false;
    return true;
}

static void transport_open_further(struct transport *transport, short what)
{
    if (transport->connecting && !transport_connected(transport, what))
        return;
    if (!transport->tls)
        transport_opened(transport);
    else if (transport->read_ready ||
             transport->tls->client) /* a server waits for the first byte */
        transport_step(&transport->tls->step);
}

/*
 * Asks the kernel for what libevent does not tell: it reports a reset as readable and writable,
 * never as closed. Who reads finds it; who does not must be told.
 */
static bool transport_polls(const struct transport *transport, short bits)
{
    struct pollfd look = { .fd = transport->fd, .events = bits };

    return poll(&look, 1, 0) > 0 && (look.revents & bits);
}

/* Behind the end, a socket goes on to read as ended, even if it was reset (tcp_recvmsg). */
static bool transport_is_reset_late(const struct transport *transport, short what)
{
    return transport->ended && (what & EV_WRITE) && transport_polls(transport, POLLERR);
}

/* What of an event is news. */
static unsigned transport_note(struct transport *transport, short what)
{
    unsigned ready = 0;

    if (what & EV_READ && transport_is_reset_late(transport, what))
        transport->reset = true;
    if (what & EV_READ && (!transport->ended || transport->reset)) {
        transport->read_ready = true;
        ready |= TRANSPORT_READABLE;
    }
    if (what & EV_WRITE && transport->write_blocked) {
        transport->write_blocked = false;
        ready |= TRANSPORT_WRITABLE;
    }
    if (what & EV_CLOSED && !transport->peer_closed) {
        transport->peer_closed = transport->read_ready = true;
        ready |= TRANSPORT_PEER_CLOSED;
    }
    return ready;
}

static void transport_on_event(evutil_socket_t fd UNUSED, short what, void *arg)
{
    struct transport *transport = arg;
    unsigned ready;

    worker_awake(transport->worker);
    ready = transport_note(transport, what);
    if (transport->tls && !transport_drain(transport, &transport->tls->wire)) {
        transport->read_ready = true; /* the error waits there */
        ready |= TRANSPORT_READABLE;
    }
    if (!transport->open) {
        transport_open_further(transport, what);
        return;
    }
    transport->read_tried = false;
    transport_report(transport, ready);
    if ((what & EV_READ) && (what & EV_WRITE) && transport->fd >= 0 && !transport->read_tried &&
        !transport->peer_closed && transport_polls(transport, POLLERR | POLLHUP | POLLRDHUP)) {
        transport->peer_closed = true;
        transport_report(transport, TRANSPORT_PEER_CLOSED);
    }
}

static void transport_init(struct transport *transport, struct worker *worker,
                           const struct transport_events *events)
{
    *transport = (struct transport){ .worker = worker, .events = events, .fd = -1 };
    timer_init(&transport->deadline, transport_on_deadline);
}

static void transport_open_within(struct transport *transport, unsigned open_ms)
{
    struct worker *worker = transport->worker;

    timer_set(&worker->timers, &transport->deadline, worker->now_us + open_ms * CLOCK_US_PER_MS);
}

/* What cannot even begin fails from the loop as everything else does. */
static void transport_fail_soon(struct transport *transport, const struct reason *reason)
{
    transport->failure = reason;
    transport_open_within(transport, 0);
}

/* Once in a transport's life. */
static void transport_watch(struct transport *transport, int fd)
{
    transport->fd = fd;
    transport->event =
        event_new(transport->worker->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                  transport_on_event, transport);
    CHECK(transport->event);
    if (event_add(transport->event, NULL) != 0) /* the kernel's bound on watched sockets */
        transport_fail_soon(transport, &reason_overloaded);
}

static void transport_set_tls(struct transport *transport, struct tls_session *tls)
{
    transport->tls = tls;
    tls->transport = transport;
    defer_init(&tls->step, transport_step);
}

void transport_accept(struct transport *transport, struct worker *worker, int fd,
                      struct tls_context *tls, unsigned handshake_ms,
                      const struct transport_events *events)
{
    transport_init(transport, worker, events);
    if (tls) {
        transport_set_tls(transport, tls_session_server(worker, tls));
        transport_open_within(transport, handshake_ms);
    }
    transport_watch(transport, fd);
    resets_watch(worker->resets, transport);
}

static void socket_set(int fd, int level, int option, int value)
{
    /* Each of them makes things better and none is needed: a failure changes nothing. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* A socket that connects or is connected; -1 with errno. */
static int socket_dial(const struct sockaddr *address, socklen_t address_len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
        socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
        socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    }
    if (connect(fd, address, address_len) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

void transport_dial(struct transport *transport, struct worker *worker,
                    const struct sockaddr *address, socklen_t address_len, struct tls_context *tls,
                    const char *server_name, bool alpn_h2, unsigned connect_ms,
                    const struct transport_events *events)
{
    int fd = socket_dial(address, address_len);

    transport_init(transport, worker, events);
    transport->connecting = true;
    if (fd < 0) {
        transport_fail_soon(transport, &reason_dial_failed);
        return;
    }
    if (tls)
        transport_set_tls(transport, tls_session_client(worker, tls, server_name, alpn_h2));
    transport_open_within(transport, connect_ms);
    transport_watch(transport, fd);
    resets_watch(worker->resets, transport);
}

void transport_was_reset(struct transport *transport)
{
    if (transport->fd < 0 || transport->peer_closed)
        return;
    transport->peer_closed = true;
    transport->read_ready = true;
    if (transport->open) /* else its opening tells, or fails */
        transport_report(transport, TRANSPORT_READABLE | TRANSPORT_PEER_CLOSED);
}

static enum transport_result transport_recv_tls(struct transport *transport,
                                                struct slice *ret_bytes)
{
    struct tls_session *tls = transport->tls;
    struct worker *worker = transport->worker;
    enum transport_result came;
    enum tls_progress progress;
    size_t len = 0;

    do {
        struct slice cipher = { NULL, 0 };

        came = TRANSPORT_EMPTY;
        if (transport->read_ready && !tls->ended && !tls->failed)
            came = transport_read(transport, worker->scratch_size - 2 * TLS_SESSION_RECORD_BYTES,
                                  &cipher);
        progress = tls_session_read(tls, cipher, worker->scratch_plain, worker->scratch_size, &len);
    } while (len == 0 && progress == TLS_DONE && came == TRANSPORT_BYTES && transport->read_ready);
    if (!transport_drain(transport, &tls->wire)) /* answers to the peer's KeyUpdates, alerts */
        came = TRANSPORT_FAILED;
    if (progress != TLS_DONE)
        transport->read_ready = true; /* so that the owner comes for the news behind the bytes */
    if (len > 0) {
        *ret_bytes = slice_of(worker->scratch_plain, len);
        return TRANSPORT_BYTES;
    }
    if (progress == TLS_ENDED)
        return TRANSPORT_END;
    /* Without close_notify, anybody may have cut the answer short. */
    return progress == TLS_FAILED || came == TRANSPORT_END || came == TRANSPORT_FAILED
               ? TRANSPORT_FAILED
               : TRANSPORT_EMPTY;
}

enum transport_result transport_recv(struct transport *transport, struct slice *ret_bytes)
{
    enum transport_result result;

    transport->read_tried = true;
    if (transport->fd < 0 || transport->reset)
        return TRANSPORT_FAILED;
    if (transport->tls && (transport->read_ready || tls_session_has_kept(transport->tls)))
        result = transport_recv_tls(transport, ret_bytes);
    else if (transport->read_ready)
        result = transport_read(transport, transport->worker->scratch_size, ret_bytes);
    else
        return transport->ended ? TRANSPORT_END : TRANSPORT_EMPTY;
    if (result == TRANSPORT_END) {
        transport->ended = true;
        transport->read_ready = false;
    }
    return result;
}

bool transport_send(struct transport *transport, struct buf *out)
{
    struct tls_session *tls = transport->tls;

    if (transport->fd < 0)
        return false;
    if (!tls)
        return transport_drain(transport, out);
    do {
        if (!transport_drain(transport, &tls->wire))
            return false;
        if (buf_is_empty(out) || !buf_is_empty(&tls->wire))
            return true;
    } while (tls_session_write(tls, out, TLS_FLUSH_BYTES));
    return false;
}

bool transport_is_flushed(const struct transport *transport)
{
    return !transport->tls || buf_is_empty(&transport->tls->wire);
}

/* Says goodbye as `how` wants it and gives the socket away. */
static void transport_close_socket(struct transport *transport, enum transport_close how)
{
    struct buf none, *unsent = transport->tls ? &transport->tls->wire : &none;
    int fd = transport->fd;

    buf_init(&none, 0);
    transport->fd = -1;
    if (how == TRANSPORT_CLOSE_RESET)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
                         sizeof(struct linger));
    if (how == TRANSPORT_CLOSE_LINGER) {
        resets_forget(transport->worker->resets, fd);
        linger_open(transport->worker, fd, unsent);
    } else {
        close(fd);
    }
}

void transport_close(struct transport *transport, enum transport_close how)
{
    struct tls_session *tls = transport->tls;

    timer_clear(&transport->deadline);
    if (transport->event)
        event_free(transport->event);
    transport->event = NULL;
    if (tls) {
        defer_cancel(&tls->step);
        if (transport->open && how != TRANSPORT_CLOSE_RESET) {
            tls_session_shutdown(tls);
            (void)transport_drain(transport,
                                  &tls->wire); /* a courtesy; it may be too late for it */
        }
    }
    if (transport->fd >= 0)
        transport_close_socket(transport, how);
    tls_session_free(tls);
    transport->tls = NULL;
}

bool transport_is_h2(const struct transport *transport)
{
    return transport->tls && tls_session_is_h2(transport->tls);
}

bool transport_is_tls(const struct transport *transport)
{
    return transport->tls != NULL;
}

bool transport_may_h2(const struct transport *transport)
{
    return transport->tls && tls_session_may_h2(transport->tls);
}

struct slice transport_peer(const struct transport *transport, char ret_text[TRANSPORT_PEER_SIZE])
{
    union resolve_address address;
    socklen_t len = sizeof(address);

    if (transport->fd < 0 || getpeername(transport->fd, &address.sa, &len) != 0)
        return SLICE("unknown");
    return resolve_address_text(&address, ret_text);
}
