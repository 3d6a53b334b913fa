/*
 * What the files of the index thread share: routing/kv_events.c runs it, routing/kv_feed.c has
 * the feeds of endpoints, routing/kv_publisher.c listens to publishers, routing/kv_model.c has the
 * models of silent engines' caches. Nobody else includes this.
 */
#ifndef SLUICE_ROUTING_KV_PARTS_H
#define SLUICE_ROUTING_KV_PARTS_H

#include "gateway/base/mailbox.h"
#include "gateway/base/timer.h"
#include "routing/kv_events.h"
#include "routing/kv_feed.h"
#include "routing/kv_model.h"

#include <pthread.h>
#include <stdatomic.h>

struct kv_publisher;

struct kv_events {
    struct prefix_index *index;
    struct mailbox *mailbox;
    struct kv_wires *wires;
    int epoll;
    pthread_t thread;
    bool over;
    struct letter closing;
    struct timers timers;
    uint64_t now_us;
    struct list feeds, models;
    uint64_t unheard_quiet_until_us; /* nothing is said of publishers that cannot be listened to */
    struct list ready;               /* publishers that may have something to read */
    _Atomic uint64_t told_bytes;     /* told by workers and not yet opened */
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

/* Something may be there to read of the publisher. */
void kv_publisher_is_ready(struct kv_publisher *publisher);
/* Each that is ready reads a share of it. */
void kv_publishers_turn(struct kv_events *events);
/* What the feed's publisher is at may have changed. */
void kv_feed_publish(struct kv_feed *feed);
/* At the end. */
void kv_feeds_free(struct kv_events *events);
void kv_models_free(struct kv_events *events);

#endif
