/*
 * Ways to choose a replica: ours (the very code of routing/) and models of others (routing.md,
 * sections 1 and 6.3), all with the same exact index.
 */
#include "tests/bench/fleet/sim.h"

#include <string.h>

static uint32_t replicas(const struct decision *d)
{
    return d->sim->conf->replicas;
}

static void read_load(const struct decision *d, uint32_t replica, struct load *ret_load)
{
    signals_read(&d->gateway->views[replica].signals, d->sim->now_us, ret_load);
}

static double requests_at(const struct decision *d, uint32_t replica)
{
    struct load load;

    read_load(d, replica, &load);
    return load.prefills + load.decodes;
}

static double tokens_at(const struct decision *d, uint32_t replica)
{
    struct load load;

    read_load(d, replica, &load);
    return load.queued_tokens;
}

static double uncached(const struct decision *d, uint32_t replica)
{
    return d->request->prompt_tokens - d->cached[replica];
}

/* As engines' routers count it: whole blocks. */
static double match(const struct decision *d, uint32_t replica)
{
    uint32_t blocks = d->request->prompt_tokens / BLOCK_TOKENS;

    return blocks > 0 ? (double)(d->cached[replica] / BLOCK_TOKENS) / blocks : 0;
}

/* The replica with the least cost among those allowed; equal ones by lot. */
static uint32_t least(const struct decision *d, const double *costs, const bool *allowed)
{
    uint32_t best = 0, equal = 0;
    double best_cost = INFINITY;

    for (uint32_t i = 0; i < replicas(d); i++) {
        if (allowed && !allowed[i])
            continue;
        if (costs[i] < best_cost) {
            best = i;
            best_cost = costs[i];
            equal = 1;
        } else if (costs[i] == best_cost && random_below(&d->sim->random, ++equal) == 0) {
            best = i;
        }
    }
    return best;
}

struct price_request decision_request(const struct decision *d)
{
    const struct request *rq = d->request;
    struct price_request request = { .tokens = rq->prompt_tokens, .output = d->sim->conf->output };
    struct load load;

    for (uint32_t i = 0; i < replicas(d); i++) {
        read_load(d, i, &load);
        request.busy += (load.prefills > 0) / (double)replicas(d);
    }
    if (d->known > 0)
        request.heat = heat_of(&d->gateway->heat, rq->keys[d->known - 1], d->sim->now_us);
    if (d->known < rq->key_count)
        request.key = rq->keys[d->known];
    return request;
}

void decision_candidate(const struct decision *d, uint32_t replica, struct price_candidate *ret)
{
    *ret = (struct price_candidate){
        .pace = &d->gateway->views[replica].pace,
        .cached = d->cached[replica],
        .name = random_mix(replica),
    };
    read_load(d, replica, &ret->load);
}

static uint32_t price(struct decision *d)
{
    struct price_candidate candidates[REPLICAS_MAX];
    struct price prices[REPLICAS_MAX];
    struct price_request request = decision_request(d);

    for (uint32_t i = 0; i < replicas(d); i++) {
        decision_candidate(d, i, &candidates[i]);
        price_of(&d->sim->conf->price, &request, &candidates[i], &prices[i]);
    }
    return (uint32_t)price_best(&request, candidates, prices, replicas(d));
}

static uint32_t round_robin(struct decision *d)
{
    return d->gateway->turn++ % replicas(d);
}

static uint32_t least_requests(struct decision *d)
{
    double costs[REPLICAS_MAX];

    for (uint32_t i = 0; i < replicas(d); i++)
        costs[i] = requests_at(d, i);
    return least(d, costs, NULL);
}

/* More than 8 requests between the most and the least busy: the least busy. Else by match, then by
 * requests, the first with no more than the mean and one deviation. */
static uint32_t aibrix(struct decision *d)
{
    double n[REPLICAS_MAX], costs[REPLICAS_MAX];
    double sum = 0, squares = 0, most = 0, fewest = INFINITY, mean, deviation;
    bool allowed[REPLICAS_MAX];

    for (uint32_t i = 0; i < replicas(d); i++) {
        n[i] = requests_at(d, i);
        sum += n[i];
        squares += n[i] * n[i];
        most = fmax(most, n[i]);
        fewest = fmin(fewest, n[i]);
    }
    if (most - fewest > 8)
        return least(d, n, NULL);
    mean = sum / replicas(d);
    deviation = sqrt(fmax(0, squares / replicas(d) - mean * mean));
    for (uint32_t i = 0; i < replicas(d); i++) {
        costs[i] = -match(d, i) * 1e6 + n[i];
        allowed[i] = n[i] <= mean + deviation;
    }
    return least(d, costs, allowed);
}

/* cache_aware with the thresholds 0.5, 32 and 1.1. */
static uint32_t smg(struct decision *d)
{
    double n[REPLICAS_MAX], costs[REPLICAS_MAX];
    double most = 0, fewest = INFINITY, longest = 0;

    for (uint32_t i = 0; i < replicas(d); i++) {
        n[i] = requests_at(d, i);
        most = fmax(most, n[i]);
        fewest = fmin(fewest, n[i]);
        longest = fmax(longest, match(d, i));
        costs[i] = -match(d, i) * 1e6 + n[i];
    }
    if ((most - fewest > 32 && most > 1.1 * fewest) || longest <= 0.5)
        return least(d, n, NULL);
    return least(d, costs, NULL);
}

/* 2 * queue + 2 * KV use + 3 * match, from scraped metrics. */
static uint32_t epp(struct decision *d)
{
    double costs[REPLICAS_MAX];
    double most = 0, fewest = INFINITY;

    for (uint32_t i = 0; i < replicas(d); i++) {
        most = fmax(most, d->gateway->views[i].scraped_waiting);
        fewest = fmin(fewest, d->gateway->views[i].scraped_waiting);
    }
    for (uint32_t i = 0; i < replicas(d); i++) {
        const struct view *view = &d->gateway->views[i];
        double queue = most > fewest ? (most - view->scraped_waiting) / (most - fewest) : 1;

        costs[i] = -(2 * queue + 2 * (1 - view->scraped_usage) + 3 * match(d, i));
    }
    return least(d, costs, NULL);
}

/* Those with 0.8 of the prompt, unless the others would be that much faster; of them the one with
 * the fewest tokens in flight. */
static uint32_t epp_affinity(struct decision *d, double penalty_s)
{
    double costs[REPLICAS_MAX];
    bool sticky[REPLICAS_MAX];
    double best[2] = { INFINITY, INFINITY };

    for (uint32_t i = 0; i < replicas(d); i++) {
        costs[i] = tokens_at(d, i) - match(d, i);
        sticky[i] = match(d, i) >= 0.8;
        best[sticky[i]] = fmin(best[sticky[i]], costs[i] / 15928);
    }
    if (isinf(best[1]) || best[1] > best[0] + penalty_s)
        return least(d, costs, NULL);
    return least(d, costs, sticky);
}

static uint32_t epp_affinity_18(struct decision *d)
{
    return epp_affinity(d, 18);
}

static uint32_t epp_affinity_2(struct decision *d)
{
    return epp_affinity(d, 2);
}

/* Prefill in blocks, not cached, and blocks of all that is under way, shared ones once. */
static uint32_t dynamo(struct decision *d)
{
    double costs[REPLICAS_MAX];

    for (uint32_t i = 0; i < replicas(d); i++)
        costs[i] =
            (tokens_at(d, i) + uncached(d, i)) / BLOCK_TOKENS +
            active_with(&d->gateway->views[i].active, d->request->keys, d->request->key_count);
    return least(d, costs, NULL);
}

/* Tokens to prefill times requests. */
static uint32_t lmetric(struct decision *d)
{
    double costs[REPLICAS_MAX];

    for (uint32_t i = 0; i < replicas(d); i++)
        costs[i] = (tokens_at(d, i) + uncached(d, i)) * (requests_at(d, i) + 1);
    return least(d, costs, NULL);
}

const struct policy policies[] = {
    { "price", "sluice: price and hold.", price, true, false },
    { "price_only", "sluice: price, no hold.", price, false, false },
    { "round_robin", "One after the other.", round_robin, false, true },
    { "least_requests", "The fewest under way.", least_requests, false, true },
    { "aibrix", "AIBrix, prefix-cache.", aibrix, false, true },
    { "smg", "SMG, cache_aware.", smg, false, true },
    { "epp", "EPP, default scorers.", epp, false, true },
    { "epp_affinity_18", "EPP, affinity filter, 18 s.", epp_affinity_18, false, true },
    { "epp_affinity_2", "EPP, affinity filter, 2 s.", epp_affinity_2, false, true },
    { "dynamo", "Dynamo, default cost.", dynamo, false, true },
    { "lmetric", "LMetric.", lmetric, false, true },
};

const size_t policy_count = ARRAY_LEN(policies);

const struct policy *policy_find(const char *name)
{
    for (size_t i = 0; i < policy_count; i++)
        if (strcmp(policies[i].name, name) == 0)
            return &policies[i];
    return NULL;
}
