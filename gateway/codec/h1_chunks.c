/*
 * One step a byte outside of data, one step a run inside.
 */
#include "gateway/codec/h1_chunks.h"

#define SIZE_DIGITS_MAX 16

/* Value of a hex digit plus one; 0: it is none. */
static const uint8_t hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Visible, SP, HTAB or obs-text: what an extension may hold; quotes need no care, for even inside
 * them no line end may stand. */
static bool may_extend(unsigned char c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

/*
 * Sixteen digits fill 64 bits: nothing can overflow. A size of 2^63 or more is no size for anybody
 * who counts with a sign. False: no size line.
 */
static bool step_size(struct h1_chunks *chunks, unsigned char c)
{
    if (hex_digit[c] && chunks->digits < SIZE_DIGITS_MAX) {
        chunks->left = chunks->left << 4 | (uint64_t)(hex_digit[c] - 1);
        chunks->digits++;
        return chunks->left <= INT64_MAX;
    }
    if (chunks->digits == 0)
        return false;
    if (c == ';')
        chunks->state = H1_CHUNKS_EXTENSION;
    else if (c == '\r')
        chunks->state = H1_CHUNKS_SIZE_LF;
    return c == ';' || c == '\r';
}

static bool step_extension(struct h1_chunks *chunks, unsigned char c)
{
    if (c == '\r') {
        chunks->state = H1_CHUNKS_SIZE_LF;
        return true;
    }
    return ++chunks->extension_bytes <= H1_CHUNKS_EXTENSION_BYTES && may_extend(c);
}

static bool step_expect(struct h1_chunks *chunks, unsigned char c, unsigned char expected,
                        enum h1_chunks_state next)
{
    chunks->state = (uint8_t)next;
    return c == expected;
}

/* Any byte outside of data. False: not the coding. */
static bool step(struct h1_chunks *chunks, unsigned char c)
{
    switch ((enum h1_chunks_state)chunks->state) {
    case H1_CHUNKS_SIZE:
        return step_size(chunks, c);
    case H1_CHUNKS_EXTENSION:
        return step_extension(chunks, c);
    case H1_CHUNKS_SIZE_LF:
        return step_expect(chunks, c, '\n', chunks->left ? H1_CHUNKS_DATA : H1_CHUNKS_ENDED);
    case H1_CHUNKS_DATA_CR:
        return step_expect(chunks, c, '\r', H1_CHUNKS_DATA_LF);
    case H1_CHUNKS_DATA_LF:
        chunks->digits = 0;
        return step_expect(chunks, c, '\n', H1_CHUNKS_SIZE);
    case H1_CHUNKS_DATA:
    case H1_CHUNKS_ENDED:
        break;
    }
    return false;
}

static void take_data(struct h1_chunks *chunks, struct slice bytes, size_t max,
                      struct slice *ret_data)
{
    size_t n = bytes.len < max ? bytes.len : max;

    n = n < chunks->left ? n : (size_t)chunks->left;
    *ret_data = slice_head(bytes, n);
    chunks->left -= n;
    if (chunks->left == 0)
        chunks->state = H1_CHUNKS_DATA_CR;
}

const struct reason *h1_chunks_read(struct h1_chunks *chunks, struct slice bytes, size_t max,
                                    size_t *ret_used, struct slice *ret_data)
{
    size_t at = 0;

    *ret_data = slice_of(NULL, 0);
    for (; at < bytes.len && chunks->state != H1_CHUNKS_ENDED; at++) {
        if (chunks->state == H1_CHUNKS_DATA) {
            take_data(chunks, slice_skip(bytes, at), max, ret_data);
            at += ret_data->len;
            break;
        }
        if (!step(chunks, (unsigned char)bytes.at[at]))
            return &reason_bad_framing;
    }
    *ret_used = at;
    return NULL;
}
