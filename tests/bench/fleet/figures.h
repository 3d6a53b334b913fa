/*
 * What a run is judged by, and its mean over seeds.
 */
#ifndef SLUICE_FLEET_FIGURES_H
#define SLUICE_FLEET_FIGURES_H

#include "tests/bench/fleet/sim.h"

struct figures {
    double hit;                 /* % of prompt tokens, found by engines */
    double ttft, p50, p90, p99; /* s */
    double tpot99;              /* ms */
    double e2e;                 /* s, mean */
    double held;                /* requests, at most */
};
#define FIGURES (sizeof(struct figures) / sizeof(double))

/* Of requests that are over. */
void figures_summarize(const struct workload *workload, const struct sim_result *result,
                       struct figures *ret_figures);

/* A scenario: what is asked for, of what. */
struct scenario {
    const char *workload;
    double speed;
    enum workload_part part;
    uint32_t seeds;
    size_t requests; /* the first so many; 0: all */
    struct sim_conf sim;
};

/* Runs it once a seed. */
void figures_of(const struct scenario *scenario, struct figures *ret_mean,
                struct figures *ret_deviation);

void figures_print_head(void);
void figures_print(const char *name, const struct figures *mean, const struct figures *deviation);

#endif
