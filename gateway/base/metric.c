/*
 * Metrics: rows, shards, and their text.
 *
 * A shard has one writer. Its values are atomics that the writer loads and stores relaxed, so that
 * an addition is an addition, without a locked instruction, and /metrics may read at any time.
 * Series are never taken away: a new one is published by a release store at the head of its row's
 * list.
 *
 * Printing sums all shards row by row, keyed by the labels as they are printed.
 */
#include "gateway/base/metric.h"

#include "gateway/base/arena.h"
#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/base/real.h"
#include "gateway/base/utf8.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
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
/* 100 us to 10 s: gaps between tokens, and what the gateway adds. */
/* Of whole numbers: the first holds those without any. */
static const double buckets_difference[METRIC_BUCKETS] = {
    0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 256.5, 1024.5, 4096.5
};

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

struct metric_series {
    struct metric_series *next; /* of the row: an older one; never changes */
    const struct metric_row *row;
    char *key;             /* of the shard's map; NULL without labels */
    char *labels;          /* as printed: a="b",c="d"; without labels: "" */
    _Atomic int64_t value; /* counters, gauges */
    _Atomic double sum;    /* histograms: of all observations */
    /* Histograms: observations, each in the first bucket that takes it; then +Inf. */
    _Atomic uint64_t buckets[];
};

struct metric_shard {
    struct list link; /* of `shards` */
    struct map by_key;
    uint32_t series_count[METRIC_ID_COUNT];
    struct metric_series *_Atomic series[METRIC_ID_COUNT]; /* newest first */
    _Atomic int64_t value[METRIC_ID_COUNT]; /* rows without labels, but for histograms */
};

struct metric_collector {
    struct list link;
    metric_collect_fn *collect;
    void *user;
};

/* Of shards and collectors coming and going, and of printing. */
static pthread_mutex_t metric_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct list shards = { &shards, &shards };
static struct list collectors = { &collectors, &collectors };

static size_t metric_label_count(const struct metric_row *row)
{
    size_t n = 0;

    while (n < METRIC_LABELS_MAX && row->labels[n])
        n++;
    return n;
}

static size_t metric_bucket_count(const struct metric_row *row)
{
    size_t n = 0;

    while (n < METRIC_BUCKETS && row->buckets[n] > 0)
        n++;
    return n;
}

/* Labels as text */

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

/* The labels of a series as /metrics prints them; gives. */
static char *metric_labels_text(const struct metric_row *row, const struct slice *label_values)
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

/* Shards */

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
    pthread_mutex_lock(&metric_mutex);
    list_push(&shards, &shard->link);
    pthread_mutex_unlock(&metric_mutex);
    return shard;
}

void metric_shard_free(struct metric_shard *shard)
{
    if (!shard)
        return;
    pthread_mutex_lock(&metric_mutex);
    list_remove(&shard->link);
    pthread_mutex_unlock(&metric_mutex);
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
    pthread_mutex_lock(&metric_mutex);
    list_push(&collectors, &collector->link);
    pthread_mutex_unlock(&metric_mutex);
}

/* Sums */

struct metric_sum {
    struct slice labels; /* as printed */
    int64_t value;       /* of the shards */
    double sampled;      /* of the collectors */
    double observed;     /* histograms */
    uint64_t buckets[METRIC_BUCKETS + 1];
};

struct metric_writer {
    struct arena arena;
    struct map sums[METRIC_ID_COUNT]; /* labels to struct metric_sum */
};

static struct metric_sum *metric_sum_of(struct metric_writer *writer, enum metric_id id,
                                        struct slice labels)
{
    struct metric_sum *sum = map_get(&writer->sums[id], labels);

    if (!sum) {
        sum = arena_zalloc(&writer->arena, sizeof(*sum));
        sum->labels = arena_copy(&writer->arena, labels);
        map_put(&writer->sums[id], sum->labels, sum);
    }
    return sum;
}

void metric_sample(struct metric_writer *writer, enum metric_id id,
                   const struct slice *label_values, double value)
{
    char *labels = metric_labels_text(&metric_rows[id], label_values);

    metric_sum_of(writer, id, slice_str(labels))->sampled += value;
    free(labels);
}

static void metric_sum_series(struct metric_writer *writer, enum metric_id id,
                              const struct metric_series *series)
{
    struct metric_sum *sum = metric_sum_of(writer, id, slice_str(series->labels));

    sum->value += atomic_load_explicit(&series->value, memory_order_relaxed);
    if (series->row->type != METRIC_HISTOGRAM)
        return;
    sum->observed += atomic_load_explicit(&series->sum, memory_order_relaxed);
    for (size_t i = 0; i <= METRIC_BUCKETS; i++)
        sum->buckets[i] += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
}

static void metric_sum_shard(struct metric_writer *writer, enum metric_id id,
                             struct metric_shard *shard)
{
    if (!metric_rows[id].labels[0])
        metric_sum_of(writer, id, SLICE(""))->value +=
            atomic_load_explicit(&shard->value[id], memory_order_relaxed);
    for (const struct metric_series *at =
             atomic_load_explicit(&shard->series[id], memory_order_acquire);
         at; at = at->next)
        metric_sum_series(writer, id, at);
}

static void metric_sum_all(struct metric_writer *writer)
{
    pthread_mutex_lock(&metric_mutex);
    LIST_FOREACH (at, &shards)
        for (int id = 0; id < METRIC_ID_COUNT; id++)
            metric_sum_shard(writer, (enum metric_id)id,
                             CONTAINER_OF(at, struct metric_shard, link));
    LIST_FOREACH (at, &collectors) {
        struct metric_collector *collector = CONTAINER_OF(at, struct metric_collector, link);

        collector->collect(writer, collector->user);
    }
    pthread_mutex_unlock(&metric_mutex);
}

int64_t metric_total(enum metric_id id)
{
    int64_t total = 0;

    pthread_mutex_lock(&metric_mutex);
    LIST_FOREACH (at, &shards) {
        struct metric_shard *shard = CONTAINER_OF(at, struct metric_shard, link);

        total += atomic_load_explicit(&shard->value[id], memory_order_relaxed);
        for (const struct metric_series *series =
                 atomic_load_explicit(&shard->series[id], memory_order_acquire);
             series; series = series->next)
            total += atomic_load_explicit(&series->value, memory_order_relaxed);
    }
    pthread_mutex_unlock(&metric_mutex);
    return total;
}

/* Text */

static void metric_print_double(struct buf *out, double value)
{
    char text[REAL_TEXT_BYTES];

    buf_add(out, slice_of(text, real_print(value, text)));
}

static void metric_print_name(struct buf *out, const char *name, const char *suffix,
                              struct slice labels)
{
    buf_add(out, slice_str(name));
    buf_add(out, slice_str(suffix));
    if (labels.len > 0) {
        buf_add(out, SLICE("{"));
        buf_add(out, labels);
        buf_add(out, SLICE("}"));
    }
    buf_add(out, SLICE(" "));
}

static void metric_print_value(struct buf *out, const struct metric_row *row,
                               const struct metric_sum *sum)
{
    metric_print_name(out, row->name, "", sum->labels);
    if (sum->sampled == 0)
        buf_printf(out, "%" PRId64, sum->value);
    else
        metric_print_double(out, (double)sum->value + sum->sampled);
    buf_add(out, SLICE("\n"));
}

static void metric_print_histogram(struct buf *out, const struct metric_row *row,
                                   const struct metric_sum *sum)
{
    size_t bounds = metric_bucket_count(row);
    uint64_t count = 0;

    for (size_t i = 0; i <= bounds; i++) {
        count += sum->buckets[i];
        buf_printf(out, "%s_bucket{%.*s%sle=\"", row->name, SLICE_ARGS(sum->labels),
                   sum->labels.len ? "," : "");
        if (i < bounds)
            metric_print_double(out, row->buckets[i]);
        else
            buf_add(out, SLICE("+Inf"));
        buf_printf(out, "\"} %" PRIu64 "\n", count);
    }
    metric_print_name(out, row->name, "_sum", sum->labels);
    metric_print_double(out, sum->observed);
    buf_add(out, SLICE("\n"));
    metric_print_name(out, row->name, "_count", sum->labels);
    buf_printf(out, "%" PRIu64 "\n", count);
}

static int metric_sum_order(const void *a, const void *b)
{
    struct slice x = (*(struct metric_sum *const *)a)->labels;
    struct slice y = (*(struct metric_sum *const *)b)->labels;
    int order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);

    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* ---- pages ---- */

/* Samples of a piece; a histogram is one. */
#define METRIC_PIECE_SAMPLES 256

struct metric_page {
    struct metric_writer writer;
    unsigned id;                /* enum metric_id: the row that is being printed */
    struct metric_sum **sorted; /* of the row; NULL: it has not begun */
    size_t count, at;           /* of these */
};

struct metric_page *metric_page_new(void)
{
    struct metric_page *page = xcalloc(1, sizeof(*page));

    arena_init(&page->writer.arena, SIZE_MAX);
    for (int id = 0; id < METRIC_ID_COUNT; id++)
        map_init(&page->writer.sums[id]);
    metric_sum_all(&page->writer);
    return page;
}

void metric_page_free(struct metric_page *page)
{
    if (!page)
        return;
    for (int id = 0; id < METRIC_ID_COUNT; id++)
        map_release(&page->writer.sums[id]);
    arena_release(&page->writer.arena);
    free(page->sorted);
    free(page);
}

static void metric_row_begin(struct metric_page *page, struct buf *out)
{
    static const char *const type_name[] = { "counter", "gauge", "histogram" };
    const struct metric_row *row = &metric_rows[page->id];
    const struct map *sums = &page->writer.sums[page->id];
    size_t at = 0;

    page->count = sums->count;
    page->at = 0;
    page->sorted = xcalloc(page->count + 1, sizeof(*page->sorted));
    for (size_t i = 0; i < page->count; i++)
        page->sorted[i] = map_next(sums, &at);
    qsort(page->sorted, page->count, sizeof(*page->sorted), metric_sum_order);
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
               type_name[row->type]);
}

/* One sample, with the row's head before its first; past its last the next row is due. */
static void metric_page_step(struct metric_page *page, struct buf *out)
{
    const struct metric_row *row = &metric_rows[page->id];

    if (!page->sorted)
        metric_row_begin(page, out);
    if (page->at < page->count && row->type == METRIC_HISTOGRAM)
        metric_print_histogram(out, row, page->sorted[page->at++]);
    else if (page->at < page->count)
        metric_print_value(out, row, page->sorted[page->at++]);
    if (page->at < page->count)
        return;
    free(page->sorted);
    page->sorted = NULL;
    page->id++;
}

bool metric_page_print(struct metric_page *page, struct buf *out)
{
    for (int n = 0; n < METRIC_PIECE_SAMPLES && page->id < METRIC_ID_COUNT; n++)
        metric_page_step(page, out);
    return page->id < METRIC_ID_COUNT;
}
