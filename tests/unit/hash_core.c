/*
 * The key of a block as device code computes it, against libxxhash's.
 */
#include "gateway/token/hash_core.h"

#include "gateway/token/blocks.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_chain_of_blocks_has_the_keys_of_libxxhash(void **state)
{
    uint32_t ids[HASH_BLOCK_IDS];
    uint64_t seed = 23, parent = 0;

    (void)state;
    for (int round = 0; round < 10000; round++) {
        struct slice bytes = slice_of((const char *)ids, sizeof(ids));

        for (int i = 0; i < HASH_BLOCK_IDS; i++)
            ids[i] = (uint32_t)(random_next(&seed) >> random_below(&seed, 33));
        assert_int_equal(hash_block(ids, parent), blocks_hash_bytes(parent, bytes));
        parent = round % 8 ? hash_block(ids, parent) : random_next(&seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_blocks_has_the_keys_of_libxxhash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
