/*
 * What an exchange is to its endpoint while it has a place there: its share of the endpoint's
 * signals, and what its times teach of the endpoint's pace.
 *
 * Part of an exchange; its worker's thread. Whatever happens to the exchange, share_end takes off
 * again what share_begin and what came after it have added.
 */
#ifndef SLUICE_PROXY_SHARE_H
#define SLUICE_PROXY_SHARE_H

#include "gateway/base/timer.h"
#include "routing/pace.h"

struct exchange;

struct exchange_share {
    struct share counted;
    struct pace_watch watch;
    bool one_choice; /* an event of its stream is a step of the engine */
    /* When the prefill of an answer that does not come as a stream should be over: nobody sees its
     * first token. */
    struct timer prefilled;
};

void share_init(struct exchange_share *share);
/* It has a place at x->endpoint, which was chosen as x->choice says. */
void share_begin(struct exchange *x);
/* Content has come: `contents` events of a stream, or the first byte of what is none. */
void share_contents(struct exchange *x, uint32_t contents);
/* It gives the place back. Nothing happens when it has none. */
void share_end(struct exchange *x);

#endif
