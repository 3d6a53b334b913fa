/*
 * The filters in their order, on requests and answers made from rows.
 */
#include "filters/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct message request, answer;
    struct via via;
    struct filter_peer peer;
    struct filter_call call;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){ .peer = { .tenant_header = SLICE("x-tenant"), .via = &f.via } };
    via_init(&f.via, 0xfeed);
    arena_init(&f.arena, 1 << 20);
    message_init(&f.request, &f.arena);
    message_init(&f.answer, &f.arena);
    f.request.authority = SLICE("llm.example");
    f.call = (struct filter_call){
        .request = &f.request, .peer = &f.peer, .address = SLICE("10.0.0.9:4321"), .random = 42
    };
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_release(&f->arena);
    return 0;
}

/* "name: value" */
static void add(struct message *message, const char *line)
{
    struct slice value = slice_str(line), name = slice_cut(&value, ':');

    assert_null(message_add_copy(message, name, slice_trim(value), NULL));
}

static bool has(const struct message *message, const char *line)
{
    struct slice value = slice_str(line), name = slice_cut(&value, ':');
    const struct field *field = message_find_name(message, name);

    value = slice_trim(value);
    return field && slice_eq(field->value, value);
}

static void only_a_trusted_peer_steers(void **state)
{
    static const char *const lines[] = {
        "x-sluice-class: batch",
        "x-sluice-endpoint: http://e:1",
        "x-forwarded-proto: https",
        "x-forwarded-host: other",
        "x-real-ip: 1.2.3.4",
        "forwarded: for=1.2.3.4",
        "x-gateway-destination-endpoint: 169.254.169.254:80",
        "x-prefiller-host-port: 1.2.3.4:5",
        "x-prefiller-url: http://1.2.3.4",
        "x-data-parallel-host-port: 1.2.3.4:5",
        "x-tenant: somebody",
    };

    for (int trusted = 0; trusted < 2; trusted++) {
        struct fixture *f = *state;

        f->peer.trusted = trusted;
        for (size_t i = 0; i < ARRAY_LEN(lines); i++)
            add(&f->request, lines[i]);
        assert_null(filters_on_request(&f->call));
        for (size_t i = 0; i < ARRAY_LEN(lines); i++)
            if (has(&f->request, lines[i]) != (trusted == 1))
                fail_msg("trusted %d: %s", trusted, lines[i]);
        assert_int_equal(f->call.pin.len > 0, trusted);
        assert_int_equal(f->call.tenant.len > 0, trusted);
        teardown(state);
        setup(state);
    }
}

static void names_with_an_underscore_go(void **state)
{
    struct fixture *f = *state;

    add(&f->request, "x_tenant: a");
    add(&f->request, "x-other: b");
    assert_null(filters_on_request(&f->call));
    assert_false(has(&f->request, "x_tenant: a"));
    assert_true(has(&f->request, "x-other: b"));
}

static void who_asks_is_said_once_or_not_at_all(void **state)
{
    static const struct {
        const char *first, *second;
        const char *param;
    } rows[] = {
        { "authorization: Bearer a", "authorization: Bearer b", "authorization" },
        { "x-tenant: a", "x-tenant: b", "x-tenant" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;

        f->peer.trusted = true;
        add(&f->request, rows[i].first);
        add(&f->request, rows[i].second);
        assert_ptr_equal(filters_on_request(&f->call), &reason_identity_ambiguous);
        assert_true(slice_eq(f->call.param, slice_str(rows[i].param)));
        teardown(state);
        setup(state);
    }
}

static void a_request_id_is_kept_from_a_trusted_peer_and_echoed(void **state)
{
    static const struct {
        bool trusted;
        const char *given;
        bool kept;
    } rows[] = {
        { true, "x-request-id: abc-1", true },
        { false, "x-request-id: abc-1", false },
        { true, "x-request-id: with a blank", false },
        { true, "x-request-id:", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;
        char echo[256];

        f->peer.trusted = rows[i].trusted;
        add(&f->request, rows[i].given);
        assert_null(filters_on_request(&f->call));
        if (has(&f->request, rows[i].given) != rows[i].kept)
            fail_msg("row %zu: %.*s", i, SLICE_ARGS(f->call.request_id));
        if (!rows[i].kept)
            assert_int_equal(f->call.request_id.len, 36);
        add(&f->answer, "x-request-id: the engine's");
        f->call.answer = &f->answer;
        filters_on_answer(&f->call);
        snprintf(echo, sizeof(echo), "x-request-id: %.*s", SLICE_ARGS(f->call.request_id));
        assert_true(has(&f->answer, echo));
        teardown(state);
        setup(state);
    }
}

static void the_endpoint_is_told_who_asked(void **state)
{
    static const struct {
        bool trusted, tls;
        const char *peer;
        const char *before[2];
        const char *after, *client;
    } rows[] = {
        { false, false, "10.0.0.9:4321", { NULL }, "x-forwarded-for: 10.0.0.9", "10.0.0.9:4321" },
        { false, false, "[::1]:80", { NULL }, "x-forwarded-for: ::1", "[::1]:80" },
        { false,
          true,
          "10.0.0.9:1",
          { "x-forwarded-for: 1.1.1.1" },
          "x-forwarded-for: 10.0.0.9",
          "10.0.0.9:1" },
        { true,
          false,
          "10.0.0.9:1",
          { "x-forwarded-for: 1.1.1.1, 2.2.2.2" },
          "x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.9",
          "1.1.1.1" },
        { true,
          false,
          "10.0.0.9:1",
          { "x-forwarded-for: 1.1.1.1", "x-forwarded-for: 2.2.2.2" },
          "x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.9",
          "1.1.1.1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;

        f->peer.trusted = rows[i].trusted;
        f->peer.tls = rows[i].tls;
        f->call.address = slice_str(rows[i].peer);
        for (size_t j = 0; j < 2 && rows[i].before[j]; j++)
            add(&f->request, rows[i].before[j]);
        assert_null(filters_on_request(&f->call));
        if (!has(&f->request, rows[i].after) ||
            !slice_eq(f->call.client, slice_str(rows[i].client)))
            fail_msg("row %zu: %.*s, client %.*s", i,
                     SLICE_ARGS(message_value(&f->request, FIELD_x_forwarded_for)),
                     SLICE_ARGS(f->call.client));
        assert_true(
            has(&f->request, rows[i].tls ? "x-forwarded-proto: https" : "x-forwarded-proto: http"));
        assert_true(has(&f->request, "x-forwarded-host: llm.example"));
        teardown(state);
        setup(state);
    }
}

static void a_traceparent_passes_if_it_is_one(void **state)
{
    static const struct {
        const char *value;
        bool passes;
    } rows[] = {
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true },
        { "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
        { "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false },
        { "nonsense", false },
        { "", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = *state;
        char line[128];

        snprintf(line, sizeof(line), "traceparent: %s", rows[i].value);
        add(&f->request, line);
        add(&f->request, "tracestate: a=1");
        assert_null(filters_on_request(&f->call));
        if (has(&f->request, line) != rows[i].passes ||
            has(&f->request, "tracestate: a=1") != rows[i].passes)
            fail_msg("`%s`", rows[i].value);
        teardown(state);
        setup(state);
    }
}

/* Again, as a request that has not been here. */
static const struct reason *pass(struct fixture *f)
{
    message_remove(&f->request, FIELD_via);
    return filters_on_request(&f->call);
}

static void the_tenant_is_the_header_or_the_key_or_nobody(void **state)
{
    struct fixture *f = *state;
    char first[64];

    assert_null(pass(f));
    assert_int_equal(f->call.tenant.len, 0);
    add(&f->request, "authorization: Bearer sk-secret");
    assert_null(pass(f));
    assert_true(slice_starts(f->call.tenant, SLICE("key-")));
    snprintf(first, sizeof(first), "%.*s", SLICE_ARGS(f->call.tenant));
    assert_null(strstr(first, "secret"));
    assert_null(pass(f));
    assert_true(slice_eq(f->call.tenant, slice_str(first)));
    f->peer.trusted = true;
    add(&f->request, "x-tenant: acme");
    assert_null(pass(f));
    assert_true(slice_eq(f->call.tenant, SLICE("acme")));
}

static void what_an_engine_may_not_set_is_dropped(void **state)
{
    struct fixture *f = *state;

    assert_null(filters_on_request(&f->call));
    f->call.answer = &f->answer;
    add(&f->answer, "set-cookie: a=b");
    add(&f->answer, "x-gateway-destination-endpoint: 1.2.3.4:5");
    add(&f->answer, "endpoint-load-metrics: x");
    add(&f->answer, "keep-alive: timeout=5");
    add(&f->answer, "upgrade: h2c");
    add(&f->answer, "server: uvicorn");
    add(&f->answer, "content-type: application/json");
    filters_on_answer(&f->call);
    assert_int_equal(f->answer.count, 3); /* server, content-type and our x-request-id */
    assert_true(has(&f->answer, "server: uvicorn"));
}

static void fields_of_one_connection_stay_on_it(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = { "te: trailers", "keep-alive: 5", "upgrade: h2c",
                                         "proxy-authorization: x", "proxy-connection: close" };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        add(&f->request, lines[i]);
    assert_null(filters_on_request(&f->call));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_false(has(&f->request, lines[i]));
}

static void what_was_here_before_goes_no_further(void **state)
{
    static const struct {
        const char *via; /* NULL: none came */
        uint8_t version;
        bool refused;
        const char *added;
    } rows[] = {
        { NULL, 11, false, "via: 1.1 sluice-000000000000feed" },
        { NULL, 10, false, "via: 1.0 sluice-000000000000feed" },
        { NULL, 20, false, "via: 2 sluice-000000000000feed" },
        { "via: 1.1 sluice-000000000000feee", 11, false, NULL }, /* another gateway's */
        { "via: 1.1 sluice", 11, false, NULL },
        { "via: 1.1 sluice-000000000000feed", 11, true, NULL },
        { "via: 2 sluice-000000000000feed, 1.1 edge (nginx)", 11, true, NULL },
        { "via: 1.1 edge,1.0 sluice-000000000000feed", 20, true, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        void *at;
        struct fixture *f;
        const struct reason *reason;

        setup(&at);
        f = at;
        f->request.version = rows[i].version;
        if (rows[i].via) {
            add(&f->request, "via: 1.1 first");
            add(&f->request, rows[i].via);
        }
        reason = filters_on_request(&f->call);
        if (reason != (rows[i].refused ? &reason_loop_detected : NULL))
            fail_msg("row %zu: %s", i, reason ? reason->name : "passed");
        if (rows[i].added)
            assert_true(has(&f->request, rows[i].added));
        teardown(&at);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_a_trusted_peer_steers),
        TEST(names_with_an_underscore_go),
        TEST(who_asks_is_said_once_or_not_at_all),
        TEST(a_request_id_is_kept_from_a_trusted_peer_and_echoed),
        TEST(the_endpoint_is_told_who_asked),
        TEST(a_traceparent_passes_if_it_is_one),
        TEST(the_tenant_is_the_header_or_the_key_or_nobody),
        TEST(what_an_engine_may_not_set_is_dropped),
        TEST(fields_of_one_connection_stay_on_it),
        cmocka_unit_test(what_was_here_before_goes_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
