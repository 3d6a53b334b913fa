/*
 * Whether an endpoint should get requests: what exchanges saw (ejection on failures in a row, with
 * a back-off and slow return), what active checks say, and the panic threshold below which health
 * is ignored, because a pool that looks all broken is more likely judged wrongly than broken.
 *
 * Any thread; numbers are relaxed atomics, so that two workers may both count the failure that
 * ejects.
 */
#ifndef SLUICE_ROUTING_HEALTH_H
#define SLUICE_ROUTING_HEALTH_H

#include "conf/directive.h"
#include "routing/endpoint.h"

struct health_conf {
    bool active;
    char *path;                      /* NULL: the engine's */
    uint64_t interval, timeout;      /* ms */
    uint64_t unhealthy, healthy;     /* probes in a row */
    uint64_t eject_after;            /* failures in a row; 0: never */
    uint64_t eject_for, slow_return; /* ms */
    uint64_t panic;                  /* percent */
};

extern const struct directive_set health_set;

/* An attempt at it ended. `failed`: the endpoint's fault. */
void health_report(const struct endpoint *endpoint, const struct health_conf *conf,
                   struct metric_shard *metrics, uint64_t now_us, bool failed);

/* 0: gets nothing; else up to 1, less than 1 while it returns slowly. */
double health_weight(const struct endpoint *endpoint, const struct health_conf *conf,
                     uint64_t now_us);

#endif
