/*
 * Heads of messages: known fields, characters, limits, what Connection may name.
 */
#include "gateway/http/message.h"

#include "tests/unit/aborts.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
static struct message message;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    message_init(&message, &arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct reason *add(const char *name, const char *value)
{
    return message_add(&message, slice_str(name), slice_str(value), NULL);
}

static void every_known_field_is_found_by_its_name_alone(void **state)
{
    (void)state;
    for (int id = FIELD_OTHER + 1; id < FIELD_COUNT; id++) {
        struct slice name = field_name((enum field_id)id);
        char *copy = slice_dup(name);

        assert_int_equal(field_find(slice_of(copy, name.len)), id);
        assert_int_equal(field_find(slice_of(copy, name.len - 1)), FIELD_OTHER);
        for (size_t i = 0; i < name.len; i++) {
            copy[i] ^= 0x20;
            assert_int_equal(field_find(slice_of(copy, name.len)), FIELD_OTHER);
            copy[i] ^= 0x20;
        }
        free(copy);
    }
    assert_int_equal(field_find(SLICE("")), FIELD_OTHER);
    assert_int_equal(field_find(SLICE("accept")), FIELD_OTHER);
    assert_int_equal(field_find(slice_of(NULL, 0)), FIELD_OTHER);
}

static void a_name_of_256_bytes_more_is_another_name(void **state)
{
    char name[4 + 256];

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name, "date", 4);
    name[sizeof(name) - 1] = 'e';
    assert_int_equal(field_find(slice_of(name, sizeof(name))), FIELD_OTHER);
}

static void flags_come_from_the_rows(void **state)
{
    (void)state;
    assert_int_equal(field_flags(FIELD_connection), FIELD_FLAG_HOP);
    assert_int_equal(field_flags(FIELD_host), FIELD_FLAG_FRAME);
    assert_int_equal(field_flags(FIELD_content_type), FIELD_FLAG_ONCE | FIELD_FLAG_NOTRL);
    assert_int_equal(field_flags(FIELD_x_forwarded_for), FIELD_FLAG_EDGE);
    assert_int_equal(field_flags(FIELD_OTHER), 0);
}

static void byte_by_byte_tokens_and_values_are_as_the_rfc_says(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        bool token = c && (alnum || strchr("!#$%&'*+-.^_`|~", c));
        bool value = (c >= 0x20 && c != 0x7f) || c == '\t';

        assert_int_equal(http_is_token(slice_of(&byte, 1)), token);
        assert_int_equal(http_is_value(slice_of(&byte, 1)), value);
        /* at each place of a value longer than what is looked at together */
        for (size_t at = 0; at < 40; at++) {
            char text[40];

            memset(text, 'v', sizeof(text));
            text[at] = byte;
            assert_int_equal(http_is_value(slice_of(text, sizeof(text))), value);
        }
    }
    assert_false(http_is_token(SLICE("")));
    assert_true(http_is_value(SLICE("")));
    assert_true(http_is_value(slice_of(NULL, 0)));
}

static void bad_names_and_values_are_refused(void **state)
{
    static const struct {
        struct slice name, value;
    } rows[] = {
        { SLICE_INIT(""), SLICE_INIT("v") },
        { SLICE_INIT("a b"), SLICE_INIT("v") },
        { SLICE_INIT("a:"), SLICE_INIT("v") },
        { SLICE_INIT(":path"), SLICE_INIT("v") },
        { SLICE_INIT("a\0"), SLICE_INIT("v") },
        { SLICE_INIT("\xc3\xa4"), SLICE_INIT("v") },
        { SLICE_INIT("Accept"), SLICE_INIT("v") },
        { SLICE_INIT("Content-Length"), SLICE_INIT("1") }, /* not even by its case */
        { SLICE_INIT("a"), SLICE_INIT("v\r\nx: y") },
        { SLICE_INIT("a"), SLICE_INIT("v\n") },
        { SLICE_INIT("a"), SLICE_INIT("v\0") },
        { SLICE_INIT("a"), SLICE_INIT("\x1b[2J") },
        { SLICE_INIT("a"), SLICE_INIT("\x7f") },
        { SLICE_INIT("authorization"), SLICE_INIT("Bearer x\r") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ptr_equal(message_add(&message, rows[i].name, rows[i].value, NULL),
                         &reason_bad_field);
        assert_ptr_equal(message_add_copy(&message, rows[i].name, rows[i].value, NULL),
                         &reason_bad_field);
    }
    assert_int_equal(message.count + message.bytes, 0);
}

static void limits_are_met_at_the_field_and_at_the_byte(void **state)
{
    struct message_limits fields = { .fields = 2, .bytes = 1000 };
    struct message_limits bytes = { .fields = 100, .bytes = 2 * (32 + 3) };
    struct message_limits none = { .fields = 0, .bytes = 0 };

    (void)state;
    assert_null(message_add(&message, SLICE("a"), SLICE("12"), &fields));
    assert_null(message_add(&message, SLICE("b"), SLICE("12"), &fields));
    assert_ptr_equal(message_add(&message, SLICE("c"), SLICE(""), &fields), &reason_head_too_large);
    assert_int_equal(message.count, 2);
    message_init(&message, &arena);
    assert_ptr_equal(message_add(&message, SLICE("a"), SLICE(""), &none), &reason_head_too_large);
    assert_null(message_add(&message, SLICE("a"), SLICE("12"), &bytes));
    assert_ptr_equal(message_add_copy(&message, SLICE("b"), SLICE("123"), &bytes),
                     &reason_head_too_large);
    assert_null(message_add_copy(&message, SLICE("b"), SLICE("12"), &bytes));
    assert_int_equal(message.bytes, 2 * (32 + 3));
}

static void a_full_arena_is_a_head_too_large(void **state)
{
    struct arena small;
    struct message head;
    const struct reason *reason = NULL;
    int added = 0;

    (void)state;
    arena_init(&small, 10000);
    message_init(&head, &small);
    for (; !reason && added < 1000; added++)
        reason = message_add_copy(&head, SLICE("name"), SLICE("value"), NULL);
    assert_ptr_equal(reason, &reason_head_too_large);
    assert_true(added > 20);
    assert_int_equal(head.count, added - 1);
    arena_release(&small);
}

static void a_copy_outlives_its_source(void **state)
{
    char name[] = "x-some", value[] = "thing";
    const struct field *field;

    (void)state;
    assert_null(message_add_copy(&message, slice_str(name), slice_str(value), NULL));
    memset(name, '!', 6);
    memset(value, '!', 5);
    field = message_find_name(&message, SLICE("x-some"));
    assert_non_null(field);
    assert_true(slice_eq(field->value, SLICE("thing")));
    assert_int_equal(field->id, FIELD_OTHER);
}

static void once_fields_are_refused_the_second_time(void **state)
{
    (void)state;
    assert_null(add("content-type", "application/json"));
    assert_ptr_equal(add("content-type", "application/json"), &reason_bad_field);
    assert_null(add("x-request-id", "1"));
    assert_ptr_equal(add("x-request-id", "2"), &reason_bad_field);
    assert_null(add("cookie", "a=b"));
    assert_null(add("cookie", "c=d"));
    assert_int_equal(message.count, 4);
}

static void fields_keep_their_order_when_some_are_removed(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        char value[16];

        snprintf(value, sizeof(value), "%d", i);
        assert_null(message_add_copy(&message, i % 3 ? SLICE("x-a") : SLICE("cookie"),
                                     slice_str(value), NULL));
    }
    message_remove(&message, FIELD_cookie);
    assert_int_equal(message.count, 66);
    assert_null(message_find(&message, FIELD_cookie));
    assert_true(slice_eq(message.fields[0].value, SLICE("1")));
    assert_true(slice_eq(message.fields[65].value, SLICE("98")));
    for (uint32_t i = 0, bytes = 0; i <= message.count; i++) {
        if (i == message.count)
            assert_int_equal(message.bytes, bytes);
        else
            bytes += (uint32_t)(message.fields[i].name.len + message.fields[i].value.len + 32);
    }
}

static void removing_by_flag_takes_the_edge_or_the_hop(void **state)
{
    (void)state;
    assert_null(add("x-forwarded-for", "1.2.3.4"));
    assert_null(add("te", "trailers"));
    assert_null(add("x-prefiller-url", "http://169.254.169.254"));
    assert_null(add("accept", "*/*"));
    message_remove_flagged(&message, FIELD_FLAG_EDGE);
    assert_int_equal(message.count, 2);
    assert_non_null(message_find(&message, FIELD_te));
    message_remove_flagged(&message, FIELD_FLAG_EDGE | FIELD_FLAG_HOP);
    assert_int_equal(message.count, 1);
    assert_true(slice_eq(message.fields[0].name, SLICE("accept")));
}

static bool has_value(const struct field *field, const void *value)
{
    return slice_eq(field->value, slice_str(value));
}

static void removing_by_the_callers_word_gives_their_bytes_back(void **state)
{
    (void)state;
    assert_null(add("x-a", "go"));
    assert_null(add("x-b", "stay"));
    assert_null(add("accept", "go"));
    assert_null(add("x-c", "stay, too"));
    message_remove_where(&message, has_value, "go");
    assert_int_equal(message.count, 2);
    assert_true(slice_eq(message.fields[0].name, SLICE("x-b")));
    assert_true(slice_eq(message.fields[1].name, SLICE("x-c")));
    assert_int_equal(message.bytes, 3 + 4 + 32 + 3 + 9 + 32);
}

static void our_own_fields_go_in_and_are_found(void **state)
{
    (void)state;
    message_put(&message, FIELD_x_request_id, SLICE("abc"));
    message_put_other(&message, SLICE("x-own"), SLICE("1"));
    assert_true(slice_eq(message_value(&message, FIELD_x_request_id), SLICE("abc")));
    assert_int_equal(message_value(&message, FIELD_date).len, 0);
    assert_non_null(message_find_name(&message, SLICE("x-own")));
    assert_null(message_find_name(&message, SLICE("x-ow")));
}

static void connection_marks_what_it_names(void **state)
{
    (void)state;
    assert_null(add("connection", "close, X-Auth ,, keep-alive"));
    assert_null(add("x-auth", "secret"));
    assert_null(add("x-auth-not", "stays"));
    assert_null(add("connection", "x-two"));
    assert_null(add("x-two", "2"));
    assert_null(add("keep-alive", "timeout=5"));
    assert_null(message_apply_connection(&message));
    message_remove_flagged(&message, FIELD_FLAG_HOP);
    assert_int_equal(message.count, 1);
    assert_true(slice_eq(message.fields[0].name, SLICE("x-auth-not")));
}

/* H1-21 */
static void connection_may_not_name_what_framing_and_identity_need(void **state)
{
    static const char *const rows[] = {
        "content-length",
        "Content-Length",
        "close, Host",
        "transfer-encoding",
        "x-forwarded-for",
        "forwarded",
        "X-Real-IP",
        "authorization",
        "close, AUTHORIZATION",
        "x-sluice-class",
        "a b",
        "\"close\"",
        "x-prefiller-host-port, a",
        "a;b",
        ",,,, X-SLUICE-endpoint",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        message_init(&message, &arena);
        assert_null(add("connection", rows[i]));
        assert_ptr_equal(message_apply_connection(&message), &reason_bad_field);
    }
}

static void connection_names_at_most_32(void **state)
{
    (void)state;
    for (int n = 31; n <= 33; n++) {
        message_init(&message, &arena);
        for (int i = 0; i < n; i++)
            assert_null(add("connection", i % 2 ? "a" : ", b,"));
        assert_ptr_equal(message_apply_connection(&message), n > 32 ? &reason_bad_field : NULL);
    }
}

static void list_members_are_found_whole(void **state)
{
    static const struct {
        struct slice value, token;
        bool found;
    } rows[] = {
        { SLICE_INIT("close"), SLICE_INIT("close"), true },
        { SLICE_INIT("Keep-Alive, CLOSE"), SLICE_INIT("close"), true },
        { SLICE_INIT(" ,\tclose\t,"), SLICE_INIT("close"), true },
        { SLICE_INIT("closed, not-close"), SLICE_INIT("close"), false },
        { SLICE_INIT("clo se"), SLICE_INIT("close"), false },
        { SLICE_INIT(""), SLICE_INIT("close"), false },
        { SLICE_INIT("close;q=1"), SLICE_INIT("close"), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(field_has_token(rows[i].value, rows[i].token), rows[i].found);
}

/* H1-15, D-05 */
static void an_authority_is_a_host_and_perhaps_a_port(void **state)
{
    static const struct {
        struct slice text;
        bool good;
    } rows[] = {
        { SLICE_INIT("localhost"), true },
        { SLICE_INIT("a.example:8443"), true },
        { SLICE_INIT("10.0.0.1:80"), true },
        { SLICE_INIT("my_host-1.svc.cluster.local."), true },
        { SLICE_INIT("[::1]"), true },
        { SLICE_INIT("[::ffff:127.0.0.1]:65535"), true },
        { SLICE_INIT("[2001:db8:0:0:0:0:0:1]:1"), true },
        { SLICE_INIT("h:0"), true },
        { SLICE_INIT(""), false },
        { SLICE_INIT(":80"), false },
        { SLICE_INIT("h:"), false },
        { SLICE_INIT("h:65536"), false },
        { SLICE_INIT("h:99999"), false },
        { SLICE_INIT("h:000080"), false },
        { SLICE_INIT("h:+80"), false },
        { SLICE_INIT("h:8 0"), false },
        { SLICE_INIT("h:80:80"), false },
        { SLICE_INIT("a,b"), false },
        { SLICE_INIT("a b"), false },
        { SLICE_INIT("user@h"), false },
        { SLICE_INIT("user:pw@h"), false },
        { SLICE_INIT("h/path"), false },
        { SLICE_INIT("h?q"), false },
        { SLICE_INIT("h#f"), false },
        { SLICE_INIT("h\\x"), false },
        { SLICE_INIT("h\0"), false },
        { SLICE_INIT("h\r\nx: y"), false },
        { SLICE_INIT("h\t"), false },
        { SLICE_INIT("%68ost"), false },
        { SLICE_INIT("\xc3\xa4.example"), false },
        { SLICE_INIT("["), false },
        { SLICE_INIT("[]"), false },
        { SLICE_INIT("[::1"), false },
        { SLICE_INIT("::1"), false },
        { SLICE_INIT("[::1]x"), false },
        { SLICE_INIT("[::1]:"), false },
        { SLICE_INIT("[127.0.0.1]"), false },
        { SLICE_INIT("[fe80::1%eth0]"), false },
        { SLICE_INIT("[fe80::1%25eth0]"), false },
        { SLICE_INIT("[::1\0]"), false },
        { SLICE_INIT("[v1.x]"), false },
        { SLICE_INIT("[::1]]"), false },
    };
    char longest[260];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (http_is_authority(rows[i].text) != rows[i].good)
            fail_msg("%.*s", SLICE_ARGS(rows[i].text));
    memset(longest, 'h', sizeof(longest));
    assert_true(http_is_authority(slice_of(longest, 255)));
    assert_false(http_is_authority(slice_of(longest, 256)));
}

static void statuses_have_words_or_none(void **state)
{
    (void)state;
    assert_true(slice_eq(http_status_text(200), SLICE("OK")));
    assert_true(slice_eq(http_status_text(504), SLICE("Gateway Timeout")));
    assert_int_equal(http_status_text(299).len, 0);
    assert_int_equal(http_status_text(0).len, 0);
    assert_int_equal(http_status_text(999).len, 0);
    assert_int_equal(http_status_text(UINT32_MAX).len, 0);
    for (size_t i = 0; i < reason_count; i++)
        assert_true(reason_all[i]->status == 0 || http_status_text(reason_all[i]->status).len > 0);
}

static void add_framing(void)
{
    (void)!message_add(&message, SLICE("content-length"), SLICE("1"), NULL);
}

static void put_split(void)
{
    message_put_other(&message, SLICE("x-own"), SLICE("a\r\nb"));
}

static void put_split_known(void)
{
    message_put(&message, FIELD_x_request_id, SLICE("a\nb"));
}

static void put_known_as_other(void)
{
    message_put_other(&message, SLICE("host"), SLICE("a"));
}

static void misuse_aborts(void **state)
{
    (void)state;
    assert_true(aborts(add_framing));
    assert_true(aborts(put_split));
    assert_true(aborts(put_split_known));
    assert_true(aborts(put_known_as_other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_known_field_is_found_by_its_name_alone),
        TEST(a_name_of_256_bytes_more_is_another_name),
        TEST(flags_come_from_the_rows),
        TEST(byte_by_byte_tokens_and_values_are_as_the_rfc_says),
        TEST(bad_names_and_values_are_refused),
        TEST(limits_are_met_at_the_field_and_at_the_byte),
        TEST(a_full_arena_is_a_head_too_large),
        TEST(a_copy_outlives_its_source),
        TEST(once_fields_are_refused_the_second_time),
        TEST(fields_keep_their_order_when_some_are_removed),
        TEST(removing_by_flag_takes_the_edge_or_the_hop),
        TEST(removing_by_the_callers_word_gives_their_bytes_back),
        TEST(our_own_fields_go_in_and_are_found),
        TEST(connection_marks_what_it_names),
        TEST(connection_may_not_name_what_framing_and_identity_need),
        TEST(connection_names_at_most_32),
        TEST(list_members_are_found_whole),
        TEST(an_authority_is_a_host_and_perhaps_a_port),
        TEST(statuses_have_words_or_none),
        TEST(misuse_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
