/*
 * Reading the trace, and making up what is not in it.
 *
 * Numbers of the made-up ones are those of routing.md, section 6.3.
 */
#include "tests/bench/fleet/workload.h"

#include "tests/bench/fleet/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_S 1e6

#define TRACE  "../shared/traces/conversation_trace.jsonl.gz"
#define BIN_US 3e6 /* the trace's time stamps are that coarse */

/* Requests as they are added; keys are offsets until all are there. */
struct builder {
    struct workload *workload;
    struct random random;
    double speed;
    enum workload_part part;
    size_t size, key_count, key_size;
};

static void add_key(struct builder *b, uint64_t id)
{
    if (b->key_count == b->key_size) {
        b->key_size = b->key_size ? 2 * b->key_size : 1 << 16;
        b->workload->keys = xrealloc(b->workload->keys, b->key_size * sizeof(uint64_t));
    }
    b->workload->keys[b->key_count++] = random_mix(id) | 1;
}

/* Keys are added behind it. */
static struct request *add_request(struct builder *b, double at_s, double prompt, double output)
{
    struct workload *w = b->workload;
    struct request *rq;

    if (w->count == b->size) {
        b->size = b->size ? 2 * b->size : 4096;
        w->requests = xrealloc(w->requests, b->size * sizeof(*w->requests));
    }
    rq = &w->requests[w->count++];
    *rq = (struct request){
        .arrival_us = (uint64_t)(at_s / b->speed * US_PER_S),
        .prompt_tokens = prompt > 1 ? (uint32_t)prompt : 1,
        .output_tokens = output > 1 ? (uint32_t)output : 1,
        .keys = (const uint64_t *)(b->key_count * sizeof(uint64_t)),
    };
    rq->key_count = rq->prompt_tokens / BLOCK_TOKENS;
    list_init(&rq->held.link);
    return rq;
}

/* One line: {"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": [...]} */
static void add_line(struct builder *b, char *line)
{
    double at_ms, in, out;
    int end = 0;
    struct request *rq;

    if (sscanf(
            line,
            "{\"timestamp\": %lf, \"input_length\": %lf, \"output_length\": %lf, \"hash_ids\": [%n",
            &at_ms, &in, &out, &end) != 3 ||
        end == 0) {
        fprintf(stderr, "fleet: a line of the trace is none: %.80s\n", line);
        exit(1);
    }
    rq = add_request(b, at_ms / 1e3 + random_unit(&b->random) * BIN_US / US_PER_S, in, out);
    for (uint32_t i = 0; i < rq->key_count; i++)
        add_key(b, strtoull(line + end, &line, 10) + 1), line++, end = 0;
}

static void keep_half(struct builder *b, bool second)
{
    struct workload *w = b->workload;
    size_t from = second ? w->count / 2 : 0;
    uint64_t start_us;

    w->count = second ? w->count - from : w->count / 2;
    memmove(w->requests, w->requests + from, w->count * sizeof(*w->requests));
    start_us = w->requests[0].arrival_us;
    for (size_t i = 0; i < w->count; i++)
        w->requests[i].arrival_us -=
            start_us < w->requests[i].arrival_us ? start_us : w->requests[i].arrival_us;
}

static void make_conversation(struct builder *b)
{
    FILE *pipe = popen("gzip -dc " TRACE " 2>/dev/null", "re");
    char *line = NULL;
    size_t size = 0;

    while (pipe && getline(&line, &size, pipe) > 0)
        add_line(b, line);
    free(line);
    if (pipe)
        pclose(pipe);
    if (b->workload->count == 0) {
        printf("SKIP: no " TRACE "\n");
        exit(77);
    }
    if (b->part != PART_WHOLE)
        keep_half(b, b->part == PART_TEST);
}

/* In [0, n), by Zipf's law with this exponent. */
struct zipf {
    double *sums;
    uint32_t n;
};

static struct zipf zipf_of(uint32_t n, double exponent)
{
    struct zipf zipf = { xcalloc(n, sizeof(double)), n };

    for (uint32_t i = 0; i < n; i++)
        zipf.sums[i] = (i ? zipf.sums[i - 1] : 0) + pow(i + 1, -exponent);
    return zipf;
}

static uint32_t zipf_take(const struct zipf *zipf, struct random *random)
{
    double at = random_unit(random) * zipf->sums[zipf->n - 1];
    uint32_t low = 0, high = zipf->n - 1;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (zipf->sums[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Keys of the blocks that end in the first `shared` tokens are of `group`, the others of `own`. */
static void add_keys(struct builder *b, const struct request *rq, uint64_t group, uint32_t shared,
                     uint64_t own)
{
    for (uint32_t i = 0; i < rq->key_count; i++)
        add_key(b, ((i + 1) * BLOCK_TOKENS <= shared ? group << 40 | 1ull << 60
                                                     : own << 16 | 1ull << 61) +
                       i);
}

static double between(struct random *random, double from, double to)
{
    return from + random_unit(random) * (to - from);
}

#define AGENT_TENANTS 50
#define AGENT_SYSTEM  4096
#define AGENT_RATE    16.4 /* requests/s */
#define AGENT_THINK_S 11
#define AGENT_SECONDS 1200

static void add_session(struct builder *b, uint32_t tenant, uint64_t session, double at_s)
{
    uint32_t turns = 2 + random_below(&b->random, 19);
    double context = AGENT_SYSTEM;

    for (uint32_t i = 0; i < turns && at_s < AGENT_SECONDS; i++) {
        double output = between(&b->random, 50, 350);
        struct request *rq;

        context += between(&b->random, 500, 1830);
        rq = add_request(b, at_s, context, output);
        rq->tenant = tenant;
        add_keys(b, rq, tenant, AGENT_SYSTEM, session);
        at_s += random_exponential(&b->random, AGENT_THINK_S);
    }
}

/* Sessions under way when it begins are there from the beginning: no slow start. */
static void make_agents(struct builder *b)
{
    struct zipf tenants = zipf_of(AGENT_TENANTS, 1);
    double mean_turns = 11;
    double at_s = -mean_turns * AGENT_THINK_S;

    for (uint64_t session = 1; at_s < AGENT_SECONDS; session++) {
        at_s += random_exponential(&b->random, mean_turns / AGENT_RATE);
        add_session(b, zipf_take(&tenants, &b->random), session, at_s > 0 ? at_s : 0);
    }
    free(tenants.sums);
}

static void make_groups(struct builder *b)
{
    double at_s = 0;

    for (uint64_t i = 0; i < 150 * 5 * 12; i++) {
        struct request *rq;
        uint32_t group = random_below(&b->random, 150);

        at_s += random_exponential(&b->random, 1 / 12.0);
        rq = add_request(b, at_s, 7200, 1000);
        rq->tenant = group;
        add_keys(b, rq, group, 6000, 1000 + group * 5 + random_below(&b->random, 5));
    }
}

static void make_zipf(struct builder *b)
{
    struct zipf prompts = zipf_of(2000, 1.1);
    double at_s = 0;

    while (at_s < 600) {
        struct request *rq;
        uint64_t prompt = zipf_take(&prompts, &b->random);

        at_s += random_exponential(&b->random, 1 / 24.0);
        rq = add_request(b, at_s, 2000 + (double)(random_mix(prompt) % 4000), 200);
        add_keys(b, rq, 0, 0, prompt + 1);
    }
    free(prompts.sums);
}

static void make_shared(struct builder *b)
{
    double at_s = 0;

    for (uint64_t i = 1; at_s < 600; i++) {
        struct request *rq;
        uint32_t group = random_below(&b->random, 16);

        at_s += random_exponential(&b->random, 0.1);
        rq = add_request(b, at_s, 2048 + between(&b->random, 200, 4000),
                         between(&b->random, 50, 400));
        rq->tenant = group;
        add_keys(b, rq, group, 2048, i);
    }
}

const char *const workload_names[] = {
#define WORKLOAD(name, make, help) #name,
#include "tests/bench/fleet/workloads.def"
#undef WORKLOAD
    NULL,
};

static void (*const makers[])(struct builder *b) = {
#define WORKLOAD(name, make, help) make,
#include "tests/bench/fleet/workloads.def"
#undef WORKLOAD
};

static int by_arrival(const void *a, const void *b)
{
    const struct request *x = a, *y = b;

    if (x->arrival_us != y->arrival_us)
        return x->arrival_us < y->arrival_us ? -1 : 1;
    return x->keys < y->keys ? -1 : x->keys > y->keys;
}

void workload_init(struct workload *w, const char *name, double speed, enum workload_part part,
                   uint64_t seed)
{
    uint64_t stream = part == PART_TEST ? seed + 1000 : seed;
    struct builder b = { w, random_of(stream), speed, part, 0, 0, 0 };
    size_t i = 0;

    *w = (struct workload){ 0 };
    while (workload_names[i] && strcmp(workload_names[i], name) != 0)
        i++;
    if (!workload_names[i]) {
        fprintf(stderr, "fleet: no workload `%s`\n", name);
        exit(2);
    }
    makers[i](&b);
    qsort(w->requests, w->count, sizeof(*w->requests), by_arrival);
    for (size_t j = 0; j < w->count; j++)
        w->requests[j].keys = w->keys + (size_t)w->requests[j].keys / sizeof(uint64_t);
}

void workload_release(struct workload *w)
{
    free(w->requests);
    free(w->keys);
}
