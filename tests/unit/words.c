/*
 * The vocabulary by its bytes.
 */
#include "gateway/token/words.h"

#include "gateway/token/piece.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TOKENS 20000

static const uint64_t keyed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };

static uint32_t find(const struct words *words, struct slice bytes)
{
    return words_find(words, bytes, piece_of(bytes, bytes.len, keyed).hash);
}

static void every_token_is_found_and_nothing_else(void **state)
{
    static struct bpe_token tokens[TOKENS];
    static char bytes[TOKENS][16];
    struct words words;
    char other[16];

    (void)state;
    for (uint32_t i = 0; i < TOKENS; i++) {
        int len = snprintf(bytes[i], sizeof(bytes[i]), "%u", i * 7);

        tokens[i] = (struct bpe_token){ slice_of(bytes[i], (size_t)len), i * 3 };
    }
    words_init(&words, tokens, TOKENS, keyed);
    for (uint32_t i = 0; i < 7 * TOKENS; i++) {
        int len = snprintf(other, sizeof(other), "%u", i);

        assert_int_equal(find(&words, slice_of(other, (size_t)len)), i % 7 ? WORDS_NONE : i / 7);
    }
    assert_int_equal(words.ids[5], 15);
    words_release(&words);
}

static void of_equal_tokens_the_first_counts_and_one_may_be_empty(void **state)
{
    static const struct bpe_token tokens[] = {
        { SLICE_INIT("a"), 10 },
        { SLICE_INIT(""), 11 },
        { SLICE_INIT("a"), 12 },
        { { "a\0", 2 }, 13 },
        { SLICE_INIT("a token that is longer than sixteen bytes"), 14 },
    };
    struct words words;

    (void)state;
    words_init(&words, tokens, ARRAY_LEN(tokens), keyed);
    assert_int_equal(find(&words, SLICE("a")), 0);
    assert_int_equal(find(&words, SLICE("")), 1);
    assert_int_equal(find(&words, slice_of("a\0", 2)), 3);
    assert_int_equal(find(&words, tokens[4].bytes), 4);
    assert_int_equal(find(&words, SLICE("a token that is longer than sixteen byteS")), WORDS_NONE);
    words_release(&words);
}

static void an_empty_vocabulary_has_nothing(void **state)
{
    struct words words;

    (void)state;
    words_init(&words, NULL, 0, keyed);
    assert_int_equal(find(&words, SLICE("a")), WORDS_NONE);
    words_release(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_is_found_and_nothing_else),
        cmocka_unit_test(of_equal_tokens_the_first_counts_and_one_may_be_empty),
        cmocka_unit_test(an_empty_vocabulary_has_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
