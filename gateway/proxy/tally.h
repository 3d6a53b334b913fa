/*
 * What exchanges add to the metrics when they end, with the series of each version looked up once.
 *
 * One worker's.
 */
#ifndef SLUICE_PROXY_TALLY_H
#define SLUICE_PROXY_TALLY_H

#include "gateway/base/metric.h"

struct exchange;
struct reason;
struct tally;

/* Gaps between content events of one stream, kept until its outcome is known. */
struct tally_gaps {
    uint32_t counts[METRIC_BUCKETS + 1]; /* by bucket of the row, the last: above all bounds */
    double sum_s;
};

struct tally *tally_new(struct metric_shard *metrics);
void tally_free(struct tally *tally);

void tally_gap(struct tally_gaps *gaps, uint64_t gap_us);
/* An attempt of it has ended. */
void tally_attempt(struct tally *tally, const struct exchange *x, const struct reason *reason);
/* The exchange has ended: reason, times, usage and gaps are what they will be. */
void tally_exchange(struct tally *tally, const struct exchange *x, uint64_t now_us);

#endif
