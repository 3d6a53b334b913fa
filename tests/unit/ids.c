/*
 * Rows of token ids.
 */
#include "gateway/token/ids.h"

#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void what_is_added_stays_in_order(void **state)
{
    struct ids ids;

    (void)state;
    ids_init(&ids);
    for (uint32_t i = 0; i < 100000; i++)
        ids_add(&ids, i * 3);
    assert_int_equal(ids.count, 100000);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(ids.at[i], i * 3);
    ids_release(&ids);
    assert_int_equal(ids.count, 0);
}

static void what_is_reserved_can_be_written(void **state)
{
    static const size_t rows[] = { 0, 1, 63, 64, 65, 1000, 1 << 20 };
    struct ids ids;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t *room;

        ids_init(&ids);
        ids_add(&ids, 7);
        room = ids_reserve(&ids, rows[i]);
        memset(room, 0xff, rows[i] * sizeof(*room));
        assert_true(ids.room - ids.count >= rows[i]);
        assert_int_equal(ids.at[0], 7);
        ids_release(&ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stays_in_order),
        cmocka_unit_test(what_is_reserved_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
