/*
 * What the prefix index costs: look-ups and stores a second, the match of a prompt of 8,192 tokens
 * (512 blocks of 16) for all endpoints at once, and memory a holder, for fleets and indexes of
 * several sizes. One thread; process CPU time for rates, the monotonic clock for percentiles.
 *
 * Three prompts are matched, each another one every time, so that caches are as cold as they are in
 * a busy gateway: `own` is held whole by one endpoint; `shared` has its first quarter on all
 * endpoints and the rest on two; `fleet` is on all endpoints whole, the dearest there is.
 *
 * bench_index [blocks...]: sizes to run with, 100000 1000000 10000000 when left out.
 */
#include "routing/prefix_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROMPT  512
#define MATCHES 4000
#define FLEET   1024

static const size_t fleets[] = { 8, 100, 256, 1024 };

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* The keys of prompt number `number` of a kind. */
static void prompt_keys(uint64_t kind, uint64_t number, uint64_t *ret_keys)
{
    for (uint64_t i = 0; i < PROMPT; i++)
        ret_keys[i] = mix((kind << 56 | number * PROMPT | i) + 0x9e3779b97f4a7c15);
}

enum kind { OWN, SHARED, FLEET_WIDE, KINDS };

static const char *const kind_names[KINDS] = { "own", "shared", "fleet" };

struct bench {
    struct prefix_index *index;
    uint32_t columns[FLEET];
    size_t endpoints;
    uint64_t prompts[KINDS]; /* how many there are of each */
};

static void store_prompt(struct bench *bench, enum kind kind, uint64_t number)
{
    uint64_t keys[PROMPT];

    prompt_keys(kind, number, keys);
    for (size_t i = 0; i < PROMPT; i++) {
        size_t holders = kind == OWN ? 1 : bench->endpoints;

        if (kind == SHARED && i >= PROMPT / 4)
            holders = 2;
        for (size_t h = 0; h < holders; h++)
            prefix_index_store(bench->index, keys[i],
                               bench->columns[(number + h) % bench->endpoints], PREFIX_TIER_GPU);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void match_all(struct bench *bench, enum kind kind)
{
    static double took[MATCHES];
    struct prefix_match matches[FLEET];
    uint64_t keys[PROMPT];
    double cpu = 0;

    for (uint64_t i = 0; i < MATCHES; i++) {
        uint64_t number = mix(i) % bench->prompts[kind];
        double start, cpu_start;

        prompt_keys(kind, number, keys);
        cpu_start = seconds(CLOCK_THREAD_CPUTIME_ID);
        start = seconds(CLOCK_MONOTONIC);
        prefix_index_match(bench->index, keys, PROMPT, bench->columns, bench->endpoints, matches);
        took[i] = seconds(CLOCK_MONOTONIC) - start;
        cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
        if (matches[number % bench->endpoints].blocks != PROMPT) {
            printf("a block is missing\n");
            exit(1);
        }
    }
    qsort(took, MATCHES, sizeof(took[0]), compare);
    printf("  %-6s p50 %6.1f us  p99 %6.1f us  %6.1f million look-ups/s\n", kind_names[kind],
           took[MATCHES / 2] * 1e6, took[MATCHES * 99 / 100] * 1e6,
           MATCHES * (double)PROMPT / cpu / 1e6);
}

/* Stores and removals one after the other, at places chosen anew each time. */
static void change_all(struct bench *bench, uint64_t blocks)
{
    uint64_t count = blocks < 2000000 ? blocks : 2000000;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    double stored, removed;

    for (uint64_t i = 0; i < count; i++)
        prefix_index_store(bench->index, mix(~i), bench->columns[i % bench->endpoints], 0);
    stored = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < count; i++)
        prefix_index_remove(bench->index, mix(~i), bench->columns[i % bench->endpoints], 0);
    removed = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    printf("  stores %.1f million/s, removals %.1f million/s\n", (double)count / stored / 1e6,
           (double)count / removed / 1e6);
}

/* `fleet` prompts are few: they stand for system prompts. */
static void fill(struct bench *bench, uint64_t blocks)
{
    bench->prompts[FLEET_WIDE] = 16;
    bench->prompts[SHARED] = blocks / PROMPT / 8 + 1;
    bench->prompts[OWN] = blocks / PROMPT - bench->prompts[SHARED];
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (uint64_t i = 0; i < bench->prompts[kind]; i++)
            store_prompt(bench, kind, i);
}

static void run(uint64_t blocks, size_t endpoints)
{
    struct bench bench = { .index = prefix_index_new((size_t)12 << 30), .endpoints = endpoints };
    struct prefix_index_stats stats;

    for (size_t i = 0; i < endpoints; i++)
        bench.columns[i] = prefix_index_column_new(bench.index);
    fill(&bench, blocks);
    prefix_index_stats(bench.index, &stats);
    printf(
        "%zu endpoints, %.3g blocks, %.3g holders: %.1f bytes a holder, %.1f a block, shed %lu\n",
        endpoints, (double)stats.blocks, (double)stats.holders,
        (double)stats.bytes / (double)stats.holders, (double)stats.bytes / (double)stats.blocks,
        (unsigned long)stats.shed);
    for (enum kind kind = 0; kind < KINDS; kind++)
        match_all(&bench, kind);
    change_all(&bench, blocks);
    prefix_index_free(bench.index);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = { 100000, 1000000, 10000000 };
    size_t count = argc > 1 ? (size_t)argc - 1 : ARRAY_LEN(sizes);

    for (size_t s = 0; s < count; s++)
        for (size_t f = 0; f < ARRAY_LEN(fleets); f++)
            run(argc > 1 ? strtoull(argv[s + 1], NULL, 10) : sizes[s], fleets[f]);
    return 0;
}
