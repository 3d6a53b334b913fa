/*
 * Who is let go first: those that wait as rows, room as a number, the order as text.
 */
#include "routing/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS_MAX 16
#define NOW_US    100000000ull

struct waiter {
    struct hold_item item;
    char name;
    double cost_s;
    bool blocked; /* its best endpoint has no room, others do */
};

struct rig {
    struct hold hold;
    struct waiter waiters[ITEMS_MAX];
    size_t count;
    int room;   /* for so many more */
    bool taken; /* ... which somebody else takes first */
    size_t looked;
    char order[ITEMS_MAX + 1];
};

static bool place(void *user, struct hold_item *item, bool any, double *ret_cost_s)
{
    struct rig *rig = user;
    const struct waiter *waiter = CONTAINER_OF(item, struct waiter, item);

    rig->looked++;
    *ret_cost_s = waiter->cost_s;
    return rig->room > 0 && (any || !waiter->blocked);
}

static bool release(void *user, struct hold_item *item)
{
    struct rig *rig = user;
    const struct waiter *waiter = CONTAINER_OF(item, struct waiter, item);
    char one[2] = { waiter->name, 0 };

    if (rig->taken)
        return false;
    strcat(rig->order, one);
    rig->room--;
    hold_charge(&rig->hold, item->tenant, waiter->cost_s);
    return true;
}

/* A waiter: "a:cost_s[,w seconds waited][,t tenant][,s source][,r rank][,b]". */
static enum hold_answer add_at(struct rig *rig, const char *text, uint64_t now_us)
{
    struct waiter *waiter = &rig->waiters[rig->count++];

    *waiter = (struct waiter){ .name = text[0], .cost_s = atof(text + 2) };
    waiter->item.since_us = NOW_US;
    for (const char *at = strchr(text, ','); at; at = strchr(at + 1, ',')) {
        if (at[1] == 'w')
            waiter->item.since_us = NOW_US - (uint64_t)(atof(at + 2) * 1e6);
        else if (at[1] == 't')
            waiter->item.tenant = (uint64_t)atoi(at + 2);
        else if (at[1] == 's')
            waiter->item.source = (uint64_t)atoi(at + 2);
        else if (at[1] == 'r')
            waiter->item.rank = atoi(at + 2);
        else
            waiter->blocked = true;
    }
    waiter->item.deadline_us = waiter->item.since_us + 50000000;
    waiter->item.cost_s = waiter->cost_s;
    return hold_add(&rig->hold, &waiter->item, now_us);
}

static bool add(struct rig *rig, const char *text)
{
    return add_at(rig, text, NOW_US) == HOLD_ADDED;
}

static void rig_init(struct rig *rig, const struct hold_conf *conf)
{
    *rig = (struct rig){ .room = ITEMS_MAX };
    hold_init(&rig->hold, conf, place, release, rig);
}

static void rig_release(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        if (rig->waiters[i].item.queue)
            hold_remove(&rig->hold, &rig->waiters[i].item);
    hold_release(&rig->hold);
}

/* With nothing left to do. */
static void turn(struct rig *rig, uint64_t now_us)
{
    assert_false(hold_turn(&rig->hold, now_us));
}

static const struct hold_conf conf = { .length = 12,
                                       .tenant_length = 8,
                                       .source_length = 10,
                                       .look = 4,
                                       .releases = ITEMS_MAX,
                                       .age = 10,
                                       .fair_s = 5 };

static const struct {
    const char *why;
    const char *waiters[ITEMS_MAX];
    int room;
    const char *order;
} rows[] = {
    { "the least to compute", { "a:3", "b:1", "c:2" }, 9, "bca" },
    { "no room", { "a:1" }, 0, "" },
    { "room for one", { "a:3", "b:1" }, 1, "b" },
    { "ten seconds are worth one", { "a:3,w9", "b:2" }, 1, "b" },
    { "and a little more is enough", { "a:3,w11", "b:2" }, 1, "a" },
    { "the oldest of equals", { "a:1", "b:1", "c:1" }, 9, "abc" },
    { "rank before anything", { "a:1,w40", "b:9,r1", "c:5,r-1" }, 9, "bac" },
    { "a higher rank without room stops nobody", { "a:1", "b:9,r1,b" }, 9, "a" },
    { "its best has no room", { "a:1,b", "b:2" }, 9, "b" },
    { "past the deadline any will do", { "a:1,b,w50", "b:2" }, 9, "ab" },
    { "a tenant that had more than its part",
      { "a:1,t1", "b:6,t2", "c:1,t2", "d:2,t1", "e:4,t1", "f:4,t1" },
      9,
      "acdebf" },
    { "a flood that waited for its own is not older than another tenant's one",
      { "a:1,t1,w9", "b:1,t1,w9", "c:1,t1,w9", "z:1,t2,w1" },
      9,
      "azbc" },
    { "only so many are looked at", { "a:5", "b:4", "c:3", "d:2", "e:1" }, 1, "d" },
    { "of each tenant one at least", { "a:5,t1", "b:1,t1", "c:4,t2", "d:4,t3", "e:3,t4" }, 1, "e" },
};

static void order_of_release(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;

        rig_init(&rig, &conf);
        for (size_t j = 0; rows[i].waiters[j]; j++)
            assert_true(add(&rig, rows[i].waiters[j]));
        rig.room = rows[i].room;
        turn(&rig, NOW_US);
        if (strcmp(rig.order, rows[i].order) != 0)
            fail_msg("%s: %s, not %s", rows[i].why, rig.order, rows[i].order);
        rig_release(&rig);
    }
}

/* One tenant's flood, and one request of another. */
static void a_flood_hides_nobody(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    for (char name = 'a'; name < 'i'; name++)
        assert_true(add(&rig, (char[]){ name, ':', '2', ',', 't', '1', 0 }));
    assert_true(add(&rig, "z:1,t2"));
    rig.room = 1;
    turn(&rig, NOW_US);
    assert_string_equal(rig.order, "z");
    rig_release(&rig);
}

/* Tenant 1 was served for long while tenant 2 was away: that saves tenant 2 nothing up, and does
 * not make tenant 1 wait for it for ever. */
static void a_pause_saves_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    hold_charge(&rig.hold, 1, 1000);
    assert_true(add(&rig, "a:1,t1"));
    assert_true(add(&rig, "b:4,t2"));
    assert_true(add(&rig, "c:4,t2"));
    assert_true(add(&rig, "d:4,t2"));
    turn(&rig, NOW_US);
    assert_string_equal(rig.order, "abcd");
    rig_release(&rig);
}

static void limits_are_kept(void **state)
{
    struct rig rig;
    size_t added = 0;

    (void)state;
    rig_init(&rig, &conf);
    for (; added < 8; added++)
        assert_true(add(&rig, "a:1,t1"));
    assert_int_equal(add_at(&rig, "b:1,t1", NOW_US), HOLD_TENANT_FULL);
    for (; added < 12; added++)
        assert_true(add(&rig, "c:1,t2"));
    assert_int_equal(add_at(&rig, "d:1,t3", NOW_US), HOLD_FULL);
    rig.room = 1;
    turn(&rig, NOW_US);
    rig.room = 0;
    assert_int_equal(rig.hold.count, 11);
    assert_true(add(&rig, "e:1,t3"));
    rig_release(&rig);
}

/* However many tenants it makes up; those that come from elsewhere, or that somebody vouches for,
 * have what is left. */
static void a_source_has_its_part(void **state)
{
    struct rig rig;
    struct hold_item more = { .tenant = 50, .source = 7, .rank = 5 };

    (void)state;
    rig_init(&rig, &conf);
    for (int i = 0; i < 10; i++)
        assert_true(
            add(&rig, (char[]){ 'a', ':', '1', ',', 't', (char)('0' + i), ',', 's', '7', 0 }));
    assert_int_equal(add_at(&rig, "b:1,t20,s7", NOW_US), HOLD_TENANT_FULL);
    assert_true(add(&rig, "c:1,t20,s8"));
    assert_true(add(&rig, "d:1,t3"));
    assert_ptr_equal(hold_last(&rig.hold, &more), NULL); /* another's place is not for it */
    hold_remove(&rig.hold, &rig.waiters[0].item);
    assert_true(add(&rig, "e:1,t20,s7"));
    assert_ptr_equal(hold_last(&rig.hold, &more), &rig.waiters[13].item);
    rig_release(&rig);
    assert_int_equal(rig.hold.sources.count, 0);
}

static void the_lowest_rank_makes_way(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    assert_null(hold_last(&rig.hold, &(struct hold_item){ .rank = 5 }));
    assert_true(add(&rig, "a:1,r2"));
    assert_true(add(&rig, "b:1,r1"));
    assert_true(add(&rig, "c:1,r1"));
    assert_null(hold_last(&rig.hold, &(struct hold_item){ .rank = 1 }));
    assert_ptr_equal(hold_last(&rig.hold, &(struct hold_item){ .rank = 2 }), &rig.waiters[2].item);
    rig_release(&rig);
}

/* Nor does another's make way for one that its own tenant's part has no place for. */
static void who_has_his_part_takes_no_other_tenants(void **state)
{
    const struct hold_item more = { .tenant = 1, .rank = 5 };
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    assert_true(add(&rig, "a:1,t2"));
    for (size_t i = 0; i < conf.tenant_length; i++) {
        assert_ptr_equal(hold_last(&rig.hold, &more), &rig.waiters[0].item);
        assert_true(add(&rig, "b:1,t1,r1"));
    }
    assert_ptr_equal(hold_last(&rig.hold, &more), &rig.waiters[conf.tenant_length].item);
    assert_null(hold_last(&rig.hold, &(struct hold_item){ .tenant = 1, .rank = 1 }));
    assert_false(add(&rig, "c:1,t1,r-1"));
    hold_remove(&rig.hold, &rig.waiters[0].item);
    assert_ptr_equal(hold_last(&rig.hold, &more), &rig.waiters[conf.tenant_length].item);
    rig_release(&rig);
}

/* Counters of tenants that are gone are forgotten, those of tenants that wait never. */
static void tenants_are_bounded(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    assert_true(add(&rig, "a:1,t7,b"));
    for (uint64_t id = 100; id < 100000; id++)
        hold_charge(&rig.hold, id, 1);
    assert_true(rig.hold.tenants_map.count <= 4096);
    assert_non_null(rig.waiters[0].item.queue);
    rig_release(&rig);
}

static void work_is_bounded(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    for (int i = 0; i < 12; i++)
        assert_true(add(&rig, (char[]){ 'a', ':', '1', ',', 't', (char)('1' + i % 6), 0 }));
    rig.room = 0;
    turn(&rig, NOW_US);
    assert_int_equal(rig.looked, conf.look);
    rig_release(&rig);
}

/* Everybody has room at once: the rest goes in the next turns. */
static void a_turn_lets_only_so_many_go(void **state)
{
    struct hold_conf few = conf;
    struct rig rig;

    (void)state;
    few.releases = 2;
    rig_init(&rig, &few);
    for (char name = 'a'; name < 'f'; name++)
        assert_true(add(&rig, (char[]){ name, ':', '1', 0 }));
    assert_true(hold_turn(&rig.hold, NOW_US));
    assert_string_equal(rig.order, "ab");
    assert_true(rig.looked <= (size_t)few.releases * few.look);
    assert_true(hold_turn(&rig.hold, NOW_US));
    assert_string_equal(rig.order, "abcd");
    turn(&rig, NOW_US);
    assert_string_equal(rig.order, "abcde");
    rig_release(&rig);
}

/* Somebody else was faster: it stays, with its turn. */
static void room_that_is_gone_lets_nobody_go(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &conf);
    assert_true(add(&rig, "a:1"));
    rig.taken = true;
    turn(&rig, NOW_US);
    assert_int_equal(rig.hold.count, 1);
    rig.taken = false;
    turn(&rig, NOW_US);
    assert_string_equal(rig.order, "a");
    rig_release(&rig);
}

/* Seconds that pass, a letter a second: one is let go, or '.'; then how long a newcomer waits. */
static const struct {
    const char *why;
    const char *waiters[ITEMS_MAX];
    const char *seconds;
    int rank;
    double least_s, most_s;
} waits[] = {
    { "nobody waits", { NULL }, "......", 0, 0, 0 },
    { "too little was seen", { "a:1", "b:1" }, "...", 0, 0, 0 },
    { "nothing moves", { "a:1", "b:1" }, "......", 0, HOLD_LONGEST_S, HOLD_LONGEST_S },
    { "one a second, four are left",
      { "a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1,t2", "j:1,t2" },
      "xxxxxx",
      0,
      3.9,
      4.1 },
    { "in seconds to compute, not in requests",
      { "a:2", "b:2", "c:2", "d:8" },
      ".x.x.x",
      0,
      7.5,
      8.5 },
    { "lower ranks are behind it", { "a:1", "b:1", "c:1", "d:9,r-1" }, ".x.x.x", 0, 0, 0 },
    { "and it is behind higher ones", { "a:9,r1,b", "b:1", "c:1", "d:1" }, ".x.x.x", 0, 17, 19 },
};

static void the_wait_is_predicted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        struct rig rig;
        uint64_t now_us = NOW_US;
        double wait_s;

        rig_init(&rig, &conf);
        for (size_t j = 0; waits[i].waiters[j]; j++)
            assert_true(add(&rig, waits[i].waiters[j]));
        for (const char *at = waits[i].seconds; *at; at++) {
            now_us += 1000000;
            rig.room = *at == 'x';
            turn(&rig, now_us);
        }
        wait_s = hold_predict_s(&rig.hold, waits[i].rank, now_us);
        if (wait_s < waits[i].least_s || wait_s > waits[i].most_s)
            fail_msg("%s: %g s", waits[i].why, wait_s);
        rig_release(&rig);
    }
}

/* An hour in which nobody waits says nothing of how fast those get away who do. */
static void an_idle_time_does_not_count(void **state)
{
    struct rig rig;
    double wait_s;

    (void)state;
    rig_init(&rig, &conf);
    for (int i = 0; i < 6; i++)
        assert_true(add(&rig, "a:1"));
    for (int i = 1; i <= 6; i++) {
        rig.room = 1;
        turn(&rig, NOW_US + (uint64_t)i * 1000000);
    }
    assert_int_equal(rig.hold.count, 0);
    assert_int_equal(add_at(&rig, "z:3", NOW_US + 3600000000ull), HOLD_ADDED);
    wait_s = hold_predict_s(&rig.hold, 0, NOW_US + 3600000000ull);
    assert_true(wait_s > 2.9 && wait_s < 3.1);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_release),
        cmocka_unit_test(a_flood_hides_nobody),
        cmocka_unit_test(a_pause_saves_nothing),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_source_has_its_part),
        cmocka_unit_test(tenants_are_bounded),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(a_turn_lets_only_so_many_go),
        cmocka_unit_test(room_that_is_gone_lets_nobody_go),
        cmocka_unit_test(the_lowest_rank_makes_way),
        cmocka_unit_test(who_has_his_part_takes_no_other_tenants),
        cmocka_unit_test(the_wait_is_predicted),
        cmocka_unit_test(an_idle_time_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
