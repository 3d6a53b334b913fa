/*
 * Spare blocks: every size holds what is written, whatever was given back before.
 */
#include "gateway/base/spare.h"

#include "gateway/base/check.h"

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const size_t sizes[] = {
    0, 1, 15, 16, 17, 4096, SPARE_MOST - 1, SPARE_MOST, SPARE_MOST + 1, 100000,
};

static void blocks_of_every_size_hold_what_is_written(void **state)
{
    char *blocks[ARRAY_LEN(sizes)];

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            blocks[i] = spare_alloc(sizes[i]);
            assert_int_equal((uintptr_t)blocks[i] % 16, 0);
            memset(blocks[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            if (sizes[i] > 0)
                assert_true(blocks[i][0] == (char)i && blocks[i][sizes[i] - 1] == (char)i);
            spare_free(blocks[i], sizes[i]);
        }
    }
    spare_free(NULL, 16);
}

static void cleared_blocks_are_clear_though_used_before(void **state)
{
    static const char zeros[100];
    char *block = spare_alloc(sizeof(zeros));

    (void)state;
    memset(block, 'x', sizeof(zeros));
    spare_free(block, sizeof(zeros));
    block = spare_zalloc(sizeof(zeros));
    assert_memory_equal(block, zeros, sizeof(zeros));
    spare_free(block, sizeof(zeros));
}

/* Far more than is kept, in every size: lists are emptied, and what was given back is not lost. */
static void more_than_is_kept_goes_back_to_malloc(void **state)
{
    enum { BLOCKS = 2000 };
    static char *blocks[BLOCKS];

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < BLOCKS; i++)
            memset(blocks[i] = spare_alloc(i * 4), (int)i, i * 4);
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_true(i == 0 || blocks[i][i * 4 - 1] == (char)i);
            spare_free(blocks[i], i * 4);
        }
    }
}

static void *give_back(void *block)
{
    spare_free(block, 64);
    return NULL;
}

static void another_thread_may_give_a_block_back(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, give_back, spare_alloc(64)), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_hold_what_is_written),
        cmocka_unit_test(cleared_blocks_are_clear_though_used_before),
        cmocka_unit_test(more_than_is_kept_goes_back_to_malloc),
        cmocka_unit_test(another_thread_may_give_a_block_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
