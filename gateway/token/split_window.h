/*
 * Where pieces begin in a window of 64 bytes whose first byte begins one, by arithmetic on words
 * that have a bit a byte.
 *
 * A window says nothing about what it cannot see: from the first byte on that needs more (a rule
 * that is not told here, or text behind the window), it reports no beginnings; the caller takes a
 * new window at the last one reported, and the scanner of split_core.h where none is. So a window
 * carries no state, and every rule here may be as simple as it is frequent.
 *
 * What follows from the patterns (struct split_shape), piece by piece:
 * - Runs of letters, of numbers, of white space and of others ("symbols") begin pieces, except
 * where the piece before takes the first of the run along.
 * - Newlines behind symbols belong to them ("taken").
 * - White space that is left: up to its last newline a piece; what is behind splits once more
 * before its last byte, which goes with letters that follow (a space also with symbols).
 * - A symbol alone between no space and letters goes with the letters.
 *
 * Runs of several bytes are walked by adding: a bit added at a run's first byte carries to the byte
 * behind it.
 */
#ifndef SLUICE_TOKEN_SPLIT_WINDOW_H
#define SLUICE_TOKEN_SPLIT_WINDOW_H

#include "gateway/token/split_core.h"
#include "gateway/token/split_kernel.h"

/* What code points above ASCII are, as windows tell them apart. By unicode_kind. */
enum split_wide {
    SPLIT_WIDE_SYMBOL,
    SPLIT_WIDE_UPPER,
    SPLIT_WIDE_LOWER,
    SPLIT_WIDE_BOTH, /* letters of no case */
    SPLIT_WIDE_NUMBER,
    SPLIT_WIDE_SPACE,
    SPLIT_WIDE_MARK,
    SPLIT_WIDES
};
extern uint8_t split_wide_of[256];

/* Runs, all bytes of a code point alike. */
struct split_window {
    uint64_t upper, lower, both, letter, number, symbol;
    uint64_t space; /* ' ' */
    uint64_t blank; /* white space but newlines; of one byte */
    uint64_t newline;
    uint64_t white;  /* all white space */
    uint64_t first;  /* first bytes of code points */
    uint64_t unsure; /* from the first of these on nothing is told */
};

static inline uint64_t split_lowest(uint64_t bits)
{
    return bits & -bits;
}

/* The first byte of each run. */
static inline uint64_t split_begins(uint64_t run)
{
    return run & ~(run << 1);
}

/* Sets the bits of what is above ASCII, by kind. */
static inline void split_window_wide(const char *at, uint64_t firsts,
                                     uint64_t ret_wide[SPLIT_WIDES])
{
    for (; firsts; firsts &= firsts - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(firsts), bytes;
        uint32_t code = unicode_read(at + lane, &bytes);

        ret_wide[split_wide_of[unicode_kind(code)]] |= ((1ull << bytes) - 1) << lane;
    }
}

static inline void split_window_init(struct split_window *w, const struct split_shape *shape,
                                     const struct split_lanes *lanes, const char *at)
{
    uint64_t wide[SPLIT_WIDES] = { 0 };

    if (lanes->wide)
        split_window_wide(at, lanes->wide & ~lanes->continued, wide);
    w->upper = lanes->upper | wide[SPLIT_WIDE_UPPER];
    w->lower = lanes->lower | wide[SPLIT_WIDE_LOWER];
    w->both = wide[SPLIT_WIDE_BOTH];
    w->letter = w->upper | w->lower | w->both;
    w->number = lanes->digit | wide[SPLIT_WIDE_NUMBER];
    w->space = lanes->space;
    w->newline = lanes->newline;
    w->blank = lanes->space | lanes->blank;
    w->white = w->blank | w->newline | wide[SPLIT_WIDE_SPACE];
    w->symbol = ~(w->letter | w->number | w->white);
    w->first = ~lanes->continued;
    w->unsure = wide[SPLIT_WIDE_SPACE];
    if (shape->digits == SPLIT_DIGITS_THREE)
        w->unsure |= wide[SPLIT_WIDE_NUMBER];
    if (shape->letters == SPLIT_LETTERS_CASED)
        w->unsure |= wide[SPLIT_WIDE_MARK] | (w->upper & w->both << 1);
}

/* Newlines that belong to the symbols before them. */
static inline uint64_t split_window_taken(struct split_window *w, const struct split_shape *shape,
                                          uint64_t slash)
{
    uint64_t taken;

    if (!shape->lines)
        return 0;
    taken = w->newline & ~(w->newline + (w->newline & w->symbol << 1));
    if (shape->slash)
        w->unsure |= slash & taken << 1;
    return taken;
}

/* Beginnings behind the last newline of white space: blanks behind one whose run no newline ends.
 */
static inline uint64_t split_window_tails(const struct split_window *w, uint64_t taken)
{
    uint64_t tails = w->blank & (w->newline & ~taken) << 1;

    for (uint64_t left = tails; left; left &= left - 1) {
        uint64_t tail = split_lowest(left);

        if ((w->blank + tail) & ~w->blank & w->newline)
            tails &= ~tail;
    }
    return tails;
}

/* Beginnings in numbers. */
static inline uint64_t split_window_numbers(const struct split_window *w,
                                            const struct split_shape *shape)
{
    uint64_t begins = split_begins(w->number), full, group;

    if (shape->digits == SPLIT_DIGITS_ONE)
        return w->number & w->first;
    if (shape->digits == SPLIT_DIGITS_SPACED)
        return begins;
    full = w->number & w->number << 1 & w->number << 2 & w->number << 3;
    for (group = begins << 3 & full; group; group = group << 3 & full)
        begins |= group;
    return begins;
}

/* Runs of letters that the symbol before them goes with: it is alone, and no space is before it. */
static inline uint64_t split_window_prefixed(const struct split_window *w)
{
    uint64_t begins = split_begins(w->symbol) & ~(w->space << 1);
    uint64_t inner = w->symbol & ~w->first;

    return ((begins << 1) + inner) & ~inner & w->letter;
}

/* All beginnings that follow from runs. */
static inline uint64_t split_window_runs(struct split_window *w, const struct split_shape *shape,
                                         uint64_t slash)
{
    uint64_t taken = split_window_taken(w, shape, slash);
    uint64_t blank = shape->lines ? w->blank : w->blank | w->newline;
    uint64_t last = blank & ~(w->white >> 1); /* before what is no white space */
    uint64_t spaced = (last & w->space) << 1, letters = split_begins(w->letter);
    uint64_t numbers = split_window_numbers(w, shape), symbols = split_begins(w->symbol) & ~spaced;
    uint64_t whites = split_begins(w->white & ~taken) | last;

    if (shape->lines)
        whites |= split_window_tails(w, taken);
    if (shape->digits == SPLIT_DIGITS_SPACED)
        numbers &= ~spaced;
    if (shape->letters == SPLIT_LETTERS_SPACED)
        letters &= ~spaced;
    else
        letters &= ~(last << 1 | split_window_prefixed(w));
    if (shape->letters == SPLIT_LETTERS_CASED)
        letters |= w->upper & w->lower << 1;
    return letters | numbers | symbols | whites;
}

/*
 * Corrects beginnings for contractions. Where they stand behind letters, one that stands right
 * behind another is a piece of its own; `at` is the window's text.
 */
static inline uint64_t split_window_contractions(struct split_window *w,
                                                 const struct split_shape *shape, const char *at,
                                                 uint64_t quotes, uint64_t begins)
{
    const struct split_text text = { at, SPLIT_LANES, SPLIT_FENCE_NONE };
    bool behind = shape->contraction == SPLIT_CONTRACTION_BEHIND;
    uint32_t end = 0;

    quotes &= behind ? w->letter << 1 : begins;
    for (; quotes; quotes &= quotes - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(quotes), bytes;

        if (lane + 4 > SPLIT_LANES) {
            w->unsure |= 1ull << lane;
            break;
        }
        bytes = split_contraction(&text, lane + 1, shape->contraction == SPLIT_CONTRACTION_SMALL);
        if (bytes == 0 || (behind && lane == end))
            continue;
        end = lane + 1 + bytes;
        begins &= ~(((1ull << (bytes + behind)) - 1) << (lane + 1 - behind));
        begins |= 1ull << end;
    }
    return begins;
}

/* Without what the window cannot be sure of, and without its first byte. */
static inline uint64_t split_window_sure(const struct split_window *w, uint64_t begins)
{
    uint64_t sure = split_lowest(w->unsure) - 1;
    uint64_t no_white = ~w->white & sure;

    /* white space up to the end of what is seen splits by what comes behind it; it begins anyway */
    if (no_white)
        sure &= (2ull << (63 - __builtin_clzll(no_white)) << 1) - 1;
    else
        sure = 0;
    return begins & sure & ~1ull;
}

/* Bytes that begin a piece, besides the first one. There are SPLIT_LANES bytes at `at`, and what
 * begins in them goes on in the text. */
static inline uint64_t split_window_begins(const struct split_shape *shape, const char *at,
                                           const struct split_lanes *lanes)
{
    struct split_window w;
    uint64_t begins;

    split_window_init(&w, shape, lanes, at);
    begins = split_window_runs(&w, shape, lanes->slash);
    if (lanes->quote && shape->contraction != SPLIT_CONTRACTION_NONE)
        begins = split_window_contractions(&w, shape, at, lanes->quote, begins);
    return split_window_sure(&w, begins);
}

#endif
