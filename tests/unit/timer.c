/*
 * The timing wheel, compared with a plain table of deadlines.
 */
#include "gateway/base/timer.h"

#include "gateway/base/clock.h"
#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT 300
#define TICK  CLOCK_US_PER_MS

struct alarm {
    struct timer timer;
    uint64_t deadline_us; /* as the model has it; 0: not set */
    unsigned fired;
};

static struct timers timers;
static struct alarm alarms[COUNT];
static uint64_t now;
static uint64_t seed;

static void note(struct timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);

    assert_true(alarm->deadline_us != 0);   /* was set */
    assert_true(alarm->deadline_us <= now); /* never early */
    assert_false(timer_is_set(timer));
    alarm->deadline_us = 0;
    alarm->fired++;
}

static void begin(uint64_t at, timer_fn *fire)
{
    now = at;
    timers_init(&timers, now);
    for (int i = 0; i < COUNT; i++) {
        alarms[i] = (struct alarm){ 0 };
        timer_init(&alarms[i].timer, fire);
    }
}

static void set(struct alarm *alarm, uint64_t deadline_us)
{
    timer_set(&timers, &alarm->timer, deadline_us);
    alarm->deadline_us = deadline_us;
}

static void run(uint64_t until)
{
    now = until;
    timers_run(&timers, now);
}

/* What is a whole tick late should have fired. */
static void assert_none_late(void)
{
    for (int i = 0; i < COUNT; i++) {
        uint64_t deadline = alarms[i].deadline_us;

        assert_int_equal(timer_is_set(&alarms[i].timer), deadline != 0);
        assert_true(deadline == 0 || deadline + TICK > now);
    }
}

/* Whoever sleeps until timers_next_us misses no deadline by more than a tick. */
static void assert_wakes_in_time(void)
{
    uint64_t earliest = UINT64_MAX;

    for (int i = 0; i < COUNT; i++)
        if (alarms[i].deadline_us && alarms[i].deadline_us < earliest)
            earliest = alarms[i].deadline_us;
    if (earliest == UINT64_MAX)
        return;
    if (earliest < now)
        earliest = now;
    assert_true(timers_next_us(&timers) < earliest + TICK);
}

/* From the next microsecond to years ahead, every level among them. */
static uint64_t some_time(void)
{
    return random_below(&seed, 1 + (1ull << (1 + random_below(&seed, 45))));
}

static void wheels_do_what_a_table_of_deadlines_does(void **state)
{
    (void)state;
    for (seed = 1; seed < 40; seed++) {
        begin(some_time() + TICK, note);
        for (int round = 0; round < 2000; round++) {
            struct alarm *alarm = &alarms[random_below(&seed, COUNT)];

            if (random_below(&seed, 4) == 0) {
                timer_clear(&alarm->timer);
                alarm->deadline_us = 0;
            } else {
                set(alarm, now + some_time());
            }
            if (random_below(&seed, 3) == 0) {
                run(now + some_time() / 64);
                assert_none_late();
            }
            assert_wakes_in_time();
        }
    }
}

/* Sleeping exactly until timers_next_us, as a loop does. */
static void each_deadline_is_met_within_a_tick(void **state)
{
    (void)state;
    begin(123456789, note);
    seed = 99;
    for (int i = 0; i < COUNT; i++)
        set(&alarms[i], now + 1 + random_below(&seed, 100000 * TICK));
    for (uint64_t next; (next = timers_next_us(&timers)) != UINT64_MAX;) {
        assert_true(next > now);
        run(next);
        assert_none_late();
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(alarms[i].fired, 1);
}

static void a_deadline_that_has_passed_fires_with_the_next_tick(void **state)
{
    (void)state;
    begin(1000 * TICK, note);
    set(&alarms[0], 1);
    set(&alarms[1], now);
    timer_set(&timers, &alarms[2].timer, 0); /* 0 is a time too */
    alarms[2].deadline_us = 1;
    assert_true(timers_next_us(&timers) <= now + TICK);
    run(now + TICK);
    assert_int_equal(alarms[0].fired + alarms[1].fired + alarms[2].fired, 3);
}

static void the_end_of_time_never_comes(void **state)
{
    (void)state;
    begin(1000 * TICK, note);
    set(&alarms[0], UINT64_MAX);
    set(&alarms[1], UINT64_MAX - 1);
    run(now + TICK);
    assert_true(timers_next_us(&timers) > now + CLOCK_US_PER_S * 3600);
    for (int day = 0; day < 400; day++)
        run(now + 86400 * CLOCK_US_PER_S);
    assert_int_equal(alarms[0].fired + alarms[1].fired, 0);
    assert_true(timer_is_set(&alarms[0].timer));
}

static void an_empty_wheel_has_no_next_time(void **state)
{
    (void)state;
    begin(5, note);
    assert_true(timers_next_us(&timers) == UINT64_MAX);
    run(1ull << 60); /* and gets there without counting ticks */
    set(&alarms[0], now + 1);
    run(now + 2 * TICK);
    assert_int_equal(alarms[0].fired, 1);
}

/* Sets, moves and clears others, due ones among them, and itself. */
static void meddle(struct timer *timer)
{
    struct alarm *other = &alarms[random_below(&seed, COUNT)];

    note(timer);
    if (random_below(&seed, 2)) {
        timer_clear(&other->timer);
        other->deadline_us = 0;
    } else {
        set(other, now + random_below(&seed, 100 * TICK));
    }
    if (random_below(&seed, 4) == 0)
        set(CONTAINER_OF(timer, struct alarm, timer), now + 1 + random_below(&seed, 5000 * TICK));
}

static void callbacks_may_set_and_clear_any_timer(void **state)
{
    (void)state;
    begin(777777, meddle);
    seed = 5;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < COUNT; i++)
            set(&alarms[i], now + random_below(&seed, 300 * TICK));
        for (int i = 0; i < 20; i++)
            run(now + random_below(&seed, 30 * TICK));
        run(now + TICK); /* what a callback set for now has one tick */
        for (int i = 0; i < COUNT; i++)
            assert_true(!alarms[i].deadline_us || alarms[i].deadline_us + TICK > now - TICK);
    }
}

static struct alarm *heap_alarm;

static void free_heap_alarm(struct timer *timer)
{
    (void)timer;
    free(heap_alarm);
    heap_alarm = NULL;
}

static void a_callback_may_free_its_own_timer(void **state)
{
    (void)state;
    begin(0, note);
    heap_alarm = calloc(1, sizeof(*heap_alarm));
    timer_init(&heap_alarm->timer, free_heap_alarm);
    timer_set(&timers, &heap_alarm->timer, 10);
    run(10 * TICK);
    assert_null(heap_alarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheels_do_what_a_table_of_deadlines_does),
        cmocka_unit_test(each_deadline_is_met_within_a_tick),
        cmocka_unit_test(a_deadline_that_has_passed_fires_with_the_next_tick),
        cmocka_unit_test(the_end_of_time_never_comes),
        cmocka_unit_test(an_empty_wheel_has_no_next_time),
        cmocka_unit_test(callbacks_may_set_and_clear_any_timer),
        cmocka_unit_test(a_callback_may_free_its_own_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
