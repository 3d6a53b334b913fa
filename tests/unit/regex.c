/*
 * Regular expressions: what they match, as Hugging Face tokenizers 0.23.2 finds it (its Split, the
 * matches that are not empty), what is refused, and that nothing explodes.
 */
#include "gateway/token/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct regex *compile(const char *pattern)
{
    char error[256];
    struct regex *regex = regex_new(slice_str(pattern), error, sizeof(error));

    if (!regex)
        fail_msg("%s: %s", pattern, error);
    return regex;
}

static void check(const char *pattern, const char *text, const char *wanted)
{
    struct regex_room *room = regex_room_new(NULL);
    struct regex *regex = compile(pattern);
    struct regex_walk walk;
    struct text found;
    size_t start, end;

    text_init(&found);
    regex_begin(&walk, regex, room, slice_str(text));
    while (regex_next(&walk, &start, &end)) {
        if (start == end)
            continue;
        if (found.len > 0)
            text_add(&found, SLICE("|"));
        text_add(&found, slice_of(text + start, end - start));
    }
    assert_false(walk.gave_up);
    if (!slice_eq(text_slice(&found), slice_str(wanted)))
        fail_msg("%s in \"%s\": \"%.*s\", wanted \"%s\"", pattern, text,
                 SLICE_ARGS(text_slice(&found)), wanted);
    text_release(&found);
    regex_free(regex);
    regex_room_free(room);
}

static const struct {
    const char *pattern, *text, *matches;
} matches[] = {
    { "\\w+", "ab_1\xc3\xa9 \xe4\xbd\xa0\xcc\x81-x", "ab_1\xc3\xa9|\xe4\xbd\xa0\xcc\x81|x" },
    { "\\W+",
      "a\xe2\x80\x99"
      "b",
      "\xe2\x80\x99" },
    { "\\d+", "1\xd9\xa3x\xc2\xb2", "1\xd9\xa3" },
    { "\\s+",
      "a \xc2\xa0\xc2\x85"
      "b\xe2\x80\x8b",
      " \xc2\xa0\xc2\x85" },
    { "\\h+", "fg", "f" },
    { "\\p{L}+", "a\xc3\xa9\xe4\xbd\xa0\xcc\x81 1", "a\xc3\xa9\xe4\xbd\xa0" },
    { "\\P{L}+",
      "a1\xcc\x81"
      "b",
      "1\xcc\x81" },
    { "\\p{Lu}\\p{Ll}*",
      "AbC\xc7\x85"
      "d",
      "Ab|C" },
    { "\\p{Han}+",
      "\xe4\xbd\xa0\xe5\xa5\xbd"
      "a\xe3\x80\x85\xe3\x80\x87",
      "\xe4\xbd\xa0\xe5\xa5\xbd|\xe3\x80\x85\xe3\x80\x87" },
    { "\\p{^N}+", "a1\xc2\xbd", "a" },
    { "[a-c&&[^b]]+", "abcca", "a|cca" },
    { "[^\\s\\p{L}]+", "a 1,", "1," },
    { "[[:digit:]]+", "a1\xd9\xa3\xc2\xb2", "1\xd9\xa3" },
    { "[[:^space:]]+",
      "a\xe3\x80\x80"
      "b\xe2\x80\x8b",
      "a|b\xe2\x80\x8b" },
    { "[[:word:]]+", "a_\xc3\xa9-\xcc\x81", "a_\xc3\xa9|\xcc\x81" },
    { "[[:xdigit:]]+",
      "fg\xef\xbc\x91"
      "F0",
      "f|F0" },
    { "[[:ascii:]]+",
      "a\xc3\xa9"
      "b",
      "a|b" },
    { "[[:digit:]a-]+", "1-ab", "1-a" },
    { "[[:^digit:]]+", "a1b", "a|b" },
    { "[\\x{4e00}-\\x{9fff}]",
      "\xe4\xbd\xa0"
      "a",
      "\xe4\xbd\xa0" },
    { "[\\]\\-\\\\]+", "a]-\\b", "]-\\" },
    { "[a\\-c]+", "a-cb", "a-c" },
    { "\\bfoo\\b", "foo foobar foo", "foo|foo" },
    { "\\Boo", "foo oo", "oo" },
    { "^.",
      "ab\x0a"
      "cd",
      "a|c" },
    { ".$",
      "ab\x0a"
      "cd",
      "b|d" },
    { "\\Aa", "aa", "a" },
    { "a\\z", "aa\x0a", "" },
    { "a\\Z", "aa\x0a", "a" },
    { "a.c",
      "a\x0a"
      "c abc",
      "abc" },
    { "(?:a|ab)c", "abc", "abc" },
    { "(?>a|ab)c", "abc ac", "ac" },
    { "a*+a", "aaa", "" },
    { "a++", "aaba", "aa|a" },
    { "(?:a|b)++", "abcba", "ab|ba" },
    { "(?:a|b)*+a|.", "aba", "a|b|a" },
    { "(ab?)?+a", "aba aa", "aba|aa" },
    { "(?:a|ab)++c", "abc aac", "aac" },
    { "a+?", "aaa", "a|a|a" },
    { "a{2}", "aaaaa", "aa|aa" },
    { "a{2,3}", "aaaaaaa", "aaa|aaa" },
    { "a{,2}b", "aaab", "aab" },
    { "a{2}?b", "aab b", "aab|b" },
    { "a{1,2}+", "aaaab", "aaaa" },
    { "a(?=b)", "abac", "a" },
    { "a(?!b)", "abac", "a" },
    { "(?<=a)b", "abbb", "b" },
    { "(?<!a)b", "abb", "b" },
    { "(?i)AB", "abAB", "ab|AB" },
    { "(?i:a)b", "AbABab", "Ab|ab" },
    { "(?i:k)", "kK\xe2\x84\xaa", "k|K|\xe2\x84\xaa" },
    { "(a)(b)", "ab", "ab" },
    { "(?<n>a)b", "ab", "ab" },
    { "x*", "axxb", "xx" },
    { "\\x41\\t\\n\\e", "A\x09\x0a\x1b", "A\x09\x0a\x1b" },
    { "\\u0041", "A", "A" },
    { "\xc3\xa9+",
      "\xc3\xa9\xc3\xa9"
      "e",
      "\xc3\xa9\xc3\xa9" },
    { "a|", "ba", "a" },
};

static void patterns_match_what_the_reference_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(matches); i++)
        check(matches[i].pattern, matches[i].text, matches[i].matches);
}

/* Empty ones too, but not where a match has just ended. */
static void empty_matches_are_found_once(void **state)
{
    static const size_t wanted[][2] = { { 0, 0 }, { 1, 3 }, { 5, 5 }, { 6, 6 } };
    static const char text[] = "axx\xc3\xa9"
                               "b";
    struct regex_room *room = regex_room_new(NULL);
    struct regex *regex = compile("x*");
    struct regex_walk walk;
    size_t start, end, count = 0;

    (void)state;
    regex_begin(&walk, regex, room, slice_str(text));
    for (; regex_next(&walk, &start, &end); count++) {
        assert_true(count < ARRAY_LEN(wanted));
        assert_int_equal(start, wanted[count][0]);
        assert_int_equal(end, wanted[count][1]);
    }
    assert_int_equal(count, ARRAY_LEN(wanted));
    regex_free(regex);
    regex_room_free(room);
}

static void what_both_do_not_read_alike_is_refused(void **state)
{
    static const struct {
        const char *pattern, *said;
    } rows[] = {
        { "(a)\\1", "at byte 5" },
        { "\\G", "an escape that is not supported" },
        { "\\K", "an escape that is not supported" },
        { "\\R", "an escape that is not supported" },
        { "\\X", "an escape that is not supported" },
        { "(?(1)a)", "a group that is not supported" },
        { "(?m)a", "a group that is not supported" },
        { "(?#a)", "comments are not supported" },
        { "a(?i)b", "options in the middle" },
        { "(?i)[^a]", "an inverted class without case" },
        { "(?i)ss", "letters without case" },
        { "a{2,1}", "an interval" },
        { "a{1,1001}", "an interval" },
        { "*", "nothing to repeat" },
        { "a**", "nothing to repeat" },
        { "[a", "[ without ]" },
        { "(a", "( without )" },
        { "a)", ") without (" },
        { "\\", "a backslash at the end" },
        { "[[:alpha:]]", "a POSIX bracket" },
        { "\\101", "an octal number" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char error[256] = "";
        struct regex *regex = regex_new(slice_str(rows[i].pattern), error, sizeof(error));

        if (regex || !strstr(error, rows[i].said))
            fail_msg("%s: wanted \"%s\", got \"%s\"", rows[i].pattern, rows[i].said, error);
    }
}

/* A walk over `count` times `part` and `end`: how many matches there are, and whether it came
 * through or says that it gave up. */
static bool walk_over(const char *pattern, const char *part, size_t count, const char *end,
                      struct deadline *deadline, size_t *ret_found)
{
    struct regex_room *room = regex_room_new(deadline);
    struct regex *regex = compile(pattern);
    struct regex_walk walk;
    struct text text;
    size_t from, to;

    text_init(&text);
    for (size_t i = 0; i < count; i++)
        text_add(&text, slice_str(part));
    text_add(&text, slice_str(end));
    regex_room_allow(room, text.len);
    regex_begin(&walk, regex, room, text_slice(&text));
    for (*ret_found = 0; regex_next(&walk, &from, &to);)
        ++*ret_found;
    text_release(&text);
    regex_free(regex);
    regex_room_free(room);
    return !walk.gave_up;
}

static bool walks_through(const char *pattern, const char *part, size_t count, const char *end,
                          struct deadline *deadline)
{
    size_t found;

    return walk_over(pattern, part, count, end, deadline, &found);
}

/* What needs a few steps a byte may have a megabyte of it; what needs a text's length at each place
 * is given up, at one place and at many, where it matches and where it does not. */
static void a_text_has_one_allowance_of_steps(void **state)
{
    static const struct {
        const char *pattern, *part, *end;
        size_t count;
        bool through;
    } rows[] = {
        { "\\s+(?!\\S)|\\s+", " ", "a", 1000000, true },
        { "\\p{L}+|.", "a", ".", 1000000, true },
        { "[bc]", "a", "", 1000000, true },
        { "[bc]", "\xc3\xa9", "b", 500000, true },
        { "a*[bc]", "a", "", 1000, true },
        { "(?:ab?)*[cd]|.", "a", "", 200, true },
        { "(?:ab?)*[cd]|.", "a", "", 100000, false },
        { "[^b]*[bc]|.", "a", "", 100000, false },
        { "(?:a|aa)+[bc]", "a", "", 1000, false },
        { "(?:a+)+[bc]|.", "a", "", 100000, false },
        /* Steps that are not counted: a class to the end of the text, at each place or each step.
         */
        { "[^b]*b|.", "a", "", 1000, true },
        { "[^b]*b|.", "a", "", 1000000, false },
        { "(?:(?=[^b]*)a)+[cd]", "a", "", 10000, false },
        { "(?:(?=(?:a|b)*+)a)*+[cd]", "a", "", 10000, false },
        { "(?:(?=(?:(?=[^b]*+)a)*+)a)*+[cd]", "a", "", 1000000, false },
        { "(?>[^b]*(?>[^b]*)[cd])|.", "a", "", 20000, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (walks_through(rows[i].pattern, rows[i].part, rows[i].count, rows[i].end, NULL) !=
            rows[i].through)
            fail_msg("%s over %zu bytes: should%s come through", rows[i].pattern, rows[i].count,
                     rows[i].through ? "" : " not");
}

/* PCRE2 is shown a part of the text at first: what it finds must be what it finds in all of it,
 * also where it looks at the text's end, wherever that lies. */
static void matches_are_those_of_the_whole_text(void **state)
{
    static const struct {
        const char *pattern, *part, *end;
        size_t matches; /* of any text */
    } rows[] = {
        { "a+$", "a", "", 1 },
        { "a+\\z", "a", "", 1 },
        { "a+(?!a)", "a", "", 1 },
        { "a+(?=b)", "a", "b", 1 },
        { "a+?\\b", "a", " ", 1 },
        { "a+\\B", "a", "b", 1 },
        { "(?:ab)+", "ab", "a", 1 },
        { "a+$", "a", "\n", 1 },
        { "\xc3\xa9+$", "\xc3\xa9", "", 1 },
        { "a*b|a+$", "a", "", 1 },
        { "(?<=a)b", "a", "b", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t count = 200; count < 600; count += 7) {
            size_t found;

            assert_true(walk_over(rows[i].pattern, rows[i].part, count, rows[i].end, NULL, &found));
            if (found != rows[i].matches)
                fail_msg("%s over %zu times \"%s\": %zu matches, wanted %zu", rows[i].pattern,
                         count, rows[i].part, found, rows[i].matches);
        }
}

static void what_is_late_is_left(void **state)
{
    struct deadline deadline = { .at_us = 1 };

    (void)state;
    assert_true(walks_through(".", "a", 100000, "", &deadline)); /* it is no limit that was met */
    assert_true(deadline.passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_the_reference_matches),
        cmocka_unit_test(empty_matches_are_found_once),
        cmocka_unit_test(what_both_do_not_read_alike_is_refused),
        cmocka_unit_test(a_text_has_one_allowance_of_steps),
        cmocka_unit_test(matches_are_those_of_the_whole_text),
        cmocka_unit_test(what_is_late_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
