/*
 * Who holds what: the process's prefix index, and where the entries of each endpoint come from.
 *
 * An endpoint whose pool has `kv_events` is believed what its publisher says, as soon as something
 * was heard of it. Until then, while the connection is down, for keys that no event comes to (those
 * of estimated prompts, and of tenants that share nothing), and in all other pools, a model of its
 * cache stands in. What was sent and is not computed yet is speculation, of either kind.
 *
 * An endpoint's `struct holding` lives as long as its state, over reloads; a reload changes what it
 * listens to, and an endpoint that leaves falls silent at once. One struct holdings a process,
 * reached by worker->holdings.
 */
#ifndef SLUICE_ROUTING_HOLDINGS_H
#define SLUICE_ROUTING_HOLDINGS_H

#include "conf/conf.h"
#include "gateway/base/clock.h"
#include "routing/fleet.h"
#include "routing/prefix_index.h"

/* The directive `prefix_index`. */
struct holdings_conf {
    uint64_t memory; /* bytes */
};

extern const struct directive_set holdings_set;

struct holdings;
struct holding;

/* Control thread. The index thread starts. */
struct holdings *holdings_new(const struct conf *conf);
/* When no endpoint's state is left. NULL is fine. */
void holdings_free(struct holdings *holdings);

/* Whether this configuration wants another size of the index than `now`: for that the process must
 * begin anew. */
bool holdings_resize(const struct conf *now, const struct conf *coming);

/* The fleet that is being published: its endpoints are listened to from now on, those that left are
 * not. After fleet_retire, before any worker has it. `prefix_seed`: of requests' keys. Control. */
void holdings_follow(struct holdings *holdings, struct fleet *fleet, uint64_t prefix_seed);

/* A prompt as it is looked for. Borrowed for the call. */
struct holdings_prompt {
    const uint64_t *keys;
    size_t count;
    uint32_t block;      /* tokens that a key stands for; about as many where keys are rough */
    uint64_t tokens;     /* of the whole prompt */
    bool events_know;    /* events come to the same keys: exact ones that no tenant is in */
    struct slice tenant; /* whose it is; empty: nobody's in particular */
};

/*
 * What each endpoint of the pool has of the prompt, as the index says; ret_matches[i] is
 * pool->endpoints[i]'s. Any thread, no locks.
 */
void holdings_match(struct holdings *holdings, const struct pool *pool,
                    const struct holdings_prompt *prompt, struct prefix_match *ret_matches);

/*
 * What of a match the endpoint's engine finds: whole pages, and never the last token, which it
 * computes in any case. Scaled by what usage has shown, where that was much less than expected. Any
 * thread.
 */
void holdings_findable(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                       const struct prefix_match *match, struct prefix_match *ret_match);

/* Any thread. What its usage should report as cached, in tokens: unscaled, without those that are
 * there only when what was just sent is computed. */
uint64_t holdings_expected(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                           const struct prefix_match *match);

/* It is sent to the endpoint: speculation about the blocks behind the `known` ones (what most
 * prompts begin with was there before), until `until_us` at the longest. Any thread. */
void holdings_sent(struct holdings *holdings, const struct endpoint *endpoint,
                   const struct holdings_prompt *prompt, size_t known, uint64_t until_us);
/* Its first token has come: the prompt is computed. Any thread. */
void holdings_computed(const struct endpoint *endpoint, const struct holdings_prompt *prompt);
/* What the engine's usage says of the prompt. */
struct holdings_report {
    uint64_t tokens, cached;
};

/* Of the prompt's tokens `expected` should have been found in the cache. What cannot be (more than
 * the prompt has, by the engine's own word) is counted and teaches nothing. Any thread. */
void holdings_learn(const struct endpoint *endpoint, const struct holdings_prompt *prompt,
                    uint64_t expected, const struct holdings_report *report);
/* The engine is not there any more: what a model had of its cache is void, and what comes back may
 * say nothing of its own (routing/cache_reports.h). Any thread. */
void holdings_lost(const struct endpoint *endpoint);

/* Says in the log whose KV events are configured and do not come. Control, HOLDINGS_WATCH_US after
 * the last time. */
#define HOLDINGS_WATCH_US CLOCK_US_PER_S
void holdings_watch(const struct holdings *holdings, uint64_t now_us);

/* With the endpoint's state; any thread. NULL is fine. */
void holding_free(struct holding *holding);

/* For /metrics and /fleet; control. */
struct metric_writer;
void holdings_collect(struct metric_writer *writer, struct holdings *holdings,
                      const struct fleet *fleet);

/* What is known of an endpoint's cache. */
struct holdings_view {
    bool heard;         /* by its events; else by a model of it */
    bool connected;     /* to the publishers of all its ranks */
    const char *events; /* how it stands with those: of kv_feed_kind_names; NULL: none configured */
    uint32_t page_tokens;
    double trust; /* found by expected tokens of late, 0 to 1 */
    uint64_t expected_tokens, found_tokens;
};

/* False: nothing yet, it is in no fleet that was published. */
bool holdings_look(const struct endpoint *endpoint, struct holdings_view *ret_view);

#endif
