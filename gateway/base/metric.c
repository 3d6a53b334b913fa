/*
 * Metrics: rows, shards, and what is added to them.
 *
 * A shard has one writer. Its values are atomics that the writer loads and stores relaxed, so that
 * an addition is an addition, without a locked instruction, and /metrics may read at any time.
 * Series are never taken away: a new one is published by a release store at the head of its row's
 * list.
 */
#include "gateway/base/metric.h"

#include "gateway/base/metric_parts.h"
#include "gateway/base/utf8.h"

#include <stdlib.h>

/* A label's value is cut after so many bytes: some of them come from clients (J-12). */
#define METRIC_LABEL_BYTES 128
#define METRIC_KEY_BYTES   (1 + METRIC_LABELS_MAX * (1 + METRIC_LABEL_BYTES))

/* Both are one byte of a series' key. */
_Static_assert(METRIC_ID_COUNT <= 256 && METRIC_LABEL_BYTES <= 255, "metric_key");

/* 1 ms to 10 minutes: from a cached one-token answer to a long reasoning stream. */
static const double buckets_seconds[METRIC_BUCKETS] = { 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                        0.05,  0.1,    0.2,   0.3,  0.5,
                                                        0.75,  1,      2,     5,    10,
                                                        30,    60,     120,   300,  600 };
/* Of whole numbers: the first holds those without any. */
static const double buckets_difference[METRIC_BUCKETS] = {
    0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 256.5, 1024.5, 4096.5
};

/* 100 us to 10 s: gaps between tokens, and what the gateway adds. */
static const double buckets_fine[METRIC_BUCKETS] = { 0.0001, 0.00025, 0.0005, 0.001, 0.002,
                                                     0.005,  0.0075,  0.01,   0.015, 0.02,
                                                     0.03,   0.04,    0.05,   0.075, 0.1,
                                                     0.25,   0.5,     1,      2.5,   10 };

#define NO_LABELS                                                                                  \
    {                                                                                              \
        NULL                                                                                       \
    }
#define LABELS(...)                                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define BUCKETS_SECONDS    buckets_seconds
#define BUCKETS_FINE       buckets_fine
#define BUCKETS_DIFFERENCE buckets_difference

const struct metric_row metric_rows[METRIC_ID_COUNT] = {
#define METRIC(id, type_, name_, help_, labels_, buckets_)                                         \
    [METRIC_ID_##id] = { .name = name_,                                                            \
                         .help = help_,                                                            \
                         .type = METRIC_##type_,                                                   \
                         .labels = labels_,                                                        \
                         .buckets = buckets_ },
#include "gateway/base/metric.def"
#undef METRIC
};

struct metric_registry metric_registry = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .shards = { &metric_registry.shards, &metric_registry.shards },
    .collectors = { &metric_registry.collectors, &metric_registry.collectors },
};

size_t metric_label_count(const struct metric_row *row)
{
    size_t n = 0;

    while (n < METRIC_LABELS_MAX && row->labels[n])
        n++;
    return n;
}

/* ---- labels as text ---- */

/* How many bytes at the front are ASCII that stands as it is: nearly always all. */
static size_t metric_label_plain(struct slice s)
{
    size_t n = 0;

    while (n < s.len && (signed char)s.at[n] >= ' ' && s.at[n] != '"' && s.at[n] != '\\')
        n++;
    return n;
}

/* Three characters are escaped; NUL and what is not UTF-8 are replaced: one bad byte spoils a
 * scrape. */
static void metric_label_escape(struct buf *out, struct slice s)
{
    while (s.len > 0) {
        size_t n = metric_label_plain(s);

        if (n > 0) {
            buf_add(out, slice_head(s, n));
            s = slice_skip(s, n);
            continue;
        }
        n = utf8_sequence(s);
        if (n == 0 || s.at[0] == '\0')
            buf_add(out, SLICE(UTF8_REPLACEMENT));
        else if (s.at[0] == '\n')
            buf_add(out, SLICE("\\n"));
        else if (s.at[0] == '"' || s.at[0] == '\\')
            buf_add(out, slice_of((char[]){ '\\', s.at[0] }, 2));
        else
            buf_add(out, slice_head(s, n));
        s = slice_skip(s, n ? n : 1);
    }
}

char *metric_labels_text(const struct metric_row *row, const struct slice *label_values)
{
    struct buf out;
    char *text;

    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < metric_label_count(row); i++) {
        buf_add(&out, i ? SLICE(",") : SLICE(""));
        buf_add(&out, slice_str(row->labels[i]));
        buf_add(&out, SLICE("=\""));
        metric_label_escape(&out, slice_head(label_values[i], METRIC_LABEL_BYTES));
        buf_add(&out, SLICE("\""));
    }
    text = slice_dup(buf_join(&out));
    buf_release(&out);
    return text;
}

/* ---- shards ---- */

static struct metric_series *metric_series_new(struct metric_shard *shard, enum metric_id id,
                                               const struct slice *label_values)
{
    const struct metric_row *row = &metric_rows[id];
    size_t buckets = row->type == METRIC_HISTOGRAM ? METRIC_BUCKETS + 1 : 0;
    struct metric_series *series =
        xcalloc(1, sizeof(*series) + buckets * sizeof(series->buckets[0]));

    series->row = row;
    series->labels = metric_labels_text(row, label_values);
    series->next = atomic_load_explicit(&shard->series[id], memory_order_relaxed);
    atomic_store_explicit(&shard->series[id], series, memory_order_release);
    shard->series_count[id]++;
    return series;
}

struct metric_shard *metric_shard_new(void)
{
    struct metric_shard *shard = xcalloc(1, sizeof(*shard));

    map_init(&shard->by_key);
    for (int id = 0; id < METRIC_ID_COUNT; id++)
        if (metric_rows[id].type == METRIC_HISTOGRAM && metric_label_count(&metric_rows[id]) == 0)
            metric_series_new(shard, (enum metric_id)id, NULL);
    pthread_mutex_lock(&metric_registry.mutex);
    list_push(&metric_registry.shards, &shard->link);
    pthread_mutex_unlock(&metric_registry.mutex);
    return shard;
}

void metric_shard_free(struct metric_shard *shard)
{
    if (!shard)
        return;
    pthread_mutex_lock(&metric_registry.mutex);
    list_remove(&shard->link);
    pthread_mutex_unlock(&metric_registry.mutex);
    for (int id = 0; id < METRIC_ID_COUNT; id++)
        for (struct metric_series *at = shard->series[id]; at;) {
            struct metric_series *next = at->next;

            free(at->key);
            free(at->labels);
            free(at);
            at = next;
        }
    map_release(&shard->by_key);
    free(shard);
}

/* One writer: a load and a store, no locked instruction. */
static inline void metric_bump(_Atomic int64_t *value, int64_t n)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void metric_add(struct metric_shard *shard, enum metric_id id, int64_t n)
{
    CHECK(!metric_rows[id].labels[0]);
    metric_bump(&shard->value[id], n);
}

void metric_observe(struct metric_shard *shard, enum metric_id id, double value)
{
    CHECK(!metric_rows[id].labels[0]);
    metric_series_observe(atomic_load_explicit(&shard->series[id], memory_order_relaxed), value);
}

void metric_series_add(struct metric_series *series, int64_t n)
{
    metric_bump(&series->value, n);
}

static size_t row_bucket(const struct metric_row *row, double value)
{
    size_t i = 0;

    while (i < METRIC_BUCKETS && row->buckets[i] > 0 && value > row->buckets[i])
        i++;
    return i;
}

size_t metric_bucket(enum metric_id id, double value)
{
    return row_bucket(&metric_rows[id], value);
}

static void metric_series_count(struct metric_series *series, size_t bucket, uint64_t n, double sum)
{
    _Atomic uint64_t *count = &series->buckets[bucket];

    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
    atomic_store_explicit(&series->sum,
                          atomic_load_explicit(&series->sum, memory_order_relaxed) + sum,
                          memory_order_relaxed);
}

void metric_series_observe(struct metric_series *series, double value)
{
    metric_series_count(series, row_bucket(series->row, value), 1, value);
}

void metric_series_merge(struct metric_series *series, const uint32_t *counts, double sum)
{
    for (size_t i = 0; i <= METRIC_BUCKETS; i++)
        if (counts[i] > 0)
            metric_series_count(series, i, counts[i], 0);
    metric_series_count(series, 0, 0, sum);
}

/* The row's number, then each value behind its length: no two sets of values give the same key. */
static struct slice metric_key(char key[METRIC_KEY_BYTES], enum metric_id id,
                               const struct slice *label_values)
{
    size_t labels = metric_label_count(&metric_rows[id]);
    char *at = key;

    *at++ = (char)id;
    for (size_t i = 0; i < labels; i++) {
        struct slice value = slice_head(label_values[i], METRIC_LABEL_BYTES);

        *at++ = (char)value.len;
        if (value.len > 0)
            memcpy(at, value.at, value.len);
        at += value.len;
    }
    return slice_of(key, (size_t)(at - key));
}

struct metric_series *metric_series(struct metric_shard *shard, enum metric_id id,
                                    const struct slice *label_values)
{
    static const struct slice others[METRIC_LABELS_MAX] = {
        SLICE_INIT("other"), SLICE_INIT("other"), SLICE_INIT("other"), SLICE_INIT("other")
    };
    char bytes[METRIC_KEY_BYTES];
    struct slice key = metric_key(bytes, id, label_values);
    struct metric_series *series = map_get(&shard->by_key, key);

    if (LIKELY(series != NULL))
        return series;
    if (shard->series_count[id] >= METRIC_SERIES_MAX) {
        label_values = others;
        key = metric_key(bytes, id, label_values);
        series = map_get(&shard->by_key, key);
        if (series)
            return series;
    }
    series = metric_series_new(shard, id, label_values);
    series->key = slice_dup(key);
    map_put(&shard->by_key, slice_of(series->key, key.len), series);
    return series;
}

void metric_collector_add(metric_collect_fn *collect, void *user)
{
    struct metric_collector *collector = xcalloc(1, sizeof(*collector));

    collector->collect = collect;
    collector->user = user;
    pthread_mutex_lock(&metric_registry.mutex);
    list_push(&metric_registry.collectors, &collector->link);
    pthread_mutex_unlock(&metric_registry.mutex);
}

int64_t metric_total(enum metric_id id)
{
    int64_t total = 0;

    pthread_mutex_lock(&metric_registry.mutex);
    LIST_FOREACH (at, &metric_registry.shards) {
        struct metric_shard *shard = CONTAINER_OF(at, struct metric_shard, link);

        total += atomic_load_explicit(&shard->value[id], memory_order_relaxed);
        for (const struct metric_series *series =
                 atomic_load_explicit(&shard->series[id], memory_order_acquire);
             series; series = series->next)
            total += atomic_load_explicit(&series->value, memory_order_relaxed);
    }
    pthread_mutex_unlock(&metric_registry.mutex);
    return total;
}
