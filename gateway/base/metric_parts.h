/*
 * What the files of metrics share: counting (metric.c) and printing (metric_page.c). Nobody else
 * includes it.
 */
#ifndef SLUICE_BASE_METRIC_PARTS_H
#define SLUICE_BASE_METRIC_PARTS_H

#include "gateway/base/list.h"
#include "gateway/base/map.h"
#include "gateway/base/metric.h"

#include <pthread.h>
#include <stdatomic.h>

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

/* Of the process. */
extern struct metric_registry {
    pthread_mutex_t mutex; /* of shards and collectors coming and going, and of summing */
    struct list shards, collectors;
} metric_registry;

size_t metric_label_count(const struct metric_row *row);
/* The labels of a series as /metrics prints them; gives. */
char *metric_labels_text(const struct metric_row *row, const struct slice *label_values);

#endif
