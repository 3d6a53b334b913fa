/*
 * What an engine's metrics page says of its load: Prometheus text, gauges.def says which series.
 *
 * Pages come from outside: whatever is in them, reading one is a single pass without an allocation,
 * and what cannot be understood is not known. Not known is never zero: an engine that was told to
 * keep its statistics answers with an empty page. Any thread.
 */
#ifndef SLUICE_ROUTING_GAUGES_H
#define SLUICE_ROUTING_GAUGES_H

#include "routing/engine.h"

enum gauge {
    GAUGE_WAITING,      /* requests */
    GAUGE_RUNNING,      /* requests */
    GAUGE_USAGE,        /* of the cache, 0 to 1 */
    GAUGE_BLOCK_TOKENS, /* tokens a block */
    GAUGE_BLOCKS,
    GAUGE_CAPACITY, /* tokens */
    GAUGE_COUNT
};

struct gauges {
    double values[GAUGE_COUNT];
    unsigned known; /* bits, 1 << enum gauge */
    /* Comma-separated names, borrowed from the page; empty: none, or not known. */
    struct slice running_adapters, waiting_adapters;
};

/* Of data-parallel ranks, which are series of one name, requests and blocks are summed; of the
 * usage and the size of a block the largest counts. */
void gauges_read(enum engine_id engine, struct slice page, struct gauges *ret_gauges);

/* A number that an engine writes for a gauge, spaces before it; false: it is none, endless, below
 * 0, or more than such a gauge can be. */
bool gauges_number(enum gauge gauge, struct slice text, double *ret_value) MUST_USE;

/* One rank's number more, by the rule above; one that cannot be such a gauge's is passed over. */
void gauges_add(struct gauges *gauges, enum gauge gauge, double value);

static inline bool gauges_know(const struct gauges *gauges, enum gauge gauge)
{
    return gauges->known >> gauge & 1;
}

/* Tokens that the engine's cache holds; 0: not known. */
uint64_t gauges_capacity(const struct gauges *gauges);

#endif
