/*
 * The decision: screens, then the pool's pick.
 *
 * A screen that would leave nobody: `tried` and `health` are then left out (a second try beats
 * none; the panic threshold), `pin` and `concurrency` stand.
 */
#include "routing/decide.h"

#include <stdatomic.h>

/* Endpoints of one pool that are looked at; a larger pool's rest gets nothing. */
#define DECIDE_ENDPOINTS_MAX 4096

#define PICK(id) extern const struct pick_type pick_##id;
#include "routing/picks.def"
#undef PICK

const struct pick_type *const pick_types[PICK_COUNT] = {
#define PICK(id) [PICK_##id] = &pick_##id,
#include "routing/picks.def"
#undef PICK
};

const char *const pick_names[PICK_COUNT + 1] = {
#define PICK(id) [PICK_##id] = #id,
#include "routing/picks.def"
#undef PICK
};

uint32_t decide_turn(const struct decide_call *call)
{
    _Atomic uint32_t *cursor = &call->pool->state->cursor;

    if (call->tried_count > 0)
        return atomic_load_explicit(cursor, memory_order_relaxed);
    return atomic_fetch_add_explicit(cursor, 1, memory_order_relaxed);
}

struct screening {
    const struct decide_call *call;
    struct candidate *candidates;
    size_t count;
    struct choice *choice;
};

typedef bool screen_fn(const struct decide_call *call, const struct candidate *candidate);

static bool is_pinned(const struct decide_call *call, const struct candidate *candidate)
{
    return slice_eq(call->pin, slice_str(candidate->endpoint->name));
}

static bool is_untried(const struct decide_call *call, const struct candidate *candidate)
{
    for (size_t i = 0; i < call->tried_count; i++)
        if (call->tried[i] == candidate->endpoint)
            return false;
    return true;
}

static bool is_healthy(const struct decide_call *call, const struct candidate *candidate)
{
    (void)call;
    return candidate->weight > 0;
}

static bool has_room(const struct decide_call *call, const struct candidate *candidate)
{
    return atomic_load_explicit(&candidate->endpoint->state->inflight, memory_order_relaxed) <
           call->pool->conf->concurrency;
}

/* Keeps those the screen passes, unless fewer than `least` would be left. */
static bool screen(struct screening *s, const char *name, screen_fn *passes, size_t least)
{
    size_t kept = 0;
    struct choice_screen *row;

    for (size_t i = 0; i < s->count; i++)
        kept += passes(s->call, &s->candidates[i]);
    if (kept == s->count)
        return true;
    if (kept < least)
        return false;
    if (s->choice->screen_count < CHOICE_SCREENS_MAX) {
        row = &s->choice->screens[s->choice->screen_count++];
        *row = (struct choice_screen){ name, (uint32_t)(s->count - kept) };
    }
    kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (passes(s->call, &s->candidates[i]))
            s->candidates[kept++] = s->candidates[i];
    s->count = kept;
    return true;
}

/* So few look healthy that the judgement itself is in doubt: all get requests again. Of a pinned
 * endpoint the pool's health says nothing, whoever pinned it wants it. */
static void screen_health(struct screening *s)
{
    const struct pool *pool = s->call->pool;
    size_t least = (s->count * pool->conf->health->panic + 99) / 100;
    bool panicking = !screen(s, "health", is_healthy, least);

    if (panicking)
        for (size_t i = 0; i < s->count; i++)
            s->candidates[i].weight = 1;
    if (panicking != atomic_load_explicit(&pool->state->panicking, memory_order_relaxed))
        atomic_store_explicit(&pool->state->panicking, panicking, memory_order_relaxed);
}

enum decide_outcome decide(const struct decide_call *call, const struct endpoint **ret_endpoint,
                           struct choice *ret_choice)
{
    const struct pool *pool = call->pool;
    struct candidate candidates[DECIDE_ENDPOINTS_MAX];
    struct choice choice = { 0 };
    struct screening s = { call, candidates, 0, &choice };
    const struct pick_type *pick = pick_types[pool->conf->route];

    for (; s.count < pool->count && s.count < DECIDE_ENDPOINTS_MAX; s.count++)
        candidates[s.count] = (struct candidate){
            &pool->endpoints[s.count],
            health_weight(&pool->endpoints[s.count], pool->conf->health, call->now_us),
        };
    choice.considered = (uint32_t)s.count;
    choice.policy = call->pin.len > 0 ? "pin" : pick->name;
    if (s.count == 0 || (call->pin.len > 0 && !screen(&s, "pin", is_pinned, 1)))
        return DECIDE_NONE;
    if (call->pin.len == 0)
        screen_health(&s);
    if (s.count == 0) /* nobody is healthy, and panic is off */
        return DECIDE_NONE;
    if (call->tried_count > 0)
        screen(&s, "tried", is_untried, 1);
    if (pool->conf->concurrency > 0 && !screen(&s, "concurrency", has_room, 1))
        return DECIDE_WAIT;
    *ret_endpoint = candidates[pick->pick(call, candidates, s.count)].endpoint;
    *ret_choice = choice;
    return DECIDE_CHOSEN;
}
