/*
 * Known patterns four ways: on random and adversarial texts the vector kernels, the scanner and
 * PCRE2 with the reference's classes must find the same pieces.
 *
 *     differential [STRINGS [SPLIT...]]     200,000 texts for each of the splits; all of them
 *
 * Exit status 1 at the first difference, which is printed with the text in hexadecimal. One thread.
 */
#include "gateway/token/regex.h"
#include "gateway/token/split_kernel.h"
#include "tests/unit/texts.h"

#include <stdio.h>
#include <stdlib.h>

#define STRINGS 200000
/* Bytes of a text: several windows, so that most ends of windows fall on most things. */
#define ROOM (64 + 320)

struct pieces_found {
    const char *by;
    uint32_t ends[ROOM];
    size_t count;
};

static void find_by_kernel(const struct split_kernel *kernel, const struct split_type *split,
                           struct slice text, struct pieces_found *ret_found)
{
    ret_found->by = kernel->name;
    ret_found->count = split_ends_by(kernel, split, text, 0, ret_found->ends, ROOM);
}

/* The patterns of a split: its own, or its links'. */
struct patterns {
    struct regex *regex[SPLIT_LINKS];
    size_t count;
    struct regex_room *room;
};

static bool add_pattern(struct patterns *patterns, const struct split_type *split)
{
    char error[256];
    struct regex *regex = regex_new(slice_str(split->pattern), error, sizeof(error));

    if (!regex)
        printf("%s: %s\n", split->name, error);
    else
        patterns->regex[patterns->count++] = regex;
    return regex;
}

static bool patterns_init(struct patterns *patterns, const struct split_type *split)
{
    *patterns = (struct patterns){ .room = regex_room_new(NULL) };
    if (split->pattern)
        return add_pattern(patterns, split);
    for (size_t i = 0; split->links[i]; i++)
        if (!add_pattern(patterns, split->links[i]))
            return false;
    return true;
}

static void patterns_release(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        regex_free(patterns->regex[i]);
    regex_room_free(patterns->room);
}

static void cut_by_patterns(const struct patterns *patterns, size_t first, struct slice text,
                            uint32_t from, uint32_t to, struct pieces_found *found);

/* One that is not empty, cut further by the patterns behind. */
static void cut_further(const struct patterns *patterns, size_t first, struct slice text,
                        uint32_t from, uint32_t to, struct pieces_found *found)
{
    if (from < to && first == patterns->count)
        found->ends[found->count++] = to;
    else if (from < to)
        cut_by_patterns(patterns, first, text, from, to, found);
}

/* text[from, to) by the patterns from `first` on: matches, and what lies between them. */
static void cut_by_patterns(const struct patterns *patterns, size_t first, struct slice text,
                            uint32_t from, uint32_t to, struct pieces_found *found)
{
    struct slice part = slice_of(text.at + from, to - from);
    struct regex_walk walk;
    size_t start, end, at = 0;

    regex_room_allow(patterns->room, part.len);
    regex_begin(&walk, patterns->regex[first], patterns->room, part);
    while (regex_next(&walk, &start, &end)) {
        cut_further(patterns, first + 1, text, from + (uint32_t)at, from + (uint32_t)start, found);
        cut_further(patterns, first + 1, text, from + (uint32_t)start, from + (uint32_t)end, found);
        at = end;
    }
    cut_further(patterns, first + 1, text, from + (uint32_t)at, to, found);
}

static void print_difference(const struct split_type *split, struct slice text,
                             const struct pieces_found *a, const struct pieces_found *b)
{
    size_t i = 0;

    while (i < a->count && i < b->count && a->ends[i] == b->ends[i])
        i++;
    printf("%s: piece %zu of \"%.*s\" ends at %u by %s, at %u by %s\n", split->name, i,
           SLICE_ARGS(text), i < a->count ? a->ends[i] : 0, a->by, i < b->count ? b->ends[i] : 0,
           b->by);
    for (size_t k = 0; k < text.len; k++)
        printf("%02x", (uint8_t)text.at[k]);
    printf("\n");
}

static bool agree(const struct pieces_found *a, const struct pieces_found *b)
{
    return a->count == b->count && memcmp(a->ends, b->ends, a->count * sizeof(*a->ends)) == 0;
}

/* False when they are not the same. */
static bool compare_text(const struct split_type *split, const struct patterns *patterns,
                         struct slice text)
{
    struct pieces_found expected = { .by = "pcre2" }, got;

    cut_by_patterns(patterns, 0, text, 0, (uint32_t)text.len, &expected);
    for (const struct split_kernel *kernel = split_kernels(); kernel->name; kernel++) {
        find_by_kernel(kernel, split, text, &got);
        if (!agree(&expected, &got)) {
            print_difference(split, text, &expected, &got);
            return false;
        }
    }
    return true;
}

static void print_agreement(const struct split_type *split, unsigned long strings, uint64_t bytes)
{
    printf("%-14s %lu texts, %.1f MB:", split->name, strings, (double)bytes / 1e6);
    for (const struct split_kernel *kernel = split_kernels(); kernel->name; kernel++)
        printf(" %s", kernel->name);
    printf(" pcre2 agree\n");
    fflush(stdout);
}

static bool compare_split(const struct split_type *split, unsigned long strings)
{
    struct patterns patterns;
    char text[ROOM];
    uint64_t seed = 17, bytes = 0;
    bool same = patterns_init(&patterns, split);

    for (unsigned long i = 0; i < strings && same; i++) {
        struct slice s = texts_random(&seed, text, sizeof(text));

        bytes += s.len;
        same = compare_text(split, &patterns, s);
    }
    if (same)
        print_agreement(split, strings, bytes);
    patterns_release(&patterns);
    return same;
}

static bool is_wanted(const struct split_type *split, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], split->name) == 0)
            return true;
    return count <= 0;
}

int main(int argc, char **argv)
{
    unsigned long strings = argc > 1 ? strtoul(argv[1], NULL, 10) : STRINGS;
    bool same = true;

    for (size_t i = 0; i < split_count; i++)
        if (is_wanted(split_all[i], argc - 2, argv + 2))
            same &= compare_split(split_all[i], strings);
    return same ? 0 : 1;
}
