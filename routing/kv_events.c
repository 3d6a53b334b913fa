/*
 * The index thread and its sockets. See kv_events.h.
 *
 * libzmq says by an edge of a descriptor that something may have happened to a socket, so a feed
 * whose descriptor rang takes turns until each of its sockets has nothing left. What libzmq tells
 * of connections comes by a third socket, its monitor.
 */
#include "routing/kv_events.h"

#include "gateway/base/clock.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/timer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define EVENTS_A_WAIT    64
#define MESSAGES_A_TURN  64   /* of a feed, before the others have theirs */
#define TEND_BUCKETS     4096 /* swept a turn: a quarter of a megabyte */
#define TEND_MS          10   /* between turns while nothing happens: speculation ends in time */
#define FRAMES_MAX       4
#define NUMBER_BYTES     8
#define RECEIVE_MAX      1000 /* messages */
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 5000
/* A replay that stands still, and how long after one that failed no other is tried. */
#define REPLAY_IDLE_US     (2 * CLOCK_US_PER_S)
#define REPLAY_COOLDOWN_US (30 * CLOCK_US_PER_S)
#define REPLAY_END         UINT64_MAX

struct kv_events {
    struct prefix_index *index;
    struct mailbox *mailbox;
    void *zmq;
    int epoll;
    pthread_t thread;
    bool over;
    struct letter closing;
    struct timers timers;
    uint64_t now_us;
    struct list feeds;
    struct list ready; /* feeds that may have something to read */
};

struct kv_feed {
    struct log_subject subject;
    struct kv_events *events;
    struct list link, ready_link;
    struct letter opening, closing;
    char *name, *url, *replay_url, *topic, *model;
    uint32_t block;
    uint64_t prefix_seed;
    struct kv_source source;
    void *sub, *monitor, *dealer;
    struct timer replay_idle;
    uint64_t no_replay_until_us;
    /* Written by the index thread, read by all. */
    _Atomic uint32_t column, page_tokens;
    _Atomic bool connected;
    _Atomic uint64_t counts[KV_FEED_COUNTS];
};

struct speculation {
    struct letter letter;
    uint64_t until_us;
    uint32_t column;
    size_t count;
    uint64_t keys[];
};

/* A message of several frames. */
struct frames {
    zmq_msg_t at[FRAMES_MAX];
    size_t count; /* those beyond FRAMES_MAX are dropped, and counted */
};

static void frames_release(struct frames *frames)
{
    for (size_t i = 0; i < frames->count && i < FRAMES_MAX; i++)
        zmq_msg_close(&frames->at[i]);
}

static struct slice frame(struct frames *frames, size_t i)
{
    return slice_of(zmq_msg_data(&frames->at[i]), zmq_msg_size(&frames->at[i]));
}

/* The next whole message. False: there is none. */
static bool frames_receive(void *socket, struct frames *ret_frames)
{
    bool more = true;

    ret_frames->count = 0;
    while (more) {
        zmq_msg_t spare;
        zmq_msg_t *at =
            ret_frames->count < FRAMES_MAX ? &ret_frames->at[ret_frames->count] : &spare;

        zmq_msg_init(at);
        if (zmq_msg_recv(at, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(at);
            frames_release(ret_frames);
            return false;
        }
        more = zmq_msg_more(at);
        if (at == &spare)
            zmq_msg_close(at);
        ret_frames->count++;
    }
    return true;
}

/* The number before the payload, both at the end of a message; engines differ in what comes before.
 */
static bool frames_batch(struct frames *frames, size_t count, uint64_t *ret_number,
                         struct slice *ret_payload)
{
    struct slice number;

    if (frames->count != count || count > FRAMES_MAX)
        return false;
    number = frame(frames, count - 2);
    if (number.len != NUMBER_BYTES)
        return false;
    *ret_number = 0;
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        *ret_number = *ret_number << 8 | (uint8_t)number.at[i];
    *ret_payload = frame(frames, count - 1);
    return true;
}

static void feed_print(const struct log_subject *subject, char *text, size_t size)
{
    const struct kv_feed *feed = CONTAINER_OF(subject, struct kv_feed, subject);

    snprintf(text, size, "endpoint %s events %s", feed->name, feed->url);
}

/* What others may know of it. */
static void feed_publish(struct kv_feed *feed)
{
    const struct kv_source *source = &feed->source;
    const uint64_t counts[KV_FEED_COUNTS] = {
        [KV_FEED_BATCHES] = source->stats.batches,
        [KV_FEED_EVENTS] = source->tally.events,
        [KV_FEED_STORED] = source->mirror.stats.stored,
        [KV_FEED_REMOVED] = source->mirror.stats.removed,
        [KV_FEED_ORPHANS] = source->mirror.stats.orphans,
        [KV_FEED_UNKNOWN] = source->tally.unknown,
        [KV_FEED_MALFORMED] = source->stats.malformed,
        [KV_FEED_GAPS] = source->stats.gaps,
        [KV_FEED_REPLAYS] = source->stats.replays,
        [KV_FEED_HOLES] = source->stats.holes,
        [KV_FEED_RESTARTS] = source->stats.restarts,
    };

    for (size_t i = 0; i < KV_FEED_COUNTS; i++)
        atomic_store_explicit(&feed->counts[i], counts[i], memory_order_relaxed);
    atomic_store_explicit(&feed->page_tokens, source->mirror.page_tokens, memory_order_relaxed);
    atomic_store_explicit(&feed->column, source->mirror.column, memory_order_relaxed);
}

static void feed_is_ready(struct kv_feed *feed)
{
    if (!list_is_linked(&feed->ready_link))
        list_push(&feed->events->ready, &feed->ready_link);
}

/* A socket of the feed, whose descriptor rings for it. */
static void *socket_new(struct kv_feed *feed, int type)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = feed };
    void *socket = zmq_socket(feed->events->zmq, type);
    size_t size = sizeof(int);
    int linger = 0, fd;

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    epoll_ctl(feed->events->epoll, EPOLL_CTL_ADD, fd, &event);
    return socket;
}

static void socket_free(struct kv_feed *feed, void **socket)
{
    size_t size = sizeof(int);
    int fd;

    if (!*socket)
        return;
    zmq_getsockopt(*socket, ZMQ_FD, &fd, &size);
    epoll_ctl(feed->events->epoll, EPOLL_CTL_DEL, fd, NULL);
    zmq_close(*socket);
    *socket = NULL;
}

static void set_number(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof(value));
}

static void set_network(void *socket)
{
    int64_t limit = KV_BATCH_BYTES_MAX;

    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &limit, sizeof(limit));
    set_number(socket, ZMQ_RCVHWM, RECEIVE_MAX);
    set_number(socket, ZMQ_IPV6, 1);
    set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_number(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_number(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30); /* s; then every 10, three times */
    set_number(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10);
    set_number(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

static void replay_begin(struct kv_feed *feed, struct kv_replay replay);

static void replay_end(struct kv_feed *feed, bool complete)
{
    timer_clear(&feed->replay_idle);
    socket_free(feed, &feed->dealer);
    if (!complete) {
        feed->no_replay_until_us = feed->events->now_us + REPLAY_COOLDOWN_US;
        log_warn(&feed->subject, "replay: no answer, what was held is forgotten");
    }
    replay_begin(feed, kv_source_replay_ended(&feed->source, complete));
    feed_is_ready(feed); /* batches waited meanwhile */
}

static void on_replay_idle(struct timer *timer)
{
    struct kv_feed *feed = CONTAINER_OF(timer, struct kv_feed, replay_idle);

    replay_end(feed, /* complete= */ false);
    feed_publish(feed);
}

static void replay_begin(struct kv_feed *feed, struct kv_replay replay)
{
    char number[NUMBER_BYTES];

    if (!replay.wanted)
        return;
    if (feed->events->now_us >= feed->no_replay_until_us)
        feed->dealer = socket_new(feed, ZMQ_DEALER);
    if (!feed->dealer) {
        (void)kv_source_replay_ended(&feed->source, /* complete= */ false);
        return;
    }
    log_info(&feed->subject, "replay: asking for batches from %llu on",
             (unsigned long long)replay.from);
    set_network(feed->dealer);
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        number[i] = (char)(replay.from >> 8 * (NUMBER_BYTES - 1 - i));
    zmq_connect(feed->dealer, feed->replay_url);
    zmq_send(feed->dealer, "", 0, ZMQ_SNDMORE);
    zmq_send(feed->dealer, number, sizeof(number), 0);
    timer_set(&feed->events->timers, &feed->replay_idle, feed->events->now_us + REPLAY_IDLE_US);
    feed_is_ready(feed);
}

/* One message of the replay; an empty frame comes first, a topic from some. False: none is there.
 */
static bool replay_turn(struct kv_feed *feed)
{
    struct frames frames;
    struct slice payload;
    uint64_t number;
    bool end = false;

    if (!feed->dealer || !frames_receive(feed->dealer, &frames))
        return false;
    timer_set(&feed->events->timers, &feed->replay_idle, feed->events->now_us + REPLAY_IDLE_US);
    if (!frames_batch(&frames, 4, &number, &payload) &&
        !frames_batch(&frames, 3, &number, &payload))
        feed->source.stats.malformed++;
    else if (number == REPLAY_END)
        end = true;
    else
        kv_source_replayed(&feed->source, number, payload);
    frames_release(&frames);
    if (end)
        replay_end(feed, /* complete= */ true);
    return true;
}

static bool live_turn(struct kv_feed *feed)
{
    struct frames frames;
    struct slice payload;
    uint64_t number;

    if (feed->source.replaying || !frames_receive(feed->sub, &frames))
        return false;
    if (frames_batch(&frames, 3, &number, &payload) && number != REPLAY_END)
        replay_begin(feed, kv_source_live(&feed->source, number, payload));
    else
        feed->source.stats.malformed++;
    frames_release(&frames);
    return true;
}

static void on_connected(struct kv_feed *feed)
{
    log_info(&feed->subject, "connected");
    atomic_store_explicit(&feed->connected, true, memory_order_relaxed);
    if (feed->source.replaying)
        replay_end(feed, /* complete= */ false);
    replay_begin(feed, kv_source_connected(&feed->source));
}

/* What libzmq says of the connection: the event's number is the first frame's first two bytes. */
static bool monitor_turn(struct kv_feed *feed)
{
    struct frames frames;
    uint16_t event = 0;

    if (!feed->monitor || !frames_receive(feed->monitor, &frames))
        return false;
    if (frame(&frames, 0).len >= sizeof(event))
        memcpy(&event, frame(&frames, 0).at, sizeof(event));
    frames_release(&frames);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        on_connected(feed);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        log_info(&feed->subject, "disconnected");
        atomic_store_explicit(&feed->connected, false, memory_order_relaxed);
    }
    return true;
}

static void feed_turn(struct kv_feed *feed)
{
    list_remove(&feed->ready_link);
    for (int i = 0; i < MESSAGES_A_TURN; i++)
        if (!monitor_turn(feed) && !replay_turn(feed) && !live_turn(feed)) {
            feed_publish(feed);
            return;
        }
    feed_publish(feed);
    feed_is_ready(feed);
}

static void feed_listen(struct kv_feed *feed)
{
    char monitor[64];

    feed->sub = socket_new(feed, ZMQ_SUB);
    if (!feed->sub) {
        log_error(&feed->subject, "no socket left, its events are not heard");
        return;
    }
    snprintf(monitor, sizeof(monitor), "inproc://feed-%p", (void *)feed);
    zmq_socket_monitor(feed->sub, monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    feed->monitor = socket_new(feed, ZMQ_PAIR);
    if (feed->monitor)
        zmq_connect(feed->monitor, monitor);
    set_network(feed->sub);
    zmq_setsockopt(feed->sub, ZMQ_SUBSCRIBE, feed->topic, strlen(feed->topic));
    if (zmq_connect(feed->sub, feed->url) != 0)
        log_error(&feed->subject, "connect: %s, its events are not heard", zmq_strerror(errno));
}

static void on_open(struct letter *letter, void *receiver)
{
    struct kv_feed *feed = CONTAINER_OF(letter, struct kv_feed, opening);
    struct kv_events *events = receiver;

    kv_source_init(&feed->source, events->index, feed->block, feed->prefix_seed,
                   slice_str(feed->model), feed->replay_url != NULL);
    list_push(&events->feeds, &feed->link);
    feed_listen(feed);
    feed_publish(feed);
    feed_is_ready(feed);
}

static void feed_free(struct kv_feed *feed)
{
    timer_clear(&feed->replay_idle);
    list_remove(&feed->link);
    list_remove(&feed->ready_link);
    if (feed->sub)
        zmq_socket_monitor(feed->sub, NULL, 0);
    socket_free(feed, &feed->dealer);
    socket_free(feed, &feed->monitor);
    socket_free(feed, &feed->sub);
    kv_source_release(&feed->source);
    free(feed->name);
    free(feed->url);
    free(feed->replay_url);
    free(feed->topic);
    free(feed->model);
    free(feed);
}

static void on_close(struct letter *letter, void *receiver)
{
    (void)receiver;
    feed_free(CONTAINER_OF(letter, struct kv_feed, closing));
}

static void on_speculation(struct letter *letter, void *receiver)
{
    struct speculation *said = CONTAINER_OF(letter, struct speculation, letter);
    struct kv_events *events = receiver;

    prefix_index_speculate(events->index, events->now_us, said->until_us, said->column, said->keys,
                           said->count);
    free(said);
}

static void on_over(struct letter *letter, void *receiver)
{
    struct kv_events *events = receiver;

    (void)letter;
    events->over = true;
}

/* The mailbox's descriptor is the one without a feed. */
static void wait_for_something(struct kv_events *events, int timeout_ms)
{
    struct epoll_event heard[EVENTS_A_WAIT];
    int count = epoll_wait(events->epoll, heard, EVENTS_A_WAIT, timeout_ms);

    events->now_us = clock_now_us();
    for (int i = 0; i < count; i++)
        if (heard[i].data.ptr)
            feed_is_ready(heard[i].data.ptr);
    mailbox_open_all(events->mailbox);
}

static void *run(void *user)
{
    struct kv_events *events = user;
    struct list turn;

    while (!events->over) {
        bool busy = !list_is_empty(&events->ready);

        wait_for_something(events, busy ? 0 : TEND_MS);
        list_init(&turn);
        list_splice(&turn, &events->ready);
        while (!list_is_empty(&turn))
            feed_turn(CONTAINER_OF(turn.next, struct kv_feed, ready_link));
        timers_run(&events->timers, events->now_us);
        prefix_index_tend(events->index, events->now_us, TEND_BUCKETS);
    }
    while (!list_is_empty(&events->feeds))
        feed_free(CONTAINER_OF(events->feeds.next, struct kv_feed, link));
    return NULL;
}

struct kv_events *kv_events_new(struct prefix_index *index)
{
    struct kv_events *events = xcalloc(1, sizeof(*events));
    struct epoll_event event = { .events = EPOLLIN };
    sigset_t all, before;

    events->index = index;
    events->mailbox = mailbox_new(events);
    events->zmq = zmq_ctx_new();
    zmq_ctx_set(events->zmq, ZMQ_MAX_SOCKETS, 3 * KV_FEEDS_MAX);
    events->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(events->epoll >= 0);
    CHECK(epoll_ctl(events->epoll, EPOLL_CTL_ADD, mailbox_fd(events->mailbox), &event) == 0);
    events->now_us = clock_now_us();
    timers_init(&events->timers, events->now_us);
    list_init(&events->feeds);
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
    zmq_ctx_term(events->zmq);
    close(events->epoll);
    mailbox_free(events->mailbox);
    free(events);
}

struct kv_feed *kv_feed_open(struct kv_events *events, const struct kv_feed_conf *conf)
{
    struct kv_feed *feed = xcalloc(1, sizeof(*feed));
    char *model = xmalloc(conf->model.len + 1);

    memcpy(model, conf->model.at ? conf->model.at : "", conf->model.len);
    model[conf->model.len] = 0;
    feed->subject.print = feed_print;
    feed->events = events;
    feed->name = xstrdup(conf->name);
    feed->url = xstrdup(conf->events);
    feed->replay_url = conf->replay ? xstrdup(conf->replay) : NULL;
    feed->topic = xstrdup(conf->topic ? conf->topic : "");
    feed->model = model;
    feed->block = conf->block;
    feed->prefix_seed = conf->prefix_seed;
    feed->opening.open = on_open;
    feed->closing.open = on_close;
    list_init(&feed->link);
    list_init(&feed->ready_link);
    timer_init(&feed->replay_idle, on_replay_idle);
    atomic_store(&feed->column, PREFIX_COLUMN_NONE);
    mailbox_send(events->mailbox, &feed->opening);
    return feed;
}

void kv_feed_close(struct kv_feed *feed)
{
    mailbox_send(feed->events->mailbox, &feed->closing);
}

uint32_t kv_feed_column(const struct kv_feed *feed)
{
    return atomic_load_explicit(&feed->column, memory_order_relaxed);
}

uint32_t kv_feed_page_tokens(const struct kv_feed *feed)
{
    return atomic_load_explicit(&feed->page_tokens, memory_order_relaxed);
}

uint64_t kv_feed_count(const struct kv_feed *feed, enum kv_feed_count which)
{
    return atomic_load_explicit(&feed->counts[which], memory_order_relaxed);
}

bool kv_feed_is_connected(const struct kv_feed *feed)
{
    return atomic_load_explicit(&feed->connected, memory_order_relaxed);
}

void kv_events_speculate(struct kv_events *events, uint64_t until_us, uint32_t column,
                         const uint64_t *keys, size_t count)
{
    struct speculation *said = xmalloc(sizeof(*said) + count * sizeof(*keys));

    *said = (struct speculation){
        .letter.open = on_speculation, .until_us = until_us, .column = column, .count = count
    };
    memcpy(said->keys, keys, count * sizeof(*keys));
    mailbox_send(events->mailbox, &said->letter);
}
