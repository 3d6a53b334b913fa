/*
 * Slices: comparison, trimming, cutting, numbers.
 */
#include "gateway/base/slice.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void comparison_ignores_ascii_case_only(void **state)
{
    static const struct {
        struct slice a, b;
        bool same, same_but_for_case;
    } rows[] = {
        { SLICE_INIT(""), SLICE_INIT(""), true, true },
        { { NULL, 0 }, SLICE_INIT(""), true, true },
        { SLICE_INIT("Host"), SLICE_INIT("host"), false, true },
        { SLICE_INIT("host"), SLICE_INIT("hosts"), false, false },
        { SLICE_INIT("[x"), SLICE_INIT("{X"), false, false }, /* 32 apart, but no letters */
        { SLICE_INIT("\xc3\x84"), SLICE_INIT("\xc3\xa4"), false, false },
        { SLICE_INIT("a\0b"), SLICE_INIT("a\0c"), false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(slice_eq(rows[i].a, rows[i].b), rows[i].same);
        assert_int_equal(slice_ieq(rows[i].a, rows[i].b), rows[i].same_but_for_case);
    }
}

static void prefixes_and_suffixes_may_be_empty_or_all(void **state)
{
    struct slice s = SLICE("abc");

    (void)state;
    assert_true(slice_starts(s, SLICE("")) && slice_ends(s, SLICE("")));
    assert_true(slice_starts(s, s) && slice_ends(s, s));
    assert_true(slice_starts(s, SLICE("ab")) && slice_ends(s, SLICE("bc")));
    assert_false(slice_starts(s, SLICE("abcd")) || slice_ends(s, SLICE("abcd")));
    assert_false(slice_starts(s, SLICE("b")) || slice_ends(s, SLICE("b")));
    assert_true(slice_starts(slice_of(NULL, 0), slice_of(NULL, 0)));
}

static void skip_and_head_stop_at_the_end(void **state)
{
    struct slice s = SLICE("abc");

    (void)state;
    assert_true(slice_eq(slice_skip(s, 2), SLICE("c")));
    assert_int_equal(slice_skip(s, 4).len, 0);
    assert_true(slice_eq(slice_head(s, 2), SLICE("ab")));
    assert_true(slice_eq(slice_head(s, 9), s));
    assert_null(slice_skip(slice_of(NULL, 0), 1).at);
}

static void trim_takes_spaces_and_tabs_and_nothing_else(void **state)
{
    static const struct {
        struct slice in, out;
    } rows[] = {
        { SLICE_INIT(""), SLICE_INIT("") },
        { SLICE_INIT(" \t "), SLICE_INIT("") },
        { SLICE_INIT("\t a b\t"), SLICE_INIT("a b") },
        { SLICE_INIT("\na\v"), SLICE_INIT("\na\v") },
        { SLICE_INIT("a"), SLICE_INIT("a") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(slice_eq(slice_trim(rows[i].in), rows[i].out));
    assert_int_equal(slice_trim(slice_of(NULL, 0)).len, 0);
}

static void cutting_gives_every_part_and_then_null(void **state)
{
    struct slice rest = SLICE("a,,bc,");

    (void)state;
    assert_true(slice_eq(slice_cut(&rest, ','), SLICE("a")));
    assert_true(slice_eq(slice_cut(&rest, ','), SLICE("")));
    assert_true(slice_eq(slice_cut(&rest, ','), SLICE("bc")));
    assert_non_null(rest.at); /* behind the last comma is one more, empty part */
    assert_true(slice_eq(slice_cut(&rest, ','), SLICE("")));
    assert_null(rest.at);
    assert_int_equal(slice_cut(&rest, ',').len, 0);
}

static void numbers_are_digits_up_to_two_to_the_64_less_one(void **state)
{
    static const struct {
        struct slice text;
        bool good;
        uint64_t value;
    } rows[] = {
        { SLICE_INIT("0"), true, 0 },
        { SLICE_INIT("00012"), true, 12 },
        { SLICE_INIT("18446744073709551615"), true, UINT64_MAX },
        { SLICE_INIT("18446744073709551616"), false, 0 },
        { SLICE_INIT("18446744073709551620"), false, 0 },
        { SLICE_INIT("99999999999999999999"), false, 0 },
        { SLICE_INIT(""), false, 0 },
        { SLICE_INIT("+5"), false, 0 },
        { SLICE_INIT("-5"), false, 0 },
        { SLICE_INIT("5 "), false, 0 },
        { SLICE_INIT("0x5"), false, 0 },
        { SLICE_INIT("5/"), false, 0 },
        { SLICE_INIT("5:"), false, 0 },
        { SLICE_INIT("\xb5"), false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 77; /* untouched on failure */

        assert_int_equal(slice_u64(rows[i].text, &value), rows[i].good);
        assert_int_equal(value, rows[i].good ? rows[i].value : 77);
    }
}

static void the_first_of_two_bytes_is_found_wherever_it_lies(void **state)
{
    char text[70];

    (void)state;
    for (size_t len = 0; len <= sizeof(text); len++) {
        memset(text, '.', sizeof(text));
        assert_int_equal(slice_find_either(slice_of(text, len), 'a', 'b'), len);
        for (size_t at = 0; at < sizeof(text); at++) { /* also behind the end */
            memset(text, '.', sizeof(text));
            text[at] = at % 2 ? 'a' : 'b';
            text[sizeof(text) - 1] = at % 2 ? 'b' : 'a'; /* not the first one */
            assert_int_equal(slice_find_either(slice_of(text, len), 'a', 'b'), at < len ? at : len);
        }
    }
    assert_int_equal(slice_find_either(slice_of(NULL, 0), 'a', 'b'), 0);
}

static void a_copy_is_terminated_and_may_hold_nul(void **state)
{
    char *copy = slice_dup(SLICE("a\0b"));

    (void)state;
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = slice_dup(slice_of(NULL, 0));
    assert_string_equal(copy, "");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_ignores_ascii_case_only),
        cmocka_unit_test(prefixes_and_suffixes_may_be_empty_or_all),
        cmocka_unit_test(skip_and_head_stop_at_the_end),
        cmocka_unit_test(trim_takes_spaces_and_tabs_and_nothing_else),
        cmocka_unit_test(cutting_gives_every_part_and_then_null),
        cmocka_unit_test(numbers_are_digits_up_to_two_to_the_64_less_one),
        cmocka_unit_test(the_first_of_two_bytes_is_found_wherever_it_lies),
        cmocka_unit_test(a_copy_is_terminated_and_may_hold_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
