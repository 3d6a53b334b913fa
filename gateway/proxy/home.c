/*
 * Pools' holds, tickets in them, and what is told about them.
 */
#include "gateway/proxy/home.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/kept.h"
#include "gateway/proxy/shedding.h"
#include "gateway/proxy/waiting.h"
#include "routing/explain.h"
#include "routing/hold_conf.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * So often a hold is looked at without a word of room: time alone makes some (an ejection ends, a
 * long prefill comes nearer to its end), and words can be missed (routing/room.c).
 */
#define HOME_LOOK_US (20 * CLOCK_US_PER_MS)

/* Items looked at for one to let go. The simulated fleet gained nothing by more. */
#define HOME_LOOK_ITEMS 64
_Static_assert(KEPT_COUNT >= 2 * HOME_LOOK_ITEMS, "kept for those looked at in two rounds");

/* Items let go before others on this worker have their turn: some milliseconds of decisions where
 * pools are large. */
#define HOME_RELEASES 8

/* Whoever comes from one address without anybody vouching for them may wait in as large a number as
 * so many tenants: one of them alone leaves the others their part. */
#define SOURCE_TENANTS 2

/* What a request costs to compute where nobody knows: all alike. */
#define COST_UNKNOWN_S 1

struct pool_hold {
    struct list link; /* of the home's holds */
    struct home *home;
    struct pool_state *state; /* reffed */
    char *name;               /* the pool's */
    struct hold hold;
    struct hold_conf conf;
    uint64_t newest;     /* number of the newest fleet that was seen */
    struct list tickets; /* held */
    struct list going;   /* answered in this turn, letters not yet sent */
    struct defer turn;   /* due: room was made */
    struct timer look;
    bool full;        /* no endpoint has room: nobody needs to be decided for in this turn */
    uint64_t room_us; /* when the room was made that the turn is for; 0: not known */
    struct shedding shedding;
    struct kept kept;
};

struct home {
    struct worker *worker;
    struct decision *decision; /* scratch */
    struct list holds;
    bool closed; /* nobody is let go any more */
};

static struct ticket *ticket_of(struct hold_item *item)
{
    return CONTAINER_OF(item, struct ticket, item);
}

/* ---- the hold's questions ---- */

/* What the answer of the one that was decided for adds to its endpoint's steps, as expected. */
static double decoding_s(const struct decision *decision)
{
    const struct price_request *request = &decision->request;
    const struct pace *pace = decision->at[decision->best].pace;

    return request->output * (pace->sequence_s + pace->context_s * request->tokens);
}

static bool place(void *user, struct hold_item *item, bool any, double *ret_cost_s)
{
    struct pool_hold *held = user;
    struct decision *decision = held->home->decision;
    struct ticket *ticket = ticket_of(item);
    enum decide_outcome outcome;

    ticket->call.room = any ? DECIDE_ROOM_OF_ANY : DECIDE_ROOM_OF_BEST;
    ticket->call.now_us = held->home->worker->now_us;
    ticket->call.looks = true;
    ticket->what = TICKET_GO;
    if (held->full || held->home->closed)
        return false;
    if (ticket->has_failed && atomic_load_explicit(&held->state->unreached, memory_order_relaxed))
        return false;
    ticket->call.matches = kept_recent(ticket);
    outcome = decide(decision, &ticket->call, &ticket->endpoint, &ticket->choice);
    ticket->call.again |= outcome == DECIDE_CHOSEN;
    if (outcome != DECIDE_NONE && decision->priced) {
        *ret_cost_s = decision->prices[decision->best].prefill_s;
        ticket->decoding_s = decoding_s(decision);
        if (!ticket->call.matches && ticket->held)
            kept_put(&held->kept, ticket, decision);
    }
    if (ticket->explains && outcome == DECIDE_CHOSEN) {
        free(ticket->explanation);
        ticket->explanation = explain_text(decision, &ticket->call, outcome);
    }
    if (outcome == DECIDE_NONE && !ticket->waits_for_first) {
        ticket->what = TICKET_REFUSED;
        ticket->reason = &reason_no_endpoint;
        /* Nothing is computed: neither its tenant's service nor the hold's pace. */
        *ret_cost_s = ticket->decoding_s = 0;
        return true;
    }
    return outcome == DECIDE_CHOSEN;
}

static bool keep_place(struct ticket *ticket)
{
    if (!share_keep(&ticket->call, ticket->endpoint, &ticket->choice, &ticket->place))
        return false;
    decide_take_turn(&ticket->call);
    return true;
}

/* No endpoint has room: asked of the oldest and the newest ticket, whose fleets may differ where
 * the older one's version is in no newer fleet. */
static bool is_full(const struct pool_hold *held, uint64_t now_us)
{
    const struct pool *oldest, *newest;

    if (list_is_empty(&held->tickets))
        return false;
    oldest = CONTAINER_OF(held->tickets.next, struct ticket, link)->call.pool;
    newest = CONTAINER_OF(held->tickets.prev, struct ticket, link)->call.pool;
    return !decide_may_find_room(oldest, now_us) &&
           (newest == oldest || !decide_may_find_room(newest, now_us));
}

/* Its place at the endpoint is taken, and it is on its way. */
static bool release(void *user, struct hold_item *item)
{
    struct pool_hold *held = user;
    struct ticket *ticket = ticket_of(item);

    if (ticket->what == TICKET_GO && !keep_place(ticket))
        return false;
    hold_charge(&held->hold, item->tenant, item->cost_s + ticket->decoding_s);
    ticket->room_us = held->room_us;
    list_remove(&ticket->link);
    list_push(&held->going, &ticket->link);
    held->full = is_full(held, ticket->call.now_us);
    return true;
}

/* ---- answers ---- */

/* The home's reference goes with it. */
static void answer(struct pool_hold *held, struct ticket *ticket)
{
    list_remove(&ticket->link);
    kept_forget(ticket);
    if (ticket->held)
        atomic_fetch_sub_explicit(&held->state->room.waiting, 1, memory_order_relaxed);
    ticket->held = false;
    ticket_send(&ticket->answer, held->home->worker, ticket->worker);
}

static void answer_going(struct pool_hold *held)
{
    while (!list_is_empty(&held->going))
        answer(held, CONTAINER_OF(held->going.next, struct ticket, link));
}

/* Those that wait for a pool of an older fleet ask again: there may be endpoints that theirs has
 * not. */
static void answer_older(struct pool_hold *held)
{
    const struct fleet *newest = fleet_view_get(held->home->worker->fleet_view);

    if (newest->number == held->newest)
        return;
    held->newest = newest->number;
    LIST_FOREACH_SAFE (at, &held->tickets) {
        struct ticket *ticket = CONTAINER_OF(at, struct ticket, link);

        if (ticket->newest >= held->newest)
            continue;
        hold_remove(&held->hold, &ticket->item);
        ticket->what = TICKET_AGAIN;
        list_remove(&ticket->link);
        list_push(&held->going, &ticket->link);
    }
    answer_going(held);
}

static void arm_look(struct pool_hold *held)
{
    if (held->hold.count > 0 || shedding_goes_on(&held->shedding))
        timer_set(&held->home->worker->timers, &held->look,
                  held->home->worker->now_us + HOME_LOOK_US);
}

/* Room is what one request was made for most of the time: after it the rest need not be asked. One
 * at a time, so that nobody's answer waits until it is known that nobody else may go. */
static void take_turn(struct pool_hold *held)
{
    struct worker *worker = held->home->worker;
    uint64_t now_us = worker->now_us;
    unsigned left = HOME_RELEASES;
    bool more;

    held->full = is_full(held, now_us);
    do {
        more = hold_turn(&held->hold, now_us);
        answer_going(held);
    } while (more && --left > 0);
    held->full = false;
    if (more)
        worker_defer_next(worker, &held->turn);
    else
        held->room_us = 0;
}

static void on_turn(struct defer *defer)
{
    struct pool_hold *held = CONTAINER_OF(defer, struct pool_hold, turn);

    answer_older(held);
    take_turn(held);
}

static void on_look(struct timer *timer)
{
    struct pool_hold *held = CONTAINER_OF(timer, struct pool_hold, look);

    shedding_look(&held->shedding, held->name, held->home->worker->now_us);
    if (held->hold.count > 0)
        worker_defer(held->home->worker, WORKER_WAKE, &held->turn);
    else
        kept_release(&held->kept);
    arm_look(held);
}

/* ---- holds ---- */

/* Room was made: the pool's state lent its letter and a reference. */
static void on_room(struct letter *letter, void *receiver)
{
    struct worker *worker = receiver;
    struct pool_state *state = CONTAINER_OF(letter, struct pool_state, room.letter);
    struct pool_hold *held = state->hold;

    if (held->room_us == 0)
        held->room_us = atomic_load_explicit(&state->room.told_us, memory_order_relaxed);
    atomic_exchange_explicit(&state->room.told, false, memory_order_acq_rel);
    worker_defer(worker, WORKER_WAKE, &held->turn);
    snapshot_unref(&state->snapshot);
}

static void pool_hold_free(struct pool_hold *held)
{
    hold_release(&held->hold);
    timer_clear(&held->look);
    defer_cancel(&held->turn);
    list_remove(&held->link);
    kept_release(&held->kept);
    held->state->hold = NULL;
    snapshot_unref(&held->state->snapshot);
    free(held->name);
    free(held);
}

/* Of pools that no fleet has any more: the last reference on their state is ours. */
static void forget_gone(struct home *home)
{
    LIST_FOREACH_SAFE (at, &home->holds) {
        struct pool_hold *held = CONTAINER_OF(at, struct pool_hold, link);

        if (atomic_load_explicit(&held->state->snapshot.refs, memory_order_acquire) == 1)
            pool_hold_free(held);
    }
}

static struct pool_hold *pool_hold_new(struct home *home, const struct pool *pool)
{
    struct pool_hold *held = xcalloc(1, sizeof(*held));

    forget_gone(home);
    snapshot_ref(&pool->state->snapshot);
    held->home = home;
    held->state = pool->state;
    held->name = xstrdup(pool->name);
    hold_init(&held->hold, &held->conf, place, release, held);
    list_init(&held->tickets);
    list_init(&held->going);
    list_init(&held->link);
    defer_init(&held->turn, on_turn);
    timer_init(&held->look, on_look);
    list_push(&home->holds, &held->link);
    pool->state->hold = held;
    pool->state->room.letter.open = on_room;
    pool->state->room.home = home->worker->mailbox;
    return held;
}

static void take_limits(struct pool_hold *held, const struct hold_limits_conf *limits)
{
    double of_tenant = ceil((double)limits->queue * limits->tenant_share);

    held->conf = (struct hold_conf){
        .length = (uint32_t)limits->queue,
        .tenant_length = (uint32_t)of_tenant,
        .source_length = (uint32_t)(SOURCE_TENANTS * of_tenant),
        .look = HOME_LOOK_ITEMS,
        .releases = 1,
        .age = limits->age,
        .fair_s = (double)limits->fairness / 1000,
    };
}

static struct pool_hold *pool_hold_for(struct home *home, const struct ticket *ticket)
{
    struct pool_hold *held = ticket->call.pool->state->hold;

    if (!held)
        held = pool_hold_new(home, ticket->call.pool);
    take_limits(held, hold_limits(ticket->fleet->conf));
    return held;
}

struct home *home_new(struct worker *worker)
{
    struct home *home = xcalloc(1, sizeof(*home));

    home->worker = worker;
    home->decision = decision_new();
    list_init(&home->holds);
    return home;
}

void home_free(struct home *home)
{
    if (!home)
        return;
    LIST_FOREACH_SAFE (at, &home->holds)
        pool_hold_free(CONTAINER_OF(at, struct pool_hold, link));
    decision_free(home->decision);
    free(home);
}

void home_close(struct home *home)
{
    home->closed = true;
}

/* ---- asking and leaving ---- */

static void refuse(struct pool_hold *held, struct ticket *ticket, const struct reason *reason,
                   double wait_s)
{
    struct worker *worker = held->home->worker;
    struct slice labels[] = { slice_str(held->name), slice_str(reason->name) };

    ticket->what = TICKET_REFUSED;
    ticket->reason = reason;
    ticket->retry_after_s = (uint32_t)ceil(wait_s);
    metric_series_add(metric_series(worker->metrics, METRIC_ID_shed, labels), 1);
    shedding_note(&held->shedding, held->name, reason, held->hold.count, worker->now_us);
}

/* Nobody that waits could have the room that it may have. */
static bool is_settled(const struct pool_hold *held)
{
    return !list_is_linked(&held->turn.link) && room_is_settled(&held->state->room);
}

static const struct reason *reason_of(enum hold_answer full)
{
    return full == HOLD_FULL ? &reason_queue_full : &reason_tenant_queue_full;
}

/* Where the queue or its tenant's part of it is full, one of a lower rank is refused instead.
 * False: there is none. */
static bool make_way(struct pool_hold *held, const struct ticket *ticket, enum hold_answer full,
                     double wait_s)
{
    struct hold_item *last = hold_last(&held->hold, &ticket->item);

    if (!last)
        return false;
    hold_remove(&held->hold, last);
    refuse(held, ticket_of(last), reason_of(full), wait_s);
    answer(held, ticket_of(last));
    return true;
}

/* Into the hold, or refused. */
static void hold_ticket(struct pool_hold *held, struct ticket *ticket)
{
    uint64_t now_us = held->home->worker->now_us;
    double limit_s = (double)hold_limits(ticket->fleet->conf)->deadline / 1000;
    double wait_s = hold_predict_s(&held->hold, ticket->item.rank, now_us);
    enum hold_answer answered;

    if (ticket->sheddable && wait_s > limit_s) {
        refuse(held, ticket, &reason_shed, wait_s);
        return;
    }
    answered = hold_add(&held->hold, &ticket->item, now_us);
    if (answered != HOLD_ADDED && make_way(held, ticket, answered, wait_s))
        answered = hold_add(&held->hold, &ticket->item, now_us);
    if (answered == HOLD_ADDED) {
        ticket->held = true;
        list_push(&held->tickets, &ticket->link);
    } else {
        refuse(held, ticket, reason_of(answered), wait_s);
    }
}

/* Room that nobody who waits could have: what was made while it was looked for is theirs. */
static bool finds_room(struct pool_hold *held, struct ticket *ticket)
{
    struct hold_item *item = &ticket->item;

    return is_settled(held) && place(held, item, /* any= */ false, &item->cost_s) &&
           is_settled(held);
}

/*
 * Who comes looks for room after it was counted as waiting (routing/room.c). It goes at once where
 * those that wait have had their turn since room was made last, for they found none.
 */
static void admit(struct pool_hold *held, struct ticket *ticket)
{
    struct hold_item *item = &ticket->item;

    item->cost_s = COST_UNKNOWN_S;
    if (ticket->newest < fleet_view_get(held->home->worker->fleet_view)->number)
        ticket->what = TICKET_AGAIN;
    else if (!finds_room(held, ticket) || !release(held, item))
        hold_ticket(held, ticket);
    held->full = false;
}

void home_on_ask(struct letter *letter, void *receiver)
{
    struct ticket *ticket = CONTAINER_OF(letter, struct ticket, ask);
    struct worker *worker = receiver;
    struct pool_hold *held = pool_hold_for(worker->exchanges->home, ticket);
    _Atomic uint32_t *waiting = &held->state->room.waiting;

    atomic_fetch_add_explicit(waiting, 1, memory_order_seq_cst);
    admit(held, ticket);
    if (!ticket->held) {
        atomic_fetch_sub_explicit(waiting, 1, memory_order_relaxed);
        answer(held, ticket);
    }
    if (!timer_is_set(&held->look))
        arm_look(held);
}

void home_on_leave(struct letter *letter, void *receiver)
{
    struct ticket *ticket = CONTAINER_OF(letter, struct ticket, leave);
    struct pool_hold *held = ticket->call.pool->state->hold;

    (void)receiver;
    if (ticket->held) {
        hold_remove(&held->hold, &ticket->item);
        list_remove(&ticket->link);
        kept_forget(ticket);
        ticket->held = false;
        atomic_fetch_sub_explicit(&held->state->room.waiting, 1, memory_order_relaxed);
        ticket_unref(ticket); /* the home's */
    }
    ticket_unref(ticket);
}
