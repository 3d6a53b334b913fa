/*
 * What the gateway answers itself: its health and the list of models.
 */
#ifndef SLUICE_PROXY_OWN_H
#define SLUICE_PROXY_OWN_H

#include "gateway/base/buf.h"
#include "routing/fleet.h"

bool own_answers(struct slice method, struct slice path);

/* For what own_answers is true: the answer's JSON (or nothing); a reason (model_not_found) when
 * there is none. */
const struct reason *own_answer(const struct fleet *fleet, struct slice path,
                                struct buf *out) MUST_USE;

#endif
