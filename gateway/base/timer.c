/*
 * The timing wheel. Level 0 has a slot a tick, each higher level's slot spans a whole lower level.
 *
 * A slot's bit in `occupied` may be stale after a timer was cleared: it costs one early wake-up and
 * is mended there.
 */
#include "gateway/base/timer.h"

#include "gateway/base/clock.h"

#define TICK_US    CLOCK_US_PER_MS
#define LEVEL_BITS 6

void timers_init(struct timers *timers, uint64_t now_us)
{
    timers->now_tick = now_us / TICK_US;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        timers->occupied[level] = 0;
        for (int i = 0; i < TIMER_SLOTS; i++)
            list_init(&timers->slot[level][i]);
    }
}

void timer_init(struct timer *timer, timer_fn *fire)
{
    list_init(&timer->link);
    timer->deadline_us = 0;
    timer->fire = fire;
}

void timer_clear(struct timer *timer)
{
    list_remove(&timer->link);
    timer->deadline_us = 0;
}

static void timers_place(struct timers *timers, struct timer *timer)
{
    uint64_t tick = timer->deadline_us / TICK_US + (timer->deadline_us % TICK_US > 0);
    uint64_t furthest = timers->now_tick + (1ull << (LEVEL_BITS * TIMER_LEVELS)) - 1;
    uint64_t ahead;
    int level = 0;
    unsigned slot;

    if (tick <= timers->now_tick)
        tick = timers->now_tick + 1;
    if (tick > furthest) /* it is placed again when it comes round */
        tick = furthest;
    ahead = tick - timers->now_tick;
    while (level < TIMER_LEVELS - 1 && ahead >> (LEVEL_BITS * (level + 1)))
        level++;
    slot = (unsigned)(tick >> (LEVEL_BITS * level)) & (TIMER_SLOTS - 1);
    list_push(&timers->slot[level][slot], &timer->link);
    timers->occupied[level] |= 1ull << slot;
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_us)
{
    list_remove(&timer->link);
    timer->deadline_us = deadline_us ? deadline_us : 1;
    timers_place(timers, timer);
}

/* Takes a slot's timers down a level, or fires those whose time has come. */
static void timers_empty_slot(struct timers *timers, int level, unsigned slot, uint64_t now_us)
{
    struct list due;
    struct list *link;

    list_init(&due);
    timers->occupied[level] &= ~(1ull << slot);
    list_splice(&due, &timers->slot[level][slot]);
    while ((link = list_pop(&due))) {
        struct timer *timer = CONTAINER_OF(link, struct timer, link);

        if (timer->deadline_us > now_us) {
            timers_place(timers, timer);
            continue;
        }
        timer->deadline_us = 0;
        timer->fire(timer);
    }
}

/* The first tick after now at which some slot comes up; UINT64_MAX when there is none. */
static uint64_t timers_next_tick(const struct timers *timers)
{
    uint64_t best = UINT64_MAX;

    for (int level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = (unsigned)(LEVEL_BITS * level);
        uint64_t at = timers->now_tick >> shift;
        unsigned from = (unsigned)(at + 1) & (TIMER_SLOTS - 1);
        uint64_t bits = timers->occupied[level];
        uint64_t turned = from ? bits >> from | bits << (TIMER_SLOTS - from) : bits;

        if (turned) {
            uint64_t tick = (at + 1 + (uint64_t)__builtin_ctzll(turned)) << shift;

            best = tick < best ? tick : best;
        }
    }
    return best;
}

void timers_run(struct timers *timers, uint64_t now_us)
{
    uint64_t now_tick = now_us / TICK_US;

    while (timers->now_tick < now_tick) {
        uint64_t next = timers_next_tick(timers);

        if (next > now_tick) {
            timers->now_tick = now_tick;
            return;
        }
        timers->now_tick = next;
        for (int level = TIMER_LEVELS - 1; level >= 0; level--) {
            unsigned shift = (unsigned)(LEVEL_BITS * level);
            unsigned slot = (unsigned)(next >> shift) & (TIMER_SLOTS - 1);

            if ((next & ((1ull << shift) - 1)) == 0 && timers->occupied[level] >> slot & 1)
                timers_empty_slot(timers, level, slot, now_us);
        }
    }
}

uint64_t timers_next_us(const struct timers *timers)
{
    uint64_t tick = timers_next_tick(timers);

    return tick == UINT64_MAX ? UINT64_MAX : tick * TICK_US;
}
