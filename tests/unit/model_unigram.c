/*
 * Unigram: scores as the reference reads them, and the ways that it finds (Hugging Face tokenizers
 * 0.23.2).
 */
#include "gateway/token/tokenizer_parts.h"

#include "tests/unit/tokenizer_rig.h"

#define TOKENS                                                                                     \
    "[\"<unk>\",0],[\"a\",-1.0],[\"b\",-1.0],[\"ab\",-2.0],[\"bc\",-2.5],[\"abc\",-4.0],"          \
    "[\"\xc3\xa9\",-1.0],[\"q\xc3\xa9\",-9.0],[\"zz\",-30.0],[\"aa\",-2.000000001],[\"aab\",-3.0]"
#define UNIGRAM(members, tokens)                                                                   \
    "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0," members "\"vocab\":[" tokens "]}}"

/* The reference writes what it has read (Tokenizer.to_str). */
static void scores_are_the_reference_s_to_the_last_bit(void **state)
{
    static const struct {
        const char *written, *read;
    } rows[] = {
        { "-1.0", "-1.0" },
        { "-0.1", "-0.1" },
        { "-9.123456789", "-9.123456789" },
        { "-12.34567890123456", "-12.34567890123456" },
        { "-1.2345678901234567", "-1.2345678901234567" },
        { "-3.1415926535897931", "-3.141592653589793" },
        { "-2.7182818284590452", "-2.718281828459045" },
        { "-10.019999999999998", "-10.019999999999998" },
        { "-7.0e-3", "-0.007" },
        { "-1e23", "-1e+23" },
        { "-8.41e21", "-8.41e+21" },
        { "-123456789.12345678", "-123456789.12345678" },
        { "-0.30000000000000004", "-0.30000000000000004" },
        { "-1.7976931348623157e308", "-1.7976931348623157e+308" },
        { "-5e-324", "-5e-324" },
        { "0", "0.0" },
        { "1", "1.0" },
        { "-0.0", "-0.0" },
        { "-13.177213668823242", "-13.177213668823242" },
        { "-11.000000000000002", "-11.000000000000002" },
        { "-9.87654321098765432", "-9.876543210987654" },
        { "-6.0221407599999999e23", "-6.02214076e+23" },
        { "-11.477439037581577", "-11.477439037581576" },  /* not the nearest */
        { "-2.9015342702886002", "-2.9015342702886" },     /* not the nearest */
        { "-9.404634036196951", "-9.404634036196953" },    /* not the nearest */
        { "-9.087778255798199", "-9.0877782557982" },      /* not the nearest */
        { "-9.395261183098551", "-9.395261183098553" },    /* not the nearest */
        { "-11.4774390375815770", "-11.477439037581577" }, /* a digit more, another number */
        { "-2.71828182845904523536028747135266249", "-2.7182818284590455" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer;
        char json[256];

        snprintf(json, sizeof(json), UNIGRAM("", "[\"t\",%s]"), rows[i].written);
        tokenizer = rig_load(json);
        if (tokenizer->model.scores[0] != strtod(rows[i].read, NULL))
            fail_msg("%s: %.17g, wanted %s", rows[i].written, tokenizer->model.scores[0],
                     rows[i].read);
        tokenizer_unref(tokenizer);
    }
}

/* The nearest double to it is the largest there is; the reference's way to it is longer. */
static void a_score_that_is_out_of_range_is_refused(void **state)
{
    struct buf errors;

    (void)state;
    buf_init(&errors, SIZE_MAX);
    assert_null(tokenizer_load_text(
        SLICE(UNIGRAM("", "[\"u\",0],[\"t\",179769313486231570000e288]")), SLICE(""), &errors));
    assert_true(
        slice_eq(buf_join(&errors), SLICE("tokenizer.json: model.vocab[1][1]: is out of range\n")));
    buf_release(&errors);
}

static void the_best_way_is_found_and_of_equal_ones_the_first(void **state)
{
    static const struct {
        const char *text;
        int64_t ids[RIG_IDS];
    } rows[] = {
        { "", { -1 } },
        { "ab", { 3, -1 } }, /* one token of two, or two of one each */
        { "abc", { 1, 4, -1 } },
        { "aab", { 10, -1 } },
        { "aaab", { 1, 10, -1 } },
        { "bc", { 4, -1 } },
        { "c", { 0, -1 } },
        { "cdc", { 0, -1 } }, /* unknown ones in a row are one */
        { "acb", { 1, 0, 2, -1 } },
        { "\xc3\xa9", { 6, -1 } },
        { "q\xc3\xa9", { 7, -1 } },
        { "zz", { 8, -1 } }, /* worse than two unknown ones, which together are this token */
        { "z", { 0, -1 } },
        { "zzz", { 0, 8, -1 } },
        { "\xf0\x9f\x98\x80"
          "a",
          { 0, 1, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rig_encode(UNIGRAM("", TOKENS), rows[i].text, rows[i].ids);
}

static void unknown_ones_fall_back_to_bytes(void **state)
{
    static const struct {
        const char *text;
        int64_t ids[RIG_IDS];
    } rows[] = {
        { "c", { 110, -1 } },
        { "\xe4\xb8\xad", { 239, 195, 184, -1 } },
        { "zz", { 8, -1 } },
        { "azb", { 1, 133, 2, -1 } },
    };
    char json[8192];
    int len = snprintf(json, sizeof(json), "%s", UNIGRAM("\"byte_fallback\":true,", TOKENS));

    (void)state;
    len -= (int)strlen("]}}");
    for (int byte = 0; byte < 256; byte++)
        len += snprintf(json + len, sizeof(json) - (size_t)len, ",[\"<0x%02X>\",-5.0]", byte);
    snprintf(json + len, sizeof(json) - (size_t)len, "]}}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rig_encode(json, rows[i].text, rows[i].ids);
}

/* One piece of a megabyte is left in the middle. */
static void what_is_late_is_left(void **state)
{
    struct tokenizer *tokenizer = rig_load(UNIGRAM("", TOKENS));
    struct encoder *encoder = encoder_new(tokenizer, 0);
    size_t len = 1 << 20;
    char *text = xmalloc(len);
    struct ids ids;

    (void)state;
    memset(text, 'a', len);
    ids_init(&ids);
    encoder_encode(encoder, slice_of(text, len), ENCODER_PLAIN, &ids);
    assert_true(encoder_exact(encoder));
    assert_true(ids.count > len / 2);
    encoder_until(encoder, clock_now_us() + len * DEADLINE_BYTE_NS / 1000 + 1000);
    ids.count = 0;
    encoder_encode(encoder, slice_of(text, len), ENCODER_PLAIN, &ids);
    assert_true(encoder_late(encoder) == (ids.count == 0));
    encoder_until(encoder, 1);
    encoder_encode(encoder, slice_of(text, len), ENCODER_PLAIN, &ids);
    assert_true(encoder_late(encoder));
    assert_false(encoder_exact(encoder));
    encoder_until(encoder, 0);
    ids.count = 0;
    encoder_encode(encoder, SLICE("ab"), ENCODER_PLAIN, &ids);
    rig_compare("ab", &ids, (const int64_t[]){ 3, -1 });
    ids_release(&ids);
    free(text);
    encoder_free(encoder);
    tokenizer_unref(tokenizer);
}

static void long_tokens_are_refused(void **state)
{
    static const size_t lens[] = { 1024, 1025 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        char name[2048] = "", json[4096];
        struct tokenizer *tokenizer;
        struct slice said;
        struct buf errors;

        buf_init(&errors, SIZE_MAX);
        memset(name, 'a', lens[i]);
        snprintf(json, sizeof(json), UNIGRAM("", "[\"u\",0],[\"%s\",-1]"), name);
        tokenizer = tokenizer_load_text(slice_str(json), SLICE(""), &errors);
        said = buf_join(&errors);
        assert_int_equal(tokenizer != NULL, i == 0);
        assert_true(i == 0 || slice_eq(said, SLICE("tokenizer.json: model.vocab[1][0]: is longer "
                                                   "than 1024 bytes\n")));
        tokenizer_unref(tokenizer);
        buf_release(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_the_reference_s_to_the_last_bit),
        cmocka_unit_test(a_score_that_is_out_of_range_is_refused),
        cmocka_unit_test(the_best_way_is_found_and_of_equal_ones_the_first),
        cmocka_unit_test(unknown_ones_fall_back_to_bytes),
        cmocka_unit_test(what_is_late_is_left),
        cmocka_unit_test(long_tokens_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
