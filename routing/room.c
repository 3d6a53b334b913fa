/*
 * One letter to the home at a time.
 *
 * Who comes to wait counts itself first and looks for room afterwards; who makes room makes it
 * first and looks for waiting ones afterwards. So one of them sees the other; should they miss each
 * other all the same, as relaxed counters of endpoints allow on some processors, the home's look
 * (HOME_LOOK_US) finds the room.
 */
#include "routing/room.h"

#include "gateway/base/clock.h"
#include "routing/fleet.h"

bool room_announce(struct pool_state *state)
{
    struct room *room = &state->room;

    if (!room_is_awaited(room))
        return false;
    atomic_fetch_add_explicit(&room->making, 1, memory_order_seq_cst);
    return true;
}

void room_tell(struct pool_state *state)
{
    room_made(state);
    atomic_fetch_sub_explicit(&state->room.making, 1, memory_order_seq_cst);
}

void room_made(struct pool_state *state)
{
    struct room *room = &state->room;

    if (!room_is_awaited(room) || atomic_exchange_explicit(&room->told, true, memory_order_acq_rel))
        return;
    atomic_store_explicit(&room->told_us, clock_now_us(), memory_order_relaxed);
    snapshot_ref(&state->snapshot);
    mailbox_send(room->home, &room->letter);
}
