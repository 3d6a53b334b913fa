/*
 * The screens, in the order of screens.def.
 *
 * Where they would leave nobody `tried`, `health` and `model` are left out: a second try beats
 * none, a pool of which so few look healthy is more likely judged wrongly than broken (panic), and
 * an engine may serve what it does not list.
 */
#include "routing/decide.h"

#include <stdatomic.h>

enum otherwise { OTHERWISE_NOBODY, OTHERWISE_WAIT, OTHERWISE_ALL };

struct screen {
    enum otherwise otherwise;
    bool (*applies)(const struct decide_call *call);
    /* ret_stays: of each that is left, whether it passes. */
    void (*look)(const struct decision *decision, bool *ret_stays);
};

static bool pin_applies(const struct decide_call *call)
{
    return call->pin.len > 0;
}

static void pin_look(const struct decision *d, bool *ret_stays)
{
    for (size_t i = 0; i < d->left_count; i++)
        ret_stays[i] = slice_eq(d->call->pin, slice_str(decision_left(d, i)->endpoint->name));
}

/* Of a pinned endpoint the pool's health says nothing: whoever pinned it wants it. */
static bool health_applies(const struct decide_call *call)
{
    return call->pin.len == 0;
}

static void health_look(const struct decision *d, bool *ret_stays)
{
    for (size_t i = 0; i < d->left_count; i++)
        ret_stays[i] = decision_left(d, i)->weight > 0;
}

static bool model_applies(const struct decide_call *call)
{
    return call->model != 0;
}

static void model_look(const struct decision *d, bool *ret_stays)
{
    for (size_t i = 0; i < d->left_count; i++)
        ret_stays[i] = decision_left(d, i)->adapter != ADAPTER_ABSENT;
}

static bool tried_applies(const struct decide_call *call)
{
    return call->tried_count > 0;
}

static bool is_tried(const struct decide_call *call, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < call->tried_count; i++)
        if (call->tried[i] == endpoint)
            return true;
    return false;
}

static void tried_look(const struct decision *d, bool *ret_stays)
{
    for (size_t i = 0; i < d->left_count; i++)
        ret_stays[i] = !is_tried(d->call, decision_left(d, i)->endpoint);
}

static bool session_applies(const struct decide_call *call)
{
    return call->session != 0;
}

/* The rendezvous winner among those that are ready: no table, and every gateway comes to the same
 * endpoint. When one comes or goes only its own sessions move. */
static void session_look(const struct decision *d, bool *ret_stays)
{
    size_t best = 0;
    uint64_t most = 0;

    for (size_t i = 0; i < d->left_count; i++) {
        uint64_t rank = price_rendezvous(d->call->session, decision_left(d, i)->endpoint->hash);

        ret_stays[i] = false;
        if (rank >= most) {
            best = i;
            most = rank;
        }
    }
    ret_stays[best] = true;
}

static bool concurrency_applies(const struct decide_call *call)
{
    return call->pool->conf->concurrency > 0;
}

static void concurrency_look(const struct decision *d, bool *ret_stays)
{
    for (size_t i = 0; i < d->left_count; i++) {
        const struct endpoint_state *state = decision_left(d, i)->endpoint->state;

        ret_stays[i] = atomic_load_explicit(&state->inflight, memory_order_relaxed) <
                       d->call->pool->conf->concurrency;
    }
}

static const struct screen screens[SCREEN_COUNT] = {
#define SCREEN(id, otherwise, help)                                                                \
    [SCREEN_##id] = { OTHERWISE_##otherwise, id##_applies, id##_look },
#include "routing/screens.def"
#undef SCREEN
};

const char *const screen_names[SCREEN_COUNT] = {
#define SCREEN(id, otherwise, help) [SCREEN_##id] = #id,
#include "routing/screens.def"
#undef SCREEN
};

const char *const screen_helps[SCREEN_COUNT] = {
#define SCREEN(id, otherwise, help) [SCREEN_##id] = help,
#include "routing/screens.def"
#undef SCREEN
};

_Static_assert((int)SCREEN_COUNT <= (int)CHOICE_SCREENS_MAX, "every screen can be reported");

static void drop(struct decision *d, enum screen_id id)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->left_count; i++)
        if (d->stays[i])
            d->left[kept++] = d->left[i];
        else
            d->all[d->left[i]].dropped_by = (uint8_t)id;
    d->left_count = kept;
}

static size_t must_be_left(const struct decision *d, enum screen_id id)
{
    if (id == SCREEN_health)
        return (d->left_count * d->call->pool->conf->health->panic + 99) / 100;
    return 1;
}

/* False: too few would be left, and nobody was dropped. */
static bool run(struct decision *d, enum screen_id id, struct choice *choice)
{
    size_t before = d->left_count, kept = 0;

    screens[id].look(d, d->stays);
    for (size_t i = 0; i < before; i++)
        kept += d->stays[i];
    if (kept == before)
        return true;
    if (kept < must_be_left(d, id))
        return false;
    drop(d, id);
    choice->screens[choice->screen_count++] =
        (struct choice_screen){ screen_names[id], (uint32_t)(before - kept) };
    return true;
}

/* Said by whoever noticed first. */
static void say_panic(const struct pool *pool, bool panicking)
{
    if (panicking)
        log_warn(NULL,
                 "pool %s: panic, fewer than %llu%% of its endpoints are well: health is ignored, "
                 "all of them get requests",
                 pool->name, (unsigned long long)pool->conf->health->panic);
    else
        log_info(NULL, "pool %s: panic is over, endpoints that are not well get nothing",
                 pool->name);
}

static void note_panic(struct decision *d, bool panicking)
{
    _Atomic bool *noted = &d->call->pool->state->panicking;

    if (panicking)
        for (size_t i = 0; i < d->left_count; i++)
            d->all[d->left[i]].weight = 1;
    if (panicking != atomic_load_explicit(noted, memory_order_relaxed) &&
        panicking != atomic_exchange_explicit(noted, panicking, memory_order_relaxed))
        say_panic(d->call->pool, panicking);
}

enum decide_outcome decision_screen(struct decision *d, struct choice *choice)
{
    for (enum screen_id id = 0; id < SCREEN_COUNT && d->left_count > 0; id++) {
        bool enough;

        if (!screens[id].applies(d->call))
            continue;
        enough = run(d, id, choice);
        if (id == SCREEN_health)
            note_panic(d, !enough);
        if (!enough && screens[id].otherwise != OTHERWISE_ALL)
            return screens[id].otherwise == OTHERWISE_WAIT ? DECIDE_WAIT : DECIDE_NONE;
    }
    return d->left_count > 0 ? DECIDE_CHOSEN : DECIDE_NONE;
}
