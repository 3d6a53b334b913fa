/*
 * Random texts that tokenizers stumble over: sequences of atoms that patterns treat unlike their
 * neighbours, with some repeated for longer than a vector is wide.
 */
#ifndef SLUICE_TESTS_UNIT_TEXTS_H
#define SLUICE_TESTS_UNIT_TEXTS_H

#include "gateway/base/slice.h"
#include "gateway/token/unicode.h"
#include "tests/unit/random.h"

static const struct slice texts_atoms[] = {
    SLICE_INIT("a"),
    SLICE_INIT("Z"),
    SLICE_INIT("word"),
    SLICE_INIT("Word"),
    SLICE_INIT("WORD"),
    SLICE_INIT(" "),
    SLICE_INIT("  "),
    SLICE_INIT("\t"),
    SLICE_INIT("\n"),
    SLICE_INIT("\r"),
    SLICE_INIT("\r\n"),
    SLICE_INIT("\v\f"),
    SLICE_INIT("'s"),
    SLICE_INIT("'LL"),
    SLICE_INIT("'\xc5\xbf") /* U+017F, which folds to s */,
    SLICE_INIT("'"),
    SLICE_INIT("'re"),
    SLICE_INIT("'v"),
    SLICE_INIT("/"),
    SLICE_INIT("!"),
    SLICE_INIT("=="),
    SLICE_INIT("_"),
    SLICE_INIT("0"),
    SLICE_INIT("123"),
    SLICE_INIT("\xd9\xa3") /* Arabic digit */,
    SLICE_INIT("\xc2\xb2") /* superscript two */,
    SLICE_INIT("\xe2\x85\xa7") /* Roman numeral, a letter number */,
    SLICE_INIT("\xf0\x9d\x9f\x97") /* a digit of four bytes */,
    SLICE_INIT("\xc2\xa0") /* no-break space */,
    SLICE_INIT("\xe3\x80\x80") /* ideographic space */,
    SLICE_INIT("\xc2\x85") /* next line */,
    SLICE_INIT("\xe2\x80\xa8") /* line separator */,
    SLICE_INIT("\xe2\x80\x8b") /* zero width space, which is none */,
    SLICE_INIT("\xef\xbb\xbf") /* byte order mark */,
    SLICE_INIT("\xcc\x81") /* acute accent, a mark */,
    SLICE_INIT("\xe0\xa4\xbe") /* a spacing mark */,
    SLICE_INIT("\xc7\x85") /* a title-case letter */,
    SLICE_INIT("\xca\xb0") /* a modifier letter */,
    SLICE_INIT("\xd0\x96") /* a capital of two bytes */,
    SLICE_INIT("\xd1\x8f\xd0\xb6"),
    SLICE_INIT("\xe1\xba\x9e") /* a capital of three bytes */,
    SLICE_INIT("\xf0\x90\x90\x80") /* a capital of four bytes */,
    SLICE_INIT("\xf0\x90\x90\xa8") /* a small letter of four bytes */,
    SLICE_INIT("\xe4\xb8\xad\xe6\x96\x87"),
    SLICE_INIT("\xe3\x81\x8b\xe3\x82\xab"),
    SLICE_INIT("\xe3\x83\xbb") /* katakana middle dot: among kana, and punctuation */,
    SLICE_INIT("\xe3\x82\x9b") /* voiced sound mark: among kana, and a symbol */,
    SLICE_INIT("\xe3\x82\x97") /* among kana, and unassigned */,
    SLICE_INIT("\xf0\xa0\x80\x80") /* a character of four bytes */,
    SLICE_INIT("\xe0\xb8\x97\xe0\xb8\xb5\xe0\xb9\x88") /* Thai: letter and two marks */,
    SLICE_INIT("\xf0\x9f\x98\x80") /* an emoji */,
    SLICE_INIT("\xe2\x80\x9c") /* a quotation mark of three bytes */,
    SLICE_INIT("\xc2\xab") /* one of two */,
    SLICE_INIT("\xcd\xb8") /* unassigned */,
    SLICE_INIT("\xee\x80\x80") /* private */,
    { "\0", 1 },
    SLICE_INIT("\x01"),
};

/* Any code point that UTF-8 has. */
static inline uint32_t texts_code(uint64_t *seed)
{
    uint32_t code;

    do
        code = (uint32_t)random_below(seed, random_below(seed, 2) ? 0x3000 : UNICODE_LIMIT);
    while (code >= 0xd800 && code < 0xe000);
    return code;
}

/* Fills up to `room` bytes, at least 64, with a text of random length; returns it. */
static inline struct slice texts_random(uint64_t *seed, char *to, size_t room)
{
    size_t len = 0, wanted = 1 + random_below(seed, room - 64);
    size_t kinds = 1 + random_below(seed, ARRAY_LEN(texts_atoms));
    size_t first = random_below(seed, ARRAY_LEN(texts_atoms));

    while (len < wanted) {
        struct slice atom =
            texts_atoms[(first + random_below(seed, kinds)) % ARRAY_LEN(texts_atoms)];
        size_t times = random_below(seed, 16) ? 1 : 1 + random_below(seed, 80);

        if (random_below(seed, 32) == 0) {
            len += unicode_write(to + len, texts_code(seed));
            continue;
        }
        for (; times > 0 && len < wanted; times--) {
            memcpy(to + len, atom.at, atom.len);
            len += atom.len;
        }
    }
    return slice_of(to, len);
}

#endif
