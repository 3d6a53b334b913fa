/*
 * The directives of who waits: what is taken, and what is said of what is not.
 */
#include "routing/hold_conf.h"

#include "conf/directive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *key, *text, *complaint; /* NULL: it is taken */
} rows[] = {
    { "tenant_share", "0.25", NULL },
    { "tenant_share", "100%", NULL },
    { "tenant_share", "0.01%", NULL },
    { "tenant_share", "0",
      "`0` is out of bounds: `tenant_share` is at least 0.0001 (0.01%)" }, /* nobody could wait */
    { "tenant_share", "50", "`50` is out of bounds: `tenant_share` is at most 1 (100%)" },
    { "tenant_share", "101%", "`101%` is out of bounds: `tenant_share` is at most 1 (100%)" },
    { "tenant_share", "half",
      "`half` is no value of `tenant_share`, which takes a number like 0.2 or 20%, "
      "from 0.0001 to 1" },
    { "queue", "0", NULL },
    { "cold_start", "0", NULL },
    { "keepalive", "0s", NULL },
    { "age", "0", "`0` is out of bounds: `age` is at least 0.1" },
};

static const struct directive *row_of(const char *key)
{
    for (size_t i = 0; i < hold_set.count; i++)
        if (strcmp(hold_set.rows[i].key, key) == 0)
            return &hold_set.rows[i];
    fail_msg("%s is no directive", key);
    return NULL;
}

static void values_are_taken_or_complained_about(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char complaint[DIRECTIVE_COMPLAINT_SIZE] = "";
        uint64_t field;
        bool taken =
            directive_read(row_of(rows[i].key), slice_str(rows[i].text), &field, complaint);

        if (taken != !rows[i].complaint)
            fail_msg("%s: %s: %s", rows[i].key, rows[i].text, taken ? "taken" : complaint);
        assert_string_equal(complaint, rows[i].complaint ? rows[i].complaint : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_or_complained_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
