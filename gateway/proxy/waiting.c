/*
 * Asking a home, leaving it, and the newest fleet.
 */
#include "gateway/proxy/waiting.h"

#include "gateway/base/clock.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/asker.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/explanation.h"
#include "gateway/proxy/home.h"
#include "routing/hold_conf.h"

#include <stdatomic.h>
#include <stdlib.h>

bool waiting_has_others(const struct exchange *x)
{
    return room_is_awaited(&x->version->pool->state->room);
}

bool waiting_is_for_first(const struct exchange *x)
{
    return x->filter.pin.len == 0 && hold_limits(x->fleet->conf)->cold_start > 0;
}

/* ---- a newer fleet ---- */

/* The version that is the same to its engine and to what was made of the prompt; NULL: none. */
static const struct version *same_version(const struct fleet *fleet, const struct exchange *x,
                                          const struct model **ret_model)
{
    const struct version *mine = x->version;
    const struct model *model = fleet_model(fleet, x->model_name);

    for (size_t i = 0; model && i < model->count; i++) {
        const struct version *version = &model->versions[i];

        if (strcmp(version->name, mine->name) == 0 && version->pool->state == mine->pool->state &&
            version->recipe == mine->recipe && slice_eq(version->model, mine->model)) {
            *ret_model = model;
            return version;
        }
    }
    return NULL;
}

/* Who was tried is known again by its state; who has left the pool is forgotten. */
static void follow_tried(struct exchange *x, const struct pool *pool)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < x->tries; i++) {
        const struct endpoint *now = pool_endpoint_with(pool, x->tried[i]->state);

        if (now)
            x->tried[kept++] = now;
    }
    x->tries = kept;
    x->endpoint = x->endpoint ? pool_endpoint_with(pool, x->endpoint->state) : NULL;
}

/* It waits for what there is now, not for what there was when it was born: a pool that was empty
 * has got endpoints, or one was added. */
static void follow_fleet(struct exchange *x)
{
    struct fleet *newest = fleet_view_get(x->worker->fleet_view);
    const struct model *model = NULL;
    const struct version *version = NULL;

    if (newest->number > x->fleet->number && newest->inspect == x->fleet->inspect)
        version = same_version(newest, x, &model);
    if (!version)
        return;
    follow_tried(x, version->pool);
    x->model = model;
    x->version = version;
    fleet_ref(newest);
    fleet_unref(x->fleet);
    x->fleet = newest;
}

/* ---- asking ---- */

static void give_back_place(struct ticket *ticket)
{
    share_give_back(ticket->endpoint, &ticket->place, ticket->worker->now_us);
    room_made(ticket->call.pool->state);
}

static void on_answer(struct letter *letter, void *receiver)
{
    struct ticket *ticket = CONTAINER_OF(letter, struct ticket, answer);

    (void)receiver;
    ticket->answered = true;
    if (ticket->exchange)
        exchange_wake(ticket->exchange);
    else if (ticket->what == TICKET_GO)
        give_back_place(ticket);
    ticket_unref(ticket); /* the home's */
}

/* What the home decides by, with nothing that is the exchange's. */
static void fill_call(struct ticket *ticket, struct exchange *x)
{
    struct slice pin = x->filter.pin;

    ticket->call = exchange_decide_call(x);
    memcpy(ticket->tried, x->tried, x->tries * sizeof(x->tried[0]));
    ticket->call.tried = ticket->tried;
    memcpy(ticket->pin, pin.at, pin.len);
    ticket->call.pin = slice_of(ticket->pin, pin.len);
    ticket->keys = x->prediction.keys; /* call.prompt points into them */
    ticket->call.prompt.tenant = slice_of(NULL, 0);
    x->prediction.keys = (struct blocks){ .at = NULL };
}

static void fill_item(struct ticket *ticket, const struct exchange *x)
{
    const struct class_conf *class = class_named(x->fleet->conf, x->filter.class_name);
    uint64_t deadline_ms = hold_limits(x->fleet->conf)->deadline;
    uint64_t since_us = x->tries > 0 ? x->begun_us : x->queued_us; /* again: not as a newcomer */
    struct asker asker =
        asker_of(x->filter.tenant, x->filter.peer->trusted, client_address(x->peer));

    ticket->sheddable = class->sheddable;
    ticket->item = (struct hold_item){
        .tenant = asker.tenant,
        .source = asker.source,
        .nobodys = x->filter.tenant.len == 0 && asker.source == 0,
        .rank = (int)class->rank,
        .since_us = since_us,
        .deadline_us = since_us + deadline_ms * CLOCK_US_PER_MS,
    };
    list_init(&ticket->item.link);
}

static struct ticket *ticket_new(struct exchange *x)
{
    const struct exchanges *exchanges = x->worker->exchanges;
    struct ticket *ticket = xcalloc(1, sizeof(*ticket) + x->filter.pin.len);

    ticket->refs = 1;
    ticket->worker = x->worker;
    ticket->home = exchanges->peers[x->version->pool->state->hash % exchanges->peer_count];
    ticket->ask.open = home_on_ask;
    ticket->leave.open = home_on_leave;
    ticket->answer.open = on_answer;
    ticket->exchange = x;
    ticket->fleet = fleet_ref(x->fleet);
    ticket->newest = fleet_view_get(x->worker->fleet_view)->number;
    ticket->waits_for_first = waiting_is_for_first(x);
    ticket->has_failed = x->none_answered;
    ticket->explains = x->filter.explain;
    list_init(&ticket->link);
    fill_call(ticket, x);
    fill_item(ticket, x);
    return ticket;
}

/* Where it was let go, and there was nobody all the same, it goes on waiting. */
static void note_cold(struct exchange *x)
{
    if (!waiting_is_for_first(x) || (!x->none_answered && pool_answers(x->version->pool)))
        x->cold_us = 0;
    else if (!x->cold_us)
        x->cold_us = x->queued_us;
}

void waiting_begin(struct exchange *x)
{
    CHECK(!x->ticket);
    follow_fleet(x);
    if (!x->queued_us)
        x->queued_us = x->worker->now_us;
    note_cold(x);
    x->ticket = ticket_new(x);
    exchange_arm(x);
    keepalive_arm(x);
    ticket_ref(x->ticket); /* the home's */
    ticket_send(&x->ticket->ask, x->worker, x->ticket->home);
}

/* ---- the end ---- */

/* The exchange's reference, and what was lent. */
static void drop_ticket(struct exchange *x)
{
    struct ticket *ticket = x->ticket;

    if (ticket->answered) {
        x->prediction.keys = ticket->keys;
        ticket->keys = (struct blocks){ .at = NULL };
    }
    ticket->exchange = NULL;
    x->ticket = NULL;
    ticket_unref(ticket);
}

static void note_waited(struct exchange *x)
{
    struct slice pool = slice_str(x->version->pool->name);
    uint64_t waited_us = x->worker->now_us - x->queued_us;

    x->held_us += waited_us;
    x->queued_us = 0;
    metric_series_observe(metric_series(x->worker->metrics, METRIC_ID_held_seconds, &pool),
                          (double)waited_us / CLOCK_US_PER_S);
}

static void take_place(struct exchange *x, struct ticket *ticket)
{
    uint64_t now_us = clock_now_us();

    if (ticket->explanation)
        explanation_take(x, ticket->explanation);
    ticket->explanation = NULL;
    x->choice = ticket->choice;
    share_begin(x, ticket->endpoint, &ticket->place);
    x->none_answered = false;
    if (ticket->room_us > 0)
        metric_observe(x->worker->metrics, METRIC_ID_release_seconds,
                       (double)(now_us - ticket->room_us) / CLOCK_US_PER_S);
}

enum waiting waiting_look(struct exchange *x, const struct reason **ret_reason)
{
    struct ticket *ticket = x->ticket;
    enum waiting what = WAITING_AGAIN;

    if (!ticket)
        return WAITING_NOT;
    if (!ticket->answered)
        return WAITING_STILL;
    switch (ticket->what) {
    case TICKET_AGAIN:
        break;
    case TICKET_GO:
        what = WAITING_GO;
        take_place(x, ticket);
        note_waited(x);
        break;
    case TICKET_REFUSED:
        what = WAITING_REFUSED;
        *ret_reason = ticket->reason;
        x->retry_after_s = ticket->retry_after_s;
        note_waited(x);
        break;
    }
    drop_ticket(x);
    return what;
}

void waiting_end(struct exchange *x)
{
    struct ticket *ticket = x->ticket;

    if (!ticket)
        return;
    if (!ticket->answered)
        ticket_send(&ticket_ref(ticket)->leave, x->worker, ticket->home);
    else if (ticket->what == TICKET_GO)
        give_back_place(ticket);
    note_waited(x);
    drop_ticket(x);
}
