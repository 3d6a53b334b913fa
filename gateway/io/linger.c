/*
 * Lingering closes.
 *
 *   SENDING --all sent: FIN--> DRAINING --peer's FIN, limit or deadline--> closed
 *
 * A peer that goes on sending (HTTP/2's window updates say that it reads) has more time: 2 s anew
 * with each sign of it, 30 s in all. (nginx has 5 s and 30 s: lingering_timeout, lingering_time.)
 */
#include "gateway/io/linger.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"

#include <event2/event.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Long enough for a refusal to cross a slow link, short enough not to hoard descriptors. */
#define LINGER_US      (2 * CLOCK_US_PER_S)
#define LINGER_MOST_US (30 * CLOCK_US_PER_S)
/* What a client may have had under way when it was refused. */
#define LINGER_DROP_MAX  (1024 * 1024)
#define LINGER_SEND_IOVS 16

struct linger_socket {
    struct list link; /* in worker->lingering */
    struct worker *worker;
    struct event *event;
    struct timer deadline;
    struct buf unsent;
    size_t dropped_bytes;
    uint64_t most_us; /* it ends then at the latest */
    int fd;
    bool fin_sent;
};

static void linger_close(struct linger_socket *linger)
{
    list_remove(&linger->link);
    timer_clear(&linger->deadline);
    event_free(linger->event);
    buf_release(&linger->unsent);
    close(linger->fd);
    metric_add(linger->worker->metrics, METRIC_ID_connections_lingering, -1);
    free(linger);
}

static void linger_on_deadline(struct timer *timer)
{
    linger_close(CONTAINER_OF(timer, struct linger_socket, deadline));
}

/* Sends what is left and then FIN. False: broken. */
static bool linger_send(struct linger_socket *linger)
{
    while (!buf_is_empty(&linger->unsent)) {
        struct iovec iov[LINGER_SEND_IOVS];
        struct msghdr message = { .msg_iov = iov,
                                  .msg_iovlen = buf_iov(&linger->unsent, iov, ARRAY_LEN(iov)) };
        ssize_t n = sendmsg(linger->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        buf_drop(&linger->unsent, (size_t)n);
    }
    if (!linger->fin_sent) {
        linger->fin_sent = true;
        return shutdown(linger->fd, SHUT_WR) == 0;
    }
    return true;
}

/* Reads and drops. False: nothing more to expect. */
static bool linger_drop(struct linger_socket *linger)
{
    struct worker *worker = linger->worker;

    while (linger->dropped_bytes < LINGER_DROP_MAX) {
        ssize_t n = recv(linger->fd, worker->scratch, worker->scratch_size, MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        linger->dropped_bytes += (size_t)n;
    }
    return false;
}

static void linger_more_time(struct linger_socket *linger)
{
    uint64_t until_us = linger->worker->now_us + LINGER_US;

    timer_set(&linger->worker->timers, &linger->deadline,
              until_us < linger->most_us ? until_us : linger->most_us);
}

static void linger_on_event(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct linger_socket *linger = arg;

    worker_awake(linger->worker);
    if (!linger_send(linger) || !linger_drop(linger))
        linger_close(linger);
    else
        linger_more_time(linger);
}

void linger_open(struct worker *worker, int fd, struct buf *unsent)
{
    struct linger_socket *linger = xcalloc(1, sizeof(*linger));

    linger->worker = worker;
    linger->fd = fd;
    buf_init(&linger->unsent, 0);
    buf_move(&linger->unsent, unsent, unsent->len);
    list_push(&worker->lingering, &linger->link);
    linger->most_us = worker->now_us + LINGER_MOST_US;
    timer_init(&linger->deadline, linger_on_deadline);
    linger_more_time(linger);
    metric_add(worker->metrics, METRIC_ID_connections_lingering, 1);
    /* Registering reports at once what is ready: the rest happens in its callback. */
    linger->event = event_new(worker->base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
                              linger_on_event, linger);
    CHECK(linger->event && event_add(linger->event, NULL) == 0);
}

void linger_close_all(struct worker *worker)
{
    struct list *link;

    while ((link = worker->lingering.next) != &worker->lingering)
        linger_close(CONTAINER_OF(link, struct linger_socket, link));
}
