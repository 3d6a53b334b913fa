/*
 * Maps, compared with a table that is searched from end to end; and SipHash by its published
 * values.
 */
#include "gateway/base/map.h"

#include "tests/unit/aborts.h"
#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 600

struct thing {
    char text[16];
    struct slice key;
    bool in_map;
};

static struct thing things[KEYS];

static void make_things(void)
{
    for (int i = 0; i < KEYS; i++) {
        things[i].key.len = (size_t)snprintf(things[i].text, sizeof(things[i].text), "key %d", i);
        things[i].key.at = things[i].text;
        things[i].in_map = false;
    }
}

static void assert_same(const struct map *map)
{
    size_t count = 0, walked = 0, at = 0;
    struct thing *thing;

    for (int i = 0; i < KEYS; i++) {
        assert_ptr_equal(map_get(map, things[i].key), things[i].in_map ? &things[i] : NULL);
        count += things[i].in_map;
    }
    while ((thing = map_next(map, &at))) {
        assert_true(thing->in_map);
        walked++;
    }
    assert_int_equal(map->count, count);
    assert_int_equal(walked, count);
}

static void maps_do_what_a_searched_table_does(void **state)
{
    uint64_t seed = 1;
    struct map map;

    (void)state;
    make_things();
    map_init(&map);
    for (int round = 0; round < 60000; round++) {
        /* fills up, then empties, so that gaps close in a full and in a thin table */
        uint64_t puts = round / 10000 % 2 ? 2 : 6;
        struct thing *thing = &things[random_below(&seed, KEYS)];
        void *before = thing->in_map ? thing : NULL;

        if (random_below(&seed, 8) < puts) {
            assert_ptr_equal(map_put(&map, thing->key, thing), before);
            thing->in_map = true;
        } else {
            assert_ptr_equal(map_remove(&map, thing->key), before);
            thing->in_map = false;
        }
        if (round % 500 == 0)
            assert_same(&map);
    }
    assert_same(&map);
    assert_true(map.size <= 2048); /* coming and going does not grow it */
    map_release(&map);
    assert_int_equal(map.count + map.size, 0);
}

static void an_empty_map_has_nothing_and_takes_no_memory(void **state)
{
    struct map map;
    size_t at = 0;

    (void)state;
    map_init(&map);
    assert_null(map_get(&map, SLICE("a")));
    assert_null(map_remove(&map, SLICE("a")));
    assert_null(map_next(&map, &at));
    assert_null(map.entries);
    map_release(&map);
}

static void keys_are_bytes(void **state)
{
    int a = 1, b = 2, c = 3;
    struct map map;

    (void)state;
    map_init(&map);
    map_put(&map, slice_of(NULL, 0), &a);
    map_put(&map, SLICE("x\0y"), &b);
    map_put(&map, SLICE("x\0z"), &c);
    assert_ptr_equal(map_get(&map, SLICE("")), &a);
    assert_ptr_equal(map_get(&map, SLICE("x\0y")), &b);
    assert_ptr_equal(map_get(&map, SLICE("x\0z")), &c);
    assert_null(map_get(&map, SLICE("x")));
    assert_ptr_equal(map_put(&map, SLICE("x\0y"), &c), &b);
    assert_int_equal(map.count, 3);
    map_release(&map);
}

/* The key of a value that replaces another is the new one: the old value may be freed with its key.
 */
static void a_replaced_value_takes_its_key_along(void **state)
{
    char *old = strdup("name"), *new = strdup("name");
    struct map map;

    (void)state;
    map_init(&map);
    map_put(&map, slice_str(old), old);
    assert_ptr_equal(map_put(&map, slice_str(new), new), old);
    free(old);
    assert_ptr_equal(map_get(&map, SLICE("name")), new);
    map_release(&map);
    free(new);
}

/*
 * SipHash-1-3 of 0, 1, 2, ... with the key 00 01 ... 0f. Rust's tests of its SipHasher13
 * (core, tests/hash/sip.rs) have the same table.
 */
static void siphash_gives_the_published_values(void **state)
{
    static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {
        { 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },  { 7, 0xd3927d989bb11140 },
        { 8, 0x369095118d299a8e },  { 9, 0x25a48eb36c063de4 },  { 15, 0xd320d86d2a519956 },
        { 16, 0xcc4fdd1a7d908b66 }, { 63, 0x9d199062b7bbb3a8 },
    };
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(map_siphash(key, slice_of(bytes, rows[i].len)) == rows[i].hash);
}

static void put_nothing(void)
{
    struct map map;

    map_init(&map);
    map_put(&map, SLICE("a"), NULL);
}

static void a_value_is_never_null(void **state)
{
    (void)state;
    assert_true(aborts(put_nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_do_what_a_searched_table_does),
        cmocka_unit_test(an_empty_map_has_nothing_and_takes_no_memory),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(a_replaced_value_takes_its_key_along),
        cmocka_unit_test(siphash_gives_the_published_values),
        cmocka_unit_test(a_value_is_never_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
