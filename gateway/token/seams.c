/*
 * Seams: from the joints of merges, and in texts.
 *
 * Why a text may be cut at one: no result of a merge has both neighbours in it (merge.h), so what
 * merges on one side never looks at the other. A seam stands before a byte that begins a code
 * point, so both sides are read as the same code points as the whole is.
 */
#include "gateway/token/seams.h"

#include <stdlib.h>

/* SentencePiece's space, which words begin with, is a class of its own: by a byte that begins no
 * UTF-8. Other code points that begin with its first byte join many letters. */
#define SPACE       "\xe2\x96\x81"
#define SPACE_CLASS 0xc0u
/* Parts that do not end before a space have so many bytes at least: short ones are no faster from
 * the cache. */
#define PART_LEAST 8

/* What the code point at `at` begins with. */
static inline uint8_t class_at(struct slice text, size_t at)
{
    if (text.at[at] == SPACE[0] && text.len - at >= 3 && text.at[at + 1] == SPACE[1] &&
        text.at[at + 2] == SPACE[2])
        return SPACE_CLASS;
    return (uint8_t)text.at[at];
}

/* By id the number of its token, or WORDS_NONE. NULL: an id has several tokens. */
static uint32_t *numbers_by_id(const struct words *words, uint32_t ids)
{
    uint32_t *numbers = xmalloc(sizeof(*numbers) * (ids + 1));

    memset(numbers, 0xff, sizeof(*numbers) * (ids + 1));
    for (uint32_t number = 0; number < words->count; number++) {
        uint32_t id = words->ids[number];

        if (numbers[id] != WORDS_NONE) {
            free(numbers);
            return NULL;
        }
        numbers[id] = number;
    }
    return numbers;
}

/* Of a pair that some result has side by side. False: one of them has no text. */
static bool add_joint(struct seams *seams, const struct words *words, const uint32_t *numbers,
                      uint64_t key)
{
    uint32_t left = numbers[key >> MERGE_ID_BITS], right = numbers[key & BPE_IDS_MAX];
    struct slice before, behind;
    uint8_t class;

    if (left == WORDS_NONE || right == WORDS_NONE)
        return false;
    before = words_bytes(words, left);
    behind = words_bytes(words, right);
    if (before.len == 0 || behind.len == 0)
        return false;
    class = class_at(behind, 0);
    seams->crossed[(uint8_t)before.at[before.len - 1]][class / 64] |= (uint64_t)1 << class % 64;
    return true;
}

static bool add_joints(struct seams *seams, const struct merge *merge, const struct words *words,
                       const uint32_t *numbers)
{
    for (size_t i = 0; i <= merge->joints.mask; i++) {
        uint64_t slot = merge->joints.slots[i];

        if (slot != ~(uint64_t)0 && !add_joint(seams, words, numbers, slot >> MERGE_RANK_BITS))
            return false;
    }
    return true;
}

/* Whether all bytes have a symbol and none of these is ever merged: seen by the text of its token,
 * such a symbol would be taken for what it does not stand for. */
static bool bytes_stand_alone(const struct merge *merge, const uint32_t byte_ids[256])
{
    bool *is_byte = xcalloc(merge->ids + 1, sizeof(*is_byte)), alone = true;

    for (int byte = 0; byte < 256 && alone; byte++) {
        alone = byte_ids[byte] < merge->ids;
        if (alone)
            is_byte[byte_ids[byte]] = true;
    }
    for (size_t i = 0; i <= merge->joints.mask && alone; i++) {
        uint64_t key = merge->joints.slots[i] >> MERGE_RANK_BITS;

        if (merge->joints.slots[i] != ~(uint64_t)0)
            alone = !is_byte[key >> MERGE_ID_BITS] && !is_byte[key & BPE_IDS_MAX];
    }
    free(is_byte);
    return alone;
}

void seams_init(struct seams *seams, const struct merge *merge, const struct words *words,
                const uint32_t byte_ids[256])
{
    uint32_t *numbers;

    *seams = (struct seams){ 0 };
    if (!merge->cuts || !bytes_stand_alone(merge, byte_ids))
        return;
    numbers = numbers_by_id(words, merge->ids);
    seams->any = numbers && add_joints(seams, merge, words, numbers);
    free(numbers);
}

/* Where the part that begins at `from` ends. */
static size_t part_end(const struct seams *seams, struct slice text, size_t from)
{
    for (size_t at = from + 1; at < text.len; at++) {
        uint8_t class;

        if (((uint8_t)text.at[at] & 0xc0) == 0x80)
            continue;
        class = class_at(text, at);
        if (class != SPACE_CLASS && at - from < PART_LEAST)
            continue;
        if (!(seams->crossed[(uint8_t)text.at[at - 1]][class / 64] >> class % 64 & 1))
            return at;
    }
    return text.len;
}

size_t seams_ends(const struct seams *seams, struct slice text, size_t at, uint32_t *ends,
                  size_t max)
{
    size_t count = 0;

    while (count < max && at < text.len) {
        at = part_end(seams, text, at);
        ends[count++] = (uint32_t)at;
    }
    return count;
}
