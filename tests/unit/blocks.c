/*
 * Block keys against values that Python's xxhash package computed from the same definition:
 * xxh3_64(little-endian ids, seed = the key before).
 */
#include "gateway/token/blocks.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    struct blocks_scope scope;
    uint64_t seed, first; /* of ids 1..16 */
} scopes[] = {
    { { 0, { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 } }, 0x330df30ecd7f264d, 0x34a29bd6780cac31 },
    { { 42, SLICE_INIT("llama"), SLICE_INIT("sql"), SLICE_INIT("salt"), SLICE_INIT("t1") },
      0xb7ed4e91bfb8a969,
      0x50bfa02583b16ddb },
};

/* Two blocks of ids (i * 7919 + 13) % 152064 under the scope of nothing. */
static const struct {
    uint32_t block;
    uint64_t keys[2];
} sizes[] = {
    { 1, { 0xe8a534eb2ab679c3, 0xf438d563adf7ec56 } },
    { 2, { 0x636b68ef4e4ce4a4, 0x9950fe41fa037ca6 } },
    { 4, { 0xd994d8b4f8bfeb94, 0xbc24fedf71bd4883 } },
    { 16, { 0x225bbb5f328cb54c, 0x2c632f1689fb8e28 } },
    { 32, { 0x7182b8c41b6529e9, 0x267d3ed4f5ec252e } },
    { 64, { 0x15faececb1ad281e, 0xcc08c09024945f9d } },
    { 256, { 0x6cfeae6d14338595, 0x3797b4b4ef5db011 } },
    { 1024, { 0xe9b7feedd77f6592, 0x91b21b25fcb86c26 } },
};

static void counting(uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ids[i] = (uint32_t)i + 1;
}

static void scattered(uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ids[i] = (uint32_t)((i * 7919 + 13) % 152064);
}

static void keys_are_those_of_another_xxhash(void **state)
{
    uint32_t ids[2 * BLOCK_TOKENS_MAX];
    uint64_t keys[2];

    (void)state;
    counting(ids, 16);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        assert_int_equal(blocks_seed(&scopes[i].scope), scopes[i].seed);
        assert_int_equal(blocks_hash(scopes[i].seed, ids, 16, 16, keys), 1);
        assert_int_equal(keys[0], scopes[i].first);
    }
    scattered(ids, ARRAY_LEN(ids));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(blocks_hash(scopes[0].seed, ids, 2 * sizes[i].block, sizes[i].block, keys),
                         2);
        assert_memory_equal(keys, sizes[i].keys, sizeof(keys));
    }
}

static void an_incomplete_block_has_no_key(void **state)
{
    uint32_t ids[33];
    uint64_t keys[2];

    (void)state;
    counting(ids, 33);
    assert_int_equal(blocks_hash(1, ids, 0, 16, keys), 0);
    assert_int_equal(blocks_hash(1, ids, 15, 16, keys), 0);
    assert_int_equal(blocks_hash(1, ids, 16, 16, keys), 1);
    assert_int_equal(blocks_hash(1, ids, 31, 16, keys), 1);
    assert_int_equal(blocks_hash(1, ids, 33, 16, keys), 2);
}

/* How many of the keys of two prompts are the same from the front. */
static size_t shared(const uint32_t *a, const uint32_t *b, size_t count)
{
    uint64_t keys_a[64], keys_b[64];
    size_t n = blocks_hash(7, a, count, 16, keys_a), same = 0;

    assert_true(n <= ARRAY_LEN(keys_a));
    assert_int_equal(blocks_hash(7, b, count, 16, keys_b), n);
    while (same < n && keys_a[same] == keys_b[same])
        same++;
    for (size_t i = same; i < n; i++)
        assert_int_not_equal(keys_a[i], keys_b[i]); /* once apart, apart for ever */
    return same;
}

static void keys_agree_up_to_the_first_other_token(void **state)
{
    uint32_t a[1024], b[1024];

    (void)state;
    scattered(a, ARRAY_LEN(a));
    for (size_t at = 0; at < ARRAY_LEN(a); at += 61) {
        scattered(b, ARRAY_LEN(b));
        b[at]++;
        assert_int_equal(shared(a, b, ARRAY_LEN(a)), at / 16);
    }
}

static void scopes_share_nothing(void **state)
{
    const struct blocks_scope several[] = {
        { 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
        { 1, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
        { 0, SLICE("a"), { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
        { 0, { NULL, 0 }, SLICE("a"), { NULL, 0 }, { NULL, 0 } },
        { 0, { NULL, 0 }, { NULL, 0 }, SLICE("a"), { NULL, 0 } },
        { 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, SLICE("a") },
        { 0, SLICE("ab"), { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
        { 0, SLICE("a"), SLICE("b"), { NULL, 0 }, { NULL, 0 } },
        { 0, SLICE("a"), { NULL, 0 }, SLICE("b"), { NULL, 0 } },
        { 0, SLICE("b"), SLICE("a"), { NULL, 0 }, { NULL, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(several); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(blocks_seed(&several[i]), blocks_seed(&several[j]));
}

static void keys_that_follow_a_growing_prompt_are_the_same(void **state)
{
    uint32_t all[500];
    uint64_t whole[32];
    size_t count;

    (void)state;
    scattered(all, ARRAY_LEN(all));
    count = blocks_hash(9, all, ARRAY_LEN(all), 16, whole);
    for (size_t step = 1; step < 70; step += 7) {
        struct blocks blocks = { .parent = 9, .block = 16 };

        assert_int_equal(blocks_last(&blocks), 9);
        for (size_t n = 0; n < ARRAY_LEN(all); n += step) {
            struct ids ids = { .at = all, .count = n };

            blocks_follow(&blocks, &ids);
            assert_int_equal(blocks.count, n / 16);
        }
        blocks_follow(&blocks, &(struct ids){ .at = all, .count = ARRAY_LEN(all) });
        assert_int_equal(blocks.count, count);
        assert_memory_equal(blocks.at, whole, count * sizeof(*whole));
        assert_int_equal(blocks_last(&blocks), whole[count - 1]);
        blocks_release(&blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_another_xxhash),
        cmocka_unit_test(an_incomplete_block_has_no_key),
        cmocka_unit_test(keys_agree_up_to_the_first_other_token),
        cmocka_unit_test(scopes_share_nothing),
        cmocka_unit_test(keys_that_follow_a_growing_prompt_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
