/*
 * The prefix index: what was said of holders is what a match finds, whatever the form it lies in,
 * and a match is the walk that reads block after block.
 */
#include "routing/prefix_index.h"

#include "tests/unit/random.h"

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOMY (64 << 20)
#define S     1000000ull

static uint32_t match_one(struct prefix_index *index, const uint64_t *keys, size_t count,
                          uint32_t column)
{
    struct prefix_match match;

    prefix_index_match(index, keys, count, &column, 1, &match);
    return match.blocks;
}

static unsigned tiers_of(struct prefix_index *index, uint64_t key, uint32_t column)
{
    bool speculative;

    return prefix_index_tiers(index, key, column, &speculative);
}

static void speculate(struct prefix_index *index, uint64_t now_us, uint64_t until_us,
                      uint32_t column, const uint64_t *keys, size_t count)
{
    prefix_index_speculate(
        index, now_us,
        &(struct prefix_guess){
            .until_us = until_us, .column = column, .keys = keys, .count = count });
}

static const uint64_t five[] = { 11, 0, 33, UINT64_MAX, 55 }; /* any number may be a key */

static void a_match_ends_before_the_first_block_that_is_missing(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint32_t a = prefix_index_column_new(index);
    uint32_t b = prefix_index_column_new(index);
    uint32_t columns[] = { b, PREFIX_COLUMN_NONE, a };
    struct prefix_match matches[3];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        prefix_index_store(index, five[i], a, PREFIX_TIER_GPU);
    prefix_index_store(index, five[0], b, PREFIX_TIER_GPU);
    prefix_index_store(index, five[2], b, PREFIX_TIER_GPU);
    prefix_index_match(index, five, 5, columns, 3, matches);
    assert_int_equal(matches[0].blocks, 1);
    assert_int_equal(matches[1].blocks, 0);
    assert_int_equal(matches[2].blocks, 5);
    prefix_index_remove(index, five[3], a, PREFIX_TIER_GPU);
    assert_int_equal(match_one(index, five, 5, a), 3);
    prefix_index_remove(index, five[0], a, PREFIX_TIER_GPU);
    assert_int_equal(match_one(index, five, 5, a), 0);
    assert_int_equal(match_one(index, five, 0, b), 0);
    prefix_index_free(index);
}

static void tiers_are_told_apart_and_the_best_one_counts(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint32_t column = prefix_index_column_new(index);
    struct prefix_match match;

    (void)state;
    prefix_index_store(index, five[0], column, PREFIX_TIER_HOST);
    prefix_index_store(index, five[0], column, PREFIX_TIER_GPU);
    prefix_index_store(index, five[1], column, PREFIX_TIER_HOST);
    prefix_index_store(index, five[2], column, PREFIX_TIER_DISK);
    prefix_index_match(index, five, 5, &column, 1, &match);
    assert_int_equal(match.blocks, 3);
    assert_int_equal(match.on_host, 1);
    assert_int_equal(match.on_disk, 1);
    assert_int_equal(match.speculative, 0);
    prefix_index_remove(index, five[0], column, PREFIX_TIER_GPU);
    prefix_index_match(index, five, 5, &column, 1, &match);
    assert_int_equal(match.blocks, 3);
    assert_int_equal(match.on_host, 2);
    assert_int_equal(tiers_of(index, five[0], column), 1 << PREFIX_TIER_HOST);
    prefix_index_free(index);
}

static void speculation_ends_unless_it_is_confirmed_or_said_anew(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint32_t column = prefix_index_column_new(index);
    struct prefix_index_stats stats;
    struct prefix_match match;

    (void)state;
    speculate(index, 100 * S, 102 * S, column, five, 5);
    prefix_index_store(index, five[0], column, PREFIX_TIER_GPU);
    prefix_index_match(index, five, 5, &column, 1, &match);
    assert_int_equal(match.blocks, 5);
    assert_int_equal(match.speculative, 4);
    speculate(index, 101 * S, 103 * S, column, five, 2);
    prefix_index_tend(index, 102 * S + 2000, 0);
    assert_int_equal(match_one(index, five, 5, column), 2);
    prefix_index_tend(index, 103 * S + 2000, 0);
    assert_int_equal(match_one(index, five, 5, column), 1);
    prefix_index_stats(index, &stats);
    assert_int_equal(stats.holders, 1);
    assert_int_equal(stats.blocks, 1);
    prefix_index_free(index);
}

static void a_restarted_endpoint_begins_empty_and_its_old_column_comes_back_swept(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint32_t old = prefix_index_column_new(index);
    struct prefix_index_stats stats;
    uint32_t fresh;

    (void)state;
    for (uint64_t key = 0; key < 5000; key++)
        prefix_index_store(index, key, old, PREFIX_TIER_GPU);
    prefix_index_column_retire(index, old);
    fresh = prefix_index_column_new(index);
    assert_int_not_equal(fresh, old);
    prefix_index_store(index, five[0], old, PREFIX_TIER_GPU); /* of the retired: not heard */
    prefix_index_store(index, five[0], fresh, PREFIX_TIER_GPU);
    assert_int_equal(match_one(index, five, 5, fresh), 1);
    assert_true(prefix_index_tend(index, 0, 10));
    while (prefix_index_tend(index, 0, 100))
        ;
    prefix_index_stats(index, &stats);
    assert_int_equal(stats.holders, 1);
    assert_int_equal(stats.columns, 1);
    assert_int_equal(prefix_index_column_new(index), old);
    assert_int_equal(match_one(index, five, 5, old), 0);
    prefix_index_free(index);
}

static void columns_run_out_and_come_back(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);

    (void)state;
    for (uint32_t i = 0; i < PREFIX_COLUMNS_MAX; i++)
        assert_int_equal(prefix_index_column_new(index), i);
    assert_int_equal(prefix_index_column_new(index), PREFIX_COLUMN_NONE);
    prefix_index_column_retire(index, 777);
    assert_int_equal(prefix_index_column_new(index), PREFIX_COLUMN_NONE);
    while (prefix_index_tend(index, 0, 1))
        ;
    assert_int_equal(prefix_index_column_new(index), 777);
    prefix_index_free(index);
}

/* A model of the index: a byte of tiers for each key and column, bit 3 for speculation. */
#define KEYS    96
#define COLUMNS 400

struct model {
    uint64_t keys[KEYS]; /* in prompt order */
    uint8_t held[KEYS][COLUMNS];
    uint32_t columns[COLUMNS];
};

static struct model *model_new(struct prefix_index *index, uint64_t *seed, uint32_t gap)
{
    struct model *model = calloc(1, sizeof(*model));

    for (size_t i = 0; i < KEYS; i++)
        model->keys[i] = random_next(seed);
    for (size_t i = 0; i < COLUMNS; i++) {
        model->columns[i] = prefix_index_column_new(index);
        for (uint32_t skip = 0; skip < gap; skip++)
            prefix_index_column_new(index);
    }
    return model;
}

/* What the index says of key and column, in the model's form. */
static uint8_t said(struct prefix_index *index, const struct model *model, size_t key,
                    size_t column)
{
    bool speculative;
    unsigned tiers =
        prefix_index_tiers(index, model->keys[key], model->columns[column], &speculative);

    return (uint8_t)(tiers | (speculative ? 8 : 0));
}

static struct prefix_match walk(const uint8_t *held, size_t stride)
{
    struct prefix_match match = { 0 };

    for (; match.blocks < KEYS && held[match.blocks * stride]; match.blocks++) {
        uint8_t how = held[match.blocks * stride];

        match.on_host += (how & 3) == 2;
        match.on_disk += (how & 7) == 4;
        match.speculative += how == 8;
    }
    return match;
}

/* Every column's match against a walk over `held`. */
static void assert_matches(struct prefix_index *index, const struct model *model,
                           const uint8_t *held)
{
    struct prefix_match matches[COLUMNS];

    prefix_index_match(index, model->keys, KEYS, model->columns, COLUMNS, matches);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct prefix_match want = walk(held + c, COLUMNS);

        assert_memory_equal(&matches[c], &want, sizeof(want));
    }
}

/* One random thing happens to a random key and column, or to a run of either. */
static void random_change(struct prefix_index *index, struct model *model, uint64_t *seed,
                          uint32_t percent_stored)
{
    size_t key = random_below(seed, KEYS);
    size_t column = random_below(seed, COLUMNS);
    bool along_keys = random_below(seed, 2);
    size_t run = 1 + random_below(seed, random_below(seed, 4) ? 8 : KEYS);
    enum prefix_tier tier = random_below(seed, 4) ? 0 : random_below(seed, PREFIX_TIER_COUNT);
    bool stored = random_below(seed, 100) < percent_stored;

    for (; run > 0 && key < KEYS && column < COLUMNS; run--) {
        if (stored)
            prefix_index_store(index, model->keys[key], model->columns[column], tier);
        else
            prefix_index_remove(index, model->keys[key], model->columns[column], tier);
        model->held[key][column] = (uint8_t)(stored ? model->held[key][column] | 1 << tier
                                                    : model->held[key][column] & ~(1 << tier));
        along_keys ? key++ : column++;
    }
}

/* Fills and empties, so that sets pass through all their forms in both directions. */
static void the_index_says_what_it_was_told(void **state)
{
    (void)state;
    for (uint32_t gap = 0; gap < 32; gap += 31) { /* columns close together, and far apart */
        struct prefix_index *index = prefix_index_new(ROOMY);
        uint64_t seed = 7 + gap;
        struct model *model = model_new(index, &seed, gap);

        for (int round = 0; round < 60; round++) {
            for (int i = 0; i < 400; i++)
                random_change(index, model, &seed, round / 10 % 2 ? 30 : 70);
            for (size_t k = 0; k < KEYS; k++)
                for (size_t c = 0; c < COLUMNS; c++)
                    assert_int_equal(said(index, model, k, c), model->held[k][c]);
            assert_matches(index, model, &model->held[0][0]);
        }
        free(model);
        prefix_index_free(index);
    }
}

/* The block is there on this tier and on no other; PREFIX_TIER_COUNT: on none. */
static void put_on(struct prefix_index *index, struct model *model, size_t key, size_t column,
                   enum prefix_tier tier)
{
    for (enum prefix_tier t = 0; t < PREFIX_TIER_COUNT; t++)
        if (t == tier)
            prefix_index_store(index, model->keys[key], model->columns[column], t);
        else if (model->held[key][column] >> t & 1)
            prefix_index_remove(index, model->keys[key], model->columns[column], t);
    model->held[key][column] = tier < PREFIX_TIER_COUNT ? (uint8_t)(1 << tier) : 0;
}

/* What most prompts look like: everything is there, but for a few blocks. */
static void few_holes_in_what_many_hold_are_all_found(void **state)
{
    static const size_t holders[] = { 1, 2, 3, 4, 14, 15, 64, 65, 130, COLUMNS };

    (void)state;
    for (uint32_t gap = 0; gap < 32; gap += 31) {
        struct prefix_index *index = prefix_index_new(ROOMY);
        uint64_t seed = 13 + gap;
        struct model *model = model_new(index, &seed, gap);

        for (size_t i = 0; i < 4 * ARRAY_LEN(holders); i++) {
            size_t count = holders[i % ARRAY_LEN(holders)];

            for (size_t k = 0; k < KEYS; k++)
                for (size_t c = 0; c < COLUMNS; c++)
                    put_on(index, model, k, c, c < count ? PREFIX_TIER_GPU : PREFIX_TIER_COUNT);
            for (size_t n = 0; n < 30; n++) {
                assert_matches(index, model, &model->held[0][0]);
                put_on(index, model, random_below(&seed, KEYS), random_below(&seed, count),
                       1 + random_below(&seed, PREFIX_TIER_COUNT));
            }
        }
        free(model);
        prefix_index_free(index);
    }
}

/* Prompts that begin alike and then go apart; so many blocks of each lie in a column. */
#define LONG     300
#define BRANCHES 4
#define GAPLESS  12

struct branches {
    uint64_t keys[BRANCHES][LONG];
    uint32_t columns[GAPLESS + 1]; /* the last one is not gapless */
    uint32_t has[GAPLESS + 1][BRANCHES];
};

static void branches_init(struct branches *branches, struct prefix_index *index, uint64_t *seed)
{
    memset(branches, 0, sizeof(*branches));
    for (size_t b = 0; b < BRANCHES; b++)
        for (size_t i = 0; i < LONG; i++)
            branches->keys[b][i] =
                b > 0 && i < 60 * b ? branches->keys[b - 1][i] : random_next(seed);
    for (size_t c = 0; c <= GAPLESS; c++) {
        branches->columns[c] = prefix_index_column_new(index);
        prefix_index_column_gapless(index, branches->columns[c], c < GAPLESS);
        for (int skip = 0; skip < 13; skip++)
            prefix_index_column_new(index);
    }
}

/* A column has the first `length` blocks of a prompt and no more, the tail gone first; blocks that
 * another prompt needs stay. */
static void have_so_much(struct branches *branches, struct prefix_index *index, size_t column,
                         size_t branch, uint32_t length)
{
    const uint64_t *keys = branches->keys[branch];
    uint32_t keep = length;

    branches->has[column][branch] = length;
    for (size_t b = 0; b < BRANCHES; b++)
        for (uint32_t i = keep; i < branches->has[column][b] && branches->keys[b][i] == keys[i];)
            keep = ++i;
    for (uint32_t i = LONG; i-- > keep;)
        prefix_index_remove(index, keys[i], branches->columns[column], PREFIX_TIER_GPU);
    for (uint32_t i = 0; i < length; i++)
        prefix_index_store(index, keys[i], branches->columns[column], PREFIX_TIER_GPU);
}

/* Block by block, whatever a match does. */
static struct prefix_match walk_slowly(struct prefix_index *index, const uint64_t *keys,
                                       uint32_t column)
{
    struct prefix_match match = { 0 };

    for (; match.blocks < LONG; match.blocks++) {
        bool speculative;
        unsigned tiers = prefix_index_tiers(index, keys[match.blocks], column, &speculative);

        if (!tiers && !speculative)
            break;
        match.speculative += !tiers;
    }
    return match;
}

static void assert_walks(const struct branches *branches, struct prefix_index *index)
{
    for (size_t b = 0; b < BRANCHES; b++)
        for (size_t count = GAPLESS; count <= GAPLESS + 1; count++) { /* without and with a hole */
            struct prefix_match matches[GAPLESS + 1];

            prefix_index_match(index, branches->keys[b], LONG, branches->columns, count, matches);
            for (size_t c = 0; c < count; c++) {
                struct prefix_match want =
                    walk_slowly(index, branches->keys[b], branches->columns[c]);

                assert_memory_equal(&matches[c], &want, sizeof(want));
            }
        }
}

static void leaps_find_what_a_walk_finds(void **state)
{
    static const size_t limits[] = { ROOMY, 64 * 1024 }; /* the small one sheds */

    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
        struct prefix_index *index = prefix_index_new(limits[l]);
        struct prefix_index_stats stats;
        struct branches branches;
        uint64_t seed = 17 + l;

        branches_init(&branches, index, &seed);
        for (uint64_t round = 0; round < 300; round++) {
            size_t column = random_below(&seed, GAPLESS + 1),
                   branch = random_below(&seed, BRANCHES);
            size_t from = random_below(&seed, LONG);

            have_so_much(&branches, index, column, branch, (uint32_t)random_below(&seed, LONG + 1));
            prefix_index_remove(index, branches.keys[branch][from], branches.columns[GAPLESS],
                                PREFIX_TIER_GPU);
            prefix_index_tend(index, round * S, 1);
            speculate(index, round * S, (round + random_below(&seed, 9)) * S,
                      branches.columns[random_below(&seed, GAPLESS)], branches.keys[branch] + from,
                      random_below(&seed, LONG - from + 1));
            assert_walks(&branches, index);
        }
        prefix_index_stats(index, &stats);
        assert_int_equal(stats.shed > 0, l == 1);
        prefix_index_free(index);
    }
}

static void holders_are_counted_as_they_are(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint64_t seed = 5;
    struct model *model = model_new(index, &seed, 3);
    struct prefix_index_stats stats;

    (void)state;
    for (int round = 0; round < 20; round++) {
        uint64_t holders = 0, blocks = 0;

        for (int i = 0; i < 200; i++)
            random_change(index, model, &seed, round % 4 < 2 ? 60 : 35);
        for (size_t k = 0; k < KEYS; k++) {
            uint64_t before = holders;

            for (size_t c = 0; c < COLUMNS; c++)
                holders += model->held[k][c] != 0;
            blocks += holders > before;
        }
        prefix_index_stats(index, &stats);
        assert_int_equal(stats.holders, holders);
        assert_int_equal(stats.blocks, blocks);
        assert_int_equal(stats.shed, 0);
    }
    free(model);
    prefix_index_free(index);
}

/* With too little memory: no holder that was not told, no byte over the limit, and the match is
 * still the walk over what is left, holes and all. */
static void a_full_index_sheds_and_still_walks_block_by_block(void **state)
{
    size_t limit = 128 * 1024;
    struct prefix_index *index = prefix_index_new(limit);
    uint64_t seed = 3;
    struct model *model = model_new(index, &seed, 30);
    uint8_t(*left)[COLUMNS] = calloc(KEYS, COLUMNS);
    struct prefix_index_stats stats;
    bool shed = false;

    (void)state;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 300; i++)
            random_change(index, model, &seed, 60);
        for (int i = 0; i < 2000; i++) /* others' blocks press as well */
            prefix_index_store(index, random_next(&seed), model->columns[i % COLUMNS], 0);
        for (size_t k = 0; k < KEYS; k++)
            for (size_t c = 0; c < COLUMNS; c++) {
                left[k][c] = said(index, model, k, c);
                assert_int_equal(left[k][c] & ~model->held[k][c], 0);
            }
        assert_matches(index, model, &left[0][0]);
        prefix_index_stats(index, &stats);
        assert_true(stats.bytes <= limit);
        shed |= stats.shed > 0;
    }
    assert_true(shed);
    free(left);
    free(model);
    prefix_index_free(index);
}

static void what_is_matched_again_and_again_outlives_what_is_not(void **state)
{
    struct prefix_index *index = prefix_index_new(1 << 20);
    uint32_t column = prefix_index_column_new(index);
    uint64_t seed = 9, hot[64];

    (void)state;
    for (size_t i = 0; i < 64; i++)
        prefix_index_store(index, hot[i] = random_next(&seed), column, PREFIX_TIER_GPU);
    for (int i = 0; i < 1000000; i++) {
        prefix_index_store(index, random_next(&seed), column, PREFIX_TIER_GPU);
        if (i % 1000 == 0)
            assert_int_equal(match_one(index, hot, 64, column), 64);
    }
    prefix_index_free(index);
}

static void speculation_is_not_shed(void **state)
{
    struct prefix_index *index = prefix_index_new(1 << 20);
    uint32_t column = prefix_index_column_new(index);
    uint64_t seed = 10, keys[64];

    (void)state;
    for (size_t i = 0; i < 64; i++)
        keys[i] = random_next(&seed);
    speculate(index, S, 3 * S, column, keys, 64);
    for (int i = 0; i < 300000; i++)
        prefix_index_store(index, random_next(&seed), column, PREFIX_TIER_GPU);
    assert_int_equal(match_one(index, keys, 64, column), 64);
    prefix_index_free(index);
}

/* One tenant floods; the others' next prompts are believed all the same, and what is confirmed of
 * them stays. (facts/security.md, G-09) */
static void a_tenant_that_floods_leaves_the_others_their_share(void **state)
{
    struct prefix_index *index = prefix_index_new(4 << 20);
    uint32_t column = prefix_index_column_new(index);
    uint64_t seed = 11, kept[512], flood[64], own[64];
    struct prefix_index_stats stats;
    uint32_t there = 0;
    bool speculative;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        kept[i] = random_next(&seed);
        prefix_index_store(index, kept[i], column, PREFIX_TIER_GPU);
    }
    for (int prompt = 0; prompt < 10000; prompt++) {
        for (size_t i = 0; i < ARRAY_LEN(flood); i++)
            flood[i] = random_next(&seed);
        prefix_index_speculate(index, S,
                               &(struct prefix_guess){ .until_us = 9 * S,
                                                       .column = column,
                                                       .payer = 1,
                                                       .keys = flood,
                                                       .count = ARRAY_LEN(flood) });
    }
    prefix_index_stats(index, &stats);
    assert_true(stats.shed > 0);
    assert_true(stats.blocks < 4 << 20 >> 6); /* a quarter of all that have room */
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        there += prefix_index_tiers(index, kept[i], column, &speculative) != 0;
    assert_int_equal(there, ARRAY_LEN(kept));
    for (uint32_t payer = 2; payer < 10; payer++) {
        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            own[i] = random_next(&seed);
        prefix_index_speculate(index, S,
                               &(struct prefix_guess){ .until_us = 9 * S,
                                                       .column = column,
                                                       .payer = payer,
                                                       .keys = own,
                                                       .count = ARRAY_LEN(own) });
        assert_int_equal(match_one(index, own, ARRAY_LEN(own), column), ARRAY_LEN(own));
    }
    prefix_index_free(index);
}

/* The tables's growth loses nothing, and memory a holder stays under 40 bytes at every size. */
static void growth_keeps_every_block_within_forty_bytes_each(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    uint32_t column = prefix_index_column_new(index);
    uint64_t seed = 1;
    struct prefix_index_stats stats;

    (void)state;
    for (uint64_t n = 1; n <= 400000; n++) {
        prefix_index_store(index, random_next(&seed), column, PREFIX_TIER_GPU);
        if (n < 1000 || n % 9973)
            continue;
        prefix_index_stats(index, &stats);
        assert_int_equal(stats.holders, n);
        assert_true(stats.bytes <= 40 * n);
    }
    seed = 1;
    for (int i = 0; i < 400000; i++)
        assert_int_equal(tiers_of(index, random_next(&seed), column), 1);
    prefix_index_free(index);
}

/* Readers beside the writer: what the thread sanitizer looks at. */
struct stress {
    struct prefix_index *index;
    uint64_t keys[512];
    uint32_t columns[64];
    uint32_t bystander; /* a column that never holds anything */
    _Atomic bool over;
};

static void *read_all_the_time(void *user)
{
    struct stress *stress = user;
    struct prefix_match matches[65];
    uint32_t columns[65];

    memcpy(columns, stress->columns, sizeof(stress->columns));
    columns[64] = stress->bystander;
    while (!atomic_load(&stress->over)) {
        prefix_index_match(stress->index, stress->keys, 512, columns, 65, matches);
        assert_int_equal(matches[64].blocks, 0);
        for (size_t i = 0; i < 64; i++)
            assert_true(matches[i].blocks <= 512);
    }
    return NULL;
}

static void disturb(struct stress *stress, uint64_t *seed, uint64_t now_us)
{
    struct prefix_index *index = stress->index;
    uint32_t column = stress->columns[random_below(seed, 64)];
    size_t from = random_below(seed, 512);
    uint32_t passing;

    for (size_t i = from; i < 512 && i < from + 64; i++)
        if (random_below(seed, 3))
            prefix_index_store(index, stress->keys[i], column, random_below(seed, 3));
        else
            prefix_index_remove(index, stress->keys[i], column, random_below(seed, 3));
    speculate(index, now_us, now_us + 5000, column, stress->keys + from, 512 - from);
    for (int i = 0; i < 100; i++)
        prefix_index_store(index, random_next(seed), column, PREFIX_TIER_GPU);
    passing = prefix_index_column_new(index);
    for (size_t i = from; i < 512 && i < from + 8; i++)
        prefix_index_store(index, stress->keys[i], passing, PREFIX_TIER_GPU);
    prefix_index_column_retire(index, passing);
    prefix_index_tend(index, now_us, 500);
}

static void readers_and_the_writer_do_not_trip_over_each_other(void **state)
{
    struct stress *stress = calloc(1, sizeof(*stress));
    pthread_t readers[2];
    uint64_t seed = 4;

    (void)state;
    stress->index = prefix_index_new(1 << 20);
    for (size_t i = 0; i < 64; i++)
        stress->columns[i] = prefix_index_column_new(stress->index);
    stress->bystander = prefix_index_column_new(stress->index);
    for (size_t i = 0; i < 512; i++)
        stress->keys[i] = random_next(&seed);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, stress), 0);
    for (uint64_t i = 0; i < 2000; i++)
        disturb(stress, &seed, i * 1000);
    atomic_store(&stress->over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    prefix_index_free(stress->index);
    free(stress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_ends_before_the_first_block_that_is_missing),
        cmocka_unit_test(tiers_are_told_apart_and_the_best_one_counts),
        cmocka_unit_test(speculation_ends_unless_it_is_confirmed_or_said_anew),
        cmocka_unit_test(a_restarted_endpoint_begins_empty_and_its_old_column_comes_back_swept),
        cmocka_unit_test(columns_run_out_and_come_back),
        cmocka_unit_test(the_index_says_what_it_was_told),
        cmocka_unit_test(few_holes_in_what_many_hold_are_all_found),
        cmocka_unit_test(leaps_find_what_a_walk_finds),
        cmocka_unit_test(holders_are_counted_as_they_are),
        cmocka_unit_test(a_full_index_sheds_and_still_walks_block_by_block),
        cmocka_unit_test(what_is_matched_again_and_again_outlives_what_is_not),
        cmocka_unit_test(speculation_is_not_shed),
        cmocka_unit_test(a_tenant_that_floods_leaves_the_others_their_share),
        cmocka_unit_test(growth_keeps_every_block_within_forty_bytes_each),
        cmocka_unit_test(readers_and_the_writer_do_not_trip_over_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
