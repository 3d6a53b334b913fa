/*
 * Pre-tokenizers: the pieces of texts, as Hugging Face tokenizers 0.23.2 cuts them
 * (pre_tokenize_str).
 */
#include "gateway/token/pretokenizer.h"

#include "tests/unit/tokenizer_rig.h"

#define STRING(text)   "{'String':'" text "'}"
#define REGEX(pattern) "{'Regex':'" pattern "'}"
#define SPLIT(pattern, behavior, invert)                                                           \
    "{'type':'Split','pattern':" pattern ",'behavior':'" behavior "','invert':" #invert "}"
#define METASPACE(replacement, scheme, split)                                                      \
    "{'type':'Metaspace','replacement':'" replacement "','prepend_scheme':'" scheme                \
    "','split':" #split "}"
#define BYTE_LEVEL(prefix, regex)                                                                  \
    "{'type':'ByteLevel','add_prefix_space':" #prefix ",'trim_offsets':true,'use_regex':" #regex "}"
#define LIST(steps) "{'type':'Sequence','pretokenizers':[" steps "]}"

static void check(const char *json, const char *text, const char *wanted)
{
    struct rig_node rig;
    struct pretokenizer pretokenizer;
    struct scratch scratch;
    const struct spans *spans;
    struct text pieces;
    uint32_t first = 0;

    rig_open(&rig, json);
    scratch_init(&scratch);
    text_init(&pieces);
    assert_true(pretokenizer_load(&pretokenizer, &rig.node));
    if (*text)
        unicode_read(text, &first);
    spans = pretokenizer_apply(&pretokenizer, &scratch, slice_str(text), first);
    for (size_t i = 0; i < spans->count; i++) {
        if (i > 0)
            text_add(&pieces, SLICE("|"));
        text_add(&pieces, slice_of(spans->text.at + spans->list[i].at,
                                   spans->list[i].end - spans->list[i].at));
    }
    if (!slice_eq(text_slice(&pieces), slice_str(wanted)))
        fail_msg("%s of \"%s\": \"%.*s\", wanted \"%s\"", json, text,
                 SLICE_ARGS(text_slice(&pieces)), wanted);
    text_release(&pieces);
    scratch_release(&scratch);
    pretokenizer_release(&pretokenizer);
    rig_close(&rig);
}

static const struct {
    const char *json, *text, *pieces;
} cuts[] = {
    { SPLIT(STRING("-"), "Removed", false), "-a--b-", "a|b" },
    { SPLIT(STRING("-"), "Removed", true), "-a--b-", "-|-|-|-" },
    { SPLIT(STRING("-"), "Isolated", false), "-a--b-", "-|a|-|-|b|-" },
    { SPLIT(STRING("-"), "Isolated", true), "-a--b-", "-|a|-|-|b|-" },
    { SPLIT(STRING("-"), "MergedWithPrevious", false), "-a--b-", "-|a-|-|b-" },
    { SPLIT(STRING("-"), "MergedWithPrevious", true), "-a--b-", "-a|-|-b|-" },
    { SPLIT(STRING("-"), "MergedWithNext", false), "-a--b-", "-a|-|-b|-" },
    { SPLIT(STRING("-"), "MergedWithNext", true), "-a--b-", "-|a-|-|b-" },
    { SPLIT(STRING("-"), "Contiguous", false), "-a--b-", "-|a|--|b|-" },
    { SPLIT(STRING("-"), "Contiguous", true), "-a--b-", "-|a|--|b|-" },
    { SPLIT(REGEX("[0-9]+"), "Isolated", false), "ab12c345", "ab|12|c|345" },
    { SPLIT(REGEX("[0-9]+"), "Isolated", false), "12", "12" },
    { SPLIT(REGEX("[0-9]+"), "Removed", true), "ab12c345", "12|345" },
    { SPLIT(REGEX("x*"), "Isolated", false), "axxb", "a|xx|b" },
    { "{'type':'WhitespaceSplit'}",
      " a  b\xe3\x80\x80"
      "c\x1d ",
      "a|b|c\x1d" },
    { "{'type':'WhitespaceSplit'}", "", "" },
    { "{'type':'Whitespace'}", "Hi, w\xc3\xb6rld! a_b 1\xcc\x81",
      "Hi|,|w\xc3\xb6rld|!|a_b|1\xcc\x81" },
    { "{'type':'BertPreTokenizer'}", "Hi, w\xc3\xb6rld! $5", "Hi|,|w\xc3\xb6rld|!|$|5" },
    { "{'type':'Punctuation','behavior':'Removed'}", "a,.b", "a|b" },
    { "{'type':'Punctuation','behavior':'Isolated'}", "a,.b", "a|,|.|b" },
    { "{'type':'Punctuation','behavior':'MergedWithPrevious'}", "a,.b", "a,|.|b" },
    { "{'type':'Punctuation','behavior':'MergedWithNext'}", "a,.b", "a|,|.b" },
    { "{'type':'Punctuation','behavior':'Contiguous'}", "a,.b", "a|,.|b" },
    { "{'type':'Punctuation'}", "a,.b", "a|,|.|b" },
    { "{'type':'Digits','individual_digits':false}",
      "a12\xd9\xa3"
      "b",
      "a|12\xd9\xa3|b" },
    { "{'type':'Digits','individual_digits':true}",
      "a12\xd9\xa3"
      "b",
      "a|1|2|\xd9\xa3|b" },
    { "{'type':'CharDelimiterSplit','delimiter':'\xc3\xa9'}",
      "\xc3\xa9"
      "a\xc3\xa9\xc3\xa9"
      "b",
      "a|b" },
    { "{'type':'FixedLength','length':2}",
      "a\xc3\xa9\xe4\xbd\xa0"
      "bc",
      "a\xc3\xa9|\xe4\xbd\xa0"
      "b|c" },
    { "{'type':'FixedLength'}", "abcdefg", "abcde|fg" },
    { BYTE_LEVEL(false, false), "it's a\xc3\xa9",
      "it's\xc4\xa0"
      "a\xc3\x83\xc2\xa9" },
    { BYTE_LEVEL(false, false), " x", "\xc4\xa0x" },
    { BYTE_LEVEL(false, true), "it's a\xc3\xa9",
      "it|'s|\xc4\xa0"
      "a\xc3\x83\xc2\xa9" },
    { BYTE_LEVEL(false, true), " x", "\xc4\xa0x" },
    { BYTE_LEVEL(true, false), "it's a\xc3\xa9",
      "\xc4\xa0it's\xc4\xa0"
      "a\xc3\x83\xc2\xa9" },
    { BYTE_LEVEL(true, false), " x", "\xc4\xa0x" },
    { BYTE_LEVEL(true, true), "it's a\xc3\xa9",
      "\xc4\xa0it|'s|\xc4\xa0"
      "a\xc3\x83\xc2\xa9" },
    { BYTE_LEVEL(true, true), " x", "\xc4\xa0x" },
    { METASPACE("_", "first", true), "a b", "_a|_b" },
    { METASPACE("_", "first", true), " a", "_a" },
    { METASPACE("_", "first", true), "_a", "_a" },
    { METASPACE("_", "first", false), "a b", "_a_b" },
    { METASPACE("_", "first", false), " a", "_a" },
    { METASPACE("_", "first", false), "_a", "_a" },
    { METASPACE("_", "always", true), "a b", "_a|_b" },
    { METASPACE("_", "always", true), " a", "_a" },
    { METASPACE("_", "always", true), "_a", "_a" },
    { METASPACE("_", "always", false), "a b", "_a_b" },
    { METASPACE("_", "always", false), " a", "_a" },
    { METASPACE("_", "always", false), "_a", "_a" },
    { METASPACE("_", "never", true), "a b", "a|_b" },
    { METASPACE("_", "never", true), " a", "_a" },
    { METASPACE("_", "never", true), "_a", "_a" },
    { METASPACE("_", "never", false), "a b", "a_b" },
    { METASPACE("_", "never", false), " a", "_a" },
    { METASPACE("_", "never", false), "_a", "_a" },
    { METASPACE("\xe2\x96\x81", "always", true), "a  b",
      "\xe2\x96\x81"
      "a|\xe2\x96\x81|\xe2\x96\x81"
      "b" },
    { LIST("{'type':'WhitespaceSplit'}"
           "," METASPACE("_", "first", true)),
      "a b", "_a|b" },
    { LIST("{'type':'WhitespaceSplit'}"
           "," METASPACE("_", "first", true)),
      " a", "a" },
    { LIST(METASPACE("_", "always", true) "," SPLIT(STRING("_"), "Isolated",
                                                    false) "," METASPACE("+", "first", true)),
      "a b", "+_|+a|_|b" },
    { LIST(METASPACE("_", "always", true) "," SPLIT(STRING("_"), "Isolated",
                                                    false) "," METASPACE("+", "first", true)),
      "_a", "+_|a" },
    { LIST(SPLIT(STRING("a"), "Removed", false) "," METASPACE("_", "always", true) "," SPLIT(
          STRING("_"), "Isolated", false) "," METASPACE("+", "first", true)),
      "ab", "_|b" },
    { LIST(SPLIT(STRING("a"), "Removed", false) "," METASPACE("_", "always", true) "," SPLIT(
          STRING("_"), "Isolated", false) "," METASPACE("+", "first", true)),
      "ba", "+_|+b" },
    { LIST(BYTE_LEVEL(true, false) "," SPLIT(REGEX("."), "Isolated",
                                             false) "," METASPACE("+", "first", true)),
      "\xc3\xa9"
      "e",
      "+\xc4\xa0|+\xc3\x83|+\xc2\xa9|e" },
    { LIST(BYTE_LEVEL(true, false) "," SPLIT(REGEX("."), "Isolated",
                                             false) "," METASPACE("+", "first", true)),
      " e", "+\xc4\xa0|e" },
    { LIST("{'type':'Digits','individual_digits':false}"
           "," METASPACE("_", "first", true)),
      "1a", "_1|a" },
    { LIST("{'type':'Digits','individual_digits':false}"
           "," METASPACE("_", "first", true)),
      "a1", "_a|1" },
    { LIST(LIST("{'type':'WhitespaceSplit'}") ","
                                              "{'type':'Digits','individual_digits':true}"),
      "a 12", "a|1|2" },
};

static void texts_are_cut_as_the_reference_cuts_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
        check(cuts[i].json, cuts[i].text, cuts[i].pieces);
}

/* Only pieces of the text that begins the whole are first. */
static void a_text_further_on_has_no_first_piece(void **state)
{
    struct pretokenizer pretokenizer;
    const struct spans *spans;
    struct scratch scratch;
    struct rig_node rig;

    (void)state;
    rig_open(&rig, METASPACE("_", "first", true));
    scratch_init(&scratch);
    assert_true(pretokenizer_load(&pretokenizer, &rig.node));
    spans = pretokenizer_apply(&pretokenizer, &scratch, SLICE("ab"), /* front= */ 0);
    assert_int_equal(spans->count, 1);
    assert_true(slice_eq(spans->text, SLICE("ab")));
    scratch_release(&scratch);
    pretokenizer_release(&pretokenizer);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_the_reference_cuts_them),
        cmocka_unit_test(a_text_further_on_has_no_first_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
