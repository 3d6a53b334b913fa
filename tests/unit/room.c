/*
 * Who makes room, and what the home may believe while it is made.
 */
#include "routing/room.h"

#include "routing/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct stage {
    struct pool_state pool;
    unsigned heard; /* letters that the home opened */
};

/* The stage's storage goes with the stage. */
static void keep(struct snapshot *snapshot)
{
    (void)snapshot;
}

/* As the home does (gateway/proxy/home.c). */
static void hear(struct letter *letter, void *receiver)
{
    struct stage *stage = receiver;

    (void)letter;
    stage->heard++;
    atomic_store(&stage->pool.room.told, false);
    snapshot_unref(&stage->pool.snapshot);
}

static struct stage *stage_new(uint32_t waiting)
{
    struct stage *stage = xcalloc(1, sizeof(*stage));

    snapshot_init(&stage->pool.snapshot, keep);
    stage->pool.room.home = mailbox_new(stage);
    stage->pool.room.letter.open = hear;
    atomic_store(&stage->pool.room.waiting, waiting);
    return stage;
}

static void stage_free(struct stage *stage)
{
    mailbox_free(stage->pool.room.home);
    free(stage);
}

static void room_that_nobody_waits_for_is_not_told(void **state)
{
    struct stage *stage = stage_new(/* waiting= */ 0);

    (void)state;
    assert_false(room_announce(&stage->pool));
    room_made(&stage->pool);
    assert_false(mailbox_open_all(stage->pool.room.home));
    assert_true(room_is_settled(&stage->pool.room));
    stage_free(stage);
}

static void many_words_are_one_letter(void **state)
{
    struct stage *stage = stage_new(/* waiting= */ 1);

    (void)state;
    for (int i = 0; i < 3; i++)
        room_made(&stage->pool);
    assert_false(room_is_settled(&stage->pool.room));
    assert_true(mailbox_open_all(stage->pool.room.home));
    assert_int_equal(stage->heard, 1);
    assert_true(room_is_settled(&stage->pool.room));
    stage_free(stage);
}

/* The home hears of older room between the announcement and the change. */
static void an_announcement_outlives_a_letter_under_way(void **state)
{
    struct stage *stage = stage_new(/* waiting= */ 1);

    (void)state;
    room_made(&stage->pool);
    assert_true(room_announce(&stage->pool));
    assert_true(mailbox_open_all(stage->pool.room.home));
    assert_false(room_is_settled(&stage->pool.room));
    room_tell(&stage->pool);
    assert_false(room_is_settled(&stage->pool.room));
    assert_true(mailbox_open_all(stage->pool.room.home));
    assert_int_equal(stage->heard, 2);
    assert_true(room_is_settled(&stage->pool.room));
    stage_free(stage);
}

/* Whoever is told first, the other's change is still to come. */
static void each_of_two_announcements_counts(void **state)
{
    struct stage *stage = stage_new(/* waiting= */ 1);

    (void)state;
    assert_true(room_announce(&stage->pool));
    assert_true(room_announce(&stage->pool));
    room_tell(&stage->pool);
    assert_true(mailbox_open_all(stage->pool.room.home));
    assert_false(room_is_settled(&stage->pool.room));
    room_tell(&stage->pool);
    assert_true(mailbox_open_all(stage->pool.room.home));
    assert_true(room_is_settled(&stage->pool.room));
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_that_nobody_waits_for_is_not_told),
        cmocka_unit_test(many_words_are_one_letter),
        cmocka_unit_test(an_announcement_outlives_a_letter_under_way),
        cmocka_unit_test(each_of_two_announcements_counts),
    };

    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
