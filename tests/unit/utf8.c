/*
 * UTF-8: every code point, and the borders of what is none.
 */
#include "gateway/base/utf8.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

/* By the definition: RFC 3629, section 3. */
static size_t encode(uint32_t code, char text[4])
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        text[0] = (char)(0xc0 | code >> 6);
        text[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        text[0] = (char)(0xe0 | code >> 12);
        text[1] = (char)(0x80 | (code >> 6 & 63));
        text[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    text[0] = (char)(0xf0 | code >> 18);
    text[1] = (char)(0x80 | (code >> 12 & 63));
    text[2] = (char)(0x80 | (code >> 6 & 63));
    text[3] = (char)(0x80 | (code & 63));
    return 4;
}

static void every_code_point_but_surrogates_has_its_length(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        char text[4];
        size_t n = encode(code, text);
        bool good = code < 0x110000 && (code < 0xd800 || code > 0xdfff);

        assert_int_equal(utf8_sequence(slice_of(text, n)), good ? n : 0);
        assert_int_equal(utf8_sequence(slice_of(text, n - 1)), 0); /* cut short */
    }
}

static void what_is_no_utf8_has_none(void **state)
{
    static const struct slice rows[] = {
        SLICE_INIT(""),
        SLICE_INIT("\x80"),
        SLICE_INIT("\xbf\x80"),
        SLICE_INIT("\xc0\x80"), /* overlong */
        SLICE_INIT("\xc1\xbf"),
        SLICE_INIT("\xe0\x9f\xbf"),
        SLICE_INIT("\xf0\x8f\xbf\xbf"),
        SLICE_INIT("\xed\xa0\x80"), /* surrogate */
        SLICE_INIT("\xf4\x90\x80\x80"),
        SLICE_INIT("\xf5\x80\x80\x80"),
        SLICE_INIT("\xff"),
        SLICE_INIT("\xc3("),
        SLICE_INIT("\xe2\x82("),
        SLICE_INIT("\xf0\x9f\x98("),
        SLICE_INIT("\xe2\x28\xa1"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(utf8_sequence(rows[i]), 0);
}

static void a_text_holds_when_all_of_it_does(void **state)
{
    static const struct {
        struct slice text;
        bool holds;
    } rows[] = {
        { SLICE_INIT(""), true },
        { SLICE_INIT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), true },
        { SLICE_INIT("\0"), true },
        { SLICE_INIT("ab\xc3"), false },
        { SLICE_INIT("ab\x80"), false },
        { SLICE_INIT("\xff"
                     "ab"),
          false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(utf8_holds(rows[i].text), rows[i].holds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_has_its_length),
        cmocka_unit_test(what_is_no_utf8_has_none),
        cmocka_unit_test(a_text_holds_when_all_of_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
