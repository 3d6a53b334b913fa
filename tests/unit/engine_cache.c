/*
 * The simulated engine's KV cache: what is found, what is evicted first, and what listeners are
 * told.
 */
#include "tests/engine/cache.c" /* the engine is a program, not a library */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BLOCK 4

/* Keys of a chain of `count` blocks whose tokens are all `token`. */
static void chain(const struct cache *cache, uint64_t root, uint32_t token, uint64_t *ret_keys,
                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tokens[BLOCK] = { token, token, token, token };

        ret_keys[i] = cache_key(cache, i > 0 ? ret_keys[i - 1] : root, tokens);
    }
}

/* Takes `count` blocks, computes them under these keys, and gives them back. */
static void compute(struct cache *cache, const uint64_t *keys, uint32_t count)
{
    static const uint32_t tokens[BLOCK];
    struct cache_hold hold;

    cache_hold_init(&hold);
    assert_true(cache_hold_take(cache, &hold, keys, 0, count));
    for (uint32_t i = 0; i < count; i++)
        cache_hold_commit(cache, &hold, i, i > 0 ? keys[i - 1] : 0, keys[i], tokens);
    cache_hold_drop(cache, &hold);
}

static void only_the_same_tokens_after_the_same_tokens_have_the_same_key(void **state UNUSED)
{
    struct cache cache;
    uint64_t a[3], b[3], other_root[3];

    cache_init(&cache, 8, BLOCK);
    chain(&cache, cache_root(SLICE("")), 7, a, 3);
    chain(&cache, cache_root(SLICE("")), 7, b, 3);
    chain(&cache, cache_root(SLICE("tenant")), 7, other_root, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(a[i] == b[i]);
        assert_true(a[i] != other_root[i]);
        assert_true(a[i] != a[(i + 1) % 3]);
    }
    cache_release(&cache);
}

static void a_block_is_found_from_its_commit_until_its_eviction(void **state UNUSED)
{
    struct cache cache;
    struct cache_hold hold;
    uint64_t keys[3];
    static const uint32_t tokens[BLOCK];

    cache_init(&cache, 4, BLOCK);
    chain(&cache, cache_root(SLICE("")), 1, keys, 3);
    cache_hold_init(&hold);
    assert_true(cache_hold_take(&cache, &hold, keys, 0, 3));
    assert_int_equal(cache_match(&cache, keys, 3), 0);
    cache_hold_commit(&cache, &hold, 0, 0, keys[0], tokens);
    assert_int_equal(cache_match(&cache, keys, 3), 1);
    cache_hold_commit(&cache, &hold, 2, keys[1], keys[2], tokens);
    assert_int_equal(cache_match(&cache, keys, 3), 1); /* there is a hole */
    cache_hold_commit(&cache, &hold, 1, keys[0], keys[1], tokens);
    assert_int_equal(cache_match(&cache, keys, 3), 3);
    cache_hold_drop(&cache, &hold);
    assert_int_equal(cache_match(&cache, keys, 3), 3);
    assert_int_equal(cache.free_count, 4);
    cache_release(&cache);
}

static void the_tail_goes_first_and_the_root_survives_longest(void **state UNUSED)
{
    struct cache cache;
    struct cache_hold hold;
    uint64_t keys[4];

    cache_init(&cache, 4, BLOCK);
    chain(&cache, cache_root(SLICE("")), 1, keys, 4);
    compute(&cache, keys, 4);
    for (uint32_t taken = 1; taken <= 4; taken++) {
        cache_hold_init(&hold);
        assert_true(cache_hold_take(&cache, &hold, keys, 0, 1));
        assert_int_equal(cache_match(&cache, keys, 4), 4 - taken);
        /* With a key of its own it goes to the end of the list, else it would be the next one
         * again. */
        cache_hold_commit(&cache, &hold, 0, 0, 1000 + taken, (const uint32_t[BLOCK]){ 0 });
        cache_hold_drop(&cache, &hold);
    }
    cache_release(&cache);
}

static void older_chains_go_before_younger_ones(void **state UNUSED)
{
    struct cache cache;
    uint64_t old[2], young[2], fresh[2];

    cache_init(&cache, 4, BLOCK);
    chain(&cache, cache_root(SLICE("")), 1, old, 2);
    chain(&cache, cache_root(SLICE("")), 2, young, 2);
    chain(&cache, cache_root(SLICE("")), 3, fresh, 2);
    compute(&cache, old, 2);
    compute(&cache, young, 2);
    compute(&cache, fresh, 2);
    assert_int_equal(cache_match(&cache, old, 2), 0);
    assert_int_equal(cache_match(&cache, young, 2), 2);
    assert_int_equal(cache_match(&cache, fresh, 2), 2);
    cache_release(&cache);
}

static void a_block_that_is_held_is_shared_and_never_evicted(void **state UNUSED)
{
    struct cache cache;
    struct cache_hold first, second, third;
    uint64_t keys[2];

    cache_init(&cache, 3, BLOCK);
    chain(&cache, cache_root(SLICE("")), 1, keys, 2);
    compute(&cache, keys, 2);
    cache_hold_init(&first);
    cache_hold_init(&second);
    cache_hold_init(&third);
    assert_true(cache_hold_take(&cache, &first, keys, 2, 0));
    assert_true(cache_hold_take(&cache, &second, keys, 2, 1));
    assert_int_equal(first.blocks[0], second.blocks[0]);
    assert_int_equal(cache.free_count, 0);
    assert_false(cache_hold_take(&cache, &third, keys, 2, 1));
    assert_int_equal(third.count, 0);
    assert_false(cache_hold_grow(&cache, &first, 1));
    assert_int_equal(first.count, 2);
    cache_hold_drop(&cache, &first);
    assert_int_equal(cache.free_count, 0);
    cache_hold_drop(&cache, &second);
    assert_int_equal(cache.free_count, 3);
    cache_release(&cache);
}

struct log {
    struct cache_listener listener;
    uint64_t stored[16], parent[16], removed[16];
    size_t stored_count, removed_count, cleared_count;
};

static void on_stored(struct cache_listener *listener, uint64_t parent, uint64_t key,
                      const uint32_t *tokens UNUSED)
{
    struct log *log = CONTAINER_OF(listener, struct log, listener);

    log->parent[log->stored_count] = parent;
    log->stored[log->stored_count++] = key;
}

static void on_removed(struct cache_listener *listener, uint64_t key)
{
    struct log *log = CONTAINER_OF(listener, struct log, listener);

    log->removed[log->removed_count++] = key;
}

static void on_cleared(struct cache_listener *listener)
{
    CONTAINER_OF(listener, struct log, listener)->cleared_count++;
}

static void a_listener_hears_what_becomes_and_ceases_to_be_findable(void **state UNUSED)
{
    struct log log = { .listener = { on_stored, on_removed, on_cleared } };
    struct cache cache;
    uint64_t a[2], b[2];

    cache_init(&cache, 3, BLOCK);
    cache.listener = &log.listener;
    chain(&cache, cache_root(SLICE("")), 1, a, 2);
    chain(&cache, cache_root(SLICE("")), 2, b, 2);
    compute(&cache, a, 2);
    assert_int_equal(log.stored_count, 2);
    assert_true(log.stored[0] == a[0] && log.parent[0] == 0);
    assert_true(log.stored[1] == a[1] && log.parent[1] == a[0]);
    compute(&cache, a,
            1); /* the same again, in the block that was still free: nothing becomes findable */
    assert_int_equal(log.stored_count, 2);
    compute(&cache, b, 2);
    assert_int_equal(log.removed_count, 1);
    assert_true(log.removed[0] == a[1]);
    cache_clear(&cache);
    assert_int_equal(log.cleared_count, 1);
    assert_int_equal(log.removed_count, 1);
    assert_int_equal(cache.keyed_count, 0);
    assert_int_equal(cache_match(&cache, b, 2), 0);
    cache_release(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_tokens_after_the_same_tokens_have_the_same_key),
        cmocka_unit_test(a_block_is_found_from_its_commit_until_its_eviction),
        cmocka_unit_test(the_tail_goes_first_and_the_root_survives_longest),
        cmocka_unit_test(older_chains_go_before_younger_ones),
        cmocka_unit_test(a_block_that_is_held_is_shared_and_never_evicted),
        cmocka_unit_test(a_listener_hears_what_becomes_and_ceases_to_be_findable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
