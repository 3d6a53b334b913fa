/*
 * An attempt: one try of one exchange at one endpoint. Towards endpoints, without policy: who is
 * tried, and whether once more, is decided above.
 *
 *   attempt_start --> waiting for a connection --> open: `stream` is set, the request is on its way
 *         |                     |                       |
 *         +---------------------+-----------------------+--> over: `reason` is set
 *
 * The reason is reason_done when answer and body ended properly.
 *
 * A reused connection that dies before any byte of the answer is replaced by a fresh one, once,
 * without anybody noticing: the engine closed it while it was idle, the request was never looked
 * at.
 *
 * One thread. on_event may only note and wake, as for streams.
 */
#ifndef SLUICE_UPSTREAM_ATTEMPT_H
#define SLUICE_UPSTREAM_ATTEMPT_H

#include "gateway/upstream/pool.h"

struct attempt {
    struct worker *worker;
    struct origin *origin; /* reffed */
    struct pool_waiter waiter;
    struct stream *stream;       /* NULL until a connection is there */
    const struct reason *reason; /* why it is over; NULL while it is not */
    bool refreshed;              /* the one silent second try was used */
    bool body_complete;          /* all of the body was handed over; the owner's to set later */
    bool body_kept;              /* all that was handed over lies in `body`; the owner's to clear */
    const struct message *request;             /* borrowed until the attempt is released */
    const struct buf *body;                    /* borrowed; kept for the second try */
    void (*on_event)(struct attempt *attempt); /* something of it or of its stream changed */
};

/*
 * Starts. `request` and `body` are borrowed until attempt_release; `body` holds what is known so
 * far and must not be dropped from while body_kept; with !body_complete the owner adds what comes
 * to attempt->stream->out itself once the stream is there, and to `body` for as long as it keeps
 * body_kept. on_event is not called from within.
 */
void attempt_start(struct attempt *attempt, struct worker *worker, struct origin *origin,
                   struct arena *arena, const struct message *request, const struct buf *body,
                   bool body_complete, void (*on_event)(struct attempt *attempt));

/* To be asked after each event, in a wake-up: moves the attempt on (silent second try, end). */
void attempt_advance(struct attempt *attempt);

/* Ends it, if it is not over, telling the endpoint why (a cancelled request is aborted there), and
 * gives back what it holds. */
void attempt_release(struct attempt *attempt, const struct reason *reason);

static inline bool attempt_is_active(const struct attempt *attempt)
{
    return attempt->origin != NULL;
}

#endif
