/*
 * GET /v1/models and /v1/models/NAME: every model and alias of the configuration and their LoRA
 * adapters, and behind a model "*" whatever its engines say they serve, merged over all pools.
 */
#include "gateway/proxy/own.h"

#include "gateway/http/message.h"
#include "routing/catalog.h"

#include <jansson.h>
#include <stdlib.h>

static const struct slice models_path = SLICE_INIT("/v1/models");

/* max_model_len: 0: unknown, left out. */
static json_t *card_json(const char *id, const char *root, const char *owner, int64_t created,
                         int64_t max_model_len)
{
    json_t *parent = strcmp(id, root) == 0 ? json_null() : json_string(root);
    json_t *card =
        json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", id, "object", "model", "created",
                  (json_int_t)created, "owned_by", owner, "root", root, "parent", parent);

    if (max_model_len > 0)
        json_object_set_new(card, "max_model_len", json_integer(max_model_len));
    return card;
}

/* A name of a configured model; what the first version's engines say of it is added. */
static json_t *model_card(const struct model *model, const char *name)
{
    struct cards *cards = catalog_cards(model->versions[0].pool);
    const struct card *said = cards_find(cards, model->versions[0].base);
    const char *root = model->base ? model->base->name : model->name;
    json_t *card =
        card_json(name, root, "sluice", said ? said->created : 0, said ? said->max_model_len : 0);

    cards_unref(cards);
    return card;
}

/* Longer than any name a model may have. */
#define NAME_BYTES_MAX 512

/* A name as it stands in a path: clients write '/' as %2F, or as it is. An empty slice: it is none.
 */
static struct slice read_name(struct slice text, char ret_name[NAME_BYTES_MAX])
{
    size_t len = 0;

    while (text.len > 0) {
        bool escaped = text.at[0] == '%';
        int byte = escaped ? http_escape_value(text) : (unsigned char)text.at[0];

        if (len == NAME_BYTES_MAX || byte < 0)
            return slice_of(NULL, 0);
        ret_name[len++] = (char)byte;
        text = slice_skip(text, escaped ? 3 : 1);
    }
    return slice_of(ret_name, len);
}

struct list_walk {
    bool all;
    struct slice wanted; /* else: a name */
    json_t *found;       /* array */
    struct map seen;     /* names that are in `found`, borrowed from it */
};

static void walk_add(struct list_walk *walk, const char *name, json_t *card)
{
    const char *kept = json_string_value(json_object_get(card, "id"));

    if ((!walk->all && !slice_eq(walk->wanted, slice_str(name))) ||
        map_get(&walk->seen, slice_str(name))) {
        json_decref(card);
        return;
    }
    json_array_append_new(walk->found, card);
    map_put(&walk->seen, slice_str(kept), card);
}

static void walk_model(struct list_walk *walk, const struct model *model)
{
    if (strcmp(model->name, "*") != 0)
        walk_add(walk, model->name, model_card(model, model->name));
    for (size_t i = 0; i < model->conf->aliases.count; i++)
        walk_add(walk, model->conf->aliases.at[i], model_card(model, model->conf->aliases.at[i]));
}

/* What "*" takes because its engines have it. */
static void walk_catch_all(struct list_walk *walk, const struct model *model)
{
    for (size_t v = 0; v < model->count; v++) {
        struct cards *cards = catalog_cards(model->versions[v].pool);

        for (size_t i = 0; cards && i < cards->count; i++) {
            const struct card *card = &cards->at[i];

            walk_add(walk, card->id,
                     card_json(card->id, card->parent ? card->parent : card->id, card->owned_by,
                               card->created, card->max_model_len));
        }
        cards_unref(cards);
    }
}

static void print_json(json_t *json, struct buf *out)
{
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text);
    buf_add(out, slice_str(text));
    free(text);
}

static const struct reason *answer_models(const struct fleet *fleet, struct slice path,
                                          struct buf *out)
{
    char name[NAME_BYTES_MAX];
    struct list_walk walk = { .all = path.len <= models_path.len + 1,
                              .wanted = read_name(slice_skip(path, models_path.len + 1), name),
                              .found = json_array() };
    const struct reason *reason = NULL;
    json_t *all;

    map_init(&walk.seen);
    for (size_t i = 0; i < fleet->model_count; i++)
        walk_model(&walk, &fleet->models[i]);
    for (size_t i = 0; i < fleet->adapter_count; i++)
        walk_add(&walk, fleet->adapters[i]->name,
                 model_card(fleet->adapters[i], fleet->adapters[i]->name));
    if (fleet->catch_all)
        walk_catch_all(&walk, fleet->catch_all);
    all = json_pack("{s:s, s:O}", "object", "list", "data", walk.found);
    if (walk.all)
        print_json(all, out);
    else if (json_array_size(walk.found) > 0)
        print_json(json_array_get(walk.found, 0), out);
    else
        reason = &reason_model_not_found;
    map_release(&walk.seen);
    json_decref(all);
    json_decref(walk.found);
    return reason;
}

static const struct reason *answer_health(const struct fleet *fleet, struct slice path,
                                          struct buf *out)
{
    (void)fleet;
    (void)path;
    (void)out;
    return NULL;
}

struct own_page {
    struct slice path;
    bool deeper; /* and what follows it behind a '/' */
    const struct reason *(*answer)(const struct fleet *fleet, struct slice path, struct buf *out);
};

static const struct own_page own_pages[] = {
    { SLICE_INIT("/health"), false, answer_health },
    { SLICE_INIT("/v1/models"), true, answer_models },
};

static const struct own_page *own_page(struct slice path)
{
    for (size_t i = 0; i < ARRAY_LEN(own_pages); i++) {
        const struct own_page *page = &own_pages[i];
        size_t len = page->path.len;

        if (slice_eq(path, page->path) || (page->deeper && slice_starts(path, page->path) &&
                                           path.len > len + 1 && path.at[len] == '/'))
            return page;
    }
    return NULL;
}

bool own_answers(struct slice method, struct slice path)
{
    return (slice_eq(method, SLICE("GET")) || slice_eq(method, SLICE("HEAD"))) && own_page(path);
}

const struct reason *own_answer(const struct fleet *fleet, struct slice path, struct buf *out)
{
    return own_page(path)->answer(fleet, path, out);
}
