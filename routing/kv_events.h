/*
 * The index thread: it alone changes the prefix index. It listens to the engines' KV events, asks
 * for those it missed, and takes workers' speculation.
 *
 * A feed is one publisher: a SUB socket and, where there is a replay socket, a DEALER for as long
 * as a replay takes. libzmq stops here. PUB is silent when idle, so a dead peer is found by TCP
 * keepalive; ZMTP's heartbeats are not used, since publishers that are not libzmq need not know
 * them. Limits: KV_BATCH_BYTES_MAX a message, 1,000 messages waiting a feed.
 *
 * Everything here may be called from any thread; what it asks for happens soon, on the index
 * thread, in the order of the calls of one thread.
 */
#ifndef SLUICE_ROUTING_KV_EVENTS_H
#define SLUICE_ROUTING_KV_EVENTS_H

#include "gateway/base/log.h"
#include "routing/kv_source.h"

#define KV_FEEDS_MAX 4096 /* sockets of libzmq: three each at most */

struct kv_events;
struct kv_feed;

/* Starts the thread. The index is its own from now on, until kv_events_free has returned. */
struct kv_events *kv_events_new(struct prefix_index *index);
/* Ends the thread, feeds and all. NULL is fine. */
void kv_events_free(struct kv_events *events);

/* All texts are copied. */
struct kv_feed_conf {
    const char *name;   /* of the endpoint, for the log */
    const char *events; /* "tcp://10.0.0.11:5557" */
    const char *replay; /* NULL: there is no replay socket */
    const char *topic;  /* what topics must begin with; NULL: all */
    uint32_t block;     /* tokens of ours */
    uint64_t prefix_seed;
    struct slice model; /* of the keys' scope */
};

/* Begins to listen. Ended by kv_feed_close, after which it must not be used. */
struct kv_feed *kv_feed_open(struct kv_events *events, const struct kv_feed_conf *conf);
void kv_feed_close(struct kv_feed *feed);

/* The endpoint's column now, or PREFIX_COLUMN_NONE; another one after a restart of the engine. */
uint32_t kv_feed_column(const struct kv_feed *feed);
/* Tokens of the engine's pages, as its events say; 0: not known yet. An engine finds whole pages.
 */
uint32_t kv_feed_page_tokens(const struct kv_feed *feed);

/* What a feed counts: the rows of its metrics. */
enum kv_feed_count {
    KV_FEED_BATCHES,
    KV_FEED_EVENTS,
    KV_FEED_STORED,
    KV_FEED_REMOVED,
    KV_FEED_ORPHANS,
    KV_FEED_UNKNOWN,
    KV_FEED_MALFORMED,
    KV_FEED_GAPS,
    KV_FEED_REPLAYS,
    KV_FEED_HOLES,
    KV_FEED_RESTARTS,
    KV_FEED_COUNTS,
};
uint64_t kv_feed_count(const struct kv_feed *feed, enum kv_feed_count which);
bool kv_feed_is_connected(const struct kv_feed *feed);

/* prefix_index_speculate, on the index thread. Copies the keys. */
void kv_events_speculate(struct kv_events *events, uint64_t until_us, uint32_t column,
                         const uint64_t *keys, size_t count);

#endif
