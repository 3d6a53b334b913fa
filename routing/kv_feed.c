/*
 * Feeds. See kv_feed.h.
 *
 * libzmq says by an edge of a descriptor that something may have happened to a socket, so a feed
 * whose descriptor rang takes turns until each of its sockets has nothing left. What libzmq tells
 * of connections comes by a third socket, its monitor.
 *
 *     silent --change--> listening --change--> listening elsewhere, empty
 *        ^                   |
 *        +---change(NULL)----+
 */
#include "routing/kv_feed.h"

#include "gateway/base/clock.h"
#include "routing/kv_parts.h"
#include "routing/kv_patience.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

/* Of a feed, before the others have theirs: so many messages, or as many as take so long. */
#define MESSAGES_A_TURN  64
#define TURN_US          2000
#define FRAMES_MAX       4
#define NUMBER_BYTES     8
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 5000
#define REPLAY_END       UINT64_MAX
/* libzmq connects again by itself, but not after a message that is too large: then its socket is
 * made anew, as after a longer time without a connection. */
#define REOPEN_US (2 * RECONNECT_MAX_MS * CLOCK_US_PER_MS)
/* What goes on being wrong with a publisher is said so seldom. */
#define SAY_US (60 * CLOCK_US_PER_S)

/* What it listens to; texts are its own. */
struct settings {
    char *name, *url, *replay_url, *topic, *cache;
    uint32_t block;
    uint64_t prefix_seed;
};

/* What is said of a feed in the log when a count grows. */
static const struct {
    enum kv_feed_count count;
    const char *words;
} sayings[] = {
    { KV_FEED_MALFORMED,
      "messages that are no KV events, passed over; what was held is forgotten" },
    { KV_FEED_GAPS, "batches of KV events were lost on the way" },
    { KV_FEED_HOLES, "lost batches did not come again; what was held is forgotten" },
    { KV_FEED_RESTARTS, "the engine began anew; what was held is forgotten" },
    { KV_FEED_REFUSED, "more pages or ranks than one engine has, the rest is passed over" },
};

struct kv_feed {
    struct log_subject subject;
    struct kv_events *events;
    struct list link, ready_link;
    struct letter opening, closing;
    bool listening; /* `settings` and `source` are there */
    struct settings settings;
    struct kv_source source;
    void *sub, *monitor;
    void *dealer; /* NULL: no replay is under way, though one may wait for its time */
    struct kv_patience patience;
    uint64_t replay_from, replays; /* the one that waits; those that began */
    struct timer replay;           /* it is to begin, or has failed */
    struct timer reopen;           /* sockets are made anew */
    uint64_t connects;
    uint64_t no_word_until_us; /* of connections */
    uint64_t quiet_until_us[ARRAY_LEN(sayings)];
    /* Written by the index thread, read by all. */
    _Atomic uint32_t column, page_tokens;
    _Atomic bool connected, heard;
    _Atomic uint64_t counts[KV_FEED_COUNTS];
};

const char *const kv_feed_count_names[KV_FEED_COUNTS] = {
#define KV_FEED_COUNT(id, name) [KV_FEED_##id] = name,
#include "routing/kv_feed_counts.def"
#undef KV_FEED_COUNT
};

/* A feed is to listen elsewhere. */
struct change {
    struct letter letter;
    struct kv_feed *feed;
    bool silent;
    struct settings settings;
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

    snprintf(text, size, "%s events %s", feed->settings.name, feed->settings.url);
}

/* ---- what others may know of it ---- */

static void say_growth(struct kv_feed *feed, const uint64_t *counts)
{
    for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
        enum kv_feed_count which = sayings[i].count;

        if (counts[which] <= kv_feed_count(feed, which) ||
            feed->events->now_us < feed->quiet_until_us[i])
            continue;
        feed->quiet_until_us[i] = feed->events->now_us + SAY_US;
        log_warn(&feed->subject, "%s", sayings[i].words);
    }
}

static void feed_publish(struct kv_feed *feed)
{
    const struct kv_source *source = &feed->source;
    const struct kv_mirror_stats *mirror = &source->mirror.stats;
    const uint64_t counts[KV_FEED_COUNTS] = {
        [KV_FEED_BATCHES] = source->stats.batches,   [KV_FEED_EVENTS] = source->tally.events,
        [KV_FEED_STORED] = mirror->stored,           [KV_FEED_REMOVED] = mirror->removed,
        [KV_FEED_REPEATED] = source->stats.repeated, [KV_FEED_ORPHANS] = mirror->orphans,
        [KV_FEED_FOREIGN] = mirror->foreign,         [KV_FEED_REFUSED] = mirror->refused,
        [KV_FEED_UNKNOWN] = source->tally.unknown,   [KV_FEED_MALFORMED] = source->stats.malformed,
        [KV_FEED_GAPS] = source->stats.gaps,         [KV_FEED_REPLAYS] = feed->replays,
        [KV_FEED_HOLES] = source->stats.holes,       [KV_FEED_RESTARTS] = source->stats.restarts,
        [KV_FEED_CLEARS] = mirror->clears,           [KV_FEED_CONNECTS] = feed->connects,
    };

    say_growth(feed, counts);
    for (size_t i = 0; i < KV_FEED_COUNTS; i++)
        atomic_store_explicit(&feed->counts[i], counts[i], memory_order_relaxed);
    atomic_store_explicit(&feed->page_tokens, source->mirror.page_tokens, memory_order_relaxed);
    atomic_store_explicit(&feed->column, source->mirror.column, memory_order_relaxed);
    if (source->stats.batches > 0)
        atomic_store_explicit(&feed->heard, true, memory_order_relaxed);
}

void kv_feed_is_ready(struct kv_feed *feed)
{
    if (!list_is_linked(&feed->ready_link))
        list_push(&feed->events->ready, &feed->ready_link);
}

/* ---- sockets ---- */

void kv_sockets_new(struct kv_events *events)
{
    events->zmq = zmq_ctx_new();
    CHECK(events->zmq);
    zmq_ctx_set(events->zmq, ZMQ_MAX_SOCKETS, 3 * KV_FEEDS_MAX);
}

void kv_sockets_free(struct kv_events *events)
{
    zmq_ctx_term(events->zmq);
}

/* A socket of the feed, whose descriptor rings for it. NULL: there is none left. */
static void *socket_new(struct kv_feed *feed, int type)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = feed };
    void *socket = zmq_socket(feed->events->zmq, type);
    size_t size = sizeof(int);
    int linger = 0, fd;

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0 ||
        epoll_ctl(feed->events->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        zmq_close(socket); /* nobody would hear it */
        return NULL;
    }
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
    set_number(socket, ZMQ_RCVHWM, KV_FEED_WAITING);
    set_number(socket, ZMQ_IPV6, 1);
    set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_number(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_number(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30); /* s; then every 10, three times */
    set_number(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10);
    set_number(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

/* ---- replays ---- */

static bool may_replay(const struct kv_feed *feed)
{
    return feed->settings.replay_url && kv_patience_allows(&feed->patience, feed->events->now_us);
}

/* Live batches wait from now on, until it has begun and ended. */
static void replay_want(struct kv_feed *feed, struct kv_replay replay)
{
    if (!replay.wanted)
        return;
    feed->replay_from = replay.from;
    timer_set(&feed->events->timers, &feed->replay,
              kv_patience_next_us(&feed->patience, feed->events->now_us));
}

static void replay_stop(struct kv_feed *feed)
{
    timer_clear(&feed->replay);
    socket_free(feed, &feed->dealer);
}

static void replay_end(struct kv_feed *feed, bool complete)
{
    uint64_t holes = feed->source.stats.holes;
    struct kv_replay another;
    enum kv_replay_end end = KV_REPLAY_FAILED;

    replay_stop(feed);
    another = kv_source_replay_ended(&feed->source, complete);
    if (complete) {
        bool useless = another.wanted || feed->source.stats.holes > holes;

        end = useless ? KV_REPLAY_USELESS : KV_REPLAY_USEFUL;
        atomic_store_explicit(&feed->heard, true, memory_order_relaxed);
    } else {
        log_warn(&feed->subject, "replay: it came to no end, what was held is forgotten");
    }
    kv_patience_ended(&feed->patience, end, feed->events->now_us);
    replay_want(feed, another);
    kv_feed_is_ready(feed); /* batches waited meanwhile */
}

/* The connection is another: what the replay would bring may be the old engine's. */
static void replay_abandon(struct kv_feed *feed)
{
    if (!feed->source.replaying)
        return;
    if (feed->dealer)
        kv_patience_ended(&feed->patience, KV_REPLAY_USELESS, feed->events->now_us);
    replay_stop(feed);
    (void)kv_source_replay_ended(&feed->source, /* complete= */ false);
}

static void replay_set_timer(struct kv_feed *feed)
{
    timer_set(&feed->events->timers, &feed->replay, kv_patience_until_us(&feed->patience));
}

static void replay_begin(struct kv_feed *feed)
{
    char number[NUMBER_BYTES];

    log_info(&feed->subject, "replay: asking for batches from %llu on",
             (unsigned long long)feed->replay_from);
    set_network(feed->dealer);
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        number[i] = (char)(feed->replay_from >> 8 * (NUMBER_BYTES - 1 - i));
    zmq_connect(feed->dealer, feed->settings.replay_url);
    zmq_send(feed->dealer, "", 0, ZMQ_SNDMORE);
    zmq_send(feed->dealer, number, sizeof(number), 0);
    feed->replays++;
    kv_patience_begun(&feed->patience, feed->events->now_us);
    replay_set_timer(feed);
    kv_feed_is_ready(feed);
}

static void on_replay(struct timer *timer)
{
    struct kv_feed *feed = CONTAINER_OF(timer, struct kv_feed, replay);

    if (!feed->dealer && (feed->dealer = socket_new(feed, ZMQ_DEALER)))
        replay_begin(feed);
    else
        replay_end(feed, /* complete= */ false);
    feed_publish(feed);
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
    kv_patience_heard(&feed->patience, feed->events->now_us);
    replay_set_timer(feed);
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

/* ---- turns ---- */

static bool live_turn(struct kv_feed *feed)
{
    struct frames frames;
    struct slice payload;
    uint64_t number;

    if (feed->source.replaying || !frames_receive(feed->sub, &frames))
        return false;
    feed->source.can_replay = may_replay(feed);
    if (frames_batch(&frames, 3, &number, &payload) && number != REPLAY_END)
        replay_want(feed, kv_source_live(&feed->source, number, payload));
    else
        feed->source.stats.malformed++;
    frames_release(&frames);
    return true;
}

/* A connection that comes and goes is told of once in a while. */
static void say_connection(struct kv_feed *feed, const char *words)
{
    if (feed->connects <= 1 || feed->events->now_us >= feed->no_word_until_us)
        log_info(&feed->subject, "%s", words);
}

static void on_connected(struct kv_feed *feed)
{
    timer_clear(&feed->reopen);
    feed->connects++;
    say_connection(feed, "connected");
    atomic_store_explicit(&feed->connected, true, memory_order_relaxed);
    replay_abandon(feed);
    feed->source.can_replay = may_replay(feed);
    replay_want(feed, kv_source_connected(&feed->source));
}

static void on_disconnected(struct kv_feed *feed)
{
    say_connection(feed, "connection lost, connecting again");
    if (feed->events->now_us >= feed->no_word_until_us)
        feed->no_word_until_us = feed->events->now_us + SAY_US;
    atomic_store_explicit(&feed->connected, false, memory_order_relaxed);
    timer_set(&feed->events->timers, &feed->reopen, feed->events->now_us + REOPEN_US);
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
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        on_connected(feed);
    else if (event == ZMQ_EVENT_DISCONNECTED)
        on_disconnected(feed);
    return true;
}

static void feed_turn(struct kv_feed *feed)
{
    uint64_t until_us = clock_now_us() + TURN_US;

    list_remove(&feed->ready_link);
    if (!feed->listening)
        return;
    for (int i = 0; i < MESSAGES_A_TURN && clock_now_us() < until_us; i++)
        if (!monitor_turn(feed) && !replay_turn(feed) && !live_turn(feed)) {
            feed_publish(feed);
            return;
        }
    feed_publish(feed);
    kv_feed_is_ready(feed);
}

void kv_feeds_turn(struct kv_events *events)
{
    struct list turn;

    list_init(&turn);
    list_splice(&turn, &events->ready);
    while (!list_is_empty(&turn))
        feed_turn(CONTAINER_OF(turn.next, struct kv_feed, ready_link));
}

/* Each has a name that none had before: libzmq gives a name back some time after its close. */
static void open_monitor(struct kv_feed *feed)
{
    char monitor[64];

    snprintf(monitor, sizeof(monitor), "inproc://feed-%llu",
             (unsigned long long)feed->events->monitors++);
    feed->monitor = socket_new(feed, ZMQ_PAIR);
    if (!feed->monitor ||
        zmq_socket_monitor(feed->sub, monitor,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0 ||
        zmq_connect(feed->monitor, monitor) != 0)
        log_error(&feed->subject, "monitor: %s, its events are not believed", zmq_strerror(errno));
}

static void open_sockets(struct kv_feed *feed)
{
    const char *topic = feed->settings.topic;

    feed->sub = socket_new(feed, ZMQ_SUB);
    if (!feed->sub) {
        log_error(&feed->subject, "no socket left, trying again");
        timer_set(&feed->events->timers, &feed->reopen, feed->events->now_us + REOPEN_US);
        return;
    }
    open_monitor(feed);
    set_network(feed->sub);
    zmq_setsockopt(feed->sub, ZMQ_SUBSCRIBE, topic, strlen(topic));
    if (zmq_connect(feed->sub, feed->settings.url) != 0)
        log_error(&feed->subject, "connect: %s, its events are not heard", zmq_strerror(errno));
}

static void close_sockets(struct kv_feed *feed)
{
    if (feed->sub)
        zmq_socket_monitor(feed->sub, NULL, 0);
    socket_free(feed, &feed->monitor);
    socket_free(feed, &feed->sub);
}

static void on_reopen(struct timer *timer)
{
    struct kv_feed *feed = CONTAINER_OF(timer, struct kv_feed, reopen);

    close_sockets(feed);
    open_sockets(feed);
    timer_set(&feed->events->timers, timer, feed->events->now_us + REOPEN_US);
    kv_feed_is_ready(feed);
}

/* ---- a feed's life ---- */

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct settings settings_of(const struct kv_feed_conf *conf)
{
    return (struct settings){
        .name = xstrdup(conf->name),
        .url = xstrdup(conf->events),
        .replay_url = copy(conf->replay),
        .topic = xstrdup(conf->topic ? conf->topic : ""),
        .cache = slice_dup(conf->cache),
        .block = conf->block,
        .prefix_seed = conf->prefix_seed,
    };
}

static void settings_release(struct settings *settings)
{
    free(settings->name);
    free(settings->url);
    free(settings->replay_url);
    free(settings->topic);
    free(settings->cache);
}

static void feed_silence(struct kv_feed *feed)
{
    if (!feed->listening)
        return;
    feed->listening = false;
    replay_stop(feed);
    timer_clear(&feed->reopen);
    list_remove(&feed->ready_link);
    close_sockets(feed);
    kv_source_release(&feed->source);
    settings_release(&feed->settings);
    atomic_store_explicit(&feed->connected, false, memory_order_relaxed);
    atomic_store_explicit(&feed->heard, false, memory_order_relaxed);
    atomic_store_explicit(&feed->column, PREFIX_COLUMN_NONE, memory_order_relaxed);
    atomic_store_explicit(&feed->page_tokens, 0, memory_order_relaxed);
}

static void feed_listen(struct kv_feed *feed, const struct settings *settings)
{
    feed->settings = *settings;
    feed->listening = true;
    feed->patience = (struct kv_patience){ 0 };
    kv_source_init(&feed->source, feed->events->index, settings->block, settings->prefix_seed,
                   slice_str(settings->cache), settings->replay_url != NULL);
    open_sockets(feed);
    feed_publish(feed);
    kv_feed_is_ready(feed);
}

static void on_open(struct letter *letter, void *receiver)
{
    struct kv_feed *feed = CONTAINER_OF(letter, struct kv_feed, opening);
    struct kv_events *events = receiver;

    list_push(&events->feeds, &feed->link);
}

static void on_change(struct letter *letter, void *receiver)
{
    struct change *change = CONTAINER_OF(letter, struct change, letter);

    (void)receiver;
    feed_silence(change->feed);
    if (!change->silent)
        feed_listen(change->feed, &change->settings);
    free(change);
}

static void feed_free(struct kv_feed *feed)
{
    feed_silence(feed);
    list_remove(&feed->link);
    free(feed);
}

static void on_close(struct letter *letter, void *receiver)
{
    (void)receiver;
    feed_free(CONTAINER_OF(letter, struct kv_feed, closing));
}

void kv_feeds_free(struct kv_events *events)
{
    while (!list_is_empty(&events->feeds))
        feed_free(CONTAINER_OF(events->feeds.next, struct kv_feed, link));
}

struct kv_feed *kv_feed_open(struct kv_events *events, const struct kv_feed_conf *conf)
{
    struct kv_feed *feed = xcalloc(1, sizeof(*feed));

    feed->subject.print = feed_print;
    feed->events = events;
    feed->opening.open = on_open;
    feed->closing.open = on_close;
    list_init(&feed->link);
    list_init(&feed->ready_link);
    timer_init(&feed->replay, on_replay);
    timer_init(&feed->reopen, on_reopen);
    atomic_init(&feed->column, PREFIX_COLUMN_NONE);
    mailbox_send(events->mailbox, &feed->opening);
    if (conf)
        kv_feed_change(feed, conf);
    return feed;
}

void kv_feed_change(struct kv_feed *feed, const struct kv_feed_conf *conf)
{
    struct change *change = xcalloc(1, sizeof(*change));

    change->letter.open = on_change;
    change->feed = feed;
    change->silent = !conf;
    if (conf)
        change->settings = settings_of(conf);
    mailbox_send(feed->events->mailbox, &change->letter);
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

bool kv_feed_is_heard(const struct kv_feed *feed)
{
    return kv_feed_is_connected(feed) && atomic_load_explicit(&feed->heard, memory_order_relaxed);
}
