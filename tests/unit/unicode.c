/*
 * The reference's Unicode: classes whose versions differ, and UTF-8 there and back.
 */
#include "gateway/token/unicode.h"

#include "gateway/base/check.h"
#include "gateway/base/slice.h"
#include "gateway/base/utf8.h"

#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>

#include <cmocka.h>

#define M(name) UNICODE_MASK(name)

static void classes_are_those_of_the_reference(void **state)
{
    static const struct {
        uint32_t code;
        uint64_t in, out; /* all of; none of */
        const char *why;
    } rows[] = {
        { 'A', M(L) | M(LU) | M(WORD), M(LL) | M(SPACE) | M(BERT_PUNCT), "a capital" },
        { '$', M(S) | M(SC) | M(BERT_PUNCT), M(P) | M(WORD), "ASCII that Bert takes for P" },
        { '_', M(P) | M(PC) | M(WORD), M(L), "a word's underscore" },
        { 0x85, M(SPACE) | M(CC), M(Z), "white space that is no separator" },
        { 0xfeff, M(CF), M(SPACE), "no white space, as JavaScript has it" },
        { 0x200b, M(CF), M(SPACE) | M(ZS), "zero width space is none" },
        { 0x1c89, M(L) | M(LU), M(CN), "new in 16.0" },
        { 0xa7ce, M(CN), M(L), "new in 17.0: unassigned to regular expressions" },
        { 0x17f, M(LL), M(LU), "long s" },
        { 0x1c5, M(LT), M(LU) | M(LL), "a title-case letter" },
        { 0xb2, M(N) | M(NO) | M(DIGIT) | M(WORD), M(ND), "Oniguruma's \\w has all numbers" },
        { 0x11de0, M(DIGIT), M(N), "a digit of 17.0" },
        { 0x4e00, M(HAN) | M(LO) | M(WORD), M(DIGIT), "Digits has no Han numbers" },
        { 0x3007, M(HAN) | M(NL) | M(DIGIT), M(L), "but the ideographic zero" },
        { 0x301, M(M) | M(MN) | M(MARK) | M(BERT_ACCENT), M(L), "a mark that all know" },
        { 0x1ac5, M(M) | M(MN), M(MARK) | M(BERT_ACCENT), "a mark of 14.0" },
        { 0xfffd, M(BERT_CONTROL) | M(SO), M(CC), "dropped by Bert" },
        { '\t', M(SPACE) | M(CC), M(BERT_CONTROL), "white space before control to Bert" },
        { 0x10ffff, M(CN), M(CO), "the last one" },
        { 0xd800, 0, ~0ull, "surrogates are in no class" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t mask = unicode_mask(rows[i].code);

        if ((mask & rows[i].in) != rows[i].in || mask & rows[i].out)
            fail_msg("U+%04X has mask %llx: %s", rows[i].code, (unsigned long long)mask,
                     rows[i].why);
    }
}

static void each_code_point_has_one_category(void **state)
{
    const uint64_t categories = M(LU) | M(LL) | M(LT) | M(LM) | M(LO) | M(MN) | M(MC) | M(ME) |
                                M(ND) | M(NL) | M(NO) | M(PC) | M(PD) | M(PS) | M(PE) | M(PI) |
                                M(PF) | M(PO) | M(SM) | M(SC) | M(SK) | M(SO) | M(ZS) | M(ZL) |
                                M(ZP) | M(CC) | M(CF) | M(CO) | M(CN);

    (void)state;
    for (uint32_t code = 0; code < UNICODE_LIMIT; code++) {
        bool surrogate = code >= 0xd800 && code < 0xe000;

        if (__builtin_popcountll(unicode_mask(code) & categories) != !surrogate)
            fail_msg("U+%04X", code);
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < UNICODE_LIMIT; code++) {
        char text[4];
        uint32_t written = unicode_write(text, code), read;

        if (unicode_read(text, &read) != code || read != written)
            fail_msg("U+%04X", code);
        if (code < 0xd800 || code > 0xdfff)
            assert_int_equal(utf8_sequence(slice_of(text, written)), written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_the_reference),
        cmocka_unit_test(each_code_point_has_one_category),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
