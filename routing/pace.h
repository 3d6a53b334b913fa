/*
 * How fast an endpoint is: seconds for what prefill and decoding consist of, learned from the times
 * of its answers.
 *
 * Two regressions an endpoint, each of three terms: the time to the first token (steps, tokens,
 * tokens times context) and the time of a step that only decodes (the step itself, sequences,
 * context). A coefficient is kept as a factor of pace_default's. Samples are weighed by relative
 * error; what a single one can change is bounded, and one that says slow counts twice one that says
 * fast: too slow an estimate costs less than too fast a one (routing.md, 6.4). Coefficients of
 * which samples say little follow the ones of which they say much. An endpoint that has shown
 * little, or nothing lately, is taken for one like the others of its pool.
 *
 * Any worker teaches and reads. A learner is changed by one at a time: who comes meanwhile drops
 * its sample. What is read are relaxed atomics, each right by itself. The clock is the caller's.
 */
#ifndef SLUICE_ROUTING_PACE_H
#define SLUICE_ROUTING_PACE_H

#include "routing/signals.h"

/* Seconds that things take at an endpoint. */
struct pace {
    double token_s;    /* of prefill, a token that is not cached */
    double square_s;   /* of prefill, a token and a token of its context */
    double step_s;     /* a step of the engine's loop, by itself */
    double sequence_s; /* of a step, a decoding sequence */
    double context_s;  /* of a step, a token of context that decodes read */
};

/* A 32B model on two H100 (facts of public simulators); what an endpoint has shown replaces it. */
extern const struct pace pace_default;

/* Seconds to prefill the last `uncached` of `tokens`. */
double pace_prefill_s(const struct pace *pace, uint32_t tokens, uint32_t uncached);
/* Seconds of a step beside so many decodes. */
double pace_step_s(const struct pace *pace, double decodes, double live_tokens);

#define PACE_TERMS 3

struct pace_fit { /* who has claimed the learner writes; `factors` and `count` anybody reads */
    double a[PACE_TERMS][PACE_TERMS], b[PACE_TERMS]; /* normal equations; older samples fade */
    int surprises;                                   /* in a row: slow ones above 0, fast below */
    double level;                                    /* log of what all factors have in common */
    _Atomic double factors[PACE_TERMS];              /* of pace_default's; 0: nothing learned */
    _Atomic uint32_t count;                          /* samples */
};

struct pace_learner { /* zeroed: knows nothing */
    _Atomic bool claimed;
    _Atomic uint64_t learned_us; /* when the last sample came */
    struct pace_fit first;       /* times to the first token */
    struct pace_fit step;        /* times of steps */
};

/* Of an endpoint, or of its pool: the same samples, of all of it. */
struct pace_learners {
    struct pace_learner *endpoint, *pool;
};

/* The pool's pace, then an endpoint's in it: the pool's is read once for all of them. */
void pace_read_pool(const struct pace_learner *pool, struct pace *ret_pace);
void pace_read(const struct pace_learner *endpoint, const struct pace *pool, uint64_t now_us,
               struct pace *ret_pace);

/* What the times of one exchange at one endpoint teach. Zeroed: nothing. */
struct pace_watch {
    struct load before; /* at the endpoint, when it was sent */
    uint64_t sent_us;   /* 0: nothing is watched */
    uint64_t head_us;   /* signals->head_us when the window began */
    uint64_t window_us; /* since when contents are counted; 0: they are not */
    double first_s;     /* its own share of the time to its first token; 0: not known */
    uint32_t tokens, contents;
};

/* It is sent; before signals_sent. `before`: signals_read of now. */
void pace_watch_sent(struct pace_watch *watch, const struct load *before, uint32_t tokens,
                     uint64_t now_us);
/* Its first token has come; before signals_first_token. */
void pace_watch_first(struct pace_watch *watch, const struct signals *signals, uint64_t now_us);
/* `count` more content events have come, one a step of the engine. */
void pace_watch_contents(struct pace_watch *watch, const struct pace_learners *learners,
                         const struct signals *signals, uint32_t count, uint64_t now_us);
/* The answer was not read as it came: no step's time can be told. */
void pace_watch_paused(struct pace_watch *watch);
/* All is known: `uncached` of its tokens were computed, in steps of up to `step_tokens`. */
void pace_watch_ended(struct pace_watch *watch, const struct pace_learners *learners,
                      uint32_t uncached, double step_tokens, uint64_t now_us);

#endif
