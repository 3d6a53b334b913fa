/*
 * What events say of an engine's cache: after any of them the index has of every block what a model
 * of that cache has, whatever the size of its pages.
 */
#include "routing/kv_mirror.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK   16
#define PROMPTS 12
#define TOKENS  2112 /* four pages of 528 */
#define ROOMY   (64 << 20)

/* The model: prompts that share beginnings, cut into pages; a page's copies on each tier. Pages of
 * two prompts are the same if all tokens up to their ends are. */
struct engine {
    uint32_t page_tokens;
    size_t page_count; /* of a prompt */
    uint32_t tokens[PROMPTS][TOKENS];
    uint64_t hashes[PROMPTS][TOKENS];
    uint64_t keys[PROMPTS][TOKENS / BLOCK];
    uint8_t copies[PROMPTS][TOKENS][PREFIX_TIER_COUNT]; /* where the hash stands first */
    struct kv_column column;
    struct kv_mirror mirror;
    struct prefix_index *index;
};

static const struct blocks_scope scope = { .prefix_seed = 77, .model = SLICE_INIT("m") };

/* The copies of a page, which all prompts that have it share. */
static uint8_t *copies_of(struct engine *engine, size_t prompt, size_t page)
{
    uint64_t hash = engine->hashes[prompt][page];

    for (size_t p = 0; p < prompt; p++)
        if (engine->hashes[p][page] == hash)
            return engine->copies[p][page];
    return engine->copies[prompt][page];
}

static struct engine *engine_new(uint32_t page_tokens, uint64_t *seed)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    engine->page_tokens = page_tokens;
    engine->page_count = TOKENS / page_tokens;
    for (size_t p = 0; p < PROMPTS; p++) {
        size_t shared = p ? random_below(seed, TOKENS) : 0;

        if (p)
            memcpy(engine->tokens[p], engine->tokens[random_below(seed, p)],
                   shared * sizeof(uint32_t));
        for (size_t t = shared; t < TOKENS; t++)
            engine->tokens[p][t] = (uint32_t)random_below(seed, 100000);
        blocks_hash(5, engine->tokens[p], TOKENS, page_tokens, engine->hashes[p]);
        blocks_hash(blocks_seed(&scope), engine->tokens[p], TOKENS, BLOCK, engine->keys[p]);
    }
    engine->index = prefix_index_new(ROOMY);
    kv_column_init(&engine->column, engine->index);
    kv_mirror_init(&engine->mirror, &engine->column, BLOCK, scope.prefix_seed, scope.model);
    return engine;
}

static void engine_free(struct engine *engine)
{
    kv_mirror_release(&engine->mirror);
    kv_column_release(&engine->column);
    prefix_index_free(engine->index);
    free(engine);
}

static void apply(struct engine *engine, const struct kv_event *event)
{
    kv_mirror_begin(&engine->mirror);
    kv_mirror_apply(&engine->mirror, event);
}

/* Pages [from, to) come, as one event. */
static void store(struct engine *engine, size_t prompt, size_t from, size_t to, unsigned tier)
{
    struct kv_event event = {
        .type = KV_EVENT_STORED,
        .hashes = engine->hashes[prompt] + from,
        .hash_count = to - from,
        .has_parent = from > 0,
        .parent = from > 0 ? engine->hashes[prompt][from - 1] : 0,
        .tokens = engine->tokens[prompt] + from * engine->page_tokens,
        .token_count = (to - from) * engine->page_tokens,
        .page_tokens = engine->page_tokens,
        .tier = tier,
        .first_foreign = to - from,
    };

    for (size_t page = from; page < to; page++)
        copies_of(engine, prompt, page)[tier]++;
    apply(engine, &event);
}

static void drop(struct engine *engine, size_t prompt, size_t page, unsigned tier)
{
    uint8_t *copies = copies_of(engine, prompt, page);
    struct kv_event event = {
        .type = KV_EVENT_REMOVED,
        .hashes = &engine->hashes[prompt][page],
        .hash_count = 1,
        .tier = tier,
    };

    copies[tier] -= copies[tier] > 0;
    apply(engine, &event);
}

static unsigned best(const uint8_t *copies)
{
    unsigned tier = 0;

    while (tier < PREFIX_TIER_COUNT && !copies[tier])
        tier++;
    return tier;
}

/* How a prompt's pages hold a block of it: on the tiers of its page, or the slowest of its pages'.
 */
static unsigned held_by(struct engine *engine, size_t prompt, size_t block)
{
    size_t first = block * BLOCK / engine->page_tokens;
    size_t last = (block * BLOCK + BLOCK - 1) / engine->page_tokens;
    unsigned worst = 0, tiers = 0;

    if (last >= engine->page_count)
        return 0;
    for (size_t page = first; page <= last; page++) {
        const uint8_t *copies = copies_of(engine, prompt, page);

        worst = best(copies) > worst ? best(copies) : worst;
        for (unsigned tier = 0; tier < PREFIX_TIER_COUNT; tier++)
            tiers |= copies[tier] ? 1u << tier : 0;
    }
    if (first == last)
        return tiers;
    return worst == PREFIX_TIER_COUNT ? 0 : 1u << worst;
}

/* What the index must say of a block: prompts that part within a page have it in common. */
static unsigned want(struct engine *engine, size_t prompt, size_t block)
{
    unsigned tiers = 0;

    for (size_t p = 0; p < PROMPTS; p++)
        if (engine->keys[p][block] == engine->keys[prompt][block])
            tiers |= held_by(engine, p, block);
    return tiers;
}

static void assert_equal_to_model(struct engine *engine)
{
    for (size_t p = 0; p < PROMPTS; p++)
        for (size_t b = 0; b < TOKENS / BLOCK; b++) {
            bool speculative;
            unsigned tiers = prefix_index_tiers(engine->index, engine->keys[p][b],
                                                engine->column.number, &speculative);

            if (tiers != want(engine, p, b))
                fail_msg("pages of %u: prompt %zu block %zu: tiers %u, want %u",
                         engine->page_tokens, p, b, tiers, want(engine, p, b));
        }
}

/* As engines do: what is there from the beginning on is used, the rest is stored, again if need be.
 */
static void run_prompt(struct engine *engine, uint64_t *seed)
{
    size_t prompt = random_below(seed, PROMPTS);
    size_t pages = random_below(seed, engine->page_count + 1);
    unsigned tier = random_below(seed, 4) ? PREFIX_TIER_GPU : random_below(seed, 3);
    size_t from = 0;

    while (from < pages && best(copies_of(engine, prompt, from)) < PREFIX_TIER_COUNT)
        from++;
    while (from < pages) { /* in one event or in several */
        size_t to = from + 1 + random_below(seed, pages - from);

        store(engine, prompt, from, to, tier);
        from = to;
    }
}

/* From the end, from the beginning, or anywhere. */
static void evict(struct engine *engine, uint64_t *seed)
{
    size_t prompt = random_below(seed, PROMPTS);
    size_t count = random_below(seed, engine->page_count + 1);
    size_t at = random_below(seed, engine->page_count);
    bool backwards = random_below(seed, 2);

    for (; count > 0 && at < engine->page_count; count--) {
        for (unsigned tier = 0; tier < PREFIX_TIER_COUNT; tier++)
            if (random_below(seed, 3))
                drop(engine, prompt, at, tier);
        at += backwards ? (size_t)-1 : 1;
    }
}

static void blocks_are_held_as_the_engine_holds_its_pages(void **state)
{
    static const uint32_t sizes[] = { 1, 5, 8, 16, 24, 32, 64, 528 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t seed = sizes[i];
        struct engine *engine = engine_new(sizes[i], &seed);

        for (int round = 0; round < 60; round++) {
            run_prompt(engine, &seed);
            if (random_below(&seed, 3) == 0)
                evict(engine, &seed);
            assert_equal_to_model(engine);
        }
        assert_int_equal(engine->mirror.stats.orphans, 0);
        for (size_t p = 0; p < PROMPTS; p++) /* to the last copy: nothing is left behind */
            for (size_t page = 0; page < engine->page_count; page++)
                for (unsigned n = 0; n < 300; n++)
                    drop(engine, p, page, n % PREFIX_TIER_COUNT);
        assert_equal_to_model(engine);
        assert_int_equal(engine->mirror.pages.count, 0);
        assert_int_equal(engine->mirror.pages.more_bytes, 0);
        engine_free(engine);
    }
}

static void a_cleared_cache_is_empty_and_fills_again(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 16; size += 15) { /* with many pages, and with few */
        uint64_t seed = 3;
        struct engine *engine = engine_new(size, &seed);
        const struct kv_event cleared = { .type = KV_EVENT_CLEARED };

        for (int round = 0; round < 3; round++) {
            for (size_t p = 0; p < 6; p++)
                store(engine, p, 0, engine->page_count, 0);
            assert_equal_to_model(engine);
            apply(engine, &cleared);
            memset(engine->copies, 0, sizeof(engine->copies));
            assert_equal_to_model(engine);
        }
        engine_free(engine);
    }
}

static void a_page_without_a_known_parent_has_no_key_until_it_is_stored_again(void **state)
{
    uint64_t seed = 4;
    struct engine *engine = engine_new(16, &seed);
    struct prefix_index_stats stats;

    (void)state;
    store(engine, 0, 4, 8, 0);
    assert_int_equal(engine->mirror.stats.orphans, 4);
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 0);
    store(engine, 0, 0, 6, 0); /* as a full report would */
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 6);
    drop(engine, 0, 4, 0); /* one copy of two */
    drop(engine, 0, 7, 0); /* one that never had a key */
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 6);
    drop(engine, 0, 4, 0);
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 5);
    engine_free(engine);
}

/* Beyond what an engine's keys may take a page is counted only, until there is room again. */
static void a_page_for_whose_keys_there_is_no_room_is_refused(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (uint32_t page_tokens = 15; page_tokens <= 32; page_tokens += 17) { /* a part, two keys */
        struct engine *engine = engine_new(page_tokens, &seed);

        engine->column.taken.more_bytes = KV_PAGES_MORE_BYTES;
        store(engine, 0, 0, 2, PREFIX_TIER_GPU);
        assert_int_equal(engine->mirror.stats.refused, 1);
        assert_int_equal(engine->mirror.stats.orphans, 1);
        engine->column.taken.more_bytes = 0;
        store(engine, 0, 0, 2, PREFIX_TIER_GPU);
        assert_equal_to_model(engine);
        engine_free(engine);
    }
}

static void what_is_more_than_tokens_has_no_key_and_ends_the_chain(void **state)
{
    uint64_t seed = 5;
    struct engine *engine = engine_new(16, &seed);
    struct kv_event event = {
        .type = KV_EVENT_STORED,
        .hashes = engine->hashes[0],
        .hash_count = 4,
        .tokens = engine->tokens[0],
        .token_count = 64,
        .page_tokens = 16,
        .first_foreign = 2,
    };
    struct prefix_index_stats stats;

    (void)state;
    apply(engine, &event);
    store(engine, 0, 4, 6, 0);
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 2);
    assert_int_equal(engine->mirror.stats.foreign, 2);
    assert_int_equal(engine->mirror.stats.orphans, 2);
    engine_free(engine);
}

static void adapters_and_salts_have_keys_of_their_own(void **state)
{
    uint64_t seed = 6;
    struct engine *engine = engine_new(16, &seed);
    const struct blocks_scope own = {
        .prefix_seed = 77,
        .model = SLICE_INIT("m"),
        .lora = SLICE_INIT("french"),
        .cache_salt = SLICE_INIT("s"),
    };
    struct kv_event event = {
        .type = KV_EVENT_STORED,
        .hashes = engine->hashes[0],
        .hash_count = 2,
        .tokens = engine->tokens[0],
        .token_count = 32,
        .page_tokens = 16,
        .first_foreign = 2,
        .lora = own.lora,
        .salt = own.cache_salt,
    };
    uint64_t keys[2];
    bool speculative;

    (void)state;
    apply(engine, &event);
    blocks_hash(blocks_seed(&own), engine->tokens[0], 32, BLOCK, keys);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            prefix_index_tiers(engine->index, keys[i], engine->column.number, &speculative), 1);
    assert_int_equal(
        prefix_index_tiers(engine->index, engine->keys[0][0], engine->column.number, &speculative),
        0);
    engine_free(engine);
}

static void ranks_count_apart_and_hold_together(void **state)
{
    uint64_t seed = 7;
    struct engine *engine = engine_new(16, &seed);
    struct kv_event event = {
        .type = KV_EVENT_STORED,
        .hashes = engine->hashes[0],
        .hash_count = 1,
        .tokens = engine->tokens[0],
        .token_count = 16,
        .page_tokens = 16,
        .first_foreign = 1,
    };
    struct kv_event gone = { .type = KV_EVENT_REMOVED, .hashes = event.hashes, .hash_count = 1 };
    struct prefix_index_stats stats;

    (void)state;
    for (event.rank = 0; event.rank < 2; event.rank++)
        apply(engine, &event);
    apply(engine, &gone);
    apply(engine, &gone); /* of rank 0, which has none any more */
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 1);
    gone.rank = 1;
    apply(engine, &gone);
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 0);
    for (event.rank = 0; event.rank <= KV_RANKS_MAX; event.rank++)
        apply(engine, &event);
    assert_int_equal(engine->mirror.stats.refused, 1);
    engine_free(engine);
}

/* Ranks with a publisher each: what one forgets the other still has, and only that. */
static void mirrors_of_one_column_hold_together_and_forget_apart(void **state)
{
    static const uint32_t sizes[] = { 4, 16, 48 }; /* pages: parts of blocks, blocks, several */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t seed = 9;
        struct engine *engine = engine_new(sizes[i], &seed);
        size_t pages = 192 / sizes[i];
        struct kv_mirror other;
        struct kv_event event = {
            .type = KV_EVENT_STORED,
            .hashes = engine->hashes[0],
            .hash_count = pages,
            .tokens = engine->tokens[0],
            .token_count = 192,
            .page_tokens = sizes[i],
            .first_foreign = pages,
        };
        struct prefix_index_stats stats;

        kv_mirror_init(&other, &engine->column, BLOCK, engine->mirror.prefix_seed,
                       engine->mirror.cache);
        kv_mirror_begin(&other);
        kv_mirror_apply(&other, &event);
        event.hash_count = event.first_foreign = pages / 2;
        event.token_count = 96;
        apply(engine, &event);
        kv_mirror_clear(&engine->mirror);
        prefix_index_stats(engine->index, &stats);
        assert_int_equal(stats.holders, 192 / BLOCK);
        apply(engine, &event);
        kv_mirror_clear(&other);
        prefix_index_stats(engine->index, &stats);
        assert_int_equal(stats.holders, 96 / BLOCK);
        kv_mirror_clear(&engine->mirror);
        prefix_index_stats(engine->index, &stats);
        assert_int_equal(stats.holders, 0);
        assert_int_equal(engine->column.shared.count, 0);
        kv_mirror_release(&other);
        engine_free(engine);
    }
}

static void only_the_first_group_counts(void **state)
{
    uint64_t seed = 8;
    struct engine *engine = engine_new(16, &seed);
    struct kv_event gone = {
        .type = KV_EVENT_REMOVED, .hashes = engine->hashes[0], .hash_count = 1, .group = 1
    };
    struct prefix_index_stats stats;

    (void)state;
    store(engine, 0, 0, 3, 0);
    apply(engine, &gone);
    prefix_index_stats(engine->index, &stats);
    assert_int_equal(stats.holders, 3);
    engine_free(engine);
}

/* A thousand pages after the same half block, whose own half comes and goes: each event would move
 * them all. */
static void a_publisher_whose_pages_move_each_other_without_end_is_distrusted(void **state)
{
    struct prefix_index *index = prefix_index_new(ROOMY);
    struct kv_column column;
    struct kv_mirror mirror;
    uint32_t tokens[8] = { 0 };
    uint64_t hash = 1, child;
    struct kv_event root = {
        .type = KV_EVENT_STORED,
        .hashes = &hash,
        .hash_count = 1,
        .tokens = tokens,
        .token_count = 8,
        .page_tokens = 8,
        .first_foreign = 1,
    };
    struct kv_event half = root,
                    gone = { .type = KV_EVENT_REMOVED, .hashes = &hash, .hash_count = 1 };

    (void)state;
    kv_column_init(&column, index);
    kv_mirror_init(&mirror, &column, BLOCK, 0, SLICE("m"));
    kv_mirror_begin(&mirror);
    kv_mirror_apply(&mirror, &root);
    half.hashes = &child;
    half.has_parent = true;
    half.parent = hash;
    for (child = 2; child < 5000; child++) {
        tokens[0] = (uint32_t)child;
        kv_mirror_apply(&mirror, &half);
    }
    assert_int_equal(mirror.stats.clears, 0);
    kv_mirror_begin(&mirror);
    kv_mirror_apply(&mirror, &gone);
    assert_int_equal(mirror.stats.clears, 1);
    assert_int_equal(mirror.pages.count, 0);
    kv_mirror_release(&mirror);
    kv_column_release(&column);
    prefix_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_held_as_the_engine_holds_its_pages),
        cmocka_unit_test(a_cleared_cache_is_empty_and_fills_again),
        cmocka_unit_test(a_page_without_a_known_parent_has_no_key_until_it_is_stored_again),
        cmocka_unit_test(a_page_for_whose_keys_there_is_no_room_is_refused),
        cmocka_unit_test(what_is_more_than_tokens_has_no_key_and_ends_the_chain),
        cmocka_unit_test(adapters_and_salts_have_keys_of_their_own),
        cmocka_unit_test(ranks_count_apart_and_hold_together),
        cmocka_unit_test(mirrors_of_one_column_hold_together_and_forget_apart),
        cmocka_unit_test(only_the_first_group_counts),
        cmocka_unit_test(a_publisher_whose_pages_move_each_other_without_end_is_distrusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
