/*
 * The model of a silent engine's cache: prompt after prompt it expects what the engine finds, and
 * where it expects too much it shrinks.
 */
#include "routing/cache_model.h"

#include "tests/engine/cache.c" /* the engine is a program, not a library */
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PROMPTS 40
#define BLOCKS  64
#define BLOCK   4
#define ROOMY   (16 << 20)

static uint32_t expected(struct cache_model *model, const uint64_t *keys, size_t count)
{
    struct prefix_match match;

    prefix_index_match(model->index, keys, count, &model->column, 1, &match);
    return match.blocks;
}

/* What the engine finds of the prompt, which it then answers. */
static uint32_t answer(struct cache *cache, const uint64_t *keys, uint32_t count)
{
    static const uint32_t tokens[BLOCK];
    uint32_t found = cache_match(cache, keys, count);
    struct cache_hold hold;

    cache_hold_init(&hold);
    assert_true(cache_hold_take(cache, &hold, keys, found, count - found));
    for (uint32_t i = found; i < count; i++)
        cache_hold_commit(cache, &hold, i, i ? keys[i - 1] : 0, keys[i], tokens);
    cache_hold_drop(cache, &hold);
    return found;
}

/* Prompts that share beginnings. */
static void make_prompts(uint64_t keys[PROMPTS][BLOCKS], uint64_t *seed)
{
    for (size_t p = 0; p < PROMPTS; p++) {
        size_t from = p ? random_below(seed, p) : 0;
        size_t shared = p ? random_below(seed, BLOCKS) : 0;

        for (size_t b = 0; b < BLOCKS; b++)
            keys[p][b] = b < shared ? keys[from][b] : random_next(seed) | 1;
    }
}

enum mode { EXACT, LEARNS, DEAF };

/* The share of found in expected over so many prompts. */
static double run(struct cache_model *model, struct cache *cache, int prompts, enum mode mode)
{
    uint64_t keys[PROMPTS][BLOCKS];
    uint64_t seed = 1, all_expected = 0, all_found = 0;

    make_prompts(keys, &seed);
    for (int i = 0; i < prompts; i++) {
        size_t p = random_below(&seed, PROMPTS);
        uint32_t count = 1 + (uint32_t)random_below(&seed, BLOCKS);
        uint32_t want = expected(model, keys[p], count);
        uint32_t found = answer(cache, keys[p], count);

        all_expected += want;
        all_found += found < want ? found : want;
        if (mode == EXACT)
            assert_int_equal(want, found);
        if (mode == LEARNS)
            cache_model_learn(model, want, found);
        cache_model_use(model, keys[p], count);
    }
    return (double)all_found / (double)all_expected;
}

static void it_expects_what_the_engine_finds(void **state)
{
    (void)state;
    for (uint32_t capacity = BLOCKS; capacity < 2000; capacity *= 2) {
        struct prefix_index *index = prefix_index_new(ROOMY);
        struct cache_model model;
        struct cache cache;

        cache_init(&cache, capacity, BLOCK);
        cache_model_init(&model, index, capacity);
        run(&model, &cache, 3000, EXACT);
        cache_model_release(&model);
        cache_release(&cache);
        prefix_index_free(index);
    }
}

/* The engine has an eighth of what was said of it. */
static double run_deceived(enum mode mode, uint32_t *ret_room)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    struct cache_model model;
    struct cache cache;
    double share;

    cache_init(&cache, 150, BLOCK);
    cache_model_init(&model, index, 1200);
    run(&model, &cache, 300, mode);
    share = run(&model, &cache, 3000, mode);
    *ret_room = model.room;
    cache_model_release(&model);
    cache_release(&cache);
    prefix_index_free(index);
    return share;
}

static void one_that_expects_too_much_shrinks_towards_the_truth(void **state)
{
    uint32_t room;
    double deaf = run_deceived(DEAF, &room);
    double learnt;

    (void)state;
    assert_int_equal(room, 1200);
    learnt = run_deceived(LEARNS, &room);
    if (learnt < deaf + 0.15 || room > 600)
        fail_msg("found of expected: %.2f, and %.2f learnt; room %u", deaf, learnt, room);
}

static void what_was_taken_comes_back_and_an_eighth_stays(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    struct cache_model model;

    (void)state;
    cache_model_init(&model, index, 800);
    for (int i = 0; i < 1000; i++)
        cache_model_learn(&model, 10, 0);
    assert_int_equal(model.room, 101);
    assert_true(model.trust < 0.01);
    cache_model_learn(&model, 0, 0); /* says nothing */
    assert_int_equal(model.room, 101);
    for (int i = 0; i < 3000; i++)
        cache_model_learn(&model, 10, 9);
    assert_int_equal(model.room, 800);
    assert_true(model.trust > 0.89 && model.trust < 0.91);
    cache_model_learn(&model, 10, 8); /* a fifth too much is not yet a mismatch */
    assert_int_equal(model.room, 800);
    cache_model_release(&model);
    prefix_index_free(index);
}

static void a_prompt_larger_than_the_cache_leaves_its_beginning(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint64_t keys[BLOCKS];
    struct cache_model model;

    (void)state;
    for (size_t b = 0; b < BLOCKS; b++)
        keys[b] = b;
    cache_model_init(&model, index, 0);
    assert_int_equal(model.capacity, 1);
    cache_model_use(&model, keys, BLOCKS);
    assert_int_equal(expected(&model, keys, BLOCKS), 1);
    cache_model_resize(&model, 10);
    cache_model_use(&model, keys, BLOCKS);
    assert_int_equal(expected(&model, keys, BLOCKS), 10);
    cache_model_release(&model);
    prefix_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_expects_what_the_engine_finds),
        cmocka_unit_test(one_that_expects_too_much_shrinks_towards_the_truth),
        cmocka_unit_test(what_was_taken_comes_back_and_an_eighth_stays),
        cmocka_unit_test(a_prompt_larger_than_the_cache_leaves_its_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
