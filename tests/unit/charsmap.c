/*
 * Compiled character maps: what they replace (Hugging Face tokenizers 0.23.2, its Precompiled with
 * the same map), and maps that cannot be.
 */
#include "gateway/token/charsmap.h"

#include "tests/unit/tokenizer_rig.h"

#define LEAF      (1u << 31) /* a unit that is a value */
#define HAS_VALUE (1u << 8)
#define UNITS     (256 * 64)

/* A map while it is made: every node's children have a block of 256 units of their own. */
struct making {
    uint32_t units[UNITS];
    size_t blocks;
    struct text replacements;
};

static size_t child_of(struct making *making, size_t from, uint8_t byte)
{
    uint32_t *unit = &making->units[from];

    if (*unit >> 10 == 0)
        *unit |= (uint32_t)(from ^ 256 * ++making->blocks) << 10;
    assert_true(making->blocks < UNITS / 256);
    return from ^ *unit >> 10 ^ byte;
}

static void add(struct making *making, const char *key, const char *replacement)
{
    size_t at = 0;

    for (; *key; key++) {
        at = child_of(making, at, (uint8_t)*key);
        making->units[at] |= (uint8_t)*key;
    }
    making->units[at] |= HAS_VALUE;
    making->units[child_of(making, at, 0)] = (uint32_t)making->replacements.len | LEAF;
    text_add(&making->replacements, slice_of(replacement, strlen(replacement) + 1));
}

static void add_u32(struct text *blob, uint32_t number)
{
    for (int shift = 0; shift < 32; shift += 8)
        *text_reserve(blob, 1) = (char)(number >> shift), blob->len++;
}

/* Base64 in quotes, as a part of a file. */
static char *quoted(struct slice blob)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = xmalloc(blob.len / 3 * 4 + 8), *at = text;

    *at++ = '\'';
    for (size_t i = 0; i < blob.len; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < blob.len ? (uint8_t)blob.at[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *at++ = i + j <= blob.len ? digits[bits >> (18 - 6 * j) & 63] : '=';
    }
    *at++ = '\'';
    *at = '\0';
    return text;
}

static char *compile(const uint32_t *units, size_t count, struct slice replacements)
{
    struct text blob;
    char *text;

    text_init(&blob);
    add_u32(&blob, (uint32_t)count * 4);
    for (size_t i = 0; i < count; i++)
        add_u32(&blob, units[i]);
    text_add(&blob, replacements);
    text = quoted(text_slice(&blob));
    text_release(&blob);
    return text;
}

static const struct {
    const char *key, *replacement;
} entries[] = {
    { "\xef\xbd\x81", "a" }, { "\xe3\x8c\x80", "apaato" },
    { "e\xcc\x81", "E" },    { "e", "x" },
    { "k\xcc\x81", "K" },    { "\xcc\x81", "" },
    { "\xc2\xa0", " " },     { "z\xcc\xa3\xcc\x87", "Z" },
    { "ab", "c" },           { "\xf0\x9f\x98\x80", ":)" },
};

static char *known_map(void)
{
    struct making *making = xcalloc(1, sizeof(*making));
    char *text;

    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        add(making, entries[i].key, entries[i].replacement);
    text = compile(making->units, 256 * (making->blocks + 1), text_slice(&making->replacements));
    text_release(&making->replacements);
    free(making);
    return text;
}

/* Of a base letter and its marks the whole is looked up while it has fewer than six bytes. */
static void clusters_are_replaced_as_the_reference_does(void **state)
{
    static const struct {
        const char *text, *becomes;
    } rows[] = {
        { "", "" },
        { "\xef\xbd\x81"
          "b\xef\xbd\x81",
          "aba" },
        { "\xe3\x8c\x80", "apaato" },
        { "e\xcc\x81", "x" },
        { "e", "x" },
        { "k\xcc\x81k", "Kk" },
        { "q\xcc\x81", "q" },
        { "\xc2\xa0", " " },
        { "z\xcc\xa3\xcc\x87z", "Zz" },
        { "z\xcc\xa3\xcc\x87\xcc\x87", "z\xcc\xa3\xcc\x87\xcc\x87" },
        { "ab", "ab" },
        { "a\xcc\x81"
          "b",
          "ab" },
        { "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xcc\x81", ":):)" },
        { "e\xcc\x81\xcc\x81", "x" },
        { "e\xcc\x81\xcc\x81\xcc\x81", "x" },
        { "\xef\xbd\x81\xcc\x81", "a" },
        { "\xef\xbd\x81\xcc\x81\xcc\x81", "a" },
        { "\x0d\x0a\xef\xbd\x81", "\x0d\x0a"
                                  "a" },
        { "\xef\xac\x81", "\xef\xac\x81" },
    };
    char *map = known_map();
    struct charsmap charsmap;
    struct rig_node rig;
    struct text out;

    (void)state;
    rig_open(&rig, map);
    text_init(&out);
    assert_true(charsmap_load(&charsmap, &rig.node));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool same;

        text_clear(&out);
        same = charsmap_apply(&charsmap, slice_str(rows[i].text), SIZE_MAX, &out);
        if (!slice_eq(text_slice(&out), slice_str(rows[i].becomes)))
            fail_msg("\"%s\": \"%.*s\", wanted \"%s\"", rows[i].text, SLICE_ARGS(text_slice(&out)),
                     rows[i].becomes);
        assert_true(!same || strcmp(rows[i].text, rows[i].becomes) == 0);
    }
    text_release(&out);
    charsmap_release(&charsmap);
    rig_close(&rig);
    free(map);
}

/* The shortest entry that a text begins with; U+0000 ends what is looked at. */
static void the_shortest_entry_is_found(void **state)
{
    static const struct {
        struct slice chunk;
        const char *replacement; /* NULL: none */
    } rows[] = {
        { SLICE_INIT("\xef\xbd\x81"), "a" }, { SLICE_INIT("\xef\xbd\x81zz"), "a" },
        { SLICE_INIT("\xef\xbd"), NULL },    { SLICE_INIT("e\xcc\x81"), "x" },
        { SLICE_INIT("k"), NULL },           { SLICE_INIT("k\xcc\x81"), "K" },
        { SLICE_INIT("\xcc\x81"), "" },      { SLICE_INIT("a\0b"), NULL },
        { SLICE_INIT("\0e"), NULL },         { SLICE_INIT(""), NULL },
    };
    char *map = known_map();
    struct charsmap charsmap;
    struct rig_node rig;

    (void)state;
    rig_open(&rig, map);
    assert_true(charsmap_load(&charsmap, &rig.node));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice replacement = slice_of(NULL, 0);
        bool found = charsmap_find(&charsmap, rows[i].chunk, &replacement);

        if (found != (rows[i].replacement != NULL) ||
            (found && !slice_eq(replacement, slice_str(rows[i].replacement))))
            fail_msg("row %zu: \"%.*s\"", i, SLICE_ARGS(replacement));
    }
    charsmap_release(&charsmap);
    rig_close(&rig);
    free(map);
}

static void an_empty_map_replaces_nothing(void **state)
{
    static const char *const maps[] = { "''", "null" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct charsmap charsmap;
        struct slice replacement;
        struct rig_node rig;

        rig_open(&rig, maps[i]);
        assert_true(charsmap_load(&charsmap, &rig.node));
        assert_false(charsmap_find(&charsmap, SLICE("e"), &replacement));
        charsmap_release(&charsmap);
        rig_close(&rig);
    }
}

static void a_text_that_grows_too_much_is_left(void **state)
{
    char *map = known_map();
    struct charsmap charsmap;
    struct rig_node rig;
    struct text out;

    (void)state;
    rig_open(&rig, map);
    text_init(&out);
    assert_true(charsmap_load(&charsmap, &rig.node));
    assert_false(charsmap_apply(&charsmap, SLICE("\xe3\x8c\x80\xe3\x8c\x80\xe3\x8c\x80"), 6, &out));
    assert_true(slice_eq(text_slice(&out), SLICE("apaatoapaato"))); /* as soon as it has more */
    text_release(&out);
    charsmap_release(&charsmap);
    rig_close(&rig);
    free(map);
}

static void load(const char *json, const char *said)
{
    struct charsmap charsmap;
    struct rig_node rig;
    bool loaded;

    rig_open(&rig, json);
    loaded = charsmap_load(&charsmap, &rig.node);
    charsmap_release(&charsmap);
    rig_refused(&rig, loaded, said);
    rig_close(&rig);
}

static void what_is_no_map_is_refused(void **state)
{
    static const struct {
        const char *json, *said;
    } rows[] = {
        { "7", "part: must be a string, is a number" },
        { "{}", "part: must be a string, is an object" },
        { "'*'", "part: is not base64" },
        { "'AAA'", "part: is not base64" },
        { "'A==='", "part: is not base64" },
        { "'AA=A'", "part: is not base64" },
        { "'AAAA AAAA'", "part: is not base64" },
        { "'AAA='", "part: is no compiled character map" },         /* two bytes */
        { "'AAAAAA=='", "part: is no compiled character map" },     /* a trie of no bytes */
        { "'AwAAAAAAAAA='", "part: is no compiled character map" }, /* of three */
        { "'CAAAAAAAAAA='", "part: is no compiled character map" }, /* of eight, where four are */
        { "'/P///wAAAAA='", "part: is no compiled character map" }, /* of 2^32 - 4 */
        { "'BAAAAAAAAAD/'", "part: replaces by what is not UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load(rows[i].json, rows[i].said);
}

static void a_map_has_a_largest_size(void **state)
{
    static const struct {
        size_t len;
        const char *said;
    } rows[] = {
        { (size_t)16 << 20, "part: is no compiled character map" },
        { ((size_t)16 << 20) + 4, "part: is too large" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *json = xmalloc(rows[i].len + 3);

        memset(json, 'A', rows[i].len + 2);
        json[0] = json[rows[i].len + 1] = '\'';
        json[rows[i].len + 2] = '\0';
        load(json, rows[i].said);
        free(json);
    }
}

/* Units that lead out of the map, and values that lie outside of the replacements or inside a code
 * point, find nothing. */
static void hostile_units_find_nothing(void **state)
{
#define NODE(label, offset, flags) ((uint32_t)(label) | (uint32_t)(offset) << 10 | (flags))
    static const struct {
        uint32_t root, node, leaf; /* at 0, 'a' and 1 */
        bool found;
    } rows[] = {
        { NODE(0, 'a' ^ 'a', 0), NODE('a', 'a' ^ 1, HAS_VALUE), 0 | LEAF, true },
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, HAS_VALUE), 3 | LEAF, true }, /* the last one's end */
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, HAS_VALUE), 4 | LEAF, false },
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, HAS_VALUE), 0x7fffffff | LEAF, false },
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, HAS_VALUE), 2 | LEAF, false }, /* inside U+00E9 */
        { NODE(0, 0, 0), NODE('b', 'a' ^ 1, HAS_VALUE), 0 | LEAF, false }, /* another's child */
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, HAS_VALUE | LEAF), 0 | LEAF, false },
        { NODE(0, 0, 0), NODE('a', 'a' ^ 1, 0), 0 | LEAF, false },
        { NODE(0, 0, 0), NODE('a', 0x1fffff, HAS_VALUE), 0 | LEAF, false },
        { NODE(0, 0x1fffff, 0), NODE('a', 'a' ^ 1, HAS_VALUE), 0 | LEAF, false },
        { NODE(0, 0x1fffff, 1u << 9), NODE('a', 'a' ^ 1, HAS_VALUE), 0 | LEAF, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t units['a' + 1] = { 0 };
        struct charsmap charsmap;
        struct slice replacement;
        struct rig_node rig;
        char *map;

        units[0] = rows[i].root;
        units[1] = rows[i].leaf;
        units['a'] = rows[i].node;
        map = compile(units, ARRAY_LEN(units), SLICE("x\xc3\xa9\0"));
        rig_open(&rig, map);
        assert_true(charsmap_load(&charsmap, &rig.node));
        if (charsmap_find(&charsmap, SLICE("aaaa"), &replacement) != rows[i].found)
            fail_msg("row %zu should%s be found", i, rows[i].found ? "" : " not");
        charsmap_release(&charsmap);
        rig_close(&rig);
        free(map);
    }
#undef NODE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters_are_replaced_as_the_reference_does),
        cmocka_unit_test(the_shortest_entry_is_found),
        cmocka_unit_test(an_empty_map_replaces_nothing),
        cmocka_unit_test(a_text_that_grows_too_much_is_left),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(a_map_has_a_largest_size),
        cmocka_unit_test(hostile_units_find_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
