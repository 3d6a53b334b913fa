/*
 * Arenas: allocations that overlap nothing, alignment, the limit, and text.
 */
#include "gateway/base/arena.h"

#include "gateway/base/held.h"

#include "tests/unit/aborts.h"
#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

static void allocations_are_aligned_and_keep_their_bytes(void **state)
{
    enum { COUNT = 400 };
    unsigned char *at[COUNT];
    size_t size[COUNT];
    struct arena arena;
    uint64_t seed = 2;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    for (int i = 0; i < COUNT; i++) {
        size[i] = random_below(&seed, i % 10 ? 100 : 20000);
        at[i] = arena_alloc(&arena, size[i]);
        assert_int_equal((uintptr_t)at[i] % 8, 0);
        memset(at[i], i, size[i]);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t n = 0; n < size[i]; n++)
            assert_int_equal(at[i][n], i % 256);
    arena_release(&arena);
}

static void the_limit_is_met_at_the_byte(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 10000);
    assert_non_null(arena_try_alloc(&arena, 100));
    assert_null(arena_try_alloc(&arena, 10000));
    assert_true(arena.used_bytes <= 10000);
    assert_null(arena_try_alloc(&arena, SIZE_MAX));
    assert_null(arena_try_alloc(&arena, SIZE_MAX - 8));
    assert_non_null(arena_try_alloc(&arena, 5000)); /* what failed took nothing */
    while (arena_try_alloc(&arena, 8))
        ;
    assert_true(arena.used_bytes <= 10000);
    arena_release(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_try_alloc(&arena, 100)); /* of use again, with the same limit */
    assert_null(arena_try_alloc(&arena, 10000));
    arena_release(&arena);
}

static void an_arena_of_no_bytes_gives_none(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    assert_null(arena_try_alloc(&arena, 1));
    assert_int_equal(arena.used_bytes, 0);
    arena_release(&arena);
}

/* Large objects, too; and what was not given is not counted. */
static void what_a_held_arena_has_is_counted(void **state)
{
    size_t before = held_bytes();
    struct arena arena, other;

    (void)state;
    arena_init_held(&arena, 50000);
    arena_init(&other, SIZE_MAX);
    assert_int_equal(held_bytes(), before);
    for (int round = 0; round < 2; round++) {
        assert_non_null(arena_try_alloc(&arena, 100));
        assert_non_null(arena_try_alloc(&arena, 20000));
        assert_null(arena_try_alloc(&arena, 40000));
        assert_non_null(arena_try_alloc(&other, 20000));
        assert_true(arena.used_bytes > 20100);
        assert_int_equal(held_bytes(), before + arena.used_bytes);
        arena_release(&arena);
        assert_int_equal(held_bytes(), before);
    }
    arena_release(&other);
    assert_int_equal(held_bytes(), before);
}

static void nothing_can_be_allocated_too(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_non_null(arena_alloc(&arena, 0));
    assert_string_equal(arena_str(&arena, slice_of(NULL, 0)), "");
    assert_int_equal(arena_copy(&arena, slice_of(NULL, 0)).len, 0);
    arena_release(&arena);
}

/* A large object must not cost the room that the block at hand still has. */
static void large_objects_leave_the_block_at_hand_in_use(void **state)
{
    struct arena arena;
    char *before, *after;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    before = arena_alloc(&arena, 8);
    arena_alloc(&arena, 100000);
    after = arena_alloc(&arena, 8);
    assert_ptr_equal(after, before + 8);
    arena_release(&arena);
}

static void what_is_expected_lies_in_one_run(void **state)
{
    struct arena arena;
    char *first;
    size_t used;

    (void)state;
    arena_init(&arena, 100000);
    arena_expect(&arena, 20000);
    used = arena.used_bytes;
    first = arena_alloc(&arena, 8);
    assert_ptr_equal(arena_alloc(&arena, 15992), first + 8); /* large objects, too */
    assert_ptr_equal(arena_alloc(&arena, 4000), first + 16000);
    assert_int_equal(arena.used_bytes, used);
    assert_non_null(arena_alloc(&arena, 8));
    used = arena.used_bytes;
    arena_expect(&arena, 100000); /* more than there may be: as if nothing had been said */
    arena_expect(&arena, SIZE_MAX);
    assert_int_equal(arena.used_bytes, used);
    assert_non_null(arena_alloc(&arena, 8));
    arena_release(&arena);
}

static void past_the_limit_arena_alloc(void)
{
    struct arena arena;

    arena_init(&arena, 100);
    arena_alloc(&arena, 101);
}

static void an_allocation_that_may_not_fail_aborts(void **state)
{
    (void)state;
    assert_true(aborts(past_the_limit_arena_alloc));
}

static void copies_and_text_live_in_the_arena(void **state)
{
    struct arena arena;
    char bytes[] = "abc";
    struct slice copy, text;
    char *terminated;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    copy = arena_copy(&arena, slice_str(bytes));
    terminated = arena_str(&arena, slice_str(bytes));
    text = arena_printf(&arena, "%s-%d", bytes, 7);
    bytes[0] = 'x';
    assert_true(slice_eq(copy, SLICE("abc")));
    assert_string_equal(terminated, "abc");
    assert_true(slice_eq(text, SLICE("abc-7")));
    assert_int_equal(*(uint64_t *)arena_zalloc(&arena, 8), 0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_keep_their_bytes),
        cmocka_unit_test(the_limit_is_met_at_the_byte),
        cmocka_unit_test(an_arena_of_no_bytes_gives_none),
        cmocka_unit_test(what_a_held_arena_has_is_counted),
        cmocka_unit_test(nothing_can_be_allocated_too),
        cmocka_unit_test(large_objects_leave_the_block_at_hand_in_use),
        cmocka_unit_test(what_is_expected_lies_in_one_run),
        cmocka_unit_test(an_allocation_that_may_not_fail_aborts),
        cmocka_unit_test(copies_and_text_live_in_the_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
