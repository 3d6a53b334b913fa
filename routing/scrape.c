/*
 * The scraper: rounds over metrics pages.
 */
#include "routing/scrape.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "routing/gauges.h"
#include "routing/holdings.h"
#include "routing/loads.h"
#include "routing/rounds.h"

#include <stdlib.h>

/* A page of an engine with eight ranks has a third of this. */
#define PAGE_BYTES (1024 * 1024)
#define PAGES_OPEN 64

/* Pages in a second, all endpoints together: each costs control some 50 us. With more endpoints
 * each is read less often. */
#define PAGES_PER_S 1000

/* What a page said is believed until this many intervals have passed without another, and no
 * shorter than this: an engine in a long step answers late. */
#define BELIEVED_INTERVALS 5
#define BELIEVED_MS        2000

/* An endpoint without a page is asked half as often each time, down to this. */
#define RETRY_MS 10000

enum outcome {
    OUTCOME_NONE,
    OUTCOME_OK,
    OUTCOME_EMPTY,
    OUTCOME_LARGE,
    OUTCOME_STATUS,
    OUTCOME_FAILED
};

static const struct {
    const char *name; /* the metric's label */
    const char *text;
} outcomes[] = {
    [OUTCOME_OK] = { "ok", "understood" },
    [OUTCOME_EMPTY] = { "empty", "nothing on it is a series of its engine's load" },
    [OUTCOME_LARGE] = { "too_large", "the page is too large" },
    [OUTCOME_STATUS] = { "status", "its status is no success" },
    [OUTCOME_FAILED] = { "failed", "no answer" },
};

struct scraper {
    struct worker *control;
    struct rounds *rounds;
};

/* ---- what was read ---- */

static uint64_t interval_ms(const struct scraper *scraper, const struct pool *pool)
{
    uint64_t least = rounds_count(scraper->rounds) * 1000 / PAGES_PER_S;

    return pool->conf->metrics->interval > least ? pool->conf->metrics->interval : least;
}

static uint64_t believed_ms(const struct scraper *scraper, const struct pool *pool)
{
    uint64_t ms = BELIEVED_INTERVALS * interval_ms(scraper, pool);

    return ms > BELIEVED_MS ? ms : BELIEVED_MS;
}

/* Comma-separated names to what stands for them. */
static size_t add_keys(struct slice names, uint64_t *keys, size_t count)
{
    while (names.len > 0 && count < ADAPTERS_MAX) {
        struct slice name = slice_trim(slice_cut(&names, ','));

        if (name.len > 0)
            keys[count++] = adapter_key(name);
    }
    return count;
}

static void note_adapters(struct endpoint_state *state, const struct gauges *gauges)
{
    uint64_t keys[ADAPTERS_MAX];
    size_t count = add_keys(gauges->running_adapters, keys, 0);

    count = add_keys(gauges->waiting_adapters, keys, count);
    adapters_set_loaded(&state->adapters, keys, count);
}

static enum outcome read_page(struct scraper *scraper, struct asked *asked, struct slice page)
{
    uint64_t now_us = scraper->control->now_us;
    struct gauges gauges;

    if (page.len >= PAGE_BYTES)
        return OUTCOME_LARGE;
    if (loads_begin(page))
        loads_read(asked->pool->engine->gauges, page, &gauges);
    else
        gauges_read(asked->pool->engine->gauges, page, &gauges);
    if (gauges.known == 0)
        return OUTCOME_EMPTY;
    endpoint_report(asked->state, &gauges, now_us,
                    now_us + believed_ms(scraper, asked->pool) * CLOCK_US_PER_MS);
    note_adapters(asked->state, &gauges);
    return OUTCOME_OK;
}

/* ---- rounds ---- */

static const char *page_path(const struct pool *pool)
{
    const struct metrics_conf *conf = pool->conf->metrics;

    if (!conf->active)
        return NULL;
    return conf->path ? conf->path : pool->engine->metrics_path;
}

static unsigned page_timeout_ms(const struct pool *pool)
{
    return (unsigned)pool->conf->metrics->timeout;
}

static void note_outcome(struct scraper *scraper, struct asked *asked, enum outcome outcome,
                         const struct reason *reason)
{
    struct slice labels[] = { slice_str(asked->pool->name), slice_str(outcomes[outcome].name) };
    uint8_t before = asked->outcome;

    metric_series_add(metric_series(scraper->control->metrics, METRIC_ID_scrapes, labels), 1);
    asked->outcome = outcome;
    asked->bad = outcome == OUTCOME_OK ? 0 : asked->bad + 1;
    if (outcome == OUTCOME_OK && before > OUTCOME_OK)
        log_info(&asked->endpoint->subject, "metrics: understood again");
    else if (outcome != OUTCOME_OK && before <= OUTCOME_OK)
        log_warn(&asked->endpoint->subject, "metrics: %s, routing knows its own traffic only",
                 reason ? reason->text : outcomes[outcome].text);
}

/* Engines that keep no metrics page unless they are told to say their load elsewhere: each is tried
 * when the other is refused. */
static void turn_the_page(struct asked *asked)
{
    bool configured = asked->pool->conf->metrics->path != NULL;

    asked->path = asked->path || configured ? NULL : asked->pool->engine->loads_path;
}

/* Twice as long after each failure. */
static uint64_t next_ms(const struct scraper *scraper, const struct asked *asked)
{
    uint64_t ms = interval_ms(scraper, asked->pool);

    for (unsigned i = 0; i < asked->bad && ms < RETRY_MS; i++)
        ms = ms * 2 < RETRY_MS ? ms * 2 : RETRY_MS;
    return ms;
}

static uint64_t on_page(void *user, struct asked *asked, const struct reason *reason,
                        unsigned status, struct slice page)
{
    struct scraper *scraper = user;
    enum outcome outcome = OUTCOME_FAILED;

    if (!reason)
        outcome = status == 200 ? read_page(scraper, asked, page) : OUTCOME_STATUS;
    if (reason == &reason_dial_failed) /* a restart too short for health checks to see */
        holdings_lost(asked->endpoint);
    if (outcome != OUTCOME_OK)
        endpoint_forget_stale(asked->state, scraper->control->now_us);
    note_outcome(scraper, asked, outcome, reason);
    if (outcome == OUTCOME_STATUS)
        turn_the_page(asked);
    return next_ms(scraper, asked);
}

/* Nothing is read any more: what was is not believed either. */
static void on_gone(void *user, struct asked *asked)
{
    (void)user;
    endpoint_forget_stale(asked->state, UINT64_MAX);
}

static const struct rounds_type pages = {
    .path = page_path,
    .timeout_ms = page_timeout_ms,
    .answer_bytes = PAGE_BYTES,
    .at_once = PAGES_OPEN,
    .on_answer = on_page,
    .on_gone = on_gone,
};

struct scraper *scraper_new(struct worker *control)
{
    struct scraper *scraper = xcalloc(1, sizeof(*scraper));

    scraper->control = control;
    scraper->rounds = rounds_new(control, &pages, scraper);
    return scraper;
}

void scraper_free(struct scraper *scraper)
{
    if (scraper)
        rounds_free(scraper->rounds);
    free(scraper);
}

void scraper_follow(struct scraper *scraper, struct fleet *fleet)
{
    rounds_follow(scraper->rounds, fleet);
}
