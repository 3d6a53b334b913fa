/*
 * Accepting.
 *
 *   ACCEPTING --out of descriptors--> PAUSED --100 ms--> ACCEPTING
 *
 * The listening socket is the one event that is level-triggered: what a turn leaves behind is
 * reported again by the next one, after everything else had its turn.
 */
#include "gateway/io/listener.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/io/resolve.h"

#include <event2/event.h>

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define PAUSE_US       (100 * CLOCK_US_PER_MS)
/* The kernel bounds it by net.core.somaxconn, which is 4096 by default. */
#define BACKLOG 65535

struct listener {
    struct log_subject subject;
    struct worker *worker;
    struct event *event;
    struct timer resume;
    listener_accept_fn *accept;
    void *user;
    int fd;
    int highest;  /* descriptors above it are not for what is accepted here */
    bool starved; /* the last accept found no descriptor: said once until one was got again */
};

static int close_keeping_errno(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
    return -1;
}

static bool socket_on(int fd, int level, int option)
{
    return setsockopt(fd, level, option, &(int){ 1 }, sizeof(int)) == 0;
}

static int bind_inet(const struct addrinfo *info, bool shared)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* TCP_NODELAY passes on to what is accepted: one call less a connection. */
    if (!socket_on(fd, SOL_SOCKET, SO_REUSEADDR) ||
        (shared && !socket_on(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        !socket_on(fd, IPPROTO_TCP, TCP_NODELAY) ||
        (info->ai_family == AF_INET6 && !socket_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return close_keeping_errno(fd);
    return fd;
}

/* A socket file that nobody listens on any more is in the way; one that answers is somebody's. */
static bool unix_clear_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd, result;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT;
    fd = S_ISSOCK(status.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
                                  : -1;
    if (fd < 0) {
        errno = EADDRINUSE;
        return false;
    }
    result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    if (result != 0 && errno == ECONNREFUSED)
        result = unlink(address->sun_path);
    else
        result = -1, errno = EADDRINUSE;
    close_keeping_errno(fd);
    return result == 0;
}

static int bind_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path)) {
        errno = path[0] ? ENAMETOOLONG : EINVAL;
        return -1;
    }
    strcpy(address.sun_path, path);
    if (!unix_clear_stale(&address))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0)
        return close_keeping_errno(fd);
    return fd;
}

bool listener_address_parse(const char *address, struct slice *ret_host, uint16_t *ret_port)
{
    const char *colon = strrchr(address, ':');
    struct slice host;
    uint64_t port;

    if (!colon || !slice_u64(slice_str(colon + 1), &port) || port > UINT16_MAX)
        return false;
    host = slice_of(address, (size_t)(colon - address));
    if (slice_starts(host, SLICE("[")) && slice_ends(host, SLICE("]")))
        host = slice_of(host.at + 1, host.len - 2);
    else if (slice_find(host, ':') < host.len)
        return false;
    *ret_host = host;
    *ret_port = (uint16_t)port;
    return true;
}

/* The errno that is nearest to what getaddrinfo says. */
static int errno_of_lookup(int error)
{
    return error == EAI_SYSTEM ? errno : error == EAI_MEMORY ? ENOMEM : EADDRNOTAVAIL;
}

static int bind_host(struct slice host, uint16_t port, bool shared)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *info;
    char *name = slice_dup(host), service[8];
    int fd = -1, error;

    snprintf(service, sizeof(service), "%u", port);
    error = getaddrinfo(name[0] ? name : NULL, service, &hints, &info);
    if (error == 0) {
        fd = bind_inet(info, shared);
        error = errno;
        freeaddrinfo(info);
    } else {
        error = errno_of_lookup(error);
    }
    free(name);
    errno = error;
    return fd;
}

int listener_bind(const char *address, bool shared)
{
    struct slice host;
    uint16_t port;

    if (strncmp(address, "unix:", 5) == 0)
        return bind_unix(address + 5);
    if (listener_address_parse(address, &host, &port))
        return bind_host(host, port, shared);
    errno = EINVAL;
    return -1;
}

static void listener_print(const struct log_subject *subject, char *text, size_t size)
{
    const struct listener *listener = CONTAINER_OF(subject, struct listener, subject);
    char address_text[RESOLVE_TEXT_SIZE];
    union resolve_address address;
    socklen_t len = sizeof(address);
    struct slice where = SLICE("unknown");

    if (getsockname(listener->fd, &address.sa, &len) == 0)
        where = resolve_address_text(&address, address_text);
    snprintf(text, size, "listener %.*s", SLICE_ARGS(where));
}

static void listener_pause(struct listener *listener, int error)
{
    struct worker *worker = listener->worker;

    if (!listener->starved)
        log_error(&listener->subject, "accept: %s, trying again every 100 ms", strerror(error));
    listener->starved = true;
    metric_add(worker->metrics, METRIC_ID_accept_paused, 1);
    event_del(listener->event);
    timer_set(&worker->timers, &listener->resume, worker->now_us + PAUSE_US);
}

static void listener_resume(struct timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, resume);

    CHECK(event_add(listener->event, NULL) == 0);
}

/* Whether the machine or the process is out of something, which will not be better at once. */
static bool errno_is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void listener_on_event(evutil_socket_t fd, short what UNUSED, void *arg)
{
    struct listener *listener = arg;

    worker_awake(listener->worker);
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted < 0) {
            if (errno_is_shortage(errno))
                listener_pause(listener, errno);
            return; /* whatever else it was, the next turn tries again if there is more */
        }
        if (accepted > listener->highest) { /* the kernel gives the lowest that is free */
            close(accepted);
            listener_pause(listener, EMFILE);
            return;
        }
        listener->starved = false;
        listener->accept(listener->worker, accepted, listener->user);
    }
}

struct listener *listener_open(struct worker *worker, int fd, listener_accept_fn *accept,
                               void *user)
{
    struct listener *listener = xcalloc(1, sizeof(*listener));

    *listener = (struct listener){
        .subject.print = listener_print,
        .worker = worker,
        .accept = accept,
        .user = user,
        .fd = fd,
        .highest = INT_MAX,
    };
    timer_init(&listener->resume, listener_resume);
    listener->event =
        event_new(worker->base, fd, EV_READ | EV_PERSIST, listener_on_event, listener);
    CHECK(listener->event && event_add(listener->event, NULL) == 0);
    return listener;
}

void listener_keep_free(struct listener *listener, unsigned percent)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX)
        listener->highest = (int)(limit.rlim_cur - limit.rlim_cur * percent / 100);
}

void listener_close(struct listener *listener)
{
    timer_clear(&listener->resume);
    event_free(listener->event);
    close(listener->fd);
    free(listener);
}
