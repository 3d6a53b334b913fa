/*
 * The choice of an endpoint, row by row, over pools made from text.
 */
#include "tests/unit/fleet_rig.h"

#include "gateway/base/clock.h"
#include "routing/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define NOW (1000 * CLOCK_US_PER_S)

/* How each of the pool's endpoints is: '.' well, 'x' its probe fails, '1'..'9' exchanges at it. */
struct row {
    const char *why;
    const char *route;
    const char *endpoints;
    unsigned panic, concurrency;
    const char *tried;  /* indexes */
    int pin;            /* index; -1: none */
    const char *chosen; /* indexes in a row of decisions; "w": wait, "n": nobody */
    bool panicking;
};

static struct decision *decision; /* all decisions are made in one */

static const struct row rows[] = {
    { "one after the other", "round_robin", "...", 30, 0, "", -1, "01201", false },
    { "the sick one is passed over", "round_robin", ".x.", 30, 0, "", -1, "0202", false },
    { "the least busy one", "least_requests", "312", 30, 0, "", -1, "111", false },
    { "equals take turns", "least_requests", "...", 30, 0, "", -1, "012", false },
    { "an unknown prompt has no price", "price", "312", 30, 0, "", -1, "111", false },
    { "what was tried is left out", "round_robin", "..", 30, 0, "0", -1, "1", false },
    { "unless nothing else is there", "round_robin", ".", 30, 0, "0", -1, "0", false },
    { "another try takes nobody's turn", "round_robin", "...", 30, 0, "0", -1, "222", false },
    { "below the threshold health is ignored", "round_robin", ".xxx", 30, 0, "", -1, "0123", true },
    { "at the threshold it is not", "round_robin", ".xx", 30, 0, "", -1, "000", false },
    { "nobody is well", "round_robin", "xx", 30, 0, "", -1, "01", true },
    { "nobody is well, no panic", "round_robin", "xx", 0, 0, "", -1, "n", false },
    { "one is well, no panic", "round_robin", "xxxx.xxxxx", 0, 0, "", -1, "444", false },
    { "panic wants all of them well", "round_robin", ".x", 100, 0, "", -1, "01", true },
    { "at the limit", "round_robin", "21", 30, 2, "", -1, "11", false },
    { "all at the limit", "round_robin", "22", 30, 2, "", -1, "w", false },
    { "over the limit", "round_robin", "39", 30, 2, "", -1, "w", false },
    { "the one with room is sick", "round_robin", "2x", 30, 2, "", -1, "w", false },
    { "pinned", "round_robin", "...", 30, 0, "", 2, "222", false },
    { "pinned and sick", "round_robin", "..x", 30, 0, "", 2, "22", false },
    { "pinned and at the limit", "round_robin", "..2", 30, 2, "", 2, "w", false },
    { "pinned to nobody", "round_robin", "...", 30, 0, "", 9, "n", false },
};

static const char three[] =
    "pools: [ { name: p, endpoints: [ \"http://a\", \"http://b\", \"http://c\" ] } ]\n"
    "models: [ { name: m, pool: p } ]\n";

static struct fleet *make(const struct row *row)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "pools:\n  - name: p\n    route: %s\n    concurrency: %u\n"
                     "    health: { panic: %u }\n    endpoints:\n",
                     row->route, row->concurrency, row->panic);

    for (size_t i = 0; i < strlen(row->endpoints); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "      - http://e%zu:1\n", i);
    snprintf(text + n, sizeof(text) - (size_t)n, "models:\n  - { name: m, pool: p }\n");
    return rig_fleet(text, NULL, NULL);
}

static void set_up(const struct row *row, const struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct endpoint_state *state = pool->endpoints[i].state;

        atomic_store(&state->probe_failing, row->endpoints[i] == 'x');
        if (row->endpoints[i] >= '1' && row->endpoints[i] <= '9')
            atomic_store(&state->inflight, (uint32_t)(row->endpoints[i] - '0'));
    }
}

static char decided(const struct row *row, const struct pool *pool)
{
    const struct endpoint *tried[9], *endpoint = NULL;
    struct decide_call call = { .pool = pool, .now_us = NOW, .tried = tried };
    struct choice choice;
    char pin[32];

    snprintf(pin, sizeof(pin), "http://e%d:1", row->pin);
    call.pin = slice_str(row->pin >= 0 ? pin : "");
    for (const char *t = row->tried; *t; t++)
        tried[call.tried_count++] = &pool->endpoints[*t - '0'];
    switch (decide(decision, &call, &endpoint, &choice)) {
    case DECIDE_CHOSEN:
        assert_int_equal(choice.considered, pool->count);
        return (char)('0' + (int)endpoint->index);
    case DECIDE_WAIT:
        return 'w';
    case DECIDE_NONE:
        return 'n';
    }
    return '?';
}

static void every_row_is_decided_as_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = make(&rows[i]);
        const struct pool *pool = &fleet->pools[0];

        set_up(&rows[i], pool);
        if (rows[i].tried[0])
            atomic_store(&pool->state->cursor, 1); /* its first try took a turn */
        for (size_t j = 0; rows[i].chosen[j]; j++) {
            char got = decided(&rows[i], pool);

            if (got != rows[i].chosen[j])
                fail_msg("%s: decision %zu is %c", rows[i].why, j, got);
        }
        if (atomic_load(&pool->state->panicking) != rows[i].panicking)
            fail_msg("%s: panicking %d", rows[i].why, !rows[i].panicking);
        fleet_unref(fleet);
    }
}

/* What each endpoint of a pool has to prefill: half seconds, or 'c': little of three requests that
 * fill more than a step. */
static const struct {
    const char *why, *queued;
    enum decide_room room;
    char chosen; /* index, or 'w': it waits */
    char best;   /* who it would be */
} room_rows[] = {
    { "the least before it", "320", DECIDE_ROOM_IGNORED, '2', '2' },
    { "the best has room", "331", DECIDE_ROOM_OF_BEST, '2', '2' },
    { "nobody has", "354", DECIDE_ROOM_OF_BEST, 'w', '0' },
    { "nobody has, and any would do", "354", DECIDE_ROOM_OF_ANY, 'w', '0' },
    { "another has, it waits for the best", "c25", DECIDE_ROOM_OF_BEST, 'w', '0' },
    { "another has, and any will do", "c25", DECIDE_ROOM_OF_ANY, '1', '1' },
    { "nothing is asked of it", "c25", DECIDE_ROOM_IGNORED, '0', '0' },
};

static void queue(struct signals *signals, char what)
{
    for (int i = 0; i < (what == 'c' ? 3 : what > '0'); i++) {
        struct share share = { 0 };
        double seconds = what == 'c' ? 0.01 : (what - '0') * 0.5;

        signals_sent(signals, &share, 9000, 9000, seconds, NOW);
    }
}

static void the_cheapest_with_room_is_chosen(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(room_rows); i++) {
        struct fleet *fleet = rig_fleet(three, NULL, NULL);
        const struct pool *pool = &fleet->pools[0];
        const struct endpoint *endpoint = NULL;
        struct decide_call call = {
            .pool = pool, .now_us = NOW, .tokens = 1000, .output = 100, .room = room_rows[i].room
        };
        struct choice choice;
        char got;

        for (size_t j = 0; j < pool->count; j++)
            queue(&pool->endpoints[j].state->signals, room_rows[i].queued[j]);
        got = decide(decision, &call, &endpoint, &choice) == DECIDE_CHOSEN
                  ? (char)('0' + (int)endpoint->index)
                  : 'w';
        if (got != room_rows[i].chosen)
            fail_msg("%s: %c", room_rows[i].why, got);
        if (decision->left[decision->best] != (uint32_t)(room_rows[i].best - '0'))
            fail_msg("%s: the best is %u", room_rows[i].why, decision->left[decision->best]);
        assert_true(decision->priced);
        if (got != 'w')
            assert_true(choice.priced && choice.prefill_s > 0.0628 && choice.prefill_s < 0.07);
        call.room = DECIDE_ROOM_OF_ANY;
        if (decide_may_find_room(pool, NOW) !=
            (decide(decision, &call, &endpoint, &choice) == DECIDE_CHOSEN))
            fail_msg("%s: whether there may be room", room_rows[i].why);
        fleet_unref(fleet);
    }
}

/* What engines say of a model: '-' nothing, 'n' they do not list it, 's' they do, 'l' it is loaded.
 */
static const struct {
    const char *why, *said, *chosen;
} model_rows[] = {
    { "nothing is known", "---", "012" },
    { "who does not list it gets nothing", "nsn", "1" },
    { "unknown is not absent", "n-n", "1" },
    { "nobody lists it: they may be wrong", "nnn", "012" },
    { "where it is loaded it is cheapest", "sls", "1" },
    { "listed everywhere and loaded nowhere", "sss", "012" },
};

static void say(struct adapters *adapters, uint64_t key, char what)
{
    uint64_t other = 77;

    if (what != '-')
        adapters_set_served(adapters, what == 'n' ? &other : &key, 1);
    if (what == 'l')
        adapters_set_loaded(adapters, &key, 1);
}

static void endpoints_without_the_model_get_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(model_rows); i++) {
        struct fleet *fleet = rig_fleet(three, NULL, NULL);
        const struct pool *pool = &fleet->pools[0];
        struct decide_call call = { .pool = pool, .now_us = NOW, .tokens = 100, .model = 5 };

        for (size_t j = 0; j < pool->count; j++)
            say(&pool->endpoints[j].state->adapters, call.model, model_rows[i].said[j]);
        for (int n = 0; n < 30; n++) {
            const struct endpoint *endpoint;
            struct choice choice;

            assert_int_equal(decide(decision, &call, &endpoint, &choice), DECIDE_CHOSEN);
            if (!strchr(model_rows[i].chosen, '0' + (int)endpoint->index))
                fail_msg("%s: %u", model_rows[i].why, endpoint->index);
        }
        fleet_unref(fleet);
    }
}

#define SESSIONS 300

static uint32_t endpoint_of(const struct pool *pool, uint64_t session)
{
    struct decide_call call = { .pool = pool, .now_us = NOW, .session = session };
    const struct endpoint *endpoint;
    struct choice choice;

    assert_int_equal(decide(decision, &call, &endpoint, &choice), DECIDE_CHOSEN);
    return endpoint->index;
}

/* In its absence only its own sessions move, each to one other; and they come back to it. */
static void sessions_stay_at_their_endpoints(void **state)
{
    struct fleet *fleet =
        rig_fleet("pools: [ { name: p, health: { slow_return: 0s }, route: round_robin,\n"
                  "  endpoints: [ \"http://a\", \"http://b\", \"http://c\" ] } ]\n"
                  "models: [ { name: m, pool: p } ]\n",
                  NULL, NULL);
    const struct pool *pool = &fleet->pools[0];
    uint32_t homes[SESSIONS], counts[3] = { 0 };

    (void)state;
    for (uint64_t i = 0; i < SESSIONS; i++)
        counts[homes[i] = endpoint_of(pool, i + 1)]++;
    for (size_t i = 0; i < 3; i++)
        assert_in_range(counts[i], SESSIONS / 4, SESSIONS / 2);
    atomic_store(&pool->endpoints[1].state->probe_failing, true);
    for (uint64_t i = 0; i < SESSIONS; i++) {
        uint32_t now = endpoint_of(pool, i + 1);

        if (homes[i] == 1)
            assert_int_not_equal(now, 1);
        else
            assert_int_equal(now, homes[i]);
    }
    atomic_store(&pool->endpoints[1].state->probe_failing, false);
    for (uint64_t i = 0; i < SESSIONS; i++)
        assert_int_equal(endpoint_of(pool, i + 1), homes[i]);
    fleet_unref(fleet);
}

static void one_that_returns_gets_its_share(void **state)
{
    struct fleet *fleet = rig_fleet("pools: [ { name: p, route: round_robin, health: { slow_return:"
                                    " 10s }, endpoints: [ \"http://a\", \"http://b\" ] } ]\n"
                                    "models: [ { name: m, pool: p } ]\n",
                                    NULL, NULL);
    const struct pool *pool = &fleet->pools[0];
    struct decide_call call = { .pool = pool, .now_us = NOW };
    const struct endpoint *endpoint;
    struct choice choice;
    size_t counts[2] = { 0, 0 };

    (void)state;
    atomic_store(&pool->endpoints[1].state->returned_us, NOW - 5 * CLOCK_US_PER_S);
    for (int i = 0; i < 320; i++) {
        assert_int_equal(decide(decision, &call, &endpoint, &choice), DECIDE_CHOSEN);
        counts[endpoint->index]++;
    }
    assert_in_range(counts[1], 70, 90); /* half of the half that one of two gets */
    fleet_unref(fleet);
}

static uint32_t looked_at(struct decide_call *call)
{
    const struct endpoint *endpoint;
    struct choice choice;

    call->looks = true;
    assert_int_equal(decide(decision, call, &endpoint, &choice), DECIDE_CHOSEN);
    return endpoint->index;
}

/* Many wait, each is looked at many times, and one at a time goes. */
static void who_waits_takes_a_turn_when_it_goes(void **state)
{
    static const char *const routes[] = { "round_robin", "least_requests", "price" };

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(routes); r++) {
        struct fleet *fleet;
        struct decide_call call = { .now_us = NOW, .tokens = 100 };
        uint32_t counts[4] = { 0 };
        char text[256];

        snprintf(text, sizeof(text),
                 "pools: [ { name: p, route: %s, endpoints: [ http://a, http://b, http://c, "
                 "http://d ] } ]\nmodels: [ { name: m, pool: p } ]\n",
                 routes[r]);
        fleet = rig_fleet(text, NULL, NULL);
        call.pool = &fleet->pools[0];
        for (int n = 0; n < 400; n++) {
            uint32_t goes = looked_at(&call);

            for (int look = 0; look < 63; look++)
                assert_int_equal(looked_at(&call), goes);
            counts[goes]++;
            decide_take_turn(&call);
        }
        for (size_t i = 0; i < ARRAY_LEN(counts); i++)
            if (counts[i] < 60 || counts[i] > 140)
                fail_msg("%s: %zu got %u of 400", routes[r], i, counts[i]);
        fleet_unref(fleet);
    }
}

static void an_empty_pool_has_nobody(void **state)
{
    struct fleet *fleet = rig_fleet("pools: [ { name: p, endpoints: [ \"dns:http://a\" ] } ]\n"
                                    "models: [ { name: m, pool: p } ]\n",
                                    NULL, NULL);
    struct row row = { .pin = -1, .tried = "" };

    (void)state;
    assert_int_equal(decided(&row, &fleet->pools[0]), 'n');
    fleet_unref(fleet);
}

static void the_last_place_is_taken_once(void **state)
{
    struct fleet *fleet = rig_fleet("pools: [ { name: p, endpoints: [ \"http://a\" ] } ]\n"
                                    "models: [ { name: m, pool: p } ]\n",
                                    NULL, NULL);
    const struct endpoint *endpoint = &fleet->pools[0].endpoints[0];

    (void)state;
    assert_true(endpoint_enter(endpoint, 2));
    assert_true(endpoint_enter(endpoint, 2));
    assert_false(endpoint_enter(endpoint, 2));
    assert_true(endpoint_enter(endpoint, 0));
    assert_int_equal(atomic_load(&endpoint->state->inflight), 3);
    for (int i = 0; i < 3; i++)
        endpoint_leave(endpoint);
    assert_int_equal(atomic_load(&endpoint->state->inflight), 0);
    fleet_unref(fleet);
}

/* Who has it already said what endpoints hold is believed; nobody is asked. */
static void matches_that_are_given_are_believed(void **state)
{
    struct fleet *fleet =
        rig_fleet("pools: [ { name: p, endpoints: [ \"http://a\", \"http://b\" ] } ]\n"
                  "models: [ { name: m, pool: p } ]\n",
                  NULL, NULL);
    uint64_t keys[60] = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t holder = i % 2, guesses = i / 2;
        struct prefix_match matches[2] = { { 0 }, { 0 } };
        struct decide_call call = {
            .pool = &fleet->pools[0],
            .now_us = NOW,
            .tokens = 1000,
            .prompt = { .keys = keys, .count = 60, .block = 16, .tokens = 1000 },
            .matches = matches,
        };
        const struct endpoint *endpoint;
        struct choice choice;

        matches[holder] = (struct prefix_match){ .blocks = 60, .speculative = guesses };
        assert_int_equal(decide(decision, &call, &endpoint, &choice), DECIDE_CHOSEN);
        assert_int_equal(endpoint->index, holder);
        assert_int_equal(choice.cached_tokens, 960);
        assert_int_equal(choice.known_blocks, guesses ? 0 : 60);
    }
    fleet_unref(fleet);
}

/* The first endpoint has nearly all of the prompt, and a queue a tenth of a second long. */
static uint32_t behind_a_queue(struct decide_call *call)
{
    struct signals *signals = &call->pool->endpoints[0].state->signals;
    const struct endpoint *endpoint;
    struct share share = { 0 };
    struct choice choice;

    signals_sent(signals, &share, 1000, 1000, 0.1, NOW);
    assert_int_equal(decide(decision, call, &endpoint, &choice), DECIDE_CHOSEN);
    signals_ended(signals, &share, NOW);
    return endpoint->index;
}

/* What one asks for waits where it is cached; what many ask for is computed once more elsewhere. */
static void what_many_ask_for_gets_another_copy(void **state)
{
    struct fleet *fleet =
        rig_fleet("pools: [ { name: p, endpoints: [ \"http://a\", \"http://b\" ] } ]\n"
                  "models: [ { name: m, pool: p } ]\n",
                  NULL, NULL);
    uint64_t keys[60] = { 0 };
    struct prefix_match matches[2] = { { .blocks = 60 }, { .blocks = 0 } };
    struct decide_call call = {
        .pool = &fleet->pools[0],
        .now_us = NOW,
        .tokens = 1000,
        .prompt = { .keys = keys, .count = 60, .block = 16, .tokens = 1000 },
        .matches = matches,
    };

    (void)state;
    keys[59] = 4711;
    call.again = true; /* the same exchange: it heats nothing */
    for (int i = 0; i < 50; i++)
        assert_int_equal(behind_a_queue(&call), 0);
    call.again = false;
    for (int i = 0; i < 50; i++)
        behind_a_queue(&call);
    assert_int_equal(behind_a_queue(&call), 1);
    call.now_us += 3600 * CLOCK_US_PER_S; /* long ago */
    call.again = true;
    assert_int_equal(behind_a_queue(&call), 0);
    fleet_unref(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_decided_as_it_says),
        cmocka_unit_test(the_cheapest_with_room_is_chosen),
        cmocka_unit_test(endpoints_without_the_model_get_nothing),
        cmocka_unit_test(sessions_stay_at_their_endpoints),
        cmocka_unit_test(one_that_returns_gets_its_share),
        cmocka_unit_test(who_waits_takes_a_turn_when_it_goes),
        cmocka_unit_test(an_empty_pool_has_nobody),
        cmocka_unit_test(matches_that_are_given_are_believed),
        cmocka_unit_test(what_many_ask_for_gets_another_copy),
        cmocka_unit_test(the_last_place_is_taken_once),
    };

    int failed;

    decision = decision_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    decision_free(decision);
    return failed;
}
