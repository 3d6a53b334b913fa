/*
 * The rows of reason.def: each different from every other, and what users of them rely on.
 */
#include "gateway/base/reason.h"

#include "gateway/base/check.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void no_two_reasons_share_a_name_or_words(void **state)
{
    (void)state;
    assert_true(reason_count > 50);
    for (size_t i = 0; i < reason_count; i++)
        for (size_t k = 0; k < i; k++) {
            assert_ptr_not_equal(reason_all[i], reason_all[k]);
            assert_string_not_equal(reason_all[i]->name, reason_all[k]->name);
            assert_string_not_equal(reason_all[i]->text, reason_all[k]->text);
        }
}

static void names_are_labels_and_words_are_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < reason_count; i++) {
        const struct reason *reason = reason_all[i];

        assert_int_equal(strspn(reason->name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
                         strlen(reason->name));
        assert_true(strlen(reason->text) > 0);
        assert_true(reason->text[strlen(reason->text) - 1] != '.');
        assert_null(strpbrk(reason->text, "\"\\\r\n")); /* goes into JSON and headers as it is */
    }
}

/* A client that gets an answer gets an error of OpenAI's form with a type in it. */
static void an_answer_has_a_type_and_silence_has_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < reason_count; i++) {
        const struct reason *reason = reason_all[i];

        assert_true(reason->status == 0 || (reason->status >= 200 && reason->status < 600));
        if (reason == &reason_done)
            continue;
        assert_true(reason->status == 0 || reason->status >= 400);
        assert_int_equal(reason->type != NULL, reason->status != 0);
        assert_true(reason->h2_error <= 0xd);
        assert_true(reason->retry <= REASON_RETRY_FRESH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_reasons_share_a_name_or_words),
        cmocka_unit_test(names_are_labels_and_words_are_sentences),
        cmocka_unit_test(an_answer_has_a_type_and_silence_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
