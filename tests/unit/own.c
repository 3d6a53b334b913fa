/*
 * The list of models as clients get it.
 */
#include "gateway/proxy/own.h"
#include "tests/unit/fleet_rig.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CONF                                                                                       \
    "pools: [ { name: p, endpoints: [ \"http://e\" ] } ]\n"                                        \
    "models:\n  - { name: meta/llama-3, aliases: [ llama ], pool: p }\n  - { name: \"50%\", "      \
    "pool: p }\n"

static json_t *ask(const char *path, const struct reason **ret_reason)
{
    struct fleet *fleet = rig_fleet(CONF, NULL, NULL);
    struct buf out;
    json_t *json;

    buf_init(&out, SIZE_MAX);
    *ret_reason = own_answer(fleet, slice_str(path), &out);
    json = json_loadb(buf_join(&out).at ? buf_join(&out).at : "", out.len, 0, NULL);
    buf_release(&out);
    fleet_unref(fleet);
    return json;
}

static void the_list_has_every_name_once(void **state)
{
    static const char *const names[] = { "meta/llama-3", "llama", "50%" };
    const struct reason *reason;
    json_t *json = ask("/v1/models", &reason);
    json_t *data = json_object_get(json, "data");

    (void)state;
    assert_null(reason);
    assert_string_equal(json_string_value(json_object_get(json, "object")), "list");
    assert_int_equal(json_array_size(data), ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *card = json_array_get(data, i);

        assert_string_equal(json_string_value(json_object_get(card, "id")), names[i]);
        assert_string_equal(json_string_value(json_object_get(card, "object")), "model");
        assert_true(json_is_integer(json_object_get(card, "created")));
        assert_non_null(json_string_value(json_object_get(card, "owned_by")));
    }
    json_decref(json);
}

static void a_model_is_found_by_its_name_however_it_is_written(void **state)
{
    static const struct {
        const char *path, *id; /* NULL: there is none */
    } rows[] = {
        { "/v1/models/llama", "llama" },
        { "/v1/models/meta/llama-3", "meta/llama-3" },
        { "/v1/models/meta%2Fllama-3", "meta/llama-3" }, /* as OpenAI's own clients do */
        { "/v1/models/50%25", "50%" },
        { "/v1/models/50%", NULL },
        { "/v1/models/50%2", NULL },
        { "/v1/models/llama%00", NULL },
        { "/v1/models/Llama", NULL },
        { "/v1/models/nobody", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct reason *reason;
        json_t *json = ask(rows[i].path, &reason);
        const char *id = json_string_value(json_object_get(json, "id"));

        if (!id != !rows[i].id || (id && strcmp(id, rows[i].id) != 0))
            fail_msg("%s is %s", rows[i].path, id ? id : "nobody");
        if (!id)
            assert_ptr_equal(reason, &reason_model_not_found);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_has_every_name_once),
        cmocka_unit_test(a_model_is_found_by_its_name_however_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
