/*
 * The index thread over real sockets: what publishers say is in the index, what was missed is asked
 * for again, and an engine that restarted begins empty.
 */
#include "routing/kv_events.h"

#include "gateway/base/clock.h"
#include "gateway/token/blocks.h"
#include "routing/kv_feed.h"
#include "routing/kv_model.h"
#include "routing/kv_pages.h"
#include "routing/kv_url.h"
#include "tests/engine/kv_batch.c" /* the engine is a program, not a library */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define PAGE    16
#define BLOCKS  8
#define MANY    1100
#define WAIT_US (20 * CLOCK_US_PER_S)

/* A publisher as engines have them: PUB, and ROUTER for replays. */
struct publisher {
    void *zmq, *pub, *router;
    char url[KV_URL_MAX], replay_url[KV_URL_MAX];
    struct kv_batches batches;
    bool with_topic; /* in replays, as newer ones do */
    bool forgetful;  /* a replay ends at once: nothing is kept */
    bool stalls;     /* a replay stands still after its first batch */
};

static const struct blocks_scope scope = { .prefix_seed = 3, .model = SLICE_INIT("m") };

static void *bound(void *zmq, int type, char *ret_url, size_t size)
{
    void *socket = zmq_socket(zmq, type);
    int linger = 0;

    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_url, &size), 0);
    return socket;
}

static void publisher_init(struct publisher *publisher, void *zmq)
{
    memset(publisher, 0, sizeof(*publisher));
    publisher->zmq = zmq;
    publisher->pub = bound(zmq, ZMQ_PUB, publisher->url, sizeof(publisher->url));
    publisher->router =
        bound(zmq, ZMQ_ROUTER, publisher->replay_url, sizeof(publisher->replay_url));
    kv_batches_init(&publisher->batches, 0, PAGE, 64);
}

static void publisher_release(struct publisher *publisher)
{
    zmq_close(publisher->pub);
    zmq_close(publisher->router);
    kv_batches_release(&publisher->batches);
}

static void send_batch(void *socket, uint64_t number, struct slice payload)
{
    char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(number >> 8 * (7 - i));
    zmq_send(socket, bytes, 8, ZMQ_SNDMORE);
    zmq_send(socket, payload.at ? payload.at : "", payload.len, 0);
}

static void publish(struct publisher *publisher, const char *topic, const struct kv_batch *batch)
{
    zmq_send(publisher->pub, topic, strlen(topic), ZMQ_SNDMORE);
    send_batch(publisher->pub, batch->number, buf_join((struct buf *)&batch->payload));
}

static void answer(struct publisher *publisher, const char *peer, size_t peer_len, uint64_t number,
                   struct slice payload)
{
    zmq_send(publisher->router, peer, peer_len, ZMQ_SNDMORE);
    zmq_send(publisher->router, "", 0, ZMQ_SNDMORE);
    if (publisher->with_topic)
        zmq_send(publisher->router, "kv", payload.len ? 2 : 0, ZMQ_SNDMORE);
    send_batch(publisher->router, number, payload);
}

/* Answers a replay that was asked for. */
static void serve_replay(struct publisher *publisher)
{
    char peer[256], number[8];
    uint64_t from = 0;
    int peer_len = zmq_recv(publisher->router, peer, sizeof(peer), ZMQ_DONTWAIT);

    if (peer_len < 0)
        return;
    assert_int_equal(zmq_recv(publisher->router, number, sizeof(number), 0), 0);
    assert_int_equal(zmq_recv(publisher->router, number, sizeof(number), 0), 8);
    for (int i = 0; i < 8; i++)
        from = from << 8 | (uint8_t)number[i];
    for (; from < publisher->batches.next && !publisher->forgetful; from++) {
        answer(publisher, peer, (size_t)peer_len, from,
               buf_join((struct buf *)&kv_batches_kept(&publisher->batches, from)->payload));
        if (publisher->stalls)
            return;
    }
    answer(publisher, peer, (size_t)peer_len, UINT64_MAX, (struct slice){ NULL, 0 });
}

/* A prompt of eight blocks whose tokens are all `token`, stored or removed. */
static void store_prompt(struct publisher *publisher, uint32_t token)
{
    struct cache_listener *listener = &publisher->batches.listener;
    uint32_t tokens[PAGE];

    for (size_t i = 0; i < PAGE; i++)
        tokens[i] = token;
    for (uint64_t b = 0; b < BLOCKS; b++)
        listener->stored(listener, b ? token * 100 + b - 1 : 0, token * 100 + b, tokens);
}

struct rig {
    void *zmq;
    struct prefix_index *index;
    struct kv_events *events;
    struct publisher publisher;
    struct kv_feed *feed;
};

static struct kv_feed *open_feed(struct rig *rig, struct publisher *publisher, bool replays,
                                 const char *topic)
{
    return kv_feed_open(rig->events, &(struct kv_feed_conf){
                                         .name = "e1",
                                         .events = publisher->url,
                                         .replay = replays ? publisher->replay_url : NULL,
                                         .ranks = 1,
                                         .topic = topic,
                                         .block = PAGE,
                                         .prefix_seed = scope.prefix_seed,
                                         .cache = scope.model,
                                     });
}

static void rig_init(struct rig *rig)
{
    rig->zmq = zmq_ctx_new();
    zmq_ctx_set(rig->zmq, ZMQ_MAX_SOCKETS, 2 * MANY + 16);
    rig->index = prefix_index_new(16 << 20);
    rig->events = kv_events_new(rig->index);
    publisher_init(&rig->publisher, rig->zmq);
}

static void rig_release(struct rig *rig)
{
    kv_events_free(rig->events);
    prefix_index_free(rig->index);
    publisher_release(&rig->publisher);
    zmq_ctx_term(rig->zmq);
}

/* How much of the prompt of `token` the feed's endpoint holds. */
static uint32_t held(struct rig *rig, const struct kv_feed *feed, uint32_t token)
{
    uint32_t column = kv_feed_column(feed);
    uint32_t tokens[PAGE * BLOCKS];
    uint64_t keys[BLOCKS];
    struct prefix_match match;

    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        tokens[i] = token;
    blocks_hash(blocks_seed(&scope), tokens, ARRAY_LEN(tokens), PAGE, keys);
    prefix_index_match(rig->index, keys, BLOCKS, &column, 1, &match);
    return match.blocks;
}

/* Until it is so, or too late. Replays are served meanwhile. */
static void wait_held(struct rig *rig, uint32_t token, uint32_t blocks)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (held(rig, rig->feed, token) != blocks) {
        if (clock_now_us() > until_us)
            fail_msg("prompt %u: %u blocks are held, not %u", token, held(rig, rig->feed, token),
                     blocks);
        serve_replay(&rig->publisher);
        poll(NULL, 0, 1);
    }
}

/* Counts are shown when a turn ends, after what it brought is in the index. */
static void wait_count(const struct kv_feed *feed, enum kv_feed_count which, uint64_t count)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (kv_feed_count(feed, which) != count && clock_now_us() < until_us)
        poll(NULL, 0, 1);
    assert_int_equal(kv_feed_count(feed, which), count);
}

/* Heartbeats until the first is heard: a PUB forgets what it says before anybody listens. */
static void wait_heard(const struct kv_feed *feed, struct publisher *publisher, const char *topic)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (kv_feed_count(feed, KV_FEED_BATCHES) == 0) {
        assert_true(clock_now_us() < until_us);
        if (kv_feed_is_connected(feed)) /* before that they would only push out what is kept */
            publish(publisher, topic, kv_batches_flush(&publisher->batches));
        serve_replay(publisher);
        poll(NULL, 0, 1);
    }
}

/* tests/unit/foreign_publisher.py; it ends when its standard input does. */
struct foreign {
    pid_t pid;
    int in;
    char url[64], replay_url[64];
};

static bool foreign_start(struct foreign *foreign, const char *form)
{
    int in[2], out[2];
    FILE *said;
    bool started;

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    foreign->pid = fork();
    if (foreign->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", "tests/unit/foreign_publisher.py", form, (char *)NULL);
        _exit(77);
    }
    close(in[0]);
    close(out[1]);
    foreign->in = in[1];
    said = fdopen(out[0], "r");
    started = fscanf(said, "tcp%59s tcp%59s", foreign->url + 3, foreign->replay_url + 3) == 2;
    memcpy(foreign->url, "tcp", 3);
    memcpy(foreign->replay_url, "tcp", 3);
    fclose(said);
    return started;
}

static void foreign_stop(struct foreign *foreign)
{
    close(foreign->in);
    waitpid(foreign->pid, NULL, 0);
}

static void what_is_published_is_held(void **state)
{
    (void)state;
    for (enum kv_batch_form form = 0; form < KV_BATCH_FORMS; form++) {
        struct rig rig;

        rig_init(&rig);
        rig.publisher.batches.form = form;
        rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ false, NULL);
        wait_heard(rig.feed, &rig.publisher, "kv@e1@m");
        store_prompt(&rig.publisher, 7);
        publish(&rig.publisher, "kv@e1@m", kv_batches_flush(&rig.publisher.batches));
        wait_held(&rig, 7, BLOCKS);
        assert_int_equal(kv_feed_page_tokens(rig.feed), PAGE);
        assert_true(kv_feed_is_connected(rig.feed));
        rig.publisher.batches.listener.removed(&rig.publisher.batches.listener, 703);
        publish(&rig.publisher, "kv@e1@m", kv_batches_flush(&rig.publisher.batches));
        wait_held(&rig, 7, 3);
        rig_release(&rig);
    }
}

static void what_was_said_before_the_connection_is_replayed(void **state)
{
    (void)state;
    for (int with_topic = 0; with_topic < 2; with_topic++) { /* old and new publishers */
        struct rig rig;

        rig_init(&rig);
        rig.publisher.with_topic = with_topic;
        store_prompt(&rig.publisher, 7);
        kv_batches_flush(&rig.publisher.batches);
        rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
        wait_held(&rig, 7, BLOCKS);
        rig_release(&rig);
    }
}

static void a_gap_is_replayed(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.publisher.with_topic = true;
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    wait_heard(rig.feed, &rig.publisher, "");
    store_prompt(&rig.publisher, 7);
    kv_batches_flush(&rig.publisher.batches); /* lost */
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 8, BLOCKS);
    assert_int_equal(held(&rig, rig.feed, 7), BLOCKS);
    assert_int_equal(kv_feed_count(rig.feed, KV_FEED_HOLES), 0);
    rig_release(&rig);
}

/* Each costs a connection: a publisher that loses batch after batch and has none of them any more
 * is soon asked no more, and what it says later is heard without. */
static void replays_that_bring_nothing_become_seldom(void **state)
{
    uint64_t until_us = clock_now_us() + WAIT_US;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.publisher.forgetful = true;
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    wait_heard(rig.feed, &rig.publisher, "");
    while (kv_feed_count(rig.feed, KV_FEED_GAPS) < 500) {
        assert_true(clock_now_us() < until_us);
        kv_batches_flush(&rig.publisher.batches); /* lost */
        publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
        serve_replay(&rig.publisher);
    }
    assert_in_range(kv_feed_count(rig.feed, KV_FEED_REPLAYS), 2, 16);
    while (held(&rig, rig.feed, 8) != BLOCKS) {
        assert_true(clock_now_us() < until_us);
        store_prompt(&rig.publisher, 8);
        publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
        serve_replay(&rig.publisher);
        poll(NULL, 0, 1);
    }
    rig_release(&rig);
}

static void an_engine_that_restarts_begins_empty(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    store_prompt(&rig.publisher, 7);
    wait_heard(rig.feed, &rig.publisher, "");
    wait_held(&rig, 7, BLOCKS);
    kv_batches_restart(&rig.publisher.batches);
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 8, BLOCKS);
    assert_int_equal(held(&rig, rig.feed, 7), 0);
    rig_release(&rig);
}

/* Its first batch says that the engine is another; the one from 0 on that this calls for could not
 * be had for half a minute after one that failed. */
static void nobody_waits_for_a_replay_that_may_not_be_had_soon(void **state)
{
    struct rig rig;
    uint64_t heard;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    wait_heard(rig.feed, &rig.publisher, "");
    store_prompt(&rig.publisher, 7);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 7, BLOCKS);
    heard = rig.publisher.batches.next;
    rig.publisher.stalls = true;
    kv_batches_restart(&rig.publisher.batches);
    while (rig.publisher.batches.next <= heard) { /* none of them is heard */
        store_prompt(&rig.publisher, 9);
        kv_batches_flush(&rig.publisher.batches);
    }
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 7, 0);
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 8, BLOCKS);
    rig_release(&rig);
}

static void other_topics_are_not_heard(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ false, "kv@");
    wait_heard(rig.feed, &rig.publisher, "kv@e1");
    store_prompt(&rig.publisher, 7);
    publish(&rig.publisher, "log@", kv_batches_flush(&rig.publisher.batches));
    rig.publisher.batches.next--; /* its number comes again */
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "kv@e1", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 8, BLOCKS);
    assert_int_equal(held(&rig, rig.feed, 7), 0);
    rig_release(&rig);
}

static void messages_that_are_no_batches_are_counted_and_passed_over(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ false, NULL);
    wait_heard(rig.feed, &rig.publisher, "");
    zmq_send(rig.publisher.pub, "one frame", 9, 0);
    for (int i = 0; i < 9; i++)
        zmq_send(rig.publisher.pub, "many", 4, i < 8 ? ZMQ_SNDMORE : 0);
    zmq_send(rig.publisher.pub, "", 0, ZMQ_SNDMORE);
    zmq_send(rig.publisher.pub, "short", 5, ZMQ_SNDMORE);
    zmq_send(rig.publisher.pub, "", 0, 0);
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    wait_held(&rig, 8, BLOCKS);
    wait_count(rig.feed, KV_FEED_MALFORMED, 3);
    rig_release(&rig);
}

static void workers_speculation_reaches_the_index(void **state)
{
    uint64_t key = 5, until_us = clock_now_us() + WAIT_US;
    struct rig rig;
    bool speculative = false;
    uint32_t column;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ false, NULL);
    while ((column = kv_feed_column(rig.feed)) == PREFIX_COLUMN_NONE)
        poll(NULL, 0, 1);
    assert_true(kv_events_speculate(
        rig.events, &(struct prefix_guess){
                        .until_us = until_us, .column = column, .keys = &key, .count = 1 }));
    while (!speculative) {
        assert_true(clock_now_us() < until_us);
        prefix_index_tiers(rig.index, key, column, &speculative);
    }
    rig_release(&rig);
}

/* Feeds come and go while the thread is busy with them. */
static void feeds_may_be_closed_at_any_time(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    for (int i = 0; i < 50; i++) {
        struct kv_feed *other = open_feed(&rig, &rig.publisher, i % 2, NULL);

        store_prompt(&rig.publisher, (uint32_t)i);
        publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
        kv_feed_close(other);
    }
    wait_held(&rig, 49, BLOCKS);
    rig_release(&rig);
}

/* A reload: the same feed hears another publisher, keyed by another seed, and then none. */
static void a_feed_may_listen_elsewhere_and_fall_silent(void **state)
{
    struct publisher other;
    struct kv_feed_conf conf = {
        .name = "e1",
        .ranks = 1,
        .block = PAGE,
        .prefix_seed = scope.prefix_seed,
        .cache = scope.model,
    };
    uint64_t until_us = clock_now_us() + WAIT_US;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    publisher_init(&other, rig.zmq);
    rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, NULL);
    store_prompt(&rig.publisher, 7);
    kv_batches_flush(&rig.publisher.batches);
    wait_held(&rig, 7, BLOCKS);
    while (!kv_feed_is_heard(rig.feed)) /* it says so when its turn ends */
        assert_true(clock_now_us() < until_us);
    conf.events = other.url;
    kv_feed_change(rig.feed, &conf);
    wait_held(&rig, 7, 0);
    while (kv_feed_count(rig.feed, KV_FEED_BATCHES) > 0) /* the old publisher's */
        poll(NULL, 0, 1);
    wait_heard(rig.feed, &other, "");
    store_prompt(&other, 8);
    publish(&other, "", kv_batches_flush(&other.batches));
    wait_held(&rig, 8, BLOCKS);
    kv_feed_change(rig.feed, NULL);
    while (kv_feed_is_connected(rig.feed) || kv_feed_column(rig.feed) != PREFIX_COLUMN_NONE)
        assert_true(clock_now_us() < until_us);
    assert_false(kv_feed_is_heard(rig.feed));
    while (kv_feed_bytes(rig.feed) > 0)
        assert_true(clock_now_us() < until_us);
    publisher_release(&other);
    rig_release(&rig);
}

/* What goes wrong with one goes wrong with many: too few open files, a name in all addresses. */
static void those_that_cannot_be_listened_to_are_told_of_once(void **state)
{
    struct publisher nowhere = { .url = "tcp://127.0.0.1" };
    static char lines[1 << 16];
    int log = dup(STDERR_FILENO), capture = memfd_create("log", 0);
    size_t count = 0;
    struct rig rig;

    (void)state;
    dup2(capture, STDERR_FILENO);
    rig_init(&rig);
    for (int i = 0; i < 9; i++)
        open_feed(&rig, &nowhere, /* replays= */ false, NULL);
    rig_release(&rig); /* after they were opened */
    assert_true(pread(capture, lines, sizeof(lines) - 1, 0) >= 0);
    dup2(log, STDERR_FILENO);
    close(log);
    close(capture);
    for (const char *at = lines; (at = strstr(at, "not heard")); at++)
        count++;
    assert_int_equal(count, 1);
}

/* Reloads, one after the other: each time it knows of its new connection. */
static void a_feed_that_changes_knows_its_connection(void **state)
{
    struct kv_feed_conf conf = { .name = "e1", .ranks = 1, .block = PAGE, .cache = scope.model };
    uint64_t until_us = clock_now_us() + WAIT_US;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    conf.events = rig.publisher.url;
    rig.feed = kv_feed_open(rig.events, NULL);
    for (uint64_t changes = 1; changes <= 20; changes++) {
        kv_feed_change(rig.feed, &conf);
        while (kv_feed_count(rig.feed, KV_FEED_CONNECTS) < changes) {
            if (clock_now_us() > until_us)
                fail_msg("no word of a connection after change %llu", (unsigned long long)changes);
            poll(NULL, 0, 1);
        }
    }
    rig_release(&rig);
}

/* A publisher whose port follows that of the rig's. False: somebody else has it. */
static bool next_rank_init(struct publisher *rank, const struct publisher *before, void *zmq)
{
    publisher_init(rank, zmq);
    kv_url_rank(before->url, 1, rank->url);
    return zmq_bind(rank->pub, rank->url) == 0;
}

static void rig_init_two_ranks(struct rig *rig, struct publisher *second)
{
    rig_init(rig);
    while (!next_rank_init(second, &rig->publisher, rig->zmq)) {
        publisher_release(second);
        publisher_release(&rig->publisher);
        publisher_init(&rig->publisher, rig->zmq);
    }
}

static void wait_feed_heard(const struct kv_feed *feed)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (!kv_feed_is_heard(feed)) {
        assert_true(clock_now_us() < until_us);
        poll(NULL, 0, 1);
    }
}

/* Says a heartbeat until that many have been heard of all ranks. */
static void beat_until(struct publisher *publisher, const struct kv_feed *feed, uint64_t batches)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (kv_feed_count(feed, KV_FEED_BATCHES) < batches) {
        assert_true(clock_now_us() < until_us);
        publish(publisher, "", kv_batches_flush(&publisher->batches));
        poll(NULL, 0, 1);
    }
}

/* Prompt 7 is at both ranks, 8 at the first, 9 at the second, which begins anew. */
static void ranks_fill_one_column(void **state)
{
    struct kv_feed_conf conf = {
        .name = "e1",
        .ranks = 2,
        .block = PAGE,
        .prefix_seed = scope.prefix_seed,
        .cache = scope.model,
    };
    struct publisher second;
    struct rig rig;

    (void)state;
    rig_init_two_ranks(&rig, &second);
    conf.events = rig.publisher.url;
    rig.feed = kv_feed_open(rig.events, &conf);
    beat_until(&rig.publisher, rig.feed, 1);
    assert_false(kv_feed_is_heard(rig.feed)); /* one of two */
    beat_until(&second, rig.feed, kv_feed_count(rig.feed, KV_FEED_BATCHES) + 1);
    wait_feed_heard(rig.feed);
    store_prompt(&rig.publisher, 7);
    store_prompt(&rig.publisher, 8);
    publish(&rig.publisher, "", kv_batches_flush(&rig.publisher.batches));
    store_prompt(&second, 7);
    store_prompt(&second, 9);
    publish(&second, "", kv_batches_flush(&second.batches));
    wait_held(&rig, 8, BLOCKS);
    wait_held(&rig, 9, BLOCKS);
    assert_int_equal(held(&rig, rig.feed, 7), BLOCKS);
    kv_batches_restart(&second.batches);
    publish(&second, "", kv_batches_flush(&second.batches));
    wait_held(&rig, 9, 0);
    assert_int_equal(held(&rig, rig.feed, 7), BLOCKS);
    assert_int_equal(held(&rig, rig.feed, 8), BLOCKS);
    wait_count(rig.feed, KV_FEED_RESTARTS, 1);
    assert_true(kv_feed_bytes(rig.feed) >= (size_t)2 * BLOCKS * sizeof(struct kv_page));
    wait_count(rig.feed, KV_FEED_CONNECTS, 2);
    publisher_release(&second);
    rig_release(&rig);
}

/* Nothing opens letters while the thread is gone from its loop: what is too much is shed. */
static void what_is_told_beyond_the_limit_is_shed(void **state)
{
    static uint64_t keys[1 << 16];
    struct prefix_guess guess = { .column = 0, .keys = keys, .count = ARRAY_LEN(keys) };
    size_t fits = KV_TOLD_BYTES_MAX / sizeof(keys);
    struct rig rig;
    size_t shed = 0;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < 100 * fits; i++)
        shed += !kv_events_speculate(rig.events, &guess);
    assert_int_equal(kv_events_shed(rig.events), shed);
    guess.count = KV_TOLD_BYTES_MAX / sizeof(*keys); /* by itself more than may be under way */
    assert_false(kv_events_speculate(rig.events, &guess));
    assert_int_equal(kv_events_shed(rig.events), shed + 1);
    rig_release(&rig);
}

static uint32_t modelled(struct rig *rig, const struct kv_model *model, const uint64_t *keys,
                         size_t count, uint32_t *ret_speculative)
{
    uint32_t column = kv_model_column(model);
    struct prefix_match match;

    prefix_index_match(rig->index, keys, count, &column, 1, &match);
    *ret_speculative = match.speculative;
    return match.blocks;
}

static void wait_modelled(struct rig *rig, const struct kv_model *model, const uint64_t *keys,
                          uint32_t blocks, uint32_t speculative)
{
    uint64_t until_us = clock_now_us() + WAIT_US;
    uint32_t guessed;

    while (modelled(rig, model, keys, 4, &guessed) != blocks || guessed != speculative) {
        assert_true(clock_now_us() < until_us);
        poll(NULL, 0, 1);
    }
}

static void a_silent_engine_has_a_model(void **state)
{
    static const uint64_t keys[4] = { 1, 2, 3, 4 }, others[2] = { 5, 6 };
    struct rig rig;
    struct kv_model *model;

    (void)state;
    rig_init(&rig);
    model = kv_model_open(rig.events, 4);
    assert_int_equal(kv_model_column(model), PREFIX_COLUMN_NONE);
    kv_model_expect(model, &(struct prefix_guess){
                               .until_us = clock_now_us() + WAIT_US, .keys = keys, .count = 4 });
    wait_modelled(&rig, model, keys, 4, 4);
    kv_model_use(model, keys, 4);
    wait_modelled(&rig, model, keys, 4, 0);
    kv_model_use(model, others, 2); /* room for four: two go, the tail of the older prompt */
    wait_modelled(&rig, model, keys, 2, 0);
    kv_model_resize(model, 2);
    wait_modelled(&rig, model, keys, 0, 0);
    kv_model_clear(model);
    kv_model_clear(model);
    wait_modelled(&rig, model, keys, 0, 0);
    kv_model_use(model, keys, 4);
    kv_model_clear(model);
    kv_model_use(model, keys, 2);
    wait_modelled(&rig, model, keys, 2, 0);
    kv_model_close(model);
    rig_release(&rig);
}

/* Other people's msgpack and ZeroMQ, with events in each engine's own form; the first batch is one
 * that only a replay brings. */
static void foreign_publishers_are_understood(void **state)
{
    static const char *const forms[] = { "vllm_maps",     "vllm_arrays", "vllm_bytes",
                                         "sglang_arrays", "sglang_maps", "trtllm" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct rig rig;
        struct foreign foreign;

        if (!foreign_start(&foreign, forms[i])) {
            foreign_stop(&foreign);
            print_message("SKIP: python3-zmq or python3-msgpack is not installed\n");
            return;
        }
        rig_init(&rig);
        memcpy(rig.publisher.url, foreign.url, sizeof(foreign.url));
        memcpy(rig.publisher.replay_url, foreign.replay_url, sizeof(foreign.replay_url));
        rig.feed = open_feed(&rig, &rig.publisher, /* replays= */ true, "kv@");
        wait_held(&rig, 7, BLOCKS);
        assert_int_equal(kv_feed_count(rig.feed, KV_FEED_MALFORMED), 0);
        assert_int_equal(kv_feed_count(rig.feed, KV_FEED_UNKNOWN), 0);
        rig_release(&rig);
        foreign_stop(&foreign);
    }
}

static void elevenhundred_publishers_are_heard_at_once(void **state)
{
    struct rlimit files;
    struct rig rig;
    struct publisher *many;
    struct kv_feed **feeds;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 16 * MANY) {
        print_message("SKIP: %llu open files are too few\n", (unsigned long long)files.rlim_cur);
        return;
    }
    rig_init(&rig);
    many = calloc(MANY, sizeof(*many));
    feeds = calloc(MANY, sizeof(*feeds));
    for (size_t i = 0; i < MANY; i++) {
        publisher_init(&many[i], rig.zmq);
        feeds[i] = open_feed(&rig, &many[i], /* replays= */ false, NULL);
    }
    for (size_t i = 0; i < MANY; i++)
        wait_heard(feeds[i], &many[i], "");
    for (size_t i = 0; i < MANY; i++) {
        store_prompt(&many[i], (uint32_t)i);
        publish(&many[i], "", kv_batches_flush(&many[i].batches));
    }
    for (uint32_t i = 0; i < MANY; i++) {
        rig.feed = feeds[i];
        wait_held(&rig, i, BLOCKS);
    }
    kv_events_free(rig.events);
    for (size_t i = 0; i < MANY; i++)
        publisher_release(&many[i]);
    prefix_index_free(rig.index);
    publisher_release(&rig.publisher);
    zmq_ctx_term(rig.zmq);
    free(many);
    free(feeds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_held),
        cmocka_unit_test(what_was_said_before_the_connection_is_replayed),
        cmocka_unit_test(a_gap_is_replayed),
        cmocka_unit_test(replays_that_bring_nothing_become_seldom),
        cmocka_unit_test(an_engine_that_restarts_begins_empty),
        cmocka_unit_test(nobody_waits_for_a_replay_that_may_not_be_had_soon),
        cmocka_unit_test(other_topics_are_not_heard),
        cmocka_unit_test(messages_that_are_no_batches_are_counted_and_passed_over),
        cmocka_unit_test(workers_speculation_reaches_the_index),
        cmocka_unit_test(feeds_may_be_closed_at_any_time),
        cmocka_unit_test(a_feed_may_listen_elsewhere_and_fall_silent),
        cmocka_unit_test(those_that_cannot_be_listened_to_are_told_of_once),
        cmocka_unit_test(a_feed_that_changes_knows_its_connection),
        cmocka_unit_test(ranks_fill_one_column),
        cmocka_unit_test(what_is_told_beyond_the_limit_is_shed),
        cmocka_unit_test(a_silent_engine_has_a_model),
        cmocka_unit_test(foreign_publishers_are_understood),
        cmocka_unit_test(elevenhundred_publishers_are_heard_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
