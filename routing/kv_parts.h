/*
 * What the files of the index thread share: routing/kv_events.c runs it, routing/kv_feed.c listens
 * to publishers, routing/kv_model.c has the models of silent engines' caches. Nobody else includes
 * this.
 */
#ifndef SLUICE_ROUTING_KV_PARTS_H
#define SLUICE_ROUTING_KV_PARTS_H

#include "gateway/base/mailbox.h"
#include "gateway/base/timer.h"
#include "routing/kv_events.h"
#include "routing/kv_feed.h"
#include "routing/kv_model.h"

#include <pthread.h>

struct kv_events {
    struct prefix_index *index;
    struct mailbox *mailbox;
    void *zmq;         /* kv_feed.c's context */
    uint64_t monitors; /* of sockets, so far: their names */
    int epoll;
    pthread_t thread;
    bool over;
    struct letter closing;
    struct timers timers;
    uint64_t now_us;
    struct list feeds, models;
    struct list ready;           /* feeds that may have something to read */
    _Atomic uint64_t told_bytes; /* told by workers and not yet opened */
    _Atomic uint64_t told_shed;
};

/* A letter that is made for what it says, and counted while it is under way. */
struct kv_told {
    struct letter letter;
    size_t bytes;
};

/* `bytes` in all, struct kv_told first, the rest as malloc leaves it. NULL: so much is under way
 * that this is shed, and counted. To be sent to the mailbox. Any thread. */
void *kv_told_new(struct kv_events *events, size_t bytes,
                  void (*open)(struct letter *letter, void *receiver));
/* It was opened. */
void kv_told_free(struct kv_events *events, struct kv_told *told);

/* libzmq's part of a life of the thread. */
void kv_sockets_new(struct kv_events *events);
void kv_sockets_free(struct kv_events *events);
/* Something may be there to read of the feed. */
void kv_feed_is_ready(struct kv_feed *feed);
/* Each that is ready reads a share of it. */
void kv_feeds_turn(struct kv_events *events);
/* At the end. */
void kv_feeds_free(struct kv_events *events);
void kv_models_free(struct kv_events *events);

#endif
