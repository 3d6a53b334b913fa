/*
 * Listeners as written in a configuration: what is refused, and where.
 */
#include "gateway/proxy/process.h"
#include "gateway/proxy/server.h"
#include "routing/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REST                                                                                       \
    "models: [ { name: m, pool: a } ]\npools: [ { name: a, endpoints: [ \"http://e\" ] } ]\n"

static const struct directive_set *const sets[] = { &process_set, &listeners_set, &models_set,
                                                    &pools_set, NULL };

static const struct {
    const char *text;
    const char *complaint; /* NULL: it is taken */
} rows[] = {
    { "listeners: [ { address: \"h:1\" } ]\n" REST, NULL },
    { "listeners: [ { address: \"h:1\", tls: { certificate: c, key: k } } ]\n" REST, NULL },
    { "listeners: [ { address: \"h:1\" }, { address: \"h:1\" } ]\n" REST,
      "test.yaml:1:45: a listener of this address stands above" },
    { "listeners: [ { address: \"h:1\", tls: { certificate: c } } ]\n" REST, "`key` is missing" },
    { "listeners: [ { address: \"h:1\", tls: { key: k } } ]\n" REST, "`certificate` is missing" },
    { "listeners: [ { address: \"h:1\", tls: { certificate: c, key: k, certificates: [ { "
      "certificate: d } ] } } ]\n" REST,
      "`key` is missing" },
    { "listeners: [ { } ]\n" REST, "`address` is missing" },
    { "tenant_header: \"x tenant\"\nlisteners: [ { address: \"h:1\" } ]\n" REST,
      "test.yaml:1:16: `x tenant`" },
    { REST, "`listeners`" },
    { "listeners: [ { address: \"h:1\" } ]\n", "`models`" },
    { "", "test.yaml:1:1: " },
};

static void every_row_is_taken_or_refused_as_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf *conf;
        struct buf errors;
        struct slice said;

        buf_init(&errors, SIZE_MAX);
        conf = conf_parse("test.yaml", slice_str(rows[i].text), sets, &errors);
        said = buf_join(&errors);
        if (!conf != (rows[i].complaint != NULL) ||
            (!conf && !memmem(said.at, said.len, rows[i].complaint, strlen(rows[i].complaint))))
            fail_msg("row %zu: %.*s", i, SLICE_ARGS(said));
        conf_unref(conf);
        buf_release(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_taken_or_refused_as_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
