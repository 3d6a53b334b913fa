/*
 * Normalization: stretches in which nothing can change are copied; what lies between two of them
 * is decomposed, put into canonical order and composed again (UAX #15, 9.1 and D117).
 */
#include "gateway/token/normal.h"

#include <stdlib.h>

#define UNICODE_TABLE static const
#include "gateway/token/unicode_normal.inc"

/* Hangul syllables are composed by rule (The Unicode Standard, 3.12). */
#define HANGUL_FIRST  0xac00u
#define HANGUL_COUNT  11172u
#define LEAD_FIRST    0x1100u
#define LEAD_COUNT    19u
#define VOWEL_FIRST   0x1161u
#define VOWEL_COUNT   21u
#define TRAIL_BEFORE  0x11a7u /* one before the first: a syllable without trail has index 0 */
#define TRAIL_COUNT   28u
#define ORDER_CLASSES 256u

#define DOTTED_CAPITAL_I    0x130u
#define COMBINING_DOT_ABOVE 0x307u

struct form {
    uint64_t changing; /* a code point of none of these stays, whatever stands before it */
    bool compatible, composed;
};

static const struct form forms[] = {
    [NORMAL_NFC] = { UNICODE_MASK(ORDERED) | UNICODE_MASK(COMPOSES), false, true },
    [NORMAL_NFD] = { UNICODE_MASK(ORDERED) | UNICODE_MASK(DECOMPOSES), false, false },
    [NORMAL_NFKC] = { UNICODE_MASK(ORDERED) | UNICODE_MASK(COMPOSES) | UNICODE_MASK(COMPATIBLE),
                      true, true },
    [NORMAL_NFKD] = { UNICODE_MASK(ORDERED) | UNICODE_MASK(DECOMPOSES) | UNICODE_MASK(COMPATIBLE),
                      true, false },
};

void normal_init(struct normal *normal)
{
    *normal = (struct normal){ 0 };
}

void normal_release(struct normal *normal)
{
    free(normal->codes);
    free(normal->spare);
    normal_init(normal);
}

/* Index of `key`, or `count`. */
static size_t find_code(const uint32_t *codes, size_t count, uint32_t key)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (codes[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && codes[low] == key ? low : count;
}

/* Canonical combining class. */
static uint8_t order_class(uint32_t code)
{
    size_t low = 0, high = ARRAY_LEN(unicode_order_first);

    if (!(unicode_mask(code) & UNICODE_MASK(ORDERED)))
        return 0;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (unicode_order_first[middle] <= code)
            low = middle;
        else
            high = middle;
    }
    return unicode_order_class[low];
}

static void put(struct normal *normal, uint32_t code)
{
    if (normal->count == normal->room) {
        normal->room = normal->room ? normal->room * 2 : 64;
        normal->codes = xrealloc(normal->codes, normal->room * sizeof(*normal->codes));
        normal->spare = xrealloc(normal->spare, normal->room * sizeof(*normal->spare));
    }
    normal->codes[normal->count++] = code;
}

static void put_pooled(struct normal *normal, uint16_t place)
{
    for (uint32_t i = 1; i <= unicode_pool[place]; i++)
        put(normal, unicode_pool[place + i]);
}

static void put_syllable(struct normal *normal, uint32_t code)
{
    uint32_t index = code - HANGUL_FIRST;

    put(normal, LEAD_FIRST + index / (VOWEL_COUNT * TRAIL_COUNT));
    put(normal, VOWEL_FIRST + index / TRAIL_COUNT % VOWEL_COUNT);
    if (index % TRAIL_COUNT)
        put(normal, TRAIL_BEFORE + index % TRAIL_COUNT);
}

static void decompose(struct normal *normal, uint32_t code, bool compatible)
{
    uint64_t mask = unicode_mask(code);
    size_t at;

    if (compatible && mask & UNICODE_MASK(COMPATIBLE)) {
        at = find_code(unicode_compatible, ARRAY_LEN(unicode_compatible), code);
        put_pooled(normal, unicode_compatible_at[at]);
    } else if (!(mask & UNICODE_MASK(DECOMPOSES))) {
        put(normal, code);
    } else if (code - HANGUL_FIRST < HANGUL_COUNT) {
        put_syllable(normal, code);
    } else {
        at = find_code(unicode_canonical, ARRAY_LEN(unicode_canonical), code);
        put_pooled(normal, unicode_canonical_at[at]);
    }
}

/* Sorts a run of marks by class and keeps the order of equals: by counting, since a run can be as
 * long as the text. */
static void order_run(uint32_t *codes, uint32_t *spare, size_t count)
{
    size_t place[ORDER_CLASSES + 1] = { 0 };

    for (size_t i = 0; i < count; i++)
        place[order_class(codes[i]) + 1]++;
    for (size_t c = 1; c <= ORDER_CLASSES; c++)
        place[c] += place[c - 1];
    for (size_t i = 0; i < count; i++)
        spare[place[order_class(codes[i])]++] = codes[i];
    memcpy(codes, spare, count * sizeof(*codes));
}

static void order(struct normal *normal)
{
    for (size_t i = 0; i < normal->count;) {
        size_t end = i;

        while (end < normal->count && order_class(normal->codes[end]) != 0)
            end++;
        if (end - i > 1)
            order_run(normal->codes + i, normal->spare, end - i);
        i = end + 1;
    }
}

/* 0: they do not compose. */
static uint32_t compose_pair(uint32_t first, uint32_t second)
{
    uint64_t key = (uint64_t)first << 32 | second;
    size_t low = 0, high = ARRAY_LEN(unicode_pair);

    if (first - LEAD_FIRST < LEAD_COUNT && second - VOWEL_FIRST < VOWEL_COUNT)
        return HANGUL_FIRST +
               ((first - LEAD_FIRST) * VOWEL_COUNT + (second - VOWEL_FIRST)) * TRAIL_COUNT;
    if (first - HANGUL_FIRST < HANGUL_COUNT && (first - HANGUL_FIRST) % TRAIL_COUNT == 0 &&
        second - TRAIL_BEFORE - 1 < TRAIL_COUNT - 1)
        return first + (second - TRAIL_BEFORE);
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (unicode_pair[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ARRAY_LEN(unicode_pair) && unicode_pair[low] == key ? unicode_pair_to[low] : 0;
}

static void compose(struct normal *normal)
{
    size_t starter = SIZE_MAX, out = 0; /* where the last starter was written */
    uint8_t last = 0;                   /* class of what was written last behind it */

    for (size_t i = 0; i < normal->count; i++) {
        uint32_t code = normal->codes[i], composed = 0;
        uint8_t class = order_class(code);
        bool adjacent = starter != SIZE_MAX && out == starter + 1;

        if (starter != SIZE_MAX && (adjacent || last < class))
            composed = compose_pair(normal->codes[starter], code);
        if (composed) {
            normal->codes[starter] = composed;
            continue;
        }
        if (class == 0)
            starter = out;
        last = class;
        normal->codes[out++] = code;
    }
    normal->count = out;
}

/* Where the first code point from `at` on that may change begins; the text's end if none does. */
static size_t skip_stable(struct slice text, size_t at, uint64_t changing)
{
    while (at < text.len) {
        uint32_t bytes;

        if ((uint8_t)text.at[at] < 0x80) { /* no form changes ASCII */
            at++;
            continue;
        }
        if (unicode_mask(unicode_read(text.at + at, &bytes)) & changing)
            return at;
        at += bytes;
    }
    return at;
}

static size_t before(struct slice text, size_t at)
{
    do
        at--;
    while (((uint8_t)text.at[at] & 0xc0) == 0x80);
    return at;
}

/* Rewrites from `at`, a place where something may change or what it may compose with, up to the
 * next code point that stays; returns where that is. */
static size_t rewrite(struct normal *normal, const struct form *form, struct slice text, size_t at,
                      struct text *out)
{
    uint32_t bytes, code = unicode_read(text.at + at, &bytes);

    normal->count = 0;
    decompose(normal, code, form->compatible);
    for (at += bytes; at < text.len; at += bytes) {
        code = unicode_read(text.at + at, &bytes);
        if (!(unicode_mask(code) & form->changing))
            break;
        decompose(normal, code, form->compatible);
    }
    order(normal);
    if (form->composed)
        compose(normal);
    for (size_t i = 0; i < normal->count; i++)
        text_add_code(out, normal->codes[i]);
    return at;
}

bool normal_apply(struct normal *normal, enum normal_form form, struct slice text, struct text *out)
{
    size_t at = 0, stable = skip_stable(text, 0, forms[form].changing);

    if (stable == text.len)
        return true;
    while (stable < text.len) {
        size_t from = stable > at ? before(text, stable) : stable;

        text_add(out, slice_of(text.at + at, from - at));
        at = rewrite(normal, &forms[form], text, from, out);
        stable = skip_stable(text, at, forms[form].changing);
    }
    text_add(out, slice_of(text.at + at, text.len - at));
    return false;
}

static void put_lower(struct text *out, uint32_t code, uint64_t mask)
{
    if (code < 0x80) {
        text_add_code(out, code >= 'A' && code <= 'Z' ? code + 32 : code);
        return;
    }
    if (mask & UNICODE_MASK(LOWERS))
        code = unicode_lower_to[find_code(unicode_lower, ARRAY_LEN(unicode_lower), code)];
    text_add_code(out, code);
}

/* Where the first code point of a class in `mask` begins. */
static size_t find_mask(struct slice text, uint64_t mask)
{
    size_t at = 0;
    uint32_t bytes;

    while (at < text.len && !(unicode_mask(unicode_read(text.at + at, &bytes)) & mask))
        at += bytes;
    return at;
}

bool normal_lowercase(struct slice text, struct text *out)
{
    size_t at = find_mask(text, UNICODE_MASK(LOWERS));

    if (at == text.len)
        return true;
    text_add(out, slice_of(text.at, at));
    while (at < text.len) {
        uint32_t bytes, code = unicode_read(text.at + at, &bytes);

        put_lower(out, code, unicode_mask(code));
        if (code == DOTTED_CAPITAL_I)
            text_add_code(out, COMBINING_DOT_ABOVE);
        at += bytes;
    }
    return false;
}

bool normal_drop(struct slice text, uint64_t mask, struct text *out, bool *front_lost)
{
    size_t at = find_mask(text, mask);

    if (at == text.len)
        return true;
    *front_lost |= at == 0;
    text_add(out, slice_of(text.at, at));
    while (at < text.len) {
        uint32_t bytes, code = unicode_read(text.at + at, &bytes);

        if (!(unicode_mask(code) & mask))
            text_add(out, slice_of(text.at + at, bytes));
        at += bytes;
    }
    return false;
}
