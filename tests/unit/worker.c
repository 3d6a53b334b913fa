/*
 * The loop: phases, deadlines, letters.
 */
#include "gateway/io/worker.h"

#include "gateway/base/mailbox.h"
#include "tests/unit/io_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char story[256];

static void tell(const char *word)
{
    strncat(story, word, sizeof(story) - strlen(story) - 1);
}

struct teller {
    struct defer defer;
    struct worker *worker;
    struct teller *next; /* deferred to its phase when this runs */
    enum worker_phase next_phase;
    const char *word;
};

static void teller_run(struct defer *defer)
{
    struct teller *teller = CONTAINER_OF(defer, struct teller, defer);

    tell(teller->word);
    if (teller->next)
        worker_defer(teller->worker, teller->next_phase, &teller->next->defer);
}

static void teller_init(struct teller *teller, struct worker *worker, const char *word)
{
    *teller = (struct teller){ .worker = worker, .word = word };
    defer_init(&teller->defer, teller_run);
}

static void phases_run_in_order_whatever_order_work_was_deferred_in(void **state UNUSED)
{
    struct teller wake, flush, release;
    struct rig rig;

    rig_open(&rig);
    story[0] = '\0';
    teller_init(&wake, rig.worker, "wake ");
    teller_init(&flush, rig.worker, "flush ");
    teller_init(&release, rig.worker, "free ");
    worker_defer(rig.worker, WORKER_FREE, &release.defer);
    worker_defer(rig.worker, WORKER_FLUSH, &flush.defer);
    worker_defer(rig.worker, WORKER_WAKE, &wake.defer);
    worker_defer(rig.worker, WORKER_WAKE, &wake.defer); /* twice is once */
    assert_true(rig_turns(&rig));
    assert_string_equal(story, "wake flush free ");
    rig_close(&rig);
}

static void work_deferred_by_a_flush_runs_before_anything_is_freed(void **state UNUSED)
{
    struct teller wake, again, flush, release;
    struct rig rig;

    rig_open(&rig);
    story[0] = '\0';
    teller_init(&wake, rig.worker, "wake ");
    teller_init(&again, rig.worker, "again ");
    teller_init(&flush, rig.worker, "flush ");
    teller_init(&release, rig.worker, "free ");
    wake.next = &flush;
    wake.next_phase = WORKER_FLUSH;
    flush.next = &again;
    flush.next_phase = WORKER_WAKE;
    worker_defer(rig.worker, WORKER_FREE, &release.defer);
    worker_defer(rig.worker, WORKER_WAKE, &wake.defer);
    assert_true(rig_turns(&rig));
    assert_string_equal(story, "wake flush again free ");
    rig_close(&rig);
}

static void cancelled_work_does_not_run(void **state UNUSED)
{
    struct teller wake;
    struct rig rig;

    rig_open(&rig);
    story[0] = '\0';
    teller_init(&wake, rig.worker, "wake ");
    worker_defer(rig.worker, WORKER_WAKE, &wake.defer);
    defer_cancel(&wake.defer);
    assert_true(rig_turns(&rig));
    assert_string_equal(story, "");
    rig_close(&rig);
}

static void work_that_never_ends_does_not_stop_timers(void **state UNUSED)
{
    struct teller forever;
    struct rig rig;

    rig_open(&rig);
    story[0] = '\0';
    teller_init(&forever, rig.worker, "");
    forever.next = &forever;
    worker_defer(rig.worker, WORKER_WAKE, &forever.defer);
    assert_true(rig_turns(&rig)); /* its timer fires */
    defer_cancel(&forever.defer);
    rig_close(&rig);
}

static void next_run(struct defer *defer)
{
    struct teller *teller = CONTAINER_OF(defer, struct teller, defer);

    tell(teller->word);
    if (strlen(story) < 12)
        worker_defer_next(teller->worker, defer);
    else
        worker_stop(teller->worker);
}

static void work_for_the_next_turn_does_not_let_the_loop_sleep(void **state UNUSED)
{
    struct teller next;
    struct rig rig;
    uint64_t begun_us = clock_now_us();

    rig_open(&rig);
    story[0] = '\0';
    teller_init(&next, rig.worker, "on ");
    next.defer.run = next_run;
    worker_defer_next(rig.worker, &next.defer);
    worker_run(rig.worker); /* no timer is set: only the work itself can wake it */
    assert_string_equal(story, "on on on on ");
    assert_true(clock_now_us() - begun_us < CLOCK_US_PER_S);
    rig_close(&rig);
}

struct alarm {
    struct timer timer;
    struct worker *worker;
    uint64_t fired_us;
    const char *word;
};

static void alarm_fire(struct timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);

    alarm->fired_us = alarm->worker->now_us;
    tell(alarm->word);
    if (strcmp(alarm->word, "last ") == 0)
        worker_stop(alarm->worker);
}

static void timers_fire_in_time_also_when_an_earlier_one_is_set_later(void **state UNUSED)
{
    static const struct {
        const char *word;
        unsigned ms;
    } rows[] = { { "last ", 90 }, { "second ", 40 }, { "first ", 15 }, { "third ", 60 } };
    struct alarm alarm[ARRAY_LEN(rows)];
    uint64_t begun_us;
    struct rig rig;

    rig_open(&rig);
    story[0] = '\0';
    begun_us = rig.worker->now_us;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        alarm[i] = (struct alarm){ .worker = rig.worker, .word = rows[i].word };
        timer_init(&alarm[i].timer, alarm_fire);
        timer_set(&rig.worker->timers, &alarm[i].timer, begun_us + rows[i].ms * CLOCK_US_PER_MS);
    }
    worker_run(rig.worker);
    assert_string_equal(story, "first second third last ");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(alarm[i].fired_us >= begun_us + rows[i].ms * CLOCK_US_PER_MS);
        assert_true(alarm[i].fired_us < begun_us + (rows[i].ms + 300) * CLOCK_US_PER_MS);
    }
    rig_close(&rig);
}

struct note {
    struct letter letter;
    struct worker *worker;
};

static void note_open(struct letter *letter UNUSED, void *receiver)
{
    tell("letter ");
    worker_stop(receiver);
}

static void letters_from_another_thread_wake_a_sleeping_worker(void **state UNUSED)
{
    struct note note = { .letter.open = note_open };
    struct metric_shard *metrics = metric_shard_new();
    struct worker *worker = worker_new(3, metrics);

    story[0] = '\0';
    worker_start(worker);
    mailbox_send(worker->mailbox, &note.letter);
    worker_join(worker);
    assert_string_equal(story, "letter ");
    worker_free(worker);
    metric_shard_free(metrics);
}

static void the_clock_is_read_once_a_turn(void **state UNUSED)
{
    uint64_t seen_us, wall_us;
    struct rig rig;

    rig_open(&rig);
    assert_true(rig_turns(&rig));
    seen_us = rig.worker->now_us;
    wall_us = rig.worker->wall_us;
    worker_awake(rig.worker); /* the turn has read it already */
    assert_int_equal(rig.worker->now_us, seen_us);
    assert_true(clock_now_us() - seen_us < 5 * CLOCK_US_PER_S);
    assert_true(clock_wall_us() - wall_us < 5 * CLOCK_US_PER_S);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_run_in_order_whatever_order_work_was_deferred_in),
        cmocka_unit_test(work_deferred_by_a_flush_runs_before_anything_is_freed),
        cmocka_unit_test(cancelled_work_does_not_run),
        cmocka_unit_test(work_that_never_ends_does_not_stop_timers),
        cmocka_unit_test(work_for_the_next_turn_does_not_let_the_loop_sleep),
        cmocka_unit_test(timers_fire_in_time_also_when_an_earlier_one_is_set_later),
        cmocka_unit_test(letters_from_another_thread_wake_a_sleeping_worker),
        cmocka_unit_test(the_clock_is_read_once_a_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
