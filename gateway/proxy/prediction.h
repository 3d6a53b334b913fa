/*
 * What is known of a prompt before an engine is asked: its tokens and block keys, or an estimate;
 * and how that compared with the engine's own count in the end.
 *
 * Part of an exchange; its worker's thread.
 */
#ifndef SLUICE_PROXY_PREDICTION_H
#define SLUICE_PROXY_PREDICTION_H

#include "gateway/prompt/pipeline.h"
#include "routing/fleet.h"
#include "routing/holdings.h"

struct exchange;

struct prediction {
    bool made;          /* there was a prompt, and what follows is known of it */
    bool keys_exact;    /* keys are block keys; else they stand for text */
    bool deferred;      /* others went first once */
    uint8_t exactness;  /* enum exactness */
    uint64_t tokens;    /* prompt tokens that the engine will report */
    uint64_t reused;    /* of them: known from an earlier turn */
    uint64_t bytes;     /* of the request's own text */
    struct blocks keys; /* ours until prediction_release */
};

/* What the keys of a prompt are separated by: what separates the engine's caches; and tenants,
 * where the operator wants that. */
struct blocks_scope prediction_scope(const struct model *model, const struct version *version,
                                     const struct prompt *prompt, struct slice tenant,
                                     uint64_t prefix_seed);
/* Whether there is text or ids of which tokens can be made. `prompt` may be NULL. */
bool prediction_is_possible(const struct prompt *prompt);
/* How long it may take, in microseconds, before it is made; 0: there is nothing to make. */
uint64_t prediction_forecast_us(const struct exchange *x);
/* Makes it, for the exchange's version. ret_tokens, also borrowed things in it, is for who answers
 * /tokenize. */
void prediction_make(struct exchange *x, struct pipeline_tokens *ret_tokens);
/* Tokens of the prompt; 0: not known. */
uint32_t prediction_tokens(const struct prediction *prediction);
/* Tokens of the answer: as those before it, and no more than the client allows. `prompt` may be
 * NULL. */
double prediction_output(const struct version *version, const struct prompt *prompt);
/* The prompt as routing looks for it; no keys where there is no prediction. Borrowed. */
struct holdings_prompt prediction_prompt(const struct exchange *x);
/* It is sent to x->endpoint; its first content has come from there. */
void prediction_sent(struct exchange *x);
void prediction_computed(const struct exchange *x);
/* The exchange is over: what the engine reported teaches. */
void prediction_settle(struct exchange *x);
void prediction_release(struct prediction *prediction);

#endif
