/*
 * Watched descriptors: a libevent event each.
 */
#include "gateway/io/watch.h"

#include <event2/event.h>
#include <stdlib.h>

struct watch {
    struct worker *worker;
    struct event *event;
    void (*on_readable)(void *user);
    void *user;
};

static void on_event(evutil_socket_t fd UNUSED, short what UNUSED, void *user)
{
    struct watch *watch = user;

    worker_awake(watch->worker);
    watch->on_readable(watch->user);
}

struct watch *watch_new(struct worker *worker, int fd, void (*on_readable)(void *user), void *user)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));

    watch->worker = worker;
    watch->on_readable = on_readable;
    watch->user = user;
    watch->event = event_new(worker->base, fd, EV_READ | EV_PERSIST, on_event, watch);
    CHECK(watch->event && event_add(watch->event, NULL) == 0);
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    event_free(watch->event);
    free(watch);
}
