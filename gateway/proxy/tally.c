/*
 * Metrics of exchanges. The series of a version and outcome are found once a fleet and then kept by
 * index.
 */
#include "gateway/proxy/tally.h"

#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"

#include <stdatomic.h>
#include <stdlib.h>

enum outcome { OUTCOME_OK, OUTCOME_CLIENT_ERROR, OUTCOME_ERROR, OUTCOME_CANCELLED, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = { "ok", "client_error", "error", "cancelled" };

enum token_type { TOKENS_INPUT, TOKENS_CACHED, TOKENS_OUTPUT, TOKEN_TYPES };

static const char *const token_names[TOKEN_TYPES] = { "input", "cached", "output" };

struct tally_row { /* one version and outcome */
    struct metric_series *requests, *seconds, *first_token, *inter_token;
};

struct tally_version {
    struct tally_row rows[OUTCOMES];
    struct metric_series *prompts[EXACTNESS_COUNT], *predicted, *reported, *difference, *mismatched,
        *reused;
    struct metric_series *tokens[TOKEN_TYPES], *expected_cached, *usage_missing, *attempts_done;
};

struct tally {
    struct metric_shard *metrics;
    struct metric_series *finished_done;
    uint64_t fleet_number; /* whose versions these are */
    struct tally_version *versions;
    uint32_t count;
};

struct tally *tally_new(struct metric_shard *metrics)
{
    struct tally *tally = xcalloc(1, sizeof(*tally));
    struct slice done = slice_str(reason_done.name);

    tally->metrics = metrics;
    tally->finished_done = metric_series(metrics, METRIC_ID_exchanges_finished, &done);
    return tally;
}

void tally_free(struct tally *tally)
{
    if (tally)
        free(tally->versions);
    free(tally);
}

void tally_gap(struct tally_gaps *gaps, uint64_t gap_us)
{
    double gap_s = (double)gap_us / CLOCK_US_PER_S;

    gaps->counts[metric_bucket(METRIC_ID_inter_token_seconds, gap_s)]++;
    gaps->sum_s += gap_s;
}

static enum outcome outcome_of(const struct exchange *x)
{
    if (x->reason == &reason_client_gone || x->reason == &reason_client_stalled)
        return OUTCOME_CANCELLED;
    if (x->status >= 400 && x->status < 500)
        return OUTCOME_CLIENT_ERROR;
    return x->reason == &reason_done ? OUTCOME_OK : OUTCOME_ERROR;
}

static struct tally_version *tally_version(struct tally *tally, const struct exchange *x)
{
    if (tally->fleet_number != x->fleet->number) {
        free(tally->versions);
        tally->versions = xcalloc(x->fleet->version_count, sizeof(*tally->versions));
        tally->count = x->fleet->version_count;
        tally->fleet_number = x->fleet->number;
    }
    CHECK(x->version->index < tally->count);
    return &tally->versions[x->version->index];
}

static struct metric_series *series_of(struct tally *tally, struct metric_series **kept,
                                       enum metric_id id, const struct exchange *x,
                                       const char *last)
{
    if (!*kept) {
        struct slice labels[] = { slice_str(x->model->name), slice_str(x->version->pool->name),
                                  slice_str(last) };

        *kept = metric_series(tally->metrics, id, labels);
    }
    return *kept;
}

static void tally_tokens(struct tally *tally, struct tally_version *version,
                         const struct exchange *x)
{
    const struct answer_usage *usage = &x->reader.usage;
    const uint64_t counts[TOKEN_TYPES] = { usage->prompt, usage->cached, usage->completion };

    if (!x->reading || x->reader.form == USAGE_FORM_OPAQUE)
        return;
    if (!(usage->known & (ANSWER_USAGE_PROMPT | ANSWER_USAGE_COMPLETION))) {
        metric_series_add(
            series_of(tally, &version->usage_missing, METRIC_ID_usage_missing, x, NULL), 1);
        return;
    }
    for (int i = 0; i < TOKEN_TYPES; i++)
        if (counts[i] > 0)
            metric_series_add(
                series_of(tally, &version->tokens[i], METRIC_ID_tokens, x, token_names[i]),
                (int64_t)counts[i]);
}

static void add_count(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static void count_expected(struct tally *tally, struct tally_version *version,
                           const struct exchange *x, uint64_t expected)
{
    add_count(&x->endpoint->state->expected_cached_tokens, expected);
    metric_series_add(
        series_of(tally, &version->expected_cached, METRIC_ID_tokens_expected_cached, x, NULL),
        (int64_t)expected);
}

/* What of its prompt the endpoint was expected to have, and had; with what it did not say of
 * prompts before. */
static void tally_cached(struct tally *tally, struct tally_version *version,
                         const struct exchange *x)
{
    const struct answer_usage *usage = &x->reader.usage;
    struct cache_unsaid own = { usage->prompt, x->choice.priced ? x->choice.cached_tokens : 0 };
    struct cache_unsaid before;
    struct endpoint_state *state;

    if (!x->endpoint || !(usage->known & ANSWER_USAGE_PROMPT))
        return;
    state = x->endpoint->state;
    if (!(usage->known & ANSWER_USAGE_CACHED)) {
        if (x->reason == &reason_done)
            cache_reports_put_off(&state->cache_reports, x->dialect, &own);
        return;
    }
    if (usage->cached > usage->prompt)
        return;
    before = cache_reports_take(&state->cache_reports, x->dialect);
    add_count(&state->prompt_tokens, own.prompt + before.prompt);
    add_count(&state->cached_tokens, usage->cached);
    if (x->choice.priced)
        count_expected(tally, version, x, own.expected + before.expected);
}

/* Exact predictions beside what the engine said. */
static void tally_difference(struct tally *tally, struct tally_version *version,
                             const struct exchange *x)
{
    uint64_t predicted = x->prediction.tokens, reported = x->reader.usage.prompt;
    double apart =
        predicted > reported ? (double)(predicted - reported) : (double)(reported - predicted);

    metric_series_add(
        series_of(tally, &version->predicted, METRIC_ID_prompt_tokens_predicted, x, NULL),
        (int64_t)predicted);
    metric_series_add(
        series_of(tally, &version->reported, METRIC_ID_prompt_tokens_reported, x, NULL),
        (int64_t)reported);
    metric_series_observe(
        series_of(tally, &version->difference, METRIC_ID_prompt_token_difference, x, NULL), apart);
    if (predicted != reported)
        metric_series_add(
            series_of(tally, &version->mismatched, METRIC_ID_prompt_tokens_mismatched, x, NULL), 1);
}

static void tally_prediction(struct tally *tally, struct tally_version *version,
                             const struct exchange *x)
{
    const struct prediction *prediction = &x->prediction;
    const char *name = exactness_rows[prediction->exactness].name;

    if (!prediction->made)
        return;
    metric_series_add(
        series_of(tally, &version->prompts[prediction->exactness], METRIC_ID_prompts, x, name), 1);
    if (prediction->reused > 0)
        metric_series_add(
            series_of(tally, &version->reused, METRIC_ID_prompt_tokens_reused, x, NULL),
            (int64_t)prediction->reused);
    if (prediction->exactness == EXACTNESS_exact && x->reader.usage.known & ANSWER_USAGE_PROMPT)
        tally_difference(tally, version, x);
}

static double seconds(uint64_t from_us, uint64_t to_us)
{
    return (double)(to_us - from_us) / CLOCK_US_PER_S;
}

static void tally_routed(struct tally *tally, const struct exchange *x, uint64_t now_us)
{
    struct tally_version *version = tally_version(tally, x);
    enum outcome outcome = outcome_of(x);
    struct tally_row *row = &version->rows[outcome];
    const char *name = outcome_names[outcome];

    metric_series_add(series_of(tally, &row->requests, METRIC_ID_requests, x, name), 1);
    metric_series_observe(series_of(tally, &row->seconds, METRIC_ID_request_seconds, x, name),
                          seconds(x->begun_us, now_us));
    if (x->first_content_us && x->answer_streamed)
        metric_series_observe(
            series_of(tally, &row->first_token, METRIC_ID_first_token_seconds, x, name),
            seconds(x->begun_us, x->first_content_us));
    if (x->gaps)
        metric_series_merge(
            series_of(tally, &row->inter_token, METRIC_ID_inter_token_seconds, x, name),
            x->gaps->counts, x->gaps->sum_s);
    tally_tokens(tally, version, x);
    tally_cached(tally, version, x);
    tally_prediction(tally, version, x);
}

static struct metric_series *finished_series(struct tally *tally, const struct reason *reason)
{
    struct slice label;

    if (reason == &reason_done)
        return tally->finished_done;
    label = slice_str(reason->name);
    return metric_series(tally->metrics, METRIC_ID_exchanges_finished, &label);
}

void tally_exchange(struct tally *tally, const struct exchange *x, uint64_t now_us)
{
    metric_add(tally->metrics, METRIC_ID_exchanges_active, -1);
    metric_series_add(finished_series(tally, x->reason), 1);
    if (x->version)
        tally_routed(tally, x, now_us);
}

void tally_attempt(struct tally *tally, const struct exchange *x, const struct reason *reason)
{
    struct slice labels[] = { slice_str(x->version->pool->name), slice_str(reason->name) };
    struct tally_version *version = tally_version(tally, x);

    if (reason != &reason_done) {
        metric_series_add(metric_series(tally->metrics, METRIC_ID_attempts, labels), 1);
        return;
    }
    if (!version->attempts_done)
        version->attempts_done = metric_series(tally->metrics, METRIC_ID_attempts, labels);
    metric_series_add(version->attempts_done, 1);
}
