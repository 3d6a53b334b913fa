/*
 * Added tokens: where they are found, as Hugging Face tokenizers 0.23.2 finds them (ids with the
 * offsets of their encodings; those of the text between have id 0 there).
 */
#include "gateway/token/added.h"

#include "tests/unit/tokenizer_rig.h"

#define TOKEN(content, single, lstrip, rstrip, normalized)                                         \
    "{'id':99,'content':'" content "','single_word':" #single ",'lstrip':" #lstrip                 \
    ",'rstrip':" #rstrip ",'normalized':" #normalized "}"
#define RAW                                                                                         \
    "[" TOKEN("<a>", false, false, false, false) "," TOKEN(                                         \
        "<a>b", false, false, false,                                                                \
        false) "," TOKEN("in", false, false, false,                                                 \
                         false) "," TOKEN("<w>", true, false, false,                                \
                                          false) "," TOKEN("<l>", false, true, false,               \
                                                           false) "," TOKEN("<r>", false, false,    \
                                                                            true,                   \
                                                                            false) "," TOKEN("<b"   \
                                                                                             ">",   \
                                                                                             false, \
                                                                                             true,  \
                                                                                             true,  \
                                                                                             false) "]"
#define NORMALIZED                                                                                 \
    "[" TOKEN("Ab", false, false, false, true) "," TOKEN(                                          \
        "cD", false, false, false, false) "," TOKEN("\xc3\x89", false, false, false, true) "]"

/* A vocabulary of "u" and "in", and tokens read beside it. */
struct rig {
    struct rig_node json, lowercase;
    struct vocab vocab;
    struct normalizer normalizer;
    struct scratch scratch;
    struct added added;
};

static void rig_init(struct rig *rig, const char *tokens)
{
    rig_open(&rig->json, tokens);
    rig_open(&rig->lowercase, "{'type':'Lowercase'}");
    scratch_init(&rig->scratch);
    vocab_init(&rig->vocab, 2, 8);
    assert_true(vocab_add(&rig->vocab, SLICE("u"), 0));
    assert_true(vocab_add(&rig->vocab, SLICE("in"), 1));
    assert_true(normalizer_load(&rig->normalizer, &rig->lowercase.node));
    assert_true(
        added_load(&rig->added, &rig->json.node, &rig->vocab, &rig->normalizer, &rig->scratch));
}

static void rig_release(struct rig *rig)
{
    added_release(&rig->added);
    normalizer_release(&rig->normalizer);
    vocab_release(&rig->vocab);
    scratch_release(&rig->scratch);
    rig_close(&rig->json);
    rig_close(&rig->lowercase);
}

#define MATCHES 4

struct row {
    const char *text;
    struct {
        size_t start, end; /* end 0: no more */
        uint32_t id;
    } wanted[MATCHES];
};

static void check(const struct added *added, const struct added_matcher *matcher,
                  const struct row *row)
{
    struct added_match match;
    struct added_walk walk;
    size_t i = 0;

    added_begin(&walk, added, matcher, slice_str(row->text), 0);
    for (; added_next(&walk, &match); i++)
        if (i == MATCHES || match.start != row->wanted[i].start ||
            match.end != row->wanted[i].end || match.token->id != row->wanted[i].id)
            fail_msg("%s: match %zu is %u from %zu to %zu", row->text, i, match.token->id,
                     match.start, match.end);
    if (i < MATCHES && row->wanted[i].end != 0)
        fail_msg("%s: match %zu is missing", row->text, i);
}

static void tokens_are_found_with_the_space_they_take(void **state)
{
    static const struct row rows[] = {
        { "", { { 0, 0, 0 } } },
        { "x<a>y", { { 1, 4, 2 } } },
        { "<a>b", { { 0, 4, 3 } } }, /* the longest */
        { "<a>c", { { 0, 3, 2 } } },
        { "xinx", { { 1, 3, 1 } } }, /* keeps the vocabulary's id */
        { "<w>", { { 0, 3, 4 } } },
        { "x<w>", { { 0, 0, 0 } } }, /* a word goes on */
        { " <w> ", { { 1, 4, 4 } } },
        { "<w>\xcc\x81", { { 0, 0, 0 } } },
        { "_<w>", { { 0, 0, 0 } } },
        { "a  <l> b", { { 1, 6, 5 } } },
        { "a<r>\xe3\x80\x80 b", { { 1, 8, 6 } } },
        { "a \n<b>\t b", { { 1, 8, 7 } } },
        { "<b> <b>", { { 0, 4, 7 }, { 4, 7, 7 } } }, /* the first one has the space */
        { "<l><l>", { { 0, 3, 5 }, { 3, 6, 5 } } },
        { " <l> <l>", { { 0, 4, 5 }, { 4, 8, 5 } } },
        { "<a", { { 0, 0, 0 } } },
        { "<a><a>b<a>", { { 0, 3, 2 }, { 3, 7, 3 }, { 7, 10, 2 } } },
    };
    struct rig rig;

    (void)state;
    rig_init(&rig, RAW);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rig.added, &rig.added.raw, &rows[i]);
    rig_release(&rig);
}

/* Looked for in small letters, as they are written then; the other one as it is. */
static void normalized_tokens_are_looked_for_apart(void **state)
{
    static const struct row raw[] = {
        { "xab", { { 0, 0, 0 } } },
        { "cD", { { 0, 2, 3 } } },
        { "cd", { { 0, 0, 0 } } },
    };
    static const struct row normalized[] = {
        { "xab", { { 1, 3, 2 } } },
        { "cd", { { 0, 0, 0 } } },
        { "\xc3\xa9\xc3\xa9", { { 0, 2, 4 }, { 2, 4, 4 } } },
        { "abab", { { 0, 2, 2 }, { 2, 4, 2 } } },
    };
    struct rig rig;

    (void)state;
    rig_init(&rig, NORMALIZED);
    for (size_t i = 0; i < ARRAY_LEN(raw); i++)
        check(&rig.added, &rig.added.raw, &raw[i]);
    for (size_t i = 0; i < ARRAY_LEN(normalized); i++)
        check(&rig.added, &rig.added.normalized, &normalized[i]);
    rig_release(&rig);
}

static void ids_follow_the_vocabulary(void **state)
{
    static const struct {
        struct slice content;
        int64_t id; /* -1: none */
    } rows[] = {
        { SLICE_INIT("<a>"), 2 }, { SLICE_INIT("in"), 1 }, { SLICE_INIT("<b>"), 7 },
        { SLICE_INIT("u"), -1 },  { SLICE_INIT(""), -1 },  { SLICE_INIT("<a>bc"), -1 },
    };
    struct rig rig;
    uint32_t id;

    (void)state;
    rig_init(&rig, RAW);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(added_find(&rig.added, rows[i].content, &id), rows[i].id >= 0);
        if (rows[i].id >= 0)
            assert_int_equal(id, rows[i].id);
    }
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_found_with_the_space_they_take),
        cmocka_unit_test(normalized_tokens_are_looked_for_apart),
        cmocka_unit_test(ids_follow_the_vocabulary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
