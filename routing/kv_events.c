/*
 * The index thread: one epoll for its mailbox and the sockets of its feeds. See kv_events.h.
 */
#include "routing/kv_events.h"

#include "gateway/base/clock.h"
#include "routing/kv_parts.h"
#include "routing/kv_wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_WAIT 64
#define TEND_BUCKETS  4096 /* swept a turn: a quarter of a megabyte */
/* Between turns while nothing happens: speculation ends in time; and while there is none. */
#define TEND_MS       10
#define TEND_QUIET_MS 1000
/* Between a turn that had something to do and the next. What workers tell comes in ones and twos,
 * and none of it is urgent (routing.md, 6.4: 100 ms change no figure): so it costs one wake-up a
 * nap, not one a request. */
#define NAP_US 2000

struct speculation {
    struct kv_told told;
    struct prefix_guess guess; /* `keys` are those below */
    uint64_t keys[];
};

/* ---- what workers tell ---- */

void *kv_told_new(struct kv_events *events, size_t bytes,
                  void (*open)(struct letter *letter, void *receiver))
{
    struct kv_told *told;

    if (atomic_fetch_add_explicit(&events->told_bytes, bytes, memory_order_relaxed) + bytes >
        KV_TOLD_BYTES_MAX) {
        atomic_fetch_sub_explicit(&events->told_bytes, bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&events->told_shed, 1, memory_order_relaxed);
        return NULL;
    }
    told = xmalloc(bytes);
    *told = (struct kv_told){ .letter.open = open, .bytes = bytes };
    return told;
}

void kv_told_free(struct kv_events *events, struct kv_told *told)
{
    atomic_fetch_sub_explicit(&events->told_bytes, told->bytes, memory_order_relaxed);
    free(told);
}

static void on_speculation(struct letter *letter, void *receiver)
{
    struct speculation *said = CONTAINER_OF(letter, struct speculation, told.letter);
    struct kv_events *events = receiver;

    prefix_index_speculate(events->index, events->now_us, &said->guess);
    kv_told_free(events, &said->told);
}

bool kv_events_speculate(struct kv_events *events, const struct prefix_guess *guess)
{
    size_t key_bytes = guess->count * sizeof(*guess->keys);
    struct speculation *said = kv_told_new(events, sizeof(*said) + key_bytes, on_speculation);

    if (!said)
        return false;
    said->guess = *guess;
    said->guess.keys = said->keys;
    memcpy(said->keys, guess->keys, key_bytes);
    mailbox_send(events->mailbox, &said->told.letter);
    return true;
}

uint64_t kv_events_shed(const struct kv_events *events)
{
    return atomic_load_explicit(&events->told_shed, memory_order_relaxed);
}

/* ---- the thread ---- */

static void on_over(struct letter *letter, void *receiver)
{
    struct kv_events *events = receiver;

    (void)letter;
    events->over = true;
}

/* The mailbox's descriptor is the one without a publisher. Returns whether something came. */
static bool wait_for_something(struct kv_events *events, int timeout_ms)
{
    struct epoll_event heard[EVENTS_A_WAIT];
    int count = epoll_wait(events->epoll, heard, EVENTS_A_WAIT, timeout_ms);

    events->now_us = clock_now_us();
    for (int i = 0; i < count; i++)
        if (heard[i].data.ptr)
            kv_publisher_is_ready(heard[i].data.ptr);
    mailbox_open_all(events->mailbox);
    return count > 0;
}

static int wait_ms(const struct kv_events *events)
{
    uint64_t until_us = events->now_us + TEND_QUIET_MS * CLOCK_US_PER_MS;
    uint64_t due_us = timers_next_us(&events->timers);

    if (!list_is_empty(&events->ready))
        return 0;
    if (!prefix_index_is_quiet(events->index))
        return TEND_MS;
    if (due_us <= events->now_us)
        return 0;
    return due_us < until_us ? (int)((due_us - events->now_us) / CLOCK_US_PER_MS) + 1
                             : TEND_QUIET_MS;
}

static void nap(void)
{
    struct timespec time = { .tv_nsec = NAP_US * 1000 };

    (void)nanosleep(&time, NULL);
}

static void *run(void *user)
{
    struct kv_events *events = user;

    while (!events->over) {
        bool came = wait_for_something(events, wait_ms(events));

        kv_publishers_turn(events);
        timers_run(&events->timers, events->now_us);
        prefix_index_tend(events->index, events->now_us, TEND_BUCKETS);
        if (came && list_is_empty(&events->ready))
            nap();
    }
    kv_feeds_free(events);
    kv_models_free(events);
    return NULL;
}

struct kv_events *kv_events_new(struct prefix_index *index)
{
    struct kv_events *events = xcalloc(1, sizeof(*events));
    struct epoll_event event = { .events = EPOLLIN };
    sigset_t all, before;

    events->index = index;
    events->mailbox = mailbox_new(events);
    events->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(events->epoll >= 0);
    events->wires = kv_wires_new(events->epoll, 2 * KV_PUBLISHERS_MAX);
    CHECK(epoll_ctl(events->epoll, EPOLL_CTL_ADD, mailbox_fd(events->mailbox), &event) == 0);
    events->now_us = clock_now_us();
    timers_init(&events->timers, events->now_us);
    list_init(&events->feeds);
    list_init(&events->models);
    list_init(&events->ready);
    events->closing.open = on_over;
    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&events->thread, NULL, run, events) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(events->thread, "index");
    return events;
}

void kv_events_free(struct kv_events *events)
{
    if (!events)
        return;
    mailbox_send(events->mailbox, &events->closing);
    pthread_join(events->thread, NULL);
    kv_wires_free(events->wires);
    close(events->epoll);
    mailbox_free(events->mailbox);
    free(events);
}
