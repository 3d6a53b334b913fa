/*
 * The exchange's side of waiting: its ticket, from step route until the answer or its end.
 *
 * On the exchange's worker. The other side: home.h; between them: ticket.h.
 */
#ifndef SLUICE_PROXY_WAITING_H
#define SLUICE_PROXY_WAITING_H

#include "gateway/proxy/ticket.h"

enum waiting {
    WAITING_NOT,     /* it has no ticket */
    WAITING_STILL,   /* no answer yet */
    WAITING_GO,      /* a place is kept for it: endpoint, choice and counted are set */
    WAITING_REFUSED, /* for *ret_reason; retry_after_s is set */
    WAITING_AGAIN,   /* to be asked again */
};

/* Asks the pool's home, for the newest fleet's pool where that is the same. The answer wakes the
 * exchange. */
void waiting_begin(struct exchange *x);
/* Takes the answer, if there is one: the ticket is gone then. */
enum waiting waiting_look(struct exchange *x, const struct reason **ret_reason);
/* Waits no more; a place that was kept for it is given back. Nothing when it does not wait. */
void waiting_end(struct exchange *x);

/* Whether others wait for its pool: they go first, so that it has to ask the home, too. */
bool waiting_has_others(const struct exchange *x);
/* Whether it may wait for a pool without an endpoint that answers to get one. */
bool waiting_is_for_first(const struct exchange *x);

#endif
