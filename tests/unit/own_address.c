/*
 * Which endpoints of a file are a listener of the same file.
 */
#include "routing/own_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void an_endpoint_that_is_a_listener_is_seen(void **state)
{
    static const struct {
        const char *listener, *url;
        bool meets;
    } rows[] = {
        { "127.0.0.1:8080", "http://127.0.0.1:8080", true },
        { "127.0.0.1:8080", "h2c://127.0.0.1:8080/v1", true },
        { "127.0.0.1:8080", "http://localhost:8080", true },
        { "127.0.0.1:8080", "http://LOCALHOST:8080", true },
        { "127.0.0.1:8080", "http://0.0.0.0:8080", true },
        { "127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080", true },
        { "127.0.0.1:80", "http://127.0.0.1", true },
        { "127.0.0.1:8080", "http://127.0.0.1:8081", false },
        { "127.0.0.1:8080", "http://127.0.0.2:8080", false },
        { "127.0.0.1:8080", "http://[::1]:8080", false },

        { "0.0.0.0:8080", "http://127.0.0.1:8080", true },
        { "0.0.0.0:8080", "http://127.9.9.9:8080", true },
        { "0.0.0.0:8080", "http://localhost:8080", true },
        { ":8080", "http://127.0.0.1:8080", true },
        { "0.0.0.0:8080", "http://[::1]:8080", false }, /* a listener of IPv4 only */
        { "0.0.0.0:8080", "http://10.0.0.1:8080", false },
        { "0.0.0.0:8080", "http://engine:8080", false },

        { "[::1]:8080", "http://[::1]:8080", true },
        { "[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", true },
        { "[::]:8080", "http://[::1]:8080", true },
        { "[::]:8080", "http://localhost:8080", true },
        { "[::1]:8080", "http://[::]:8080", true },
        { "[::]:8080", "http://127.0.0.1:8080", false }, /* a listener of IPv6 only */
        { "[::1]:8080", "http://[2001:db8::1]:8080", false },

        { "localhost:8080", "http://127.0.0.1:8080", true },
        { "localhost:8080", "http://[::1]:8080", true },
        { "gateway:8080", "http://Gateway:8080", true },
        { "gateway:8080", "http://gateway.internal:8080", false },
        { "10.0.0.1:8080", "http://10.0.0.1:8080", true },
        { "unix:/run/sluice:8080", "http://localhost:8080", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin_url url;

        assert_true(origin_url_parse(slice_str(rows[i].url), &url));
        if (own_address_meets(rows[i].listener, &url) != rows[i].meets)
            fail_msg("%s at %s: %s expected", rows[i].url, rows[i].listener,
                     rows[i].meets ? "itself" : "another");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_that_is_a_listener_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
