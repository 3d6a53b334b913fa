/*
 * Where pieces of text end: the pre-tokenizers' regular expressions as scanners, a code point at a
 * time. What they do is what a backtracking engine does with the pattern; the comments name the
 * alternative that is meant.
 *
 * Core (core.h): also device code. All text is well-formed UTF-8 below 4 GB; its end,
 * which is the end of text to look-aheads. Every scanner is linear in the piece it finds.
 */
#ifndef SLUICE_TOKEN_SPLIT_CORE_H
#define SLUICE_TOKEN_SPLIT_CORE_H

#include "gateway/token/core.h"
#include "gateway/token/unicode.h"

/* How a letter piece looks. */
enum split_letters {
    SPLIT_LETTERS_SPACED,   /* " ?\p{L}+" */
    SPLIT_LETTERS_PREFIXED, /* "[^\r\n\p{L}\p{N}]?\p{L}+" */
    SPLIT_LETTERS_CASED,    /* the same prefix; capitals, then small letters; marks are letters */
};
enum split_digits {
    SPLIT_DIGITS_SPACED, /* " ?\p{N}+" */
    SPLIT_DIGITS_ONE,    /* "\p{N}" */
    SPLIT_DIGITS_THREE,  /* "\p{N}{1,3}" */
};
/* Where 's, 't, 're, 've, 'm, 'll and 'd may stand. */
enum split_contraction {
    SPLIT_CONTRACTION_NONE,
    SPLIT_CONTRACTION_SMALL,  /* pieces of their own, in small letters */
    SPLIT_CONTRACTION_FRONT,  /* pieces of their own, in any case: "(?i:...)" */
    SPLIT_CONTRACTION_BEHIND, /* at the end of a letter piece, in any case */
};

/* What tells the common patterns apart. */
struct split_shape {
    uint8_t letters;     /* enum split_letters */
    uint8_t digits;      /* enum split_digits */
    uint8_t contraction; /* enum split_contraction */
    bool lines; /* "\s*[\r\n]+", and "[\r\n]*" behind other characters; without: "\s+" only */
    bool slash; /* "[\r\n/]*" instead */
};

#define SPLIT_LETTER (UNICODE_MASK(L))
#define SPLIT_NUMBER (UNICODE_MASK(N))
#define SPLIT_SPACE  (UNICODE_MASK(SPACE))
#define SPLIT_KNOWN  (SPLIT_LETTER | SPLIT_NUMBER | SPLIT_SPACE) /* the rest: "[^\s\p{L}\p{N}]" */
#define SPLIT_BOTH   (UNICODE_MASK(LM) | UNICODE_MASK(LO) | UNICODE_MASK(M))
#define SPLIT_UPPER  (UNICODE_MASK(LU) | UNICODE_MASK(LT) | SPLIT_BOTH)
#define SPLIT_LOWER  (UNICODE_MASK(LL) | SPLIT_BOTH)
#define SPLIT_WORD   (SPLIT_LETTER | UNICODE_MASK(M))

/* A code point in its text. Behind the end: no class, zero bytes. */
struct split_char {
    uint64_t mask;
    uint32_t code;
    uint32_t bytes;
};

/* What ends a text as its end does. By cjk is meant what DeepSeek's pattern for Chinese and
 * Japanese has. */
enum split_fence {
    SPLIT_FENCE_NONE,
    SPLIT_FENCE_PARTS, /* numbers and cjk */
    SPLIT_FENCE_CJK,   /* all but cjk */
};

struct split_text {
    const char *at;
    uint32_t len;
    enum split_fence fence;
};

/* "[一-龥぀-ゟ゠-ヿ]" */
CORE_FUNCTION bool split_is_cjk(uint32_t code)
{
    return (code >= 0x4e00 && code <= 0x9fa5) || (code >= 0x3040 && code <= 0x30ff);
}

CORE_FUNCTION bool split_is_fence(enum split_fence fence, struct split_char c)
{
    if (fence == SPLIT_FENCE_CJK)
        return !split_is_cjk(c.code);
    return fence == SPLIT_FENCE_PARTS && ((c.mask & SPLIT_NUMBER) || split_is_cjk(c.code));
}

CORE_FUNCTION struct split_char split_char_at(const struct split_text *text, uint32_t at)
{
    struct split_char c = { 0, 0, 0 }, end = c;

    if (at < text->len) {
        c.code = unicode_read(text->at + at, &c.bytes);
        c.mask = unicode_mask(c.code);
        if (split_is_fence(text->fence, c))
            return end;
    }
    return c;
}

CORE_FUNCTION bool split_is_newline(uint32_t code)
{
    return code == '\n' || code == '\r';
}

/* The end of the run of code points that are in a class of `mask`. */
CORE_FUNCTION uint32_t split_run(const struct split_text *text, uint32_t at, uint64_t mask)
{
    struct split_char c = split_char_at(text, at);

    while (c.mask & mask) {
        at += c.bytes;
        c = split_char_at(text, at);
    }
    return at;
}

/* "[^\s\p{L}\p{N}]*" */
CORE_FUNCTION uint32_t split_run_other(const struct split_text *text, uint32_t at)
{
    struct split_char c = split_char_at(text, at);

    while (c.bytes && !(c.mask & SPLIT_KNOWN)) {
        at += c.bytes;
        c = split_char_at(text, at);
    }
    return at;
}

/* "[\r\n]*", with slashes if asked for. */
CORE_FUNCTION uint32_t split_run_newlines(const struct split_text *text, uint32_t at, bool slash)
{
    while (at < text->len && text->fence != SPLIT_FENCE_CJK &&
           (text->at[at] == '\n' || text->at[at] == '\r' || (slash && text->at[at] == '/')))
        at++;
    return at;
}

/* Bytes of the contraction behind an apostrophe; 0: there is none. `small`: small letters only. */
CORE_FUNCTION uint32_t split_contraction(const struct split_text *text, uint32_t at, bool small)
{
    uint8_t fold = small ? 0 : 0x20;
    uint8_t a = at < text->len ? (uint8_t)text->at[at] | fold : 0;
    uint8_t b = at + 1 < text->len ? (uint8_t)text->at[at + 1] | fold : 0;

    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 1;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 2;
    /* U+017F, which folds to s; with the bit of small letters set in both bytes */
    if (!small && a == 0xe5 && (uint8_t)text->at[at] == 0xc5 && b == 0xbf &&
        (uint8_t)text->at[at + 1] == 0xbf)
        return 2;
    return 0;
}

/* "\s*[\r\n]+|\s+(?!\S)|\s+", at white space; the first only with `lines`. */
CORE_FUNCTION uint32_t split_spaces(const struct split_text *text, uint32_t at, bool lines)
{
    uint32_t end = at, last = at, line = at;
    struct split_char c = split_char_at(text, at);

    while (c.mask & SPLIT_SPACE) {
        last = end;
        end += c.bytes;
        if (split_is_newline(c.code))
            line = end;
        c = split_char_at(text, end);
    }
    if (lines && line > at)
        return line;
    return c.bytes == 0 || last == at ? end : last;
}

/*
 * "U*l+" or else "U+l*" from `at`, where U and l share letters of no case and marks; `at` when
 * neither matches. Backtracking: with no small letter behind the capitals, l+ takes the last of
 * those that are both.
 */
CORE_FUNCTION uint32_t split_cased(const struct split_text *text, uint32_t at, bool capitals_alone)
{
    uint32_t end = at, both = at;
    struct split_char c = split_char_at(text, at);

    while (c.mask & SPLIT_UPPER) {
        end += c.bytes;
        if (c.mask & SPLIT_BOTH)
            both = end;
        c = split_char_at(text, end);
    }
    if (c.mask & SPLIT_LOWER)
        return split_run(text, end, SPLIT_LOWER);
    if (both > at)
        return both;
    return capitals_alone ? end : at;
}

/* A cased letter piece at `at`, where `c` stands; `at`: there is none. */
CORE_FUNCTION uint32_t split_cased_piece(const struct split_text *text, uint32_t at,
                                         struct split_char c)
{
    bool prefix = !(c.mask & (SPLIT_LETTER | SPLIT_NUMBER)) && !split_is_newline(c.code);
    uint32_t end;

    for (int capitals_alone = 0; capitals_alone < 2; capitals_alone++) {
        if (prefix) {
            end = split_cased(text, at + c.bytes, capitals_alone);
            if (end > at + c.bytes)
                return end;
        }
        end = split_cased(text, at, capitals_alone);
        if (end > at)
            return end;
    }
    return at;
}

/* A letter piece at `at`, where `c` stands; `at`: there is none. */
CORE_FUNCTION uint32_t split_letters(const struct split_shape *shape, const struct split_text *text,
                                     uint32_t at, struct split_char c)
{
    uint32_t end;

    if (shape->letters == SPLIT_LETTERS_CASED) {
        end = split_cased_piece(text, at, c);
        if (end > at && shape->contraction == SPLIT_CONTRACTION_BEHIND && end < text->len &&
            text->at[end] == '\'') {
            uint32_t more = split_contraction(text, end + 1, false);

            end += more ? more + 1 : 0;
        }
        return end;
    }
    if (c.mask & SPLIT_LETTER)
        return split_run(text, at, SPLIT_LETTER);
    if (shape->letters == SPLIT_LETTERS_SPACED
            ? c.code != ' '
            : (c.mask & SPLIT_NUMBER) || split_is_newline(c.code))
        return at;
    end = split_run(text, at + c.bytes, SPLIT_LETTER);
    return end > at + c.bytes ? end : at;
}

/* A number piece at `at`, where `c` stands; `at`: there is none. */
CORE_FUNCTION uint32_t split_digits(const struct split_shape *shape, const struct split_text *text,
                                    uint32_t at, struct split_char c)
{
    uint32_t end = at, digits = shape->digits == SPLIT_DIGITS_ONE ? 1 : 3;

    if (shape->digits == SPLIT_DIGITS_SPACED) {
        uint32_t from = c.code == ' ' ? at + 1 : at;

        end = split_run(text, from, SPLIT_NUMBER);
        return end > from ? end : at;
    }
    for (; digits && (c.mask & SPLIT_NUMBER); digits--) {
        end += c.bytes;
        c = split_char_at(text, end);
    }
    return end;
}

/* " ?[^\s\p{L}\p{N}]+" and what may stand behind it; `at`: there is none. */
CORE_FUNCTION uint32_t split_other(const struct split_shape *shape, const struct split_text *text,
                                   uint32_t at, struct split_char c)
{
    uint32_t from = c.code == ' ' ? at + 1 : at;
    uint32_t end = split_run_other(text, from);

    if (end == from)
        return at;
    return shape->lines ? split_run_newlines(text, end, shape->slash) : end;
}

/* The end of the piece that begins at `at`, which is before the text's end. */
CORE_FUNCTION uint32_t split_shape_next(const struct split_shape *shape,
                                        const struct split_text *text, uint32_t at)
{
    struct split_char c = split_char_at(text, at);
    uint32_t end;

    if (c.code == '\'' && (shape->contraction == SPLIT_CONTRACTION_SMALL ||
                           shape->contraction == SPLIT_CONTRACTION_FRONT)) {
        end = split_contraction(text, at + 1, shape->contraction == SPLIT_CONTRACTION_SMALL);
        if (end)
            return at + 1 + end;
    }
    end = split_letters(shape, text, at, c);
    if (end == at)
        end = split_digits(shape, text, at, c);
    if (end == at)
        end = split_other(shape, text, at, c);
    return end > at ? end : split_spaces(text, at, shape->lines);
}

/*
 * Whether a piece certainly ends between two neighbours, whatever stands around them: there a text
 * can be cut and its parts be split by themselves. Pieces hold white space at their front, or
 * newlines at their end; numbers stand alone; letters are followed by no symbol but the apostrophe
 * (and marks, which may count as letters). gpu.md 1.4.
 */
CORE_FUNCTION bool split_shape_sync(const struct split_shape *shape, struct split_char before,
                                    struct split_char after)
{
    bool newline = split_is_newline(after.code);

    if ((after.mask & SPLIT_SPACE) && !(before.mask & SPLIT_SPACE) && !newline)
        return true;
    if ((before.mask ^ after.mask) & SPLIT_NUMBER)
        return shape->digits != SPLIT_DIGITS_SPACED || before.code != ' ';
    if (before.mask & SPLIT_LETTER)
        return newline || (!(after.mask & (SPLIT_KNOWN | UNICODE_MASK(M))) && after.code != '\'');
    return split_is_newline(before.code) && (after.mask & SPLIT_LETTER);
}

/* ---- patterns that leave gaps: what they do not match is a piece as well ---- */

/* The end of the match at `at`; `at`: none there. */
typedef uint32_t split_match_fn(const struct split_text *text, uint32_t at);

/* The match at `at`, or else the gap up to the next match. */
CORE_FUNCTION uint32_t split_match_next(split_match_fn *match, const struct split_text *text,
                                        uint32_t at)
{
    uint32_t end = match(text, at);

    if (end > at)
        return end;
    do
        end += split_char_at(text, end).bytes;
    while (split_char_at(text, end).bytes && match(text, end) == end);
    return end;
}

/* "\p{N}{1,3}" */
CORE_FUNCTION uint32_t split_match_numbers(const struct split_text *text, uint32_t at)
{
    const struct split_shape three = { 0, SPLIT_DIGITS_THREE, 0, false, false };

    return split_digits(&three, text, at, split_char_at(text, at));
}

/* "[0-9][0-9][0-9]" */
CORE_FUNCTION uint32_t split_match_thousands(const struct split_text *text, uint32_t at)
{
    if (text->len - at < 3)
        return at;
    for (uint32_t i = 0; i < 3; i++)
        if (text->at[at + i] < '0' || text->at[at + i] > '9')
            return at;
    return at + 3;
}

/* "[一-龥぀-ゟ゠-ヿ]+" */
CORE_FUNCTION uint32_t split_match_cjk(const struct split_text *text, uint32_t at)
{
    struct split_char c = split_char_at(text, at);

    while (split_is_cjk(c.code)) {
        at += c.bytes;
        c = split_char_at(text, at);
    }
    return at;
}

CORE_FUNCTION bool split_is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* DeepSeek's third pattern. */
CORE_FUNCTION uint32_t split_match_deepseek(const struct split_text *text, uint32_t at)
{
    const uint64_t symbol = UNICODE_MASK(P) | UNICODE_MASK(S);
    struct split_char c = split_char_at(text, at);
    uint32_t from, end;

    if (c.code < 0x80 && (c.mask & symbol) && at + 1 < text->len &&
        split_is_ascii_letter(text->at[at + 1])) {
        for (end = at + 1; end < text->len && split_is_ascii_letter(text->at[end]);)
            end++;
        return end;
    }
    from = (c.mask & (SPLIT_LETTER | symbol)) || split_is_newline(c.code) ? at : at + c.bytes;
    end = split_run(text, from, SPLIT_WORD);
    if (end > from)
        return end;
    if (c.mask & UNICODE_MASK(M))
        return at + c.bytes;
    from = c.code == ' ' ? at + 1 : at;
    end = split_run(text, from, symbol);
    if (end > from)
        return split_run_newlines(text, end, false);
    return c.mask & SPLIT_SPACE ? split_spaces(text, at, true) : at;
}

CORE_FUNCTION bool split_starts(const struct split_text *text, uint32_t at, const char *with,
                                uint32_t bytes)
{
    if (text->len - at < bytes)
        return false;
    for (uint32_t i = 0; i < bytes; i++)
        if (text->at[at + i] != with[i])
            return false;
    return true;
}

/* CLIP's. */
CORE_FUNCTION uint32_t split_match_clip(const struct split_text *text, uint32_t at)
{
    struct split_char c = split_char_at(text, at);
    uint32_t contraction;

    if (split_starts(text, at, "<|startoftext|>", 15))
        return at + 15;
    if (split_starts(text, at, "<|endoftext|>", 13))
        return at + 13;
    contraction = c.code == '\'' ? split_contraction(text, at + 1, true) : 0;
    if (contraction)
        return at + 1 + contraction;
    if (c.mask & SPLIT_LETTER)
        return split_run(text, at, SPLIT_LETTER);
    return c.mask & SPLIT_NUMBER ? at + c.bytes : split_run_other(text, at);
}

/* DeepSeek's three patterns one after the other: numbers, cjk, and in each of their pieces, and of
 * what lies between, the third pattern; which has nothing of numbers, but kana have punctuation
 * among them. */
CORE_FUNCTION uint32_t split_chain_deepseek(const struct split_text *text, uint32_t at)
{
    bool cjk = split_is_cjk(split_char_at(text, at).code);
    const struct split_text part = { text->at, text->len,
                                     cjk ? SPLIT_FENCE_CJK : SPLIT_FENCE_PARTS };
    uint32_t end = split_match_numbers(text, at);

    return end > at ? end : split_match_next(split_match_deepseek, &part, at);
}

#endif
