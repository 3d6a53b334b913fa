/*
 * WordPiece and WordLevel: a piece's ids, as Hugging Face tokenizers 0.23.2 gives them (its model
 * without a normalizer and a pre-tokenizer), and models that cannot be.
 */
#include "gateway/token/tokenizer_parts.h"

#include "tests/unit/tokenizer_rig.h"

#define VOCAB                                                                                      \
    "'vocab':{'u':0,'a':1,'ab':2,'abc':3,'#b':4,'#c':5,'#bc':6,'\xc3\xa9':7,'#\xc3\xa9':8,'#':9,"  \
    "'##':10}"
#define WORDPIECE(unk, prefix, most)                                                               \
    "{'type':'WordPiece','unk_token':'" unk "','continuing_subword_prefix':'" prefix               \
    "','max_input_chars_per_word':" most "," VOCAB "}"
#define WORDLEVEL(unk) "{'type':'WordLevel','unk_token':'" unk "'," VOCAB "}"

static void check(const char *json, const char *piece, const int64_t *wanted)
{
    struct pretokenizer pretokenizer = { .count = 0 };
    struct model_room room;
    struct rig_node rig;
    struct model model;
    struct ids ids;

    rig_open(&rig, json);
    ids_init(&ids);
    assert_true(model_load(&model, &rig.node, &pretokenizer, /* letters= */ false));
    model_room_init(&room, &model, /* cache_bytes= */ 0);
    model.type->encode(&model, &room, slice_str(piece), &ids);
    rig_compare(piece, &ids, wanted);
    model_room_release(&room);
    model_release(&model);
    ids_release(&ids);
    rig_close(&rig);
}

static const struct {
    const char *json, *piece;
    int64_t ids[RIG_IDS];
} rows[] = {
    { WORDPIECE("u", "#", "5"), "a", { 1, -1 } },
    { WORDPIECE("u", "#", "5"), "ab", { 2, -1 } },
    { WORDPIECE("u", "#", "5"), "abc", { 3, -1 } },
    { WORDPIECE("u", "#", "5"), "abcb", { 3, 4, -1 } },
    { WORDPIECE("u", "#", "5"), "abbc", { 2, 6, -1 } },
    { WORDPIECE("u", "#", "5"), "abcc", { 3, 5, -1 } },
    { WORDPIECE("u", "#", "5"), "ac", { 1, 5, -1 } },
    { WORDPIECE("u", "#", "5"), "ad", { 0, -1 } },
    { WORDPIECE("u", "#", "5"), "da", { 0, -1 } },
    { WORDPIECE("u", "#", "5"), "b", { 0, -1 } },
    { WORDPIECE("u", "#", "5"), "a\xc3\xa9\xc3\xa9", { 1, 8, 8, -1 } },
    { WORDPIECE("u", "#", "5"), "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", { 7, 8, 8, 8, 8, -1 } },
    { WORDPIECE("u", "#", "5"), "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", { 0, -1 } },
    { WORDPIECE("u", "#", "5"), "#", { 9, -1 } },
    { WORDPIECE("u", "#", "5"), "#b", { 4, -1 } },
    { WORDPIECE("u", "#", "5"), "###", { 10, 10, -1 } },
    { WORDPIECE("u", "#", "5"), "##b", { 10, 4, -1 } },
    { WORDPIECE("u", "#", "5"), "a b", { 0, -1 } },
    { WORDPIECE("u", "", "100"), "abab", { 2, 2, -1 } },
    { WORDPIECE("u", "", "100"), "aab", { 1, 2, -1 } },
    { WORDPIECE("u", "", "100"), "ba", { 0, -1 } },
    { WORDPIECE("u", "", "100"), "##", { 10, -1 } },
    { WORDPIECE("u", "#", "0"), "a", { 0, -1 } },
    { WORDPIECE("a", "##", "3"), "abcd", { 1, -1 } },
    { WORDPIECE("a", "##", "3"), "q", { 1, -1 } },
    { WORDPIECE("a", "##", "3"), "abc", { 3, -1 } },
    { WORDPIECE("a", "##", "3"), "a#", { 1, -1 } },
    { "{'unk_token':'u','continuing_subword_prefix':'#','max_input_chars_per_word':5," VOCAB "}",
      "abcb",
      { 3, 4, -1 } },
    { WORDLEVEL("u"), "a", { 1, -1 } },
    { WORDLEVEL("u"), "abc", { 3, -1 } },
    { WORDLEVEL("u"), "abca", { 0, -1 } },
    { WORDLEVEL("u"), "\xc3\xa9", { 7, -1 } },
    { WORDLEVEL("u"), "A", { 0, -1 } },
    { WORDLEVEL("ab"), "a", { 1, -1 } },
    { WORDLEVEL("ab"), "q", { 2, -1 } },
    { "{'unk_token':'u'," VOCAB "}", "ab", { 2, -1 } },
    { "{'unk_token':'u'," VOCAB "}", "q", { 0, -1 } },
};

static void pieces_become_the_reference_s_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].json, rows[i].piece, rows[i].ids);
}

/* The reference fails on such a text; here it has no ids. */
static void without_an_unknown_token_there_is_no_id(void **state)
{
    static const struct {
        const char *json, *piece;
        int64_t ids[RIG_IDS];
    } unknowns[] = {
        { WORDPIECE("none", "#", "3"), "abc", { 3, -1 } },
        { WORDPIECE("none", "#", "3"), "q", { MODEL_UNENCODABLE, -1 } },
        { WORDPIECE("none", "#", "3"), "abcb", { MODEL_UNENCODABLE, -1 } },
        { WORDLEVEL("none"), "ab", { 2, -1 } },
        { WORDLEVEL("none"), "q", { MODEL_UNENCODABLE, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknowns); i++)
        check(unknowns[i].json, unknowns[i].piece, unknowns[i].ids);
}

static void what_is_missing_or_wrong_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *json, *said;
    } refusals[] = {
        { "{'type':'WordPiece'}", "part.vocab: is missing" },
        { "{'type':'WordPiece','vocab':[]}", "part.vocab: must be an object, is an array" },
        { "{'type':'WordPiece'," VOCAB "}", "part.unk_token: is missing" },
        { "{'type':'WordPiece','unk_token':0," VOCAB "}",
          "part.unk_token: must be a string, is a number" },
        { "{'type':'WordPiece','unk_token':'u','max_input_chars_per_word':5," VOCAB "}",
          "part.continuing_subword_prefix: is missing" },
        { "{'type':'WordPiece','unk_token':'u','continuing_subword_prefix':'#'," VOCAB "}",
          "part.max_input_chars_per_word: is missing" },
        { WORDPIECE("u", "#", "-1"),
          "part.max_input_chars_per_word: is -1, must be 0 to 4294967295" },
        { WORDPIECE("u", "#", "1.0"),
          "part.max_input_chars_per_word: must be a whole number, is a number" },
        { WORDPIECE("u", "#", "'5'"),
          "part.max_input_chars_per_word: must be a whole number, is a string" },
        { "{'type':'WordLevel','unk_token':'u'}", "part.vocab: is missing" },
        { "{'type':'WordLevel'," VOCAB "}", "part.unk_token: is missing" },
        { "{'type':'WordLevel','unk_token':'u','vocab':{'u':0,'a':'1'}}",
          "part.vocab.a: must be a whole number, is a string" },
        { "{'type':'WordLevel','unk_token':'u','vocab':{'u':0,'a':0}}",
          "part.vocab.a: is 0, which another token has" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct pretokenizer pretokenizer = { .count = 0 };
        struct rig_node rig;
        struct model model;
        bool loaded;

        rig_open(&rig, refusals[i].json);
        loaded = model_load(&model, &rig.node, &pretokenizer, /* letters= */ false);
        model_release(&model);
        rig_refused(&rig, loaded, refusals[i].said);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_the_reference_s_ids),
        cmocka_unit_test(without_an_unknown_token_there_is_no_id),
        cmocka_unit_test(what_is_missing_or_wrong_is_refused_by_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
