/*
 * What the vector kernels of json_string share: 64 bytes at a time, a bit a byte ("lane").
 *
 * Escapes are found without a branch each (J. Keiser, D. Lemire: simdjson's escape scanner),
 * because in source code, of which chats are full, one comes every ten bytes and a mispredicted
 * branch costs as much as a hundred bytes. UTF-8 is checked by three table look-ups a byte pair (J.
 * Keiser, D. Lemire: Validating UTF-8 in less than one instruction per byte, 2021): the tables say
 * for the high and low half of a byte and the high half of its successor which faults they allow; a
 * fault all three allow is one.
 */
#ifndef SLUICE_PROMPT_JSON_STRING_LANES_H
#define SLUICE_PROMPT_JSON_STRING_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What goes over from block to block. */
struct json_string_run {
    uint64_t escapes_next; /* 1: the block before ended in a backslash that escapes this block's
                              first byte */
    uint64_t hex_wanted;   /* lanes of this block that belong to a \u begun before */
    uint64_t slashes;      /* of blocks of a checked string: lanes that had one */
    bool open;             /* the block before may end inside a UTF-8 sequence */
};

/* The lanes that a backslash escapes. */
static inline uint64_t json_string_escaped(struct json_string_run *run, uint64_t slashes)
{
    const uint64_t odd = 0xaaaaaaaaaaaaaaaaull;
    uint64_t before = run->escapes_next;
    uint64_t begins = slashes & ~before;
    /* adding through each run of backslashes flips the odd or even lanes of it, by where it begins
     */
    uint64_t escape_or_end = (((begins << 1) | odd) - begins) ^ odd;

    run->escapes_next = (escape_or_end & slashes) >> 63;
    return escape_or_end ^ (slashes | before);
}

/* The quotes of a checked string that close it: the first one of them does. */
static inline uint64_t json_string_closing(struct json_string_run *run, uint64_t slashes,
                                           uint64_t quotes)
{
    uint64_t closing = quotes & ~json_string_escaped(run, slashes);

    run->slashes |= slashes & (closing ^ (closing - 1)); /* up to there; all where none closes */
    return closing;
}

/* The lanes that must be hex digits, given where an escaped `u` stands. */
static inline uint64_t json_string_hex_lanes(struct json_string_run *run, uint64_t u)
{
    uint64_t lanes = run->hex_wanted | u << 1 | u << 2 | u << 3 | u << 4;

    run->hex_wanted = u >> 63 | u >> 62 | u >> 61 | u >> 60;
    return lanes;
}

/*
 * What may stand behind a backslash, by its high and its low half: a character may if its entries
 * share a bit. One bit each for 2x, 5x, 6x and 7x.
 */
static const uint8_t json_string_escape_high[16] = { [2] = 1, [5] = 2, [6] = 4, [7] = 8 };
static const uint8_t json_string_escape_low[16] = {
    [0x2] = 1 | 4 | 8, /* " b r */
    [0x4] = 8,         /* t */
    [0x5] = 8,         /* u */
    [0x6] = 4,         /* f */
    [0xc] = 2,         /* \ */
    [0xe] = 4,         /* n */
    [0xf] = 1,         /* / */
};

enum json_string_fault {
    TOO_SHORT = 0x01,   /* a lead byte without continuation */
    TOO_LONG = 0x02,    /* ASCII followed by a continuation */
    OVERLONG_3 = 0x04,  /* e0, then below a0 */
    TOO_LARGE = 0x08,   /* f4, then 90 or more; f5 and up */
    SURROGATE = 0x10,   /* ed, then a0 or more */
    OVERLONG_2 = 0x20,  /* c0, c1 */
    TOO_LARGE_2 = 0x40, /* f5 and up, then 8x */
    OVERLONG_4 = 0x40,  /* f0, then below 90 */
    TWO_CONTS = 0x80,   /* two continuations: a fault unless a lead byte stands before */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTS, /* the low half does not matter */
};

/* By the high half of the first byte. */
static const uint8_t json_string_first_high[16] = {
    /* ASCII */
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    /* continuations */
    TWO_CONTS,
    TWO_CONTS,
    TWO_CONTS,
    TWO_CONTS,
    /* leads */
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_2 | OVERLONG_4,
};

/* By the low half of the first byte. */
static const uint8_t json_string_first_low[16] = {
    ANY_LOW | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
    ANY_LOW | OVERLONG_2,
    ANY_LOW,
    ANY_LOW,
    ANY_LOW | TOO_LARGE,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2 | SURROGATE,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
    ANY_LOW | TOO_LARGE | TOO_LARGE_2,
};

/* By the high half of the second byte. */
static const uint8_t json_string_second_high[16] = {
    /* ASCII */
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    /* continuations */
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_2 | OVERLONG_4,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    /* leads */
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
};

#endif
