/*
 * The simulated engine's tokenizer: what is one token, that everything can be read back, that
 * beginnings stay beginnings.
 */
#include "tests/engine/tokens.c" /* the engine is a program, not a library */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct tokens encode(const char *text)
{
    struct tokens tokens;

    tokens_init(&tokens);
    tokens_encode(&tokens, slice_str(text));
    return tokens;
}

static void text_is_cut_into_as_many_tokens_as_the_table_says(void **state UNUSED)
{
    static const struct {
        const char *text;
        size_t count;
        const char *why;
    } rows[] = {
        { "", 0, "nothing" },
        { "the", 1, "a word of the vocabulary" },
        { " the", 1, "the same with its space" },
        { "  the", 2, "only one space belongs to a word" },
        { "the model reads", 4, "two known words; ' reads' is six bytes" },
        { "abcdefg", 3, "pieces of three, three and one" },
        { "The", 1, "not the word, but three bytes" },
        { "the.", 2, "punctuation is a token" },
        { "\n\n", 2, "each byte that is no word" },
        { "<|im_start|>", 1, "special" },
        { "<|im_start|>user\n<|im_end|>", 4, "special ones among others" },
        { "<|im_", 4, "not special: '<', '|', 'im', '_'" },
        { "\xc3\xa9\xc3\xa9", 2, "bytes of other alphabets are word bytes" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tokens tokens = encode(rows[i].text);

        if (tokens.count != rows[i].count)
            fail_msg("'%s' (%s): %zu tokens, not %zu", rows[i].text, rows[i].why, tokens.count,
                     rows[i].count);
        tokens_release(&tokens);
    }
}

static void every_text_is_read_back_byte_for_byte(void **state UNUSED)
{
    static const char *const texts[] = { "Hello, World! 12345",    "a<|im_end|>b<|x|>",
                                         "\xff\xfe \x80 z",        "  two  spaces  ",
                                         "the model token cache.", "\t\r\n\"\\" };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct tokens tokens = encode(texts[i]);
        char all[256] = "", one[TOKEN_TEXT_MAX];

        for (size_t t = 0; t < tokens.count; t++) {
            struct slice text = token_text(tokens.at[t], one);

            strncat(all, text.at, text.len);
        }
        assert_string_equal(all, texts[i]);
        tokens_release(&tokens);
    }
}

static void words_of_an_answer_come_back_as_the_same_tokens(void **state UNUSED)
{
    char text[TOKEN_TEXT_MAX];

    for (size_t i = 0; i < token_word_count(); i++)
        for (int space = 0; space < 2; space++) {
            uint32_t id = token_word(i, space);
            struct slice word = token_text(id, text);
            struct tokens tokens;

            tokens_init(&tokens);
            tokens_encode(&tokens, word);
            assert_int_equal(tokens.count, 1);
            assert_int_equal(tokens.at[0], id);
            tokens_release(&tokens);
        }
}

static void ids_that_mean_nothing_have_no_text(void **state UNUSED)
{
    static const uint32_t ids[] = {
        0, 15, RANGE_WORD + 2 * ARRAY_LEN(words), RANGE_PAIR + 0x10000, RANGE_END, UINT32_MAX
    };
    char text[TOKEN_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(token_text(ids[i], text).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_into_as_many_tokens_as_the_table_says),
        cmocka_unit_test(every_text_is_read_back_byte_for_byte),
        cmocka_unit_test(words_of_an_answer_come_back_as_the_same_tokens),
        cmocka_unit_test(ids_that_mean_nothing_have_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
