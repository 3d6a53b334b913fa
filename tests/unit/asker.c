/*
 * Who counts as one: pairs of askers, and what they share.
 */
#include "gateway/proxy/asker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *why;
    const char *one, *other; /* addresses */
    bool same;
} sources[] = {
    { "another connection", "10.0.0.1:1000", "10.0.0.1:2000", true },
    { "a neighbour", "10.0.0.1:1000", "10.0.0.2:1000", false },
    { "IPv4 on a socket for both", "10.0.0.1:1000", "[::ffff:10.0.0.1]:1000", true },
    { "neighbours on a socket for both", "[::ffff:10.0.0.2]:1", "[::ffff:10.0.0.1]:1", false },
    { "the same /64", "[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:2", true },
    { "another /64", "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false },
    { "a unix socket", "unix", "unix", true },
    { "a unix socket and a TCP one", "unix", "10.0.0.1:1000", false },
    { "not known", "unknown", "unix", false },
};

static struct asker stranger(const char *tenant, const char *address)
{
    return asker_of(slice_str(tenant), /* vouched= */ false, slice_str(address));
}

static void a_source_is_an_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct asker one = stranger("key-1", sources[i].one);
        struct asker other = stranger("key-1", sources[i].other);

        assert_true(one.source != 0 && other.source != 0);
        if ((one.source == other.source) != sources[i].same ||
            (one.tenant == other.tenant) != sources[i].same)
            fail_msg("%s: %s, %s", sources[i].why, sources[i].one, sources[i].other);
    }
}

static void whom_somebody_vouches_for_has_no_source(void **state)
{
    struct asker one = asker_of(SLICE("a"), /* vouched= */ true, SLICE("10.0.0.1:1"));
    struct asker other = asker_of(SLICE("a"), /* vouched= */ true, SLICE("10.0.0.2:1"));

    (void)state;
    assert_int_equal(one.source, 0);
    assert_int_equal(one.tenant, other.tenant);
    assert_true(one.tenant != asker_of(SLICE("b"), true, SLICE("10.0.0.1:1")).tenant);
    assert_true(one.tenant != stranger("a", "10.0.0.1:1").tenant);
}

/* However many credentials it shows. */
static void a_source_has_so_many_tenants(void **state)
{
    uint64_t seen[ASKER_TENANTS];
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        char name[32];
        uint64_t tenant;
        size_t at = 0;

        snprintf(name, sizeof(name), "key-%d", i);
        tenant = stranger(name, "10.0.0.1:1").tenant;
        while (at < count && seen[at] != tenant)
            at++;
        if (at < count)
            continue;
        assert_true(count < ASKER_TENANTS);
        seen[count++] = tenant;
    }
    assert_int_equal(count, ASKER_TENANTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_an_address),
        cmocka_unit_test(whom_somebody_vouches_for_has_no_source),
        cmocka_unit_test(a_source_has_so_many_tenants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
