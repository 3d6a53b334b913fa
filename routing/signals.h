/*
 * What is known of an endpoint's load.
 *
 * From our own traffic: what was sent there and is not over, counted as it changes, in O(1). Time
 * stands in microseconds of predicted prefill, because neither requests nor tokens say how long one
 * waits. From the engine's own metrics: how much of its cache is in use. Any worker writes; numbers
 * are relaxed atomics, each right by itself. The clock is the caller's, so that a simulator can
 * drive this. What is not known is not taken for zero.
 *
 * An exchange remembers in its `struct share` what it added, so that exactly this is taken off
 * again, whatever has been learned meanwhile.
 */
#ifndef SLUICE_ROUTING_SIGNALS_H
#define SLUICE_ROUTING_SIGNALS_H

#include "gateway/base/check.h"

#include <stdatomic.h>
#include <stdbool.h>

struct signals {
    _Atomic int64_t queued_us;     /* predicted prefill of those not at their first token */
    _Atomic int64_t queued_tokens; /* their uncached tokens */
    _Atomic int64_t live_tokens;   /* prompt and answer so far, of all that are not over */
    _Atomic int32_t prefills;      /* exchanges not at their first token */
    _Atomic int32_t decodes;       /* exchanges past it */
    _Atomic uint64_t head_us;      /* since when the engine works at the first of the prefills */
    _Atomic uint64_t capacity;     /* tokens its cache holds; 0: unknown */
    /* Tokens in its cache that are in use, a part of live_tokens: prompts share blocks. 0: unknown.
     * Whoever hears what its metrics say writes it; one of two at a time may be lost. */
    _Atomic double shared;
};

enum share_state { SHARE_NONE, SHARE_PREFILL, SHARE_DECODE };

struct share {
    uint64_t sent_us;
    int64_t prefill_us; /* predicted */
    uint32_t uncached;  /* tokens, predicted */
    uint32_t tokens;    /* prompt and answer so far */
    uint8_t state;      /* enum share_state; zeroed: NONE */
};

/* A copy to calculate with. */
struct load {
    double queued_s;
    double head_s; /* for how long the first prefill has been at work; 0: there is none */
    double queued_tokens, live_tokens;
    double prefills, decodes;
    double used;     /* tokens of its cache that cannot be evicted now; as good as live_tokens */
    double shared;   /* how many a live token takes, below 1 where prompts share blocks */
    double capacity; /* tokens; 0: unknown, it or how many are in use */
};

void signals_read(const struct signals *signals, uint64_t now_us, struct load *ret_load);

/* Its metrics say how many tokens its cache holds, and which part of that is in use, 0 to 1. */
void signals_cache(struct signals *signals, uint64_t capacity, double usage);
/* They say nothing any more. */
void signals_cache_unknown(struct signals *signals);

/* An exchange goes there: `tokens` in the prompt, of which `uncached` must be computed. More than a
 * day of prefill counts as a day, less than none as none. */
void signals_sent(struct signals *signals, struct share *share, uint32_t tokens, uint32_t uncached,
                  double prefill_s, uint64_t now_us);
/* When that prefill should be over, which begins after what was there before it. */
uint64_t signals_prefilled_us(const struct load *before, const struct share *share);
/* Its first token has come; nothing when it had before. */
void signals_first_token(struct signals *signals, struct share *share, uint64_t now_us);
/* More of the answer has come. */
void signals_tokens(struct signals *signals, struct share *share, uint32_t count);
/* It is over, in whatever state. Nothing when it never began. */
void signals_ended(struct signals *signals, struct share *share, uint64_t now_us);

#endif
