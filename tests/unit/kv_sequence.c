/*
 * A publisher's batches over a road that loses, repeats and overtakes: where a replay can mend it,
 * the index ends block by block as the engine's cache is; where none can, it never has a block that
 * the engine lacks, and what is stored again comes back.
 */
#include "routing/kv_sequence.h"

#include "tests/engine/cache.c" /* the engine is a program, not a library */
#include "tests/engine/kv_batch.c"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PROMPTS 16
#define BLOCKS  24 /* of a prompt */
#define PAGE    16
#define ROOMY   (16 << 20)
#define QUEUE   8 /* batches under way */

struct rig {
    struct cache cache; /* the truth */
    uint64_t root;
    struct kv_batches batches;
    uint32_t tokens[PROMPTS][BLOCKS * PAGE];
    uint64_t hashes[PROMPTS][BLOCKS]; /* the engine's */
    uint64_t keys[PROMPTS][BLOCKS];   /* ours */
    struct prefix_index *index;
    struct kv_column column;
    struct kv_sequence sequence;
    uint64_t queue[QUEUE]; /* numbers of batches under way */
    size_t queued;
    uint64_t seed;
    bool mixed; /* forms */
};

static void rig_init(struct rig *rig, uint64_t seed, uint32_t keep, bool can_replay)
{
    const struct blocks_scope scope = { .prefix_seed = 1, .model = SLICE_INIT("m") };

    memset(rig, 0, sizeof(*rig));
    rig->seed = seed;
    rig->mixed = true;
    rig->root = cache_root(SLICE(""));
    cache_init(&rig->cache, 100, PAGE);
    kv_batches_init(&rig->batches, rig->root, PAGE, keep);
    rig->cache.listener = &rig->batches.listener;
    for (size_t p = 0; p < PROMPTS; p++) {
        size_t shared = p ? random_below(&rig->seed, BLOCKS * PAGE) : 0;

        if (p)
            memcpy(rig->tokens[p], rig->tokens[random_below(&rig->seed, p)],
                   shared * sizeof(uint32_t));
        for (size_t t = shared; t < BLOCKS * PAGE; t++)
            rig->tokens[p][t] = (uint32_t)random_below(&rig->seed, 200000);
        for (size_t b = 0; b < BLOCKS; b++)
            rig->hashes[p][b] = cache_key(&rig->cache, b ? rig->hashes[p][b - 1] : rig->root,
                                          rig->tokens[p] + b * PAGE);
        blocks_hash(blocks_seed(&scope), rig->tokens[p], BLOCKS * PAGE, PAGE, rig->keys[p]);
    }
    rig->index = prefix_index_new(ROOMY);
    kv_column_init(&rig->column, rig->index);
    kv_sequence_init(&rig->sequence, &rig->column, PAGE, scope.prefix_seed, scope.model,
                     can_replay);
}

static void rig_release(struct rig *rig)
{
    kv_sequence_release(&rig->sequence);
    kv_column_release(&rig->column);
    prefix_index_free(rig->index);
    rig->cache.listener = NULL;
    cache_release(&rig->cache);
    kv_batches_release(&rig->batches);
}

/* The engine answers a prompt of so many blocks: finds some, computes the rest, lets go. */
static void answer(struct rig *rig, size_t prompt, uint32_t blocks)
{
    const uint64_t *keys = rig->hashes[prompt];
    uint32_t found = cache_match(&rig->cache, keys, blocks);
    struct cache_hold hold;

    cache_hold_init(&hold);
    assert_true(cache_hold_take(&rig->cache, &hold, keys, found, blocks - found));
    for (uint32_t b = found; b < blocks; b++)
        cache_hold_commit(&rig->cache, &hold, b, b ? keys[b - 1] : rig->root, keys[b],
                          rig->tokens[prompt] + b * PAGE);
    cache_hold_drop(&rig->cache, &hold);
}

/* The replay socket's answers, as far as batches are kept. */
static void serve(struct rig *rig, struct kv_replay replay)
{
    while (replay.wanted) {
        for (uint64_t n = replay.from; n < rig->batches.next; n++) {
            const struct kv_batch *batch = kv_batches_kept(&rig->batches, n);

            if (batch)
                kv_sequence_replayed(&rig->sequence, n, buf_join((struct buf *)&batch->payload));
        }
        replay = kv_sequence_replay_ended(&rig->sequence, true);
    }
}

static void deliver(struct rig *rig, uint64_t number)
{
    const struct kv_batch *batch = kv_batches_kept(&rig->batches, number);

    if (batch)
        serve(rig,
              kv_sequence_live(&rig->sequence, number, buf_join((struct buf *)&batch->payload)));
}

static void publish(struct rig *rig)
{
    const struct kv_batch *batch = kv_batches_flush(&rig->batches);

    if (rig->mixed)
        rig->batches.form = random_below(&rig->seed, KV_BATCH_FORMS);
    if (rig->queued == QUEUE) {
        deliver(rig, rig->queue[0]);
        memmove(rig->queue, rig->queue + 1, --rig->queued * sizeof(rig->queue[0]));
    }
    rig->queue[rig->queued++] = batch->number;
}

/* What roads do to batches. */
static void disturb(struct rig *rig)
{
    size_t a, b;
    uint64_t number;

    if (rig->queued < 2)
        return;
    a = random_below(&rig->seed, rig->queued);
    b = random_below(&rig->seed, rig->queued);
    switch (random_below(&rig->seed, 3)) {
    case 0: /* loses one */
        memmove(rig->queue + a, rig->queue + a + 1, (--rig->queued - a) * sizeof(rig->queue[0]));
        break;
    case 1: /* lets one overtake another */
        number = rig->queue[a];
        rig->queue[a] = rig->queue[b];
        rig->queue[b] = number;
        break;
    default: /* brings one twice */
        if (rig->queued < QUEUE)
            rig->queue[rig->queued++] = rig->queue[a];
    }
}

static void drain(struct rig *rig)
{
    for (size_t i = 0; i < rig->queued; i++)
        deliver(rig, rig->queue[i]);
    rig->queued = 0;
}

/* The engine ends and another one begins; the road forgets what was on it, and is a new one. */
static void reconnect(struct rig *rig)
{
    serve(rig, kv_sequence_connected(&rig->sequence));
}

static void restart(struct rig *rig)
{
    cache_clear(&rig->cache);
    kv_batches_restart(&rig->batches);
    rig->queued = 0;
    reconnect(rig);
}

static bool has(struct rig *rig, size_t prompt, size_t block)
{
    bool speculative;

    return prefix_index_tiers(rig->index, rig->keys[prompt][block], rig->column.number,
                              &speculative) != 0;
}

static void compare(struct rig *rig, bool must_be_equal)
{
    for (size_t p = 0; p < PROMPTS; p++)
        for (size_t b = 0; b < BLOCKS; b++) {
            bool truth = find(&rig->cache, rig->hashes[p][b]) != NULL;

            if (has(rig, p, b) && !truth)
                fail_msg("prompt %zu block %zu: held without being there", p, b);
            if (must_be_equal && truth && !has(rig, p, b))
                fail_msg("prompt %zu block %zu: there without being held", p, b);
        }
}

struct storm {
    uint32_t keep;
    bool can_replay, restarts, disturbs, must_be_equal;
};

static void run_storm(struct rig *rig, const struct storm *storm)
{
    for (int round = 0; round < 400; round++) {
        answer(rig, random_below(&rig->seed, PROMPTS),
               1 + (uint32_t)random_below(&rig->seed, BLOCKS));
        if (random_below(&rig->seed, 100) == 0)
            cache_clear(&rig->cache);
        if (random_below(&rig->seed, 3))
            publish(rig);
        if (storm->disturbs && random_below(&rig->seed, 4) == 0)
            disturb(rig);
        if (storm->restarts && random_below(&rig->seed, 60) == 0)
            restart(rig);
        if (random_below(&rig->seed, 10) == 0)
            reconnect(rig);
        if (random_below(&rig->seed, 20) == 0) {
            publish(rig); /* so that the last one says whether some are missing */
            drain(rig);
            publish(rig);
            drain(rig);
            compare(rig, storm->must_be_equal);
        }
    }
}

static void storms_leave_the_index_as_true_as_can_be(void **state)
{
    static const struct storm storms[] = {
        { .keep = 4096, .can_replay = true, .must_be_equal = true },
        { .keep = 4096, .can_replay = true, .disturbs = true, .must_be_equal = true },
        { .keep = 4096,
          .can_replay = true,
          .disturbs = true,
          .restarts = true,
          .must_be_equal = true },
        { .keep = 3, .can_replay = true, .disturbs = true, .restarts = true },
        { .keep = 4096, .can_replay = false, .disturbs = true, .restarts = true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(storms); i++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct rig rig;

            rig_init(&rig, seed, storms[i].keep, storms[i].can_replay);
            run_storm(&rig, &storms[i]);
            assert_int_equal(rig.sequence.stats.malformed, 0);
            assert_true(rig.sequence.stats.batches > 0);
            rig_release(&rig);
        }
}

static void what_was_lost_comes_back_as_it_is_stored_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 9, 3, false);
    for (size_t p = 0; p < PROMPTS; p++)
        answer(&rig, p, BLOCKS);
    kv_batches_flush(&rig.batches); /* lost */
    publish(&rig);
    drain(&rig);
    compare(&rig, false);
    cache_clear(&rig.cache);
    for (size_t p = 0; p < PROMPTS; p++)
        answer(&rig, p, BLOCKS);
    publish(&rig);
    drain(&rig);
    compare(&rig, true);
    rig_release(&rig);
}

static void an_engine_that_restarted_and_came_as_far_is_told_by_the_batch_before(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 10, 64, true);
    answer(&rig, 0, BLOCKS);
    publish(&rig);
    publish(&rig);
    drain(&rig);
    assert_true(has(&rig, 0, 0));
    cache_clear(&rig.cache);
    kv_batches_restart(&rig.batches);
    answer(&rig, 3, 1);
    for (int i = 0; i < 5; i++)
        publish(&rig);
    rig.queued = 0; /* nothing of it was heard */
    reconnect(&rig);
    compare(&rig, true);
    assert_int_equal(rig.sequence.stats.restarts, 1);
    rig_release(&rig);
}

static void a_replay_that_is_given_up_leaves_nothing_behind(void **state)
{
    struct rig rig;
    struct kv_replay replay;

    (void)state;
    rig_init(&rig, 11, 64, true);
    answer(&rig, 0, BLOCKS);
    publish(&rig);
    drain(&rig);
    kv_batches_flush(&rig.batches); /* lost */
    publish(&rig);
    replay = kv_sequence_live(&rig.sequence, 2, buf_join(&rig.batches.kept[2].payload));
    assert_true(replay.wanted);
    assert_int_equal(replay.from, 0);
    assert_false(kv_sequence_replay_ended(&rig.sequence, false).wanted);
    assert_false(has(&rig, 0, 0));
    assert_int_equal(rig.sequence.stats.holes, 1);
    rig_release(&rig);
}

/* The engine restarted, which the replay tells; before it has ended there is another connection,
 * and no replay may be had any more. */
static void a_replay_does_not_outlive_its_connection(void **state)
{
    struct rig rig;
    struct slice payload;

    (void)state;
    rig_init(&rig, 14, 64, true);
    answer(&rig, 0, BLOCKS);
    publish(&rig);
    drain(&rig);
    cache_clear(&rig.cache);
    kv_batches_restart(&rig.batches);
    answer(&rig, 1, BLOCKS);
    payload = buf_join((struct buf *)&kv_batches_flush(&rig.batches)->payload);
    assert_true(kv_sequence_connected(&rig.sequence).wanted);
    kv_sequence_replayed(&rig.sequence, 0, payload);
    assert_int_equal(rig.sequence.state, KV_SEQUENCE_STARTING_OVER);
    rig.sequence.can_replay = false;
    assert_false(kv_sequence_connected(&rig.sequence).wanted);
    assert_false(kv_sequence_is_replaying(&rig.sequence));
    assert_false(kv_sequence_live(&rig.sequence, 0, payload).wanted);
    compare(&rig, true);
    rig_release(&rig);
}

static void numbers_may_begin_anywhere(void **state)
{
    struct rig rig;
    struct slice payload;

    (void)state;
    rig_init(&rig, 12, 64, false);
    answer(&rig, 0, BLOCKS);
    payload = buf_join((struct buf *)&kv_batches_flush(&rig.batches)->payload);
    assert_false(kv_sequence_live(&rig.sequence, 1789095808837884700, payload).wanted);
    assert_true(has(&rig, 0, BLOCKS - 1));
    assert_false(kv_sequence_live(&rig.sequence, 1789095808837884700, payload).wanted);
    assert_int_equal(rig.sequence.stats.repeated, 1);
    rig_release(&rig);
}

static void a_batch_that_nobody_understands_empties_the_column(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 13, 64, true);
    answer(&rig, 0, BLOCKS);
    publish(&rig);
    drain(&rig);
    kv_sequence_live(&rig.sequence, 1, SLICE("\x93\xc1"));
    assert_false(has(&rig, 0, 0));
    assert_int_equal(rig.sequence.stats.malformed, 1);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storms_leave_the_index_as_true_as_can_be),
        cmocka_unit_test(what_was_lost_comes_back_as_it_is_stored_again),
        cmocka_unit_test(an_engine_that_restarted_and_came_as_far_is_told_by_the_batch_before),
        cmocka_unit_test(a_replay_that_is_given_up_leaves_nothing_behind),
        cmocka_unit_test(a_replay_does_not_outlive_its_connection),
        cmocka_unit_test(numbers_may_begin_anywhere),
        cmocka_unit_test(a_batch_that_nobody_understands_empties_the_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
