/*
 * What an engine says of its own load: on its metrics page (routing/scrape), or with an answer
 * (routing/orca).
 *
 * Part of an endpoint's state. Any thread writes and reads: numbers are relaxed atomics, each right
 * by itself, and each has a time until which it is believed. What was never said, or too long ago,
 * is not known; not known is never zero.
 */
#ifndef SLUICE_ROUTING_REPORTED_H
#define SLUICE_ROUTING_REPORTED_H

#include "routing/gauges.h"

struct reported {
    _Atomic double values[GAUGE_COUNT];
    _Atomic uint64_t until_us[GAUGE_COUNT]; /* clock_now_us; 0: was never said */
    _Atomic uint64_t seen_us;               /* when something was said last; 0: never */
    _Atomic uint64_t capacity; /* tokens its cache holds, as said last, whenever; 0: never was */
};

/* What `gauges` knows was said now, and is believed until then; the rest stays as it was. */
void reported_note(struct reported *reported, const struct gauges *gauges, uint64_t now_us,
                   uint64_t until_us);

/* What is believed now. */
void reported_read(const struct reported *reported, uint64_t now_us, struct gauges *ret_gauges);

#endif
