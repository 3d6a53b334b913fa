/*
 * What usage says of caches, and what it means when it says nothing.
 */
#include "routing/cache_reports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct dialect_type *dialect(const char *name)
{
    return dialect_named(slice_str(name));
}

#define UNSAID (-1)

/* What a prompt of 100 tokens had cached in the end, where this was said of it. */
static int64_t complete(struct cache_reports *reports, const char *name, int64_t said)
{
    struct answer_usage usage = { .prompt = 100, .known = ANSWER_USAGE_PROMPT };

    if (said != UNSAID) {
        usage.cached = (uint64_t)said;
        usage.known |= ANSWER_USAGE_CACHED;
    }
    cache_reports_complete(reports, dialect(name), &usage);
    assert_int_equal(usage.prompt, 100);
    return usage.known & ANSWER_USAGE_CACHED ? (int64_t)usage.cached : UNSAID;
}

static void nothing_said_is_none_from_who_told_before_in_that_dialect(void **state)
{
    static const struct {
        const char *dialect;
        int64_t said, meant;
        const char *why;
    } rows[] = {
        { "chat", UNSAID, UNSAID, "it may never tell" },
        { "responses", 0, 0, "told always, whatever chats do" },
        { "responses", UNSAID, 0, "it has told" },
        { "chat", UNSAID, UNSAID, "not of chats" },
        { "chat", 48, 48, "the first hit" },
        { "chat", UNSAID, 0, "left out where nothing was" },
        { "chat", 64, 64, "a hit" },
        { "embeddings", UNSAID, UNSAID, "others never tell" },
    };
    struct cache_reports reports = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (complete(&reports, rows[i].dialect, rows[i].said) != rows[i].meant)
            fail_msg("row %zu, %s: %s", i, rows[i].dialect, rows[i].why);
    cache_reports_forget(&reports);
    assert_int_equal(complete(&reports, "chat", UNSAID), UNSAID);
}

static void without_a_prompt_nothing_is_meant(void **state)
{
    struct cache_reports reports = { 0 };
    struct answer_usage usage = { .known = ANSWER_USAGE_COMPLETION };

    (void)state;
    assert_int_equal(complete(&reports, "chat", 16), 16);
    cache_reports_complete(&reports, dialect("chat"), &usage);
    assert_int_equal(usage.known, ANSWER_USAGE_COMPLETION);
}

static void put_off(struct cache_reports *reports, int answers)
{
    for (int i = 0; i < answers; i++)
        cache_reports_put_off(reports, dialect("chat"), &(struct cache_unsaid){ 100, 16 });
}

static void assert_taken(struct cache_reports *reports, uint64_t answers)
{
    struct cache_unsaid taken = cache_reports_take(reports, dialect("chat"));

    assert_int_equal(taken.prompt, 100 * answers);
    assert_int_equal(taken.expected, 16 * answers);
}

static void what_was_put_off_is_taken_once(void **state)
{
    struct cache_reports reports = { 0 };

    (void)state;
    assert_taken(&reports, 0);
    put_off(&reports, 3);
    assert_int_equal(cache_reports_take(&reports, dialect("responses")).prompt, 0);
    assert_taken(&reports, 3);
    assert_taken(&reports, 0);
    put_off(&reports, CACHE_REPORTS_PUT_OFF);
    assert_taken(&reports, CACHE_REPORTS_PUT_OFF);
    put_off(&reports, CACHE_REPORTS_PUT_OFF + 1); /* it does not tell */
    assert_taken(&reports, 0);
    put_off(&reports, CACHE_REPORTS_PUT_OFF + 2);
    assert_taken(&reports, 0);
    put_off(&reports, 2);
    cache_reports_forget(&reports);
    assert_taken(&reports, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_none_from_who_told_before_in_that_dialect),
        cmocka_unit_test(without_a_prompt_nothing_is_meant),
        cmocka_unit_test(what_was_put_off_is_taken_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
