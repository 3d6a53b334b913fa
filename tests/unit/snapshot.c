/*
 * Snapshots: who holds one keeps it whole, across threads, and the last one frees it.
 */
#include "gateway/base/snapshot.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

struct picture {
    struct snapshot snapshot;
    uint64_t number, same; /* equal while the picture is alive */
};

static _Atomic int alive;

static void picture_free(struct snapshot *snapshot)
{
    struct picture *picture = CONTAINER_OF(snapshot, struct picture, snapshot);

    picture->number = 0;
    picture->same = 1;
    atomic_fetch_sub(&alive, 1);
    free(picture);
}

static struct snapshot *picture_new(uint64_t number)
{
    struct picture *picture = malloc(sizeof(*picture));

    picture->number = picture->same = number;
    snapshot_init(&picture->snapshot, picture_free);
    atomic_fetch_add(&alive, 1);
    return &picture->snapshot;
}

static void the_last_reference_frees(void **state)
{
    struct snapshot *snapshot = picture_new(1);

    (void)state;
    assert_ptr_equal(snapshot_ref(snapshot), snapshot);
    snapshot_unref(snapshot);
    assert_int_equal(alive, 1);
    snapshot_unref(snapshot);
    assert_int_equal(alive, 0);
    snapshot_unref(NULL);
}

static void a_slot_keeps_the_newest_and_counts(void **state)
{
    struct snapshot_slot slot;
    struct snapshot *first = picture_new(1), *second = picture_new(2), *got;
    uint64_t generation = 99;

    (void)state;
    snapshot_slot_init(&slot);
    assert_null(snapshot_get(&slot, &generation));
    assert_int_equal(generation, 0);
    snapshot_publish(&slot, first);
    got = snapshot_get(&slot, &generation);
    assert_ptr_equal(got, first);
    assert_int_equal(generation, 1);
    snapshot_publish(&slot, second);
    assert_int_equal(alive, 2); /* the reader still holds the first */
    snapshot_unref(got);
    assert_int_equal(alive, 1);
    assert_int_equal(atomic_load(&slot.generation), 2);
    snapshot_slot_release(&slot);
    assert_int_equal(alive, 0);
}

static struct snapshot_slot shared;
static _Atomic bool done;
static _Atomic uint64_t looks;

static void *reader(void *arg)
{
    uint64_t generation = 0, last = 0;

    (void)arg;
    while (!atomic_load(&done)) {
        struct snapshot *snapshot = snapshot_get(&shared, &generation);
        struct picture *picture = CONTAINER_OF(snapshot, struct picture, snapshot);

        CHECK(generation >= last && picture->number == generation);
        CHECK(picture->number == picture->same);
        last = generation;
        snapshot_unref(snapshot_ref(snapshot));
        CHECK(picture->number == picture->same);
        snapshot_unref(snapshot);
        atomic_fetch_add(&looks, 1);
    }
    return NULL;
}

static void readers_see_whole_pictures_while_new_ones_come(void **state)
{
    pthread_t threads[3];

    (void)state;
    snapshot_slot_init(&shared);
    snapshot_publish(&shared, picture_new(1));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
    for (uint64_t number = 2; number < 5000 || looks < 1000; number++)
        snapshot_publish(&shared, picture_new(number));
    atomic_store(&done, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    snapshot_slot_release(&shared);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_slot_keeps_the_newest_and_counts),
        cmocka_unit_test(readers_see_whole_pictures_while_new_ones_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
