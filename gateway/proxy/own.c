/*
 * GET /v1/models and /v1/models/NAME: every model and alias of the configuration, over all pools.
 */
#include "gateway/proxy/own.h"

#include "gateway/base/clock.h"

#include <jansson.h>
#include <stdlib.h>

static const struct slice models_path = SLICE_INIT("/v1/models");

bool own_answers(struct slice method, struct slice path)
{
    if (!slice_eq(method, SLICE("GET")) || !slice_starts(path, models_path))
        return false;
    return path.len == models_path.len || path.at[models_path.len] == '/';
}

static json_t *model_card(const struct model *model, const char *name)
{
    bool is_alias = strcmp(model->name, name) != 0;

    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", name, "object", "model", "created",
                     (json_int_t)0, "owned_by", "sluice", "root", model->name, "parent",
                     is_alias ? json_string(model->name) : json_null());
}

static void add_cards(json_t *data, const struct model *model)
{
    if (strcmp(model->name, "*") != 0)
        json_array_append_new(data, model_card(model, model->name));
    for (size_t i = 0; i < model->conf->aliases.count; i++)
        json_array_append_new(data, model_card(model, model->conf->aliases.at[i]));
}

static void print_json(json_t *json, struct buf *out)
{
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text);
    buf_add(out, slice_str(text));
    free(text);
    json_decref(json);
}

const struct reason *own_answer(const struct fleet *fleet, struct slice path, struct buf *out)
{
    struct slice name = slice_skip(path, models_path.len + 1);
    const struct model *model = map_get(&fleet->models_by_name, name);
    json_t *data;

    if (path.len > models_path.len) {
        char *text;

        if (!model)
            return &reason_model_not_found;
        text = slice_dup(name);
        print_json(model_card(model, text), out);
        free(text);
        return NULL;
    }
    data = json_array();
    for (size_t i = 0; i < fleet->model_count; i++)
        add_cards(data, &fleet->models[i]);
    print_json(json_pack("{s:s, s:o}", "object", "list", "data", data), out);
    return NULL;
}
