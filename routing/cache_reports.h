/*
 * What an engine's usage says of its cache, and what it means when it says nothing.
 *
 * How much of a prompt was cached is told by vLLM and SGLang only where they were started so
 * (--enable-prompt-tokens-details, --enable-cache-report), in the answers of some dialects and not
 * of others; and then they leave it out where nothing was. So an answer without a word of it means
 * none from an engine that has told before in that dialect, and nothing from one that never has.
 * What came before the first word was without a hit, too: it is put off, and counted with that
 * word. Where none comes for long, it is not told there, and what was put off is forgotten.
 *
 * Part of an endpoint's state. Any thread: relaxed atomics, of which two workers at the same moment
 * may lose an answer's.
 */
#ifndef SLUICE_ROUTING_CACHE_REPORTS_H
#define SLUICE_ROUTING_CACHE_REPORTS_H

#include "gateway/prompt/dialect.h"

/* Answers of a dialect that are put off: an engine that tells has found something before. */
#define CACHE_REPORTS_PUT_OFF 256

/* One dialect's. */
struct cache_report {
    _Atomic bool told;        /* in some answer */
    _Atomic uint32_t answers; /* that were put off, this many at most; then they are forgotten */
    _Atomic uint64_t prompt_tokens, expected_tokens; /* of these */
};

struct cache_reports {
    struct cache_report of[DIALECT_COUNT];
};

/* Tokens of prompts, and those expected in the cache. */
struct cache_unsaid {
    uint64_t prompt, expected;
};

/* Usage of a whole answer: one that says nothing of the cache says 0 afterwards where it means
 * that. */
void cache_reports_complete(struct cache_reports *reports, const struct dialect_type *dialect,
                            struct answer_usage *usage);

/* An answer that says nothing of the cache, nor means anything by it. */
void cache_reports_put_off(struct cache_reports *reports, const struct dialect_type *dialect,
                           const struct cache_unsaid *unsaid);
/* What was put off, once: the dialect's answers tell. */
struct cache_unsaid cache_reports_take(struct cache_reports *reports,
                                       const struct dialect_type *dialect);

/* Another process answers from now on, which may have been started otherwise. */
void cache_reports_forget(struct cache_reports *reports);

#endif
