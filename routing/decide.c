/*
 * The decision: screens, then the pool's pick, then room.
 */
#include "routing/decide.h"

#include <stdatomic.h>
#include <stdlib.h>

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

struct decision *decision_new(void)
{
    return xcalloc(1, sizeof(struct decision));
}

void decision_free(struct decision *d)
{
    if (!d)
        return;
    free(d->all);
    free(d->matches);
    free(d->left);
    free(d->paces);
    free(d->at);
    free(d->prices);
    free(d->stays);
    free(d);
}

static void make_room(struct decision *d, size_t count)
{
    if (count <= d->room)
        return;
    d->room = count;
    d->all = xrealloc(d->all, count * sizeof(*d->all));
    d->matches = xrealloc(d->matches, count * sizeof(*d->matches));
    d->left = xrealloc(d->left, count * sizeof(*d->left));
    d->paces = xrealloc(d->paces, count * sizeof(*d->paces));
    d->at = xrealloc(d->at, count * sizeof(*d->at));
    d->prices = xrealloc(d->prices, count * sizeof(*d->prices));
    d->stays = xrealloc(d->stays, count * sizeof(*d->stays));
}

static void begin(struct decision *d, const struct decide_call *call)
{
    const struct pool *pool = call->pool;

    make_room(d, pool->count);
    d->call = call;
    d->count = d->left_count = pool->count;
    d->best = 0;
    d->priced = false;
    for (size_t i = 0; i < pool->count; i++) {
        const struct endpoint *endpoint = &pool->endpoints[i];

        d->left[i] = (uint32_t)i;
        d->all[i] = (struct candidate){
            .endpoint = endpoint,
            .weight = health_weight(endpoint, pool->conf->health, call->now_us),
            .adapter = call->model ? endpoint_adapter(endpoint, call->model) : ADAPTER_UNKNOWN,
            .dropped_by = SCREEN_COUNT,
        };
    }
}

uint32_t decide_turn(const struct decide_call *call)
{
    _Atomic uint32_t *cursor = &call->pool->state->cursor;

    if (call->tried_count > 0 || call->looks)
        return atomic_load_explicit(cursor, memory_order_relaxed);
    return atomic_fetch_add_explicit(cursor, 1, memory_order_relaxed);
}

void decide_take_turn(const struct decide_call *call)
{
    if (call->tried_count == 0)
        atomic_fetch_add_explicit(&call->pool->state->cursor, 1, memory_order_relaxed);
}

/* ---- prices ---- */

/* So many blocks are fewer tokens than the prompt has: something is always computed. */
static uint32_t cached_tokens(const struct decide_call *call, uint32_t blocks)
{
    uint64_t tokens = (uint64_t)blocks * call->prompt.block;

    if (tokens < call->tokens)
        return (uint32_t)tokens;
    return call->tokens > 0 ? call->tokens - 1 : 0;
}

static void match(struct decision *d)
{
    const struct decide_call *call = d->call;

    if (call->matches)
        memcpy(d->matches, call->matches, d->count * sizeof(*d->matches));
    else if (call->holdings && call->prompt.count > 0)
        holdings_match(call->holdings, call->pool, &call->prompt, d->matches);
    else
        memset(d->matches, 0, d->count * sizeof(*d->matches));
    d->longest = 0;
    for (size_t i = 0; i < d->left_count; i++)
        if (d->matches[d->left[i]].blocks > d->longest)
            d->longest = d->matches[d->left[i]].blocks;
}

/*
 * What equal requests have in common, so that all gateways take the same of equal endpoints: the
 * first block that nobody has. Those without keys have nothing in common, and take turns.
 */
static uint64_t request_key(const struct decision *d)
{
    const struct holdings_prompt *prompt = &d->call->prompt;

    if (prompt->count == 0)
        return price_rendezvous(decide_turn(d->call), 1);
    return prompt->keys[d->longest < prompt->count ? d->longest : prompt->count - 1];
}

static double request_heat(const struct decision *d)
{
    if (d->longest == 0)
        return 0;
    return heat_of(&d->call->pool->state->heat, d->call->prompt.keys[d->longest - 1],
                   d->call->now_us);
}

/* Once an exchange: for its first try. */
static void note_heat(const struct decision *d)
{
    if (d->priced && d->longest > 0 && d->call->tried_count == 0 && !d->call->again)
        heat_note(&d->call->pool->state->heat, d->call->prompt.keys[d->longest - 1],
                  d->call->now_us);
}

/* Where it is in use somewhere it is an adapter: others would have to load it. */
static bool is_loaded_somewhere(const struct decision *d)
{
    for (size_t i = 0; i < d->left_count; i++)
        if (decision_left(d, i)->adapter == ADAPTER_LOADED)
            return true;
    return false;
}

static void look_at(struct decision *d, size_t i, bool adapter)
{
    const struct endpoint *endpoint = decision_left(d, i)->endpoint;
    struct price_candidate *at = &d->at[i];
    struct prefix_match match;

    holdings_findable(endpoint, &d->call->prompt, &d->matches[d->left[i]], &match);
    pace_read(&endpoint->state->pace, &d->pool_pace, d->call->now_us, &d->paces[i]);
    *at = (struct price_candidate){
        .pace = &d->paces[i],
        .cached = cached_tokens(d->call, match.blocks),
        .on_host = cached_tokens(d->call, match.on_host),
        .on_disk = cached_tokens(d->call, match.on_disk),
        .loads_adapter = adapter && decision_left(d, i)->adapter != ADAPTER_LOADED,
        .name = endpoint->hash,
    };
    signals_read(&endpoint->state->signals, d->call->now_us, &at->load);
}

void decision_price(struct decision *d)
{
    const struct decide_call *call = d->call;
    const struct price_conf *conf = call->pool->conf->price;
    bool adapter = is_loaded_somewhere(d);
    size_t busy = 0;

    match(d);
    pace_read_pool(&call->pool->state->pace, &d->pool_pace);
    for (size_t i = 0; i < d->left_count; i++) {
        look_at(d, i, adapter);
        busy += d->at[i].load.prefills > 0;
    }
    d->request = (struct price_request){
        .tokens = call->tokens,
        .output = call->output,
        .busy = (double)busy / (double)d->left_count,
        .heat = request_heat(d),
        .key = request_key(d),
    };
    for (size_t i = 0; i < d->left_count; i++) {
        double weight = decision_left(d, i)->weight;

        price_of(conf, &d->request, &d->at[i], &d->prices[i]);
        if (weight > 0 && weight < 1) /* one that returns slowly is as much dearer */
            d->prices[i].total_s /= weight;
    }
    d->priced = true;
}

/* ---- room ---- */

static bool has_room(const struct decision *d, size_t i)
{
    return !d->priced || price_has_room(d->call->pool->conf->price, &d->request, &d->at[i]);
}

/* The cheapest of those that have room. False: nobody has. */
static bool best_with_room(struct decision *d)
{
    size_t best = d->left_count;

    for (size_t i = 0; i < d->left_count; i++)
        if (has_room(d, i) &&
            (best == d->left_count || d->prices[i].total_s < d->prices[best].total_s))
            best = i;
    if (best == d->left_count)
        return false;
    d->best = best;
    return true;
}

/* It may go to d->best now. */
static bool find_room(struct decision *d)
{
    switch (d->call->room) {
    case DECIDE_ROOM_OF_BEST:
        return has_room(d, d->best);
    case DECIDE_ROOM_OF_ANY:
        return has_room(d, d->best) || best_with_room(d);
    default: /* DECIDE_ROOM_IGNORED */
        return true;
    }
}

/* For the least that could be asked for. */
static bool has_some_room(const struct pool *pool, const struct endpoint *endpoint, uint64_t now_us)
{
    static const struct price_request least = { .tokens = 0 };
    const struct endpoint_state *state = endpoint->state;
    struct price_candidate at = { .cached = 0 };
    uint64_t limit = pool->conf->concurrency;

    if (limit > 0 && atomic_load_explicit(&state->inflight, memory_order_relaxed) >= limit)
        return false;
    if (pool->conf->route != PICK_price)
        return true;
    signals_read(&state->signals, now_us, &at.load);
    return price_has_room(pool->conf->price, &least, &at);
}

bool decide_may_find_room(const struct pool *pool, uint64_t now_us)
{
    for (size_t i = 0; i < pool->count; i++)
        if (has_some_room(pool, &pool->endpoints[i], now_us))
            return true;
    return pool->count == 0;
}

/* ---- the choice ---- */

static void note_best(const struct decision *d, struct choice *choice)
{
    const struct endpoint *best = decision_left(d, d->best)->endpoint;
    const struct prefix_match *match = &d->matches[d->left[d->best]];

    if (!d->priced)
        return;
    choice->priced = true;
    choice->reported_tokens = holdings_expected(best, &d->call->prompt, match);
    /* Which ones are speculative the match does not say. */
    choice->known_blocks = match->speculative == 0 ? match->blocks : 0;
    choice->cached_tokens = d->at[d->best].cached;
    choice->prefill_s = d->prices[d->best].prefill_s;
    choice->price_s = d->prices[d->best].total_s;
}

enum decide_outcome decide(struct decision *d, const struct decide_call *call,
                           const struct endpoint **ret_endpoint, struct choice *ret_choice)
{
    const struct pick_type *pick = pick_types[call->pool->conf->route];
    struct choice choice = { 0 };
    enum decide_outcome outcome;

    begin(d, call);
    choice.considered = (uint32_t)d->count;
    choice.policy = call->pin.len > 0 ? "pin" : pick->name;
    outcome = decision_screen(d, &choice);
    if (outcome == DECIDE_CHOSEN) {
        d->best = pick->pick(d);
        outcome = find_room(d) ? DECIDE_CHOSEN : DECIDE_WAIT;
    }
    if (outcome == DECIDE_CHOSEN) {
        note_best(d, &choice);
        note_heat(d);
        *ret_endpoint = decision_left(d, d->best)->endpoint;
        *ret_choice = choice;
    }
    d->call = NULL;
    return outcome;
}
