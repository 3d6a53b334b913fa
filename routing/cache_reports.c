/*
 * What usage says of caches, a row a dialect. See cache_reports.h.
 */
#include "routing/cache_reports.h"

#include <stdatomic.h>

#define GET(at)        atomic_load_explicit(at, memory_order_relaxed)
#define SET(at, value) atomic_store_explicit(at, value, memory_order_relaxed)
#define ADD(at, value) atomic_fetch_add_explicit(at, value, memory_order_relaxed)

static struct cache_report *report_of(struct cache_reports *reports,
                                      const struct dialect_type *dialect)
{
    return &reports->of[dialect_index(dialect)];
}

void cache_reports_complete(struct cache_reports *reports, const struct dialect_type *dialect,
                            struct answer_usage *usage)
{
    struct cache_report *report = report_of(reports, dialect);

    if (usage->known & ANSWER_USAGE_CACHED) {
        SET(&report->told, true);
    } else if (usage->known & ANSWER_USAGE_PROMPT && GET(&report->told)) {
        usage->cached = 0;
        usage->known |= ANSWER_USAGE_CACHED;
    }
}

void cache_reports_put_off(struct cache_reports *reports, const struct dialect_type *dialect,
                           const struct cache_unsaid *unsaid)
{
    struct cache_report *report = report_of(reports, dialect);

    if (GET(&report->answers) > CACHE_REPORTS_PUT_OFF)
        return;
    if (ADD(&report->answers, 1) < CACHE_REPORTS_PUT_OFF) {
        ADD(&report->prompt_tokens, unsaid->prompt);
        ADD(&report->expected_tokens, unsaid->expected);
    } else {
        SET(&report->prompt_tokens, 0);
        SET(&report->expected_tokens, 0);
    }
}

struct cache_unsaid cache_reports_take(struct cache_reports *reports,
                                       const struct dialect_type *dialect)
{
    struct cache_report *report = report_of(reports, dialect);

    if (GET(&report->answers) == 0)
        return (struct cache_unsaid){ 0 };
    SET(&report->answers, 0);
    return (struct cache_unsaid){
        .prompt = atomic_exchange_explicit(&report->prompt_tokens, 0, memory_order_relaxed),
        .expected = atomic_exchange_explicit(&report->expected_tokens, 0, memory_order_relaxed),
    };
}

void cache_reports_forget(struct cache_reports *reports)
{
    for (size_t i = 0; i < DIALECT_COUNT; i++) {
        SET(&reports->of[i].told, false);
        (void)cache_reports_take(reports, dialect_all[i]);
    }
}
