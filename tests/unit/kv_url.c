/*
 * Addresses of publishers: what stands in a pool's `kv_events`, for each endpoint.
 */
#include "routing/kv_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_pattern_becomes_its_address(void **state)
{
    static const struct {
        const char *pattern, *host;
        uint16_t port;
        const char *url; /* NULL: it is refused */
    } rows[] = {
        { "tcp://{host}:5557", "10.0.0.1", 8000, "tcp://10.0.0.1:5557" },
        { "tcp://{host}:5557", "::1", 8000, "tcp://[::1]:5557" },
        { "tcp://{host}:{port}", "e1", 8000, "tcp://e1:8000" },
        { "tcp://{host}:{port+1000}", "e1", 8003, "tcp://e1:9003" },
        { "tcp://{host}:{port-2443}", "e1", 8000, "tcp://e1:5557" },
        { "tcp://events.internal:1", "e1", 8000, "tcp://events.internal:1" },
        { "ipc:///run/{host}.sock", "e1", 8000, "ipc:///run/e1.sock" },
        { "tcp://{host}:{port+65535}", "e1", 8000, NULL },
        { "tcp://{host}:{port-8000}", "e1", 8000, NULL },
        { "tcp://{host}:{port+}", "e1", 8000, NULL },
        { "tcp://{host}:{port*2}", "e1", 8000, NULL },
        { "tcp://{hostname}:1", "e1", 8000, NULL },
        { "tcp://{host:1", "e1", 8000, NULL },
        { "tcp://{}:1", "e1", 8000, NULL },
        { "tcp://e1", "e1", 8000, NULL },
        { "tcp://e1:", "e1", 8000, NULL },
        { "tcp://e1:port", "e1", 8000, NULL },
        { "tcp://e1:65535", "e1", 8000, "tcp://e1:65535" },
        { "tcp://e1:65536", "e1", 8000, NULL },
        { "tcp://e1:0", "e1", 8000, NULL },
        { "tcp://e1:-1", "e1", 8000, NULL },
        { "tcp://e1:99999999999999999999", "e1", 8000, NULL },
        { "tcp://*:5557", "e1", 8000, NULL },
        { "tcp://0.0.0.0:{port+1}", "e1", 8000, NULL },
        { "tcp://[::]:5557", "e1", 8000, NULL },
        { "tcp://:1", "e1", 8000, NULL },
        { "http://e1:1", "e1", 8000, NULL },
        { "ipc://", "e1", 8000, NULL },
        { "", "e1", 8000, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char url[KV_URL_MAX];
        const char *wrong =
            kv_url_expand(rows[i].pattern, slice_str(rows[i].host), rows[i].port, url);

        if (!wrong != (rows[i].url != NULL))
            fail_msg("%s: %s", rows[i].pattern, wrong ? wrong : url);
        if (rows[i].url)
            assert_string_equal(url, rows[i].url);
    }
}

static void what_is_too_long_is_refused_at_its_last_byte(void **state)
{
    char pattern[KV_URL_MAX + 1], url[KV_URL_MAX];

    (void)state;
    memset(pattern, 'x', sizeof(pattern));
    memcpy(pattern, "ipc://", 6);
    pattern[KV_URL_MAX] = 0;
    assert_non_null(kv_url_expand(pattern, SLICE("e1"), 1, url));
    pattern[KV_URL_MAX - 1] = 0;
    assert_null(kv_url_expand(pattern, SLICE("e1"), 1, url));
    assert_int_equal(strlen(url), KV_URL_MAX - 1);
}

static void ranks_are_counted_up(void **state)
{
    static const struct {
        const char *url;
        uint32_t rank;
        const char *ranked; /* NULL: it is refused */
    } rows[] = {
        { "tcp://e1:5557", 0, "tcp://e1:5557" },
        { "tcp://e1:5557", 1, "tcp://e1:5558" },
        { "tcp://[::1]:5557", 15, "tcp://[::1]:5572" },
        { "ipc:///run/e1.sock", 0, "ipc:///run/e1.sock" },
        { "ipc:///run/e1.sock", 3, "ipc:///run/e1.sock_dp3" },
        { "tcp://e1:65535", 0, "tcp://e1:65535" },
        { "tcp://e1:65535", 1, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char url[KV_URL_MAX];
        const char *wrong = kv_url_rank(rows[i].url, rows[i].rank, url);

        if (!wrong != (rows[i].ranked != NULL))
            fail_msg("%s, rank %u: %s", rows[i].url, rows[i].rank, wrong ? wrong : url);
        if (rows[i].ranked)
            assert_string_equal(url, rows[i].ranked);
    }
}

static void ranks_of_events_and_replays_may_not_meet(void **state)
{
    static const struct {
        const char *a, *b;
        uint32_t ranks;
        bool meet;
    } rows[] = {
        { "tcp://e1:5557", "tcp://e1:5558", 1, false },
        { "tcp://e1:5557", "tcp://e1:5557", 1, true },
        { "tcp://e1:5557", "tcp://e1:5558", 2, true },
        { "tcp://e1:5559", "tcp://e1:5557", 2, false },
        { "tcp://e1:5559", "tcp://e1:5557", 3, true },
        { "tcp://e1:5557", "tcp://e2:5558", 8, false },
        { "ipc:///run/a", "ipc:///run/b", 8, false },
        { "ipc:///run/a", "ipc:///run/a", 8, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (kv_urls_meet(rows[i].a, rows[i].b, rows[i].ranks) != rows[i].meet)
            fail_msg("%s and %s, %u ranks", rows[i].a, rows[i].b, rows[i].ranks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_becomes_its_address),
        cmocka_unit_test(what_is_too_long_is_refused_at_its_last_byte),
        cmocka_unit_test(ranks_are_counted_up),
        cmocka_unit_test(ranks_of_events_and_replays_may_not_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
