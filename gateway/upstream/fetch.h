/*
 * A small GET of the gateway's own (a probe, an engine's list of models): its own attempt, bounded
 * answer, deadline.
 *
 * One thread: the worker's, usually control.
 */
#ifndef SLUICE_UPSTREAM_FETCH_H
#define SLUICE_UPSTREAM_FETCH_H

#include "gateway/upstream/attempt.h"

struct fetch;

/* reason NULL: an answer came; `body` is its first `limit` bytes at most; borrowed. The fetch is
 * gone afterwards. */
typedef void fetch_fn(void *user, const struct reason *reason, unsigned status, struct slice body);

/* `authorization` may be empty. */
struct fetch *fetch_get(struct worker *worker, struct origin *origin, struct slice path,
                        struct slice authorization, size_t limit_bytes, unsigned timeout_ms,
                        fetch_fn *done, void *user);
void fetch_cancel(struct fetch *fetch); /* no callback */

#endif
