/*
 * An endpoint: one engine replica that can answer.
 *
 * What is configured of it is immutable and belongs to a fleet; what is observed of it is its
 * state, which outlives fleets: a reload that keeps the endpoint keeps its state. States are
 * counted; their numbers are relaxed atomics that any worker changes.
 */
#ifndef SLUICE_ROUTING_ENDPOINT_H
#define SLUICE_ROUTING_ENDPOINT_H

#include "gateway/base/log.h"
#include "gateway/upstream/origin.h"
#include "routing/adapters.h"
#include "routing/cache_reports.h"
#include "routing/pace.h"
#include "routing/reported.h"

struct holding;

struct endpoint_state {
    struct snapshot snapshot;
    uint64_t fleet_number;             /* the newest that has it; control thread */
    _Atomic uint32_t inflight;         /* exchanges sent there and not over */
    _Atomic uint32_t failures;         /* in a row */
    _Atomic uint32_t ejections;        /* in a row, for the back-off */
    _Atomic uint64_t ejected_until_us; /* clock_now_us; 0: never was */
    _Atomic uint64_t returned_us;      /* when it came back last: slow return starts here */
    _Atomic bool probe_failing;        /* active checks say it is not healthy */
    _Atomic bool gone;                 /* no longer in the configuration: finishes what it has */
    _Atomic uint64_t served, failed;   /* attempts ended well, ended badly */
    /* Of answers whose engine said how much of the prompt it had: the prompt's tokens, those that
     * it had, and where endpoints were priced those that it was expected to have. */
    _Atomic uint64_t prompt_tokens, cached_tokens, expected_cached_tokens;
    struct cache_reports cache_reports; /* whether it says so */
    struct signals signals;             /* what is at it of our own traffic, and its cache */
    struct pace_learner pace;           /* how fast it is */
    struct reported reported;           /* what the engine says of its load */
    struct adapters adapters;           /* what it says of its LoRA adapters */
    /* routing/holdings: what its cache holds; NULL until its first fleet is published. */
    struct holding *_Atomic holding;
};

struct endpoint {
    struct log_subject subject; /* prints "pool llama-a endpoint http://10.0.0.11:8000" */
    char *name;                 /* the URL as configured; "dns:" ones with the address */
    const char *pool_name;      /* borrowed from the pool */
    struct origin *origin;
    struct endpoint_state *state;
    uint64_t hash;  /* of its name, the same at every gateway */
    uint32_t index; /* in its pool */
};

/* An endpoint's URL as configured, without the "dns:" that says to follow its name. */
struct slice endpoint_url(const char *text, bool *ret_dns);

/* One more exchange is at it. False, and it is not counted, when there are `limit` already; 0: no
 * limit. Any worker. */
bool endpoint_enter(const struct endpoint *endpoint, uint64_t limit) MUST_USE;
void endpoint_leave(const struct endpoint *endpoint);

/* The engine said this of its load, to be believed until then. Any thread. */
void endpoint_report(struct endpoint_state *state, const struct gauges *gauges, uint64_t now_us,
                     uint64_t until_us);
/* It says nothing: what it said is forgotten once it is no longer believed. */
void endpoint_forget_stale(struct endpoint_state *state, uint64_t now_us);

/* Tokens its cache holds, as it said last; 0: it never did. Any thread. */
uint64_t endpoint_capacity(const struct endpoint *endpoint);
/* What it says of a LoRA adapter (adapter_key of its name). Any thread. */
enum adapter_state endpoint_adapter(const struct endpoint *endpoint, uint64_t key);

struct endpoint_state *endpoint_state_new(void);
struct endpoint_state *endpoint_state_ref(struct endpoint_state *state);
void endpoint_state_unref(struct endpoint_state *state);

#endif
