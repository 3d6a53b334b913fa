/*
 * The simulated engine's step loop, on a clock that the test moves; times and counts worked out by
 * hand from the model: step = 12 ms + 62.8 us a prefill token + 2.36 ns a prefill token and token
 * of its context + 30 us a decode + 39 ns a token read.
 */
#include "tests/engine/batch.c" /* the engine is a program, not a library */
#include "tests/engine/cache.c"
#include "tests/engine/scheduler.c"
#include "tests/engine/step.c"
#include "tests/engine/tokens.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BLOCK 16

struct bench {
    struct worker worker;
    struct cache cache;
    struct scheduler_settings settings;
    struct scheduler scheduler;
};

struct subject {
    struct sequence sequence;
    struct bench *bench;
    uint64_t first_us, done_us; /* 0: not yet */
};

static void bench_init(struct bench *bench, uint32_t blocks, uint32_t step_tokens,
                       uint32_t sequences_max)
{
    *bench = (struct bench){ 0 };
    bench->worker.now_us = 1000000;
    timers_init(&bench->worker.timers, bench->worker.now_us);
    cache_init(&bench->cache, blocks, BLOCK);
    bench->settings = (struct scheduler_settings){ { step_tokens, sequences_max }, 1.0, true };
    scheduler_init(&bench->scheduler, &bench->worker, &bench->cache, &bench->settings);
}

static void bench_release(struct bench *bench)
{
    scheduler_release(&bench->scheduler);
    cache_release(&bench->cache);
}

/* Moves the clock on, a tick at a time, as a worker's loop would. */
static void bench_run(struct bench *bench, uint64_t us)
{
    for (uint64_t end = bench->worker.now_us + us; bench->worker.now_us < end;) {
        bench->worker.now_us += 1000;
        timers_run(&bench->worker.timers, bench->worker.now_us);
    }
}

static uint32_t token(struct sequence *sequence UNUSED, uint32_t index)
{
    return 5000 + index;
}

static void on_progress(struct sequence *sequence)
{
    struct subject *subject = CONTAINER_OF(sequence, struct subject, sequence);
    uint64_t end_us = subject->bench->scheduler.step_end_us;

    if (subject->first_us == 0)
        subject->first_us = end_us;
    if (sequence->item.state == BATCH_DONE)
        subject->done_us = end_us;
}

/* A prompt of `count` tokens, the first `shared` of them as in every other subject's. */
static void start(struct bench *bench, struct subject *subject, uint32_t count, uint32_t shared,
                  uint32_t goal)
{
    static uint32_t unique;

    *subject = (struct subject){ .bench = bench };
    sequence_init(&subject->sequence);
    for (uint32_t i = 0; i < count; i++)
        tokens_add(&subject->sequence.tokens, i < shared ? i : 1000000 + unique++);
    subject->sequence.item.prompt_tokens = count;
    subject->sequence.item.output_goal = goal;
    subject->sequence.item.root = cache_root(SLICE(""));
    subject->sequence.token = token;
    subject->sequence.on_progress = on_progress;
    assert_true(scheduler_add(&bench->scheduler, &subject->sequence));
}

static void a_step_takes_as_long_as_the_model_says(void **state UNUSED)
{
    static const struct {
        struct step_work work;
        double us;
        const char *why;
    } rows[] = {
        { { 0, 0, 0, 0 }, 12000, "an empty step" },
        { { 1000, 1000 * 500.0, 0, 0 }, 12000 + 62800 + 1180, "a prompt of 1000 tokens" },
        { { 8192, 8192.0 * (8192 + 4096), 0, 0 },
          12000 + 514457.6 + 237565.4,
          "the second chunk of a long one" },
        { { 0, 0, 256, 256 * 1000 }, 12000 + 7680 + 9984, "256 decodes of 1000 tokens each" },
        { { 100, 5000, 1, 2000 }, 12000 + 6280 + 11.8 + 30 + 78, "both" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double us = step_work_us(&rows[i].work);

        if (us < rows[i].us - 1 || us > rows[i].us + 1)
            fail_msg("%s: %.1f us, not %.1f", rows[i].why, us, rows[i].us);
    }
}

static void one_prompt_and_its_answer_take_the_sum_of_their_steps(void **state UNUSED)
{
    struct bench bench;
    struct subject a;
    uint64_t start_us;

    bench_init(&bench, 1000, 8192, 256);
    start_us = bench.worker.now_us;
    start(&bench, &a, 1000, 0, 3);
    bench_run(&bench, 200000);
    /* 12000 + 62800 + 2.36e-3 * 1000 * 500 */
    assert_int_equal(a.first_us - start_us, 75980);
    /* two decodes: 12000 + 30 + 0.039 * 1000, and * 1001 */
    assert_int_equal(a.done_us - a.first_us, 2 * 12069);
    assert_int_equal(a.sequence.item.output_tokens, 3);
    assert_int_equal(bench.scheduler.batch.counts.steps, 3);
    assert_int_equal(bench.scheduler.batch.counts.generation_tokens, 3);
    sequence_release(&a.sequence);
    bench_release(&bench);
}

static void a_long_prompt_is_computed_in_chunks_of_the_budget(void **state UNUSED)
{
    struct bench bench;
    struct subject a;
    uint64_t start_us;

    bench_init(&bench, 1000, 1000, 256);
    start_us = bench.worker.now_us;
    start(&bench, &a, 2500, 0, 1);
    bench_run(&bench, 300000);
    assert_int_equal(bench.scheduler.batch.counts.steps, 3);
    /* 3 * 12000 + 62.8 * 2500 + 2.36e-3 * (1000 * 500 + 1000 * 1500 + 500 * 2250) */
    assert_int_equal(a.done_us - start_us, 36000 + 157000 + 7375);
    sequence_release(&a.sequence);
    bench_release(&bench);
}

static void decodes_come_before_prefills_and_both_share_a_step(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b;

    bench_init(&bench, 1000, 100, 256);
    start(&bench, &a, 50, 0, 10);
    bench_run(&bench, 20000); /* a's prompt: 12000 + 3140 + 2.95 */
    assert_int_equal(a.sequence.item.output_tokens, 1);
    start(&bench, &b, 150, 0, 1);
    bench_run(&bench, 8000); /* the step under way ends at 27.2 ms; then b is admitted */
    assert_int_equal(a.sequence.item.output_tokens, 2);
    assert_int_equal(a.sequence.item.chunk, 1);
    assert_int_equal(b.sequence.item.chunk, 99);
    scheduler_cancel(&bench.scheduler, &a.sequence);
    scheduler_cancel(&bench.scheduler, &b.sequence);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    bench_release(&bench);
}

static void no_more_than_the_places_there_are_run_at_once(void **state UNUSED)
{
    struct bench bench;
    struct subject subjects[3];

    bench_init(&bench, 1000, 8192, 2);
    for (int i = 0; i < 3; i++)
        start(&bench, &subjects[i], 10, 0, i == 0 ? 2 : 20);
    bench_run(&bench, 2000);
    assert_int_equal(bench.scheduler.batch.running_count, 2);
    assert_int_equal(bench.scheduler.batch.waiting_count, 1);
    bench_run(&bench, 30000); /* the first is done after two steps */
    assert_int_equal(subjects[0].sequence.item.state, BATCH_DONE);
    assert_int_equal(subjects[2].sequence.item.state, BATCH_RUNNING);
    bench_run(&bench, 1000000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(subjects[i].sequence.item.state, BATCH_DONE);
        sequence_release(&subjects[i].sequence);
    }
    bench_release(&bench);
}

static void a_prefix_is_found_only_after_the_step_that_computed_it(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b, c;

    bench_init(&bench, 1000, 8192, 256);
    start(&bench, &a, 320, 320, 1);
    start(&bench, &b, 320, 320, 1); /* admitted with a: nothing is there yet */
    bench_run(&bench, 100000);
    assert_int_equal(a.sequence.item.cached_tokens, 0);
    assert_int_equal(b.sequence.item.cached_tokens, 0);
    start(&bench, &c, 330, 320, 1);
    bench_run(&bench, 100000);
    assert_int_equal(c.sequence.item.cached_tokens, 320);
    assert_int_equal(bench.scheduler.batch.counts.cache_hits, 320);
    assert_int_equal(bench.scheduler.batch.counts.cache_queries, 320 + 320 + 330);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    sequence_release(&c.sequence);
    bench_release(&bench);
}

static void the_last_token_is_never_found(void **state UNUSED)
{
    static const struct {
        uint32_t tokens, cached;
    } rows[] = { { 16, 0 }, { 17, 16 }, { 32, 16 }, { 33, 32 }, { 1, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench bench;
        struct subject a, b;

        bench_init(&bench, 1000, 8192, 256);
        start(&bench, &a, rows[i].tokens, rows[i].tokens, 1);
        bench_run(&bench, 100000);
        start(&bench, &b, rows[i].tokens, rows[i].tokens, 1);
        bench_run(&bench, 100000);
        assert_int_equal(b.sequence.item.cached_tokens, rows[i].cached);
        sequence_release(&a.sequence);
        sequence_release(&b.sequence);
        bench_release(&bench);
    }
}

static void an_answer_is_found_by_the_next_turn(void **state UNUSED)
{
    static const struct {
        bool cache_outputs;
        uint32_t cached;
        const char *why;
    } rows[] = {
        { true, 48, "16 + 33 tokens, the last of which was never computed: three blocks" },
        { false, 16, "the prompt's block only" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench bench;
        struct subject a, b;

        bench_init(&bench, 1000, 8192, 256);
        bench.settings.cache_outputs = rows[i].cache_outputs;
        start(&bench, &a, 16, 16, 33);
        bench_run(&bench, 1000000);
        b = (struct subject){ .bench = &bench };
        sequence_init(&b.sequence);
        tokens_append(&b.sequence.tokens, a.sequence.tokens.at, a.sequence.tokens.count);
        b.sequence.item.prompt_tokens = 49;
        b.sequence.item.output_goal = 1;
        b.sequence.item.root = a.sequence.item.root;
        b.sequence.token = token;
        b.sequence.on_progress = on_progress;
        assert_true(scheduler_add(&bench.scheduler, &b.sequence));
        bench_run(&bench, 100000);
        if (b.sequence.item.cached_tokens != rows[i].cached)
            fail_msg("%u tokens found, not %u: %s", b.sequence.item.cached_tokens, rows[i].cached,
                     rows[i].why);
        sequence_release(&a.sequence);
        sequence_release(&b.sequence);
        bench_release(&bench);
    }
}

static void a_prompt_begins_when_all_of_it_fits(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b;

    bench_init(&bench, 10, 32, 256); /* a step computes two of ten blocks */
    start(&bench, &a, 80, 0, 3);
    start(&bench, &b, 96, 0, 1);
    bench_run(&bench, 50000); /* a decodes, and there are five blocks less one for b's six */
    assert_int_equal(a.sequence.item.output_tokens, 1);
    assert_int_equal(b.sequence.item.state, BATCH_WAITING);
    bench_run(&bench, 1000000);
    assert_int_equal(b.sequence.item.state, BATCH_DONE);
    assert_true(b.first_us > a.done_us);
    assert_int_equal(bench.scheduler.batch.counts.preemptions, 0);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    bench_release(&bench);
}

static void idle_time_is_from_the_last_end_to_the_next_arrival(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b, c;
    const struct scheduler_idle *idle = &bench.scheduler.idle;

    bench_init(&bench, 100, 8192, 256);
    start(&bench, &a, 16, 0, 1); /* nothing was before it */
    start(&bench, &b, 16, 0, 2);
    assert_int_equal(idle->count, 0);
    bench_run(&bench, 50000); /* 14010 and 12031 us: seen 27 ms after the start */
    start(&bench, &c, 16, 0, 1);
    assert_int_equal(idle->count, 1);
    assert_int_equal(idle->total_us, 23000);
    assert_int_equal(idle->longest_us, 23000);
    assert_int_equal(idle->over_ms, 1);
    scheduler_cancel(&bench.scheduler, &c.sequence);
    bench_run(&bench, 7000);
    scheduler_cancel(&bench.scheduler, &c.sequence); /* is no end any more */
    sequence_release(&c.sequence);
    start(&bench, &c, 16, 0, 1);
    assert_int_equal(idle->count, 2);
    assert_int_equal(idle->total_us, 30000);
    scheduler_cancel(&bench.scheduler, &c.sequence);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    sequence_release(&c.sequence);
    bench_release(&bench);
}

static void the_youngest_gives_up_its_blocks_and_still_finishes(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b;

    bench_init(&bench, 5, 8192, 256); /* 80 tokens; both want 32 + 30 */
    start(&bench, &a, 32, 0, 30);
    start(&bench, &b, 32, 0, 30);
    bench_run(&bench, 3000000);
    assert_true(bench.scheduler.batch.counts.preemptions >= 1);
    assert_int_equal(a.sequence.item.output_tokens, 30);
    assert_int_equal(b.sequence.item.output_tokens, 30);
    assert_true(a.done_us < b.done_us);
    assert_int_equal(bench.cache.free_count, 5);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    bench_release(&bench);
}

static void what_can_never_fit_is_refused(void **state UNUSED)
{
    struct bench bench;
    struct sequence sequence;

    bench_init(&bench, 2, 8192, 256);
    sequence_init(&sequence);
    for (uint32_t i = 0; i < 30; i++)
        tokens_add(&sequence.tokens, i);
    sequence.item.prompt_tokens = 30;
    sequence.item.output_goal = 3;
    assert_false(scheduler_add(&bench.scheduler, &sequence));
    assert_int_equal(sequence.item.state, BATCH_NEW);
    sequence_release(&sequence);
    bench_release(&bench);
}

static void a_cancelled_sequence_frees_its_blocks_at_once(void **state UNUSED)
{
    struct bench bench;
    struct subject a, b;

    bench_init(&bench, 100, 8192, 256);
    start(&bench, &a, 100, 0, 50);
    start(&bench, &b, 100, 0, 3);
    bench_run(&bench, 40000); /* both have had their first decode */
    assert_int_equal(bench.cache.free_count, 100 - 2 * 7);
    scheduler_cancel(&bench.scheduler, &a.sequence);
    scheduler_cancel(&bench.scheduler, &a.sequence);
    assert_int_equal(a.sequence.item.state, BATCH_DONE);
    assert_int_equal(bench.cache.free_count, 100 - 7);
    bench_run(&bench, 100000);
    assert_int_equal(b.sequence.item.state, BATCH_DONE);
    assert_int_equal(bench.cache.free_count, 100);
    assert_int_equal(bench.scheduler.batch.running_count, 0);
    sequence_release(&a.sequence);
    sequence_release(&b.sequence);
    bench_release(&bench);
}

static void steps_shorter_than_a_tick_are_caught_up_with(void **state UNUSED)
{
    struct bench bench;
    struct subject a;
    uint64_t start_us;

    bench_init(&bench, 1000, 8192, 256);
    bench.settings.time_scale = 0.01;
    start_us = bench.worker.now_us;
    start(&bench, &a, 1000, 0, 101);
    bench_run(&bench, 50000);
    /* (75980 + sum over 100 decodes of 12030 + 0.039 * context) / 100; contexts 1000 .. 1099 */
    assert_in_range(a.done_us - start_us, 12830, 12833);
    sequence_release(&a.sequence);
    bench_release(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_takes_as_long_as_the_model_says),
        cmocka_unit_test(one_prompt_and_its_answer_take_the_sum_of_their_steps),
        cmocka_unit_test(a_long_prompt_is_computed_in_chunks_of_the_budget),
        cmocka_unit_test(decodes_come_before_prefills_and_both_share_a_step),
        cmocka_unit_test(no_more_than_the_places_there_are_run_at_once),
        cmocka_unit_test(a_prefix_is_found_only_after_the_step_that_computed_it),
        cmocka_unit_test(the_last_token_is_never_found),
        cmocka_unit_test(an_answer_is_found_by_the_next_turn),
        cmocka_unit_test(a_prompt_begins_when_all_of_it_fits),
        cmocka_unit_test(idle_time_is_from_the_last_end_to_the_next_arrival),
        cmocka_unit_test(the_youngest_gives_up_its_blocks_and_still_finishes),
        cmocka_unit_test(what_can_never_fit_is_refused),
        cmocka_unit_test(a_cancelled_sequence_frees_its_blocks_at_once),
        cmocka_unit_test(steps_shorter_than_a_tick_are_caught_up_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
