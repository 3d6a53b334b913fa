/*
 * Known pre-tokenizer patterns: text by text, and cutting at places where a piece certainly ends.
 */
#include "gateway/token/split.h"

#include "gateway/token/split_core.h"
#include "gateway/token/split_kernel.h"
#include "tests/unit/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT 400

/* What the pattern's pieces are, told apart by "|", which no text here has. */
static const struct row {
    const char *split, *pieces;
} rows[] = {
    { "gpt2", "Hello| world" },
    { "gpt2", "don|'t| DON|'|T" },
    { "gpt2", "a| 12| 3|b" },
    { "gpt2", "a| | b|\t|b|\n|\n|c" },
    { "gpt2", "a|  " },
    { "gpt2", "x|!!|\n" },
    { "gpt2", "x| '|s" },
    { "cl100k", "Hello| world" },
    { "cl100k", "don|'t| DON|'T|'\xc5\xbf|x" },
    { "cl100k", "'ll|ama|'re" },
    { "cl100k", "!'|s| '|s|\t|'s" },
    { "cl100k", "123|456|7|a|1" },
    { "cl100k", "a|  | b|\t|1" },
    { "cl100k", "x|!!\r\n\n| | y" },
    { "cl100k", "x| \n \n| | y" },
    { "cl100k", "\n\n|x" },
    { "cl100k", "a| \xe2\x80\x9c|b|\xe2\x80\x9d\n" },
    { "cl100k", "\xe2\x80\x9c"
                "b|\xc2\xa0"
                "c" },
    { "cl100k", "a|  \n|  " },
    { "cl100k", "e|\xcc\x81x" },
    { "qwen", "a|1|2|3|b" },
    { "o200k", "don't|h| DON'T| it's|'s" },
    { "o200k", "ABCdef|GHi|JK" },
    { "o200k", "\xe4\xb8\xad|AB" },
    { "o200k", "\xe4\xb8\xad"
               "Ab|Cd" },
    { "o200k", "AB\xe4\xb8\xad|D" },
    { "o200k", "e\xcc\x81x| \xcc\x81" },
    { "o200k", "!!\xcc\x81|x" },
    { "o200k", "a| //\n/|x|/\n|123|4" },
    { "tekken", "don|'t|1|2|ABc" },
    { "numbers", "ab|123|4| |5" },
    { "cjk", "ab|\xe4\xb8\xad\xe3\x81\x8b|!|\xe3\x82\xab" },
    { "deepseek", "/path|_x| a|!?\n" },
    { "deepseek", "\x01|\x02"
                  "a| | b" },
    { "deepseek_chain", "1|\xe3\x81\x8b|\xe3\x83\xbb|2" }, /* punctuation among kana */
    { "deepseek_chain", "\xe3\x82\xa2|\xe3\x82\x9b|\xe3\x82\xa4" },
    { "deepseek_chain", "\xe3\x81\x8b|\xe3\x82\x97\xe3\x82\xab|\xe3\x82\x97\xe3\x82\x98" },
    { "deepseek_chain", "\xe3\x81\x8b\xe3\x82\x99|\xe3\x83\xbb\xe3\x83\xbb|\n" },
    { "deepseek_chain", " |\xe3\x83\xbb|\xe3\x82\xa2|\n" },
    { "clip", "don|'t| |1|2|!?|  " },

    { "thousands", "12 |123|456|7" },
};

static const struct split_type *by_name(const char *name)
{
    for (size_t i = 0; i < split_count; i++)
        if (strcmp(split_all[i]->name, name) == 0)
            return split_all[i];
    fail_msg("no split is called %s", name);
    return NULL;
}

/* Writes the pieces with "|" between them, as rows have them. */
static void show(const struct split_type *split, struct slice text, char *to)
{
    uint32_t ends[TEXT], from = 0;
    size_t count = split->ends(text, 0, ends, ARRAY_LEN(ends));

    for (size_t i = 0; i < count; from = ends[i++]) {
        if (i > 0)
            *to++ = '|';
        memcpy(to, text.at + from, ends[i] - from);
        to += ends[i] - from;
    }
    *to = 0;
}

static void texts_fall_into_the_pieces_of_the_pattern(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[TEXT], shown[2 * TEXT];
        size_t len = 0;

        for (const char *c = rows[i].pieces; *c; c++)
            if (*c != '|')
                text[len++] = *c;
        show(by_name(rows[i].split), slice_of(text, len), shown);
        if (strcmp(shown, rows[i].pieces) != 0)
            fail_msg("%s: %s, expected %s", rows[i].split, shown, rows[i].pieces);
    }
}

static void patterns_are_found_by_their_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < split_count; i++)
        if (split_all[i]->pattern)
            assert_ptr_equal(split_find(slice_str(split_all[i]->pattern)), split_all[i]);
    assert_null(split_find(SLICE("\\s+")));
    assert_null(split_find(SLICE("")));
}

static void a_chain_is_found_by_its_links(void **state)
{
    const struct split_type *links[] = { by_name("numbers"), by_name("cjk"), by_name("deepseek") };

    (void)state;
    assert_ptr_equal(split_find_chain(links, 3), by_name("deepseek_chain"));
    assert_null(split_find_chain(links, 2));
    assert_null(split_find_chain(links + 1, 2));
    assert_null(split_find_chain(links, 0));
}

/* Appends the ends of the pieces of text[from, to) by links[0], each cut by the links behind it. */
static void cut_by(const struct split_type *const *links, size_t count, struct slice text,
                   uint32_t from, uint32_t to, uint32_t *ret_ends, size_t *ret_count)
{
    struct slice part = slice_of(text.at + from, to - from);
    uint32_t ends[TEXT], at = 0;
    size_t n = count > 0 ? links[0]->ends(part, 0, ends, TEXT) : 0;

    if (count == 0)
        ret_ends[(*ret_count)++] = to;
    for (size_t i = 0; i < n; at = ends[i++])
        cut_by(links + 1, count - 1, text, from + at, from + ends[i], ret_ends, ret_count);
}

static void a_chain_does_what_its_links_do_one_after_the_other(void **state)
{
    const struct split_type *links[] = { by_name("numbers"), by_name("cjk"), by_name("deepseek") };
    const struct split_type *chain = by_name("deepseek_chain");
    char text[TEXT];
    uint64_t seed = 19;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct slice s = texts_random(&seed, text, sizeof(text));
        uint32_t expected[TEXT], got[TEXT];
        size_t count = 0;

        cut_by(links, ARRAY_LEN(links), s, 0, (uint32_t)s.len, expected, &count);
        assert_int_equal(chain->ends(s, 0, got, TEXT), count);
        assert_memory_equal(got, expected, count * sizeof(*got));
    }
}

static void little_room_only_means_more_calls(void **state)
{
    char text[TEXT];
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        const struct split_type *split = split_all[random_below(&seed, split_count)];
        struct slice s = texts_random(&seed, text, sizeof(text));
        uint32_t all[TEXT], some[3], from = 0;
        size_t count = split->ends(s, 0, all, TEXT), n;

        assert_int_equal(all[count - 1], s.len);
        for (size_t i = 0; i < count; i += n) {
            n = split->ends(s, from, some, 1 + random_below(&seed, 3));
            assert_true(n > 0);
            assert_memory_equal(some, all + i, n * sizeof(*some));
            from = some[n - 1];
        }
        assert_int_equal(from, s.len);
    }
}

static const struct split_shape shapes[] = {
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    { letters, digits, contraction, lines, slash },
#define SPLIT_MATCH(name, match, pattern)
#define SPLIT_CHAIN(name, ...)
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN
};

/* The places where the text may be cut, its ends among them; returns how many. */
static uint32_t find_cuts(const struct split_shape *shape, struct slice text, uint32_t *ret_cuts)
{
    const struct split_text whole = { text.at, (uint32_t)text.len, SPLIT_FENCE_NONE };
    struct split_char before = split_char_at(&whole, 0), after;
    uint32_t count = 1;

    ret_cuts[0] = 0;
    for (uint32_t at = before.bytes; at < text.len; at += after.bytes, before = after) {
        after = split_char_at(&whole, at);
        if (split_shape_sync(shape, before, after))
            ret_cuts[count++] = at;
    }
    ret_cuts[count] = (uint32_t)text.len;
    return count;
}

/* What one device thread does: marks the pieces that begin in its segment. */
static void mark_segment(const struct split_shape *shape, struct slice text, uint32_t at,
                         uint32_t end, bool *starts)
{
    const struct split_text whole = { text.at, (uint32_t)text.len, SPLIT_FENCE_NONE };

    while (at < end) {
        starts[at] = true;
        at = split_shape_next(shape, &whole, at);
    }
    assert_int_equal(at, end); /* a piece ends where the text was cut */
}

enum order { FORWARD, REVERSE, RANDOM, ORDERS };

/* The numbers 0 to count - 1 in an order. */
static void put_in_order(enum order order, uint32_t *numbers, uint32_t count, uint64_t *seed)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = order == REVERSE ? count - 1 - i : i;
    for (uint32_t i = order == RANDOM ? count : 0; i > 1; i--) {
        uint32_t other = (uint32_t)random_below(seed, i), kept = numbers[i - 1];

        numbers[i - 1] = numbers[other];
        numbers[other] = kept;
    }
}

static void segments_between_cuts_split_alike_in_any_order(void **state)
{
    char text[TEXT];
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const struct split_shape *shape = &shapes[random_below(&seed, ARRAY_LEN(shapes))];
        struct slice s = texts_random(&seed, text, sizeof(text));
        bool whole[TEXT] = { false }, parts[TEXT] = { false };
        uint32_t cuts[TEXT + 1], threads[TEXT], count = find_cuts(shape, s, cuts);

        put_in_order((enum order)(round % ORDERS), threads, count, &seed);
        mark_segment(shape, s, 0, (uint32_t)s.len, whole);
        for (uint32_t i = 0; i < count; i++)
            mark_segment(shape, s, cuts[threads[i]], cuts[threads[i] + 1], parts);
        assert_memory_equal(whole, parts, sizeof(whole));
    }
}

static void every_kernel_finds_the_same_pieces(void **state)
{
    char text[4 * TEXT];
    uint64_t seed = 13;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const struct split_type *split = split_all[random_below(&seed, split_count)];
        struct slice s = texts_random(&seed, text, sizeof(text));
        uint32_t expected[4 * TEXT], got[4 * TEXT];
        const struct split_kernel *kernel = split_kernels();
        size_t count, n;

        count = split->ends(s, 0, expected, ARRAY_LEN(expected));
        for (; kernel->name; kernel++) {
            n = split_ends_by(kernel, split, s, 0, got, ARRAY_LEN(got));
            for (size_t i = 0; i < n && i < count; i++)
                if (got[i] != expected[i])
                    fail_msg("%s by %s, round %d: piece %zu ends at %u, not %u", split->name,
                             kernel->name, round, i, got[i], expected[i]);
            assert_int_equal(n, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_fall_into_the_pieces_of_the_pattern),
        cmocka_unit_test(patterns_are_found_by_their_text),
        cmocka_unit_test(a_chain_is_found_by_its_links),
        cmocka_unit_test(a_chain_does_what_its_links_do_one_after_the_other),
        cmocka_unit_test(little_room_only_means_more_calls),
        cmocka_unit_test(every_kernel_finds_the_same_pieces),
        cmocka_unit_test(segments_between_cuts_split_alike_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
