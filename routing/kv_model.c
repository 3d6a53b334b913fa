/*
 * Models on the index thread. See kv_model.h.
 */
#include "routing/kv_model.h"

#include "routing/cache_model.h"
#include "routing/kv_parts.h"

#include <stdlib.h>
#include <string.h>

struct kv_model {
    struct kv_events *events;
    struct list link;
    struct letter opening, clearing, closing;
    _Atomic bool clear_told; /* `clearing` is under way */
    bool used;               /* `model` is there */
    struct cache_model model;
    uint32_t capacity; /* of the index thread's */
    /* What the last letter about it says; any worker. */
    _Atomic uint32_t capacity_told;
    /* Written by the index thread, read by all. */
    _Atomic uint32_t column;
};

struct usage {
    struct kv_told told;
    struct kv_model *model;
    size_t count;
    uint64_t keys[];
};

/* One or two numbers. */
struct remark {
    struct kv_told told;
    struct kv_model *model;
    uint32_t a, b;
};

/* A guess that is sent to the model's column. */
struct expectation {
    struct kv_told told;
    struct kv_model *model;
    struct prefix_guess guess; /* `keys` are those below */
    uint64_t keys[];
};

static void begin(struct kv_model *model)
{
    if (model->used)
        return;
    cache_model_init(&model->model, model->events->index, model->capacity);
    model->used = true;
    atomic_store_explicit(&model->column, model->model.column, memory_order_relaxed);
}

/* Its column goes, and speculation with it. */
static void end(struct kv_model *model)
{
    if (!model->used)
        return;
    cache_model_release(&model->model);
    model->used = false;
    atomic_store_explicit(&model->column, PREFIX_COLUMN_NONE, memory_order_relaxed);
}

static void on_expect(struct letter *letter, void *receiver)
{
    struct expectation *expectation = CONTAINER_OF(letter, struct expectation, told.letter);
    struct kv_events *events = receiver;

    begin(expectation->model);
    expectation->guess.column = expectation->model->model.column;
    prefix_index_speculate(events->index, events->now_us, &expectation->guess);
    kv_told_free(events, &expectation->told);
}

void kv_model_expect(struct kv_model *model, const struct prefix_guess *guess)
{
    size_t key_bytes = guess->count * sizeof(*guess->keys);
    struct expectation *expectation =
        kv_told_new(model->events, sizeof(*expectation) + key_bytes, on_expect);

    if (!expectation)
        return;
    expectation->model = model;
    expectation->guess = *guess;
    expectation->guess.keys = expectation->keys;
    memcpy(expectation->keys, guess->keys, key_bytes);
    mailbox_send(model->events->mailbox, &expectation->told.letter);
}

static void on_use(struct letter *letter, void *receiver)
{
    struct usage *usage = CONTAINER_OF(letter, struct usage, told.letter);

    begin(usage->model);
    cache_model_use(&usage->model->model, usage->keys, usage->count);
    kv_told_free(receiver, &usage->told);
}

void kv_model_use(struct kv_model *model, const uint64_t *keys, size_t count)
{
    struct usage *usage =
        kv_told_new(model->events, sizeof(*usage) + count * sizeof(*keys), on_use);

    if (!usage)
        return;
    usage->model = model;
    usage->count = count;
    memcpy(usage->keys, keys, count * sizeof(*keys));
    mailbox_send(model->events->mailbox, &usage->told.letter);
}

static bool remark_send(struct kv_model *model, void (*open)(struct letter *, void *), uint32_t a,
                        uint32_t b)
{
    struct remark *remark = kv_told_new(model->events, sizeof(*remark), open);

    if (!remark)
        return false;
    remark->model = model;
    remark->a = a;
    remark->b = b;
    mailbox_send(model->events->mailbox, &remark->told.letter);
    return true;
}

static void on_learn(struct letter *letter, void *receiver)
{
    struct remark *remark = CONTAINER_OF(letter, struct remark, told.letter);

    if (remark->model->used)
        cache_model_learn(&remark->model->model, remark->a, remark->b);
    kv_told_free(receiver, &remark->told);
}

void kv_model_learn(struct kv_model *model, uint32_t expected, uint32_t found)
{
    (void)remark_send(model, on_learn, expected, found);
}

static void on_clear(struct letter *letter, void *receiver)
{
    struct kv_model *model = CONTAINER_OF(letter, struct kv_model, clearing);

    (void)receiver;
    atomic_exchange_explicit(&model->clear_told, false, memory_order_acq_rel);
    end(model);
}

void kv_model_clear(struct kv_model *model)
{
    if (!atomic_exchange_explicit(&model->clear_told, true, memory_order_acq_rel))
        mailbox_send(model->events->mailbox, &model->clearing);
}

static void on_resize(struct letter *letter, void *receiver)
{
    struct remark *remark = CONTAINER_OF(letter, struct remark, told.letter);
    struct kv_model *model = remark->model;

    model->capacity = remark->a;
    if (model->used)
        cache_model_resize(&model->model, model->capacity);
    kv_told_free(receiver, &remark->told);
}

void kv_model_resize(struct kv_model *model, uint32_t capacity)
{
    if (atomic_load_explicit(&model->capacity_told, memory_order_relaxed) != capacity &&
        remark_send(model, on_resize, capacity, 0))
        atomic_store_explicit(&model->capacity_told, capacity, memory_order_relaxed);
}

static void on_open(struct letter *letter, void *receiver)
{
    struct kv_events *events = receiver;

    list_push(&events->models, &CONTAINER_OF(letter, struct kv_model, opening)->link);
}

static void model_free(struct kv_model *model)
{
    end(model);
    list_remove(&model->link);
    free(model);
}

static void on_close(struct letter *letter, void *receiver)
{
    (void)receiver;
    model_free(CONTAINER_OF(letter, struct kv_model, closing));
}

void kv_models_free(struct kv_events *events)
{
    while (!list_is_empty(&events->models))
        model_free(CONTAINER_OF(events->models.next, struct kv_model, link));
}

struct kv_model *kv_model_open(struct kv_events *events, uint32_t capacity)
{
    struct kv_model *model = xcalloc(1, sizeof(*model));

    model->events = events;
    model->capacity = capacity;
    atomic_init(&model->capacity_told, capacity);
    atomic_init(&model->column, PREFIX_COLUMN_NONE);
    model->opening.open = on_open;
    model->clearing.open = on_clear;
    model->closing.open = on_close;
    list_init(&model->link);
    mailbox_send(events->mailbox, &model->opening);
    return model;
}

void kv_model_close(struct kv_model *model)
{
    mailbox_send(model->events->mailbox, &model->closing);
}

uint32_t kv_model_column(const struct kv_model *model)
{
    return atomic_load_explicit(&model->column, memory_order_relaxed);
}
