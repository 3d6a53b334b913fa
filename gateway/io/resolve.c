/*
 * c-ares on a worker's loop.
 *
 *   resolve() --literal--------------------> ANSWERED --WAKE--> done() --> freed
 *             --c-ares--> ASKED --answer-------^
 *                           |  --deadline--> done() --> ABANDONED --c-ares' answer--> freed
 *                           +--resolve_cancel-------------^
 *
 * c-ares cannot take back one question of many, so one that nobody waits for any more stays until
 * c-ares is through with it.
 */
#include "gateway/io/resolve.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"

#include <ares.h>
#include <event2/event.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define TTL_MIN_S 1
#define TTL_MAX_S 300
/* What fits an unfragmented datagram everywhere (DNS flag day 2020); longer answers come by TCP. */
#define EDNS_BYTES 1232
/* A lost datagram is asked for again soon: the exchange that needs the name waits for it. */
#define TRY_MS 1000
#define TRIES  3

struct resolver {
    struct worker *worker;
    ares_channel channel;
    struct timer timer;    /* of c-ares' own deadlines */
    struct list sockets;   /* of struct resolver_socket */
    struct list questions; /* all that exist */
};

/* A socket of c-ares', as long as it wants to hear of it. */
struct resolver_socket {
    struct list link;
    struct resolver *resolver;
    struct event *event;
    ares_socket_t fd;
};

struct resolve_question {
    struct list link;
    struct resolver *resolver;
    struct timer deadline;
    struct defer deliver;
    resolve_fn *done; /* NULL: abandoned */
    void *user;
    char *host;
    uint16_t port;
    bool asked; /* c-ares still has it */
    const struct reason *reason;
    union resolve_address *addresses;
    size_t count;
    unsigned ttl_s;
};

static void resolver_set_timer(struct resolver *resolver)
{
    struct worker *worker = resolver->worker;
    struct timeval wait;

    if (!ares_timeout(resolver->channel, NULL, &wait)) {
        timer_clear(&resolver->timer);
        return;
    }
    timer_set(&worker->timers, &resolver->timer,
              worker->now_us + (uint64_t)wait.tv_sec * CLOCK_US_PER_S + (uint64_t)wait.tv_usec);
}

static void resolver_on_timer(struct timer *timer)
{
    struct resolver *resolver = CONTAINER_OF(timer, struct resolver, timer);

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolver_set_timer(resolver);
}

static void resolver_on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;

    worker_awake(resolver->worker);
    ares_process_fd(resolver->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    resolver_set_timer(resolver);
}

static struct resolver_socket *resolver_find_socket(struct resolver *resolver, ares_socket_t fd)
{
    LIST_FOREACH (at, &resolver->sockets) {
        struct resolver_socket *found = CONTAINER_OF(at, struct resolver_socket, link);

        if (found->fd == fd)
            return found;
    }
    return NULL;
}

static void resolver_drop_socket(struct resolver_socket *watched)
{
    event_free(watched->event);
    list_remove(&watched->link);
    free(watched);
}

/* c-ares says what it wants to hear of a socket: neither means that it is about to close it. */
static void resolver_on_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = user;
    struct resolver_socket *watched = resolver_find_socket(resolver, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    if (watched)
        resolver_drop_socket(watched);
    if (!what)
        return;
    watched = xcalloc(1, sizeof(*watched));
    *watched = (struct resolver_socket){ .resolver = resolver, .fd = fd };
    watched->event = event_new(resolver->worker->base, fd, (short)(what | EV_PERSIST),
                               resolver_on_socket, resolver);
    CHECK(watched->event && event_add(watched->event, NULL) == 0);
    list_push(&resolver->sockets, &watched->link);
}

static void resolver_open_channel(struct resolver *resolver)
{
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS,
        .ednspsz = EDNS_BYTES,
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = resolver_on_state,
        .sock_state_cb_data = resolver,
    };
    int status = ares_init_options(&resolver->channel, &options,
                                   ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
                                       ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

    if (status != ARES_SUCCESS)
        log_error(NULL, "resolver: %s, no name can be resolved", ares_strerror(status));
    CHECK(status == ARES_SUCCESS);
}

struct resolver *resolver_new(struct worker *worker)
{
    struct resolver *resolver = xcalloc(1, sizeof(*resolver));

    CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
    resolver->worker = worker;
    timer_init(&resolver->timer, resolver_on_timer);
    list_init(&resolver->sockets);
    list_init(&resolver->questions);
    resolver_open_channel(resolver);
    return resolver;
}

static void question_free(struct resolve_question *question)
{
    list_remove(&question->link);
    timer_clear(&question->deadline);
    defer_cancel(&question->deliver);
    free(question->addresses);
    free(question->host);
    free(question);
}

void resolver_free(struct resolver *resolver)
{
    LIST_FOREACH (at, &resolver->questions)
        CONTAINER_OF(at, struct resolve_question, link)->done = NULL;
    ares_destroy(resolver->channel); /* ends what it has; closes its sockets */
    while (!list_is_empty(&resolver->questions))
        question_free(CONTAINER_OF(resolver->questions.next, struct resolve_question, link));
    timer_clear(&resolver->timer);
    free(resolver);
    ares_library_cleanup();
}

void resolver_set_servers(struct resolver *resolver, const char *servers)
{
    if (servers) {
        CHECK(ares_set_servers_ports_csv(resolver->channel, servers) == ARES_SUCCESS);
        return;
    }
    ares_destroy(resolver->channel);
    resolver_open_channel(resolver);
}

static struct slice question_outcome(const struct resolve_question *question, bool timed_out)
{
    return timed_out ? SLICE("timeout") : question->reason ? SLICE("failed") : SLICE("done");
}

/* Tells who asked, once. */
static void question_done(struct resolve_question *question, bool timed_out)
{
    struct resolve_answer answer = { question->addresses, question->count, question->ttl_s };
    struct slice outcome = question_outcome(question, timed_out);
    resolve_fn *done = question->done;

    metric_series_add(
        metric_series(question->resolver->worker->metrics, METRIC_ID_resolutions, &outcome), 1);
    question->done = NULL;
    timer_clear(&question->deadline);
    done(question->user, question->reason, question->reason ? NULL : &answer);
}

static void question_deliver(struct defer *defer)
{
    struct resolve_question *question = CONTAINER_OF(defer, struct resolve_question, deliver);

    question_done(question, /* timed_out= */ false);
    question_free(question);
}

static void question_on_deadline(struct timer *timer)
{
    struct resolve_question *question = CONTAINER_OF(timer, struct resolve_question, deadline);

    if (!question->asked)
        return; /* answered in the same breath: delivered by this turn's WAKE */
    question->reason = &reason_name_failed;
    question_done(question, /* timed_out= */ true);
}

static void question_add(struct resolve_question *question, const struct sockaddr *address)
{
    union resolve_address *slot;

    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return;
    slot = &question->addresses[question->count++];
    if (address->sa_family == AF_INET)
        slot->v4 = *(const struct sockaddr_in *)(const void *)address;
    else
        slot->v6 = *(const struct sockaddr_in6 *)(const void *)address;
    if (address->sa_family == AF_INET)
        slot->v4.sin_port = htons(question->port);
    else
        slot->v6.sin6_port = htons(question->port);
}

static void question_take(struct resolve_question *question, const struct ares_addrinfo *info)
{
    size_t count = 0;
    int ttl_s = TTL_MAX_S;

    for (const struct ares_addrinfo_cname *alias = info->cnames; alias; alias = alias->next)
        ttl_s = alias->ttl < ttl_s ? alias->ttl : ttl_s;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
        count++;
    }
    if (count > RESOLVE_MAX) {
        log_warn(NULL, "resolve %s: %zu addresses, using the first %d", question->host, count,
                 RESOLVE_MAX);
        count = RESOLVE_MAX;
    }
    question->addresses = xcalloc(count + 1, sizeof(*question->addresses));
    for (const struct ares_addrinfo_node *node = info->nodes; node && question->count < count;
         node = node->ai_next)
        question_add(question, node->ai_addr);
    question->ttl_s = (unsigned)(ttl_s > TTL_MIN_S ? ttl_s : TTL_MIN_S);
}

/* May come within ares_getaddrinfo. */
static void question_on_answer(void *user, int status, int timeouts UNUSED,
                               struct ares_addrinfo *info)
{
    struct resolve_question *question = user;

    question->asked = false;
    if (!question->done) {
        ares_freeaddrinfo(info);
        question_free(question);
        return;
    }
    if (status == ARES_SUCCESS)
        question_take(question, info);
    ares_freeaddrinfo(info);
    question->reason = question->count ? NULL : &reason_name_failed;
    worker_defer(question->resolver->worker, WORKER_WAKE, &question->deliver);
}

/* Whether the host is an address already, which then is the answer. */
static bool question_is_literal(struct resolve_question *question)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const void *found = NULL;

    if (inet_pton(AF_INET, question->host, &v4.sin_addr) == 1)
        found = &v4;
    else if (inet_pton(AF_INET6, question->host, &v6.sin6_addr) == 1)
        found = &v6;
    if (!found)
        return false;
    question->addresses = xcalloc(1, sizeof(*question->addresses));
    question->ttl_s = TTL_MAX_S;
    question_add(question, found);
    return true;
}

static void question_ask(struct resolve_question *question)
{
    struct resolver *resolver = question->resolver;
    /* Sorting would open a socket an address; whoever wants an order has reasons of its own. */
    struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
                                         .ai_family = AF_UNSPEC,
                                         .ai_socktype = SOCK_STREAM };

    question->asked = true;
    ares_getaddrinfo(resolver->channel, question->host, NULL, &hints, question_on_answer, question);
    resolver_set_timer(resolver);
}

struct resolve_question *resolve(struct resolver *resolver, struct slice host, uint16_t port,
                                 unsigned timeout_ms, resolve_fn *done, void *user)
{
    struct worker *worker = resolver->worker;
    struct resolve_question *question = xcalloc(1, sizeof(*question));

    *question = (struct resolve_question){
        .resolver = resolver,
        .done = done,
        .user = user,
        .host = slice_dup(host),
        .port = port,
    };
    list_push(&resolver->questions, &question->link);
    defer_init(&question->deliver, question_deliver);
    timer_init(&question->deadline, question_on_deadline);
    timer_set(&worker->timers, &question->deadline, worker->now_us + timeout_ms * CLOCK_US_PER_MS);
    if (question_is_literal(question))
        worker_defer(worker, WORKER_WAKE, &question->deliver);
    else
        question_ask(question);
    return question;
}

void resolve_cancel(struct resolve_question *question)
{
    question->done = NULL;
    timer_clear(&question->deadline);
    defer_cancel(&question->deliver);
    if (!question->asked)
        question_free(question);
}

socklen_t resolve_address_len(const union resolve_address *address)
{
    return address->sa.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

struct slice resolve_address_text(const union resolve_address *address,
                                  char ret_text[RESOLVE_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    int len;

    if (address->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        len = snprintf(ret_text, RESOLVE_TEXT_SIZE, "%s:%u", host, ntohs(address->v4.sin_port));
    } else if (address->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        len = snprintf(ret_text, RESOLVE_TEXT_SIZE, "[%s]:%u", host, ntohs(address->v6.sin6_port));
    } else {
        len = snprintf(ret_text, RESOLVE_TEXT_SIZE, "unix");
    }
    return slice_of(ret_text, (size_t)len);
}

struct slice resolve_text_host(struct slice text)
{
    while (text.len > 0 && text.at[text.len - 1] != ':')
        text.len--;
    text.len -= text.len > 0;
    if (text.len > 1 && text.at[0] == '[')
        return slice_of(text.at + 1, text.len - 2);
    return text;
}
