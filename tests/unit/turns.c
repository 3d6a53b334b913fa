/*
 * Turn reuse with a toy tokenizer: an id a byte, and a place to begin anew behind every '|'. What
 * is found must always be a beginning of the text's own ids, with the keys of its whole blocks, and
 * end at such a place.
 */
#include "gateway/prompt/turns.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT_MAX (64 * 1024)

static const struct turns_owner somebody = { 1, 1, 16 };

struct toy {
    struct ids ids;
    struct blocks keys;
    struct cut cuts[TEXT_MAX];
    size_t cut_count;
};

static struct toy toy;

static int set_up(void **state)
{
    (void)state;
    ids_init(&toy.ids);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ids_release(&toy.ids);
    blocks_release(&toy.keys);
    return 0;
}

/* Encodes from byte `from` on; cuts are counted from there, as an encoder does. */
static void encode(struct slice text, size_t from)
{
    toy.cut_count = 0;
    for (size_t i = from; i < text.len; i++) {
        ids_add(&toy.ids, (unsigned char)text.at[i]);
        if (text.at[i] == '|')
            toy.cuts[toy.cut_count++] = (struct cut){ i + 1, i + 1 - from };
    }
}

static bool ids_are_those_of(struct slice text)
{
    if (toy.ids.count != text.len)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (toy.ids.at[i] != (unsigned char)text.at[i])
            return false;
    return true;
}

static void keys_are_those_of_the_ids(struct turns_owner owner)
{
    struct blocks fresh = { .parent = owner.scope, .block = (uint32_t)owner.block };

    blocks_follow(&fresh, &toy.ids);
    assert_int_equal(toy.keys.count, fresh.count);
    if (fresh.count > 0)
        assert_memory_equal(toy.keys.at, fresh.at, fresh.count * sizeof(*fresh.at));
    blocks_release(&fresh);
}

/* One turn through the cache; returns how many bytes were known. */
static size_t turn(struct turns *turns, struct turns_owner owner, struct slice text)
{
    struct turns_tokens tokens = { &toy.ids, &toy.keys };
    size_t from, known;

    toy.ids.count = toy.keys.count = 0;
    toy.keys.parent = owner.scope;
    toy.keys.block = (uint32_t)owner.block;
    from = turns_find(turns, owner, text, tokens);
    known = toy.ids.count;
    assert_int_equal(known, from); /* an id a byte */
    assert_int_equal(toy.keys.count, known / owner.block);
    assert_true(from == 0 || text.at[from - 1] == '|');
    encode(text, from);
    blocks_follow(&toy.keys, &toy.ids);
    turns_keep(turns, owner, text, tokens, known, toy.cuts, toy.cut_count);
    assert_true(ids_are_those_of(text));
    keys_are_those_of_the_ids(owner);
    return from;
}

/* `messages` messages of `size` bytes each, every one ended by '|'; what they say depends on
 * `seed`. */
static struct slice conversation(char *text, size_t messages, size_t size, unsigned seed)
{
    size_t len = 0;

    for (size_t m = 0; m < messages; m++) {
        for (size_t i = 1; i < size; i++)
            text[len++] = (char)('a' + (m * 31 + i * 7 + seed) % 26);
        text[len++] = '|';
    }
    return slice_of(text, len);
}

static void the_next_turn_is_only_its_new_text(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    struct slice first = conversation(text, 20, 500, 0), second;

    (void)state;
    assert_int_equal(turn(turns, somebody, first), 0);
    second = conversation(text, 22, 500, 0);
    /* all but the last chunk or two, back to the last message's end before them */
    assert_in_range(turn(turns, somebody, second), first.len - 3 * TURNS_CHUNK, first.len);
    assert_in_range(turn(turns, somebody, second), second.len - 3 * TURNS_CHUNK, second.len);
    turns_free(turns);
}

static void what_differs_is_not_found(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    struct slice all = conversation(text, 20, 500, 0);

    (void)state;
    turn(turns, somebody, all);
    for (size_t at = 0; at < all.len; at += 997) {
        char before = text[at];

        text[at] = '#';
        assert_true(turn(turns, somebody, all) <= at);
        text[at] = before;
    }
    turns_free(turns);
}

static void owners_share_nothing(void **state)
{
    static const struct turns_owner owners[] = { { 1, 1, 16 }, { 1, 2, 16 }, { 2, 1, 16 },
                                                 { 2, 2, 16 }, { 2, 2, 1 },  { 2, 2, 1024 } };
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    struct slice all = conversation(text, 10, 500, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        assert_int_equal(turn(turns, owners[i], all), 0);
        assert_int_not_equal(turn(turns, owners[i], all), 0);
    }
    turns_free(turns);
}

static void conversations_share_their_beginning(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    size_t one, bytes;

    (void)state;
    turn(turns, somebody, conversation(text, 40, 500, 0));
    one = turns_bytes(turns);
    for (unsigned i = 0; i < 10; i++) {
        struct slice all = conversation(text, 40, 500, 0);

        text[all.len - 1 - i] = '#'; /* only the last chunks differ */
        turn(turns, somebody, all);
    }
    bytes = turns_bytes(turns);
    assert_true(bytes < 2 * one);
    turns_free(turns);
}

/* The chunk met last is looked at first; the others are found all the same. */
static void conversations_that_part_are_all_found(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    struct slice all;

    (void)state;
    for (int round = 0; round < 3; round++)
        for (char way = 'a'; way <= 'e'; way++) {
            all = conversation(text, 20, 500, 0);
            text[5000] = way;
            if (round == 0)
                assert_in_range(turn(turns, somebody, all), 0, 5000);
            else
                assert_in_range(turn(turns, somebody, all), all.len - 3 * TURNS_CHUNK, all.len);
        }
    turns_free(turns);
}

/* Places are known up to a text's end, wherever chunks end. */
static void the_end_of_a_text_is_known_too(void **state)
{
    static const size_t sizes[] = { 100, 500, TURNS_CHUNK - 1, TURNS_CHUNK, TURNS_CHUNK + 1, 3000 };
    static char text[TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct turns *turns = turns_new(1 << 20);
        size_t messages = 3 * TURNS_CHUNK / sizes[i] + 2, known = 0;

        for (size_t n = 0; n < 10; n++) {
            struct slice all = conversation(text, messages + n, sizes[i], 0);

            assert_int_equal(turn(turns, somebody, all), known);
            assert_int_equal(turn(turns, somebody, all), all.len);
            known = all.len;
        }
        turns_free(turns);
    }
}

/* Two texts that end differently behind the same chunk: the last one's end is known. */
static void ends_take_turns(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(1 << 20);
    struct slice all = conversation(text, 3, 500, 0);
    size_t whole = all.len;

    (void)state;
    turn(turns, somebody, all);
    for (int round = 0; round < 3; round++) {
        text[1100] = (char)('A' + round);
        assert_int_equal(turn(turns, somebody, all), 1000);
        assert_int_equal(turn(turns, somebody, all), whole);
    }
    turns_free(turns);
}

static void bytes_are_bounded_whatever_comes(void **state)
{
    static const size_t limits[] = { 0, 1, 5000, 40000, 200000 };
    static char text[TEXT_MAX];
    uint64_t seed = 11;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct turns *turns = turns_new(limits[i]);

        for (int n = 0; n < 300; n++) {
            size_t messages = 1 + random_below(&seed, 40);
            size_t size = 2 + random_below(&seed, 1200);
            struct turns_owner owner = { 1, random_below(&seed, 3), 1 + random_below(&seed, 40) };

            turn(turns, owner,
                 conversation(text, messages, size, (unsigned)random_below(&seed, 4)));
            assert_true(turns_bytes(turns) <= limits[i]);
        }
        turns_bound(turns, limits[i] / 2);
        assert_true(turns_bytes(turns) <= limits[i] / 2);
        turn(turns, somebody, conversation(text, 20, 500, 0));
        turns_free(turns);
    }
}

static void the_least_used_goes_first(void **state)
{
    static char text[TEXT_MAX];
    struct turns *turns = turns_new(60000); /* two of these conversations, not ten */

    (void)state;
    for (unsigned i = 1; i < 10; i++) {
        turn(turns, somebody, conversation(text, 10, 500, 0));
        turn(turns, somebody, conversation(text, 10, 500, i));
    }
    assert_int_not_equal(turn(turns, somebody, conversation(text, 10, 500, 0)), 0);
    assert_int_equal(turn(turns, somebody, conversation(text, 10, 500, 1)), 0);
    turns_free(turns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_turn_is_only_its_new_text),
        TEST(what_differs_is_not_found),
        TEST(owners_share_nothing),
        TEST(conversations_share_their_beginning),
        TEST(conversations_that_part_are_all_found),
        TEST(the_end_of_a_text_is_known_too),
        TEST(ends_take_turns),
        TEST(bytes_are_bounded_whatever_comes),
        TEST(the_least_used_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
