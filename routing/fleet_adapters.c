/*
 * Models made of adapters.
 */
#include "routing/fleet_adapters.h"

#include "gateway/base/buf.h"
#include "routing/catalog.h"

#include <stdlib.h>

static struct model *adapter_new(struct fleet *fleet, const struct model *base, struct slice name)
{
    struct model *model = xcalloc(1, sizeof(*model));

    model->name = slice_dup(name);
    model->base = base;
    model->conf = base->conf;
    model->versions = xcalloc(base->count, sizeof(*model->versions));
    fleet->adapters[fleet->adapter_count++] = model;
    map_put(&fleet->models_by_name, slice_str(model->name), model);
    return model;
}

/* NULL: the name is another's, or there are too many. */
static struct model *adapter_of(struct fleet *fleet, const struct model *base, struct slice name)
{
    struct model *model = map_get(&fleet->models_by_name, name);

    if (model)
        return model->base == base ? model : NULL;
    if (name.len == 0 || fleet->adapter_count == FLEET_ADAPTERS_MAX)
        return NULL;
    return adapter_new(fleet, base, name);
}

static uint32_t weight_of(const struct model *model, size_t version)
{
    return model->versions[version].weight_until -
           (version > 0 ? model->versions[version - 1].weight_until : 0);
}

/* What stands behind "base:", or nothing. */
static struct slice behind_base(const struct version *version, struct slice name)
{
    if (!slice_starts(name, version->base) || name.len == version->base.len ||
        name.at[version->base.len] != ':')
        return slice_of(NULL, 0);
    return slice_skip(name, version->base.len + 1);
}

/* What the version's engine calls the adapter, in requests and in its lists. */
static void name_adapter(struct version *version, struct slice name)
{
    struct slice behind = behind_base(version, name);
    struct buf text;

    version->model = version->adapter = name;
    if (!version->pool->engine->names_base)
        return;
    if (behind.len > 0) {
        version->adapter = behind;
        return;
    }
    buf_init(&text, SIZE_MAX);
    buf_printf(&text, "%.*s:%.*s", (int)version->base.len, version->base.at, (int)name.len,
               name.at);
    version->model_text = slice_dup(buf_join(&text));
    version->model = slice_str(version->model_text);
    buf_release(&text);
}

/* One more of the base's versions serves it. Versions come in order. */
static void adapter_add_version(struct fleet *fleet, struct model *model, size_t number)
{
    const struct version *from = &model->base->versions[number];
    struct version *version = &model->versions[model->count];

    if (model->count > 0 && version[-1].name == from->name) /* it was said twice */
        return;
    model->weight_sum += weight_of(model->base, number);
    *version = *from;
    name_adapter(version, slice_str(model->name));
    version->index = fleet->version_count++;
    version->weight_until = model->weight_sum;
    version->recipe = from->recipe ? recipe_ref(from->recipe) : NULL;
    version->agreement = from->agreement ? agreement_ref(from->agreement) : NULL;
    model->count++;
}

static void add(struct fleet *fleet, const struct model *base, size_t number, struct slice name)
{
    struct model *model = adapter_of(fleet, base, name);

    if (model)
        adapter_add_version(fleet, model, number);
}

static void add_texts(struct fleet *fleet, const struct model *base, size_t number,
                      const struct conf_texts *names)
{
    for (size_t i = 0; i < names->count; i++)
        add(fleet, base, number, slice_str(names->at[i]));
}

static void add_announced(struct fleet *fleet, const struct model *base, size_t number)
{
    const struct version *version = &base->versions[number];
    struct cards *cards = catalog_cards(version->pool);

    for (size_t i = 0; cards && i < cards->count; i++)
        if (cards->at[i].parent && slice_eq(slice_str(cards->at[i].parent), version->model))
            add(fleet, base, number, slice_str(cards->at[i].id));
    cards_unref(cards);
}

static void add_of_model(struct fleet *fleet, const struct model *base)
{
    const struct version_conf *confs = base->conf->versions.items;

    for (size_t v = 0; v < base->count; v++) {
        add_texts(fleet, base, v, &base->conf->adapters);
        if (!base->conf->pool)
            add_texts(fleet, base, v, &confs[v].adapters);
        add_announced(fleet, base, v);
    }
}

void fleet_add_adapters(struct fleet *fleet)
{
    fleet->adapters = xcalloc(FLEET_ADAPTERS_MAX, sizeof(*fleet->adapters));
    for (size_t i = 0; i < fleet->model_count; i++)
        if (&fleet->models[i] != fleet->catch_all)
            add_of_model(fleet, &fleet->models[i]);
}

void fleet_free_adapters(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->adapter_count; i++) {
        struct model *model = fleet->adapters[i];

        fleet_model_release(model);
        free((char *)model->name); /* the one name of a model that is no configuration's */
        free(model);
    }
    free(fleet->adapters);
}
