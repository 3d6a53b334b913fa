/*
 * A ticket: what an exchange that waits sends to its pool's home, and gets back with the answer.
 *
 *   worker (the exchange's)                      home (the pool's worker)
 *      waiting_begin --------- ask ------------> held, or answered at once
 *      waiting_end  --------- leave -----------> held no more, if it still was
 *      woken <--------------- answer ----------- GO, REFUSED or AGAIN: once at most
 *
 * A counted object of its own, not in the exchange's arena: either side may be done with it first.
 * References: the exchange's, the home's (from ask until the answer is opened, or it is held no
 * more), and one for a `leave` under way. Its letters lie in it, so that sending cannot fail.
 *
 * With GO the endpoint's place is taken already, in the exchange's name. Where the exchange has
 * left meanwhile the worker gives it back (waiting.c).
 *
 * What is asked is written before `ask` is sent and read by the home only; the answer is written
 * by the home before `answer` is sent.
 */
#ifndef SLUICE_PROXY_TICKET_H
#define SLUICE_PROXY_TICKET_H

#include "gateway/base/mailbox.h"
#include "gateway/proxy/share.h"
#include "gateway/token/blocks.h"
#include "routing/decide.h"
#include "routing/hold.h"

/* The most endpoints that one exchange tries (the bound of the `attempts` directive). */
#define TRIES_MAX 8

struct exchange;
struct worker;

enum ticket_answer {
    TICKET_GO,      /* to `endpoint` */
    TICKET_REFUSED, /* for `reason` */
    TICKET_AGAIN,   /* there is a newer fleet: ask again with what it has */
};

struct ticket {
    _Atomic uint32_t refs;
    struct worker *worker, *home; /* the exchange's, the pool's */
    struct letter ask, leave, answer;

    /* the worker's own */
    struct exchange *exchange; /* NULL: it has left */
    bool answered;

    /* what is asked */
    struct decide_call call; /* borrows from the ticket and its fleet only */
    struct fleet *fleet;     /* reffed; the exchange's */
    uint64_t newest;         /* number of the newest fleet that the worker knew */
    const struct endpoint *tried[TRIES_MAX];
    struct blocks keys; /* the exchange's, lent: taken back with the answer */
    bool sheddable;
    bool explains;        /* it wants to know why */
    bool waits_for_first; /* where no endpoint answers: it waits for one that does */
    bool has_failed;      /* ... and could reach nobody: not again before one does */

    /* the home's own */
    struct hold_item item;
    struct list link;          /* pool_hold->tickets, or ->going */
    bool held;                 /* it is in the hold */
    double decoding_s;         /* its tenant is charged for beside item.cost_s */
    struct kept_matches *kept; /* what endpoints have of its prompt, of late; NULL: not kept */

    /* the answer */
    enum ticket_answer what;
    const struct endpoint *endpoint; /* of `fleet` */
    struct choice choice;
    char *explanation;        /* ours, until the exchange takes it; NULL: none */
    struct share_place place; /* at the endpoint, kept for it */
    const struct reason *reason;
    uint32_t retry_after_s; /* 0: not known */
    uint64_t room_us;       /* when the room was made that it goes for; 0: not known */

    char pin[]; /* the bytes of call.pin */
};

/* Opens the letter on the thread of `to`: at once where that is the caller's. */
void ticket_send(struct letter *letter, const struct worker *from, struct worker *to);
struct ticket *ticket_ref(struct ticket *ticket);
void ticket_unref(struct ticket *ticket); /* any thread */

#endif
