/*
 * Deadlines of one thread: a hierarchical timing wheel with ticks of one millisecond. Setting,
 * moving and clearing cost O(1) and no allocation. (G. Varghese, T. Lauck: Hashed and Hierarchical
 * Timing Wheels, 1987.)
 *
 * A timer fires at or up to one tick after its deadline, from timers_run, never earlier. Those that
 * are due in one call fire in no promised order.
 * Its callback may set, clear and free any timer, its own included.
 */
#ifndef SLUICE_BASE_TIMER_H
#define SLUICE_BASE_TIMER_H

#include "gateway/base/list.h"

struct timer;
typedef void timer_fn(struct timer *timer);

struct timer {
    struct list link;
    uint64_t deadline_us; /* clock_now_us; 0 while not set */
    timer_fn *fire;
};

#define TIMER_LEVELS 5
#define TIMER_SLOTS  64

struct timers {
    uint64_t now_tick; /* the last tick run */
    uint64_t occupied[TIMER_LEVELS];
    struct list slot[TIMER_LEVELS][TIMER_SLOTS];
};

void timers_init(struct timers *timers, uint64_t now_us);

/* Once, before anything else. */
void timer_init(struct timer *timer, timer_fn *fire);
/* Sets or moves the deadline. One that has passed fires with the next tick. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_us);
/* Nothing happens when it is not set. */
void timer_clear(struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->deadline_us != 0;
}

/* Fires what is due. */
void timers_run(struct timers *timers, uint64_t now_us);

/* When timers_run should be called next, at the latest; UINT64_MAX when nothing is set. May be
 * earlier than the next deadline. */
uint64_t timers_next_us(const struct timers *timers);

#endif
