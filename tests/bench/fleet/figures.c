/*
 * Means, quantiles and deviations.
 */
#include "tests/bench/fleet/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(const double *sorted, size_t n, double q)
{
    size_t at = (size_t)(q * (double)n);

    return sorted[at < n ? at : n - 1];
}

void figures_summarize(const struct workload *w, const struct sim_result *result,
                       struct figures *ret)
{
    double *ttft = xcalloc(w->count, sizeof(double));
    double *tpot = xcalloc(w->count, sizeof(double));
    size_t decodes = 0;

    *ret = (struct figures){ .hit = 100 * result->hit, .held = result->held_most };
    for (size_t i = 0; i < w->count; i++) {
        const struct request *rq = &w->requests[i];

        ttft[i] = (double)(rq->first_us - rq->arrival_us) * 1e-6;
        ret->ttft += ttft[i] / (double)w->count;
        ret->e2e += (double)(rq->end_us - rq->arrival_us) * 1e-6 / (double)w->count;
        if (rq->output_tokens > 1)
            tpot[decodes++] = (double)(rq->end_us - rq->first_us) * 1e-3 / (rq->output_tokens - 1);
    }
    qsort(ttft, w->count, sizeof(double), ascending);
    qsort(tpot, decodes, sizeof(double), ascending);
    ret->p50 = quantile(ttft, w->count, 0.5);
    ret->p90 = quantile(ttft, w->count, 0.9);
    ret->p99 = quantile(ttft, w->count, 0.99);
    ret->tpot99 = decodes > 0 ? quantile(tpot, decodes, 0.99) : 0;
    free(ttft);
    free(tpot);
}

void figures_of(const struct scenario *scenario, struct figures *ret_mean,
                struct figures *ret_deviation)
{
    double sum[FIGURES] = { 0 }, squares[FIGURES] = { 0 };

    for (uint32_t seed = 1; seed <= scenario->seeds; seed++) {
        struct workload w;
        struct sim_result result;
        struct figures figures;
        double at[FIGURES];

        workload_init(&w, scenario->workload, scenario->speed, scenario->part, seed);
        if (scenario->requests > 0 && scenario->requests < w.count)
            w.count = scenario->requests;
        sim_run(&scenario->sim, &w, seed, &result);
        figures_summarize(&w, &result, &figures);
        workload_release(&w);
        memcpy(at, &figures, sizeof(at));
        for (size_t i = 0; i < FIGURES; i++) {
            sum[i] += at[i] / scenario->seeds;
            squares[i] += at[i] * at[i] / scenario->seeds;
        }
    }
    for (size_t i = 0; i < FIGURES; i++)
        squares[i] = sqrt(fmax(0, squares[i] - sum[i] * sum[i]) * scenario->seeds /
                          (scenario->seeds > 1 ? scenario->seeds - 1 : 1));
    memcpy(ret_mean, sum, sizeof(sum));
    memcpy(ret_deviation, squares, sizeof(squares));
}

void figures_print_head(void)
{
    printf("%-17s %11s  %15s %6s %6s %13s %6s %6s %5s\n", "policy", "hit %", "TTFT mean s", "p50",
           "p90", "p99", "TPOT99", "E2E", "held");
}

void figures_print(const char *name, const struct figures *m, const struct figures *d)
{
    printf("%-17s %5.1f ±%4.1f  %7.3f ±%6.3f %6.2f %6.2f %6.2f ±%5.2f %6.0f %6.2f %5.0f\n", name,
           m->hit, d->hit, m->ttft, d->ttft, m->p50, m->p90, m->p99, d->p99, m->tpot99, m->e2e,
           m->held);
    fflush(stdout);
}
