/*
 * Values: what each type reads, prints and refuses, and how words are compared.
 */
#include "conf/directive.h"

#include "conf/complaint.h"
#include "conf/format.h"
#include "conf/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct reading {
    enum directive_type type;
    const char *text;
    uint64_t number;
    const char *printed; /* NULL: as `text` */
};

static void values_are_read_exactly_and_print_as_what_reads_the_same(void **state)
{
    static const struct reading readings[] = {
        { DIRECTIVE_TYPE_NUMBER, "0", 0, NULL },
        { DIRECTIVE_TYPE_NUMBER, "18446744073709551615", UINT64_MAX, NULL },
        { DIRECTIVE_TYPE_SIZE, "4096", 4096, "4KiB" },
        { DIRECTIVE_TYPE_SIZE, "64 KB", 64000, "64KB" },
        { DIRECTIVE_TYPE_SIZE, "64kib", 65536, "64KiB" },
        { DIRECTIVE_TYPE_SIZE, "1MiB", 1048576, NULL },
        { DIRECTIVE_TYPE_SIZE, "7 B", 7, "7B" },
        { DIRECTIVE_TYPE_SIZE, "0", 0, "0B" },
        { DIRECTIVE_TYPE_SIZE, "2TiB", 2ull << 40, NULL },
        { DIRECTIVE_TYPE_DURATION, "0", 0, "0ms" },
        { DIRECTIVE_TYPE_DURATION, "500ms", 500, NULL },
        { DIRECTIVE_TYPE_DURATION, "5s", 5000, NULL },
        { DIRECTIVE_TYPE_DURATION, "2 m", 120000, "2m" },
        { DIRECTIVE_TYPE_DURATION, "1h", 3600000, NULL },
        { DIRECTIVE_TYPE_DURATION, "7d", 604800000, NULL },
        { DIRECTIVE_TYPE_DURATION, "1m30s", 90000, "90s" },
        { DIRECTIVE_TYPE_DURATION, "1h 2m 3s 4ms", 3723004, "3723004ms" },
        { DIRECTIVE_TYPE_DURATION, "60s", 60000, "1m" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(readings); i++) {
        const struct reading *r = &readings[i];
        struct directive row = { .key = "it", .type = r->type };
        const char *printed = r->printed ? r->printed : r->text;
        char complaint[DIRECTIVE_COMPLAINT_SIZE];
        uint64_t number = 1, again = 2;
        struct buf out;

        buf_init(&out, SIZE_MAX);
        assert_true(directive_read(&row, slice_str(r->text), &number, complaint));
        assert_int_equal(number, r->number);
        directive_print(&row, &number, &out);
        assert_int_equal(out.len, strlen(printed));
        assert_memory_equal(buf_join(&out).at, printed, out.len);
        assert_true(directive_read(&row, buf_join(&out), &again, complaint));
        assert_true(directive_same(&row, &number, &again));
        buf_release(&out);
    }
}

static void reals_are_numbers_or_percentages(void **state)
{
    static const struct {
        const char *text;
        double value;
        const char *printed;
    } readings[] = {
        { "0.2", 0.2, "0.2" },   { "20%", 0.2, "0.2" }, { "-3", -3, "-3" },
        { "1e3", 1000, "1000" }, { "0.1", 0.1, "0.1" }, { "0", 0, "0" },
    };
    struct directive row = { .key = "it", .type = DIRECTIVE_TYPE_REAL };
    char complaint[DIRECTIVE_COMPLAINT_SIZE];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(readings); i++) {
        double value = -1;
        struct buf out;

        buf_init(&out, SIZE_MAX);
        assert_true(directive_read(&row, slice_str(readings[i].text), &value, complaint));
        assert_true(value == readings[i].value);
        directive_print(&row, &value, &out);
        buf_add(&out, slice_of("", 1));
        assert_string_equal(buf_join(&out).at, readings[i].printed);
        buf_release(&out);
    }
}

static const char *const words[] = { "price", "least_requests", "round_robin", NULL };

static void truths_and_words_are_taken_out_of_their_lists(void **state)
{
    struct directive truth_row = { .key = "it", .type = DIRECTIVE_TYPE_BOOL };
    struct directive word_row = { .key = "it", .type = DIRECTIVE_TYPE_WORD, .words = words };
    char complaint[DIRECTIVE_COMPLAINT_SIZE];
    bool truth = false;
    int word = -1;
    (void)state;

    assert_true(directive_read(&truth_row, SLICE("on"), &truth, complaint) && truth);
    assert_true(directive_read(&truth_row, SLICE("off"), &truth, complaint) && !truth);
    assert_true(directive_read(&truth_row, SLICE("true"), &truth, complaint) && truth);
    assert_true(directive_read(&truth_row, SLICE("false"), &truth, complaint) && !truth);
    assert_true(directive_read(&word_row, SLICE("round_robin"), &word, complaint));
    assert_int_equal(word, 2);
}

static const struct refusal {
    struct directive row;
    const char *text, *complaint;
} refusals[] = {
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER },
      "four",
      "`four` is no value of `n`, which takes a whole number without a sign" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER },
      "-1",
      "`-1` is no value of `n`, which takes a whole number without a sign" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER },
      "010",
      "`010` is no value of `n`, which takes a whole number without a sign" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER },
      "18446744073709551616",
      "`18446744073709551616` is no value of `n`, which takes a whole number without a sign" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER },
      "1.5",
      "`1.5` is no value of `n`, which takes a whole number without a sign" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER, .min = 1, .max = 9 },
      "0",
      "`0` is out of bounds: `n` is at least 1" },
    { { .key = "n", .type = DIRECTIVE_TYPE_NUMBER, .min = 1, .max = 9 },
      "10",
      "`10` is out of bounds: `n` is at most 9" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL, .max = 1 },
      "1.01",
      "`1.01` is out of bounds: `r` is at most 1 (100%)" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL, .max = 1 },
      "-0.5",
      "`-0.5` is out of bounds: `r` is at least 0 (0%)" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL, .min = 1, .max = 2 },
      "2.5",
      "`2.5` is out of bounds: `r` is at most 2" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL },
      "nan",
      "`nan` is no value of `r`, which takes a number like 0.2 or 20%" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL },
      "1e999",
      "`1e999` is no value of `r`, which takes a number like 0.2 or 20%" },
    { { .key = "rank", .type = DIRECTIVE_TYPE_REAL, .min = -1000, .max = 1000 },
      "high",
      "`high` is no value of `rank`, which takes a number, from -1000 to 1000" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL, .max = 1 },
      "much",
      "`much` is no value of `r`, which takes a number like 0.2 or 20%, from 0 to 1" },
    { { .key = "r", .type = DIRECTIVE_TYPE_REAL, .max = 1 },
      "5e1%",
      "`5e1%` is no value of `r`, which takes a number like 0.2 or 20%, from 0 to 1" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION, .min = 1, .max = 3600000 },
      "long",
      "`long` is no value of `d`, which takes a duration like 500ms, 5s, 1m30s, 1h or 7d, from 1ms "
      "to "
      "1h" },
    { { .key = "s", .type = DIRECTIVE_TYPE_SIZE },
      "64 KX",
      "`64 KX` is no value of `s`, which takes a size like 4096, 64KB (64000) or 64KiB "
      "(65536)" },
    { { .key = "s", .type = DIRECTIVE_TYPE_SIZE },
      "17000000TiB",
      "`17000000TiB` is no value of `s`, which takes a size like 4096, 64KB (64000) or 64KiB "
      "(65536)" },
    { { .key = "s", .type = DIRECTIVE_TYPE_SIZE, .max = 65536 },
      "65537",
      "`65537` is out of bounds: `s` is at most 64KiB" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION },
      "5",
      "`5` is no value of `d`, which takes a duration like 500ms, 5s, 1m30s, 1h or 7d" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION },
      "5s1m",
      "`5s1m` is no value of `d`, which takes a duration like 500ms, 5s, 1m30s, 1h or 7d" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION },
      "5s5s",
      "`5s5s` is no value of `d`, which takes a duration like 500ms, 5s, 1m30s, 1h or 7d" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION },
      "",
      "`` is no value of `d`, which takes a duration like 500ms, 5s, 1m30s, 1h or 7d" },
    { { .key = "d", .type = DIRECTIVE_TYPE_DURATION, .min = 1000, .max = 2000 },
      "999ms",
      "`999ms` is out of bounds: `d` is at least 1s" },
    { { .key = "b", .type = DIRECTIVE_TYPE_BOOL },
      "yes",
      "`yes` is no value of `b`, which takes on, off, true or false" },
    { { .key = "b", .type = DIRECTIVE_TYPE_BOOL },
      "ture",
      "`ture` is no value of `b`; did you mean `true`?" },
    { { .key = "w", .type = DIRECTIVE_TYPE_WORD, .words = words },
      "least_request",
      "`least_request` is no value of `w`; did you mean `least_requests`?" },
    { { .key = "w", .type = DIRECTIVE_TYPE_WORD, .words = words },
      "random",
      "`random` is no value of `w`, which takes price, least_requests or round_robin" },
    { { .key = "p", .type = DIRECTIVE_TYPE_PATH },
      "",
      "`` is no value of `p`, which takes the path of a file" },
    { { .key = "a", .type = DIRECTIVE_TYPE_TEXT, .format = "address" },
      "localhost",
      "`localhost` is no value of `a`, which takes host:port, [v6]:port or unix:/path" },
    { { .key = "u", .type = DIRECTIVE_TYPE_TEXT, .format = "url" },
      "http//x@y",
      "`http//x@y` is no value of `u`, which takes scheme://host:port" },
    { { .key = "u", .type = DIRECTIVE_TYPE_TEXT, .format = "url" },
      "http://me:pass@h h",
      "`http://***@h h` is no value of `u`, which takes scheme://host:port" },
};

static void what_is_no_value_is_refused_with_what_is_wanted(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        char complaint[DIRECTIVE_COMPLAINT_SIZE] = "nothing";
        uint64_t field = 77;

        assert_false(
            directive_read(&refusals[i].row, slice_str(refusals[i].text), &field, complaint));
        assert_string_equal(complaint, refusals[i].complaint);
        assert_int_equal(field, 77);
    }
}

static void bounds_above_2_53_are_exact(void **state)
{
    struct directive row = {
        .key = "n", .type = DIRECTIVE_TYPE_NUMBER, .min = 1, .max = 9007199254740992.0
    };
    char complaint[DIRECTIVE_COMPLAINT_SIZE];
    uint64_t number;
    (void)state;

    assert_true(directive_read(&row, SLICE("9007199254740992"), &number, complaint));
    assert_false(directive_read(&row, SLICE("9007199254740993"), &number, complaint));
}

static void formats_take_what_they_name_and_nothing_else(void **state)
{
    static const struct {
        const char *format, *text;
        bool fits;
    } texts[] = {
        { "address", "0.0.0.0:8443", true },
        { "address", "[::1]:80", true },
        { "address", "unix:/run/s.sock", true },
        { "address", "localhost:0", true },
        { "address", "::1:80", false },
        { "address", ":80", false },
        { "address", "host:", false },
        { "address", "host:65536", false },
        { "address", "host:123456", false },
        { "address", "[]:80", false },
        { "address", "", false },
        { "address", "unix:relative", false },
        { "url", "http://10.0.0.1:8000", true },
        { "url", "dns:vllm:8000", true },
        { "url", "h2c://x/prefix", true },
        { "url", "tcp://{host}:5557", true },
        { "url", "http://", false },
        { "url", "http:", false },
        { "url", "://x", false },
        { "url", "x", false },
        { "url", "http:///x", false },
        { "url", "http://a\nb", false },
        { "url", "", false },
        { "header", "x-tenant", true },
        { "header", "x tenant", false },
        { "header", "x:tenant", false },
        { "header", "", false },
        { "path", "/", true },
        { "path", "/metrics?a=%20&b={}\"~", true },
        { "path", "metrics", false },
        { "path", "http://h/metrics", false },
        { "path", "", false },
        { "path", "/a b", false },
        { "path", "/a\r\nx: y", false },
        { "path", "/a#b", false },
        { "path", "/\x7f", false },
        { "path", "/\xc3\xa9", false },
        { "name", "llama-3.1/8b:q4@x_y", true },
        { "name", "a b", false },
        { "name", "", false },
        { "name", "*", false },
        { "name", "\xc3\xa9", false },
        { "pattern", "*", true },
        { "pattern", "llama-*", true },
        { "pattern", "a|b", false },
    };
    char long_name[258], long_path[1025];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        bool fits = text_format(texts[i].format)->fits(slice_str(texts[i].text));

        if (fits != texts[i].fits)
            fail_msg("%s as %s: %d", texts[i].text, texts[i].format, fits);
    }
    memset(long_name, 'x', sizeof(long_name));
    memset(long_path, '/', sizeof(long_path));
    assert_true(text_format("path")->fits(slice_of(long_path, 1024)));
    assert_false(text_format("path")->fits(slice_of(long_path, 1025)));
    assert_true(text_format("name")->fits(slice_of(long_name, 256)));
    assert_false(text_format("name")->fits(slice_of(long_name, 257)));
    assert_null(text_format(NULL));
}

static void the_nearest_word_is_found_where_one_is_near(void **state)
{
    static const char *const keys[] = {
        "weight", "name", "pool", NULL, "tls", "requests_per_minute"
    };
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        { "wieght", "weight" },
        { "nmae", "name" },
        { "pools", "pool" },
        { "WEIGHT", "weight" },
        { "tsl", "tls" },
        { "x", NULL },
        { "", NULL },
        { "weather", NULL },
        { "abcdef", NULL },
        { "pol", "pool" },
        { "requests_per_minutes", "requests_per_minute" },
        { "rpm", NULL },
    };
    char endless[100];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *found = nearest_word(slice_str(rows[i].word), keys, ARRAY_LEN(keys));

        if (rows[i].nearest && !found)
            fail_msg("%s: nothing, not %s", rows[i].word, rows[i].nearest);
        if (!rows[i].nearest && found)
            fail_msg("%s: %s, not nothing", rows[i].word, found);
        if (found)
            assert_string_equal(found, rows[i].nearest);
    }
    memset(endless, 'w', sizeof(endless));
    assert_null(nearest_word(slice_of(endless, sizeof(endless)), keys, ARRAY_LEN(keys)));
    assert_int_equal(nearest_distance(SLICE("kitten"), SLICE("sitting")), 3);
    assert_int_equal(nearest_distance(SLICE(""), SLICE("abc")), 3);
    assert_int_equal(nearest_distance(SLICE("ab"), SLICE("ba")), 1);
}

static void excerpts_hide_credentials_and_are_short(void **state)
{
    static const struct {
        const char *value, *excerpt;
    } rows[] = {
        { "plain", "plain" },
        { "redis://user:secret@redis:6379", "redis://***@redis:6379" },
        { "redis://:p/a@ss@redis", "redis://***@redis" },
        { "http://a@b http://c@d", "http://***@b http://***@d" },
        { "a\tb\x1b", "a?b?" },
        { "://", "://" },
        { "x://@", "x://@" },
    };
    char excerpt[CONF_EXCERPT_SIZE];
    char large[400];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        conf_excerpt(slice_str(rows[i].value), excerpt);
        assert_string_equal(excerpt, rows[i].excerpt);
    }
    for (size_t i = 0; i < sizeof(large); i += 2)
        memcpy(large + i, "\xc3\xa9", 2);
    conf_excerpt(slice_of(large, sizeof(large)), excerpt);
    assert_true(strlen(excerpt) < sizeof(excerpt));
    assert_string_equal(excerpt + strlen(excerpt) - 5, "\xc3\xa9...");
    memcpy(large, "redis://user:", 13);
    memcpy(large + sizeof(large) - 2, "@h", 2);
    conf_excerpt(slice_of(large, sizeof(large)), excerpt);
    assert_string_equal(excerpt, "redis://***@h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_exactly_and_print_as_what_reads_the_same),
        cmocka_unit_test(reals_are_numbers_or_percentages),
        cmocka_unit_test(truths_and_words_are_taken_out_of_their_lists),
        cmocka_unit_test(what_is_no_value_is_refused_with_what_is_wanted),
        cmocka_unit_test(bounds_above_2_53_are_exact),
        cmocka_unit_test(formats_take_what_they_name_and_nothing_else),
        cmocka_unit_test(the_nearest_word_is_found_where_one_is_near),
        cmocka_unit_test(excerpts_hide_credentials_and_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
