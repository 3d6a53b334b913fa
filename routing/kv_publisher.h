/*
 * A publisher that is listened to: its wire, replays where it has a socket for them, and what is
 * said of it in the log.
 *
 *     waiting for a connection --> live --a replay is wanted--> replay waits --> replay under way
 *             ^                     ^                                                  |
 *             +--- wire made anew   +-------------------- its end ---------------------+
 *
 * While a replay waits or is under way, live batches stay in their socket; it ends with the
 * connection. Part of a feed, which is told after each turn. One thread, the index's.
 */
#ifndef SLUICE_ROUTING_KV_PUBLISHER_H
#define SLUICE_ROUTING_KV_PUBLISHER_H

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/timer.h"
#include "routing/kv_feed.h"
#include "routing/kv_patience.h"
#include "routing/kv_sequence.h"
#include "routing/kv_wire.h"

/* Counts about which something is said when they grow. */
#define KV_SAYINGS 5

struct kv_publisher {
    struct log_subject subject;
    struct kv_events *events;
    struct kv_feed *feed;
    struct list ready_link;
    const char *name, *topic; /* the feed's */
    char *url, *replay_url;   /* NULL: there is no replay socket */
    struct kv_sequence sequence;
    struct kv_wire live;
    struct kv_wire replay; /* not open: none is under way, though one may wait for its time */
    struct kv_patience patience;
    uint64_t replay_from;      /* of the one that waits */
    struct timer replay_timer; /* it is to begin, or has failed */
    struct timer reopen;       /* the live wire is made anew */
    struct timer look;         /* at what its wires bring */
    bool connected;
    bool heard; /* something was said, be it that there is nothing to replay */
    uint64_t connects, replays;
    uint64_t no_word_until_us; /* of connections */
    uint64_t said[KV_SAYINGS], quiet_until_us[KV_SAYINGS];
};

/* Name, topic and cache must outlive the publisher; addresses are copied. */
struct kv_publisher_conf {
    const char *name; /* for the log */
    const char *url, *replay_url, *topic;
    uint32_t block;
    uint64_t prefix_seed;
    struct slice cache;
};

/* Begins to listen, and to fill the column. */
void kv_publisher_open(struct kv_publisher *publisher, struct kv_feed *feed,
                       struct kv_events *events, struct kv_column *column,
                       const struct kv_publisher_conf *conf);
void kv_publisher_close(struct kv_publisher *publisher);

/* What it counts, added to `counts`. */
void kv_publisher_count(const struct kv_publisher *publisher, uint64_t counts[KV_FEED_COUNTS]);

#endif
