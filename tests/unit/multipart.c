/*
 * Forms: what clients send is read, what two readers could read differently is refused.
 */
#include "gateway/prompt/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TYPE    "multipart/form-data; boundary=b"
#define HEAD(x) "Content-Disposition: form-data; " x "\r\n\r\n"

/* name=value, (file) behind files, as text. */
static const struct reason *read_form(struct slice body, const char *type, char *ret_text,
                                      size_t size)
{
    char *copy = xmalloc(body.len + !body.len); /* of its own size: a byte read too many is seen */
    struct multipart form;
    struct multipart_part part;
    const struct reason *reason;
    size_t len = 0;

    memcpy(copy, body.at, body.len);
    ret_text[0] = '\0';
    reason = multipart_open(&form, slice_of(copy, body.len), slice_str(type));
    while (!reason && multipart_next(&form, &part))
        len += (size_t)snprintf(ret_text + len, size - len, "%.*s=%.*s%s;", SLICE_ARGS(part.name),
                                SLICE_ARGS(part.value), part.file ? "(file)" : "");
    reason = reason ? reason : multipart_close(&form);
    free(copy);
    return reason;
}

static void forms_of_clients_are_read(void **state)
{
    static const struct {
        struct slice body;
        const char *type, *parts;
    } cases[] = {
        { SLICE_INIT("--b\r\n" HEAD("name=\"model\"") "m\r\n--b--\r\n"), TYPE, "model=m;" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"model\"") "m\r\n--b--"), TYPE, "model=m;" },
        { SLICE_INIT("\r\n--b\r\n" HEAD("name=model") "m\r\n--b--\r\nepilogue"), TYPE, "model=m;" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"a\"") "1\r\n--b\r\n" HEAD("name=\"b\"") "2\r\n--b--"),
          TYPE, "a=1;b=2;" },
        { SLICE_INIT(
              "--b\r\n" HEAD("name=\"f\"; filename=\"x.wav\"") "\r\n-\r\n--\r\n--a\r\n\r\n--b--"),
          TYPE, "f=\r\n-\r\n--\r\n--a\r\n(file);" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"f\"; filename=\"x\\\"y; name=z.wav\"") "1\r\n--b--"),
          TYPE, "f=1(file);" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"f\"; filename*=UTF-8''x") "1\r\n--b--"), TYPE,
          "f=1(file);" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"e\"") "\r\n--b--"), TYPE, "e=;" },
        { SLICE_INIT("--b\r\n" HEAD("name=\"e\"") "--b--"), TYPE, "e=;" },
        { SLICE_INIT("--b\r\ncontent-type: "
                     "text/plain\r\nCONTENT-DISPOSITION:form-data;name=\"c\"\r\n\r\n1\r\n--b--"),
          TYPE, "c=1;" },
        { SLICE_INIT("--b--"), TYPE, "" },
        { SLICE_INIT("--b c\r\n" HEAD("name=\"a\"") "1\r\n--b c--"),
          "Multipart/Form-Data; charset=x; Boundary=\"b c\";", "a=1;" },
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct reason *reason = read_form(cases[i].body, cases[i].type, text, sizeof(text));

        if (reason || strcmp(text, cases[i].parts))
            fail_msg("case %zu: %s, %s", i, reason ? reason->name : "read", text);
    }
}

static void forms_that_can_be_read_two_ways_are_refused(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT(""),
        SLICE_INIT("x--b\r\n" HEAD("name=\"a\"") "1\r\n--b--"),
        SLICE_INIT("--b\n" HEAD("name=\"a\"") "1\r\n--b--"),
        SLICE_INIT("--bx\r\n" HEAD("name=\"a\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a\"") "1\r\n--b"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a\"") "1\r\n--bx--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a\"") "1"),
        SLICE_INIT("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n1\r\n--b--"),
        SLICE_INIT("--b\r\n\r\n1\r\n--b--"),
        SLICE_INIT("--b\r\nContent-Type: x\r\n\r\n1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("filename=\"a\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a\"; name=\"b\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a") "1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"a\"x") "1\r\n--b--"),
        SLICE_INIT("--b\r\n" HEAD("name=\"mod\\el\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--b--"),
        SLICE_INIT("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n" HEAD(
            "name=\"b\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\nfolded\r\n" HEAD("name=\"b\"") "1\r\n--b--"),
        SLICE_INIT("--b\r\nX: y\nContent-Disposition: form-data; name=\"a\"\r\n" HEAD(
            "name=\"b\"") "1\r\n--b--"),
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (read_form(cases[i], TYPE, text, sizeof(text)) != &reason_bad_multipart)
            fail_msg("case %zu: %s", i, text);
}

static void types_without_a_usable_boundary_are_refused(void **state)
{
    static const char *const types[] = {
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=\"b",
        "multipart/form-data; boundary=\"b \"",
        "multipart/form-data; boundary=b@c",
        ("multipart/form-data; "
         "boundary=0123456789012345678901234567890123456789012345678901234567890123456789x"),
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (read_form(SLICE("--b--"), types[i], text, sizeof(text)) != &reason_bad_media)
            fail_msg("%s", types[i]);
}

static void parts_and_heads_are_bounded(void **state)
{
    static const struct slice part = SLICE_INIT("--b\r\n" HEAD("name=\"a\"") "1\r\n");
    char *body = xmalloc(part.len * (MULTIPART_PARTS_MAX + 1) + MULTIPART_HEAD_MAX + 64);
    char *text = xmalloc(16 * MULTIPART_PARTS_MAX);
    size_t len = 0;

    (void)state;
    for (int i = 0; i < MULTIPART_PARTS_MAX; i++, len += part.len)
        memcpy(body + len, part.at, part.len);
    memcpy(body + len, "--b--", 5);
    assert_null(read_form(slice_of(body, len + 5), TYPE, text, 16 * MULTIPART_PARTS_MAX));
    memcpy(body + len, part.at, part.len);
    memcpy(body + len + part.len, "--b--", 5);
    assert_ptr_equal(
        read_form(slice_of(body, len + part.len + 5), TYPE, text, 16 * MULTIPART_PARTS_MAX),
        &reason_bad_multipart);
    len = (size_t)sprintf(body, "--b\r\nX: ");
    memset(body + len, 'x', MULTIPART_HEAD_MAX);
    len += MULTIPART_HEAD_MAX;
    len += (size_t)sprintf(body + len, "\r\n" HEAD("name=\"a\"") "1\r\n--b--");
    assert_ptr_equal(read_form(slice_of(body, len), TYPE, text, 64), &reason_bad_multipart);
    free(body);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_clients_are_read),
        cmocka_unit_test(forms_that_can_be_read_two_ways_are_refused),
        cmocka_unit_test(types_without_a_usable_boundary_are_refused),
        cmocka_unit_test(parts_and_heads_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
