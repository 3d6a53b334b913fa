/*
 * The schema and the reference that are made from the rows. The schema is held against good and bad
 * files by schema_check.py, and must agree with the gateway on each.
 */
#include "conf/conf.h"

#include "tests/unit/conf_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#define EXIT_SKIPPED 77

static char folder[64];

static void file_with(const char *name, struct slice text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static int folder_make(void **state)
{
    struct buf schema;
    (void)state;

    strcpy(folder, "/tmp/conf_schema_XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    buf_init(&schema, SIZE_MAX);
    conf_print_schema(test_sets, &schema);
    file_with("schema.json", buf_join(&schema));
    buf_release(&schema);
    return 0;
}

static int folder_remove(void **state)
{
    char command[128];
    (void)state;

    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* All files of one kind at once: most of the time is the start of python3. */
static int schema_says(const char *kind)
{
    char command[512];

    fflush(NULL);
    snprintf(command, sizeof(command),
             "/usr/bin/python3 tests/unit/schema_check.py %s/schema.json %s %s/*.yaml", folder,
             kind, folder);
    return WEXITSTATUS(system(command));
}

static bool gateway_takes(const char *text)
{
    struct buf errors;
    struct conf *conf;
    bool taken;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("t.yaml", slice_str(text), test_sets, &errors);
    taken = conf != NULL;
    buf_release(&errors);
    conf_unref(conf);
    return taken;
}

static void agree(const char *kind, const char *const *files, size_t count)
{
    int status;

    for (size_t i = 0; i < count; i++) {
        char name[32];

        if (gateway_takes(files[i]) != (strcmp(kind, "good") == 0))
            fail_msg("the gateway does not find this %s: %s", kind, files[i]);
        snprintf(name, sizeof(name), "%zu.yaml", i);
        file_with(name, slice_str(files[i]));
    }
    status = schema_says(kind);
    if (status == EXIT_SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

static void good_files_are_good_by_the_schema(void **state)
{
    static const char *const files[] = {
        "",
        "workers: 4\nseed: 7\ndrain_timeout: 1m30s\nbuffer: 8 KiB\nbudget: 0.5\n",
        "drain_timeout: 0\nbuffer: 4096\nbudget: 20%\n",
        "sticky: { header: x-session-id, strict: on }\n",
        "admin: { address: '[::1]:9090', open: false }\n",
        "pools:\n  - { name: a, endpoints: http://x, tls: { verify: off } }\n"
        "  - { name: b, route: round_robin, endpoints: [ http://x, 'dns:y:1' ] }\n"
        "models:\n  - name: m\n    aliases: [ x ]\n    versions: [ { name: v, pool: a } ]\n",
        "limits: [ {} ]\n",
    };
    (void)state;

    agree("good", files, ARRAY_LEN(files));
}

static void bad_files_are_bad_by_the_schema(void **state)
{
    static const char *const files[] = {
        "worker: 4\n",
        "workers: 0\n",
        "workers: 1025\n",
        "workers: four\n",
        "workers: 1.5\n",
        "workers: [ 1 ]\n",
        "seed: -1\n",
        "drain_timeout: 5\n",
        "drain_timeout: 5 parsecs\n",
        "buffer: 1000\n",
        "buffer: 64 KX\n",
        "budget: 1.5\n",
        "budget: much\n",
        "sticky: {}\n",
        "sticky: { header: 'a b' }\n",
        "admin: { open: on }\n",
        "admin: { address: nowhere }\n",
        "admin: { address: '127.0.0.1:1', open: yes }\n",
        "hold: { queue: many }\n",
        "pools: { name: a }\n",
        "pools: [ { name: a } ]\n",
        "pools: [ { name: a b, endpoints: http://x } ]\n",
        "pools: [ { name: a, endpoints: x } ]\n",
        "pools: [ { name: a, endpoints: [ http://x, x ] } ]\n",
        "pools: [ { name: a, endpoints: http://x, route: random } ]\n",
        "pools: [ { name: a, endpoints: http://x, tls: { verifi: off } } ]\n",
        "pools: [ { name: a, endpoints: http://x, key_file: '' } ]\n",
        "- workers\n",
    };
    (void)state;

    agree("bad", files, ARRAY_LEN(files));
}

static json_t *printed_schema(void)
{
    struct buf out;
    json_t *schema;

    buf_init(&out, SIZE_MAX);
    conf_print_schema(test_sets, &out);
    schema = json_loadb(buf_join(&out).at, out.len, 0, NULL);
    buf_release(&out);
    assert_non_null(schema);
    return schema;
}

static void every_row_is_in_the_schema_with_its_words_and_default(void **state)
{
    json_t *schema = printed_schema();
    json_t *top = json_object_get(schema, "properties");
    json_t *workers = json_object_get(top, "workers");
    json_t *definitions = json_object_get(schema, "$defs");
    json_t *tls = json_object_get(definitions, "pools.tls");
    json_t *verify = json_object_get(json_object_get(tls, "properties"), "verify");
    (void)state;

    for (size_t i = 0; i < top_set.count; i++) {
        json_t *property = json_object_get(top, top_set.rows[i].key);

        assert_string_equal(json_string_value(json_object_get(property, "description")),
                            top_set.rows[i].help);
    }
    assert_int_equal(json_object_size(top), top_set.count + 5);
    assert_int_equal(json_integer_value(json_object_get(workers, "default")), 2);
    assert_int_equal(json_integer_value(json_object_get(workers, "maximum")), 1024);
    assert_true(json_is_true(json_object_get(verify, "default")));
    assert_true(json_is_false(json_object_get(tls, "additionalProperties")));
    assert_int_equal(json_object_size(definitions), 9);
    json_decref(schema);
}

static void the_reference_has_a_table_a_set_and_a_line_a_row(void **state)
{
    static const char *const lines[] = {
        "\n## Top of the file\n\nThe process.\n\n| key | value | default | what it does |\n",
        "\n| `workers` | number, at least 1, at most 1024 | `2` | How many threads \\| loops. |\n",
        "\n| `drain_timeout` | duration, at most 1h | `5s` | Time to drain. |\n",
        "\n| `buffer` | size, at least 4KiB, at most 1MiB | `64 KiB` | Bytes of a buffer. |\n",
        "\n| `budget` | real number, at most 1 | `20%` | Part of requests that may be retried. |\n",
        "\n| `sticky` | mapping: sticky |  | Stickiness. |\n",
        "\n## sticky\n",
        "\n| `header` | text: the name of a header | required | The header whose value sticks. |\n",
        "\n## pools.tls\n",
        "\n| `route` | `price`, `least_requests`, `round_robin` | `price` | How one is chosen. |\n",
        "\n| `versions` | list of mappings: models.versions |  | Its versions. |\n",
        "\n| `key_file` | path |  | The key's file. |\n",
    };
    struct buf out;
    char *text;
    (void)state;

    buf_init(&out, SIZE_MAX);
    conf_print_reference(test_sets, &out);
    text = slice_dup(buf_join(&out));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!strstr(text, lines[i]))
            fail_msg("not in the reference: %s\n%s", lines[i], text);
    free(text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_files_are_good_by_the_schema, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(bad_files_are_bad_by_the_schema, folder_make,
                                        folder_remove),
        cmocka_unit_test(every_row_is_in_the_schema_with_its_words_and_default),
        cmocka_unit_test(the_reference_has_a_table_a_set_and_a_line_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
