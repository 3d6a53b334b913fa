/*
 * What `sluice diff` tells of two files.
 */
#include "conf/conf.h"

#include "tests/unit/conf_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct conf *parsed(const char *text)
{
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("/t.yaml", slice_str(text), test_sets, &errors);
    if (!conf)
        fail_msg("%s: %.*s", text, SLICE_ARGS(buf_join(&errors)));
    return conf;
}

/* What differs; gives. `ret_differs` is what conf_print_diff returned. */
static char *differences(const char *from, const char *to, bool *ret_differs)
{
    struct conf *a = parsed(from), *b = parsed(to);
    struct buf out;
    char *text;

    buf_init(&out, SIZE_MAX);
    *ret_differs = conf_print_diff(a, b, &out);
    text = slice_dup(buf_join(&out));
    buf_release(&out);
    conf_unref(a);
    conf_unref(b);
    return text;
}

static void each_difference_is_a_line_with_its_path(void **state)
{
    static const struct {
        const char *from, *to, *lines;
    } rows[] = {
        { "", "", "" },
        /* what is written with its default was so before */
        { "", "workers: 2\nhold: {}\n", "" },
        { "hold: { queue: 10000 }\nbudget: 20%\n", "", "" },
        { "", "hold: { deadline: 2m }\n", "hold.deadline: 50s -> 2m\n" },
        { "hold: { queue: 3 }\n", "", "hold.queue: 3 -> 10000\n" },
        /* numbers have the digits that they need */
        { "budget: 30%\n", "budget: 0.7\n", "budget: 0.3 -> 0.7\n" },
        { "budget: 12.3%\n", "budget: 0.123\n", "" },
        { "workers: 4\n", "", "workers: 4 -> 2\n" },
        { "drain_timeout: 60s\n", "drain_timeout: 1m\n", "" },
        { "drain_timeout: 90s\n", "drain_timeout: 2m\nbuffer: 64KB\nbudget: 10%\n",
          "drain_timeout: 90s -> 2m\nbuffer: 64KiB -> 64KB\nbudget: 0.2 -> 0.1\n" },
        { "", "tenant_header: x-t\n", "tenant_header: + x-t\n" },
        { "tenant_header: x-t\n", "tenant_header: x-u\n", "tenant_header: x-t -> x-u\n" },
        { "tenant_header: x-t\n", "", "tenant_header: - x-t\n" },
        { "", "sticky: { header: a }\n", "sticky: + {\"header\": \"a\", \"strict\": false}\n" },
        { "sticky: { header: a }\n", "sticky: { header: a, strict: on }\n",
          "sticky.strict: off -> on\n" },
        { "admin: { address: 'a:1' }\n", "", "admin: - {\"address\": \"a:1\", \"open\": false}\n" },
        /* named things are the same thing in any order */
        { "pools: [ { name: a, endpoints: 'x:1' }, { name: b, endpoints: 'x:2' } ]\n",
          "pools: [ { name: b, endpoints: 'x:2', route: round_robin }, { name: a, endpoints: 'x:1' "
          "} ]\n",
          "pools.b.route: price -> round_robin\npools: in another order\n" },
        { "pools: [ { name: a, endpoints: 'x:1' } ]\n",
          "pools: [ { name: b, endpoints: 'x:1' } ]\n",
          "pools.a: - {\"name\": \"a\", \"route\": \"price\", \"endpoints\": [\"x:1\"], \"retry\": "
          "{\"attempts\": 1, \"budget\": 0}}\n"
          "pools.b: + {\"name\": \"b\", \"route\": \"price\", \"endpoints\": [\"x:1\"], \"retry\": "
          "{\"attempts\": 1, \"budget\": 0}}\n" },
        /* texts come and go by themselves */
        { "pools: [ { name: a, endpoints: [ 'x:1', 'x:2', 'x:3' ] } ]\n",
          "pools: [ { name: a, endpoints: [ 'x:2', 'x:4', 'x:3', 'x:2' ] } ]\n",
          "pools.a.endpoints[0]: - x:1\npools.a.endpoints[1]: + x:4\npools.a.endpoints[3]: + "
          "x:2\n" },
        { "pools: [ { name: a, endpoints: [ 'x:1', 'x:2' ] } ]\n",
          "pools: [ { name: a, endpoints: [ 'x:2', 'x:1' ] } ]\n",
          "pools.a.endpoints: in another order\n" },
        { "pools: [ { name: a, endpoints: 'x:1', tls: { ca: /a } } ]\n",
          "pools: [ { name: a, endpoints: 'x:1', tls: { ca: /b, verify: off } } ]\n",
          "pools.a.tls.ca: /a -> /b\npools.a.tls.verify: on -> off\n" },
        { "pools: [ { name: a, endpoints: 'x:1' } ]\n",
          "pools: [ { name: a, endpoints: 'x:1', retry: { budget: 5 } } ]\n",
          "pools.a.retry.budget: 0 -> 5\n" },
        /* things without names are compared by their place */
        { "limits: [ { requests_per_minute: 1 }, { model: b } ]\n",
          "limits: [ { requests_per_minute: 2 } ]\n",
          "limits[1]: - {\"model\": \"b\", \"requests_per_minute\": 0}\n"
          "limits[0].requests_per_minute: 1 -> 2\n" },
        /* what is hidden stays hidden */
        { "pools: [ { name: a, endpoints: 'x://u:one@h' } ]\n",
          "pools: [ { name: a, endpoints: 'x://u:two@h' } ]\n",
          "pools.a.endpoints[0]: - x://***@h\npools.a.endpoints[0]: + x://***@h\n" },
        { "pools: [ { name: a, endpoints: 'x:1', key_file: 'x://u:one@h' } ]\n",
          "pools: [ { name: a, endpoints: 'x:1', key_file: 'x://u:two@h' } ]\n",
          "pools.a.key_file: /x://***@h -> /x://***@h (in what is hidden)\n" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool differs;
        char *lines = differences(rows[i].from, rows[i].to, &differs);

        assert_string_equal(lines, rows[i].lines);
        assert_int_equal(differs, rows[i].lines[0] != '\0');
        free(lines);
    }
}

static void nested_lists_are_compared_by_name_too(void **state)
{
    static const char from[] = "pools: [ { name: p, endpoints: 'x:1' } ]\n"
                               "models: [ { name: m, versions: [ { name: s, pool: p, weight: 95 }, "
                               "{ name: n, pool: p } ] } ]\n";
    static const char to[] = "pools: [ { name: p, endpoints: 'x:1' } ]\n"
                             "models: [ { name: m, versions: [ { name: s, pool: p, weight: 90 }, { "
                             "name: n, pool: p } ] } ]\n";
    bool differs;
    char *lines = differences(from, to, &differs);
    (void)state;

    assert_true(differs);
    assert_string_equal(lines, "models.m.versions.s.weight: 95 -> 90\n");
    free(lines);
}

/* Tens of thousands of endpoints in reverse must not take a square of that. */
static void large_lists_are_compared_quickly(void **state)
{
    struct buf from, to;
    bool differs;
    char *lines;
    (void)state;

    buf_init(&from, SIZE_MAX);
    buf_init(&to, SIZE_MAX);
    buf_printf(&from, "pools: [ { name: a, endpoints: [ ");
    buf_printf(&to, "pools: [ { name: a, endpoints: [ ");
    for (int i = 0; i < 30000; i++) {
        buf_printf(&from, "'http://h%d', ", i);
        buf_printf(&to, "'http://h%d', ", 30000 - i);
    }
    buf_printf(&from, "] } ]\n%c", 0);
    buf_printf(&to, "] } ]\n%c", 0);
    lines = differences(buf_join(&from).at, buf_join(&to).at, &differs);
    assert_string_equal(lines, "pools.a.endpoints[0]: - http://h0\n"
                               "pools.a.endpoints[0]: + http://h30000\n"
                               "pools.a.endpoints: in another order\n");
    free(lines);
    buf_release(&from);
    buf_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_difference_is_a_line_with_its_path),
        cmocka_unit_test(nested_lists_are_compared_by_name_too),
        cmocka_unit_test(large_lists_are_compared_quickly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
