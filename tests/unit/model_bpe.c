/*
 * BPE of small files: what is written around symbols. Ids are those of Hugging Face's tokenizers
 * 0.23.2.
 */
#include "gateway/token/model.h"

#include "tests/unit/tokenizer_rig.h"

/* Merges drop the second token's prefix. */
#define PREFIXED                                                                                   \
    "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\","       \
    "\"vocab\":{\"u\":0,\"a\":1,\"b\":2,\"##a\":3,\"##b\":4,\"ab\":5,\"##ab\":6,\"abab\":7,"       \
    "\"##\":8,\"#\":9,\"###\":10,\"aab\":11},"                                                     \
    "\"merges\":[\"a ##b\",\"##a ##b\",\"ab ##ab\",\"a ##ab\"]}}"

/* With an end of word, and bytes for what is unknown: those of the affixes as well. */
#define AFFIXED                                                                                    \
    "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\","       \
    "\"end_of_word_suffix\":\"$\",\"byte_fallback\":true,"                                         \
    "\"vocab\":{\"u\":0,\"a\":1,\"b$\":2,\"##a\":3,\"##b$\":4,\"ab$\":5,\"##ab$\":6,\"aa\":7,"     \
    "\"<0x23>\":8,\"<0x63>\":9,\"<0x24>\":10,\"a$\":11},"                                          \
    "\"merges\":[\"a ##b$\",\"##a ##b$\",\"a ##a\"]}}"

static void symbols_have_prefix_and_end(void **state)
{
    static const struct {
        const char *json, *text;
        int64_t ids[RIG_IDS];
    } rows[] = {
        { PREFIXED, "a", { 1, -1 } },
        { PREFIXED, "ab", { 5, -1 } },
        { PREFIXED, "abab", { 7, -1 } },
        { PREFIXED, "aab", { 11, -1 } },
        { PREFIXED, "baab", { 2, 3, 6, -1 } },
        { PREFIXED, "##", { 9, 10, -1 } }, /* a token, but merging does not make it */
        { PREFIXED, "#a", { 9, 3, -1 } },
        { PREFIXED, "a#", { 1, 10, -1 } },
        { PREFIXED, "acb", { 1, 0, 4, -1 } },
        { PREFIXED, "abc", { 5, 0, -1 } },
        { PREFIXED, "", { -1 } },
        { AFFIXED, "a", { 11, -1 } },
        { AFFIXED, "abab", { 1, 0, 6, -1 } },
        { AFFIXED, "##", { 8, 8, 8, 8, 10, -1 } },
        { AFFIXED, "#a", { 8, 0, -1 } },
        { AFFIXED, "acb", { 1, 8, 8, 9, 4, -1 } },
        { AFFIXED, "aaab", { 7, 6, -1 } },
        { AFFIXED, "abc", { 1, 8, 8, 9, 10, 0, -1 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rig_encode(rows[i].json, rows[i].text, rows[i].ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_have_prefix_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
