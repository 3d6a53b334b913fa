/*
 * Where long pieces are cut, by a small vocabulary with the merges of a row.
 */
#include "gateway/token/seams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MARK  "\xe2\x96\x81"
#define QUOTE "\xe2\x80\x99" /* begins with the mark's first byte */
#define ENDS  8
#define BYTES 1000 /* the id of byte 0 */

/* Merges are of these, by place, and "ab", "j-", "jq", "j_": what they give. */
enum { A, B, J, DASH, MARK_ID, QUOTE_ID, AB, JDASH, JQUOTE, JMARK, TOKENS };
static const char *const texts[TOKENS] = { "a",   "b",  "j",  "-",       MARK,
                                           QUOTE, "ab", "j-", "j" QUOTE, "j" MARK };

struct rig {
    struct words words;
    struct merge merge;
    struct seams seams;
};

static void rig_init(struct rig *rig, const struct bpe_merge *merges, size_t count,
                     const uint32_t byte_ids[256])
{
    static const uint64_t seed[2] = { 1, 2 };
    struct bpe_token tokens[TOKENS];

    for (uint32_t i = 0; i < TOKENS; i++)
        tokens[i] = (struct bpe_token){ slice_str(texts[i]), i };
    words_init(&rig->words, tokens, TOKENS, seed);
    merge_init(&rig->merge, merges, count, BYTES + 256);
    seams_init(&rig->seams, &rig->merge, &rig->words, byte_ids);
}

static void rig_release(struct rig *rig)
{
    words_release(&rig->words);
    merge_release(&rig->merge);
}

static void all_bytes(uint32_t byte_ids[256])
{
    for (uint32_t byte = 0; byte < 256; byte++)
        byte_ids[byte] = BYTES + byte;
}

static void pieces_are_cut_at_marks_and_where_they_are_long(void **state)
{
    static const struct {
        const char *text;
        struct bpe_merge merges[2];
        size_t merge_count;
        uint32_t ends[ENDS]; /* 0: no more */
    } rows[] = {
        { "", { { 0 } }, 0, { 0 } },
        { "a", { { 0 } }, 0, { 1 } },
        { "ab" MARK "a", { { A, B, AB } }, 1, { 2, 6 } },
        { MARK MARK "a", { { A, B, AB } }, 1, { 3, 7 } },
        /* eight bytes at least, but before a mark */
        { "jjjjjjjj-", { { A, B, AB } }, 1, { 8, 9 } },
        { "jjjjjjjj-", { { J, DASH, JDASH } }, 1, { 9 } },
        { "jjjjjjjj-jb", { { J, DASH, JDASH } }, 1, { 9, 11 } },
        { "jjjjjjj" QUOTE "b", { { J, QUOTE_ID, JQUOTE } }, 1, { 10, 11 } },
        { "j" MARK "j" MARK, { { J, MARK_ID, JMARK } }, 1, { 8 } },
        /* what another code point of the same first byte joins does not count */
        { "j" MARK "j", { { J, QUOTE_ID, JQUOTE } }, 1, { 1, 5 } },
        { "b" MARK "j" MARK, { { J, MARK_ID, JMARK } }, 1, { 1, 8 } },
    };
    uint32_t byte_ids[256];

    (void)state;
    all_bytes(byte_ids);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t ends[ENDS] = { 0 };
        struct rig rig;

        rig_init(&rig, rows[i].merges, rows[i].merge_count, byte_ids);
        assert_true(rig.seams.any);
        seams_ends(&rig.seams, slice_str(rows[i].text), 0, ends, ENDS);
        for (size_t at = 0; at < ENDS; at++)
            if (ends[at] != rows[i].ends[at])
                fail_msg("row %zu: end %zu is %u, wanted %u", i, at, ends[at], rows[i].ends[at]);
        rig_release(&rig);
    }
}

static void what_unknown_bytes_could_join_has_no_seams(void **state)
{
    static const struct bpe_merge of_bytes = { BYTES + 'x', A, AB };
    static const struct bpe_merge makes_a_letter = { B, J, A };
    uint32_t byte_ids[256];
    struct rig rig;

    (void)state;
    all_bytes(byte_ids);
    rig_init(&rig, &of_bytes, 1, byte_ids);
    assert_false(rig.seams.any);
    rig_release(&rig);
    byte_ids[0xff] = BPE_NO_ID;
    rig_init(&rig, NULL, 0, byte_ids);
    assert_false(rig.seams.any);
    rig_release(&rig);
    /* a result that pieces begin as, too: bpe.c says so to the merges */
    all_bytes(byte_ids);
    rig_init(&rig, &makes_a_letter, 1, byte_ids);
    merge_note_initial(&rig.merge, A);
    seams_init(&rig.seams, &rig.merge, &rig.words, byte_ids);
    assert_false(rig.seams.any);
    rig_release(&rig);
}

static void parts_are_given_a_few_at_a_time(void **state)
{
    struct slice text = SLICE_INIT("a" MARK "b" MARK "a");
    uint32_t byte_ids[256], ends[2];
    struct rig rig;

    (void)state;
    all_bytes(byte_ids);
    rig_init(&rig, NULL, 0, byte_ids);
    assert_int_equal(seams_ends(&rig.seams, text, 0, ends, 2), 2);
    assert_int_equal(ends[1], 5);
    assert_int_equal(seams_ends(&rig.seams, text, ends[1], ends, 2), 1);
    assert_int_equal(ends[0], text.len);
    assert_int_equal(seams_ends(&rig.seams, text, text.len, ends, 2), 0);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_cut_at_marks_and_where_they_are_long),
        cmocka_unit_test(what_unknown_bytes_could_join_has_no_seams),
        cmocka_unit_test(parts_are_given_a_few_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
