/*
 * Vocabularies: texts to ids.
 */
#include "gateway/token/vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void texts_are_found_as_they_were_added(void **state)
{
    static const struct {
        struct slice text;
        uint32_t id;
        bool added;
    } rows[] = {
        { SLICE_INIT("a"), 7, true },        { SLICE_INIT("A"), 0, true },
        { SLICE_INIT(""), 3, true },         { SLICE_INIT("a"), 9, false }, /* is there */
        { SLICE_INIT("a\0"), 1, true },      { SLICE_INIT("a\0b"), 2, true },
        { SLICE_INIT("\xc3\xa9"), 4, true },
    };
    static const struct {
        struct slice text;
        int64_t id; /* -1: none */
    } asked[] = {
        { SLICE_INIT("a"), 7 },     { SLICE_INIT("A"), 0 },    { SLICE_INIT(""), 3 },
        { SLICE_INIT("a\0"), 1 },   { SLICE_INIT("a\0b"), 2 }, { SLICE_INIT("\xc3\xa9"), 4 },
        { SLICE_INIT("b"), -1 },    { SLICE_INIT("aa"), -1 },  { SLICE_INIT("\0"), -1 },
        { SLICE_INIT("\xc3"), -1 },
    };
    struct vocab vocab;
    uint32_t id;

    (void)state;
    vocab_init(&vocab, ARRAY_LEN(rows), 64);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(vocab_add(&vocab, rows[i].text, rows[i].id), rows[i].added);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        assert_int_equal(vocab_find(&vocab, asked[i].text, &id), asked[i].id >= 0);
        if (asked[i].id >= 0)
            assert_int_equal(id, asked[i].id);
    }
    assert_int_equal(vocab.count, 6);
    assert_int_equal(vocab.size, 8);
    assert_true(slice_eq(vocab_text(&vocab, 4), SLICE("a\0b")));
    vocab_change(&vocab, SLICE("A"), 20);
    assert_true(vocab_find(&vocab, SLICE("A"), &id));
    assert_int_equal(id, 20);
    assert_int_equal(vocab.size, 21);
    vocab_release(&vocab);
}

/* As many as were announced, with as many bytes; and none. */
static void it_holds_what_was_announced(void **state)
{
    const size_t count = 10000;
    struct vocab vocab;
    char text[16];
    uint32_t id;

    (void)state;
    vocab_init(&vocab, count, count * 5);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%05u", i);
        assert_true(vocab_add(&vocab, slice_str(text), i));
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%05u", i);
        assert_true(vocab_find(&vocab, slice_str(text), &id));
        assert_int_equal(id, i);
    }
    assert_false(vocab_find(&vocab, SLICE("10000"), &id));
    vocab_release(&vocab);
    assert_false(vocab_find(&vocab, SLICE("00001"), &id)); /* a released one has none */
    vocab_init(&vocab, 0, 0);
    assert_false(vocab_find(&vocab, SLICE(""), &id));
    vocab_release(&vocab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_found_as_they_were_added),
        cmocka_unit_test(it_holds_what_was_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
