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
 * Every hundred decisions two things are timed that have nothing to do with ours, for what this
 * machine makes of so short a time: `spin` is arithmetic that touches no memory, `lines` reads as
 * many cache lines as a prompt has blocks, at random and without depending on each other. Where
 * their p99 is far above their p50 the machine is not quiet, and no decision's p99 is to be
 * believed.
 *
 * bench_decide [blocks...]: sizes to run with, 10000000 when left out.
 */
#include "gateway/base/clock.h"
#include "gateway/prompt/pipeline.h"
#include "routing/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PROMPT    512
#define BLOCK     16
#define DECISIONS 4000
#define SYSTEMS   64 /* system prompts */
#define COPIES    16
#define BATCH     32   /* 128 KB of keys on their way to the index thread */
#define TURN      100  /* decisions, then as often what the machine makes of nothing */
#define SPINS     2000 /* some 10 us */
#define LINES     (256 << 20 >> 6)

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
    uint64_t *lines; /* memory that is nobody's */
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

/* What one kind of thing took, each time. */
struct times {
    double took[DECISIONS], cpu;
    double start, cpu_start;
};

static void times_start(struct times *times)
{
    times->cpu_start = seconds(CLOCK_THREAD_CPUTIME_ID);
    times->start = seconds(CLOCK_MONOTONIC);
}

static void times_stop(struct times *times, size_t i)
{
    times->took[i] = seconds(CLOCK_MONOTONIC) - times->start;
    times->cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - times->cpu_start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void times_print(struct times *times, const char *name)
{
    qsort(times->took, DECISIONS, sizeof(times->took[0]), compare);
    printf("  %-6s p50 %6.1f us  p99 %6.1f us  CPU %6.1f us", name,
           times->took[DECISIONS / 2] * 1e6, times->took[DECISIONS * 99 / 100] * 1e6,
           times->cpu / DECISIONS * 1e6);
}

static uint64_t spin(uint64_t x)
{
    for (int i = 0; i < SPINS; i++)
        x = mix(x);
    return x;
}

static uint64_t read_lines(const uint64_t *memory, uint64_t from)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < PROMPT; i++)
        sum += memory[mix(from * PROMPT + i) % LINES * 8];
    return sum;
}

static uint64_t *lines_new(void)
{
    uint64_t *memory =
        mmap(NULL, (size_t)LINES * 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    madvise(memory, (size_t)LINES * 64, MADV_HUGEPAGE);
    memset(memory, 1, (size_t)LINES * 64);
    return memory;
}

static void time_machine(const struct bench *bench, uint64_t from, struct times *spins,
                         struct times *lines)
{
    static volatile uint64_t sink;

    for (uint64_t i = from; i < from + TURN; i++) {
        times_start(spins);
        sink = spin(i);
        times_stop(spins, i);
        times_start(lines);
        sink = read_lines(bench->lines, i);
        times_stop(lines, i);
    }
    (void)sink;
}

/* Returns whether something of the prompt is cached where it would go. */
static bool decide_one(struct bench *bench, enum kind kind, uint64_t i, struct times *times)
{
    uint64_t keys[PROMPT];
    struct decide_call call = { .pool = bench->pool,
                                .now_us = clock_now_us(),
                                .tokens = PROMPT * BLOCK + 1,
                                .output = 200,
                                .holdings = bench->holdings };
    const struct endpoint *endpoint;
    struct choice choice;

    prompt_keys(kind, mix(i) % bench->prompts, keys);
    call.prompt = prompt_of(keys, PROMPT);
    times_start(times);
    if (decide(bench->decision, &call, &endpoint, &choice) != DECIDE_CHOSEN)
        abort();
    times_stop(times, i);
    return choice.cached_tokens > 0;
}

static void decide_all(struct bench *bench, enum kind kind)
{
    static struct times times, spins, lines;
    size_t there = 0;

    times.cpu = spins.cpu = lines.cpu = 0;
    for (uint64_t i = 0; i < DECISIONS; i++) {
        there += decide_one(bench, kind, i, &times);
        if ((i + 1) % TURN == 0)
            time_machine(bench, i + 1 - TURN, &spins, &lines);
    }
    times_print(&times, kind_names[kind]);
    printf("  to where something is cached %5.1f %%\n", 100.0 * (double)there / DECISIONS);
    times_print(&spins, "  spin");
    times_print(&lines, "  lines");
    printf("\n");
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
    struct bench bench = { .holdings = holdings_new(conf),
                           .decision = decision_new(),
                           .lines = lines_new() };
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
    munmap(bench.lines, (size_t)LINES * 64);
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
