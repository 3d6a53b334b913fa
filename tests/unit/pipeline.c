/*
 * The pipeline's budget: what cannot be done in time is not begun or given up, however often it is
 * asked for, and what can be done is exact before and after.
 */
#include "gateway/prompt/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A value, an id and a byte take so long at least that MANY of them do not fit. */
#define BUDGET_MS 25
#define MANY      (1u << 20)

static const struct pipeline_conf settings = {
    .key_block = 16,
    .budget = BUDGET_MS,
    .prompt_bytes = 64u << 20,
    .turn_cache = 1 << 20,
    .piece_cache = 1 << 20,
};

struct rig {
    struct pipeline *pipeline;
    struct recipe *recipe;
};

static int begin(void **state)
{
    static struct rig rig;
    struct recipe_settings folder = { .tokenizer = "tests/engine/tokenizer" };
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    rig.pipeline = pipeline_new();
    rig.recipe = recipe_load(&folder, &errors);
    buf_release(&errors);
    *state = &rig;
    return rig.recipe ? 0 : -1;
}

static int end(void **state)
{
    struct rig *rig = *state;

    pipeline_free(rig->pipeline);
    recipe_unref(rig->recipe);
    return 0;
}

/* `head`, `times` times `unit`, `tail`; ours. */
static char *repeated(const char *head, const char *unit, size_t times, const char *tail)
{
    size_t len = strlen(unit);
    char *text = xmalloc(strlen(head) + times * len + strlen(tail) + 1), *at = text;

    at = stpcpy(at, head);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, unit);
    stpcpy(at, tail);
    return text;
}

static enum exactness run(struct rig *rig, const char *dialect, const char *body,
                          uint64_t budget_ms)
{
    struct pipeline_conf conf = settings;
    struct pipeline_call call = { .conf = &conf, .recipe = rig->recipe, .token_bytes = 4 };
    struct pipeline_tokens tokens;
    struct prompt prompt;
    struct slice param;
    struct arena arena;
    enum exactness exactness;

    conf.budget = budget_ms;
    arena_init(&arena, 1 << 20);
    assert_null(prompt_parse(dialect_named(slice_str(dialect)), slice_str(body), slice_of(NULL, 0),
                             false, &arena, &prompt, &param));
    call.prompt = &prompt;
    pipeline_run(rig->pipeline, &call, &tokens);
    exactness = tokens.exactness;
    assert_int_equal(tokens.keys_exact, exactness == EXACTNESS_exact);
    blocks_release(&tokens.keys);
    pipeline_forget(rig->pipeline);
    arena_release(&arena);
    return exactness;
}

#define CHAT "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello, rivers.\"}]"

/* 40: those who ask again and again do not talk anybody round. */
static void what_cannot_be_done_in_time_is_never_begun(void **state)
{
    static const struct {
        const char *dialect, *head, *unit, *tail;
    } rows[] = {
        { "chat", CHAT ",\"tools\":[{\"type\":\"function\",\"function\":{\"x\":[1", ",1", "]}}]}" },
        { "chat", CHAT ",\"documents\":[{\"x\":1}", ",{}", "]}" },
        { "completions", "{\"model\":\"m\",\"prompt\":[1", ",1", "]}" },
        { "completions", "{\"model\":\"m\",\"prompt\":\"", "a river ", "\"}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *body = repeated(rows[i].head, rows[i].unit, MANY, rows[i].tail);

        for (int times = 0; times < 40; times++)
            if (run(*state, rows[i].dialect, body, BUDGET_MS) != EXACTNESS_budget)
                fail_msg("row %zu, time %d: it was begun", i, times);
        assert_int_equal(run(*state, "chat", CHAT "}", 10000), EXACTNESS_exact);
        free(body);
    }
}

/* One piece of a megabyte takes 100 ms to merge, and its least time fits. */
static void what_takes_too_long_is_given_up_and_leaves_no_trace(void **state)
{
    char *body = repeated("{\"model\":\"m\",\"prompt\":\"", "a", MANY, "\"}");

    for (int times = 0; times < 3; times++)
        assert_int_equal(run(*state, "completions", body, BUDGET_MS), EXACTNESS_budget);
    assert_int_equal(run(*state, "chat", CHAT "}", 10000), EXACTNESS_exact);
    assert_int_equal(run(*state, "completions", body, 10000), EXACTNESS_exact);
    free(body);
}

static void the_encoders_of_recipes_that_are_gone_go(void **state)
{
    struct rig *rig = *state;
    uint32_t refs = rig->recipe->snapshot.refs;

    pipeline_keep(rig->pipeline, rig->recipe);
    pipeline_tidy(rig->pipeline);
    assert_int_equal(rig->recipe->snapshot.refs, refs);
    pipeline_tidy(rig->pipeline);
    assert_int_equal(rig->recipe->snapshot.refs, refs - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_done_in_time_is_never_begun),
        cmocka_unit_test(what_takes_too_long_is_given_up_and_leaves_no_trace),
        cmocka_unit_test(the_encoders_of_recipes_that_are_gone_go),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
