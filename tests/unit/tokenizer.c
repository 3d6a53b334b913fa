/*
 * Small tokenizers: what each stage does, and that encoding may begin anew at a cut.
 */
#include "gateway/token/tokenizer.h"

#include "tests/unit/tokenizer_rig.h"
#include "tests/unit/tokenizer_samples.h"

#include <stdlib.h>

static void texts_become_ids(void **state)
{
    static const struct {
        size_t sample;
        const char *text;
        enum encoder_special special;
        int64_t ids[RIG_IDS];
    } rows[] = {
        { 0, "", ENCODER_PLAIN, { -1 } },
        { 0, "", ENCODER_PROCESSED, { 2, 1, -1 } },
        { 0, "a", ENCODER_PLAIN, { 6, -1 } },
        { 0, "ab a", ENCODER_PLAIN, { 6, 9, -1 } }, /* a merge that goes on over a mark */
        { 0, "ab b", ENCODER_PLAIN, { 6, 3, 1, 3, -1 } },
        { 0, "a  a", ENCODER_PLAIN, { 6, 1, 6, -1 } },
        { 0, "a\xc3\xa9\xc3\xa8 a", ENCODER_PLAIN, { 6, 0, 6, -1 } }, /* unknown ones are one */
        { 0, "a<a>a", ENCODER_PROCESSED, { 2, 6, 12, 6, 1, -1 } },
        { 0, "a<a>ba", ENCODER_PLAIN, { 6, 13, 6, -1 } }, /* the longest */
        { 0, "a <l> <r> a", ENCODER_PLAIN, { 6, 14, 7, 15, 6, -1 } },
        { 0, "a<w>", ENCODER_PLAIN, { 6, 10, 0, 11, -1 } },
        { 1,
          "AB \xc3\xa0"
          "a,a",
          ENCODER_PLAIN,
          { 3, 1, 2, 0, 1, -1 } },
        { 1, "aaaaaaaaaa aaaaaaaaaaa", ENCODER_PLAIN, { 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, -1 } },
        { 1, "the The", ENCODER_PLAIN, { 13, 13, -1 } }, /* normalized, as the token is */
        { 2, "ab", ENCODER_PLAIN, { 5, 4, -1 } },
        { 2, "<a>ab", ENCODER_PLAIN, { 8, 3, -1 } }, /* not at the beginning */
        { 2, " ab", ENCODER_PLAIN, { 3, -1 } },      /* what was stripped was the beginning */
        { 2, "aqq", ENCODER_PLAIN, { 5, 0, -1 } },
        { 3, "ab", ENCODER_PLAIN, { 4, 1, -1 } },
        { 3, "e\xcc\x81", ENCODER_PLAIN, { 2, 7, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer = sample_load(rows[i].sample);
        struct encoder *encoder = encoder_new(tokenizer, 1 << 20);
        struct ids ids;

        ids_init(&ids);
        encoder_encode(encoder, slice_str(rows[i].text), rows[i].special, &ids);
        rig_compare(rows[i].text, &ids, rows[i].ids);
        ids_release(&ids);
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
}

static void encoding_begins_anew_at_cuts(void **state)
{
    static const char *const atoms[] = {
        "<a>",      "<a>",      "<a>b", "<l>", "<r>",          "<w>",          "x",
        "The",      "a",        "b",    " ",   "  ",           "ab",           "\n",
        "\xc3\xa9", "\xcc\x81", "<",    ">",   "\xe4\xb8\xad", "\xe2\x96\x81",
    };
    size_t cuts = 0;

    (void)state;
    srand(1);
    for (size_t sample = 0; sample < ARRAY_LEN(samples); sample++) {
        struct tokenizer *tokenizer = sample_load(sample);
        struct encoder *encoder = encoder_new(tokenizer, 1 << 20);

        for (int round = 0; round < 3000; round++) {
            char text[256] = "";

            for (int n = rand() % 16; n > 0; n--)
                strcat(text, atoms[(size_t)rand() % ARRAY_LEN(atoms)]);
            cuts += sample_check_cuts(encoder, slice_str(text), (enum encoder_special)(round % 3));
        }
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
    assert_true(cuts > 1000);
}

/* "<a>" may become "<a>b", "<r>" takes white space that follows, "<w>" minds the next letter. */
static void only_firm_tokens_give_cuts(void **state)
{
    static const struct {
        const char *text;
        size_t cuts;
    } rows[] = {
        { "a<a>a", 0 }, { "a<a>ba", 1 }, { "a<l>a", 1 },
        { "a<r>a", 0 }, { "<w>", 0 },    { "aThe", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer = sample_load(0);
        struct encoder *encoder = encoder_new(tokenizer, 0);

        assert_int_equal(sample_check_cuts(encoder, slice_str(rows[i].text), ENCODER_PLAIN),
                         rows[i].cuts);
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
}

#define CONFIG(members) "{\"bos_token\":\"a\",\"eos_token\":{\"content\":\"b\"}" members "}"

static void completions_get_what_the_engine_adds(void **state)
{
    static const struct {
        const char *config;
        int64_t ids[RIG_IDS];
    } rows[] = {
        /* the post-processor puts 2 in front and 1 behind; "a" is 2, "b" is 3 */
        { CONFIG(""), { 2, 6, 1, -1 } },
        { CONFIG(",\"add_bos_token\":true"), { 2, 6, 1, -1 } },
        { CONFIG(",\"add_eos_token\":true"), { 2, 6, 1, 3, -1 } },
        { CONFIG(",\"add_bos_token\":false"), { 2, 6, 1, -1 } },
        { CONFIG(",\"tokenizer_class\":\"LlamaTokenizerFast\""), { 2, 6, -1 } },
        { CONFIG(",\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false"), { 6, -1 } },
        { CONFIG(",\"tokenizer_class\":\"LlamaTokenizer\",\"add_eos_token\":true"),
          { 2, 6, 3, -1 } },
        { "{\"model_max_length\":1000000000000000000000000000000}", { 2, 6, 1, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer;
        struct encoder *encoder;
        struct buf errors;
        struct ids ids;

        buf_init(&errors, SIZE_MAX);
        ids_init(&ids);
        tokenizer =
            tokenizer_load_text(slice_str(SAMPLE_MARKS), slice_str(rows[i].config), &errors);
        assert_non_null(tokenizer);
        assert_true(slice_eq(tokenizer_config(tokenizer), slice_str(rows[i].config)));
        encoder = encoder_new(tokenizer, 0);
        encoder_encode(encoder, SLICE("a"), ENCODER_COMPLETION, &ids);
        rig_compare(rows[i].config, &ids, rows[i].ids);
        ids_release(&ids);
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
}

/* Each of the spaces is the token, and the first takes them all. */
static void white_space_is_taken_once(void **state)
{
    static const char json[] = "{\"added_tokens\":[" SAMPLE_ADDED(
        1, " ", false, true, true,
        false) "],\"model\":{"
               "\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0}}}";
    struct tokenizer *tokenizer;
    struct encoder *encoder;
    struct buf errors;
    struct ids ids;

    (void)state;
    buf_init(&errors, SIZE_MAX);
    ids_init(&ids);
    tokenizer = tokenizer_load_text(slice_str(json), SLICE(""), &errors);
    assert_non_null(tokenizer);
    encoder = encoder_new(tokenizer, 0);
    encoder_encode(encoder, SLICE("a    b"), ENCODER_PLAIN, &ids);
    rig_compare("a    b", &ids, (const int64_t[]){ 0, 1, 0, -1 });
    ids_release(&ids);
    encoder_free(encoder);
    tokenizer_unref(tokenizer);
}

static void ids_are_found_by_content(void **state)
{
    struct tokenizer *tokenizer = sample_load(0);
    struct slice content;
    uint32_t id;

    (void)state;
    assert_true(tokenizer_id(tokenizer, SLICE("<a>"), &id));
    assert_int_equal(id, 12); /* behind the vocabulary, whatever the file says */
    assert_true(tokenizer_id(tokenizer, SLICE("ab"), &id));
    assert_int_equal(id, 5);
    assert_false(tokenizer_id(tokenizer, SLICE("abc"), &id));
    assert_int_equal(tokenizer_size(tokenizer), 19);
    assert_true(tokenizer_token(tokenizer, 12, &content));
    assert_true(slice_eq(content, SLICE("<a>")));
    assert_true(tokenizer_token(tokenizer, 5, &content));
    assert_true(slice_eq(content, SLICE("ab")));
    assert_false(tokenizer_token(tokenizer, 19, &content));
    assert_false(tokenizer_token(tokenizer, UINT32_MAX, &content));
    tokenizer_unref(tokenizer);
}

#define TOKENIZER(members) "{\"model\":{" members "}}"
#define AB                 "\"vocab\":{\"a\":5,\"b\":1,\"ab\":2}"
#define AB_SCORES          "\"vocab\":[[\"a\",-1.0],[\"b\",-1.0],[\"ab\",-1.5],[\"<0x71>\",-3.0]]"

/* The reference loads these and fails on the texts that are not exact here. */
#define GROWS(pattern) "{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"aaaaaaaaaa\"}"
#define GROWS_BYTE     GROWS("\"String\":\"a\"")
#define GROWS_REGEX    GROWS("\"Regex\":\"a\"")
#define PREPENDS       "{\"type\":\"Prepend\",\"prepend\":\"aaaaaaaaaa\"}"
#define LETTERS        "{\"type\":\"ByteLevel\"}"
#define WITH_STEPS(member, list, steps)                                                            \
    "{\"" member "\":{\"type\":\"Sequence\",\"" list "\":[" steps "]},\"model\":{"                 \
    "\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0}}}"
#define TEN(x) x "," x "," x "," x "," x "," x "," x "," x "," x "," x
#define LETTERS_OF_PIECES                                                                          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":"      \
    "false}"

#define REPLACES(pattern, content)                                                                 \
    WITH_STEPS("normalizer", "normalizers",                                                        \
               "{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"" content "\"}")
#define PUTS_BEFORE(content)                                                                       \
    WITH_STEPS("normalizer", "normalizers", "{\"type\":\"Prepend\",\"prepend\":\"" content "\"}")
#define FIVE(x)   x "," x "," x "," x "," x
#define SIXTEEN   "aaaaaaaaaaaaaaaa"
#define B64       SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define B256      B64 B64 B64 B64
#define FIFTEEN   "aaaaaaaaaaaaaaa"
#define E_ACUTE_5 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"

/* Without a limit these have ten to the tenth times the text, or a thousand times; or they have 16
 * times the text and 256 bytes, and one byte more. */
static void a_text_that_grows_without_bounds_says_so(void **state)
{
    static const struct {
        const char *json, *text;
        bool exact;
    } rows[] = {
        { WITH_STEPS("normalizer", "normalizers", GROWS_BYTE), "aaa", true },
        { WITH_STEPS("normalizer", "normalizers", TEN(GROWS_BYTE)), "aaa", false },
        { WITH_STEPS("normalizer", "normalizers", TEN(GROWS_REGEX)), "aaa", false },
        { WITH_STEPS("normalizer", "normalizers", PREPENDS), "a", true },
        { WITH_STEPS("normalizer", "normalizers",
                     TEN(PREPENDS) "," TEN(PREPENDS) "," TEN(PREPENDS)),
          "a", false },
        { WITH_STEPS("normalizer", "normalizers", LETTERS), "\xc3\xa9", true },
        { WITH_STEPS("normalizer", "normalizers", TEN(LETTERS) "," TEN(LETTERS)), "\xc3\xa9",
          false },
        { WITH_STEPS("pre_tokenizer", "pretokenizers",
                     TEN(LETTERS_OF_PIECES) "," TEN(LETTERS_OF_PIECES)),
          "\xc3\xa9", false },
        { PUTS_BEFORE(B256 FIFTEEN), "a", true }, /* 272 */
        { PUTS_BEFORE(B256 FIFTEEN "a"), "a", false },
        { PUTS_BEFORE(B256 FIFTEEN FIFTEEN), "ab", true }, /* 288 */
        { PUTS_BEFORE(B256 FIFTEEN FIFTEEN "a"), "ab", false },
        { REPLACES("\"String\":\"a\"", B256 SIXTEEN), "a", true },
        { REPLACES("\"String\":\"a\"", B256 SIXTEEN "a"), "a", false },
        { REPLACES("\"String\":\"ab\"", B256 SIXTEEN SIXTEEN), "ab", true },
        { REPLACES("\"String\":\"ab\"", B256 SIXTEEN SIXTEEN "a"), "ab", false },
        { REPLACES("\"Regex\":\"[a]\"", B256 SIXTEEN), "a", true },
        { REPLACES("\"Regex\":\"[a]\"", B256 SIXTEEN "a"), "a", false },
        { REPLACES("\"String\":\"a\"", B256 SIXTEEN "a"), "", true }, /* nothing of nothing */
        /* Letters of letters: 16 bytes become 32 times as many; 17 and one that stays too many. */
        { WITH_STEPS("normalizer", "normalizers", FIVE(LETTERS)),
          E_ACUTE_5 "\xc3\xa9\xc3\xa9\xc3\xa9", true },
        { WITH_STEPS("normalizer", "normalizers", FIVE(LETTERS)),
          E_ACUTE_5 "\xc3\xa9\xc3\xa9\xe2\x82\xac"
                    "a",
          false },
        { WITH_STEPS("pre_tokenizer", "pretokenizers", FIVE(LETTERS_OF_PIECES)),
          E_ACUTE_5 "\xc3\xa9\xc3\xa9\xc3\xa9", true },
        { WITH_STEPS("pre_tokenizer", "pretokenizers", FIVE(LETTERS_OF_PIECES)),
          E_ACUTE_5 "\xc3\xa9\xc3\xa9\xe2\x82\xac"
                    "a",
          false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer = rig_load(rows[i].json);
        struct encoder *encoder = encoder_new(tokenizer, 1 << 20);
        struct ids ids;

        ids_init(&ids);
        encoder_encode(encoder, slice_str(rows[i].text), ENCODER_PLAIN, &ids);
        if (encoder_exact(encoder) != rows[i].exact)
            fail_msg("row %zu should%s be exact", i, rows[i].exact ? "" : " not");
        ids_release(&ids);
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
}

static void a_text_without_ids_says_so(void **state)
{
    static const struct {
        const char *json, *text;
        bool exact;
        int64_t ids[RIG_IDS]; /* where exact */
    } rows[] = {
        { TOKENIZER("\"type\":\"BPE\",\"unk_token\":\"u\"," AB ",\"merges\":[\"a b\"]"),
          "aba",
          true,
          { 2, 5, -1 } },
        { TOKENIZER("\"type\":\"BPE\",\"unk_token\":\"u\"," AB ",\"merges\":[\"a b\"]"),
          "abq",
          false,
          { 0 } },
        { TOKENIZER("\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]"), "aq", true, { 0, -1 } },
        { TOKENIZER("\"type\":\"WordLevel\",\"unk_token\":\"u\"," AB), "ab", true, { 2, -1 } },
        { TOKENIZER("\"type\":\"WordLevel\",\"unk_token\":\"u\"," AB), "aa", false, { 0 } },
        { TOKENIZER("\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
                    "\"max_input_chars_per_word\":9," AB),
          "aab",
          true,
          { 5, 2, -1 } },
        { TOKENIZER("\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
                    "\"max_input_chars_per_word\":9," AB),
          "aq",
          false,
          { 0 } },
        { TOKENIZER("\"type\":\"Unigram\",\"unk_id\":null," AB_SCORES), "aba", true, { 2, 0, -1 } },
        { TOKENIZER("\"type\":\"Unigram\"," AB_SCORES), "aq", false, { 0 } },
        { TOKENIZER("\"type\":\"Unigram\",\"byte_fallback\":true," AB_SCORES), "q", false, { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokenizer *tokenizer = rig_load(rows[i].json);
        struct encoder *encoder = encoder_new(tokenizer, 0);
        struct ids ids;

        ids_init(&ids);
        encoder_encode(encoder, slice_str(rows[i].text), ENCODER_PLAIN, &ids);
        if (encoder_exact(encoder) != rows[i].exact)
            fail_msg("%s: \"%s\" should%s be exact", rows[i].json, rows[i].text,
                     rows[i].exact ? "" : " not");
        if (rows[i].exact)
            rig_compare(rows[i].text, &ids, rows[i].ids);
        for (size_t at = 0; at < ids.count; at++)
            assert_true(ids.at[at] < tokenizer_size(tokenizer));
        ids.count = 0;
        encoder_encode(encoder, SLICE("a"), ENCODER_PLAIN, &ids);
        assert_true(encoder_exact(encoder)); /* the next text is not touched by it */
        ids_release(&ids);
        encoder_free(encoder);
        tokenizer_unref(tokenizer);
    }
}

#define TWICE(first, second)                                                                       \
    "{\"added_tokens\":[" first "," second                                                         \
    "," SAMPLE_ADDED(9, "<y>", false, false, false,                                                \
                     false) "],"                                                                   \
                            "\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{"                  \
                            "\"type\":\"WordLevel\",\"unk_token\":\"u\","                          \
                            "\"vocab\":{\"u\":0,\"a\":1}}}"
#define AS_IT_IS   SAMPLE_ADDED(5, "<x>", false, false, false, false)
#define NORMALIZED SAMPLE_ADDED(6, "<x>", false, false, false, true)

static void of_equal_added_tokens_the_last_one_counts(void **state)
{
    static const struct {
        const char *json, *text;
        int64_t ids[RIG_IDS];
    } rows[] = {
        { TWICE(AS_IT_IS, NORMALIZED), "A<X>", { 1, 2, -1 } },
        { TWICE(NORMALIZED, AS_IT_IS), "A<X>", { 0, -1 } },
        { TWICE(NORMALIZED, AS_IT_IS), "<x>a<y>", { 2, 1, 3, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rig_encode(rows[i].json, rows[i].text, rows[i].ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_ids),
        cmocka_unit_test(encoding_begins_anew_at_cuts),
        cmocka_unit_test(only_firm_tokens_give_cuts),
        cmocka_unit_test(completions_get_what_the_engine_adds),
        cmocka_unit_test(white_space_is_taken_once),
        cmocka_unit_test(ids_are_found_by_content),
        cmocka_unit_test(a_text_without_ids_says_so),
        cmocka_unit_test(a_text_that_grows_without_bounds_says_so),
        cmocka_unit_test(of_equal_added_tokens_the_last_one_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
