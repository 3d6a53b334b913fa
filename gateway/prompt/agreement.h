/*
 * Whether predicted prompt tokens agree with what engines report, for one model version: a wrong
 * template or tokenizer shows here within minutes, and its exact keys are then no longer used. And
 * what usage has taught of the version: bytes a token, tokens an answer.
 *
 * Any number of workers note and ask; one relaxed word, so that a lost race costs one observation.
 *
 *     trusted --8 of the last 32 differ--> distrusted --16 in a row of which at most one differs-->
 * trusted
 *
 * While it is distrusted one exchange in eight is still predicted exactly, to notice when it agrees
 * again.
 */
#ifndef SLUICE_PROMPT_AGREEMENT_H
#define SLUICE_PROMPT_AGREEMENT_H

#include "gateway/base/snapshot.h"

#include <stdbool.h>

/* A template that is wrong for tool calls only is wrong for a good part of agents' requests. */
#define AGREEMENT_WINDOW  32
#define AGREEMENT_DIFFER  8
#define AGREEMENT_RECOVER 16
#define AGREEMENT_PROBE   8
/* Before any usage was seen: English text in today's vocabularies. */
#define AGREEMENT_TOKEN_BYTES 4.0
#define AGREEMENT_OUTPUT      200 /* tokens of a chat's answer (routing.md, 6.2) */

struct agreement {
    struct snapshot snapshot;
    _Atomic uint64_t word;         /* history, how much of it there is, and whether it is trusted */
    _Atomic uint32_t asked;        /* of agreement_wants_exact while distrusted */
    _Atomic uint32_t token_milli;  /* bytes of text a token, thousandths; learned */
    _Atomic uint32_t output_milli; /* tokens of an answer, thousandths; learned */
};

struct agreement *agreement_new(void);
/* A new one that knows of `before` (NULL: nothing) what tokens and answers are long. */
struct agreement *agreement_after(const struct agreement *before);
struct agreement *agreement_ref(struct agreement *agreement);
void agreement_unref(struct agreement *agreement); /* NULL is fine */

bool agreement_is_trusted(const struct agreement *agreement);
/* Whether the next prompt is to be predicted exactly: always while trusted, else now and then. */
bool agreement_wants_exact(struct agreement *agreement);

enum agreement_change { AGREEMENT_STAYS, AGREEMENT_LOST, AGREEMENT_REGAINED };

/* An exact prediction met the engine's usage. */
enum agreement_change agreement_note(struct agreement *agreement, bool same);

/* Usage said that `bytes` of text were `tokens`. */
void agreement_learn(struct agreement *agreement, uint64_t bytes, uint64_t tokens);
double agreement_token_bytes(const struct agreement *agreement);

/* Usage said that an answer had so many tokens; what the next one is expected to have. */
void agreement_learn_output(struct agreement *agreement, uint64_t tokens);
double agreement_output(const struct agreement *agreement);

#endif
