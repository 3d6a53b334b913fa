/*
 * The catalog: rounds over lists of models, and a list a pool made of them.
 */
#include "routing/catalog.h"

#include "gateway/base/clock.h"
#include "gateway/base/map.h"
#include "routing/rounds.h"

#include <jansson.h>
#include <stdlib.h>

#define CATALOG_EVERY_MS   10000
#define CATALOG_RETRY_MS   5000
#define CATALOG_TIMEOUT_MS 5000
/* With more endpoints than this a second each is asked less often. */
#define CATALOG_PER_S 200
/* Several endpoints say something new together, at the start and when adapters are rolled out:
 * their pool's list is made once. */
#define CATALOG_MERGE_MS 250
/* An engine with more models or a longer list than this is not believed. */
#define CATALOG_BYTES     (1024 * 1024)
#define CATALOG_OPEN      64
#define CATALOG_CARDS_MAX 1000
#define CATALOG_ID_MAX    256

struct catalog {
    struct worker *control;
    catalog_changed_fn *changed;
    void *user;
    struct rounds *rounds; /* asked->kept: the endpoint's struct cards, or NULL */
    struct timer merge_due;
};

static void cards_free(struct snapshot *snapshot)
{
    struct cards *cards = CONTAINER_OF(snapshot, struct cards, snapshot);

    for (size_t i = 0; i < cards->count; i++) {
        free(cards->at[i].id);
        free(cards->at[i].owned_by);
        free(cards->at[i].parent);
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

static struct cards *cards_new(size_t room)
{
    struct cards *cards = xcalloc(1, sizeof(*cards));

    snapshot_init(&cards->snapshot, cards_free);
    cards->at = xcalloc(room, sizeof(*cards->at));
    return cards;
}

static void cards_add(struct cards *cards, json_t *card)
{
    const char *id = json_string_value(json_object_get(card, "id"));
    const char *owner = json_string_value(json_object_get(card, "owned_by"));
    const json_t *parent = json_object_get(card, "parent");

    if (!id_is_usable(id) || cards_find(cards, slice_str(id)))
        return;
    cards->tells_adapters |= json_is_null(parent) || json_is_string(parent);
    cards->at[cards->count++] = (struct card){
        .id = xstrdup(id),
        .owned_by = xstrdup(id_is_usable(owner) ? owner : "unknown"),
        .parent =
            id_is_usable(json_string_value(parent)) ? xstrdup(json_string_value(parent)) : NULL,
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
        count = count < CATALOG_CARDS_MAX ? count : CATALOG_CARDS_MAX;
        cards = cards_new(count);
        for (size_t i = 0; i < count; i++)
            cards_add(cards, json_array_get(data, i));
    }
    json_decref(root);
    return cards;
}

/* ---- a pool's list ---- */

static bool text_same(const char *a, const char *b)
{
    return slice_eq(slice_str(a), slice_str(b));
}

static bool cards_same(const struct cards *a, const struct cards *b)
{
    if (!a || !b || a->count != b->count || a->tells_adapters != b->tells_adapters)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!text_same(a->at[i].id, b->at[i].id) || !text_same(a->at[i].parent, b->at[i].parent) ||
            !text_same(a->at[i].owned_by, b->at[i].owned_by) ||
            a->at[i].created != b->at[i].created ||
            a->at[i].max_model_len != b->at[i].max_model_len)
            return false;
    return true;
}

/* The next adapter from `*at` on; NULL: there is no more. */
static const struct card *next_adapter(const struct cards *cards, size_t *at)
{
    while (cards && *at < cards->count) {
        const struct card *card = &cards->at[(*at)++];

        if (card->parent)
            return card;
    }
    return NULL;
}

static bool adapters_same(const struct cards *a, const struct cards *b)
{
    const struct card *one, *other;
    size_t i = 0, j = 0;

    do {
        one = next_adapter(a, &i);
        other = next_adapter(b, &j);
        if (!one != !other ||
            (one && (!text_same(one->id, other->id) || !text_same(one->parent, other->parent))))
            return false;
    } while (one);
    return true;
}

static void cards_merge(struct cards *cards, struct map *seen, const struct cards *from)
{
    for (size_t i = 0; from && i < from->count && cards->count < CATALOG_CARDS_MAX; i++) {
        const struct card *card = &from->at[i];
        struct card *copy = &cards->at[cards->count];

        if (map_get(seen, slice_str(card->id)))
            continue;
        *copy = *card;
        copy->id = xstrdup(card->id);
        copy->owned_by = xstrdup(card->owned_by);
        copy->parent = card->parent ? xstrdup(card->parent) : NULL;
        map_put(seen, slice_str(copy->id), copy);
        cards->count++;
    }
}

/*
 * What the endpoints of a pool say; `*asked` is its first one that is asked, and becomes the next
 * pool's. NULL: they have said nothing yet, and what those before them said is kept.
 */
static struct cards *pool_merge(struct rounds *rounds, const struct pool *pool,
                                struct asked **asked)
{
    struct cards *cards = cards_new(CATALOG_CARDS_MAX);
    bool has_asked = false, has_heard = false;
    struct map seen;

    map_init(&seen);
    for (; *asked && (*asked)->pool == pool; *asked = rounds_next(rounds, *asked)) {
        has_asked = true;
        has_heard |= (*asked)->kept != NULL;
        cards_merge(cards, &seen, (*asked)->kept);
    }
    map_release(&seen);
    if (!has_asked || has_heard)
        return cards;
    cards_unref(cards);
    return NULL;
}

/* Whether its adapters are others than before. Takes `cards`. */
static bool pool_publish(const struct pool *pool, struct cards *cards)
{
    struct cards *before = catalog_cards(pool);
    bool same = adapters_same(before, cards);

    if (cards_same(before, cards) || (!before && cards->count == 0))
        cards_unref(cards);
    else
        snapshot_publish(&pool->state->cards, &cards->snapshot);
    cards_unref(before);
    return !same;
}

static void on_merge_due(struct timer *timer)
{
    struct catalog *catalog = CONTAINER_OF(timer, struct catalog, merge_due);
    const struct fleet *fleet = rounds_fleet(catalog->rounds);
    struct asked *asked = rounds_next(catalog->rounds, NULL);
    bool changed = false;

    for (size_t i = 0; i < fleet->pool_count; i++) {
        struct cards *cards = pool_merge(catalog->rounds, &fleet->pools[i], &asked);

        if (cards)
            changed |= pool_publish(&fleet->pools[i], cards);
    }
    if (changed)
        catalog->changed(catalog->user);
}

static void merge_soon(struct catalog *catalog)
{
    struct worker *control = catalog->control;

    if (!timer_is_set(&catalog->merge_due))
        timer_set(&control->timers, &catalog->merge_due,
                  control->now_us + CATALOG_MERGE_MS * CLOCK_US_PER_MS);
}

/* ---- an endpoint's ---- */

static void note_served(struct endpoint_state *state, const struct cards *cards)
{
    uint64_t keys[ADAPTERS_MAX + 1]; /* one more says that there are too many */
    size_t count = 0;

    for (; cards && count < cards->count && count < ARRAY_LEN(keys); count++)
        keys[count] = adapter_key(slice_str(cards->at[count].id));
    if (cards && cards->tells_adapters)
        adapters_set_served(&state->adapters, keys, count);
    else
        adapters_forget_served(&state->adapters);
}

/* Takes `cards`. */
static void keep(struct catalog *catalog, struct asked *asked, struct cards *cards)
{
    cards_unref(asked->kept);
    asked->kept = cards;
    note_served(asked->state, cards);
    merge_soon(catalog);
}

static uint64_t on_list(void *user, struct asked *asked, const struct reason *reason,
                        unsigned status, struct slice body)
{
    struct catalog *catalog = user;
    struct cards *cards = !reason && status == 200 ? cards_parse(body) : NULL;
    uint64_t least = rounds_count(catalog->rounds) * 1000 / CATALOG_PER_S;

    if (!cards)
        return least > CATALOG_RETRY_MS ? least : CATALOG_RETRY_MS;
    if (cards_same(asked->kept, cards))
        cards_unref(cards);
    else
        keep(catalog, asked, cards);
    return least > CATALOG_EVERY_MS ? least : CATALOG_EVERY_MS;
}

static void on_gone(void *user, struct asked *asked)
{
    if (asked->kept)
        merge_soon(user);
    cards_unref(asked->kept);
    adapters_forget_served(&asked->state->adapters);
}

static const char *list_path(const struct pool *pool)
{
    return pool->conf->health->active ? "/v1/models" : NULL;
}

static unsigned list_timeout_ms(const struct pool *pool)
{
    (void)pool;
    return CATALOG_TIMEOUT_MS;
}

static const struct rounds_type lists = {
    .path = list_path,
    .timeout_ms = list_timeout_ms,
    .answer_bytes = CATALOG_BYTES,
    .at_once = CATALOG_OPEN,
    .on_answer = on_list,
    .on_gone = on_gone,
};

struct catalog *catalog_new(struct worker *control, catalog_changed_fn *changed, void *user)
{
    struct catalog *catalog = xcalloc(1, sizeof(*catalog));

    catalog->control = control;
    catalog->changed = changed;
    catalog->user = user;
    catalog->rounds = rounds_new(control, &lists, catalog);
    timer_init(&catalog->merge_due, on_merge_due);
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    rounds_free(catalog->rounds); /* who goes wants a merge */
    timer_clear(&catalog->merge_due);
    free(catalog);
}

void catalog_follow(struct catalog *catalog, struct fleet *fleet)
{
    rounds_follow(catalog->rounds, fleet);
}
