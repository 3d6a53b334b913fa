/*
 * Files: what good ones become, and the exact complaints about bad ones.
 */
#include "conf/conf.h"

#include "tests/unit/conf_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Parses what must be good. */
static struct conf *parsed(const char *text)
{
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("/etc/sluice/t.yaml", slice_str(text), test_sets, &errors);
    if (!conf || errors.len > 0)
        fail_msg("%s: %.*s", text, SLICE_ARGS(buf_join(&errors)));
    buf_release(&errors);
    return conf;
}

/* The complaints about what must be bad; gives. */
static char *complaints_about(struct slice text)
{
    struct buf errors;
    struct conf *conf;
    char *copy;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("t.yaml", text, test_sets, &errors);
    if (conf)
        fail_msg("taken: %.*s", SLICE_ARGS(text));
    copy = slice_dup(buf_join(&errors));
    buf_release(&errors);
    return copy;
}

#define STARS "; a text that begins with * is written in quotes: \"*\""

static const char whole_file[] =
    "workers: 4\n"
    "seed: 18446744073709551615\n"
    "drain_timeout: 1m30s\n"
    "buffer: 8KiB\n"
    "budget: 0.5\n"
    "tenant_header: x-tenant\n"
    "sticky: { header: x-session-id, strict: true }\n"
    "admin: { address: '127.0.0.1:9090' }\n"
    "pools:\n"
    "  - name: llama-a\n"
    "    route: least_requests\n"
    "    endpoints: [ 'http://10.0.0.11:8000', http://10.0.0.12:8000 ]\n"
    "    key_file: keys/a\n"
    "    tls: { ca: /etc/ca.pem }\n"
    "  - { name: llama-b, endpoints: http://10.0.0.13:8000 }\n"
    "models:\n"
    "  - name: llama-3.1-8b\n"
    "    aliases: llama\n"
    "    versions:\n"
    "      - { name: stable, pool: llama-a, weight: 95 }\n"
    "      - { name: next, pool: llama-b, weight: 5 }\n";

static void every_type_reaches_its_field(void **state)
{
    struct conf *conf = parsed(whole_file);
    const struct top_conf *top = conf_section(conf, &top_set);
    const struct admin_conf *admin = conf_section(conf, &admin_set);
    const struct conf_list *pools = conf_section(conf, &pool_set);
    const struct conf_list *models = conf_section(conf, &model_set);
    const struct pool_conf *pool = pools->items;
    const struct model_conf *model = models->items;
    const struct version_conf *version = model->versions.items;
    (void)state;

    assert_int_equal(top->workers, 4);
    assert_int_equal(top->seed, UINT64_MAX);
    assert_int_equal(top->drain_timeout, 90000);
    assert_int_equal(top->buffer, 8192);
    assert_true(top->budget == 0.5);
    assert_string_equal(top->tenant_header, "x-tenant");
    assert_string_equal(top->sticky->header, "x-session-id");
    assert_true(top->sticky->strict);
    assert_string_equal(admin->address, "127.0.0.1:9090");
    assert_false(admin->open);
    assert_int_equal(pools->count, 2);
    assert_int_equal(pool[0].route, 1);
    assert_int_equal(pool[0].endpoints.count, 2);
    assert_string_equal(pool[0].endpoints.at[1], "http://10.0.0.12:8000");
    assert_string_equal(pool[0].key_file, "/etc/sluice/keys/a");
    assert_string_equal(pool[0].tls->ca, "/etc/ca.pem");
    assert_true(pool[0].tls->verify);
    assert_int_equal(pool[1].endpoints.count, 1);
    assert_string_equal(pool[1].endpoints.at[0], "http://10.0.0.13:8000");
    assert_null(pool[1].key_file);
    assert_null(pool[1].tls);
    assert_int_equal(pool[1].retry->attempts, 1);
    assert_int_equal(pool[1].retry->budget, 0);
    assert_int_equal(pool[1].route, 0);
    assert_int_equal(models->count, 1);
    assert_string_equal(model->aliases.at[0], "llama");
    assert_int_equal(model->versions.count, 2);
    assert_int_equal(version[1].weight, 5);
    conf_unref(conf);
}

static void an_empty_file_is_all_defaults(void **state)
{
    static const char *const empties[] = { "",           "\n", "# nothing\n", "---\n",
                                           "---\n...\n", "{}", "~",           "\xef\xbb\xbf" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(empties); i++) {
        struct conf *conf = parsed(empties[i]);
        const struct top_conf *top = conf_section(conf, &top_set);
        const struct hold_conf *hold = conf_section(conf, &hold_set);
        const struct admin_conf *admin = conf_section(conf, &admin_set);
        const struct conf_list *pools = conf_section(conf, &pool_set);

        assert_int_equal(top->workers, 2);
        assert_int_equal(top->seed, 0);
        assert_int_equal(top->drain_timeout, 5000);
        assert_int_equal(top->buffer, 65536);
        assert_true(top->budget == 0.2);
        assert_null(top->tenant_header);
        assert_null(top->sticky);
        assert_int_equal(hold->queue, 10000);
        assert_int_equal(hold->deadline, 50000);
        assert_null(admin->address);
        assert_int_equal(pools->count, 0);
        conf_unref(conf);
    }
}

static void anchors_stand_for_what_they_name(void **state)
{
    struct conf *conf = parsed("pools:\n"
                               "  - { name: &n a, endpoints: &e [ http://x, http://y ] }\n"
                               "  - { name: b, endpoints: *e }\n"
                               "models: [ { name: m, versions: [ { name: v, pool: *n } ] } ]\n");
    const struct conf_list *pools = conf_section(conf, &pool_set);
    (void)state;

    assert_string_equal(((const struct pool_conf *)pools->items)[1].endpoints.at[1], "http://y");
    conf_unref(conf);
}

/* As most readers of YAML take them, and people write them. */
static void brackets_may_close_at_the_left_margin(void **state)
{
    struct conf *conf =
        parsed("pools: [\n{ name: a,\nendpoints: [\n'x:1',\n'x:2'\n]\n}\n]\nworkers: 3\n");
    (void)state;

    assert_int_equal(((const struct top_conf *)conf_section(conf, &top_set))->workers, 3);
    conf_unref(conf);
}

static void references_keep_a_configuration_whole(void **state)
{
    struct conf *conf = parsed("workers: 3\n");
    struct conf *held = conf_ref(conf);
    (void)state;

    conf_unref(conf);
    assert_int_equal(((const struct top_conf *)conf_section(held, &top_set))->workers, 3);
    conf_unref(held);
    conf_unref(NULL);
}

static void each_mistake_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *complaints;
    } files[] = {
        /* keys */
        { "worker: 2\n", "t.yaml:1:1: unknown key `worker`; did you mean `workers`?\n" },
        { "zzz: 2\n", "t.yaml:1:1: unknown key `zzz`\n" },
        { "workers: 1\nworkers: 2\n", "t.yaml:2:1: `workers` is given twice, first at 1:1\n" },
        { "hold: { queue: 1, queu: 2 }\n", "t.yaml:1:19: unknown key `queu`\n" },
        { "hold: { quue: 1 }\n", "t.yaml:1:9: unknown key `quue`; did you mean `queue`?\n" },
        { "pools:\n  - { name: a, endpoints: 'http://x', aliases: q }\n",
          "t.yaml:2:39: unknown key `aliases`, which belongs into `models`\n" },
        { "hold: { <<: {} }\n", "t.yaml:1:9: `<<` is not part of YAML 1.2; write the keys out\n" },
        { "admin:\n  open: on\n", "t.yaml:2:3: `address` is missing\n" },
        { "pools:\n  - name: a\n", "t.yaml:2:5: `endpoints` is missing\n" },
        { "{ [ a ]: b }\n", "t.yaml:1:3: a key must be a text, not a list or mapping\n" },
        /* types */
        { "workers: [ 1 ]\n", "t.yaml:1:10: `workers` takes one number, not a list\n" },
        { "workers: { a: 1 }\n", "t.yaml:1:10: `workers` takes one number, not a mapping\n" },
        { "workers:\n", "t.yaml:1:1: `workers` has no value; leave the key out or give one\n" },
        { "workers: ~\n", "t.yaml:1:10: `workers` has no value; leave the key out or give one\n" },
        { "admin: 127.0.0.1:9090\n",
          "t.yaml:1:8: a mapping with keys such as `address` is wanted here\n" },
        { "pools: { name: a }\n",
          "t.yaml:1:8: `pools` takes a list of mappings; begin each item with `-`\n" },
        { "pools: a\n", "t.yaml:1:8: `pools` takes a list of mappings\n" },
        { "pools: [ a ]\n", "t.yaml:1:10: a mapping with keys such as `name` is wanted here\n" },
        { "pools: [ { name: a, endpoints: [ [ x ] ] } ]\n",
          "t.yaml:1:34: `endpoints` takes one list of texts, not a list\n" },
        { "- workers\n", "t.yaml:1:1: the file must be a mapping of keys to values\n" },
        { "workers\n", "t.yaml:1:1: the file must be a mapping of keys to values\n" },
        /* values */
        { "workers: 0\n", "t.yaml:1:10: `0` is out of bounds: `workers` is at least 1\n" },
        { "workers: 1025\n", "t.yaml:1:10: `1025` is out of bounds: `workers` is at most 1024\n" },
        { "drain_timeout: 5\n", "t.yaml:1:16: `5` is no value of `drain_timeout`, which takes a "
                                "duration like 500ms, 5s, 1m30s, 1h or 7d, at most 1h\n" },
        { "drain_timeout: 2h\n",
          "t.yaml:1:16: `2h` is out of bounds: `drain_timeout` is at most 1h\n" },
        { "buffer: 1KiB\n", "t.yaml:1:9: `1KiB` is out of bounds: `buffer` is at least 4KiB\n" },
        { "tenant_header: 'x tenant'\n", "t.yaml:1:16: `x tenant` is no value of `tenant_header`, "
                                         "which takes the name of a header\n" },
        { "pools:\n  - { name: a, endpoints: [ http://x, http// ] }\n",
          "t.yaml:2:39: `http//` is no value of `endpoints`, which takes scheme://host:port\n" },
        { "pools:\n  - { name: a, route: prize, endpoints: http://x }\n",
          "t.yaml:2:23: `prize` is no value of `route`; did you mean `price`?\n" },
        { "admin: { address: '127.0.0.1:9090', open: ja }\n",
          "t.yaml:1:43: `ja` is no value of `open`, which takes on, off, true or false\n" },
        { "state: x\nadmin: { address: 'redis://u:secret@h' }\n",
          "t.yaml:1:1: unknown key `state`\n"
          "t.yaml:2:19: `redis://***@h` is no value of `address`, which takes host:port, "
          "[v6]:port or unix:/path\n" },
        { "tenant_header: |\n  a\n  b\n",
          "t.yaml:2:1: `a?b?` is no value of `tenant_header`, which "
          "takes the name of a header\n" },
        { "tenant_header: \"a\\0b\"\n", "t.yaml:1:16: a text may not hold a zero byte\n" },
        /* names and checks */
        { "pools:\n  - { name: a, endpoints: x:y }\n  - { name: b, endpoints: x:y }\n"
          "  - { name: a, endpoints: x:y }\n",
          "t.yaml:4:13: `a` is a name in `pools` already, at 2:13\n" },
        { "pools: [ { name: llama-a, endpoints: x:y } ]\nmodels:\n  - name: m\n    versions:\n"
          "      - name: v\n        pool: llama-b\n",
          "t.yaml:6:15: no pool `llama-b`; did you mean `llama-a`?\n" },
        { "models:\n  - name: m\n    aliases: [ x, m ]\n",
          "t.yaml:2:5: model `m` has no version\nt.yaml:3:19: `m` is its own alias\n" },
        { "pools:\n  - name: a\n    endpoints: x:y\n    retry: { attempts: 2 }\n",
          "t.yaml:4:24: 2 attempts without a budget\n" },
        /* several at once, in the order of the file */
        { "models: 1\nworkers: x\nadmin: {}\n",
          "t.yaml:1:9: `models` takes a list of mappings\n"
          "t.yaml:2:10: `x` is no value of `workers`, which takes a whole number without a sign, "
          "from 1 to 1024\n"
          "t.yaml:3:8: `address` is missing\n" },
        /* YAML */
        { "workers: 1\n---\nworkers: 2\n",
          "t.yaml:2:1: a second document begins; one file is one document\n" },
        { "admin:\n\taddress: x\n", "t.yaml:2:1: tab character may not be used as indentation\n" },
        { "workers: !!int 4\n", "t.yaml:1:10: tags are not understood; leave it out\n" },
        { "workers: *n\n",
          "t.yaml:1:10: alias `*n`: no anchor of that name ends before it" STARS "\n" },
        { "hold: &h { queue: *h }\n",
          "t.yaml:1:19: alias `*h`: no anchor of that name ends before it" STARS "\n" },
        { "? workers\n: 1\n", "t.yaml:1:1: a key is written without `?`\n" },
        { "workers: 1\n  - ? S: \t?\t1\n", "t.yaml:2:5: a key is written without `?`\n" },
        { "workers: 1\n?", "t.yaml:2:1: a key is written without `?`\n" },
        { "workers: [ 1\n", "t.yaml:2:1: flow sequence without a closing bracket\n" },
        { "workers: 1\n drain: 2\n", "t.yaml:1:10: invalid multiline plain key\n" },
        { "tenant_header: \"x\n", "t.yaml:1:17: double-quoted scalar without closing quote\n" },
        { "a: \xff\n", "t.yaml:1:4: byte 0xff is not text; the file must be UTF-8\n" },
        { "a: 1\n\xc3\xa9: \x01\n", "t.yaml:2:4: byte 0x01 is not text; the file must be UTF-8\n" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char *found = complaints_about(slice_str(files[i].text));

        assert_string_equal(found, files[i].complaints);
        free(found);
    }
}

static void a_byte_order_of_other_encodings_is_refused(void **state)
{
    static const char utf16[] = "\xff\xfe"
                                "a\0:\0 \0"
                                "1\0";
    char *found = complaints_about(slice_of(utf16, sizeof(utf16) - 1));
    (void)state;

    assert_string_equal(found, "t.yaml:1:1: byte 0xff is not text; the file must be UTF-8\n");
    free(found);
}

static void complaints_end_at_fifty(void **state)
{
    struct buf text;
    char *found;
    size_t lines = 0;
    (void)state;

    buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 51; i++)
        buf_printf(&text, "qq%d: 1\n", i);
    found = complaints_about(buf_join(&text));
    for (const char *c = found; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 51);
    assert_non_null(
        strstr(found, "t.yaml:50:1: unknown key `qq49`\nt.yaml: and more than these 50\n"));
    free(found);
    buf_release(&text);
}

/* Each of ten lists holds the one before ten times. */
static void aliases_cannot_unfold_past_the_limit_of_values(void **state)
{
    struct buf text;
    char *found;
    (void)state;

    buf_init(&text, SIZE_MAX);
    buf_printf(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&text, "%s*a%d", k ? "," : "", i - 1);
        buf_printf(&text, "]\n");
    }
    found = complaints_about(buf_join(&text));
    assert_string_equal(found,
                        "t.yaml:5:46: more than 100000 values with its aliases written out\n");
    free(found);
    buf_release(&text);
}

static void depth_values_anchors_and_bytes_are_bounded(void **state)
{
    struct buf text;
    char *found;
    (void)state;

    buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 33; i++)
        buf_printf(&text, "[");
    found = complaints_about(buf_join(&text));
    assert_string_equal(found, "t.yaml:1:33: nested deeper than 32 levels\n");
    free(found);

    buf_release(&text);
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "- a\n");
    found = complaints_about(buf_join(&text));
    assert_string_equal(found, "t.yaml:100000:3: more than 100000 values\n");
    free(found);

    buf_release(&text);
    for (int i = 0; i < 100001; i++)
        buf_printf(&text, "[");
    found = complaints_about(buf_join(&text));
    assert_string_equal(found, "t.yaml: more than 100000 values\n");
    free(found);

    buf_release(&text);
    buf_printf(&text, "models: [");
    for (int i = 0; i < 1001; i++)
        buf_printf(&text, "&a%d a,", i);
    found = complaints_about(buf_join(&text));
    assert_non_null(strstr(found, ": more than 1000 anchors\n"));
    free(found);

    buf_release(&text);
    memset(buf_reserve(&text, (4 << 20) + 1), ' ', (4 << 20) + 1);
    buf_commit(&text, (4 << 20) + 1);
    found = complaints_about(buf_join(&text));
    assert_string_equal(found, "t.yaml: larger than 4 MiB\n");
    free(found);
    buf_drop(&text, 1);
    found = slice_dup(buf_join(&text));
    conf_unref(parsed(found));
    free(found);
    buf_release(&text);
}

static void files_are_loaded_and_paths_begin_at_their_folder(void **state)
{
    char folder[] = "/tmp/conf_test_XXXXXX", path[64], expected[64], missing[160];
    struct buf errors;
    struct conf *conf;
    FILE *file;
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/t.yaml", folder);
    snprintf(expected, sizeof(expected), "%s/k", folder);
    file = fopen(path, "w");
    fputs("pools: [ { name: a, endpoints: x:y, key_file: k } ]\n", file);
    fclose(file);
    buf_init(&errors, SIZE_MAX);
    conf = conf_load(path, test_sets, &errors);
    assert_non_null(conf);
    assert_string_equal(conf->path, path);
    assert_string_equal(
        ((const struct pool_conf *)((const struct conf_list *)conf_section(conf, &pool_set))->items)
            ->key_file,
        expected);
    conf_unref(conf);
    unlink(path);
    assert_null(conf_load(path, test_sets, &errors));
    snprintf(missing, sizeof(missing), "%s: cannot be read: No such file or directory\n", path);
    assert_int_equal(errors.len, strlen(missing));
    assert_memory_equal(buf_join(&errors).at, missing, errors.len);
    buf_release(&errors);
    assert_null(conf_load(folder, test_sets, &errors));
    assert_true(errors.len > 0);
    buf_release(&errors);
    rmdir(folder);
}

static void relative_paths_of_a_relative_file_are_made_absolute(void **state)
{
    struct buf errors;
    struct conf *conf;
    char expected[4096];
    char *here = getcwd(NULL, 0);
    (void)state;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("x/t.yaml", SLICE("pools: [ { name: a, endpoints: x:y, key_file: k } ]"),
                      test_sets, &errors);
    assert_non_null(conf);
    snprintf(expected, sizeof(expected), "%s/x/k", here);
    assert_string_equal(
        ((const struct pool_conf *)((const struct conf_list *)conf_section(conf, &pool_set))->items)
            ->key_file,
        expected);
    conf_unref(conf);
    free(here);
}

/* What /config prints is a configuration again, and the same one. */
static void the_json_of_a_configuration_reads_as_the_same(void **state)
{
    static const char *const files[] = { whole_file, "", "hold: { queue: 7 }\nbudget: 1\n" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct conf *conf = parsed(files[i]), *again;
        struct buf json, differences;
        char *text;

        buf_init(&json, SIZE_MAX);
        buf_init(&differences, SIZE_MAX);
        conf_print_json(conf, &json);
        text = slice_dup(buf_join(&json));
        again = parsed(text);
        buf_release(&json);
        conf_print_json(again, &json);
        assert_int_equal(json.len, strlen(text));
        assert_memory_equal(buf_join(&json).at, text, json.len);
        free(text);
        buf_release(&json);
        conf_unref(conf);
        conf_unref(again);
    }
}

static void json_has_defaults_and_hides_credentials(void **state)
{
    static const char expected[] = "{\n"
                                   "  \"workers\": 2,\n"
                                   "  \"seed\": 0,\n"
                                   "  \"drain_timeout\": \"5s\",\n"
                                   "  \"buffer\": \"64KiB\",\n"
                                   "  \"budget\": 0.2,\n"
                                   "  \"hold\": {\n"
                                   "    \"queue\": 10000,\n"
                                   "    \"deadline\": \"50s\"\n"
                                   "  },\n"
                                   "  \"pools\": [\n"
                                   "    {\n"
                                   "      \"name\": \"a\",\n"
                                   "      \"route\": \"price\",\n"
                                   "      \"endpoints\": [\n"
                                   "        \"redis://***@h:1\"\n"
                                   "      ],\n"
                                   "      \"key_file\": \"/k\",\n"
                                   "      \"retry\": {\n"
                                   "        \"attempts\": 1,\n"
                                   "        \"budget\": 0\n"
                                   "      }\n"
                                   "    }\n"
                                   "  ]\n"
                                   "}\n";
    struct conf *conf =
        parsed("pools: [ { name: a, endpoints: 'redis://u:secret@h:1', key_file: /k } ]\n");
    struct buf json;
    (void)state;

    buf_init(&json, SIZE_MAX);
    conf_print_json(conf, &json);
    buf_add(&json, slice_of("", 1));
    assert_string_equal(buf_join(&json).at, expected);
    buf_release(&json);
    conf_unref(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reaches_its_field),
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(anchors_stand_for_what_they_name),
        cmocka_unit_test(brackets_may_close_at_the_left_margin),
        cmocka_unit_test(references_keep_a_configuration_whole),
        cmocka_unit_test(each_mistake_is_named_with_its_place),
        cmocka_unit_test(a_byte_order_of_other_encodings_is_refused),
        cmocka_unit_test(complaints_end_at_fifty),
        cmocka_unit_test(aliases_cannot_unfold_past_the_limit_of_values),
        cmocka_unit_test(depth_values_anchors_and_bytes_are_bounded),
        cmocka_unit_test(files_are_loaded_and_paths_begin_at_their_folder),
        cmocka_unit_test(relative_paths_of_a_relative_file_are_made_absolute),
        cmocka_unit_test(the_json_of_a_configuration_reads_as_the_same),
        cmocka_unit_test(json_has_defaults_and_hides_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
