/*
 * Which paths of an engine clients may reach.
 */
#include "routing/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    enum engine_id engine;
    const char *path;
    bool listed;   /* for a model with a name */
    bool unlisted; /* for the model "*" */
};

static const struct row rows[] = {
    { ENGINE_openai, "/v1/chat/completions", true, true },
    { ENGINE_vllm, "/v1/chat/completions", true, true },
    { ENGINE_vllm, "/v1/responses/resp_1", true, true },
    { ENGINE_vllm, "/v1/responses/resp_1/cancel", true, true },
    { ENGINE_vllm, "/v1/responses/", false, true },
    { ENGINE_vllm, "/v1/responses/a/b", false, true },
    { ENGINE_vllm, "/v1/score", true, true },
    { ENGINE_openai, "/v1/score", false, true },
    { ENGINE_vllm, "/v2/rerank", true, true },
    { ENGINE_openai, "/v2/rerank", false, false },
    { ENGINE_vllm, "/v1/no/such/path", false, true },
    { ENGINE_vllm, "/v1/chat/completions/", false, true },
    { ENGINE_vllm, "/v1", false, false },
    { ENGINE_vllm, "", false, false },
    { ENGINE_vllm, "/generate", false, false },
    { ENGINE_ollama, "/api/pull", false, false },
    { ENGINE_vllm, "/sleep", false, false },
    { ENGINE_vllm, "/v1/load_lora_adapter", false, false },
    { ENGINE_vllm, "/v1/unload_lora_adapter", false, false },
    { ENGINE_vllm, "/v1/load_lora_adapter/", false, false },
    { ENGINE_vllm, "/v1/Load_LoRA_adapter", false, false },
    { ENGINE_vllm, "/v1/load_lora_adapter/x/y", false, false },
    { ENGINE_vllm, "/v1/load_lora_adapters", false, true },
    { ENGINE_llamacpp, "/v1/models/load", false, false },
    { ENGINE_llamacpp, "/v1/models/loaded", false, true },
    { ENGINE_nim, "/v1/health", false, false },
    { ENGINE_nim, "/v1/health/ready", false, false },
    { ENGINE_nim, "/v1/metrics", false, false },
    { ENGINE_sglang, "/v1/sleep", false, false },
};

static void names_are_split_where_adapters_come_after_their_base(void **state)
{
    static const struct {
        enum engine_id engine;
        const char *name, *base, *adapter;
    } names[] = {
        { ENGINE_sglang, "base:sql", "base", "sql" },
        { ENGINE_sglang, "base", "base", "" },
        { ENGINE_sglang, "a:b:c", "a", "b:c" },
        { ENGINE_sglang, "base:", "base", "" },
        { ENGINE_sglang, ":sql", "", "sql" },
        { ENGINE_sglang, "", "", "" },
        { ENGINE_ray, "base:sql", "base", "sql" },
        { ENGINE_vllm, "base:sql", "base:sql", "" },
        { ENGINE_ollama, "llama3:8b", "llama3:8b", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct slice base, adapter;

        engine_split_name(&engine_types[names[i].engine], slice_str(names[i].name), &base,
                          &adapter);
        if (!slice_eq(base, slice_str(names[i].base)) ||
            !slice_eq(adapter, slice_str(names[i].adapter)))
            fail_msg("%s: base %.*s, adapter %.*s", names[i].name, (int)base.len, base.at,
                     (int)adapter.len, adapter.at);
    }
}

static void paths_that_steer_an_engine_are_reached_by_no_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct engine_type *engine = &engine_types[rows[i].engine];
        struct slice path = slice_str(rows[i].path);

        if (engine_allows(engine, path) != rows[i].listed ||
            engine_allows_unlisted(engine, path) != rows[i].unlisted)
            fail_msg("%s %s: listed %d unlisted %d", engine->name, rows[i].path,
                     engine_allows(engine, path), engine_allows_unlisted(engine, path));
    }
}

static void every_engine_has_a_name_a_health_path_and_paths(void **state)
{
    (void)state;
    for (int i = 0; i < ENGINE_COUNT; i++) {
        assert_string_equal(engine_names[i], engine_types[i].name);
        assert_int_equal(engine_types[i].health_path[0], '/');
        assert_true(engine_allows(&engine_types[i], SLICE("/v1/chat/completions")));
        for (const char *const *path = engine_types[i].paths; *path; path++)
            assert_false(engine_path_is_admin(slice_str(*path)));
    }
    assert_null(engine_names[ENGINE_COUNT]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_where_adapters_come_after_their_base),
        cmocka_unit_test(paths_that_steer_an_engine_are_reached_by_no_model),
        cmocka_unit_test(every_engine_has_a_name_a_health_path_and_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
