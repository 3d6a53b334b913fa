/*
 * The loop over events, and what a gateway does at each.
 */
#include "tests/bench/fleet/sim.h"

#include <stdlib.h>
#include <string.h>

enum event_kind { EVENT_STEP_END, EVENT_SCRAPE, EVENT_SENT, EVENT_FIRST_TOKEN, EVENT_ENDED };

void sim_conf_default(struct sim_conf *ret_conf)
{
    *ret_conf = (struct sim_conf){
        .policy = &policies[0],
        .replicas = 8,
        .blocks = 3000,
        .gateways = 1,
        .scrape_us = 100000,
        .slow_factor = 1,
        .hold = hold_conf_default,
        .pace = pace_default,
        .output = 200,
        .deadline_us = 50000000,
    };
    price_conf_default(&ret_conf->price);
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void event_add(struct sim *sim, uint64_t at_us, enum event_kind kind, uint32_t index,
                      struct request *request)
{
    struct event event = { at_us, sim->next_order++, (uint8_t)kind, index, request };
    size_t at = sim->heap_count++;

    if (sim->heap_count > sim->heap_size) {
        sim->heap_size = sim->heap_size ? 2 * sim->heap_size : 256;
        sim->heap = xrealloc(sim->heap, sim->heap_size * sizeof(event));
    }
    while (at > 0 && is_before(&event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

static struct event event_take(struct sim *sim)
{
    struct event first = sim->heap[0];
    struct event last = sim->heap[--sim->heap_count];
    size_t at = 0;

    for (size_t child = 1; child < sim->heap_count; child = 2 * at + 1) {
        if (child + 1 < sim->heap_count && is_before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!is_before(&sim->heap[child], &last))
            break;
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return first;
}

static void step_begin(struct sim *sim, struct replica *replica)
{
    if (replica->stepping)
        return;
    replica_step_begin(replica, sim->now_us);
    if (replica->stepping)
        event_add(sim, replica->step_end_us, EVENT_STEP_END, replica->index, NULL);
}

/* How a request's state at its replica is counted by one gateway. */
static struct share *share_at(const struct gateway *gateway, struct request *rq)
{
    return rq->gateway == gateway->index ? &rq->share : &rq->shares_others[gateway->index];
}

/* At the replica that was chosen for it. */
static double predicted_prefill_s(const struct gateway *gateway, const struct request *rq)
{
    return pace_prefill_s(&gateway->views[rq->replica].pace, rq->prompt_tokens, rq->share.uncached);
}

/* What its own gateway learns from its times, as gateway/proxy/share does. Before it is counted. */
static void watch(struct gateway *gateway, struct request *rq, enum event_kind kind)
{
    struct view *view = &gateway->views[rq->replica];
    struct pace_learners learners = { &view->learner, &gateway->learner };
    uint64_t now_us = gateway->sim->now_us;
    struct load before;

    if (kind == EVENT_SENT) {
        signals_read(&view->signals, now_us, &before);
        pace_watch_sent(&rq->watch, &before, rq->prompt_tokens, now_us);
    } else if (kind == EVENT_FIRST_TOKEN) {
        pace_watch_first(&rq->watch, &view->signals, now_us);
    } else {
        pace_watch_ended(&rq->watch, &learners, rq->prompt_tokens - rq->cached_tokens,
                         gateway->sim->conf->price.step_tokens, now_us);
    }
}

/* For a decision: what is known by now. */
static void read_paces(struct gateway *gateway)
{
    struct pace pool;

    pace_read_pool(&gateway->learner, &pool);
    for (uint32_t r = 0; r < gateway->sim->conf->replicas; r++)
        pace_read(&gateway->views[r].learner, &pool, gateway->sim->now_us, &gateway->views[r].pace);
}

static void count(struct gateway *gateway, struct request *rq, enum event_kind kind)
{
    struct signals *signals = &gateway->views[rq->replica].signals;
    struct active *active = &gateway->views[rq->replica].active;
    uint64_t now_us = gateway->sim->now_us;
    struct share *share = share_at(gateway, rq);

    if (gateway->sim->conf->learns && rq->gateway == gateway->index)
        watch(gateway, rq, kind);
    if (kind == EVENT_SENT) {
        signals_sent(signals, share, rq->prompt_tokens, rq->share.uncached,
                     predicted_prefill_s(gateway, rq), now_us);
        active_add(active, rq->keys, rq->key_count);
    } else if (kind == EVENT_FIRST_TOKEN) {
        signals_first_token(signals, share, now_us);
    } else {
        signals_ended(signals, share, now_us);
        active_remove(active, rq->keys, rq->key_count);
    }
}

/* Its own gateway counts at once, the others when they hear of it. */
static void count_everywhere(struct sim *sim, struct request *rq, enum event_kind kind)
{
    for (uint32_t i = 0; i < sim->conf->gateways; i++)
        if (i == rq->gateway)
            count(&sim->gateways[i], rq, kind);
        else if (!sim->conf->sync_never)
            event_add(sim, sim->now_us + sim->conf->sync_us, kind, i, rq);
}

static void look_up(struct decision *d)
{
    struct sim *sim = d->sim;
    struct prefix_match matches[REPLICAS_MAX];
    uint32_t columns[REPLICAS_MAX];

    for (uint32_t i = 0; i < sim->conf->replicas; i++)
        columns[i] = i;
    d->known = 0;
    prefix_index_tend(sim->index, sim->now_us, 0);
    prefix_index_match(sim->index, d->request->keys, d->request->key_count, columns,
                       sim->conf->replicas, matches);
    for (uint32_t i = 0; i < sim->conf->replicas; i++) {
        uint32_t most = (d->request->prompt_tokens - 1) / BLOCK_TOKENS;

        uint32_t blocks = matches[i].blocks < most ? matches[i].blocks : most;

        d->cached[i] = blocks * BLOCK_TOKENS;
        d->known = blocks > d->known ? blocks : d->known;
    }
}

/* To the replica that was chosen for it. */
static void dispatch(struct gateway *gateway, struct request *rq)
{
    struct sim *sim = gateway->sim;
    struct load load;
    double until_first_s;

    count_everywhere(sim, rq, EVENT_SENT);
    if (rq->known_key)
        heat_note(&gateway->heat, rq->known_key, sim->now_us);
    hold_charge(&gateway->hold, rq->tenant, predicted_prefill_s(gateway, rq));
    signals_read(&gateway->views[rq->replica].signals, sim->now_us, &load);
    until_first_s = 2 * load.queued_s > 2 ? 2 * load.queued_s : 2;
    prefix_index_speculate(
        sim->index, sim->now_us,
        &(struct prefix_guess){ .until_us = sim->now_us + (uint64_t)(until_first_s * 1e6),
                                .column = rq->replica,
                                .keys = rq->keys,
                                .count = rq->key_count });
    replica_add(&sim->replicas[rq->replica], rq);
    step_begin(sim, &sim->replicas[rq->replica]);
}

static bool has_room(const struct decision *d, uint32_t replica)
{
    struct price_request request = decision_request(d);
    struct price_candidate candidate;

    decision_candidate(d, replica, &candidate);
    return price_has_room(&d->sim->conf->price, &request, &candidate);
}

/* Chooses for a request; true when the one chosen has room, or with `any` some other. */
static bool choose(struct decision *d, bool any)
{
    struct request *rq = d->request;
    bool fits;

    look_up(d);
    if (d->sim->conf->learns)
        read_paces(d->gateway);
    rq->replica = d->sim->conf->policy->choose(d);
    fits = has_room(d, rq->replica);
    for (uint32_t i = 0; any && !fits && i < d->sim->conf->replicas; i++) {
        fits = has_room(d, i);
        if (fits)
            rq->replica = i;
    }
    rq->share.uncached = rq->prompt_tokens - d->cached[rq->replica];
    rq->known_key = d->known > 0 ? rq->keys[d->known - 1] : 0;
    return fits;
}

static bool place(void *user, struct hold_item *item, bool any, double *ret_cost_s)
{
    struct gateway *gateway = user;
    struct request *rq = CONTAINER_OF(item, struct request, held);
    struct decision d = { .sim = gateway->sim, .gateway = gateway, .request = rq };
    bool fits = choose(&d, any);

    *ret_cost_s = predicted_prefill_s(gateway, rq);
    return fits;
}

static bool release(void *user, struct hold_item *item)
{
    dispatch(user, CONTAINER_OF(item, struct request, held));
    return true;
}

static void arrive(struct sim *sim, struct request *rq)
{
    struct gateway *gateway = &sim->gateways[rq->gateway];
    struct decision d = { .sim = sim, .gateway = gateway, .request = rq };

    if (choose(&d, /* any= */ false) || !sim->conf->policy->holds) {
        dispatch(gateway, rq);
        return;
    }
    rq->held.tenant = rq->tenant;
    rq->held.since_us = sim->now_us;
    rq->held.deadline_us = sim->now_us + sim->conf->deadline_us;
    rq->held.cost_s = predicted_prefill_s(gateway, rq);
    CHECK(hold_add(&gateway->hold, &rq->held, sim->now_us) == HOLD_ADDED);
    if (gateway->hold.count > sim->held_most)
        sim->held_most = gateway->hold.count;
}

static void on_first_token(struct replica_listener *listener, struct replica *replica,
                           struct request *rq)
{
    (void)replica;
    count_everywhere(CONTAINER_OF(listener, struct sim, listener), rq, EVENT_FIRST_TOKEN);
}

static void on_ended(struct replica_listener *listener, struct replica *replica, struct request *rq)
{
    struct sim *sim = CONTAINER_OF(listener, struct sim, listener);

    (void)replica;
    sim->ended++;
    count_everywhere(sim, rq, EVENT_ENDED);
}

static void on_tokens(struct replica_listener *listener, struct replica *replica,
                      struct request *rq)
{
    struct sim *sim = CONTAINER_OF(listener, struct sim, listener);
    struct gateway *gateway = &sim->gateways[rq->gateway];
    struct view *view = &gateway->views[replica->index];
    struct pace_learners learners = { &view->learner, &gateway->learner };
    struct signals *signals = &view->signals;

    signals_tokens(signals, &rq->share, 1);
    if (sim->conf->learns)
        pace_watch_contents(&rq->watch, &learners, signals, 1, sim->now_us);
}

static void turn_holds(struct sim *sim)
{
    if (sim->conf->policy->holds)
        for (uint32_t i = 0; i < sim->conf->gateways; i++)
            while (hold_turn(&sim->gateways[i].hold, sim->now_us))
                continue;
}

static void scrape(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->conf->gateways; i++)
        for (uint32_t r = 0; r < sim->conf->replicas; r++) {
            struct view *view = &sim->gateways[i].views[r];

            view->scraped_waiting = sim->replicas[r].batch.waiting_count;
            view->scraped_usage = replica_usage(&sim->replicas[r]);
            signals_cache(&view->signals, (uint64_t)sim->conf->blocks * BLOCK_TOKENS,
                          view->scraped_usage);
        }
    event_add(sim, sim->now_us + sim->conf->scrape_us, EVENT_SCRAPE, 0, NULL);
}

static void happen(struct sim *sim, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_STEP_END:
        replica_step_end(&sim->replicas[event->index]);
        turn_holds(sim);
        step_begin(sim, &sim->replicas[event->index]);
        break;
    case EVENT_SCRAPE:
        scrape(sim);
        break;
    default:
        count(&sim->gateways[event->index], event->request, event->kind);
        turn_holds(sim);
    }
}

/* The engine's KV events, as the gateway's index gets them: at once. */
static void on_stored(struct cache_listener *listener, uint64_t parent, uint64_t key,
                      const uint32_t *tokens)
{
    const struct column *column = CONTAINER_OF(listener, struct column, listener);

    (void)parent;
    (void)tokens;
    prefix_index_store(column->index, key, column->number, PREFIX_TIER_GPU);
}

static void on_removed(struct cache_listener *listener, uint64_t key)
{
    const struct column *column = CONTAINER_OF(listener, struct column, listener);

    prefix_index_remove(column->index, key, column->number, PREFIX_TIER_GPU);
}

static void add_replica(struct sim *sim, uint32_t i)
{
    struct replica *replica = &sim->replicas[i];

    replica_init(replica, i, sim->conf->blocks, &sim->listener);
    if (i % 2 == 1)
        replica->slowness = sim->conf->slow_factor;
    sim->columns[i] = (struct column){
        .listener = { .stored = on_stored, .removed = on_removed },
        .index = sim->index,
        .number = prefix_index_column_new(sim->index),
    };
    replica->cache.listener = &sim->columns[i].listener;
}

static struct pace pace_times(const struct pace *pace, double factor)
{
    return (struct pace){ pace->token_s * factor, pace->square_s * factor, pace->step_s * factor,
                          pace->sequence_s * factor, pace->context_s * factor };
}

static void add_gateway(struct sim *sim, uint32_t i)
{
    struct gateway *gateway = &sim->gateways[i];

    for (uint32_t r = 0; r < sim->conf->replicas; r++)
        gateway->views[r].pace =
            pace_times(&sim->conf->pace, sim->conf->slow_told ? sim->replicas[r].slowness : 1);
    gateway->sim = sim;
    gateway->index = i;
    hold_init(&gateway->hold, &sim->conf->hold, place, release, gateway);
}

static void sim_init(struct sim *sim, const struct sim_conf *conf, struct workload *workload,
                     uint64_t seed)
{
    *sim = (struct sim){ .conf = conf, .workload = workload, .random = random_of(seed) };
    sim->listener = (struct replica_listener){ on_first_token, on_ended, on_tokens };
    sim->index = prefix_index_new(/* limit_bytes= */ 1 << 28);
    for (uint32_t i = 0; i < conf->replicas; i++)
        add_replica(sim, i);
    sim->gateways = xcalloc(conf->gateways, sizeof(struct gateway));
    for (uint32_t i = 0; i < conf->gateways; i++)
        add_gateway(sim, i);
    for (size_t i = 0; i < workload->count; i++) {
        struct request *rq = &workload->requests[i];

        rq->gateway = (uint32_t)(i % conf->gateways);
        if (conf->gateways > 1)
            rq->shares_others = xcalloc(conf->gateways, sizeof(struct share));
    }
    scrape(sim);
}

static void sim_release(struct sim *sim)
{
    for (size_t i = 0; i < sim->workload->count; i++)
        free(sim->workload->requests[i].shares_others);
    for (uint32_t i = 0; i < sim->conf->gateways; i++) {
        hold_release(&sim->gateways[i].hold);
        for (uint32_t r = 0; r < sim->conf->replicas; r++)
            active_release(&sim->gateways[i].views[r].active);
    }
    free(sim->gateways);
    for (uint32_t i = 0; i < sim->conf->replicas; i++)
        replica_release(&sim->replicas[i]);
    prefix_index_free(sim->index);
    free(sim->heap);
}

static void measure(const struct sim *sim, struct sim_result *result)
{
    uint64_t prompt = 0, cached = 0;

    *result = (struct sim_result){ .held_most = sim->held_most };
    for (uint32_t i = 0; i < sim->conf->replicas; i++) {
        const struct batch_counts *counts = &sim->replicas[i].batch.counts;

        prompt += counts->prompt_tokens;
        cached += counts->prompt_tokens_cached;
        result->busy +=
            sim->replicas[i].busy_s / ((double)sim->now_us * 1e-6) / sim->conf->replicas;
        result->preemptions += (double)counts->preemptions;
    }
    result->hit = (double)cached / (double)prompt;
}

void sim_run(const struct sim_conf *conf, struct workload *workload, uint64_t seed,
             struct sim_result *ret_result)
{
    struct sim *sim = xmalloc(sizeof(*sim));

    sim_init(sim, conf, workload, seed);
    while (sim->ended < workload->count) {
        const struct request *next = &workload->requests[sim->arrived];

        if (sim->arrived < workload->count && next->arrival_us <= sim->heap[0].at_us) {
            sim->now_us = next->arrival_us;
            arrive(sim, &workload->requests[sim->arrived++]);
        } else {
            struct event event = event_take(sim);

            sim->now_us = event.at_us;
            happen(sim, &event);
        }
    }
    measure(sim, ret_result);
    sim_release(sim);
    free(sim);
}
