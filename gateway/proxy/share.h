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
#include "routing/decide.h"

struct exchange;

struct exchange_share {
    struct share counted;
    struct pace_watch watch;
    bool one_choice; /* an event of its stream is a step of the engine */
    /* When the prefill of an answer that does not come as a stream should be over: nobody sees its
     * first token. */
    struct timer prefilled;
};

/* A place at an endpoint that is kept, by an exchange's worker or by its pool's home: inflight
 * counts it, and its signals do. */
struct share_place {
    struct share counted;
    struct load before; /* what was there before it */
};

/* Takes a place for who asked, where `choice` says. False: the endpoint is at its `concurrency`,
 * and nothing was done. Any worker. */
bool share_keep(const struct decide_call *call, const struct endpoint *endpoint,
                const struct choice *choice, struct share_place *ret_place) MUST_USE;
/* Nobody goes there. */
void share_give_back(const struct endpoint *endpoint, struct share_place *place, uint64_t now_us);

void share_init(struct exchange_share *share);
/* The place, kept as x->choice says, is the exchange's. */
void share_begin(struct exchange *x, const struct endpoint *endpoint,
                 const struct share_place *place);
/* Content has come: `contents` events of a stream, or the first byte of what is none. */
void share_contents(struct exchange *x, uint32_t contents);
/* Its attempt is over: what it added to the signals is taken off. */
void share_end(struct exchange *x);

#endif
