/*
 * Who holds what, as workers ask it: fleets come and go, endpoints have events or a model, usage
 * teaches what a match is worth.
 */
#include "routing/holdings.h"

#include "gateway/base/clock.h"
#include "gateway/prompt/pipeline.h"
#include "routing/cache_scope.h"
#include "tests/engine/kv_batch.c" /* the engine is a program, not a library */
#include "tests/unit/fleet_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <zmq.h>

#include <cmocka.h>

#define SEED    3
#define BLOCK   16
#define BLOCKS  8
#define WAIT_US (20 * CLOCK_US_PER_S)

static const struct directive_set *const sets[] = { &models_set, &pools_set, &pipeline_set,
                                                    &holdings_set, NULL };

static struct fleet *fleet_from(const char *text, const struct fleet *before)
{
    struct buf errors;
    struct conf *conf;
    struct fleet *fleet;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("test.yaml", slice_str(text), sets, &errors);
    if (!conf)
        fail_msg("%.*s", SLICE_ARGS(buf_join(&errors)));
    fleet = fleet_new(conf, NULL, before, 2, &errors);
    assert_non_null(fleet);
    conf_unref(conf);
    buf_release(&errors);
    return fleet;
}

struct rig {
    struct fleet *fleet;
    struct holdings *holdings;
    uint32_t tokens[BLOCKS * BLOCK];
    uint64_t keys[BLOCKS];
    struct holdings_prompt prompt;
};

static void rig_follow(struct rig *rig, const char *text)
{
    struct fleet *before = rig->fleet;

    rig->fleet = fleet_from(text, before);
    if (!rig->holdings)
        rig->holdings = holdings_new(rig->fleet->conf);
    fleet_retire(before, rig->fleet);
    holdings_follow(rig->holdings, rig->fleet, SEED);
    fleet_unref(before);
}

static void rig_init(struct rig *rig, const char *text)
{
    struct blocks_scope scope = cache_scope(SEED, SLICE("p"), slice_of(NULL, 0), slice_of(NULL, 0));

    memset(rig, 0, sizeof(*rig));
    for (uint32_t t = 0; t < ARRAY_LEN(rig->tokens); t++)
        rig->tokens[t] = t * 7919 % 50000;
    blocks_hash(blocks_seed(&scope), rig->tokens, BLOCKS * BLOCK, BLOCK, rig->keys);
    rig->prompt = (struct holdings_prompt){ .keys = rig->keys,
                                            .count = BLOCKS,
                                            .block = BLOCK,
                                            .tokens = BLOCKS * BLOCK + 1,
                                            .events_know = true };
    rig_follow(rig, text);
}

static void rig_release(struct rig *rig)
{
    fleet_unref(rig->fleet);
    holdings_free(rig->holdings);
}

static const struct endpoint *endpoint_at(const struct rig *rig, size_t i)
{
    return &rig->fleet->pools[0].endpoints[i];
}

static struct prefix_match match_of(const struct rig *rig, size_t endpoint)
{
    struct prefix_match matches[4];

    assert_true(rig->fleet->pools[0].count <= ARRAY_LEN(matches));
    holdings_match(rig->holdings, &rig->fleet->pools[0], &rig->prompt, matches);
    return matches[endpoint];
}

/* What of its match an engine finds. */
static struct prefix_match found_of(const struct rig *rig, size_t endpoint)
{
    struct prefix_match match = match_of(rig, endpoint), found;

    holdings_findable(endpoint_at(rig, endpoint), &rig->prompt, &match, &found);
    return found;
}

/* The index thread is soon there, not at once. */
static void wait_match(const struct rig *rig, size_t endpoint, uint32_t blocks,
                       uint32_t speculative)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    for (;;) {
        struct prefix_match match = found_of(rig, endpoint);

        if (match.blocks == blocks && match.speculative == speculative)
            return;
        if (clock_now_us() > until_us)
            fail_msg("%u blocks are held, %u of them speculative, not %u, %u", match.blocks,
                     match.speculative, blocks, speculative);
        poll(NULL, 0, 1);
    }
}

static const char two[] =
    "models: [ { name: m, pool: p } ]\n"
    "pools: [ { name: p, kv_cache_tokens: 256,\n"
    "           endpoints: [ \"http://127.0.0.1:1\", \"http://127.0.0.1:2\" ] } ]\n";

static void expect(const struct rig *rig, size_t endpoint, uint64_t tokens)
{
    struct prefix_match match = match_of(rig, endpoint);

    assert_int_equal(holdings_expected(endpoint_at(rig, endpoint), &rig->prompt, &match), tokens);
}

/* A second time only what is behind the known blocks is guessed. */
static void what_is_known_is_not_guessed_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, two);
    rig.prompt.count = BLOCKS / 2;
    holdings_computed(endpoint_at(&rig, 1), &rig.prompt);
    wait_match(&rig, 1, BLOCKS / 2, 0);
    rig.prompt.count = BLOCKS;
    expect(&rig, 1, BLOCKS / 2 * BLOCK);
    holdings_sent(rig.holdings, endpoint_at(&rig, 1), &rig.prompt, BLOCKS / 2,
                  clock_now_us() + WAIT_US);
    wait_match(&rig, 1, BLOCKS, BLOCKS - BLOCKS / 2);
    rig_release(&rig);
}

static void what_was_sent_is_expected_and_then_held_by_that_endpoint(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, two);
    assert_int_equal(found_of(&rig, 0).blocks, 0);
    holdings_sent(rig.holdings, endpoint_at(&rig, 1), &rig.prompt, 0, clock_now_us() + WAIT_US);
    wait_match(&rig, 1, BLOCKS, BLOCKS);
    assert_int_equal(found_of(&rig, 0).blocks, 0);
    expect(&rig, 1, 0);
    holdings_computed(endpoint_at(&rig, 1), &rig.prompt);
    wait_match(&rig, 1, BLOCKS, 0);
    expect(&rig, 1, BLOCKS * BLOCK);
    rig.prompt.tokens = BLOCKS * BLOCK; /* the last token is always computed */
    expect(&rig, 1, (BLOCKS - 1) * BLOCK);
    assert_int_equal(found_of(&rig, 1).blocks, BLOCKS - 1);
    holdings_lost(endpoint_at(&rig, 1));
    wait_match(&rig, 1, 0, 0);
    rig_release(&rig);
}

static void a_cache_has_the_room_that_is_said(void **state)
{
    struct rig rig;
    uint64_t others[12];

    (void)state;
    rig_init(&rig, two);
    holdings_computed(endpoint_at(&rig, 0), &rig.prompt);
    wait_match(&rig, 0, BLOCKS, 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        others[i] = i + 1;
    holdings_computed(endpoint_at(&rig, 0),
                      &(struct holdings_prompt){ .keys = others, .count = 12, .block = BLOCK });
    wait_match(&rig, 0, 4, 0); /* 256 tokens are 16 blocks */
    rig_release(&rig);
}

/* Of 128 tokens so many were found. */
static void learn(struct rig *rig, uint64_t found)
{
    holdings_learn(endpoint_at(rig, 0), &rig->prompt, 128,
                   &(struct holdings_report){ .tokens = 129, .cached = found });
}

static struct holdings_view view_of(const struct rig *rig, size_t endpoint)
{
    struct holdings_view view;

    assert_true(holdings_look(endpoint_at(rig, endpoint), &view));
    return view;
}

static void usage_teaches_what_a_match_is_worth(void **state)
{
    struct rig rig;
    const struct endpoint *endpoint;

    (void)state;
    rig_init(&rig, two);
    endpoint = endpoint_at(&rig, 0);
    holdings_computed(endpoint, &rig.prompt);
    wait_match(&rig, 0, BLOCKS, 0);
    for (int i = 0; i < 3; i++) /* found 7 of 8: as good as all */
        learn(&rig, 112);
    assert_int_equal(found_of(&rig, 0).blocks, BLOCKS);
    for (int i = 0; i < 20; i++) /* more than there are: such a word teaches nothing */
        learn(&rig, 1000000);
    assert_int_equal(found_of(&rig, 0).blocks, BLOCKS);
    assert_int_equal(view_of(&rig, 0).expected_tokens, 3 * 128);
    for (int i = 0; i < 100; i++)
        learn(&rig, 0);
    wait_match(&rig, 0, 0, 0);
    rig_release(&rig);
}

/* ---- events ---- */

struct publisher {
    void *zmq, *pub;
    char url[64]; /* a pattern: engines of 127.0.0.1 and .2 publish there */
    struct kv_batches batches;
};

static void publisher_init(struct publisher *publisher)
{
    char url[64];
    size_t size = sizeof(url);
    int linger = 0;

    publisher->zmq = zmq_ctx_new();
    publisher->pub = zmq_socket(publisher->zmq, ZMQ_PUB);
    zmq_setsockopt(publisher->pub, ZMQ_LINGER, &linger, sizeof(linger));
    assert_int_equal(zmq_bind(publisher->pub, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(publisher->pub, ZMQ_LAST_ENDPOINT, url, &size), 0);
    snprintf(publisher->url, sizeof(publisher->url), "tcp://{host}%s", strrchr(url, ':'));
    snprintf(url, sizeof(url), "tcp://127.0.0.2%s", strrchr(publisher->url, ':'));
    assert_int_equal(zmq_bind(publisher->pub, url), 0);
    kv_batches_init(&publisher->batches, 0, BLOCK, 64);
}

static void publisher_release(struct publisher *publisher)
{
    zmq_close(publisher->pub);
    zmq_ctx_term(publisher->zmq);
    kv_batches_release(&publisher->batches);
}

static void publish(struct publisher *publisher)
{
    const struct kv_batch *batch = kv_batches_flush(&publisher->batches);
    struct slice payload = buf_join((struct buf *)&batch->payload);
    char number[8];

    for (int i = 0; i < 8; i++)
        number[i] = (char)(batch->number >> 8 * (7 - i));
    zmq_send(publisher->pub, "kv@", 3, ZMQ_SNDMORE);
    zmq_send(publisher->pub, number, sizeof(number), ZMQ_SNDMORE);
    zmq_send(publisher->pub, payload.at, payload.len, 0);
}

/* Stored as pages of two blocks. */
static void store_prompt(struct publisher *publisher, const struct rig *rig)
{
    struct cache_listener *listener = &publisher->batches.listener;

    for (uint64_t page = 0; page < BLOCKS / 2; page++)
        listener->stored(listener, page ? page : 0, page + 1, rig->tokens + page * 2 * BLOCK);
    publish(publisher);
}

static void events_pool(const struct publisher *publisher, const char *endpoints, char *ret_text,
                        size_t size)
{
    snprintf(ret_text, size,
             "models: [ { name: m, pool: p } ]\n"
             "pools: [ { name: p, kv_events: \"%s\", endpoints: [ %s ] } ]\n",
             publisher->url, endpoints);
}

static void wait_heard(const struct rig *rig, size_t endpoint, struct publisher *publisher)
{
    uint64_t until_us = clock_now_us() + WAIT_US;

    while (!view_of(rig, endpoint).heard) {
        assert_true(clock_now_us() < until_us);
        publish(publisher);
        poll(NULL, 0, 1);
    }
}

static void events_are_believed_over_reloads_until_the_endpoint_leaves(void **state)
{
    struct publisher publisher;
    const struct endpoint_state *first;
    char text[512];
    struct rig rig;

    (void)state;
    publisher_init(&publisher);
    publisher.batches.block_size = 2 * BLOCK;
    events_pool(&publisher, "\"http://127.0.0.1:1\"", text, sizeof(text));
    rig_init(&rig, text);
    first = endpoint_at(&rig, 0)->state;
    wait_heard(&rig, 0, &publisher);
    store_prompt(&publisher, &rig);
    wait_match(&rig, 0, BLOCKS, 0);
    rig.prompt.tokens = BLOCKS * BLOCK; /* the last page has the token that is computed */
    assert_int_equal(found_of(&rig, 0).blocks, BLOCKS - 2);
    rig.prompt.tokens++;
    rig.prompt.events_know = false; /* keys of a tenant: no event comes to them */
    assert_int_equal(found_of(&rig, 0).blocks, 0);
    rig.prompt.events_know = true;
    events_pool(&publisher, "\"http://127.0.0.1:1\", \"http://127.0.0.2:2\"", text, sizeof(text));
    rig_follow(&rig, text);
    assert_ptr_equal(endpoint_at(&rig, 0)->state, first);
    assert_int_equal(found_of(&rig, 0).blocks, BLOCKS); /* at once: nothing was heard anew */
    events_pool(&publisher, "\"http://127.0.0.2:2\"", text, sizeof(text));
    rig_follow(&rig, text);
    wait_heard(&rig, 0, &publisher);
    assert_int_equal(found_of(&rig, 0).blocks, 0);
    rig_release(&rig);
    publisher_release(&publisher);
}

static void what_is_sent_is_speculation_until_events_confirm_it(void **state)
{
    struct publisher publisher;
    char text[512];
    struct rig rig;

    (void)state;
    publisher_init(&publisher);
    publisher.batches.block_size = 2 * BLOCK;
    events_pool(&publisher, "\"http://127.0.0.1:1\"", text, sizeof(text));
    rig_init(&rig, text);
    wait_heard(&rig, 0, &publisher);
    holdings_sent(rig.holdings, endpoint_at(&rig, 0), &rig.prompt, 0, clock_now_us() + WAIT_US);
    wait_match(&rig, 0, BLOCKS, BLOCKS);
    store_prompt(&publisher, &rig);
    wait_match(&rig, 0, BLOCKS, 0);
    rig_release(&rig);
    publisher_release(&publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_is_expected_and_then_held_by_that_endpoint),
        cmocka_unit_test(what_is_known_is_not_guessed_again),
        cmocka_unit_test(a_cache_has_the_room_that_is_said),
        cmocka_unit_test(usage_teaches_what_a_match_is_worth),
        cmocka_unit_test(events_are_believed_over_reloads_until_the_endpoint_leaves),
        cmocka_unit_test(what_is_sent_is_speculation_until_events_confirm_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
