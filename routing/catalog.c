/*
 * The catalog: a timer and at most one question a pool.
 */
#include "routing/catalog.h"

#include "gateway/base/clock.h"
#include "gateway/upstream/fetch.h"

#include <jansson.h>
#include <stdlib.h>

#define CATALOG_EVERY_MS   30000
#define CATALOG_RETRY_MS   5000
#define CATALOG_TIMEOUT_MS 5000
/* An engine with more models or a longer list than this is not believed. */
#define CATALOG_BYTES     (1024 * 1024)
#define CATALOG_CARDS_MAX 1000
#define CATALOG_ID_MAX    256

struct entry {
    struct list link;
    struct catalog *catalog;
    const struct pool *pool; /* of catalog->fleet */
    struct timer due;
    struct fetch *fetch;
};

struct catalog {
    struct worker *control;
    struct fleet *fleet;
    struct list entries;
};

static void cards_free(struct snapshot *snapshot)
{
    struct cards *cards = CONTAINER_OF(snapshot, struct cards, snapshot);

    for (size_t i = 0; i < cards->count; i++) {
        free(cards->at[i].id);
        free(cards->at[i].owned_by);
    }
    free(cards->at);
    free(cards);
}

void cards_unref(struct cards *cards)
{
    if (cards)
        snapshot_unref(&cards->snapshot);
}

const struct card *cards_find(const struct cards *cards, struct slice id)
{
    for (size_t i = 0; cards && i < cards->count; i++)
        if (slice_eq(slice_str(cards->at[i].id), id))
            return &cards->at[i];
    return NULL;
}

struct cards *catalog_cards(const struct pool *pool)
{
    uint64_t generation;
    struct snapshot *snapshot = snapshot_get(&pool->state->cards, &generation);

    return snapshot ? CONTAINER_OF(snapshot, struct cards, snapshot) : NULL;
}

/* Visible ASCII, as a model's name in a request must be. */
static bool id_is_usable(const char *id)
{
    size_t n = id ? strlen(id) : 0;

    if (n == 0 || n > CATALOG_ID_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\')
            return false;
    return true;
}

static void cards_add(struct cards *cards, json_t *card)
{
    const char *id = json_string_value(json_object_get(card, "id"));
    const char *owner = json_string_value(json_object_get(card, "owned_by"));

    if (!id_is_usable(id) || cards_find(cards, slice_str(id)))
        return;
    cards->at[cards->count++] = (struct card){
        .id = xstrdup(id),
        .owned_by = xstrdup(id_is_usable(owner) ? owner : "unknown"),
        .created = json_integer_value(json_object_get(card, "created")),
        .max_model_len = json_integer_value(json_object_get(card, "max_model_len")),
    };
}

/* NULL when the answer is no list of models. */
static struct cards *cards_parse(struct slice body)
{
    json_t *root = json_loadb(body.at ? body.at : "", body.len, 0, NULL);
    json_t *data = json_object_get(root, "data");
    size_t count = json_array_size(data);
    struct cards *cards = NULL;

    if (json_is_array(data)) {
        cards = xcalloc(1, sizeof(*cards));
        snapshot_init(&cards->snapshot, cards_free);
        count = count < CATALOG_CARDS_MAX ? count : CATALOG_CARDS_MAX;
        cards->at = xcalloc(count, sizeof(*cards->at));
        for (size_t i = 0; i < count; i++)
            cards_add(cards, json_array_get(data, i));
    }
    json_decref(root);
    return cards;
}

static void entry_schedule(struct entry *entry, uint64_t after_ms)
{
    struct worker *control = entry->catalog->control;

    timer_set(&control->timers, &entry->due, control->now_us + after_ms * CLOCK_US_PER_MS);
}

static void entry_on_answer(void *user, const struct reason *reason, unsigned status,
                            struct slice body)
{
    struct entry *entry = user;
    struct cards *cards = !reason && status == 200 ? cards_parse(body) : NULL;

    entry->fetch = NULL;
    if (cards)
        snapshot_publish(&entry->pool->state->cards, &cards->snapshot);
    entry_schedule(entry, cards ? CATALOG_EVERY_MS : CATALOG_RETRY_MS);
}

static const struct endpoint *pool_any_ready(const struct pool *pool, uint64_t now_us)
{
    for (size_t i = 0; i < pool->count; i++)
        if (health_weight(&pool->endpoints[i], pool->conf->health, now_us) > 0)
            return &pool->endpoints[i];
    return NULL;
}

static void entry_on_due(struct timer *timer)
{
    struct entry *entry = CONTAINER_OF(timer, struct entry, due);
    struct worker *control = entry->catalog->control;
    const struct endpoint *endpoint = pool_any_ready(entry->pool, control->now_us);

    if (!endpoint) {
        entry_schedule(entry, CATALOG_RETRY_MS);
        return;
    }
    entry->fetch = fetch_get(control, endpoint->origin, SLICE("/v1/models"),
                             slice_str(entry->pool->authorization), CATALOG_BYTES,
                             CATALOG_TIMEOUT_MS, entry_on_answer, entry);
}

static void catalog_clear(struct catalog *catalog)
{
    LIST_FOREACH_SAFE (at, &catalog->entries) {
        struct entry *entry = CONTAINER_OF(at, struct entry, link);

        fetch_cancel(entry->fetch);
        timer_clear(&entry->due);
        list_remove(&entry->link);
        free(entry);
    }
    fleet_unref(catalog->fleet);
    catalog->fleet = NULL;
}

struct catalog *catalog_new(struct worker *control)
{
    struct catalog *catalog = xcalloc(1, sizeof(*catalog));

    catalog->control = control;
    list_init(&catalog->entries);
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    if (catalog)
        catalog_clear(catalog);
    free(catalog);
}

void catalog_follow(struct catalog *catalog, struct fleet *fleet)
{
    catalog_clear(catalog);
    catalog->fleet = fleet_ref(fleet);
    for (size_t i = 0; i < fleet->pool_count; i++) {
        struct entry *entry;

        if (!fleet->pools[i].conf->health->active)
            continue;
        entry = xcalloc(1, sizeof(*entry));
        entry->catalog = catalog;
        entry->pool = &fleet->pools[i];
        timer_init(&entry->due, entry_on_due);
        list_push(&catalog->entries, &entry->link);
        entry_schedule(entry, 0);
    }
}
