/*
 * How the vector kernels of json_span check UTF-8: by three table look-ups a byte pair (J. Keiser,
 * D. Lemire: Validating UTF-8 in less than one instruction per byte, 2021). The tables say for the
 * high and low half of a byte and the high half of its successor which faults they allow; a fault
 * all three allow is one. Blocks of ASCII, which most are, skip it.
 */
#ifndef SLUICE_PROMPT_JSON_SPAN_UTF8_H
#define SLUICE_PROMPT_JSON_SPAN_UTF8_H

#include <stdint.h>

enum json_span_fault {
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
static const uint8_t json_span_first_high[16] = {
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
static const uint8_t json_span_first_low[16] = {
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
static const uint8_t json_span_second_high[16] = {
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
