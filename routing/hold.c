/*
 * Classes, the tenants in them, their items.
 *
 *     hold -> class (a rank) -> queue (a tenant's part of it) -> items, oldest first
 *
 * A tenant's counter says how much service it had. Who comes back after a pause starts where the
 * least served of those that wait stands: a pause saves nothing up.
 */
#include "routing/hold.h"

#include <math.h>
#include <stdlib.h>

/* What was released longer ago than this says little about the next minute. */
#define RATE_FADES_S 30

/* A rate is known after so many seconds with somebody waiting. */
#define RATE_KNOWN_S 5

/* Tenants whose counters are kept; past it those of whom nobody waits go, the longest unused first.
 */
#define TENANTS_MAX 4096

const struct hold_conf hold_conf_default = {
    .length = 10000,
    .tenant_length = 2500,
    .source_length = 5000,
    .look = 64,
    .releases = 8,
    .age = 20,
    .fair_s = 10,
};

struct hold_tenant {
    struct list link; /* of the hold's tenants */
    uint64_t id;
    double served_s;
    uint64_t released_us; /* when one of its items was let go last */
    uint32_t waiting;     /* items */
};

struct hold_source {
    uint64_t id;
    uint32_t waiting; /* items */
};

struct hold_queue {
    struct list link; /* of its class */
    struct hold_class *class;
    struct hold_tenant *tenant;
    struct list items;
};

struct hold_class {
    struct list link; /* of the hold's classes */
    int rank;
    struct list queues;    /* whose turn it is to be looked at in front */
    struct map queues_map; /* the same by tenant */
    uint32_t queue_count;
    double cost_s; /* of all its items */
};

static struct slice id_key(const uint64_t *id)
{
    return slice_of((const char *)id, sizeof(*id));
}

void hold_init(struct hold *hold, const struct hold_conf *conf, hold_place_fn *place,
               hold_release_fn *release, void *user)
{
    *hold = (struct hold){ .conf = conf, .place = place, .release = release, .user = user };
    list_init(&hold->classes);
    list_init(&hold->tenants);
    map_init(&hold->tenants_map);
    map_init(&hold->sources);
}

static void tenant_free(struct hold *hold, struct hold_tenant *tenant)
{
    map_remove(&hold->tenants_map, id_key(&tenant->id));
    list_remove(&tenant->link);
    free(tenant);
}

void hold_release(struct hold *hold)
{
    CHECK(hold->count == 0);
    LIST_FOREACH_SAFE (at, &hold->tenants)
        tenant_free(hold, CONTAINER_OF(at, struct hold_tenant, link));
    map_release(&hold->tenants_map);
    map_release(&hold->sources);
}

/* The counter of the least served of those that wait; where nobody waits, `otherwise`. */
static double least_served_s(const struct hold *hold, double otherwise)
{
    double least = otherwise;
    bool any = false;

    LIST_FOREACH (at, (struct list *)&hold->tenants) {
        const struct hold_tenant *tenant = CONTAINER_OF(at, struct hold_tenant, link);

        if (tenant->waiting > 0 && (!any || tenant->served_s < least)) {
            least = tenant->served_s;
            any = true;
        }
    }
    return least;
}

static void forget_idle_tenant(struct hold *hold)
{
    LIST_FOREACH (at, &hold->tenants) {
        struct hold_tenant *tenant = CONTAINER_OF(at, struct hold_tenant, link);

        if (tenant->waiting == 0) {
            tenant_free(hold, tenant);
            return;
        }
    }
}

/* Found or made, and the last used from now on. */
static struct hold_tenant *tenant_of(struct hold *hold, uint64_t id)
{
    struct hold_tenant *tenant = map_get(&hold->tenants_map, id_key(&id));

    if (!tenant) {
        if (hold->tenants_map.count >= TENANTS_MAX)
            forget_idle_tenant(hold);
        tenant = xcalloc(1, sizeof(*tenant));
        tenant->id = id;
        list_init(&tenant->link);
        map_put(&hold->tenants_map, id_key(&tenant->id), tenant);
    }
    list_remove(&tenant->link);
    list_push(&hold->tenants, &tenant->link);
    return tenant;
}

void hold_charge(struct hold *hold, uint64_t id, double service_s)
{
    tenant_of(hold, id)->served_s += service_s;
}

/* ---- sources ---- */

static struct hold_source *source_find(const struct hold *hold, uint64_t id)
{
    return id ? map_get(&hold->sources, id_key(&id)) : NULL;
}

/* One more is from there. */
static struct hold_source *source_enter(struct hold *hold, uint64_t id)
{
    struct hold_source *source = source_find(hold, id);

    if (!id)
        return NULL;
    if (!source) {
        source = xcalloc(1, sizeof(*source));
        source->id = id;
        map_put(&hold->sources, id_key(&source->id), source);
    }
    source->waiting++;
    return source;
}

static void source_leave(struct hold *hold, struct hold_source *source)
{
    if (!source || --source->waiting > 0)
        return;
    map_remove(&hold->sources, id_key(&source->id));
    free(source);
}

/* ---- classes and queues ---- */

static struct hold_class *class_of(struct hold *hold, int rank)
{
    struct list *before = hold->classes.next;
    struct hold_class *class;

    while (before != &hold->classes && CONTAINER_OF(before, struct hold_class, link)->rank > rank)
        before = before->next;
    if (before != &hold->classes && CONTAINER_OF(before, struct hold_class, link)->rank == rank)
        return CONTAINER_OF(before, struct hold_class, link);
    class = xcalloc(1, sizeof(*class));
    class->rank = rank;
    list_init(&class->queues);
    map_init(&class->queues_map);
    list_insert_before(before, &class->link);
    return class;
}

static struct hold_queue *queue_of(struct hold *hold, int rank, struct hold_tenant *tenant)
{
    struct hold_class *class = class_of(hold, rank);
    struct hold_queue *queue = map_get(&class->queues_map, id_key(&tenant->id));

    if (queue)
        return queue;
    queue = xcalloc(1, sizeof(*queue));
    queue->class = class;
    queue->tenant = tenant;
    list_init(&queue->items);
    list_push(&class->queues, &queue->link);
    map_put(&class->queues_map, id_key(&tenant->id), queue);
    class->queue_count++;
    return queue;
}

/* When nobody is left in it; and its class, when it was the last. */
static void drop_empty(struct hold_queue *queue)
{
    struct hold_class *class = queue->class;

    if (!list_is_empty(&queue->items))
        return;
    map_remove(&class->queues_map, id_key(&queue->tenant->id));
    list_remove(&queue->link);
    free(queue);
    if (--class->queue_count > 0)
        return;
    map_release(&class->queues_map);
    list_remove(&class->link);
    free(class);
}

/* Brings the fading sums up to now. Time in which nobody waits says nothing of the rate. */
static void note_time(struct hold *hold, uint64_t now_us)
{
    double passed_s, left;

    if (hold->seen_us > 0 && now_us > hold->seen_us) {
        passed_s = (double)(now_us - hold->seen_us) * 1e-6;
        left = exp(-passed_s / RATE_FADES_S);
        hold->released_s *= left;
        hold->busy_s = hold->busy_s * left + RATE_FADES_S * (1 - left);
    }
    hold->seen_us = hold->count > 0 ? now_us : 0;
}

double hold_predict_s(struct hold *hold, int rank, uint64_t now_us)
{
    double before_s = 0;

    note_time(hold, now_us);
    LIST_FOREACH (at, &hold->classes) {
        const struct hold_class *class = CONTAINER_OF(at, struct hold_class, link);

        if (class->rank >= rank)
            before_s += class->cost_s;
    }
    if (hold->busy_s < RATE_KNOWN_S || before_s <= 0)
        return 0;
    if (before_s * hold->busy_s >= HOLD_LONGEST_S * hold->released_s)
        return HOLD_LONGEST_S;
    return before_s * hold->busy_s / hold->released_s;
}

static bool tenant_has_its_part(const struct hold *hold, const struct hold_item *item)
{
    const struct hold_tenant *tenant = map_get(&hold->tenants_map, id_key(&item->tenant));

    return !item->nobodys && tenant && tenant->waiting >= hold->conf->tenant_length;
}

/* Its tenant and its source have not yet what they may have; `instead` (NULL: nobody) would go. */
static bool has_part_left(const struct hold *hold, const struct hold_item *item,
                          const struct hold_item *instead)
{
    const struct hold_source *source = source_find(hold, item->source);
    bool of_tenant = instead && instead->tenant == item->tenant;
    uint32_t of_source = instead && instead->source == item->source;

    return (of_tenant || !tenant_has_its_part(hold, item)) &&
           (!source || source->waiting - of_source < hold->conf->source_length);
}

enum hold_answer hold_add(struct hold *hold, struct hold_item *item, uint64_t now_us)
{
    struct hold_tenant *tenant;

    note_time(hold, now_us);
    tenant = tenant_of(hold, item->tenant);
    if (hold->count >= hold->conf->length)
        return HOLD_FULL;
    if (!has_part_left(hold, item, NULL))
        return HOLD_TENANT_FULL;
    if (tenant->waiting == 0) {
        double least = least_served_s(hold, tenant->served_s);

        if (tenant->served_s < least)
            tenant->served_s = least;
    }
    tenant->waiting++;
    hold->count++;
    hold->seen_us = now_us;
    item->from = source_enter(hold, item->source);
    item->queue = queue_of(hold, item->rank, tenant);
    item->queue->class->cost_s += item->cost_s;
    list_push(&item->queue->items, &item->link);
    return HOLD_ADDED;
}

/* Of the lowest rank, of those of the item's own tenant if it must be. */
static const struct hold_queue *lowest_queue(const struct hold *hold, const struct hold_item *item,
                                             bool own)
{
    for (const struct list *at = hold->classes.prev; at != &hold->classes; at = at->prev) {
        const struct hold_class *class = CONTAINER_OF(at, struct hold_class, link);

        if (!own)
            return CONTAINER_OF(class->queues.prev, struct hold_queue, link);
        if (map_get(&class->queues_map, id_key(&item->tenant)))
            return map_get(&class->queues_map, id_key(&item->tenant));
    }
    return NULL;
}

struct hold_item *hold_last(const struct hold *hold, const struct hold_item *item)
{
    const struct hold_queue *queue = lowest_queue(hold, item, tenant_has_its_part(hold, item));
    struct hold_item *last;

    if (!queue || queue->class->rank >= item->rank)
        return NULL;
    last = CONTAINER_OF(queue->items.prev, struct hold_item, link);
    return has_part_left(hold, item, last) ? last : NULL;
}

void hold_remove(struct hold *hold, struct hold_item *item)
{
    list_remove(&item->link);
    item->queue->class->cost_s -= item->cost_s;
    item->queue->tenant->waiting--;
    source_leave(hold, item->from);
    item->from = NULL;
    hold->count--;
    drop_empty(item->queue);
    item->queue = NULL;
}

/* The one that goes first of some; NULL: none has room. */
struct pick {
    struct hold_item *item;
    double order_s;
};

/* The search for the item to let go. */
struct search {
    struct hold *hold;
    uint64_t now_us;
    double fair_s; /* tenants that had more than this come after those that had less */
    struct pick best;
    bool best_is_ahead;
};

static double order_s(const struct search *search, const struct hold_item *item, uint64_t since_us)
{
    uint64_t waited_us = search->now_us > since_us ? search->now_us - since_us : 0;

    return item->cost_s - (double)waited_us * 1e-6 / search->hold->conf->age;
}

/* Whether the item has room; its cost is known anew. */
static bool fits(const struct search *search, struct hold_item *item)
{
    struct hold *hold = search->hold;
    double before_s = item->cost_s;
    bool has_room =
        hold->place(hold->user, item, search->now_us >= item->deadline_us, &item->cost_s);

    item->queue->class->cost_s += item->cost_s - before_s;
    return has_room;
}

/* The tenant's own first, of the oldest `left`. */
static struct pick first_of(const struct search *search, struct hold_queue *queue, uint32_t left)
{
    struct pick first = { NULL, 0 };

    for (struct list *at = queue->items.next; at != &queue->items && left-- > 0; at = at->next) {
        struct hold_item *item = CONTAINER_OF(at, struct hold_item, link);
        double here_s;

        if (!fits(search, item))
            continue;
        here_s = order_s(search, item, item->since_us);
        if (!first.item || here_s < first.order_s)
            first = (struct pick){ item, here_s };
    }
    return first;
}

/* A tenant's first, against those of others. */
static void consider(struct search *search, struct hold_queue *queue, uint32_t each)
{
    const struct hold_tenant *tenant = queue->tenant;
    bool ahead = tenant->served_s > search->fair_s;
    struct pick first;

    if (search->best.item && ahead && !search->best_is_ahead)
        return;
    first = first_of(search, queue, each);
    if (!first.item)
        return;
    if (first.item->since_us < tenant->released_us)
        first.order_s = order_s(search, first.item, tenant->released_us);
    if (search->best.item && ahead == search->best_is_ahead &&
        first.order_s >= search->best.order_s)
        return;
    search->best = first;
    search->best_is_ahead = ahead;
}

/* As many of each tenant as there is time for, at least one. With more tenants than that others
 * are first next time. */
static void search_class(struct search *search, struct hold_class *class)
{
    uint32_t look = search->hold->conf->look;
    uint32_t each = look > class->queue_count ? look / class->queue_count : 1;
    uint32_t queues = look < class->queue_count ? look : class->queue_count;

    while (queues-- > 0) {
        struct list *first = list_pop(&class->queues);

        list_push(&class->queues, first);
        consider(search, CONTAINER_OF(first, struct hold_queue, link), each);
    }
}

static struct hold_item *find_next(struct hold *hold, uint64_t now_us)
{
    struct search search = {
        .hold = hold,
        .now_us = now_us,
        .fair_s = least_served_s(hold, 0) + hold->conf->fair_s,
    };

    LIST_FOREACH (at, &hold->classes) {
        search_class(&search, CONTAINER_OF(at, struct hold_class, link));
        if (search.best.item)
            break;
    }
    return search.best.item;
}

static bool release_one(struct hold *hold, uint64_t now_us)
{
    struct hold_item *item = hold->count > 0 ? find_next(hold, now_us) : NULL;

    if (!item || !hold->release(hold->user, item))
        return false;
    hold->released_s += item->cost_s;
    item->queue->tenant->released_us = now_us;
    hold_remove(hold, item);
    return true;
}

bool hold_turn(struct hold *hold, uint64_t now_us)
{
    uint32_t left = hold->conf->releases;

    note_time(hold, now_us);
    while (left > 0 && release_one(hold, now_us))
        left--;
    note_time(hold, now_us);
    return left == 0 && hold->count > 0;
}
