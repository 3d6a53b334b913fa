/*
 * Merging by random tables, small enough that everything meets everything, against looking at all
 * pairs for each merge; tables that no vocabulary has (results that are parts of themselves,
 * several ways to one result) among them.
 */
#include "gateway/token/merge.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LETTERS 4
#define MERGES  24
#define SYMBOLS 300

/* How the result of a merge is chosen. */
enum table {
    FRESH,  /* each a symbol of its own, made of what was made before */
    SHARED, /* some are reached in several ways, in any order */
    ANY,    /* letters, too */
    TABLES
};

static void make_table(enum table kind, uint64_t *seed, struct bpe_merge *merges)
{
    for (uint32_t i = 0; i < MERGES; i++) {
        uint32_t known = LETTERS + (kind == FRESH ? i : MERGES);
        uint32_t least = kind == ANY ? 0 : LETTERS;

        merges[i].left = (uint32_t)random_below(seed, known);
        merges[i].right = (uint32_t)random_below(seed, known);
        merges[i].result =
            kind == FRESH ? LETTERS + i : least + (uint32_t)random_below(seed, known - least);
    }
}

/* The last merge of a pair counts. */
static uint32_t rank_of(const struct bpe_merge *merges, uint32_t left, uint32_t right)
{
    for (uint32_t i = MERGES; i-- > 0;)
        if (merges[i].left == left && merges[i].right == right)
            return i;
    return MERGE_NONE;
}

static size_t merge_naively(const struct bpe_merge *merges, uint32_t *symbols, size_t count)
{
    for (;;) {
        uint32_t lowest = MERGE_NONE;
        size_t at = 0;

        for (size_t i = 0; i + 1 < count; i++)
            if (rank_of(merges, symbols[i], symbols[i + 1]) < lowest) {
                lowest = rank_of(merges, symbols[i], symbols[i + 1]);
                at = i;
            }
        if (lowest == MERGE_NONE)
            return count;
        symbols[at] = merges[lowest].result;
        count--;
        memmove(symbols + at + 1, symbols + at + 2, (count - at - 1) * sizeof(*symbols));
    }
}

static void check_symbols(const struct merge *merge, struct merge_scratch *scratch,
                          const struct bpe_merge *merges, uint64_t *seed)
{
    uint32_t expected[SYMBOLS], got[SYMBOLS];
    size_t count = 1 + random_below(seed, random_below(seed, 2) ? SYMBOLS - 1 : MERGE_SHORT + 2);
    size_t letters = 1 + random_below(seed, LETTERS), left;

    for (size_t i = 0; i < count; i++)
        expected[i] = got[i] = (uint32_t)random_below(seed, letters);
    left = merge_naively(merges, expected, count);
    assert_int_equal(merge_run(merge, scratch, got, count), left);
    assert_memory_equal(got, expected, left * sizeof(*got));
}

static void any_table_merges_as_if_all_pairs_were_looked_at(void **state)
{
    struct merge_scratch scratch = { 0 };
    uint64_t seed = 37;

    (void)state;
    for (int round = 0; round < 600; round++) {
        struct bpe_merge merges[MERGES];
        struct merge merge;

        make_table((enum table)(round % TABLES), &seed, merges);
        merge_init(&merge, merges, MERGES, LETTERS + MERGES);
        for (uint32_t id = 0; id < LETTERS; id++)
            merge_note_initial(&merge, id);
        for (int i = 0; i < 20; i++)
            check_symbols(&merge, &scratch, merges, &seed);
        merge_release(&merge);
    }
    merge_scratch_release(&scratch);
}

static void pieces_are_cut_where_no_result_has_both_neighbours(void **state)
{
    /* 0 1 -> 4, 4 2 -> 5 */
    static const struct bpe_merge merges[] = { { 0, 1, 4 }, { 4, 2, 5 } };
    struct merge merge;

    (void)state;
    merge_init(&merge, merges, ARRAY_LEN(merges), 6);
    for (uint32_t left = 0; left < 4; left++)
        for (uint32_t right = 0; right < 4; right++)
            assert_int_equal(merge_parts(&merge, left, right),
                             !((left == 0 && right == 1) || (left == 1 && right == 2)));
    merge_note_initial(&merge, 3);
    assert_true(merge.cuts);
    merge_note_initial(&merge, 4);
    assert_false(merge_parts(&merge, 3, 3));
    merge_release(&merge);
}

static void a_table_without_merges_leaves_symbols_alone(void **state)
{
    struct merge_scratch scratch = { 0 };
    uint32_t symbols[100] = { 1, 2, 3 };
    struct merge merge;

    (void)state;
    merge_init(&merge, NULL, 0, 4);
    assert_int_equal(merge_run(&merge, &scratch, symbols, 0), 0);
    assert_int_equal(merge_run(&merge, &scratch, symbols, 3), 3);
    assert_int_equal(merge_run(&merge, &scratch, symbols, 100), 100);
    assert_int_equal(symbols[2], 3);
    merge_release(&merge);
    merge_scratch_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_table_merges_as_if_all_pairs_were_looked_at),
        cmocka_unit_test(pieces_are_cut_where_no_result_has_both_neighbours),
        cmocka_unit_test(a_table_without_merges_leaves_symbols_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
