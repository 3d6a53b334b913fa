/*
 * Recipes of versions.
 */
#include "routing/fleet_recipes.h"

#include <stdio.h>
#include <stdlib.h>

/* What the directives say; `version` NULL: the model names a pool and no versions. */
static struct recipe_settings settings_of(const struct model_conf *model,
                                          const struct version_conf *version)
{
    bool own = version && version->tokenizer;
    struct recipe_settings settings = {
        .tokenizer = own ? version->tokenizer : model->tokenizer,
        .chat_template = own ? NULL : model->chat_template,
        .chat_template_kwargs = model->default_chat_template_kwargs,
        .content_format = model->chat_template_content_format,
        .mode = model->tokenizer_mode,
        .exclude_tools = model->exclude_tools_when_tool_choice_none,
    };

    if (version && version->chat_template)
        settings.chat_template = version->chat_template;
    return settings;
}

/* The directive that names the folder. */
static const void *blamed(const struct model_conf *model, const struct version_conf *version)
{
    return version && version->tokenizer ? (const void *)&version->tokenizer
                                         : (const void *)&model->tokenizer;
}

/* `sibling`: has the same tokenizer; NULL: there is none. */
static struct recipe *load(const struct conf *conf, const void *field,
                           const struct recipe_settings *settings, const struct recipe *sibling,
                           struct buf *errors)
{
    struct recipe *recipe;
    struct buf why;

    buf_init(&why, SIZE_MAX);
    recipe = sibling ? recipe_load_beside(settings, sibling, &why) : recipe_load(settings, &why);
    if (!recipe) {
        struct slice rest = buf_join(&why);

        conf_blame(conf, field, slice_cut(&rest, '\n'), errors);
    }
    buf_release(&why);
    return recipe;
}

/* ---- of a fleet ---- */

static const struct version *fleet_version(const struct fleet *fleet, const char *model,
                                           const char *version)
{
    for (size_t i = 0; fleet && i < fleet->model_count; i++)
        for (size_t v = 0; v < fleet->models[i].count; v++)
            if (strcmp(fleet->models[i].name, model) == 0 &&
                strcmp(fleet->models[i].versions[v].name, version) == 0)
                return &fleet->models[i].versions[v];
    return NULL;
}

/* A version of `fleet` that is told the same and has its recipe; `stamp` 0: whatever its files
 * were. */
static const struct version *twin(const struct fleet *fleet, const struct version *version,
                                  uint64_t stamp)
{
    for (size_t i = 0; fleet && i < fleet->model_count; i++)
        for (size_t v = 0; v < fleet->models[i].count; v++) {
            const struct version *at = &fleet->models[i].versions[v];

            if (at->recipe && (stamp == 0 || at->recipe_stamp == stamp) &&
                recipe_settings_same(&at->settings, &version->settings))
                return at;
        }
    return NULL;
}

/* A recipe of the fleet so far that has this folder's tokenizer. */
static const struct recipe *sibling_of(const struct fleet *fleet, const struct version *version)
{
    for (size_t i = 0; i < fleet->model_count; i++)
        for (size_t v = 0; v < fleet->models[i].count; v++) {
            const struct version *at = &fleet->models[i].versions[v];

            if (at->recipe && strcmp(at->settings.tokenizer, version->settings.tokenizer) == 0)
                return at->recipe;
        }
    return NULL;
}

static bool add_recipe(struct fleet *fleet, const struct fleet *before, struct version *version,
                       const void *field, struct buf *errors)
{
    bool same_conf = before && before->conf == fleet->conf; /* only names resolve anew */
    const struct version *found;

    if (!version->settings.tokenizer)
        return true;
    version->recipe_stamp = recipe_stamp(&version->settings);
    found = twin(fleet, version, 0);
    found = found ? found : twin(before, version, same_conf ? 0 : version->recipe_stamp);
    if (found)
        version->recipe_stamp = found->recipe_stamp;
    version->recipe =
        found ? recipe_ref(found->recipe)
              : load(fleet->conf, field, &version->settings, sibling_of(fleet, version), errors);
    return version->recipe != NULL;
}

/* Trust begins anew with another recipe, what a token is long does not. */
static void add_agreement(struct version *version, const struct version *before)
{
    if (before && before->recipe == version->recipe)
        version->agreement = agreement_ref(before->agreement);
    else
        version->agreement = agreement_after(before ? before->agreement : NULL);
}

bool fleet_add_recipes(struct fleet *fleet, const struct fleet *before, struct buf *errors)
{
    bool good = true;

    for (size_t i = 0; i < fleet->model_count; i++) {
        struct model *model = &fleet->models[i];
        const struct version_conf *confs = model->conf->versions.items;

        for (size_t v = 0; v < model->count; v++) {
            struct version *version = &model->versions[v];
            const struct version_conf *conf = model->conf->pool ? NULL : &confs[v];

            version->settings = settings_of(model->conf, conf);
            good &= add_recipe(fleet, before, version, blamed(model->conf, conf), errors);
            add_agreement(version, fleet_version(before, model->name, version->name));
        }
    }
    return good;
}

/* ---- of a configuration ---- */

typedef bool visit_fn(const struct conf *conf, const struct model_conf *model,
                      const struct version_conf *version, void *user);

static bool each(const struct conf *conf, visit_fn *visit, void *user)
{
    const struct conf_list *list = conf_section(conf, &models_set);
    const struct model_conf *models = list->items;
    bool good = true;

    for (size_t i = 0; i < list->count; i++) {
        const struct version_conf *versions = models[i].versions.items;

        if (models[i].versions.count == 0)
            good &= visit(conf, &models[i], NULL, user);
        for (size_t v = 0; v < models[i].versions.count; v++)
            good &= visit(conf, &models[i], &versions[v], user);
    }
    return good;
}

/* What `sluice check` has loaded so far. */
struct checked {
    struct buf *errors;
    struct checked_recipe {
        struct recipe_settings settings;
        struct recipe *recipe;
    } * list;
    size_t count;
};

static bool check(const struct conf *conf, const struct model_conf *model,
                  const struct version_conf *version, void *user)
{
    struct checked *checked = user;
    struct checked_recipe next = { .settings = settings_of(model, version) };
    const struct recipe *sibling = NULL;

    if (!next.settings.tokenizer)
        return true;
    for (size_t i = 0; i < checked->count; i++) {
        if (recipe_settings_same(&checked->list[i].settings, &next.settings))
            return true;
        if (strcmp(checked->list[i].settings.tokenizer, next.settings.tokenizer) == 0)
            sibling = checked->list[i].recipe;
    }
    next.recipe = load(conf, blamed(model, version), &next.settings, sibling, checked->errors);
    if (!next.recipe)
        return false;
    checked->list = xrealloc(checked->list, (checked->count + 1) * sizeof(*checked->list));
    checked->list[checked->count++] = next;
    return true;
}

bool recipes_check(const struct conf *conf, struct buf *errors)
{
    struct checked checked = { .errors = errors };
    bool good = each(conf, check, &checked);

    for (size_t i = 0; i < checked.count; i++)
        recipe_unref(checked.list[i].recipe);
    free(checked.list);
    return good;
}

struct files_walk {
    void (*add)(void *user, const char *path);
    void *user;
};

static bool name_files(const struct conf *conf, const struct model_conf *model,
                       const struct version_conf *version, void *user)
{
    struct recipe_settings settings = settings_of(model, version);
    struct files_walk *walk = user;

    (void)conf;
    if (settings.tokenizer)
        recipe_files(&settings, walk->add, walk->user);
    return true;
}

void recipes_files(const struct conf *conf, void (*add)(void *user, const char *path), void *user)
{
    struct files_walk walk = { add, user };

    each(conf, name_files, &walk);
}
