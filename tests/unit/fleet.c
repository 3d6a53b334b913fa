/*
 * Fleets: what a configuration becomes, what outlives it, and what is refused.
 */
#include "routing/kv_feed.h"
#include "routing/router.h"
#include "tests/unit/fleet_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#define TWO_POOLS                                                                                  \
    "pools:\n"                                                                                     \
    "  - { name: a, endpoints: [ \"http://e1:1\", \"http://e2:1\", \"http://e1:1\" ] }\n"          \
    "  - { name: b, endpoints: [ \"h2c://e3:1/x\" ] }\n"

#define MODELS                                                                                     \
    "models:\n"                                                                                    \
    "  - { name: m, aliases: [ n, o ], pool: a }\n"                                                \
    "  - { name: k, versions: [ { name: v1, pool: a, weight: 3 }, { name: v2, pool: b, weight: 1," \
    " model: k-next } ] }\n"

static void models_are_found_by_every_name(void **state)
{
    struct fleet *fleet = rig_fleet(TWO_POOLS MODELS, NULL, NULL);
    const struct model *k = fleet_model(fleet, SLICE("k"));

    (void)state;
    assert_non_null(fleet_model(fleet, SLICE("m")));
    assert_ptr_equal(fleet_model(fleet, SLICE("n")), fleet_model(fleet, SLICE("m")));
    assert_ptr_equal(fleet_model(fleet, SLICE("o")), fleet_model(fleet, SLICE("m")));
    assert_null(fleet_model(fleet, SLICE("M")));
    assert_null(fleet_model(fleet, SLICE("v1")));
    assert_int_equal(k->count, 2);
    assert_int_equal(k->weight_sum, 4);
    assert_int_equal(k->versions[1].weight_until, 4);
    assert_true(slice_eq(k->versions[0].model, SLICE("k")));
    assert_true(slice_eq(k->versions[1].model, SLICE("k-next")));
    assert_int_equal(fleet->version_count, 3);
    assert_int_equal(fleet->pools[0].count, 2); /* one was written twice */
    assert_true(fleet->inspect);
    assert_null(fleet->catch_all);
    fleet_unref(fleet);
}

static void a_star_takes_what_no_other_model_takes(void **state)
{
    struct fleet *fleet = rig_fleet(TWO_POOLS MODELS "  - { name: \"*\", pool: b }\n", NULL, NULL);

    (void)state;
    assert_string_equal(fleet_model(fleet, SLICE("whatever"))->name, "*");
    assert_string_equal(fleet_model(fleet, SLICE("n"))->name, "m");
    assert_int_equal(fleet->catch_all->versions[0].model.len, 0); /* passed on as it is */
    fleet_unref(fleet);
}

static void no_name_means_the_only_model(void **state)
{
    static const struct {
        const char *models, *found; /* found: by an empty name; NULL: none */
    } rows[] = {
        { "models:\n  - { name: m, aliases: [ n ], pool: a }\n", "m" },
        { "models:\n  - { name: m, pool: a }\n  - { name: n, pool: a }\n", NULL },
        { "models:\n  - { name: m, pool: a }\n  - { name: \"*\", pool: a }\n", "*" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[1024];
        struct fleet *fleet;
        const struct model *model;

        snprintf(text, sizeof(text), TWO_POOLS "%s", rows[i].models);
        fleet = rig_fleet(text, NULL, NULL);
        model = fleet_model(fleet, slice_of(NULL, 0));
        assert_int_equal(model != NULL, rows[i].found != NULL);
        if (model)
            assert_string_equal(model->name, rows[i].found);
        fleet_unref(fleet);
    }
}

/* What a client may call an adapter, and what engines get. */
static void adapters_may_be_named_after_their_base(void **state)
{
    static const struct {
        const char *name, *found, *at_vllm, *at_sglang; /* NULL: no such model, or version */
        const char *listed;                             /* by SGLang */
    } rows[] = {
        { "sql", "sql", "sql", "m-one:sql", "sql" },
        { "m:sql", "sql", "sql", "m-one:sql", "sql" },
        { "n:sql", "sql", "sql", "m-one:sql", "sql" },
        { "o:sql", NULL, NULL, NULL, NULL },
        { "m-one:sql", NULL, NULL, NULL, NULL },
        { "m:o", NULL, NULL, NULL, NULL },
        { "m:", NULL, NULL, NULL, NULL },
        { ":sql", NULL, NULL, NULL, NULL },
        { "m", "m", "m", "m-one", "m-one" },
        { "m-one:py", "m-one:py", "m-one:py", "m-one:py", "py" }, /* written as it is sent */
        { "x:y", "x:y", "x:y", NULL, NULL },
        { "x:y:z", "z", "z", NULL, NULL },
    };
    struct fleet *fleet =
        rig_fleet("pools: [ { name: a, engine: vllm, endpoints: [ \"http://127.0.0.1:1\" ] },\n"
                  "  { name: b, engine: sglang, endpoints: [ \"http://127.0.0.1:2\" ] } ]\n"
                  "models:\n"
                  "  - { name: m, aliases: [ n ], adapters: [ sql, \"m-one:py\" ], versions: [\n"
                  "      { name: v1, pool: a }, { name: v2, pool: b, model: m-one } ] }\n"
                  "  - { name: o, pool: a }\n"
                  "  - { name: \"x:y\", pool: a, adapters: [ z ] }\n",
                  NULL, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model *model = fleet_model(fleet, slice_str(rows[i].name));

        if (!model != !rows[i].found || (model && strcmp(model->name, rows[i].found) != 0))
            fail_msg("%s: %s", rows[i].name, model ? model->name : "none");
        if (rows[i].at_vllm)
            assert_true(slice_eq(model->versions[0].model, slice_str(rows[i].at_vllm)));
        if (rows[i].at_sglang)
            assert_true(slice_eq(model->versions[1].model, slice_str(rows[i].at_sglang)));
        if (rows[i].listed &&
            !slice_eq(router_listed_name(&model->versions[1], slice_str(rows[i].name)),
                      slice_str(rows[i].listed)))
            fail_msg("%s: not looked for as %s", rows[i].name, rows[i].listed);
    }
    fleet_unref(fleet);
}

#define ADAPTED                                                                                    \
    "models:\n"                                                                                    \
    "  - { name: m, aliases: [ n ], adapters: [ both, first ], pool: a }\n"                        \
    "  - { name: k, adapters: [ all ], versions: [\n"                                              \
    "      { name: v1, pool: a, weight: 3, model: k-one, adapters: [ one ] },\n"                   \
    "      { name: v2, pool: b, weight: 1, adapters: [ two, all ] } ] }\n"                         \
    "  - { name: \"*\", pool: b, adapters: [ none ] }\n"

static void an_adapter_is_a_model_with_the_versions_that_serve_it(void **state)
{
    static const struct {
        const char *name, *base;
        uint32_t versions, weight;
    } rows[] = {
        { "both", "m", 1, 1 }, { "first", "m", 1, 1 }, { "all", "k", 2, 4 },   { "one", "k", 1, 3 },
        { "two", "k", 1, 1 },  { "n", NULL, 1, 1 },    { "none", NULL, 1, 1 },
    };
    struct fleet *fleet = rig_fleet(TWO_POOLS ADAPTED, NULL, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model *model = fleet_model(fleet, slice_str(rows[i].name));
        const struct model *base =
            rows[i].base ? fleet_model(fleet, slice_str(rows[i].base)) : NULL;

        if (model->base != base || model->count != rows[i].versions ||
            model->weight_sum != rows[i].weight)
            fail_msg("%s: %s, %zu versions, weight %u", rows[i].name, model->name, model->count,
                     model->weight_sum);
        if (base && !slice_eq(model->versions[0].adapter, slice_str(rows[i].name)))
            fail_msg("%s stands for no adapter", rows[i].name);
    }
    assert_true(slice_eq(fleet_model(fleet, SLICE("all"))->versions[0].model, SLICE("all")));
    assert_true(slice_eq(fleet_model(fleet, SLICE("all"))->versions[0].base, SLICE("k-one")));
    assert_int_equal(fleet_model(fleet, SLICE("k"))->versions[0].adapter.len, 0);
    assert_int_equal(fleet->version_count, 4 + 6); /* each counts for itself */
    assert_int_equal(fleet_model(fleet, SLICE("all"))->versions[1].index,
                     fleet_model(fleet, SLICE("one"))->versions[0].index + 1);
    fleet_unref(fleet);
}

static bool is_gone(const struct endpoint *endpoint)
{
    return atomic_load(&endpoint->state->gone);
}

static void what_stays_keeps_its_state_and_connections(void **state)
{
    struct fleet *before = rig_fleet(TWO_POOLS MODELS, NULL, NULL);
    struct fleet *after =
        rig_fleet("pools:\n  - { name: a, endpoints: [ \"http://e2:1\", \"http://e4:1\" ] }\n"
                  "  - { name: b, keep_alive: 9s, endpoints: [ \"h2c://e3:1/x\" ] }\n" MODELS,
                  NULL, before);
    const struct endpoint *e1 = &before->pools[0].endpoints[0];
    const struct endpoint *e2 = &before->pools[0].endpoints[1], *same = after->pools[0].endpoints;

    (void)state;
    assert_int_equal(after->number, before->number + 1);
    assert_ptr_equal(same->state, e2->state);
    assert_ptr_equal(same->origin, e2->origin);
    assert_ptr_equal(after->pools[0].state, before->pools[0].state);
    assert_ptr_equal(after->pools[1].endpoints[0].state, before->pools[1].endpoints[0].state);
    assert_ptr_not_equal(after->pools[1].endpoints[0].origin,
                         before->pools[1].endpoints[0].origin); /* it dials otherwise now */
    fleet_retire(before, after);
    assert_true(is_gone(e1));
    assert_false(is_gone(e2));
    assert_false(is_gone(&after->pools[0].endpoints[1]));
    fleet_retire(after, before); /* and back */
    assert_false(is_gone(e1));
    assert_true(is_gone(&after->pools[0].endpoints[1]));
    fleet_unref(before);
    fleet_unref(after);
}

static void a_fleet_of_the_same_configuration_reads_no_file_again(void **state)
{
    char path[] = "/tmp/sluice-key-XXXXXX", text[512];
    int fd = mkstemp(path);
    struct fleet *before, *after;
    struct buf errors;

    (void)state;
    assert_int_equal(write(fd, "sk-1\r\nrest\n", 11), 11);
    close(fd);
    snprintf(text, sizeof(text),
             "pools: [ { name: a, key_file: %s, tls: { verify: off }, endpoints: [ "
             "\"https://e1\" ] } ]\nmodels: [ { name: m, pool: a } ]\n",
             path);
    before = rig_fleet(text, NULL, NULL);
    assert_string_equal(before->pools[0].authorization, "Bearer sk-1");
    unlink(path);
    buf_init(&errors, SIZE_MAX);
    after = fleet_new(before->conf, NULL, before, 2, &errors);
    assert_non_null(after);
    assert_string_equal(after->pools[0].authorization, "Bearer sk-1");
    assert_ptr_equal(after->pools[0].endpoints[0].origin, before->pools[0].endpoints[0].origin);
    fleet_unref(after);
    buf_release(&errors);
    fleet_unref(before);
}

static void a_key_file_that_holds_no_key_is_refused(void **state)
{
    static const char *const contents[] = { "", "\n", "  \n", "a\001b\n" };

    (void)state;
    for (size_t i = 0; i <= ARRAY_LEN(contents); i++) {
        char path[] = "/tmp/sluice-key-XXXXXX", text[512];
        int fd = mkstemp(path);
        struct buf errors;
        struct conf *conf;

        if (i < ARRAY_LEN(contents))
            assert_int_equal(write(fd, contents[i], strlen(contents[i])), strlen(contents[i]));
        else
            unlink(path);
        close(fd);
        buf_init(&errors, SIZE_MAX);
        snprintf(text, sizeof(text),
                 "pools: [ { name: a, key_file: %s, endpoints: [ \"http://e1\" ] } ]\n"
                 "models: [ { name: m, pool: a } ]\n",
                 path);
        conf = rig_conf(text, &errors);
        assert_non_null(conf);
        if (fleet_new(conf, NULL, NULL, 2, &errors) || buf_is_empty(&errors))
            fail_msg("key file %zu is taken", i);
        conf_unref(conf);
        buf_release(&errors);
        unlink(path);
    }
}

static void a_view_sees_the_newest(void **state)
{
    struct snapshot_slot slot;
    struct fleet_view *view;
    struct fleet *first = rig_fleet(TWO_POOLS MODELS, NULL, NULL);
    struct fleet *second = rig_fleet(TWO_POOLS MODELS, NULL, first);

    (void)state;
    snapshot_slot_init(&slot);
    view = fleet_view_new(&slot);
    snapshot_publish(&slot, &first->snapshot);
    assert_ptr_equal(fleet_view_get(view), first);
    assert_ptr_equal(fleet_view_get(view), first);
    snapshot_publish(&slot, &second->snapshot);
    assert_ptr_equal(fleet_view_get(view), second);
    fleet_view_free(view);
    snapshot_slot_release(&slot);
}

/* A pool of these settings and endpoints. */
#define POOL_OF(settings, endpoints)                                                               \
    "pools: [ { name: a, " settings ", endpoints: [ " endpoints " ] } ]\n"                         \
    "models: [ { name: m, pool: a } ]\n"

static void what_only_looks_wrong_is_taken(void **state)
{
    static const char *const rows[] = {
        POOL_OF("kv_events: \"tcp://{host}:5557\"", "\"http://x:1\", \"http://y:1\""),
        POOL_OF("kv_events_ranks: 3, kv_events: \"tcp://{host}:{port+100}\"",
                "\"http://x:1\", \"http://x:4\""),
        /* one adapter of two versions */
        TWO_POOLS "models: [ { name: m, versions: [ { name: v, pool: a, adapters: [ k ] }, { name: "
                  "w, pool: b, adapters: [ k ] } ] } ]\n",
        /* one engine in two pools */
        "pools: [ { name: a, kv_events: \"tcp://{host}:5557\", endpoints: [ \"http://x:1\" ] },\n"
        "         { name: b, kv_events: \"tcp://{host}:5557\", endpoints: [ \"http://x:1\" ] } ]\n"
        "models: [ { name: m, pool: a }, { name: n, pool: b } ]\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf *conf = rig_conf(rows[i], NULL);

        if (!conf)
            fail_msg("row %zu is refused", i);
        conf_unref(conf);
    }
}

static void what_the_rows_cannot_say_is_complained_about(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "pools: [ { name: a, endpoints: [] } ]\nmodels: [ { name: m, pool: a } ]\n",
          "a pool needs at least one endpoint" },
        { "pools: [ { name: a, endpoints: [ \"ftp://x\" ] } ]\nmodels: [ { name: m, pool: a } ]\n",
          "is no URL of an endpoint" },
        { POOL_OF("kv_events: \"tcp://*:5557\"", "\"http://x:1\""), "write {host}" },
        { POOL_OF("kv_events: \"tcp://{host}:5557\"", "\"http://x:1\", \"http://x:2\""),
          "comes to tcp://x:5557 for http://x:2, which is where http://x:1 of the pool `a`" },
        { POOL_OF("kv_events_ranks: 3, kv_events: \"tcp://{host}:{port+100}\"",
                  "\"http://x:1\", \"http://x:3\""),
          "comes to tcp://x:103 for http://x:3" },
        { POOL_OF("kv_events: \"tcp://{host}:{port+100}\", "
                  "kv_events_replay: \"tcp://{host}:{port+101}\"",
                  "\"http://x:1\", \"http://x:2\""),
          "comes to tcp://x:102 for http://x:2" },
        { "pools: [ { name: a, kv_events: \"tcp://{host}:5557\", endpoints: [ \"http://x:1\" ] },\n"
          "         { name: b, kv_events: \"tcp://{host}:{port+5550}\", endpoints: [ "
          "\"http://x:7\" ] "
          "} ]\nmodels: [ { name: m, pool: a }, { name: n, pool: b } ]\n",
          "test.yaml:2:" },
        { TWO_POOLS "models: [ { name: m, aliases: [ bb, bb ], pool: a } ]\n",
          "`bb` stands there twice" },
        { TWO_POOLS "models: [ { name: m, adapters: [ z, z ], pool: a } ]\n",
          "`z` stands there twice" },
        { TWO_POOLS "models: [ { name: m, adapters: [ k ], pool: a }, { name: n, aliases: [ k ], "
                    "pool: b } ]\n",
          "`k` is taken by the model `n`" },
        { TWO_POOLS "models: [ { name: m, adapters: [ k ], pool: a }, { name: n, versions: [ { "
                    "name: v, pool: b, adapters: [ k ] } ] } ]\n",
          "`k` is an adapter of the model `m` above" },
        { TWO_POOLS "models: [ { name: m } ]\n", "a model needs either `pool` or `versions`" },
        { TWO_POOLS "models: [ { name: m, pool: aa } ]\n", "no pool is called `aa`" },
        { TWO_POOLS "models: [ { name: m, pool: a }, { name: n, aliases: [ m ], pool: a } ]\n",
          "`m` is taken by the model `m` above" },
        { TWO_POOLS "models: [ { name: m, versions: [ { name: v, pool: a, weight: 0 } ] } ]\n",
          "add up to 0" },
        { TWO_POOLS "models: [ { name: m, pool: a, inspect: off } ]\n", "`inspect: off`" },
        { "pools: [ { name: a, tls: { certificate: x }, endpoints: [ \"https://x\" ] } ]\n"
          "models: [ { name: m, pool: a } ]\n",
          "certificate and key go together" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf errors;
        struct slice said;

        buf_init(&errors, SIZE_MAX);
        if (rig_conf(rows[i].text, &errors))
            fail_msg("row %zu is taken", i);
        said = buf_join(&errors);
        if (!memmem(said.at, said.len, rows[i].complaint, strlen(rows[i].complaint)) ||
            !slice_starts(said, SLICE("test.yaml:")))
            fail_msg("row %zu: %.*s", i, SLICE_ARGS(said));
        buf_release(&errors);
    }
}

/* A pool of 64 ranks an endpoint, and one behind it. */
static struct conf *publishers_conf(unsigned endpoints, const char *second, struct buf *errors)
{
    struct conf *conf;
    struct buf text;

    buf_init(&text, SIZE_MAX);
    buf_printf(&text, "pools:\n  - { name: a, kv_events: \"tcp://{host}:5557\", "
                      "kv_events_ranks: 64, endpoints: [ ");
    for (unsigned i = 0; i < endpoints; i++)
        buf_printf(&text, "%s\"http://e%u:1\"", i ? ", " : "", i);
    buf_printf(&text, " ] }\n%smodels: [ { name: m, pool: a } ]\n%c", second, '\0');
    conf = rig_conf(buf_join(&text).at, errors);
    buf_release(&text);
    return conf;
}

static void more_publishers_than_are_listened_to_are_complained_about(void **state)
{
    static const char second[] = "  - { name: b, kv_events: \"tcp://{host}:5557\", "
                                 "endpoints: [ \"http://x:1\" ] }\n";
    static const struct {
        unsigned endpoints;
        const char *second, *complaint; /* NULL: it is taken */
    } rows[] = {
        { KV_PUBLISHERS_MAX / 64, "", NULL },
        { KV_PUBLISHERS_MAX / 64 + 1, "", "8256 publishers, of which 8192 are" },
        { KV_PUBLISHERS_MAX / 64 - 1, second, NULL },
        { KV_PUBLISHERS_MAX / 64, second, "8193 publishers, of which 8192 are" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf errors;
        struct conf *conf;
        struct slice said;

        buf_init(&errors, SIZE_MAX);
        conf = publishers_conf(rows[i].endpoints, rows[i].second, &errors);
        said = buf_join(&errors);
        if (!conf != (rows[i].complaint != NULL) ||
            (rows[i].complaint &&
             !memmem(said.at, said.len, rows[i].complaint, strlen(rows[i].complaint))))
            fail_msg("row %zu: %.*s", i, SLICE_ARGS(said));
        conf_unref(conf);
        buf_release(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_found_by_every_name),
        cmocka_unit_test(a_star_takes_what_no_other_model_takes),
        cmocka_unit_test(no_name_means_the_only_model),
        cmocka_unit_test(an_adapter_is_a_model_with_the_versions_that_serve_it),
        cmocka_unit_test(adapters_may_be_named_after_their_base),
        cmocka_unit_test(what_stays_keeps_its_state_and_connections),
        cmocka_unit_test(a_fleet_of_the_same_configuration_reads_no_file_again),
        cmocka_unit_test(a_key_file_that_holds_no_key_is_refused),
        cmocka_unit_test(a_view_sees_the_newest),
        cmocka_unit_test(what_only_looks_wrong_is_taken),
        cmocka_unit_test(what_the_rows_cannot_say_is_complained_about),
        cmocka_unit_test(more_publishers_than_are_listened_to_are_complained_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
