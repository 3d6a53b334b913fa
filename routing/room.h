/*
 * How the worker where a pool's exchanges wait hears that one of them may go on.
 *
 * Part of a pool's state. A pool's hold lives on one worker, its home (gateway/proxy/home.h); room
 * may come on any thread: an exchange ends, a check succeeds, a name gets an address. Whoever made
 * it calls room_made, which costs one look at a counter while nobody waits.
 */
#ifndef SLUICE_ROUTING_ROOM_H
#define SLUICE_ROUTING_ROOM_H

#include "gateway/base/mailbox.h"

#include <stdatomic.h>

struct pool_state;

struct room {
    _Atomic uint32_t waiting; /* exchanges that wait; the home's thread writes */
    /* Set by the home's thread before `waiting` is first above 0, and then left alone. */
    struct mailbox *home;
    struct letter letter;     /* its open() gets a reference on the pool's state, to be dropped */
    _Atomic bool told;        /* the letter is under way; open() clears it, then looks */
    _Atomic uint32_t making;  /* announced, and not yet told */
    _Atomic uint64_t told_us; /* clock_now_us when it was sent */
};

/* Room may have come at an endpoint of the pool. Any thread, after the change itself. */
void room_made(struct pool_state *state);
/*
 * Room is about to come: from now on nobody who comes is let go before those that wait, whatever
 * letter is under way. True: it is the caller's to say room_tell after the change, at once; else,
 * for nobody waits, it says room_made as usual. For changes that others see before the caller can
 * say so.
 */
bool room_announce(struct pool_state *state) MUST_USE;
void room_tell(struct pool_state *state);

static inline bool room_is_awaited(const struct room *room)
{
    return atomic_load_explicit(&room->waiting, memory_order_seq_cst) > 0;
}

/* All room that was made has been told of, and the home has heard it. */
static inline bool room_is_settled(const struct room *room)
{
    return atomic_load_explicit(&room->making, memory_order_seq_cst) == 0 &&
           !atomic_load_explicit(&room->told, memory_order_seq_cst);
}

#endif
