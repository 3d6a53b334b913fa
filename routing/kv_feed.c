/*
 * Feeds. See kv_feed.h.
 *
 *     silent --change--> listening --change--> listening elsewhere, empty
 *        ^                   |
 *        +---change(NULL)----+
 */
#include "routing/kv_feed.h"

#include "routing/kv_parts.h"
#include "routing/kv_publisher.h"
#include "routing/kv_url.h"

#include <stdlib.h>
#include <string.h>

/* What it listens to; texts are its own. */
struct settings {
    char *name, *url, *replay_url, *topic, *cache;
    uint32_t ranks, block;
    uint64_t prefix_seed;
};

struct kv_feed {
    struct kv_events *events;
    struct list link;
    struct letter opening, closing;
    bool listening; /* `settings`, `filled` and `publishers` are there */
    struct settings settings;
    struct kv_column filled;
    struct kv_publisher *publishers; /* one a rank */
    uint64_t connects;               /* to those it listened to before */
    /* Written by the index thread, read by all. */
    _Atomic uint32_t column, page_tokens;
    _Atomic bool connected, heard;
    _Atomic uint32_t standing; /* packed */
    _Atomic uint64_t bytes;
    _Atomic uint64_t counts[KV_FEED_COUNTS];
};

const char *const kv_feed_count_names[KV_FEED_COUNTS] = {
#define KV_FEED_COUNT(id, name) [KV_FEED_##id] = name,
#include "routing/kv_feed_counts.def"
#undef KV_FEED_COUNT
};

const char *const kv_feed_kind_names[] = {
    [KV_FEED_DEAF] = NULL,
    [KV_FEED_UNREACHED] = "unreached",
    [KV_FEED_SILENT] = "silent",
    [KV_FEED_HEARD] = "heard",
};

/* A feed is to listen elsewhere. */
struct change {
    struct letter letter;
    struct kv_feed *feed;
    bool silent;
    struct settings settings;
};

static void publish_state(struct kv_feed *feed)
{
    bool connected = true, heard = true;
    uint32_t page_tokens = 0;
    uint64_t bytes = kv_pages_bytes(&feed->filled.shared);

    for (size_t i = 0; i < feed->settings.ranks; i++) {
        const struct kv_publisher *publisher = &feed->publishers[i];
        const struct kv_mirror *mirror = &publisher->sequence.mirror;
        uint32_t tokens = mirror->page_tokens;

        bytes += kv_pages_bytes(&mirror->pages);
        connected &= publisher->connected;
        heard &= publisher->heard;
        page_tokens = tokens > page_tokens ? tokens : page_tokens;
    }
    atomic_store_explicit(&feed->page_tokens, page_tokens, memory_order_relaxed);
    atomic_store_explicit(&feed->column, feed->filled.number, memory_order_relaxed);
    atomic_store_explicit(&feed->connected, connected, memory_order_relaxed);
    atomic_store_explicit(&feed->heard, heard, memory_order_relaxed);
    atomic_store_explicit(&feed->bytes, bytes, memory_order_relaxed);
}

/* ---- how it stands: a word that is written and read whole ---- */

static uint32_t standing_pack(struct kv_feed_standing standing)
{
    return standing.rank << 8 | (uint32_t)standing.kind;
}

struct kv_feed_standing kv_feed_standing(const struct kv_feed *feed)
{
    uint32_t packed = atomic_load_explicit(&feed->standing, memory_order_relaxed);

    return (struct kv_feed_standing){ (enum kv_feed_kind)(packed & 0xff), packed >> 8 };
}

/* Of all its publishers together so many batches came. */
static struct kv_feed_standing standing_of(const struct kv_feed *feed, uint64_t batches)
{
    struct kv_feed_standing standing = { batches > 0 ? KV_FEED_HEARD : KV_FEED_SILENT, 0 };

    for (uint32_t i = feed->settings.ranks; i-- > 0;)
        if (!feed->publishers[i].heard)
            standing = (struct kv_feed_standing){ KV_FEED_SILENT, i };
    for (uint32_t i = feed->settings.ranks; i-- > 0;)
        if (!feed->publishers[i].connected)
            standing = (struct kv_feed_standing){ KV_FEED_UNREACHED, i };
    return standing;
}

void kv_feed_publish(struct kv_feed *feed)
{
    uint64_t counts[KV_FEED_COUNTS] = { [KV_FEED_CONNECTS] = feed->connects };

    for (size_t i = 0; i < feed->settings.ranks; i++)
        kv_publisher_count(&feed->publishers[i], counts);
    for (size_t i = 0; i < KV_FEED_COUNTS; i++)
        atomic_store_explicit(&feed->counts[i], counts[i], memory_order_relaxed);
    atomic_store_explicit(&feed->standing,
                          standing_pack(standing_of(feed, counts[KV_FEED_BATCHES])),
                          memory_order_relaxed);
    publish_state(feed);
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
        .ranks = conf->ranks,
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
    for (size_t i = 0; i < feed->settings.ranks; i++) {
        feed->connects += feed->publishers[i].connects;
        kv_publisher_close(&feed->publishers[i]);
    }
    free(feed->publishers);
    kv_column_release(&feed->filled);
    settings_release(&feed->settings);
    atomic_store_explicit(&feed->connected, false, memory_order_relaxed);
    atomic_store_explicit(&feed->heard, false, memory_order_relaxed);
    atomic_store_explicit(&feed->standing, KV_FEED_DEAF, memory_order_relaxed);
    atomic_store_explicit(&feed->column, PREFIX_COLUMN_NONE, memory_order_relaxed);
    atomic_store_explicit(&feed->page_tokens, 0, memory_order_relaxed);
    atomic_store_explicit(&feed->bytes, 0, memory_order_relaxed);
}

static void open_publisher(struct kv_feed *feed, uint32_t rank)
{
    const struct settings *settings = &feed->settings;
    char url[KV_URL_MAX], replay_url[KV_URL_MAX];
    const struct kv_publisher_conf conf = {
        .name = settings->name,
        .url = url,
        .replay_url = settings->replay_url ? replay_url : NULL,
        .topic = settings->topic,
        .block = settings->block,
        .prefix_seed = settings->prefix_seed,
        .cache = slice_str(settings->cache),
    };

    kv_url_rank(settings->url, rank, url);
    if (settings->replay_url)
        kv_url_rank(settings->replay_url, rank, replay_url);
    kv_publisher_open(&feed->publishers[rank], feed, feed->events, &feed->filled, &conf);
}

static void feed_listen(struct kv_feed *feed, const struct settings *settings)
{
    feed->settings = *settings;
    feed->listening = true;
    feed->publishers = xcalloc(settings->ranks, sizeof(*feed->publishers));
    kv_column_init(&feed->filled, feed->events->index);
    for (uint32_t rank = 0; rank < settings->ranks; rank++)
        open_publisher(feed, rank);
    kv_feed_publish(feed);
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

    feed->events = events;
    feed->opening.open = on_open;
    feed->closing.open = on_close;
    list_init(&feed->link);
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

uint64_t kv_feed_bytes(const struct kv_feed *feed)
{
    return atomic_load_explicit(&feed->bytes, memory_order_relaxed);
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
