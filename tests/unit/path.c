/*
 * The one form of a request target: what is refused, what changes, what stays.
 */
#include "gateway/http/message.h"

#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

struct row {
    struct slice in;
    struct slice out; /* at NULL: refused */
};

#define SAME(text)                                                                                 \
    {                                                                                              \
        SLICE_INIT(text), SLICE_INIT(text)                                                         \
    }
#define REFUSED(text)                                                                              \
    {                                                                                              \
        SLICE_INIT(text),                                                                          \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice path = rows[i].in;
        struct arena arena;
        const struct reason *reason;

        arena_init(&arena, 1 << 20);
        reason = http_normalise_path(&arena, &path);
        if (reason != (rows[i].out.at ? NULL : &reason_bad_target))
            fail_msg("%.*s: %s", SLICE_ARGS(rows[i].in), reason ? reason->name : "accepted");
        if (!slice_eq(path, reason ? rows[i].in : rows[i].out))
            fail_msg("%.*s became %.*s", SLICE_ARGS(rows[i].in), SLICE_ARGS(path));
        arena_release(&arena);
    }
}

static void good_targets_stay_as_they_are(void **state)
{
    static const struct row rows[] = {
        SAME("/"),
        SAME("*"),
        SAME("/v1/chat/completions"),
        SAME("/v1/models/m:predict"), /* KServe's colon */
        SAME("/v2/models/a@b/versions/1/infer"),
        SAME("/v1/"),
        SAME("/a.b/..c/d../...e"),
        SAME("/.../x"),
        SAME("/a%2Fb"), /* a slash that is data stays encoded */
        SAME("/a%5Cb"),
        SAME("/a%252e%252e"), /* decoded once, never twice */
        SAME("/caf%C3%A9"),
        SAME("/a;v=1/b"),
        SAME("/!$&'()*+,=~|{}[]^`\"<>"),
        SAME("/?"),
        SAME("/a?b=c&d=//../%zz%00\\?x"), /* the query is none of ours */
        SAME("/a?/../b"),
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void escapes_take_their_one_form(void **state)
{
    static const struct row rows[] = {
        { SLICE_INIT("/%76%31/models"), SLICE_INIT("/v1/models") },
        { SLICE_INIT("/%7Ea%2d%5f%2E%39"), SLICE_INIT("/~a-_.9") },
        { SLICE_INIT("/a%2fb%3ac"), SLICE_INIT("/a%2Fb%3Ac") },
        { SLICE_INIT("/%c3%a9?%c3"), SLICE_INIT("/%C3%A9?%c3") },
        { SLICE_INIT("/%41?%41"), SLICE_INIT("/A?%41") },
        { SLICE_INIT("/a%20b%0d%0a"), SLICE_INIT("/a%20b%0D%0A") },
        { SLICE_INIT("/%23%3f"), SLICE_INIT("/%23%3F") },
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

/* H1-14, D-02 */
static void bad_targets_are_refused(void **state)
{
    static const struct row rows[] = {
        REFUSED(""),
        REFUSED("a"),
        REFUSED("?a"),
        REFUSED("**"),
        REFUSED("*/"),
        REFUSED("http://h/"),
        REFUSED("//"),
        REFUSED("//h/a"),
        REFUSED("/a//b"),
        REFUSED("/a//"),
        REFUSED("/a#b"),
        REFUSED("/a?b#c"),
        REFUSED("/a b"),
        REFUSED("/a?b c"),
        REFUSED("/a\tb"),
        REFUSED("/a\r\nX: y"),
        REFUSED("/a?\r\n"),
        REFUSED("/a\0b"),
        REFUSED("/a\x7f"),
        REFUSED("/caf\xc3\xa9"),
        REFUSED("/a?\xc3\xa9"),
        REFUSED("/a\\b"),
        REFUSED("/%00"),
        REFUSED("/a%00b"),
        REFUSED("/%"),
        REFUSED("/%4"),
        REFUSED("/%g1"),
        REFUSED("/%1g"),
        REFUSED("/% 1"),
        REFUSED("/a%4?1"),
        REFUSED("/%u0041"),
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void dots_are_refused_in_any_spelling(void **state)
{
    static const struct row rows[] = {
        REFUSED("/."),
        REFUSED("/.."),
        REFUSED("/./a"),
        REFUSED("/a/../b"),
        REFUSED("/a/.."),
        REFUSED("/a/."),
        REFUSED("/%2e"),
        REFUSED("/%2E%2e/a"),
        REFUSED("/.%2e/a"),
        REFUSED("/a/%2e./b"),
        REFUSED("/%2e%2e%2fa"),
        REFUSED("/v1/..%2Fsleep"),
        REFUSED("/v1/x%2f..%2fsleep"),
        REFUSED("/v1/x%2f.."),
        REFUSED("/v1/..%5csleep"),
        REFUSED("/v1/x%5C..%2f"),
        REFUSED("/v1/..;/sleep"),
        REFUSED("/v1/..;a=b/sleep"),
        REFUSED("/v1/.;/x"),
        REFUSED("/v1/x%2f..?q"),
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void a_full_arena_is_a_head_too_large(void **state)
{
    struct slice plain = SLICE("/plain"), escaped = SLICE("/%41");
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    assert_null(http_normalise_path(&arena, &plain)); /* what does not change takes no memory */
    assert_ptr_equal(http_normalise_path(&arena, &escaped), &reason_head_too_large);
    assert_true(slice_eq(escaped, SLICE("/%41")));
    arena_release(&arena);
}

/* Whatever comes in: what comes out is in the one form, so a second time changes nothing. */
static void the_form_is_its_own_form(void **state)
{
    static const char alphabet[] = "//..%%22eEfF55cC;aA0?#\\ \x80";
    uint64_t seed = 4;
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 300000; round++) {
        char text[16] = "/";
        struct slice path = slice_of(text, 1 + random_below(&seed, sizeof(text) - 1)), again;
        struct arena arena;

        for (size_t i = 1; i < path.len; i++)
            text[i] = alphabet[random_below(&seed, sizeof(alphabet) - 1)];
        arena_init(&arena, 1 << 20);
        if (!http_normalise_path(&arena, &path)) {
            accepted++;
            again = path;
            assert_null(http_normalise_path(&arena, &again));
            assert_true(slice_eq(path, again));
            assert_true(path.len <= sizeof(text) && path.at[0] == '/');
        }
        arena_release(&arena);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets_stay_as_they_are),
        cmocka_unit_test(escapes_take_their_one_form),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(dots_are_refused_in_any_spelling),
        cmocka_unit_test(a_full_arena_is_a_head_too_large),
        cmocka_unit_test(the_form_is_its_own_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
