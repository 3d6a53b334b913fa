/*
 * What a decision costs, from block keys to the chosen endpoint: the match of a prompt of 8,192
 * tokens (512 blocks of 16) with the index, loads, paces, prices, the choice. For fleets and
 * indexes of several sizes; all goes through what a worker calls, and models of the endpoints'
 * caches have put the blocks into the index. The monotonic clock for percentiles, process CPU time
 * for the mean.
 *
 * Prompts are another one every time, so that caches are as cold as in a busy gateway: `own` is
 * held by one endpoint, `new` by nobody, `shared` has its first quarter, a system prompt, at 16
 * endpoints and the rest at one.
 *
 * bench_decide [blocks...]: sizes to run with, 10000000 when left out.
 */
#include "gateway/base/clock.h"
#include "gateway/prompt/pipeline.h"
#include "routing/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROMPT    512
#define BLOCK     16
#define DECISIONS 4000
#define SYSTEMS   64 /* system prompts */
#define COPIES    16
#define BATCH     32 /* 128 KB of keys on their way to the index thread */

static const size_t fleets[] = { 8, 100, 256, 1024 };
static const struct directive_set *const sets[] = { &models_set, &pools_set, &pipeline_set,
                                                    &holdings_set, NULL };

enum kind { OWN, SHARED, NEW, KINDS };

static const char *const kind_names[KINDS] = { "own", "shared", "new" };

struct bench {
    struct fleet *fleet;
    const struct pool *pool;
    struct holdings *holdings;
    struct decision *decision;
    uint64_t prompts; /* of OWN, and as many of SHARED */
    uint64_t stored;
};

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void prompt_keys(enum kind kind, uint64_t number, uint64_t *ret_keys)
{
    for (uint64_t i = 0; i < PROMPT; i++) {
        bool system = kind == SHARED && i < PROMPT / 4;
        uint64_t of = system ? number % SYSTEMS : number;

        ret_keys[i] = mix(((uint64_t)kind << 56 | (uint64_t)system << 55 | of * PROMPT | i) +
                          0x9e3779b97f4a7c15);
    }
}

static struct holdings_prompt prompt_of(const uint64_t *keys, size_t count)
{
    return (struct holdings_prompt){
        .keys = keys, .count = count, .block = BLOCK, .tokens = count * BLOCK + 1
    };
}

static const struct endpoint *home_of(const struct bench *bench, uint64_t number)
{
    return &bench->pool->endpoints[mix(number) % bench->pool->count];
}

/* The index thread sheds what it cannot keep up with: now and then one waits for it. */
static void store(struct bench *bench, const struct endpoint *endpoint, const uint64_t *keys,
                  size_t count)
{
    static struct prefix_match matches[4096];
    struct holdings_prompt prompt = prompt_of(keys, count);

    holdings_computed(endpoint, &prompt);
    if (++bench->stored % BATCH != 0)
        return;
    do
        holdings_match(bench->holdings, bench->pool, &prompt, matches);
    while (matches[endpoint->index].blocks < count);
}

static void fill(struct bench *bench, uint64_t blocks)
{
    uint64_t keys[PROMPT];

    bench->prompts = blocks / (2 * PROMPT);
    for (uint64_t s = 0; s < SYSTEMS; s++) {
        prompt_keys(SHARED, s, keys);
        for (uint64_t copy = 0; copy < COPIES; copy++)
            store(bench, &bench->pool->endpoints[(s + copy) % bench->pool->count], keys,
                  PROMPT / 4);
    }
    for (enum kind kind = OWN; kind <= SHARED; kind++)
        for (uint64_t i = 0; i < bench->prompts; i++) {
            prompt_keys(kind, i, keys);
            store(bench, home_of(bench, i), keys, PROMPT);
        }
}

/* Some prefills and decodes everywhere, as in a fleet at work. */
static void load_endpoints(const struct bench *bench)
{
    for (size_t i = 0; i < bench->pool->count; i++)
        for (uint64_t n = 0; n < mix(i) % 8; n++) {
            struct signals *signals = &bench->pool->endpoints[i].state->signals;
            struct share share = { 0 };

            signals_sent(signals, &share, 4000, 2000, 0.2, 1);
            if (n % 2)
                signals_first_token(signals, &share, 2);
        }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void decide_all(struct bench *bench, enum kind kind)
{
    static double took[DECISIONS];
    double cpu = 0;
    size_t there = 0;

    for (uint64_t i = 0; i < DECISIONS; i++) {
        uint64_t number = mix(i) % bench->prompts, keys[PROMPT];
        struct decide_call call = { .pool = bench->pool,
                                    .now_us = clock_now_us(),
                                    .tokens = PROMPT * BLOCK + 1,
                                    .output = 200,
                                    .holdings = bench->holdings };
        const struct endpoint *endpoint;
        struct choice choice;
        double start, cpu_start;

        prompt_keys(kind, number, keys);
        call.prompt = prompt_of(keys, PROMPT);
        cpu_start = seconds(CLOCK_THREAD_CPUTIME_ID);
        start = seconds(CLOCK_MONOTONIC);
        if (decide(bench->decision, &call, &endpoint, &choice) != DECIDE_CHOSEN)
            abort();
        took[i] = seconds(CLOCK_MONOTONIC) - start;
        cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
        there += choice.cached_tokens > 0;
    }
    qsort(took, DECISIONS, sizeof(took[0]), compare);
    printf(
        "  %-6s p50 %6.1f us  p99 %6.1f us  CPU %6.1f us  to where something is cached %5.1f %%\n",
        kind_names[kind], took[DECISIONS / 2] * 1e6, took[DECISIONS * 99 / 100] * 1e6,
        cpu / DECISIONS * 1e6, 100.0 * (double)there / DECISIONS);
}

static struct conf *make_conf(size_t endpoints, uint64_t blocks)
{
    struct buf text, errors;
    struct conf *conf;

    buf_init(&text, SIZE_MAX);
    buf_init(&errors, SIZE_MAX);
    buf_printf(&text,
               "prefix_index: { memory: 8GB }\nmodels: [ { name: m, pool: p } ]\n"
               "pools:\n  - name: p\n    kv_cache_tokens: %llu\n    endpoints:\n",
               (unsigned long long)(blocks / endpoints * 2 + 4 * SYSTEMS * PROMPT) * BLOCK);
    for (size_t i = 0; i < endpoints; i++)
        buf_printf(&text, "      - http://e%zu:1\n", i);
    conf = conf_parse("bench.yaml", buf_join(&text), sets, &errors);
    if (!conf) {
        printf("%.*s", SLICE_ARGS(buf_join(&errors)));
        exit(1);
    }
    buf_release(&text);
    return conf;
}

static void run(uint64_t blocks, size_t endpoints)
{
    struct conf *conf = make_conf(endpoints, blocks);
    struct bench bench = { .holdings = holdings_new(conf), .decision = decision_new() };
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    bench.fleet = fleet_new(conf, NULL, NULL, 1, &errors);
    bench.pool = &bench.fleet->pools[0];
    holdings_follow(bench.holdings, bench.fleet, /* prefix_seed= */ 1);
    fill(&bench, blocks);
    load_endpoints(&bench);
    printf("%zu endpoints, %.3g blocks\n", endpoints, (double)blocks);
    for (enum kind kind = 0; kind < KINDS; kind++)
        decide_all(&bench, kind);
    decision_free(bench.decision);
    fleet_unref(bench.fleet);
    holdings_free(bench.holdings);
    conf_unref(conf);
}

int main(int argc, char **argv)
{
    for (int s = 1; s < argc || s == 1; s++)
        for (size_t f = 0; f < ARRAY_LEN(fleets); f++)
            run(s < argc ? strtoull(argv[s], NULL, 10) : 10000000, fleets[f]);
    return 0;
}
