/*
 * The JSON reader: RFC 8259 case by case, limits, walking, texts and numbers, and every vector
 * kernel against the scalar one.
 */
#include "gateway/prompt/json.h"
#include "gateway/prompt/json_string.h"
#include "gateway/prompt/json_unescape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct slice accepted[] = {
    SLICE_INIT("{}"),
    SLICE_INIT("[]"),
    SLICE_INIT(" \t\r\n[ ]\n"),
    SLICE_INIT("null"),
    SLICE_INIT("true"),
    SLICE_INIT("false"),
    SLICE_INIT("\"\""),
    SLICE_INIT("0"),
    SLICE_INIT("-0"),
    SLICE_INIT("-0.0"),
    SLICE_INIT("10"),
    SLICE_INIT("1e400"),
    SLICE_INIT("1E-400"),
    SLICE_INIT("1e+2"),
    SLICE_INIT("1.5e00002"),
    SLICE_INIT("123456789012345678901234567890"),
    SLICE_INIT("0e1"),
    SLICE_INIT("0.1"),
    SLICE_INIT("-1.0E+0"),
    SLICE_INIT("[1,2 , 3]"),
    SLICE_INIT("{\"a\":1,\"a\":2}"),
    SLICE_INIT("{\"\":0}"),
    SLICE_INIT("[[],[[]],{},{\"a\":[]}]"),
    SLICE_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""),
    SLICE_INIT("\"\\ud83d\\ude00\""),
    SLICE_INIT("\"\\ud800\"") /* a lone surrogate is grammar */,
    SLICE_INIT("\"\\u0000\""),
    SLICE_INIT("\"\x7f\""),
    SLICE_INIT("\"\xc2\x80\""),
    SLICE_INIT("\"\xdf\xbf\""),
    SLICE_INIT("\"\xe0\xa0\x80\""),
    SLICE_INIT("\"\xed\x9f\xbf\""),
    SLICE_INIT("\"\xee\x80\x80\""),
    SLICE_INIT("\"\xef\xbb\xbf\""),
    SLICE_INIT("\"\xef\xbf\xbf\""),
    SLICE_INIT("\"\xf0\x90\x80\x80\""),
    SLICE_INIT("\"\xf4\x8f\xbf\xbf\""),
    SLICE_INIT("\"\xe2\x80\xa8\xe2\x80\xa9\""),
    SLICE_INIT(
        "{\"a\" : \"0123456789012345678901234567890123456789012345678901234567890123456789\"}"),
};

static const struct slice refused[] = {
    SLICE_INIT(""),
    SLICE_INIT(" "),
    SLICE_INIT("{"),
    SLICE_INIT("}"),
    SLICE_INIT("["),
    SLICE_INIT("]"),
    SLICE_INIT("[}"),
    SLICE_INIT("{]"),
    SLICE_INIT("[1"),
    SLICE_INIT("[1,"),
    SLICE_INIT("[1,]"),
    SLICE_INIT("[,1]"),
    SLICE_INIT("[1 2]"),
    SLICE_INIT("[,]"),
    SLICE_INIT("{,}"),
    SLICE_INIT("{\"a\"}"),
    SLICE_INIT("{\"a\":}"),
    SLICE_INIT("{\"a\":1,}"),
    SLICE_INIT("{\"a\" 1}"),
    SLICE_INIT("{a:1}"),
    SLICE_INIT("{'a':1}"),
    SLICE_INIT("{1:1}"),
    SLICE_INIT("{null:1}"),
    SLICE_INIT("{\"a\"::1}"),
    SLICE_INIT("{\"a\":1 \"b\":2}"),
    SLICE_INIT("['a']"),
    SLICE_INIT("\"a"),
    SLICE_INIT("\""),
    SLICE_INIT("\"\\"),
    SLICE_INIT("\"\\\""),
    SLICE_INIT("\"\\x41\""),
    SLICE_INIT("\"\\U0041\""),
    SLICE_INIT("\"\\'\""),
    SLICE_INIT("\"\\u12\""),
    SLICE_INIT("\"\\u12g4\""),
    SLICE_INIT("\"\\u\""),
    SLICE_INIT("\"\\a\""),
    SLICE_INIT("\"\\\n\""),
    SLICE_INIT("\"a\nb\""),
    SLICE_INIT("\"\t\""),
    SLICE_INIT("\"\x1f\""),
    SLICE_INIT("\"\0\""),
    SLICE_INIT("nul"),
    SLICE_INIT("nulll"),
    SLICE_INIT("Null"),
    SLICE_INIT("True"),
    SLICE_INIT("tru"),
    SLICE_INIT("NaN"),
    SLICE_INIT("Infinity"),
    SLICE_INIT("-Infinity"),
    SLICE_INIT("-"),
    SLICE_INIT("+1"),
    SLICE_INIT("01"),
    SLICE_INIT("-01"),
    SLICE_INIT("00"),
    SLICE_INIT("0x10"),
    SLICE_INIT("1."),
    SLICE_INIT(".5"),
    SLICE_INIT("1.e5"),
    SLICE_INIT("1e"),
    SLICE_INIT("1e+"),
    SLICE_INIT("1e1.5"),
    SLICE_INIT("1_000"),
    SLICE_INIT("--1"),
    SLICE_INIT("1a"),
    SLICE_INIT("[1]x"),
    SLICE_INIT("{}{}"),
    SLICE_INIT("{} {}"),
    SLICE_INIT("1 2"),
    SLICE_INIT("[1]]"),
    SLICE_INIT("// c\n1"),
    SLICE_INIT("/* c */1"),
    SLICE_INIT("1 # c"),
    SLICE_INIT("\xef\xbb\xbf{}") /* BOM */,
    SLICE_INIT("\xff\xfe{\0}\0") /* UTF-16 */,
    SLICE_INIT("{\0}"),
    SLICE_INIT("\xa0 1"),
    SLICE_INIT("\v1"),
    SLICE_INIT("\f1"),
    SLICE_INIT("\"\x80\""),
    SLICE_INIT("\"\xbf\""),
    SLICE_INIT("\"\xc0\x80\""),
    SLICE_INIT("\"\xc1\xbf\""),
    SLICE_INIT("\"\xc2\""),
    SLICE_INIT("\"\xc2\xc2\""),
    SLICE_INIT("\"\xe0\x9f\xbf\""),
    SLICE_INIT("\"\xe0\x80\""),
    SLICE_INIT("\"\xed\xa0\x80\""),
    SLICE_INIT("\"\xed\xbf\xbf\""),
    SLICE_INIT("\"\xe2\x82\""),
    SLICE_INIT("\"\xf0\x8f\xbf\xbf\""),
    SLICE_INIT("\"\xf0\x90\x80\""),
    SLICE_INIT("\"\xf4\x90\x80\x80\""),
    SLICE_INIT("\"\xf5\x80\x80\x80\""),
    SLICE_INIT("\"\xf8\x88\x80\x80\x80\""),
    SLICE_INIT("\"\xff\""),
    SLICE_INIT("\"\xc3\x28\""),
    SLICE_INIT("\"\xe2\x28\xa1\""),
    SLICE_INIT("{\"\xff\":1}"),
    SLICE_INIT("\"\xe2\x82\xac\x80\""),
    SLICE_INIT("[\"a\",\n\"b]"),
    SLICE_INIT("[1e]"),
    SLICE_INIT("[-]"),
    SLICE_INIT("[\"\\ud83d\\u\"]"),
};

/* Where in a vector block something stands must not matter. */
static void check_shifted(struct slice text, bool valid)
{
    char room[512];

    for (size_t shift = 0; shift < 130; shift++) {
        struct slice at = slice_of(room, shift + text.len + 2);
        const struct reason *reason;

        memset(room, ' ', shift + 1);
        room[0] = '[';
        memcpy(room + shift + 1, text.at, text.len);
        room[shift + text.len + 1] = ']';
        reason = json_check(at, NULL);
        if (valid != !reason)
            fail_msg("%.*s at %zu: %s", SLICE_ARGS(text), shift,
                     reason ? reason->name : "accepted");
    }
}

/* The same inside a string: plain bytes before it. */
static void check_in_string(struct slice text, bool valid)
{
    char room[512];

    if (text.len < 2 || text.at[0] != '"' || text.at[text.len - 1] != '"')
        return;
    for (size_t shift = 0; shift < 130; shift++) {
        const struct reason *reason;

        memset(room, 'x', shift + 1);
        room[0] = '"';
        memcpy(room + 1 + shift, text.at + 1, text.len - 1);
        reason = json_check(slice_of(room, shift + text.len), NULL);
        if (valid != !reason)
            fail_msg("%.*s in a string at %zu", SLICE_ARGS(text), shift);
    }
}

static void what_the_grammar_allows_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        if (json_check(accepted[i], NULL))
            fail_msg("refused: %.*s", SLICE_ARGS(accepted[i]));
        check_shifted(accepted[i], true);
        check_in_string(accepted[i], true);
    }
}

static void what_the_grammar_does_not_allow_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (json_check(refused[i], NULL) != &reason_bad_json)
            fail_msg("accepted: %.*s", SLICE_ARGS(refused[i]));
        check_in_string(refused[i], false);
    }
}

/* Each prefix lies at the end of an allocation, so that a sanitizer sees a byte read too many. */
static void every_cut_text_is_refused(void **state)
{
    static const struct slice text =
        SLICE_INIT("{\"a\":[1.5e3,-2,true,false,null,\"x\\u00e9\\n\xf0\x9f\x98\x80 and more than "
                   "thirty-two bytes\"],\"b\":{}}");

    (void)state;
    assert_null(json_check(text, NULL));
    for (size_t len = 0; len < text.len; len++) {
        char *copy = xmalloc(len + !len);

        memcpy(copy, text.at, len);
        if (!json_check(slice_of(copy, len), NULL))
            fail_msg("accepted a text cut at %zu", len);
        free(copy);
    }
}

static void depth_is_bounded_at_the_limit(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 2];
    struct json_limits limits = { .bytes = SIZE_MAX, .members = UINT64_MAX, .depth = 3 };
    char *bomb = xmalloc(100000);

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_null(json_check(slice_of(text, 2 * JSON_DEPTH_MAX), NULL));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_ptr_equal(json_check(slice_of(text, sizeof(text)), NULL), &reason_bad_json);
    assert_null(json_check(SLICE("[[[]]]"), &limits));
    assert_ptr_equal(json_check(SLICE("[[[[]]]]"), &limits), &reason_bad_json);
    limits.depth = 0;
    assert_null(json_check(SLICE("1"), &limits));
    assert_ptr_equal(json_check(SLICE("[]"), &limits), &reason_bad_json);
    memset(bomb, '[', 100000);
    assert_ptr_equal(json_check(slice_of(bomb, 100000), NULL), &reason_bad_json);
    free(bomb);
}

static void bytes_and_members_are_bounded_at_their_limits(void **state)
{
    struct json_limits limits = { .bytes = 9, .members = 4, .depth = 9 };

    (void)state;
    assert_null(json_check(SLICE("[1,2,3,4]"), &limits));
    assert_ptr_equal(json_check(SLICE("[1,2,3,4] "), &limits), &reason_body_too_large);
    limits.bytes = 100;
    assert_ptr_equal(json_check(SLICE("[1,2,3,4,5]"), &limits), &reason_bad_json);
    assert_null(json_check(SLICE("{\"a\":[1,2,3]}"), &limits));
    assert_ptr_equal(json_check(SLICE("{\"a\":[1,2,3],\"b\":0}"), &limits), &reason_bad_json);
    limits.members = 0;
    assert_null(json_check(SLICE("[]"), &limits));
    assert_ptr_equal(json_check(SLICE("[1]"), &limits), &reason_bad_json);
}

static void integers_are_as_long_as_python_takes_them(void **state)
{
    char digits[4303];

    (void)state;
    memset(digits, '7', sizeof(digits));
    assert_null(json_check(slice_of(digits, 4300), NULL));
    assert_ptr_equal(json_check(slice_of(digits, 4301), NULL), &reason_bad_json);
    digits[0] = '-';
    assert_null(json_check(slice_of(digits, 4301), NULL));
    assert_ptr_equal(json_check(slice_of(digits, 4302), NULL), &reason_bad_json);
    digits[4300] = '.'; /* a float may be as long as it likes */
    assert_null(json_check(slice_of(digits, 4303), NULL));
}

static void a_walk_sees_members_in_order_and_takes_what_it_wants(void **state)
{
    struct slice text = SLICE("{\"a\":[10,{\"x\":1}, \"s\"],\"b\":null , \"c\":{\"d\":{}}}");
    struct json_reader r;
    struct json_value key, value;

    (void)state;
    json_open(&r, text, NULL);
    assert_int_equal(json_peek(&r), JSON_KIND_OBJECT);
    assert_false(json_enter_array(&r));
    assert_true(json_enter_object(&r));
    assert_true(json_next(&r, &key));
    assert_true(json_text_is(key, SLICE("a")));
    assert_true(json_enter_array(&r));
    assert_true(json_next(&r, NULL));
    json_take(&r, &value);
    assert_int_equal(value.kind, JSON_KIND_NUMBER);
    assert_true(value.integer);
    assert_true(slice_eq(value.raw, SLICE("10")));
    assert_true(json_next(&r, NULL));
    json_take(&r, &value);
    assert_int_equal(value.kind, JSON_KIND_OBJECT);
    assert_true(slice_eq(value.raw, SLICE("{\"x\":1}")));
    assert_true(json_next(&r, NULL));
    json_take(&r, NULL);
    assert_false(json_next(&r, NULL));
    assert_true(json_next(&r, &key));
    json_take(&r, &value);
    assert_int_equal(value.kind, JSON_KIND_NULL);
    assert_true(json_next(&r, &key));
    assert_true(slice_eq(key.raw, SLICE("\"c\"")));
    json_take(&r, &value);
    assert_true(slice_eq(value.raw, SLICE("{\"d\":{}}")));
    assert_false(json_next(&r, &key));
    assert_null(json_close(&r));
}

#define LONG_STRINGS (2 * JSON_ENDS_MAX) /* two in three are long */

/* A list of strings around the length from which on their ends are noted, some with escapes that
 * look like ends, in lists of their own every now and then. */
static struct slice long_strings(struct buf *out)
{
    buf_add(out, SLICE("["));
    for (size_t i = 0; i < LONG_STRINGS; i++) {
        size_t len = JSON_END_LEAST - 5 + i % 9;

        buf_add(out, i % 3 == 0 ? SLICE("[\"") : SLICE("\""));
        for (size_t n = 0; n + 2 <= len; n += 2)
            buf_add(out, i % 2 == 0 ? SLICE("\\\"") : SLICE(",]"));
        buf_add(out, i % 3 == 0 ? SLICE("\"],") : SLICE("\","));
    }
    buf_add(out, SLICE("{\"short\":\"\\\\\"}]"));
    return buf_join(out);
}

static void walk_alike(struct json_reader *a, struct json_reader *b)
{
    struct json_value of_a, of_b;
    size_t count = 0;

    assert_true(json_enter_array(a));
    assert_true(json_enter_array(b));
    for (; json_next(a, NULL); count++) {
        assert_true(json_next(b, NULL));
        json_take(a, &of_a);
        json_take(b, &of_b);
        assert_ptr_equal(of_a.raw.at, of_b.raw.at);
        assert_int_equal(of_a.raw.len, of_b.raw.len);
        assert_int_equal(of_a.kind, of_b.kind);
        assert_int_equal(of_a.escaped, of_b.escaped);
    }
    assert_false(json_next(b, NULL));
    assert_null(json_close(a));
    assert_null(json_close(b));
    assert_int_equal(count, LONG_STRINGS + 1);
}

/* Also where there are more of them than are noted, and where there is no memory for any. */
static void long_strings_end_where_it_was_noted(void **state)
{
    static const size_t limits[] = { 1 << 20, 100, 0 };
    struct buf text;
    struct json_value all;

    (void)state;
    buf_init(&text, SIZE_MAX);
    all = (struct json_value){ .raw = long_strings(&text), .kind = JSON_KIND_ARRAY };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct json_ends ends = { .count = 0 };
        struct json_reader first, again;
        struct arena arena;

        arena_init(&arena, limits[i]);
        json_open(&first, all.raw, NULL);
        json_note_ends(&first, &ends, &arena);
        json_open_checked(&again, all);
        walk_alike(&first, &again);
        assert_int_equal(ends.count, i == 0 ? JSON_ENDS_MAX : i == 1 ? 4 : 0);
        for (uint32_t n = 0; n < ends.count; n++) {
            assert_true(ends.list[n].len >= JSON_END_LEAST);
            assert_int_equal(ends.list[n].open[ends.list[n].len - 1], '"');
        }
        json_open_checked(&first, all);
        json_open_known(&again, all, &ends);
        walk_alike(&first, &again);
        arena_release(&arena);
    }
    buf_release(&text);
}

static void an_error_sticks_and_ends_every_walk(void **state)
{
    struct json_reader r;
    struct json_value key, value;

    (void)state;
    json_open(&r, SLICE("{\"a\":[1,tru]}"), NULL);
    assert_true(json_enter_object(&r));
    assert_true(json_next(&r, &key));
    json_take(&r, &value);
    assert_int_equal(value.kind, JSON_KIND_NONE);
    assert_false(json_next(&r, &key));
    assert_false(json_enter_object(&r));
    assert_int_equal(json_peek(&r), JSON_KIND_NONE);
    assert_ptr_equal(json_close(&r), &reason_bad_json);
}

static void a_text_that_nobody_read_is_not_closed(void **state)
{
    struct json_reader r;

    (void)state;
    json_open(&r, SLICE("{}"), NULL);
    assert_ptr_equal(json_close(&r), &reason_bad_json);
    json_open(&r, SLICE("{\"a\":1}"), NULL);
    assert_true(json_enter_object(&r));
    assert_ptr_equal(json_close(&r), &reason_bad_json);
}

static struct json_value value_of(struct slice text)
{
    struct json_reader r;
    struct json_value value;

    json_open(&r, text, NULL);
    json_take(&r, &value);
    assert_null(json_close(&r));
    return value;
}

static void texts_are_unescaped(void **state)
{
    static const struct {
        struct slice raw, text;
    } cases[] = {
        { SLICE_INIT("\"\""), SLICE_INIT("") },
        { SLICE_INIT("\"plain \xc3\xa9\""), SLICE_INIT("plain \xc3\xa9") },
        { SLICE_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SLICE_INIT("\"\\/\b\f\n\r\t") },
        { SLICE_INIT("\"a\\u0041\\u00e9\\u20AC\\uFFFFz\""),
          SLICE_INIT("aA\xc3\xa9\xe2\x82\xac\xef\xbf\xbfz") },
        { SLICE_INIT("\"\\ud83d\\ude00\""), SLICE_INIT("\xf0\x9f\x98\x80") },
        { SLICE_INIT("\"\\uDBFF\\uDFFF\""), SLICE_INIT("\xf4\x8f\xbf\xbf") },
        { SLICE_INIT("\"x\\u0000y\""), SLICE_INIT("x\0y") },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice text;

        assert_null(json_text(value_of(cases[i].raw), &arena, &text));
        if (!slice_eq(text, cases[i].text))
            fail_msg("%.*s", SLICE_ARGS(cases[i].raw));
    }
    arena_release(&arena);
}

static void lone_surrogates_are_no_text(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("\"\\ud800\""),
        SLICE_INIT("\"\\udc00\""),
        SLICE_INIT("\"\\ud800x\""),
        SLICE_INIT("\"\\ud800\\n\""),
        SLICE_INIT("\"\\ud800\\ud800\""),
        SLICE_INIT("\"\\ude00\\ud83d\""),
        SLICE_INIT("1"),
        SLICE_INIT("null"),
    };
    struct arena arena;
    struct slice text = SLICE("untouched");

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_ptr_equal(json_text(value_of(cases[i]), &arena, &text), &reason_bad_value);
    assert_true(slice_eq(text, SLICE("untouched")));
    arena_release(&arena);
}

static void an_arena_that_is_full_is_a_reason(void **state)
{
    struct arena arena;
    struct slice text;

    (void)state;
    arena_init(&arena, 10);
    assert_ptr_equal(json_text(value_of(SLICE("\"\\n and more than ten bytes\"")), &arena, &text),
                     &reason_memory_limit);
    arena_release(&arena);
}

static void a_text_that_does_not_fit_is_not_cut(void **state)
{
    char room[4];
    size_t len;

    (void)state;
    assert_true(json_text_into(value_of(SLICE("\"a\\u0062cd\"")), room, 4, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(room, "abcd", 4);
    assert_false(json_text_into(value_of(SLICE("\"a\\u0062cd\"")), room, 3, &len));
    assert_false(json_text_into(value_of(SLICE("\"abc\\u00e9\"")), room, 4, &len));
    assert_true(json_text_into(value_of(SLICE("\"\"")), room, 0, &len));
}

static bool folds_to(struct json_value key, struct slice lower)
{
    char folded[JSON_FOLD_MAX];
    size_t len;

    return json_text_fold(key, folded, &len) && slice_eq(slice_of(folded, len), lower);
}

static void keys_are_compared_after_unescaping_and_folding(void **state)
{
    static const struct {
        struct slice raw;
        bool same, folds;
    } cases[] = {
        { SLICE_INIT("\"stream\""), true, true },
        { SLICE_INIT("\"str\\u0065am\""), true, true },
        { SLICE_INIT("\"\\u0073\\u0074\\u0072\\u0065\\u0061\\u006d\""), true, true },
        { SLICE_INIT("\"Stream\""), false, true },
        { SLICE_INIT("\"\\u0053TREAM\""), false, true },
        { SLICE_INIT("\"\xc5\xbftream\""), false, true },
        { SLICE_INIT("\"\\u017ftream\""), false, true },
        { SLICE_INIT("\"streams\""), false, false },
        { SLICE_INIT("\"strea\""), false, false },
        { SLICE_INIT("\"stream\\u0000\""), false, false },
        { SLICE_INIT("\"\\ud800tream\""), false, false },
        { SLICE_INIT("\"\""), false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_value key = value_of(cases[i].raw);

        if (json_text_is(key, SLICE("stream")) != cases[i].same ||
            folds_to(key, SLICE("stream")) != cases[i].folds)
            fail_msg("%.*s", SLICE_ARGS(cases[i].raw));
    }
    assert_true(folds_to(value_of(SLICE("\"max_to\\u212Aens\"")), SLICE("max_tokens")));
    assert_false(folds_to(value_of(SLICE("1")), SLICE("1")));
}

static void a_key_is_folded_up_to_the_bound(void **state)
{
    char raw[400], folded[JSON_FOLD_MAX];
    size_t len;

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        char *at = raw;

        *at++ = '"';
        for (size_t i = 0; i < JSON_FOLD_MAX + extra; i++)
            at = stpcpy(at, "\\u212a");
        strcpy(at, "\"");
        assert_int_equal(json_text_fold(value_of(slice_str(raw)), folded, &len), extra == 0);
    }
    assert_int_equal(len, JSON_FOLD_MAX);
    assert_int_equal(folded[JSON_FOLD_MAX - 1], 'k');
}

static void whole_numbers_are_read_however_written(void **state)
{
    static const struct {
        struct slice raw;
        bool ok;
        int64_t value;
    } cases[] = {
        { SLICE_INIT("0"), true, 0 },
        { SLICE_INIT("-0"), true, 0 },
        { SLICE_INIT("16"), true, 16 },
        { SLICE_INIT("16.0"), true, 16 },
        { SLICE_INIT("1.6e1"), true, 16 },
        { SLICE_INIT("160e-1"), true, 16 },
        { SLICE_INIT("1600E-2"), true, 16 },
        { SLICE_INIT("-16"), true, -16 },
        { SLICE_INIT("0e999999999"), true, 0 },
        { SLICE_INIT("0.000"), true, 0 },
        { SLICE_INIT("1e18"), true, 1000000000000000000 },
        { SLICE_INIT("9223372036854775807"), true, INT64_MAX },
        { SLICE_INIT("1.00000000000000000000000000000000"), true, 1 },
        { SLICE_INIT("10000000000000000000000000e-25"), true, 1 },
        { SLICE_INIT("9223372036854775808"), false, 0 },
        { SLICE_INIT("18446744073709551616"), false, 0 },
        { SLICE_INIT("9e99"), false, 0 },
        { SLICE_INIT("1e400"), false, 0 },
        { SLICE_INIT("1e99999999999999999999"), false, 0 },
        { SLICE_INIT("1e-1"), false, 0 },
        { SLICE_INIT("1e-99999999999999999999"), false, 0 },
        { SLICE_INIT("0.5"), false, 0 },
        { SLICE_INIT("16.01"), false, 0 },
        { SLICE_INIT("\"16\""), false, 0 },
        { SLICE_INIT("true"), false, 0 },
        { SLICE_INIT("null"), false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 0;

        if (json_int64(value_of(cases[i].raw), INT64_MIN, INT64_MAX, &value) != cases[i].ok ||
            value != cases[i].value)
            fail_msg("%.*s gives %lld", SLICE_ARGS(cases[i].raw), (long long)value);
    }
}

static void numbers_are_bounded_at_their_limits(void **state)
{
    int64_t value;
    uint64_t count;

    (void)state;
    assert_true(json_int64(value_of(SLICE("5")), 1, 5, &value));
    assert_false(json_int64(value_of(SLICE("6")), 1, 5, &value));
    assert_false(json_int64(value_of(SLICE("0")), 1, 5, &value));
    assert_true(json_u64(value_of(SLICE("0")), &count));
    assert_false(json_u64(value_of(SLICE("-1")), &count));
}

static void a_member_is_cut_with_its_comma(void **state)
{
    static const struct {
        struct slice object, without;
    } cases[] = {
        { SLICE_INIT("{\"a\":1,\"u\":null,\"b\":2}"), SLICE_INIT("{\"a\":1,\"b\":2}") },
        { SLICE_INIT("{\"a\":1,\"u\":null}"), SLICE_INIT("{\"a\":1}") },
        { SLICE_INIT("{\"u\":null,\"b\":2}"), SLICE_INIT("{\"b\":2}") },
        { SLICE_INIT("{\"u\":null}"), SLICE_INIT("{}") },
        { SLICE_INIT("{\"a\": 1, \"u\": null, \"b\": 2}"), SLICE_INIT("{\"a\": 1, \"b\": 2}") },
        { SLICE_INIT("{\"a\": 1, \"u\": null}"), SLICE_INIT("{\"a\": 1}") },
        { SLICE_INIT("{ \"u\": null, \"b\": 2 }"), SLICE_INIT("{ \"b\": 2 }") },
        { SLICE_INIT("{\"a\":1 , \"u\" : {\"x\":[1,2]} , \"b\":2}"),
          SLICE_INIT("{\"a\":1  , \"b\":2}") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_reader r;
        struct json_value key, value;
        struct slice cut;
        char left[128];
        size_t before;

        json_open(&r, cases[i].object, NULL);
        assert_true(json_enter_object(&r));
        do {
            assert_true(json_next(&r, &key));
            json_take(&r, &value);
        } while (!json_text_is(key, SLICE("u")));
        cut = json_member_span(cases[i].object, key.raw, value.raw);
        before = (size_t)(cut.at - cases[i].object.at);
        snprintf(left, sizeof(left), "%.*s%.*s", (int)before, cases[i].object.at,
                 SLICE_ARGS(slice_skip(cases[i].object, before + cut.len)));
        assert_string_equal(left, cases[i].without.at);
        assert_null(json_check(slice_str(left), NULL));
    }
}

static void what_is_written_is_json_again(void **state)
{
    static const struct {
        struct slice text, written;
    } cases[] = {
        { SLICE_INIT(""), SLICE_INIT("\"\"") },
        { SLICE_INIT("a\"b\\c\nd\x01\x7f/"), SLICE_INIT("\"a\\\"b\\\\c\\nd\\u0001\\u007f/\"") },
        { SLICE_INIT("\xc3\xa9\xf0\x9f\x98\x80"), SLICE_INIT("\"\xc3\xa9\xf0\x9f\x98\x80\"") },
        { SLICE_INIT("\xff\xc3"), SLICE_INIT("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, SIZE_MAX);
        json_write_text(&out, cases[i].text);
        assert_int_equal(out.len, cases[i].written.len);
        assert_memory_equal(buf_join(&out).at, cases[i].written.at, out.len);
        assert_null(json_check(buf_join(&out), NULL));
        buf_release(&out);
    }
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Mostly good text, with faults and stops sprinkled in. */
static size_t random_text(char *out, size_t size)
{
    static const struct slice pieces[] = {
        SLICE_INIT("plain ascii text of some length"),
        SLICE_INIT("x"),
        SLICE_INIT("\xc3\xa9"),
        SLICE_INIT("\xe2\x82\xac"),
        SLICE_INIT("\xe4\xbd\xa0\xe5\xa5\xbd"),
        SLICE_INIT("\xf0\x9f\x98\x80"),
        SLICE_INIT("\xed\x9f\xbf"),
        SLICE_INIT("\xf4\x8f\xbf\xbf"),
        SLICE_INIT("\\n"),
        SLICE_INIT("\\u00e9"),
        SLICE_INIT("\\ud83d\\ude00"),
        SLICE_INIT("\\\\"),
        SLICE_INIT("\\\""),
        SLICE_INIT("\\\\\\\\"),
    };
    size_t len = 0, want = next_random() % size;

    while (len < want) {
        struct slice piece = pieces[next_random() % ARRAY_LEN(pieces)];
        size_t n = piece.len < want - len ? piece.len : want - len;

        memcpy(out + len, piece.at, n);
        len += n;
    }
    if (len > 0 && next_random() % 2)
        out[next_random() % len] = (char)next_random();
    if (len > 0 && next_random() % 4 == 0)
        out[next_random() % len] = "\"\\\x1f\n"[next_random() % 4];
    out[len] = '"';
    return len + 1;
}

static void check_kernels(const char *text, const char *end)
{
    bool escaped, expected_escaped;
    const char *expected = json_string_scalar(text, end, &expected_escaped);

    for (const struct json_string_kernel *k = json_string_kernels(); k->name; k++) {
        const char *got = k->find_end(text, end, &escaped);

        if (got != expected || (got && escaped != expected_escaped))
            fail_msg("%s says %td, not %td, of %.*s", k->name, got ? got - text : -1,
                     expected ? expected - text : -1, (int)(end - text), text);
        got = k->find_close(text, end, &escaped); /* of what is no string it may say anything */
        if (expected && (got != expected || escaped != expected_escaped))
            fail_msg("%s closes at %td, not %td, %.*s", k->name, got ? got - text : -1,
                     expected - text, (int)(end - text), text);
    }
}

static void all_kernels_agree_on_random_text(void **state)
{
    (void)state;
    for (int round = 0; round < 300000; round++) {
        char text[302];
        size_t len = random_text(text, 300);
        char *copy = xmalloc(len); /* of its own size: a byte read too many is seen */

        memcpy(copy, text, len);
        check_kernels(copy, copy + len);
        check_kernels(copy, copy + len - 1);
        free(copy);
    }
}

static void every_pair_of_bytes_is_judged_alike(void **state)
{
    char text[160];

    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++)
        for (size_t at = 61; at < 66; at++) { /* around a block's end */
            memset(text, 'a', sizeof(text));
            text[at] = (char)(pair >> 8);
            text[at + 1] = (char)pair;
            text[sizeof(text) - 1] = '"';
            check_kernels(text, text + sizeof(text));
        }
}

/* Runs of backslashes of every length, at every place, in front of every kind of character. */
static void runs_of_backslashes_are_judged_alike(void **state)
{
    static const char after[] = "\"nux/a\x01\xc3";

    (void)state;
    for (size_t start = 0; start < 70; start++)
        for (size_t length = 0; length < 140; length++)
            for (size_t k = 0; k < sizeof(after); k++) {
                char text[300];

                memset(text, '0', sizeof(text));
                memset(text + start, '\\', length);
                text[start + length] = after[k];
                text[start + length + 40] = '"';
                check_kernels(text, text + sizeof(text));
            }
}

/* What `read` bytes say that have plain bytes and escapes of two characters. */
static size_t unescape_simply(const char *in, size_t read, char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < read; i++) {
        bool escape = in[i] == '\\';

        i += escape;
        assert_in_range(i, 0, read - 1);
        out[written++] = escape ? json_escaped_char[(int)in[i]] : in[i];
    }
    return written;
}

static void check_unescaped(const struct json_unescape_kernel *kernel, const char *in, size_t len,
                            size_t room)
{
    char *text = xmalloc(len + 1), *out = xmalloc(room + 1), expected[300];
    struct json_unescaped done;

    memcpy(text + 1, in, len); /* both end where their room does: a byte too many is seen */
    done = kernel->unescape(slice_of(text + 1, len), out + 1, room);
    assert_in_range(done.read, 0, len);
    assert_int_equal(done.written, unescape_simply(in, done.read, expected));
    assert_memory_equal(out + 1, expected, done.written);
    if (len - done.read >= 64 && room - done.written >= 64)
        assert_memory_equal(in + done.read, "\\u", 2);
    free(text);
    free(out);
}

static void plain_text_and_short_escapes_are_taken_alike(void **state)
{
    static const char *const pieces[] = {
        "\\n",      "\\\"", "\\\\", "\\/",           "\\u0041",
        "\xc3\xa9", "a",    "word", "lines of text", "sixteen and more bytes, all of them plain"
    };

    (void)state;
    for (int round = 0; round < 100000; round++) {
        size_t kinds = 4 + next_random() % (ARRAY_LEN(pieces) - 3), len = 0, left = 0;
        char in[300];

        while (len < 200) {
            const char *piece = pieces[ARRAY_LEN(pieces) - 1 - next_random() % kinds];

            memcpy(in + len, piece, strlen(piece));
            len += strlen(piece);
        }
        left = next_random() % 4 ? 0 : next_random() % len;
        for (const struct json_unescape_kernel *k = json_unescape_kernels(); k->name; k++)
            check_unescaped(k, in, len, len - left);
    }
}

static void a_million_keys_take_linear_time(void **state)
{
    struct buf text;
    struct json_reader r;
    struct json_value key;
    size_t count = 0;

    (void)state;
    buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 1000000; i++)
        buf_printf(&text, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    buf_add(&text, SLICE("}"));
    json_open(&r, buf_join(&text), NULL);
    assert_true(json_enter_object(&r));
    while (json_next(&r, &key)) {
        json_take(&r, NULL);
        count++;
    }
    assert_null(json_close(&r));
    assert_int_equal(count, 1000000);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_accepted),
        cmocka_unit_test(what_the_grammar_does_not_allow_is_refused),
        cmocka_unit_test(every_cut_text_is_refused),
        cmocka_unit_test(depth_is_bounded_at_the_limit),
        cmocka_unit_test(bytes_and_members_are_bounded_at_their_limits),
        cmocka_unit_test(integers_are_as_long_as_python_takes_them),
        cmocka_unit_test(a_walk_sees_members_in_order_and_takes_what_it_wants),
        cmocka_unit_test(long_strings_end_where_it_was_noted),
        cmocka_unit_test(an_error_sticks_and_ends_every_walk),
        cmocka_unit_test(a_text_that_nobody_read_is_not_closed),
        cmocka_unit_test(texts_are_unescaped),
        cmocka_unit_test(lone_surrogates_are_no_text),
        cmocka_unit_test(an_arena_that_is_full_is_a_reason),
        cmocka_unit_test(a_text_that_does_not_fit_is_not_cut),
        cmocka_unit_test(keys_are_compared_after_unescaping_and_folding),
        cmocka_unit_test(a_key_is_folded_up_to_the_bound),
        cmocka_unit_test(whole_numbers_are_read_however_written),
        cmocka_unit_test(numbers_are_bounded_at_their_limits),
        cmocka_unit_test(a_member_is_cut_with_its_comma),
        cmocka_unit_test(what_is_written_is_json_again),
        cmocka_unit_test(all_kernels_agree_on_random_text),
        cmocka_unit_test(every_pair_of_bytes_is_judged_alike),
        cmocka_unit_test(runs_of_backslashes_are_judged_alike),
        cmocka_unit_test(plain_text_and_short_escapes_are_taken_alike),
        cmocka_unit_test(a_million_keys_take_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
