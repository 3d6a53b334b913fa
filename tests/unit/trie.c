/*
 * Tries: the longest key that a text begins with.
 */
#include "gateway/token/trie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_longest_key_is_found(void **state)
{
    struct trie_key keys[] = {
        { SLICE_INIT("ab"), 1 },    { SLICE_INIT("a"), 2 },     { SLICE_INIT("abcd"), 3 },
        { SLICE_INIT("\xff"), 4 },  { SLICE_INIT("\0x"), 5 },   { SLICE_INIT("b\0"), 6 },
        { SLICE_INIT("twice"), 8 }, { SLICE_INIT("twice"), 7 }, { SLICE_INIT("abce"), 9 },
    };
    static const struct {
        struct slice text;
        size_t len;
        uint32_t value; /* where len > 0 */
    } rows[] = {
        { SLICE_INIT(""), 0, 0 },
        { SLICE_INIT("c"), 0, 0 },
        { SLICE_INIT("a"), 1, 2 },
        { SLICE_INIT("ac"), 1, 2 },
        { SLICE_INIT("abc"), 2, 1 },
        { SLICE_INIT("abcd"), 4, 3 },
        { SLICE_INIT("abcdef"), 4, 3 },
        { SLICE_INIT("abcf"), 2, 1 },
        { SLICE_INIT("abcee"), 4, 9 },
        { SLICE_INIT("\xff"), 1, 4 },
        { SLICE_INIT("\xfe"), 0, 0 },
        { SLICE_INIT("\0"), 0, 0 },
        { SLICE_INIT("\0xy"), 2, 5 },
        { SLICE_INIT("b\0\0"), 2, 6 },
        { SLICE_INIT("b"), 0, 0 },
        { SLICE_INIT("twice"), 5, 8 }, /* the greater of two values under one key */
    };
    struct trie trie;

    (void)state;
    trie_build(&trie, keys, ARRAY_LEN(keys));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t value = 0;

        assert_int_equal(trie_longest(&trie, rows[i].text, &value), rows[i].len);
        if (rows[i].len > 0)
            assert_int_equal(value, rows[i].value);
    }
    trie_release(&trie);
}

static void a_trie_of_nothing_finds_nothing(void **state)
{
    struct trie trie;
    uint32_t value;

    (void)state;
    trie_build(&trie, NULL, 0);
    assert_int_equal(trie_longest(&trie, SLICE("a"), &value), 0);
    assert_int_equal(trie_child(&trie, 0, 'a'), TRIE_NONE);
    trie_release(&trie);
}

/* All bytes below all bytes: each node has its 256 children. */
static void every_byte_leads_on(void **state)
{
    static char texts[65536][2];
    static struct trie_key keys[65536];
    struct trie trie;
    uint32_t value;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(keys); i++) {
        texts[i][0] = (char)(i >> 8);
        texts[i][1] = (char)i;
        keys[i] = (struct trie_key){ slice_of(texts[i], 2), i };
    }
    trie_build(&trie, keys, ARRAY_LEN(keys));
    assert_int_equal(trie.count, 1 + 256 + 65536);
    for (uint32_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(trie_longest(&trie, slice_of(texts[i], 2), &value), 2);
        assert_int_equal(value, i);
    }
    trie_release(&trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_key_is_found),
        cmocka_unit_test(a_trie_of_nothing_finds_nothing),
        cmocka_unit_test(every_byte_leads_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
