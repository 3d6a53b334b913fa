/*
 * Sets of code points, and how they are written for PCRE2.
 */
#include "gateway/token/code_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_written(const struct code_set *set, const char *wanted)
{
    struct text text;

    text_init(&text);
    text_add(&text, SLICE("<"));
    code_set_write(set, &text);
    if (!slice_starts(text_slice(&text), SLICE("<")) ||
        !slice_eq(slice_skip(text_slice(&text), 1), slice_str(wanted)))
        fail_msg("\"%.*s\", wanted \"%s\"", SLICE_ARGS(text_slice(&text)), wanted);
    text_release(&text);
}

struct range {
    uint32_t first, last;
};

static struct code_set *make(const struct range *ranges, size_t count)
{
    struct code_set *set = code_set_new();

    for (size_t i = 0; i < count; i++)
        code_set_add_range(set, ranges[i].first, ranges[i].last);
    return set;
}

/* PCRE2 takes no surrogates, and an empty class for one that goes on. */
static void sets_are_written_in_ranges(void **state)
{
    static const struct {
        struct range ranges[3];
        size_t count;
        const char *written, *inverted;
    } rows[] = {
        { { { 0 } }, 0, "(?!)", "[\\x{0}-\\x{d7ff}\\x{e000}-\\x{10ffff}]" },
        { { { 'a', 'a' } },
          1,
          "[\\x{61}]",
          "[\\x{0}-\\x{60}\\x{62}-\\x{d7ff}\\x{e000}-\\x{10ffff}]" },
        { { { 'a', 'c' }, { 'd', 'd' }, { 'f', 'f' } },
          3,
          "[\\x{61}-\\x{64}\\x{66}]",
          "[\\x{0}-\\x{60}\\x{65}\\x{67}-\\x{d7ff}\\x{e000}-\\x{10ffff}]" },
        { { { 'b', 'd' }, { 'a', 'c' } },
          2,
          "[\\x{61}-\\x{64}]",
          "[\\x{0}-\\x{60}\\x{65}-\\x{d7ff}\\x{e000}-\\x{10ffff}]" },
        { { { 0, 0 }, { 0x3f, 0x40 }, { 0x10ffff, 0x10ffff } },
          3,
          "[\\x{0}\\x{3f}-\\x{40}\\x{10ffff}]",
          "[\\x{1}-\\x{3e}\\x{41}-\\x{d7ff}\\x{e000}-\\x{10fffe}]" },
        { { { 0, 0xd7ff }, { 0xe000, 0x10ffff } },
          2,
          "[\\x{0}-\\x{d7ff}\\x{e000}-\\x{10ffff}]",
          "(?!)" },
        { { { 'b', 'a' } }, 1, "(?!)", "[\\x{0}-\\x{d7ff}\\x{e000}-\\x{10ffff}]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct code_set *set = make(rows[i].ranges, rows[i].count);

        assert_written(set, rows[i].written);
        code_set_invert(set);
        assert_written(set, rows[i].inverted);
        code_set_invert(set);
        assert_written(set, rows[i].written);
        code_set_free(set);
    }
}

static void sets_are_joined_and_cut(void **state)
{
    static const struct {
        struct range one, other;
        const char *joined, *both;
    } rows[] = {
        { { 'a', 'd' }, { 'c', 'f' }, "[\\x{61}-\\x{66}]", "[\\x{63}-\\x{64}]" },
        { { 'a', 'b' }, { 'd', 'e' }, "[\\x{61}-\\x{62}\\x{64}-\\x{65}]", "(?!)" },
        { { 'a', 'z' }, { 'm', 'm' }, "[\\x{61}-\\x{7a}]", "[\\x{6d}]" },
        { { 0x7f, 0x80 }, { 0x80, 0x81 }, "[\\x{7f}-\\x{81}]", "[\\x{80}]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct code_set *one = make(&rows[i].one, 1), *other = make(&rows[i].other, 1);
        struct code_set *joined = make(&rows[i].one, 1);

        code_set_add_set(joined, other);
        assert_written(joined, rows[i].joined);
        code_set_keep(one, other);
        assert_written(one, rows[i].both);
        code_set_free(one);
        code_set_free(other);
        code_set_free(joined);
    }
}

static void classes_are_added_by_their_masks(void **state)
{
    static const struct {
        uint64_t mask;
        const char *written;
    } rows[] = {
        { UNICODE_MASK(ZL) | UNICODE_MASK(ZP), "[\\x{2028}-\\x{2029}]" },
        { UNICODE_MASK(SPACE),
          "[\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}-\\x{2029}"
          "\\x{202f}\\x{205f}\\x{3000}]" },
        { UNICODE_MASK(PC),
          "[\\x{5f}\\x{203f}-\\x{2040}\\x{2054}\\x{fe33}-\\x{fe34}\\x{fe4d}-\\x{fe4f}\\x{ff3f}]" },
        { 0, "(?!)" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct code_set *set = code_set_new();

        code_set_add_mask(set, rows[i].mask);
        assert_written(set, rows[i].written);
        code_set_free(set);
    }
}

static void members_are_those_that_were_added(void **state)
{
    static const uint32_t codes[] = { 0, 'a', 63, 64, 0x4e00, 0x10ffff };
    struct code_set *set = code_set_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_false(code_set_has(set, codes[i]));
        code_set_add(set, codes[i]);
        code_set_add(set, codes[i]);
        assert_true(code_set_has(set, codes[i]));
    }
    code_set_invert(set);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        assert_false(code_set_has(set, codes[i]));
    assert_true(code_set_has(set, 'b'));
    assert_false(code_set_has(set, 0xd800));
    code_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_written_in_ranges),
        cmocka_unit_test(sets_are_joined_and_cut),
        cmocka_unit_test(classes_are_added_by_their_masks),
        cmocka_unit_test(members_are_those_that_were_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
