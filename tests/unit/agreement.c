/*
 * When predictions are trusted, and what a token is long.
 */
#include "gateway/prompt/agreement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Notes `count` comparisons; returns the last change there was. */
static enum agreement_change note(struct agreement *agreement, bool same, unsigned count)
{
    enum agreement_change last = AGREEMENT_STAYS, change;

    while (count-- > 0)
        if ((change = agreement_note(agreement, same)) != AGREEMENT_STAYS)
            last = change;
    return last;
}

static void trust_is_lost_at_eight_of_thirty_two(void **state)
{
    struct agreement *agreement = agreement_new();

    (void)state;
    assert_true(agreement_is_trusted(agreement));
    assert_int_equal(note(agreement, false, AGREEMENT_DIFFER - 1), AGREEMENT_STAYS);
    assert_true(agreement_is_trusted(agreement));
    assert_int_equal(note(agreement, false, 1), AGREEMENT_LOST);
    assert_false(agreement_is_trusted(agreement));
    agreement_unref(agreement);
}

static void another_recipe_begins_trusted_and_knows_what_a_token_is_long(void **state)
{
    struct agreement *before = agreement_new(), *after;

    (void)state;
    note(before, false, AGREEMENT_DIFFER);
    for (int i = 0; i < 200; i++)
        agreement_learn(before, 200, 100);
    after = agreement_after(before);
    assert_true(agreement_is_trusted(after));
    assert_true(agreement_token_bytes(after) == agreement_token_bytes(before));
    assert_true(agreement_token_bytes(after) < AGREEMENT_TOKEN_BYTES);
    agreement_unref(after);
    after = agreement_after(NULL);
    assert_true(agreement_token_bytes(after) == AGREEMENT_TOKEN_BYTES);
    agreement_unref(after);
    agreement_unref(before);
}

static void what_is_longer_ago_than_the_window_is_forgotten(void **state)
{
    struct agreement *agreement = agreement_new();

    (void)state;
    for (int i = 0; i < 100; i++) {
        note(agreement, false, AGREEMENT_DIFFER - 1);
        note(agreement, true, AGREEMENT_WINDOW);
    }
    assert_true(agreement_is_trusted(agreement));
    agreement_unref(agreement);
}

static void trust_comes_back_after_sixteen_that_agree(void **state)
{
    struct agreement *agreement = agreement_new();

    (void)state;
    note(agreement, false, AGREEMENT_DIFFER);
    assert_int_equal(note(agreement, true, AGREEMENT_RECOVER - 1), AGREEMENT_STAYS);
    assert_int_equal(note(agreement, true, 1), AGREEMENT_REGAINED);
    assert_true(agreement_is_trusted(agreement));
    assert_int_equal(note(agreement, false, AGREEMENT_DIFFER - 1), AGREEMENT_STAYS);
    agreement_unref(agreement);
}

static void one_that_differs_does_not_keep_trust_away(void **state)
{
    struct agreement *agreement = agreement_new();

    (void)state;
    note(agreement, false, AGREEMENT_DIFFER);
    note(agreement, true, 3);
    note(agreement, false, 1);
    assert_int_equal(note(agreement, true, AGREEMENT_RECOVER - 1), AGREEMENT_REGAINED);
    note(agreement, false, AGREEMENT_DIFFER);
    note(agreement, false, 2);
    assert_int_equal(note(agreement, true, AGREEMENT_RECOVER - 2), AGREEMENT_STAYS);
    assert_int_equal(note(agreement, true, 1), AGREEMENT_REGAINED);
    agreement_unref(agreement);
}

static void one_in_eight_is_tried_while_there_is_no_trust(void **state)
{
    struct agreement *agreement = agreement_new();
    unsigned wanted = 0;

    (void)state;
    for (int i = 0; i < 80; i++)
        assert_true(agreement_wants_exact(agreement));
    note(agreement, false, AGREEMENT_DIFFER);
    for (int i = 0; i < 80; i++)
        wanted += agreement_wants_exact(agreement);
    assert_int_equal(wanted, 80 / AGREEMENT_PROBE);
    agreement_unref(agreement);
}

static void the_length_of_a_token_is_learned(void **state)
{
    static const struct {
        uint64_t bytes, tokens;
        double least, most;
    } cases[] = {
        { 3000, 1000, 2.9, 3.1 },
        { 6000, 1000, 5.9, 6.1 },
        { 1000000, 1000, 900, 1100 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct agreement *agreement = agreement_new();

        assert_true(agreement_token_bytes(agreement) == AGREEMENT_TOKEN_BYTES);
        for (int n = 0; n < 200; n++)
            agreement_learn(agreement, cases[i].bytes, cases[i].tokens);
        assert_true(agreement_token_bytes(agreement) > cases[i].least);
        assert_true(agreement_token_bytes(agreement) < cases[i].most);
        agreement_unref(agreement);
    }
}

static void what_says_nothing_of_text_teaches_nothing(void **state)
{
    static const uint64_t cases[][2] = {
        { 0, 1000 }, { 10, 2 }, { 0, 0 }, { UINT64_MAX / 2000, 100 }, { 50000000, 100 },
    };
    struct agreement *agreement = agreement_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        agreement_learn(agreement, cases[i][0], cases[i][1]);
    assert_true(agreement_token_bytes(agreement) == AGREEMENT_TOKEN_BYTES);
    agreement_unref(agreement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_is_lost_at_eight_of_thirty_two),
        cmocka_unit_test(another_recipe_begins_trusted_and_knows_what_a_token_is_long),
        cmocka_unit_test(what_is_longer_ago_than_the_window_is_forgotten),
        cmocka_unit_test(trust_comes_back_after_sixteen_that_agree),
        cmocka_unit_test(one_that_differs_does_not_keep_trust_away),
        cmocka_unit_test(one_in_eight_is_tried_while_there_is_no_trust),
        cmocka_unit_test(the_length_of_a_token_is_learned),
        cmocka_unit_test(what_says_nothing_of_text_teaches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
