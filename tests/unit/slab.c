/*
 * Slots of middle-sized blocks: what malloc's contracts promise holds at their borders.
 */
#include "gateway/base/slab.h"

#include "gateway/base/check.h"

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS 500

static const size_t sizes[] = { 1, 8191, 8192, 16384, 20479, 20480, 20481, 1 << 20 };

static void blocks_of_every_size_hold_what_is_written(void **state)
{
    char *blocks[ARRAY_LEN(sizes)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        blocks[i] = slab_alloc(sizes[i]);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(blocks[i][0], i);
        assert_int_equal(blocks[i][sizes[i] - 1], i);
        slab_free(blocks[i]);
    }
}

static void realloc_keeps_the_bytes_across_every_border(void **state)
{
    (void)state;
    for (size_t from = 0; from < ARRAY_LEN(sizes); from++)
        for (size_t to = 0; to < ARRAY_LEN(sizes); to++) {
            size_t same = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            char *block = slab_alloc(sizes[from]);

            memset(block, 'a', sizes[from]);
            block = slab_realloc(block, sizes[to]);
            assert_int_equal(block[0], 'a');
            assert_int_equal(block[same - 1], 'a');
            slab_free(block);
        }
}

static void realloc_of_nothing_takes_a_slot_as_alloc_does(void **state)
{
    char *first = slab_alloc(16384);
    char *second;

    (void)state;
    slab_free(first);
    second = slab_realloc(NULL, 16384);
#if !SANITIZED_ADDRESS /* where nothing is used again at once */
    assert_ptr_equal(second, first);
#endif
    assert_non_null(second);
    slab_free(second);
}

static void a_freed_slot_is_used_again_and_zalloc_clears_it(void **state)
{
    char *blocks[BLOCKS];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = slab_zalloc(1, 16384);
            for (size_t k = 0; k < 16384; k++)
                assert_int_equal(blocks[i][k], 0);
            memset(blocks[i], 0xff, 16384);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            slab_free(blocks[i]);
    }
}

static void zalloc_refuses_a_product_that_wraps(void **state)
{
    volatile size_t many = SIZE_MAX / 2; /* the compiler must not see it */

    (void)state;
    assert_null(slab_zalloc(many, 3));
    slab_free(NULL);
}

static void *free_elsewhere(void *block)
{
    slab_free(block);
    return NULL;
}

static void another_thread_may_free(void **state)
{
    pthread_t thread;
    char *block = slab_alloc(16384);

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, free_elsewhere, block), 0);
    pthread_join(thread, NULL);
    block = slab_alloc(16384);
    assert_non_null(block);
    slab_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_hold_what_is_written),
        cmocka_unit_test(realloc_keeps_the_bytes_across_every_border),
        cmocka_unit_test(realloc_of_nothing_takes_a_slot_as_alloc_does),
        cmocka_unit_test(a_freed_slot_is_used_again_and_zalloc_clears_it),
        cmocka_unit_test(zalloc_refuses_a_product_that_wraps),
        cmocka_unit_test(another_thread_may_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
