/*
 * Patterns: what each kind finds in a text, and which of the known ones stand for a regular
 * expression.
 */
#include "gateway/token/pattern.h"

#include "tests/unit/tokenizer_rig.h"

#define STRING(text)   "{'String':'" text "'}"
#define REGEX(pattern) "{'Regex':'" pattern "'}"
#define GPT2                                                                                       \
    "\\u0027s|\\u0027t|\\u0027re|\\u0027ve|\\u0027m|\\u0027ll|\\u0027d| ?\\\\p{L}+| ?\\\\p{N}+| "  \
    "?[^\\\\s\\\\p{L}"                                                                             \
    "\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+"

/* Matches, those that are empty too, between bars. */
static void check(const struct pattern *pattern, const char *text, const char *wanted)
{
    struct regex_room *room = regex_room_new(NULL);
    struct pattern_walk walk;
    struct text found;
    size_t start, end;

    text_init(&found);
    pattern_begin(&walk, pattern, room, slice_str(text));
    while (pattern_next(&walk, &start, &end)) {
        text_add(&found, slice_of(text + start, end - start));
        text_add(&found, SLICE("|"));
    }
    if (!slice_eq(text_slice(&found), slice_str(wanted)))
        fail_msg("\"%s\": \"%.*s\", wanted \"%s\"", text, SLICE_ARGS(text_slice(&found)), wanted);
    text_release(&found);
    regex_room_free(room);
}

static void patterns_of_a_file_find_their_matches(void **state)
{
    static const struct {
        const char *json;
        enum pattern_kind kind;
        const char *text, *matches;
    } rows[] = {
        { STRING("-"), PATTERN_LITERAL, "a-b--", "-|-|-|" },
        { STRING("-"), PATTERN_LITERAL, "", "" },
        { STRING("-"), PATTERN_LITERAL, "ab", "" },
        { STRING("aa"), PATTERN_LITERAL, "aaaaa", "aa|aa|" }, /* none overlaps */
        { STRING("."), PATTERN_LITERAL, "a.b", ".|" },        /* it is no expression */
        { STRING("\xe2\x96\x81"), PATTERN_LITERAL, "\xe2\x96\x81x\xe2\x96\x81",
          "\xe2\x96\x81|\xe2\x96\x81|" },
        { STRING("\\u00e9"), PATTERN_LITERAL, "\xc3\xa9", "\xc3\xa9|" },
        { REGEX("[0-9]+"), PATTERN_REGEX, "a12b3", "12|3|" },
        { REGEX("x*"), PATTERN_REGEX, "axb", "|x||" },
        { REGEX("x*"), PATTERN_REGEX, "", "|" },
        { REGEX("."), PATTERN_REGEX, "\xc3\xa9\xe4\xb8\xad", "\xc3\xa9|\xe4\xb8\xad|" },
        { REGEX("a$"), PATTERN_REGEX, "aa", "a|" },
        /* Known, but asked for its matches only, which another kind would have to tell apart. */
        { REGEX("[0-9][0-9][0-9]"), PATTERN_REGEX, "1234567a", "123|456|" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern pattern = { .kind = PATTERN_MASK };
        struct rig_node rig;

        rig_open(&rig, rows[i].json);
        assert_true(pattern_load(&rig.node, PATTERN_USE_MATCHES, &pattern));
        assert_int_equal(pattern.kind, rows[i].kind);
        check(&pattern, rows[i].text, rows[i].matches);
        pattern_release(&pattern);
        rig_close(&rig);
    }
}

/* What is coded by hand gives the pieces of a text, and so stands for an expression where pieces
 * are asked for; where only matches are wanted, as long as they leave nothing between. */
static void known_expressions_are_coded_by_hand_where_that_does(void **state)
{
    static const struct {
        const char *json;
        enum pattern_use use;
        enum pattern_kind kind;
        const char *text, *matches;
    } rows[] = {
        { REGEX(GPT2), PATTERN_USE_PIECES, PATTERN_SPLIT, "it's a  b", "it|'s| a| | b|" },
        { REGEX(GPT2), PATTERN_USE_COVER, PATTERN_SPLIT, "it's a  b", "it|'s| a| | b|" },
        { REGEX(GPT2), PATTERN_USE_MATCHES, PATTERN_REGEX, "it's a  b", "it|'s| a| | b|" },
        { REGEX("[0-9][0-9][0-9]"), PATTERN_USE_PIECES, PATTERN_SPLIT, "1234567a", "123|456|7a|" },
        { REGEX("[0-9][0-9][0-9]"), PATTERN_USE_COVER, PATTERN_REGEX, "1234567a", "123|456|" },
        { REGEX("\\\\p{N}{1,3}"), PATTERN_USE_PIECES, PATTERN_SPLIT, "a1234", "a|123|4|" },
        { REGEX("\\\\p{N}{1,3}"), PATTERN_USE_COVER, PATTERN_REGEX, "a1234", "123|4|" },
        { REGEX("\\\\p{N}{1,4}"), PATTERN_USE_PIECES, PATTERN_REGEX, "a12345", "1234|5|" },
        { REGEX("\\\\p{N}{1,3}"), PATTERN_USE_PIECES, PATTERN_SPLIT, "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern pattern = { .kind = PATTERN_MASK };
        struct rig_node rig;

        rig_open(&rig, rows[i].json);
        assert_true(pattern_load(&rig.node, rows[i].use, &pattern));
        if (pattern.kind != rows[i].kind)
            fail_msg("row %zu: kind %d, wanted %d", i, pattern.kind, rows[i].kind);
        check(&pattern, rows[i].text, rows[i].matches);
        pattern_release(&pattern);
        rig_close(&rig);
    }
}

/* More pieces than a walk fetches at once. */
static void a_long_text_has_all_its_pieces(void **state)
{
    const struct pattern pattern = { .kind = PATTERN_SPLIT,
                                     .split = split_find(SLICE("\\p{N}{1,3}")) };
    static const size_t counts[] = { 1, PATTERN_ENDS, PATTERN_ENDS + 1, 1000 };
    char text[3001];

    (void)state;
    assert_non_null(pattern.split);
    memset(text, '1', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct pattern_walk walk;
        size_t start, end, count = 0, last = 0;

        pattern_begin(&walk, &pattern, NULL, slice_of(text, 3 * counts[i]));
        for (; pattern_next(&walk, &start, &end); count++) {
            assert_int_equal(start, last);
            assert_int_equal(end, start + 3);
            last = end;
        }
        assert_int_equal(count, counts[i]);
    }
}

static void classes_match_code_point_by_code_point(void **state)
{
    static const struct {
        struct pattern pattern;
        const char *text, *matches;
    } rows[] = {
        { { .kind = PATTERN_MASK, .mask = UNICODE_MASK(DIGIT) },
          "a12\xd9\xa3\xc2\xbd",
          "1|2|\xd9\xa3|\xc2\xbd|" }, /* Rust's is_numeric */
        { { .kind = PATTERN_MASK, .mask = UNICODE_MASK(BERT_PUNCT) },
          "a,.\xe3\x80\x82$b",
          ",|.|\xe3\x80\x82|$|" },
        { { .kind = PATTERN_MASK, .mask = UNICODE_MASK(SPACE) }, "", "" },
        { { .kind = PATTERN_WORDS }, "Hi, w\xc3\xb6rld!? a_b", "Hi|,|w\xc3\xb6rld|!?|a_b|" },
        { { .kind = PATTERN_WORDS },
          "1\xcc\x81\xe2\x80\x8d,",
          "1\xcc\x81\xe2\x80\x8d|,|" }, /* marks and joiners are of words */
        { { .kind = PATTERN_WORDS }, " \t\xe3\x80\x80", "" },
        { { .kind = PATTERN_WORDS }, "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i].pattern, rows[i].text, rows[i].matches);
}

static void what_is_no_pattern_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *json, *said;
    } rows[] = {
        { "'a'", "part: must be an object, is a string" },
        { "{}", "part.String: is missing" },
        { "{'Other':'a'}", "part.String: is missing" },
        { "{'String':7}", "part.String: must be a string, is a number" },
        { STRING(""), "part.String: is empty" },
        { "{'Regex':['a']}", "part.Regex: must be a string, is an array" },
        { REGEX("(a)\\\\1"),
          "part.Regex: is not supported: at byte 5 of the pattern: a back reference or an octal "
          "number" },
        { REGEX("a{2,1}"), "part.Regex: is not supported: at byte 6 of the pattern: an interval "
                           "that is not supported" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pattern pattern = { .kind = PATTERN_MASK };
        struct rig_node rig;
        bool loaded;

        rig_open(&rig, rows[i].json);
        loaded = pattern_load(&rig.node, PATTERN_USE_PIECES, &pattern);
        pattern_release(&pattern);
        rig_refused(&rig, loaded, rows[i].said);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_of_a_file_find_their_matches),
        cmocka_unit_test(known_expressions_are_coded_by_hand_where_that_does),
        cmocka_unit_test(a_long_text_has_all_its_pieces),
        cmocka_unit_test(classes_match_code_point_by_code_point),
        cmocka_unit_test(what_is_no_pattern_is_refused_by_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
