/*
 * The second epoll set of a worker.
 */
#include "gateway/io/resets.h"

#include "gateway/io/transport.h"
#include "gateway/io/watch.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RESETS_A_CALL 64

struct resets {
    struct watch *watch;
    int epoll_fd;
};

static void on_readable(void *user)
{
    struct resets *resets = user;
    struct epoll_event events[RESETS_A_CALL];
    int n = epoll_wait(resets->epoll_fd, events, RESETS_A_CALL, 0);

    for (int i = 0; i < n; i++)
        transport_was_reset(events[i].data.ptr);
}

struct resets *resets_new(struct worker *worker)
{
    struct resets *resets = xcalloc(1, sizeof(*resets));

    resets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(resets->epoll_fd >= 0);
    resets->watch = watch_new(worker, resets->epoll_fd, on_readable, resets);
    return resets;
}

void resets_free(struct resets *resets)
{
    watch_free(resets->watch);
    close(resets->epoll_fd);
    free(resets);
}

void resets_watch(struct resets *resets, struct transport *transport)
{
    struct epoll_event event = { .events = EPOLLET, .data.ptr = transport };

    (void)epoll_ctl(resets->epoll_fd, EPOLL_CTL_ADD, transport->fd, &event);
}

void resets_forget(struct resets *resets, int fd)
{
    (void)epoll_ctl(resets->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}
