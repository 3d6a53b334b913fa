/*
 * Normalizers: what each kind makes of a text, as Hugging Face tokenizers 0.23.2 does it
 * (normalize_str), and what of a step is missing or wrong.
 */
#include "gateway/token/normalizer.h"

#include "tests/unit/tokenizer_rig.h"

#define REPLACE(pattern, content) "{'type':'Replace','pattern':" pattern ",'content':'" content "'}"
#define BERT(clean, chinese, accents, lower)                                                       \
    "{'type':'BertNormalizer','clean_text':" clean ",'handle_chinese_chars':" chinese              \
    ",'strip_accents':" accents ",'lowercase':" lower "}"

static void check(const char *json, const char *text, const char *wanted)
{
    struct normalizer normalizer;
    struct scratch scratch;
    struct rig_node rig;
    struct slice made;

    rig_open(&rig, json);
    scratch_init(&scratch);
    assert_true(normalizer_load(&normalizer, &rig.node));
    made = normalizer_apply(&normalizer, &scratch, slice_str(text));
    if (!slice_eq(made, slice_str(wanted)))
        fail_msg("%s of \"%s\": \"%.*s\", wanted \"%s\"", json, text, SLICE_ARGS(made), wanted);
    assert_false(scratch.gave_up);
    scratch_release(&scratch);
    normalizer_release(&normalizer);
    rig_close(&rig);
}

static const struct {
    const char *json, *text, *becomes;
} rows[] = {
    { "{'type':'NFC'}", "e\xcc\x81", "\xc3\xa9" },
    { "{'type':'NFC'}", "\xc3\xa9", "\xc3\xa9" },
    { "{'type':'NFC'}", "\xe2\x84\xab", "\xc3\x85" },
    { "{'type':'NFC'}", "\xea\xb0\x81", "\xea\xb0\x81" },
    { "{'type':'NFC'}", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81" },
    { "{'type':'NFC'}", "\xef\xac\x81", "\xef\xac\x81" },
    { "{'type':'NFC'}", "a\xcc\xa7\xcc\x81", "\xc3\xa1\xcc\xa7" },
    { "{'type':'NFC'}", "a\xcc\x81\xcc\xa7", "\xc3\xa1\xcc\xa7" },
    { "{'type':'NFC'}", "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
    { "{'type':'NFD'}", "e\xcc\x81", "e\xcc\x81" },
    { "{'type':'NFD'}", "\xc3\xa9", "e\xcc\x81" },
    { "{'type':'NFD'}", "\xe2\x84\xab", "A\xcc\x8a" },
    { "{'type':'NFD'}", "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
    { "{'type':'NFD'}", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8",
      "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
    { "{'type':'NFD'}", "\xef\xac\x81", "\xef\xac\x81" },
    { "{'type':'NFD'}", "a\xcc\xa7\xcc\x81", "a\xcc\xa7\xcc\x81" },
    { "{'type':'NFD'}", "a\xcc\x81\xcc\xa7", "a\xcc\xa7\xcc\x81" },
    { "{'type':'NFD'}", "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
    { "{'type':'NFKC'}", "e\xcc\x81", "\xc3\xa9" },
    { "{'type':'NFKC'}", "\xc3\xa9", "\xc3\xa9" },
    { "{'type':'NFKC'}", "\xe2\x84\xab", "\xc3\x85" },
    { "{'type':'NFKC'}", "\xea\xb0\x81", "\xea\xb0\x81" },
    { "{'type':'NFKC'}", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81" },
    { "{'type':'NFKC'}", "\xef\xac\x81", "fi" },
    { "{'type':'NFKC'}", "a\xcc\xa7\xcc\x81", "\xc3\xa1\xcc\xa7" },
    { "{'type':'NFKC'}", "a\xcc\x81\xcc\xa7", "\xc3\xa1\xcc\xa7" },
    { "{'type':'NFKC'}", "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
    { "{'type':'NFKD'}", "e\xcc\x81", "e\xcc\x81" },
    { "{'type':'NFKD'}", "\xc3\xa9", "e\xcc\x81" },
    { "{'type':'NFKD'}", "\xe2\x84\xab", "A\xcc\x8a" },
    { "{'type':'NFKD'}", "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
    { "{'type':'NFKD'}", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8",
      "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
    { "{'type':'NFKD'}", "\xef\xac\x81", "fi" },
    { "{'type':'NFKD'}", "a\xcc\xa7\xcc\x81", "a\xcc\xa7\xcc\x81" },
    { "{'type':'NFKD'}", "a\xcc\x81\xcc\xa7", "a\xcc\xa7\xcc\x81" },
    { "{'type':'NFKD'}", "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
    { "{'type':'Lowercase'}", "", "" },
    { "{'type':'Lowercase'}", "ABC d", "abc d" },
    { "{'type':'Lowercase'}", "\xc3\x80\xce\xa3\xce\xa3", "\xc3\xa0\xcf\x83\xcf\x83" },
    { "{'type':'Lowercase'}", "\xc4\xb0", "i\xcc\x87" },
    { "{'type':'Lowercase'}", "\xc7\x85", "\xc7\x86" },
    { "{'type':'Lowercase'}", "\xe1\xba\x9e", "\xc3\x9f" },
    { "{'type':'StripAccents'}", "e\xcc\x81", "e" },
    { "{'type':'StripAccents'}", "\xc3\xa9", "\xc3\xa9" },
    { "{'type':'StripAccents'}", "\xcc\x81x", "x" },
    { "{'type':'StripAccents'}",
      "a\xe2\x83\x9d\xe0\xa4\x83"
      "b",
      "ab" },
    { "{'type':'StripAccents'}", "\xcc\x81", "" },
    { "{'type':'Nmt'}",
      "a\x01"
      "b\x0b\x7f\xc2\x8f\xc2\x9f",
      "ab" },
    { "{'type':'Nmt'}", "\x09\x0a\x0c\x0d", "    " },
    { "{'type':'Nmt'}",
      "a\xe2\x80\x8b"
      "b\xe2\x96\x81"
      "c\xef\xbb\xbf"
      "d\xef\xbf\xbd"
      "e",
      "a b c d e" },
    { "{'type':'Nmt'}", "\xe1\x9a\x80\xe2\x80\xa8\xe2\x80\xa9", "   " },
    { "{'type':'Nmt'}", "\xc2\xa0\xe3\x80\x80\xc2\xad\xc2\x85",
      "\xc2\xa0\xe3\x80\x80\xc2\xad\xc2\x85" },
    { "{'type':'Nmt'}", "\x01", "" },
    { "{'type':'Strip','strip_left':true,'strip_right':true}", " a b\xe3\x80\x80", "a b" },
    { "{'type':'Strip','strip_left':true,'strip_right':true}", " \x0a ", "" },
    { "{'type':'Strip','strip_left':true,'strip_right':true}", "a", "a" },
    { "{'type':'Strip','strip_left':true,'strip_right':true}", "", "" },
    { "{'type':'Strip','strip_left':true,'strip_right':false}", " a b\xe3\x80\x80",
      "a b\xe3\x80\x80" },
    { "{'type':'Strip','strip_left':true,'strip_right':false}", " \x0a ", "" },
    { "{'type':'Strip','strip_left':true,'strip_right':false}", "a", "a" },
    { "{'type':'Strip','strip_left':true,'strip_right':false}", "", "" },
    { "{'type':'Strip','strip_left':false,'strip_right':true}", " a b\xe3\x80\x80", " a b" },
    { "{'type':'Strip','strip_left':false,'strip_right':true}", " \x0a ", "" },
    { "{'type':'Strip','strip_left':false,'strip_right':true}", "a", "a" },
    { "{'type':'Strip','strip_left':false,'strip_right':true}", "", "" },
    { "{'type':'Strip','strip_left':false,'strip_right':false}", " a b\xe3\x80\x80",
      " a b\xe3\x80\x80" },
    { "{'type':'Strip','strip_left':false,'strip_right':false}", " \x0a ", " \x0a " },
    { "{'type':'Strip','strip_left':false,'strip_right':false}", "a", "a" },
    { "{'type':'Strip','strip_left':false,'strip_right':false}", "", "" },
    { "{'type':'Replace','pattern':{'String':'a'},'content':'xy'}", "banana", "bxynxynxy" },
    { "{'type':'Replace','pattern':{'String':'a'},'content':''}", "banana", "bnn" },
    { "{'type':'Replace','pattern':{'String':'aa'},'content':'b'}", "aaaaa", "bba" },
    { "{'type':'Replace','pattern':{'String':'.'},'content':'x'}", "a.b", "axb" },
    { "{'type':'Replace','pattern':{'String':'a'},'content':'aa'}", "aa", "aaaa" },
    { "{'type':'Replace','pattern':{'String':'\xc3\xa9'},'content':'e'}", "caf\xc3\xa9\xc3\xa9",
      "cafee" },
    { "{'type':'Replace','pattern':{'String':'x'},'content':'y'}", "abc", "abc" },
    { "{'type':'Replace','pattern':{'String':'a'},'content':'b'}", "", "" },
    { "{'type':'Replace','pattern':{'String':'ab'},'content':'\xc3\xa9'}", "abab",
      "\xc3\xa9\xc3\xa9" },
    { "{'type':'Replace','pattern':{'Regex':'[0-9]+'},'content':'#'}", "a12b3", "a#b#" },
    { "{'type':'Replace','pattern':{'Regex':'\\\\s+'},'content':' '}",
      "a \x09\xe3\x80\x80"
      "b  ",
      "a b " },
    { "{'type':'Replace','pattern':{'Regex':'x*'},'content':'-'}", "axxb", "-a-b-" },
    { "{'type':'Replace','pattern':{'Regex':'^'},'content':'>'}",
      "ab\x0a"
      "cd",
      ">ab\x0a>cd" },
    { "{'type':'Replace','pattern':{'Regex':'a|b'},'content':''}", "abc", "c" },
    { "{'type':'Replace','pattern':{'Regex':'(a)(b)'},'content':'$1'}", "ab", "$1" },
    { "{'type':'Replace','pattern':{'Regex':'\\\\p{N}{1,3}'},'content':'#'}", "12345", "##" },
    { "{'type':'Replace','pattern':{'Regex':'x'},'content':'y'}", "abc", "abc" },
    { "{'type':'Prepend','prepend':'\xe2\x96\x81'}", "a",
      "\xe2\x96\x81"
      "a" },
    { "{'type':'Prepend','prepend':'\xe2\x96\x81'}", " a", "\xe2\x96\x81 a" },
    { "{'type':'Prepend','prepend':'\xe2\x96\x81'}",
      "\xe2\x96\x81"
      "a",
      "\xe2\x96\x81\xe2\x96\x81"
      "a" },
    { "{'type':'Prepend','prepend':'\xe2\x96\x81'}", "", "" },
    { "{'type':'Prepend','prepend':''}", "a", "a" },
    { "{'type':'ByteLevel'}", "a b",
      "a\xc4\xa0"
      "b" },
    { "{'type':'ByteLevel'}", "\xc3\xa9\x0a", "\xc3\x83\xc2\xa9\xc4\x8a" },
    { "{'type':'ByteLevel'}", "\x7f\xc2\xad", "\xc4\xa1\xc3\x82\xc5\x83" },
    { "{'type':'ByteLevel'}", "", "" },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':true}",
      "H\xc3\xa9llo\x01\xef\xbf\xbd\x09x\xe3\x80\x80y", "hello x y" },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':true}",
      "a\xe4\xb8\xad"
      "b",
      "a \xe4\xb8\xad b" },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':true}",
      "\xe2\xae\x82"
      "0",
      "\xe2\xae\x82"
      "0" },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':true}",
      "\xf0\xab\xa0\xa0\xf0\xab\xa4\xa0", "\xf0\xab\xa0\xa0 \xf0\xab\xa4\xa0 " },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':true}",
      "\xc4\xb0\xce\xa3", "i\xcf\x83" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':false}",
      "H\xc3\xa9llo\x01\xef\xbf\xbd\x09x\xe3\x80\x80y",
      "H\xc3\xa9llo\x01\xef\xbf\xbd\x09x\xe3\x80\x80y" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':false}",
      "a\xe4\xb8\xad"
      "b",
      "a\xe4\xb8\xad"
      "b" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':false}",
      "\xe2\xae\x82"
      "0",
      "\xe2\xae\x82"
      "0" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':false}",
      "\xf0\xab\xa0\xa0\xf0\xab\xa4\xa0", "\xf0\xab\xa0\xa0\xf0\xab\xa4\xa0" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':false}",
      "\xc4\xb0\xce\xa3", "\xc4\xb0\xce\xa3" },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':false,'strip_accents':"
      "false,'lowercase':true}",
      "\xc3\x89\xe2\x80\x8d\xc2\xa0 ", "\xc3\xa9  " },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':true,'strip_accents':"
      "true,'lowercase':false}",
      "\xc3\x89\xe4\xb8\x80\xef\xa4\x80", "E \xe4\xb8\x80  \xe8\xb1\x88 " },
    { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
      "'lowercase':false}",
      "\xc3\x89", "\xc3\x89" },
    { "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':false,'strip_accents':"
      "true,'lowercase':true}",
      "\xc3\x89\xe0\xa4\x83\xe2\x83\x9d", "e\xe0\xa4\x83\xe2\x83\x9d" },
};

static void texts_become_what_the_reference_makes_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].json, rows[i].text, rows[i].becomes);
}

/* Most texts stay as they are, and are not copied. */
static void what_stays_as_it_is_is_borrowed(void **state)
{
    static const char text[] = "plain text";
    static const struct {
        const char *json;
        bool borrowed;
    } kinds[] = {
        { "null", true },
        { "{'type':'Sequence','normalizers':[]}", true },
        { "{'type':'NFC'}", true },
        { "{'type':'NFKD'}", true },
        { "{'type':'Lowercase'}", true },
        { "{'type':'Strip','strip_left':true,'strip_right':true}", true },
        { REPLACE("{'String':'z'}", "y"), true },
        { REPLACE("{'Regex':'z'}", "y"), true },
        { "{'type':'Prepend','prepend':'_'}", false },
        { "{'type':'Sequence','normalizers':[{'type':'NFC'},{'type':'Lowercase'}]}", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct normalizer normalizer;
        struct scratch scratch;
        struct rig_node rig;

        rig_open(&rig, kinds[i].json);
        scratch_init(&scratch);
        assert_true(normalizer_load(&normalizer, &rig.node));
        if ((normalizer_apply(&normalizer, &scratch, slice_str(text)).at == text) !=
            kinds[i].borrowed)
            fail_msg("%s: should%s be borrowed", kinds[i].json, kinds[i].borrowed ? "" : " not");
        scratch_release(&scratch);
        normalizer_release(&normalizer);
        rig_close(&rig);
    }
}

/* How many bytes of what was made stand for the text's first code point: for Metaspace's `first`.
 * 0: it is gone. */
static void the_front_is_followed(void **state)
{
    static const struct {
        const char *json, *text;
        size_t front;
    } fronts[] = {
        { "null",
          "\xc3\xa9"
          "a",
          2 },
        { "null", "", 0 },
        { "{'type':'NFD'}",
          "\xc3\xa9"
          "a",
          3 },
        { "{'type':'StripAccents'}",
          "\xcc\x81"
          "a",
          0 },
        { "{'type':'Nmt'}",
          "\x01"
          "a",
          0 },
        { "{'type':'Strip','strip_left':true,'strip_right':false}", " a", 0 },
        { "{'type':'Strip','strip_left':false,'strip_right':true}", "a ", 1 },
        { "{'type':'Prepend','prepend':'__'}", "ab", 3 },
        { REPLACE("{'String':'a'}", "xyz"), "ab", 3 },
        { REPLACE("{'String':'a'}", ""), "ab", 0 },
        { REPLACE("{'String':'ab'}", "c"), "abd", 0 },
        { REPLACE("{'String':'b'}", ""), "ab", 1 },
        { BERT("true", "true", "null", "false"),
          "\x01"
          "a",
          0 },
        { BERT("true", "true", "null", "false"),
          "\xe4\xb8\xad"
          "a",
          5 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
        struct normalizer normalizer;
        struct scratch scratch;
        struct rig_node rig;

        rig_open(&rig, fronts[i].json);
        scratch_init(&scratch);
        scratch.follows_front = true;
        assert_true(normalizer_load(&normalizer, &rig.node));
        normalizer_apply(&normalizer, &scratch, slice_str(fronts[i].text));
        if (scratch.front != fronts[i].front)
            fail_msg("%s of \"%s\": %zu bytes, wanted %zu", fronts[i].json, fronts[i].text,
                     scratch.front, fronts[i].front);
        scratch_release(&scratch);
        normalizer_release(&normalizer);
        rig_close(&rig);
    }
}

static void letters_of_bytes_are_told_where_they_come_last(void **state)
{
    static const struct {
        const char *json;
        bool letters;
    } kinds[] = {
        { "null", false },
        { "{'type':'ByteLevel'}", true },
        { "{'type':'Sequence','normalizers':[{'type':'NFC'},{'type':'ByteLevel'}]}", true },
        { "{'type':'Sequence','normalizers':[{'type':'ByteLevel'},{'type':'NFC'}]}", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct normalizer normalizer;
        struct rig_node rig;

        rig_open(&rig, kinds[i].json);
        assert_true(normalizer_load(&normalizer, &rig.node));
        assert_int_equal(normalizer.letters, kinds[i].letters);
        normalizer_release(&normalizer);
        rig_close(&rig);
    }
}

static void load(const char *json, const char *said)
{
    struct normalizer normalizer;
    struct rig_node rig;
    bool loaded;

    rig_open(&rig, json);
    loaded = normalizer_load(&normalizer, &rig.node);
    normalizer_release(&normalizer);
    if (said)
        rig_refused(&rig, loaded, said);
    else
        assert_true(loaded);
    rig_close(&rig);
}

static void what_is_missing_or_wrong_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *json, *said;
    } refusals[] = {
        { "7", "part: must be an object, is a number" },
        { "{'type':7}", "part.type: must be a string, is a number" },
        { "{'type':'nfc'}", "part: has type nfc, which is not supported" },
        { "{'type':'Sequence','normalizers':{}}",
          "part.normalizers: must be an array, is an object" },
        { "{'type':'Sequence','normalizers':[7]}",
          "part.normalizers[0]: must be an object, is a number" },
        { "{'type':'Sequence','normalizers':[{'type':'Sequence','normalizers':[{'type':'NFC'},"
          "{'type':'Strip','strip_left':true}]}]}",
          "part.normalizers[0].normalizers[1].strip_right: is missing" },
        { "{'type':'Strip','strip_right':true}", "part.strip_left: is missing" },
        { "{'type':'Strip','strip_left':1,'strip_right':true}",
          "part.strip_left: must be true or false, is a number" },
        { "{'type':'Prepend'}", "part.prepend: is missing" },
        { "{'type':'Prepend','prepend':[]}", "part.prepend: must be a string, is an array" },
        { "{'type':'Replace','content':'x'}", "part.pattern: is missing" },
        { REPLACE("'x'", ""), "part.pattern: must be an object, is a string" },
        { REPLACE("{'Other':'x'}", ""), "part.pattern.String: is missing" },
        { REPLACE("{'Regex':'('}", ""),
          "part.pattern.Regex: is not supported: at byte 1 of the pattern: ( without )" },
        { "{'type':'Replace','pattern':{'String':'x'},'content':null}",
          "part.content: is missing" },
        { "{'type':'BertNormalizer','handle_chinese_chars':true,'lowercase':true}",
          "part.clean_text: is missing" },
        { "{'type':'BertNormalizer','clean_text':true,'lowercase':true}",
          "part.handle_chinese_chars: is missing" },
        { "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true}",
          "part.lowercase: is missing" },
        { BERT("true", "true", "'no'", "true"),
          "part.strip_accents: must be true or false, is a string" },
        { "{'type':'Precompiled','precompiled_charsmap':7}",
          "part.precompiled_charsmap: must be a string, is a number" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        load(refusals[i].json, refusals[i].said);
}

static void there_is_a_largest_number_of_steps(void **state)
{
    static const struct {
        size_t steps;
        const char *said;
    } counts[] = {
        { 64, NULL },
        { 65, "part.normalizers[64]: is more than 64 steps" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        char json[2048] = "{'type':'Sequence','normalizers':[{'type':'NFC'}";

        for (size_t j = 1; j < counts[i].steps; j++)
            strcat(json, ",{'type':'NFC'}");
        load(strcat(json, "]}"), counts[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_what_the_reference_makes_of_them),
        cmocka_unit_test(what_stays_as_it_is_is_borrowed),
        cmocka_unit_test(the_front_is_followed),
        cmocka_unit_test(letters_of_bytes_are_told_where_they_come_last),
        cmocka_unit_test(what_is_missing_or_wrong_is_refused_by_its_place),
        cmocka_unit_test(there_is_a_largest_number_of_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
