/*
 * The waiting exchanges of a worker.
 */
#include "gateway/proxy/room.h"

#include "gateway/base/clock.h"
#include "gateway/proxy/exchange.h"

#include <stdatomic.h>

/* Room made on another worker is noticed within this time. */
#define ROOM_LOOK_US (2 * CLOCK_US_PER_MS)

static struct exchange *room_exchange(struct list *link)
{
    return CONTAINER_OF(link, struct exchange, room_link);
}

static bool same_pool(const struct exchange *a, const struct exchange *b)
{
    return a->version->pool->state == b->version->pool->state;
}

/* The first of every pool looks again. */
static void room_look(struct timer *timer)
{
    struct room *room = CONTAINER_OF(timer, struct room, look);

    LIST_FOREACH (at, &room->waiting)
        if (!room_has_others_first(room, room_exchange(at)))
            exchange_wake(room_exchange(at));
    if (!list_is_empty(&room->waiting))
        timer_set(&room->worker->timers, &room->look, room->worker->now_us + ROOM_LOOK_US);
}

void room_init(struct room *room, struct worker *worker)
{
    room->worker = worker;
    list_init(&room->waiting);
    timer_init(&room->look, room_look);
}

void room_release(struct room *room)
{
    CHECK(list_is_empty(&room->waiting));
    timer_clear(&room->look);
}

bool room_has_others_first(const struct room *room, const struct exchange *x)
{
    LIST_FOREACH (at, (struct list *)&room->waiting) {
        const struct exchange *other = room_exchange(at);

        if (other == x)
            return false;
        if (same_pool(other, x))
            return true;
    }
    return false;
}

void room_wait(struct room *room, struct exchange *x)
{
    if (list_is_linked(&x->room_link))
        return;
    list_push(&room->waiting, &x->room_link);
    atomic_fetch_add_explicit(&x->version->pool->state->waiting, 1, memory_order_relaxed);
    if (!timer_is_set(&room->look))
        timer_set(&room->worker->timers, &room->look, room->worker->now_us + ROOM_LOOK_US);
}

void room_leave(struct exchange *x)
{
    if (!list_is_linked(&x->room_link))
        return;
    list_remove(&x->room_link);
    atomic_fetch_sub_explicit(&x->version->pool->state->waiting, 1, memory_order_relaxed);
}

void room_made(struct room *room, const struct exchange *x)
{
    LIST_FOREACH (at, &room->waiting)
        if (same_pool(room_exchange(at), x)) {
            exchange_wake(room_exchange(at));
            return;
        }
}
