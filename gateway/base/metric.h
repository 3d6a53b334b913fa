/*
 * Metrics: one row in metric.def, one add at the place where it happens.
 *
 * Every thread writes its own shard without locks (relaxed atomics); /metrics sums the shards. A
 * row without labels is a fixed slot. A row with labels has series: metric_series finds or makes
 * one (a hash look-up; keep the pointer where it is used often: it lives as long as the shard). A
 * row holds at most METRIC_SERIES_MAX series a shard; label values past that are counted under
 * "other" (J-12), so nobody outside can grow the table. Names follow Prometheus: prefix sluice_,
 * base units, _total for counters.
 */
#ifndef SLUICE_BASE_METRIC_H
#define SLUICE_BASE_METRIC_H

#include "gateway/base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_LABELS_MAX 4
#define METRIC_SERIES_MAX 1000
#define METRIC_BUCKETS    20

struct metric_row {
    const char *name; /* "sluice_requests_total" */
    const char *help;
    uint8_t type;                          /* enum metric_type */
    const char *labels[METRIC_LABELS_MAX]; /* names, NULL after the last */
    const double *buckets; /* histograms: upper bounds, METRIC_BUCKETS of them or ended by 0 */
};

enum metric_id {
#define METRIC(id, ...) METRIC_ID_##id,
#include "gateway/base/metric.def"
#undef METRIC
    METRIC_ID_COUNT
};

extern const struct metric_row metric_rows[METRIC_ID_COUNT];

struct metric_shard;
struct metric_series;

struct metric_shard *metric_shard_new(void); /* registers it for metric_page_new */
/* What it counted is gone with it: at exit only. NULL is fine. */
void metric_shard_free(struct metric_shard *shard);

/* Rows without labels. Owning thread only. */
void metric_add(struct metric_shard *shard, enum metric_id id, int64_t n);
void metric_observe(struct metric_shard *shard, enum metric_id id, double value);

/* Rows with labels: as many values as the row has labels. Owning thread only. */
struct metric_series *metric_series(struct metric_shard *shard, enum metric_id id,
                                    const struct slice *label_values);
void metric_series_add(struct metric_series *series, int64_t n);
void metric_series_observe(struct metric_series *series, double value);

/* Observations kept elsewhere until their labels are known: the bucket each belongs to, then all at
 * once. counts has METRIC_BUCKETS + 1 entries, the last for what is above all bounds. */
size_t metric_bucket(enum metric_id id, double value);
void metric_series_merge(struct metric_series *series, const uint32_t *counts, double sum);

/*
 * Gauges and counters whose value lives elsewhere (an endpoint's state, a queue's length):
 * `collect` is called by metric_page_new, on its thread, and prints through
 * metric_sample; it may call nothing else of this header. Samples of the same labels are added up,
 * and to what the shards have. Registered once per module, for ever: `user` must live as long as
 * anybody prints.
 */
struct metric_writer;
typedef void metric_collect_fn(struct metric_writer *writer, void *user);
void metric_collector_add(metric_collect_fn *collect, void *user);
void metric_sample(struct metric_writer *writer, enum metric_id id,
                   const struct slice *label_values, double value);

/*
 * All rows in Prometheus' text format 0.0.4, in pieces: a large fleet has tens of thousands of
 * samples. All shards are summed by metric_page_new. Any thread; the shards go on.
 */
struct metric_page;
struct metric_page *metric_page_new(void);
void metric_page_free(struct metric_page *page); /* NULL is fine */
/* Appends the next piece, some 20 KB. False: it was the last. */
bool metric_page_print(struct metric_page *page, struct buf *out);

/* The sum over shards and series of a counter or gauge row: for the drain, and for tests. */
int64_t metric_total(enum metric_id id);

#endif
