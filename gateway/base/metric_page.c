/*
 * The page of metrics: all shards summed row by row, keyed by the labels as they are printed; then
 * their text, in pieces.
 */
#include "gateway/base/metric_parts.h"

#include "gateway/base/arena.h"
#include "gateway/base/real.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- sums ---- */

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
    pthread_mutex_lock(&metric_registry.mutex);
    LIST_FOREACH (at, &metric_registry.shards)
        for (int id = 0; id < METRIC_ID_COUNT; id++)
            metric_sum_shard(writer, (enum metric_id)id,
                             CONTAINER_OF(at, struct metric_shard, link));
    LIST_FOREACH (at, &metric_registry.collectors) {
        struct metric_collector *collector = CONTAINER_OF(at, struct metric_collector, link);

        collector->collect(writer, collector->user);
    }
    pthread_mutex_unlock(&metric_registry.mutex);
}

/* ---- text ---- */

static size_t metric_bucket_count(const struct metric_row *row)
{
    size_t n = 0;

    while (n < METRIC_BUCKETS && row->buckets[n] > 0)
        n++;
    return n;
}

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
