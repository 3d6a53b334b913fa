/*
 * Edit distance with swaps of neighbours (optimal string alignment), on three rows of the table.
 */
#include "conf/nearest.h"

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static bool same(struct slice a, size_t i, struct slice b, size_t k)
{
    return slice_lower(a.at[i]) == slice_lower(b.at[k]);
}

/* `row[2]` from the two before it: distances between a's first i+1 letters and all beginnings of b.
 */
static void next_row(struct slice a, size_t i, struct slice b, size_t row[3][NEAREST_WORD_MAX + 1])
{
    row[2][0] = i + 1;
    for (size_t k = 0; k < b.len; k++) {
        size_t replaced = row[1][k] + !same(a, i, b, k);

        row[2][k + 1] = min3(row[1][k + 1] + 1, row[2][k] + 1, replaced);
        if (i > 0 && k > 0 && same(a, i, b, k - 1) && same(a, i - 1, b, k) &&
            row[0][k - 1] + 1 < row[2][k + 1])
            row[2][k + 1] = row[0][k - 1] + 1;
    }
}

size_t nearest_distance(struct slice a, struct slice b)
{
    size_t row[3][NEAREST_WORD_MAX + 1];

    CHECK(a.len <= NEAREST_WORD_MAX && b.len <= NEAREST_WORD_MAX);
    memset(row, 0, sizeof(row));
    for (size_t k = 0; k <= b.len; k++)
        row[1][k] = k;
    for (size_t i = 0; i < a.len; i++) {
        next_row(a, i, b, row);
        memmove(row[0], row[1], 2 * sizeof(row[0]));
    }
    return row[1][b.len];
}

const char *nearest_word(struct slice word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 1 + word.len / 3;

    if (word.len == 0 || word.len > NEAREST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct slice candidate = slice_str(candidates[i]);
        size_t distance;

        if (candidate.len == 0 || candidate.len > NEAREST_WORD_MAX)
            continue;
        distance = nearest_distance(word, candidate);
        if (distance < candidate.len && distance < word.len &&
            (distance < best_distance || (!best && distance == best_distance))) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
