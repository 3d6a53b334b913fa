/*
 * The engine's publisher. See publisher.h.
 */
#include "tests/engine/publisher.h"

#include "gateway/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#define NUMBER_BYTES   8
#define PEER_BYTES_MAX 256
#define REPLAY_LOOK_US (10 * CLOCK_US_PER_MS) /* vLLM looks ten times as seldom */
#define REPLAY_END     UINT64_MAX

struct publisher {
    struct cache_listener listener; /* the cache's; goes on to the batches */
    struct cache *cache;
    struct kv_batches batches;
    struct worker *worker;
    struct defer flush;
    struct timer replays;
    void *zmq, *pub, *router;
    const char *topic;
    uint64_t faults[PUBLISHER_FAULTS];
    bool overtaken; /* the batch before the one at hand waits for it */
};

static void put_number(char ret_bytes[NUMBER_BYTES], uint64_t number)
{
    for (int i = 0; i < NUMBER_BYTES; i++)
        ret_bytes[i] = (char)(number >> 8 * (NUMBER_BYTES - 1 - i));
}

static void send_batch(void *socket, uint64_t number, struct slice payload)
{
    char bytes[NUMBER_BYTES];

    put_number(bytes, number);
    zmq_send(socket, bytes, sizeof(bytes), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, payload.at ? payload.at : "", payload.len, ZMQ_DONTWAIT);
}

static void publish(struct publisher *publisher, uint64_t number)
{
    const struct kv_batch *batch = kv_batches_kept(&publisher->batches, number);

    if (!batch)
        return;
    zmq_send(publisher->pub, publisher->topic, strlen(publisher->topic),
             ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_batch(publisher->pub, number, buf_join((struct buf *)&batch->payload));
}

/* One of those that are to be disturbed so. */
static bool strikes(struct publisher *publisher, enum publisher_fault fault)
{
    return publisher->faults[fault] > 0 && publisher->faults[fault]-- > 0;
}

static void send_disturbed(struct publisher *publisher, uint64_t number)
{
    if (strikes(publisher, PUBLISHER_LOSE))
        return;
    if (!publisher->overtaken && strikes(publisher, PUBLISHER_SWAP)) {
        publisher->overtaken = true;
        return;
    }
    publish(publisher, number);
    if (publisher->overtaken)
        publish(publisher, number - 1);
    publisher->overtaken = false;
    if (strikes(publisher, PUBLISHER_REPEAT))
        publish(publisher, number);
}

static void on_flush(struct defer *defer)
{
    struct publisher *publisher = CONTAINER_OF(defer, struct publisher, flush);
    struct kv_batches *batches = &publisher->batches;

    if (publisher->faults[PUBLISHER_MIX])
        batches->form = (enum kv_batch_form)(batches->next % KV_BATCH_FORMS);
    send_disturbed(publisher, kv_batches_flush(batches)->number);
}

static void flush_soon(struct publisher *publisher)
{
    worker_defer(publisher->worker, WORKER_FLUSH, &publisher->flush);
}

static void on_stored(struct cache_listener *listener, uint64_t parent, uint64_t key,
                      const uint32_t *tokens)
{
    struct publisher *publisher = CONTAINER_OF(listener, struct publisher, listener);
    struct cache_listener *next = &publisher->batches.listener;

    next->stored(next, parent, key, tokens);
    flush_soon(publisher);
}

static void on_removed(struct cache_listener *listener, uint64_t key)
{
    struct publisher *publisher = CONTAINER_OF(listener, struct publisher, listener);
    struct cache_listener *next = &publisher->batches.listener;

    next->removed(next, key);
    flush_soon(publisher);
}

static void on_cleared(struct cache_listener *listener)
{
    struct publisher *publisher = CONTAINER_OF(listener, struct publisher, listener);
    struct cache_listener *next = &publisher->batches.listener;

    next->cleared(next);
    flush_soon(publisher);
}

/* ---- replays ---- */

static void answer(struct publisher *publisher, const char *peer, size_t peer_len, uint64_t number,
                   struct slice payload)
{
    zmq_send(publisher->router, peer, peer_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(publisher->router, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(publisher->router, publisher->topic,
             number == REPLAY_END ? 0 : strlen(publisher->topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_batch(publisher->router, number, payload);
}

/* Peer, an empty frame, the number to begin with. False: nobody asks. */
static bool receive_question(struct publisher *publisher, char peer[PEER_BYTES_MAX],
                             size_t *ret_peer_len, uint64_t *ret_from)
{
    int peer_len = zmq_recv(publisher->router, peer, PEER_BYTES_MAX, ZMQ_DONTWAIT);
    char number[NUMBER_BYTES] = { 0 };

    if (peer_len < 0)
        return false;
    zmq_recv(publisher->router, number, sizeof(number), ZMQ_DONTWAIT); /* empty */
    zmq_recv(publisher->router, number, sizeof(number), ZMQ_DONTWAIT);
    *ret_from = 0;
    for (int i = 0; i < NUMBER_BYTES; i++)
        *ret_from = *ret_from << 8 | (uint8_t)number[i];
    *ret_peer_len = (size_t)peer_len;
    return true;
}

static void on_replays_due(struct timer *timer)
{
    struct publisher *publisher = CONTAINER_OF(timer, struct publisher, replays);
    const struct kv_batches *batches = &publisher->batches;
    char peer[PEER_BYTES_MAX];
    size_t peer_len;
    uint64_t from;

    while (receive_question(publisher, peer, &peer_len, &from)) {
        for (; from < batches->next; from++) {
            const struct kv_batch *batch = kv_batches_kept(batches, from);

            if (batch)
                answer(publisher, peer, peer_len, from, buf_join((struct buf *)&batch->payload));
        }
        answer(publisher, peer, peer_len, REPLAY_END, slice_of(NULL, 0));
    }
    timer_set(&publisher->worker->timers, timer, publisher->worker->now_us + REPLAY_LOOK_US);
}

/* ---- its life ---- */

/* NULL, and a sentence was printed, when the address cannot be had. */
static void *bind_socket(void *zmq, int type, const char *address)
{
    void *socket = zmq_socket(zmq, type);
    int no_limit = 0, no_linger = 0;

    zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof(no_limit));
    zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger));
    if (zmq_bind(socket, address) == 0)
        return socket;
    fprintf(stderr, "sluice-engine: publish on %s: %s\n", address, zmq_strerror(errno));
    zmq_close(socket);
    return NULL;
}

static bool open_sockets(struct publisher *publisher, const struct options *options)
{
    publisher->zmq = zmq_ctx_new();
    publisher->pub = bind_socket(publisher->zmq, ZMQ_PUB, options->kv_events);
    if (publisher->pub && options->kv_events_replay)
        publisher->router = bind_socket(publisher->zmq, ZMQ_ROUTER, options->kv_events_replay);
    return publisher->pub && (publisher->router || !options->kv_events_replay);
}

struct publisher *publisher_new(struct worker *worker, struct cache *cache,
                                const struct options *options)
{
    struct publisher *publisher = xcalloc(1, sizeof(*publisher));

    publisher->worker = worker;
    publisher->topic = options->kv_events_topic;
    publisher->listener = (struct cache_listener){ on_stored, on_removed, on_cleared };
    defer_init(&publisher->flush, on_flush);
    timer_init(&publisher->replays, on_replays_due);
    kv_batches_init(&publisher->batches, cache_root(slice_of(NULL, 0)), cache->block_size,
                    (uint32_t)options->kv_events_buffer);
    publisher->batches.form = (enum kv_batch_form)options->kv_events_form;
    publisher->cache = cache;
    cache->listener = &publisher->listener;
    if (!open_sockets(publisher, options)) {
        publisher_free(publisher);
        return NULL;
    }
    if (publisher->router)
        timer_set(&worker->timers, &publisher->replays, worker->now_us + REPLAY_LOOK_US);
    return publisher;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher->cache->listener = NULL;
    timer_clear(&publisher->replays);
    defer_cancel(&publisher->flush);
    if (publisher->router)
        zmq_close(publisher->router);
    if (publisher->pub)
        zmq_close(publisher->pub);
    zmq_ctx_term(publisher->zmq);
    kv_batches_release(&publisher->batches);
    free(publisher);
}

void publisher_name_root(struct publisher *publisher, uint64_t root, struct slice adapter,
                         struct slice salt)
{
    if (publisher)
        kv_batches_name_root(&publisher->batches, root, adapter, salt);
}

void publisher_disturb(struct publisher *publisher, enum publisher_fault fault, uint64_t count)
{
    if (publisher)
        publisher->faults[fault] = count;
}

void publisher_restart(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher->cache->listener = NULL;
    cache_clear(publisher->cache);
    publisher->cache->listener = &publisher->listener;
    kv_batches_restart(&publisher->batches);
    publisher->overtaken = false;
    defer_cancel(&publisher->flush);
}

uint64_t publisher_batches(const struct publisher *publisher)
{
    return publisher ? publisher->batches.next : 0;
}
