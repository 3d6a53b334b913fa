/*
 * A feed: what an endpoint's engine says of its cache, heard from its publishers of KV events, one
 * a data-parallel rank. Each is followed by itself, with its own gaps and restarts; all fill one
 * column, where a block is until the last rank that has it lets it go.
 *
 * Everything here may be called from any thread; what it asks for happens soon, on the index
 * thread, in the order of the calls of one thread. A feed may change what it listens to and stays
 * the same object, so that workers may look at it for as long as its owner keeps it.
 */
#ifndef SLUICE_ROUTING_KV_FEED_H
#define SLUICE_ROUTING_KV_FEED_H

#include "gateway/base/slice.h"

#define KV_PUBLISHERS_MAX                                                                          \
    8192 /* of all feeds, two wires each at most; a configuration has no more */
#define KV_FEED_RANKS_MAX 64

struct kv_events;
struct kv_feed;

/* All texts are copied. */
struct kv_feed_conf {
    const char *name;   /* of the endpoint, for the log */
    const char *events; /* "tcp://10.0.0.11:5557" */
    const char *replay; /* NULL: there is no replay socket */
    uint32_t ranks;     /* data-parallel ones, a publisher each: see kv_url_rank */
    const char *topic;  /* what topics must begin with; NULL: all */
    uint32_t block;     /* tokens of ours */
    uint64_t prefix_seed;
    struct slice cache; /* of the keys' scope (cache_scope.h) */
};

/* Begins to listen. NULL: silent until it is changed. */
struct kv_feed *kv_feed_open(struct kv_events *events, const struct kv_feed_conf *conf);
/* Begins anew elsewhere, and empty; NULL: falls silent. */
void kv_feed_change(struct kv_feed *feed, const struct kv_feed_conf *conf);
/* It must not be used afterwards. */
void kv_feed_close(struct kv_feed *feed);

/* The endpoint's column now, or PREFIX_COLUMN_NONE; another one after a restart of the engine. */
uint32_t kv_feed_column(const struct kv_feed *feed);
/* Tokens of the engine's pages, as its events say; 0: not known yet. An engine finds whole pages.
 */
uint32_t kv_feed_page_tokens(const struct kv_feed *feed);

/* Memory that the engine's pages take; the index is not in it. */
uint64_t kv_feed_bytes(const struct kv_feed *feed);

/* What a feed counts: the rows of its metrics. */
enum kv_feed_count {
#define KV_FEED_COUNT(id, name) KV_FEED_##id,
#include "routing/kv_feed_counts.def"
#undef KV_FEED_COUNT
    KV_FEED_COUNTS,
};
/* As metrics have them. */
extern const char *const kv_feed_count_names[KV_FEED_COUNTS];

uint64_t kv_feed_count(const struct kv_feed *feed, enum kv_feed_count which);

/* How it stands with what it listens to. */
enum kv_feed_kind {
    KV_FEED_DEAF,      /* to nobody */
    KV_FEED_UNREACHED, /* a publisher's connection does not stand */
    KV_FEED_SILENT,    /* they stand, but a publisher has said nothing, or none had a batch */
    KV_FEED_HEARD,
};
/* For people; of KV_FEED_DEAF NULL. */
extern const char *const kv_feed_kind_names[];

struct kv_feed_standing {
    enum kv_feed_kind kind;
    uint32_t rank; /* of the first publisher of which it is so */
};

struct kv_feed_standing kv_feed_standing(const struct kv_feed *feed);
/* All publishers are. */
bool kv_feed_is_connected(const struct kv_feed *feed);
/* Each publisher's connection stands, and each has said something, be it that there is nothing to
 * replay: the column is worth asking. */
bool kv_feed_is_heard(const struct kv_feed *feed);

#endif
