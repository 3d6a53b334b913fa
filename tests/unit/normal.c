/*
 * Normal forms and lower case. What is expected is what Hugging Face's tokenizers 0.23.2 gives.
 */
#include "gateway/token/normal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void expect(const char *what, const char *text, bool same, const struct text *out,
                   const char *wanted)
{
    struct slice got = same ? slice_str(text) : text_slice(out);

    if (!slice_eq(got, slice_str(wanted)))
        fail_msg("%s of \"%s\" is \"%.*s\", wanted \"%s\"", what, text, SLICE_ARGS(got), wanted);
}

static void texts_take_each_form(void **state)
{
    static const struct {
        const char *text, *nfc, *nfd, *nfkc, *nfkd;
    } rows[] = {
        { "", "", "", "", "" },
        { "abc", "abc", "abc", "abc", "abc" },
        { u8"\u00e9", u8"\u00e9", u8"e\u0301", u8"\u00e9", u8"e\u0301" },
        { u8"e\u0301", u8"\u00e9", u8"e\u0301", u8"\u00e9", u8"e\u0301" },
        /* marks are ordered, then the first that can be joined is */
        { u8"a\u0301\u0323b", u8"\u1ea1\u0301b", u8"a\u0323\u0301b", u8"\u1ea1\u0301b",
          u8"a\u0323\u0301b" },
        { u8"\ufb01", u8"\ufb01", u8"\ufb01", "fi", "fi" },
        { u8"\u2460", u8"\u2460", u8"\u2460", "1", "1" },
        { u8"\u1100\u1161\u11a8", u8"\uac01", u8"\u1100\u1161\u11a8", u8"\uac01",
          u8"\u1100\u1161\u11a8" },
        { u8"\uac01", u8"\uac01", u8"\u1100\u1161\u11a8", u8"\uac01", u8"\u1100\u1161\u11a8" },
        /* code points that no composition gives back */
        { u8"\u212b", u8"\u00c5", u8"A\u030a", u8"\u00c5", u8"A\u030a" },
        { u8"\u0958", u8"\u0915\u093c", u8"\u0915\u093c", u8"\u0915\u093c", u8"\u0915\u093c" },
        { u8"\u0344", u8"\u0308\u0301", u8"\u0308\u0301", u8"\u0308\u0301", u8"\u0308\u0301" },
    };
    static const char *const names[] = { "NFC", "NFD", "NFKC", "NFKD" };
    struct normal normal;
    struct text out;

    (void)state;
    normal_init(&normal);
    text_init(&out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *wanted[] = { rows[i].nfc, rows[i].nfd, rows[i].nfkc, rows[i].nfkd };

        for (size_t form = 0; form < ARRAY_LEN(wanted); form++) {
            bool same;

            text_clear(&out);
            same = normal_apply(&normal, (enum normal_form)form, slice_str(rows[i].text), &out);
            expect(names[form], rows[i].text, same, &out, wanted[form]);
        }
    }
    text_release(&out);
    normal_release(&normal);
}

static void lower_case_minds_no_neighbours(void **state)
{
    static const struct {
        const char *text, *lower;
    } rows[] = {
        { "", "" },
        { "aBC-1", "abc-1" },
        { u8"\u0130", u8"i\u0307" }, /* one becomes two */
        { u8"\u1e9e", u8"\u00df" },
        { u8"\u212b", u8"\u00e5" },
        { u8"\u2126", u8"\u03c9" },
        { u8"\u03a3\u03a3", u8"\u03c3\u03c3" }, /* no final sigma */
    };
    struct text out;

    (void)state;
    text_init(&out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool same;

        text_clear(&out);
        same = normal_lowercase(slice_str(rows[i].text), &out);
        expect("lower case", rows[i].text, same, &out, rows[i].lower);
    }
    text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_take_each_form),
        cmocka_unit_test(lower_case_minds_no_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
