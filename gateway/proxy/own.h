/*
 * What the gateway answers itself: its health, the list of models, and token ids.
 */
#ifndef SLUICE_PROXY_OWN_H
#define SLUICE_PROXY_OWN_H

#include "gateway/prompt/pipeline.h"
#include "routing/fleet.h"

bool own_answers(struct slice method, struct slice path);

/* For what own_answers is true: the answer's JSON (or nothing); a reason (model_not_found) when
 * there is none. */
const struct reason *own_answer(const struct fleet *fleet, struct slice path,
                                struct buf *out) MUST_USE;

/* Bytes of a template's own words that an error repeats. */
#define OWN_MESSAGE_MAX 2048

/*
 * POST /tokenize. A reason where there are no exact tokens; ret_message (in the arena) then says
 * why. `strings`: the tokens' texts are asked for, too.
 */
const struct reason *own_tokenize(const struct version *version,
                                  const struct pipeline_tokens *tokens, bool strings,
                                  struct arena *arena, struct buf *out,
                                  struct slice *ret_message) MUST_USE;

#endif
