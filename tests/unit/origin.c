/*
 * URLs of endpoints, and what an origin makes of them.
 */
#include "gateway/upstream/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *url;
    const char *authority; /* NULL: it is refused */
    const char *prefix;
    bool tls, h2;
};

static const struct row rows[] = {
    { "http://10.0.0.1:8000", "10.0.0.1:8000", "", false, false },
    { "http://engine", "engine", "", false, false },
    { "http://engine:80", "engine", "", false, false },
    { "http://engine:443", "engine:443", "", false, false },
    { "https://engine", "engine", "", true, false },
    { "https://engine:443/", "engine", "", true, false },
    { "https://engine:80", "engine:80", "", true, false },
    { "h2c://engine:8000/serve/llm/", "engine:8000", "/serve/llm", false, true },
    { "h2://engine", "engine", "", true, true },
    { "http://[::1]:8000/x", "[::1]:8000", "/x", false, false },
    { "http://[2001:db8::1]", "[2001:db8::1]", "", false, false },
    { "http://engine:65535", "engine:65535", "", false, false },

    { "", NULL, NULL, false, false },
    { "engine:8000", NULL, NULL, false, false },
    { "ftp://engine", NULL, NULL, false, false },
    { "HTTP://engine", NULL, NULL, false, false },
    { "http://", NULL, NULL, false, false },
    { "http:///x", NULL, NULL, false, false },
    { "http://:8000", NULL, NULL, false, false },
    { "http://engine:", NULL, NULL, false, false },
    { "http://engine:0", NULL, NULL, false, false },
    { "http://engine:65536", NULL, NULL, false, false },
    { "http://engine:80x", NULL, NULL, false, false },
    { "http://user@engine", NULL, NULL, false, false },
    { "http://engine?x=1", NULL, NULL, false, false },
    { "http://engine/x?y", NULL, NULL, false, false },
    { "http://engine/#x", NULL, NULL, false, false },
    { "http://en gine", NULL, NULL, false, false },
    { "http://engine/a b", NULL, NULL, false, false },
    { "http://engine/a\r\nx: y", NULL, NULL, false, false },
    { "http://engine/\x80", NULL, NULL, false, false },
    { "http://::1:8000", NULL, NULL, false, false },
    { "http://[::1", NULL, NULL, false, false },
    { "http://[]", NULL, NULL, false, false },
    { "http://[::1]:", NULL, NULL, false, false },
    { "http://[::1]8000", NULL, NULL, false, false },
    { "http://[::zz]:8000", NULL, NULL, false, false },
    { "http://[10.0.0.1]", NULL, NULL, false, false },
    { "http://[fe80::1%eth0]", NULL, NULL, false, false },
};

static void every_url_is_read_or_refused_as_its_row_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct origin_settings settings = { .connect_ms = 1 };
        bool good = origin_url_parse(slice_str(row->url), &settings.url);
        struct origin *origin;

        if (good != (row->authority != NULL))
            fail_msg("`%s` is %s", row->url, good ? "taken" : "refused");
        if (!good)
            continue;
        assert_int_equal(settings.url.tls, row->tls);
        settings.url.tls = false; /* a context is another test's */
        origin = origin_new(&settings, 1);
        if (!row->tls)
            assert_string_equal(origin->authority, row->authority);
        assert_string_equal(origin->prefix, row->prefix);
        assert_int_equal(origin->h2, row->h2);
        origin_unref(origin);
    }
}

static void names_to_send_and_to_dial_can_be_others(void **state)
{
    struct origin_settings settings = { .server_name = SLICE("cert.example"),
                                        .pin = SLICE("10.0.0.7") };
    struct origin *origin;

    (void)state;
    assert_true(origin_url_parse(SLICE("http://engine:8000"), &settings.url));
    origin = origin_new(&settings, 1);
    assert_string_equal(origin->host, "engine");
    assert_string_equal(origin->authority, "engine:8000");
    assert_string_equal(origin->server_name, "cert.example");
    assert_string_equal(origin->pin, "10.0.0.7");
    origin_unref(origin);
    origin_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_url_is_read_or_refused_as_its_row_says),
        cmocka_unit_test(names_to_send_and_to_dial_can_be_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
