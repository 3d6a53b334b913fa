/*
 * The cache of pieces: what it gives is what was put for the same bytes, whatever was put since,
 * and it stays within its bytes.
 */
#include "gateway/token/pieces.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PIECE 300

static const uint64_t keyed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };

struct rig {
    struct pieces pieces;
    struct ids got;
};

static void rig_init(struct rig *rig, size_t bytes)
{
    pieces_init(&rig->pieces, bytes);
    ids_init(&rig->got);
}

static void rig_release(struct rig *rig)
{
    pieces_release(&rig->pieces);
    ids_release(&rig->got);
}

/* A piece by its number, which its first bytes are; of some length. */
static struct slice piece_bytes(uint64_t number, char *to)
{
    uint64_t seed = number;
    size_t len = 3 + random_below(&seed, random_below(&seed, 4) ? 20 : PIECE - 3);

    memcpy(to, &number, 3);
    for (size_t i = 3; i < len; i++)
        to[i] = (char)random_next(&seed);
    return slice_of(to, len);
}

static size_t piece_ids(uint64_t number, struct slice bytes, uint32_t *ret_ids)
{
    size_t count = number % 7 < bytes.len ? number % 7 : bytes.len;

    for (size_t i = 0; i < count; i++)
        ret_ids[i] = (uint32_t)(number * 8 + i);
    return count;
}

static void put(struct rig *rig, uint64_t number)
{
    char text[PIECE];
    uint32_t ids[PIECE];
    struct slice bytes = piece_bytes(number, text);
    struct piece piece = piece_of(bytes, bytes.len, keyed);

    size_t count = piece_ids(number, bytes, ids);

    /* a row that has never held an id has no memory */
    pieces_put(&rig->pieces, &piece, bytes, count > 0 ? ids : NULL, count);
}

/* Whether it is known; what it gives is checked. */
static bool get(struct rig *rig, uint64_t number)
{
    char text[PIECE];
    uint32_t ids[PIECE];
    struct slice bytes = piece_bytes(number, text);
    struct piece piece = piece_of(bytes, bytes.len, keyed);

    rig->got.count = 0;
    ids_reserve(&rig->got, bytes.len + PIECES_INLINE);
    if (!pieces_get(&rig->pieces, &piece, bytes, &rig->got))
        return false;
    assert_int_equal(rig->got.count, piece_ids(number, bytes, ids));
    assert_memory_equal(rig->got.at, ids, rig->got.count * sizeof(*ids));
    return true;
}

static const size_t sizes[] = { 0, 1, 1024, 4096, 65536, 1 << 20 };

static void what_is_found_is_what_was_put(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        uint64_t seed = 29;
        struct rig rig;

        rig_init(&rig, sizes[s]);
        for (int round = 0; round < 20000; round++) {
            uint64_t number = random_below(&seed, 2000);

            if (!get(&rig, number))
                put(&rig, number);
        }
        rig_release(&rig);
    }
}

static void a_piece_just_put_is_found_if_there_is_a_cache(void **state)
{
    char text[PIECE];

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        struct rig rig;

        rig_init(&rig, sizes[s]);
        for (uint64_t number = 1; number < 3000; number++) {
            bool keeps = sizes[s] >= 4096 && piece_bytes(number, text).len <= PIECES_LONG;

            put(&rig, number);
            if (keeps && !get(&rig, number))
                fail_msg("piece %u of %zu bytes is gone, cache of %zu", (unsigned)number,
                         piece_bytes(number, text).len, sizes[s]);
        }
        rig_release(&rig);
    }
}

static void many_pieces_are_known_while_they_fit(void **state)
{
    struct rig rig;
    unsigned known = 0;

    (void)state;
    rig_init(&rig, 4 << 20);
    for (uint64_t number = 0; number < 5000; number++)
        put(&rig, number);
    for (uint64_t number = 0; number < 5000; number++)
        known += get(&rig, number);
    assert_in_range(known, 4500, 5000);
    rig_release(&rig);
}

static void slots_and_ring_stay_within_their_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 4096; bytes <= 64 << 20; bytes = bytes * 3 / 2) {
        struct rig rig;
        size_t slots;

        rig_init(&rig, bytes);
        slots = (rig.pieces.set_mask + 1) * 2 * sizeof(struct pieces_slot);
        assert_in_range(slots + rig.pieces.ring_bytes, bytes / 2, bytes);
        rig_release(&rig);
    }
}

/* Equal to the last byte that two words hold, and of lengths around what they hold. */
static void pieces_that_are_nearly_the_same_are_told_apart(void **state)
{
    static const struct slice near[] = {
        SLICE_INIT("a"),
        { "a\0", 2 },
        { "\0a", 2 },
        { "\0", 1 },
        { "\0\0", 2 },
        SLICE_INIT("12345678"),
        SLICE_INIT("123456789"),
        SLICE_INIT("123456789012345"),
        SLICE_INIT("1234567890123456"),
        { "123456789012345\0", 16 },
        SLICE_INIT("12345678901234567"),
        SLICE_INIT("12345678901234568"),
    };
    struct rig rig;

    (void)state;
    rig_init(&rig, 65536);
    for (uint32_t i = 0; i < ARRAY_LEN(near); i++) {
        struct piece piece = piece_of(near[i], near[i].len, keyed);

        pieces_put(&rig.pieces, &piece, near[i], &i, 1);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(near); i++) {
        struct piece piece = piece_of(near[i], near[i].len, keyed);

        rig.got.count = 0;
        ids_reserve(&rig.got, near[i].len + PIECES_INLINE);
        assert_true(pieces_get(&rig.pieces, &piece, near[i], &rig.got));
        assert_int_equal(rig.got.count, 1);
        assert_int_equal(rig.got.at[0], i);
    }
    rig_release(&rig);
}

/* Reading whole words must not let in what stands behind the piece. */
static void what_stands_behind_a_piece_does_not_matter(void **state)
{
    char text[64];
    uint64_t seed = 31;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        size_t len = 1 + random_below(&seed, 24);
        struct piece alone, before_others;

        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = (char)random_next(&seed);
        alone = piece_of(slice_of(text, len), len, keyed);
        before_others = piece_of(slice_of(text, len), sizeof(text), keyed);
        assert_memory_equal(&alone, &before_others, sizeof(alone));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_is_what_was_put),
        cmocka_unit_test(a_piece_just_put_is_found_if_there_is_a_cache),
        cmocka_unit_test(many_pieces_are_known_while_they_fit),
        cmocka_unit_test(slots_and_ring_stay_within_their_bytes),
        cmocka_unit_test(pieces_that_are_nearly_the_same_are_told_apart),
        cmocka_unit_test(what_stands_behind_a_piece_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
