/*
 * Bytes as letters and back, by openai/gpt-2's bytes_to_unicode.
 */
#include "gateway/token/letters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Printable bytes are their own letters; the others take the next from U+0100 on, in order. */
static void each_byte_has_its_letter(void **state)
{
    uint32_t shifted = 0x100;

    (void)state;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool own = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

        assert_int_equal(letters_code((uint8_t)byte), own ? byte : shifted++);
    }
    assert_int_equal(shifted, 0x144);
}

static void letters_are_read_as_they_are_written(void **state)
{
    char bytes[256];
    struct text letters, back;

    (void)state;
    for (int byte = 0; byte < 256; byte++)
        bytes[byte] = (char)byte;
    text_init(&letters);
    text_init(&back);
    letters_write(slice_of(bytes, sizeof(bytes)), &letters);
    assert_true(letters_read(text_slice(&letters), &back));
    assert_int_equal(back.len, sizeof(bytes));
    assert_memory_equal(back.at, bytes, sizeof(bytes));
    text_release(&letters);
    text_release(&back);
}

static void only_letters_of_bytes_are_read(void **state)
{
    static const struct {
        const char *letters, *bytes; /* NULL: refused */
    } rows[] = {
        { "", "" },
        { u8"\u0120a\u010a", " a\n" },
        { u8"\u00c3\u00a9", u8"\u00e9" },
        { u8"\u0143", "\xad" },
        { u8"a\u0144", NULL },
        { "a b", NULL },
        { u8"\u00ad", NULL },
        { u8"\u4e2d", NULL },
    };
    struct text out;

    (void)state;
    text_init(&out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool good;

        text_clear(&out);
        good = letters_read(slice_str(rows[i].letters), &out);
        if (good != (rows[i].bytes != NULL))
            fail_msg("row %zu: %s", i, good ? "read" : "refused");
        if (good && !slice_eq(text_slice(&out), slice_str(rows[i].bytes)))
            fail_msg("row %zu: is \"%.*s\"", i, SLICE_ARGS(text_slice(&out)));
    }
    text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_has_its_letter),
        cmocka_unit_test(letters_are_read_as_they_are_written),
        cmocka_unit_test(only_letters_of_bytes_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
