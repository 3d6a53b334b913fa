/*
 * Files of a tokenizer that cannot be used: each is refused, by its place.
 */
#include "gateway/token/node.h"

#include "gateway/token/tokenizer.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"[UNK]\":3}"
#define BPE   "\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\",\"b\"]]}"
/* A member beside a good model. */
#define WITH(member)    "{" member "," BPE "}"
#define MODEL(members)  "{\"model\":{" members "}}"
#define NORMALIZER(n)   WITH("\"normalizer\":" n)
#define PRETOKENIZER(p) WITH("\"pre_tokenizer\":" p)
#define PROCESSOR(p)    WITH("\"post_processor\":" p)
#define SPLIT(pattern, behavior)                                                                   \
    PRETOKENIZER("{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":" behavior              \
                 ",\"invert\":false}")
#define REGEX(r) SPLIT("{\"Regex\":\"" r "\"}", "\"Isolated\"")
#define ADDED(id, content)                                                                         \
    "{\"id\":" id ",\"content\":" content ",\"single_word\":false,\"lstrip\":false,"               \
    "\"rstrip\":false,\"normalized\":false}"
#define NORMALIZED(id, content)                                                                    \
    "{\"id\":" id ",\"content\":" content ",\"single_word\":false,\"lstrip\":false,"               \
    "\"rstrip\":false,\"normalized\":true}"
/* Ten times as many. */
#define GROWS "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aaaaaaaaaa\"}"
/* An empty one and one that is there twice stand before them. */
#define SAME_NORMALIZED                                                                            \
    WITH("\"added_tokens\":[" NORMALIZED("4", "\"\"") "," NORMALIZED("4", "\"X\"") "," NORMALIZED( \
        "4", "\"X\"") "," NORMALIZED("5", "\"x\"") "],\"normalizer\":{\"type\":\"Lowercase\"}")
#define ADDED_LIST(list) WITH("\"added_tokens\":[" list "]")

static void refused(const char *json, const char *config, const char *wanted)
{
    struct tokenizer *tokenizer;
    struct slice said;
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    tokenizer = tokenizer_load_text(slice_str(json), slice_str(config), &errors);
    said = buf_join(&errors);
    if (tokenizer || !said.at || !memmem(said.at, said.len, wanted, strlen(wanted)) ||
        slice_find(said, '\n') != said.len - 1)
        fail_msg("%.200s: wanted \"%s\", got \"%.*s\"", json, wanted, SLICE_ARGS(said));
    buf_release(&errors);
}

static const struct {
    const char *json, *said;
} refusals[] = {
    { "", "tokenizer.json: line 1" },
    { "[]", "tokenizer.json: must be an object, is an array" },
    { "{", "tokenizer.json: line 1" },
    { "{\"model\":{}} x", "tokenizer.json: line 1" },
    { "{\"model\":{},\"model\":{}}", "tokenizer.json: has a key twice" },
    { "{\"a\":[{\"b\":{\"c\":1,\"c\":2}}]}", "tokenizer.json: a[0].b: has a key twice" },
    { MODEL("\"vocab\":{\"a\":0,\"\\u0000\":1}"),
      "tokenizer.json: model.vocab: has a key with U+0000" },
    { MODEL("\"vocab\":{\"a\\u0000b\":1}"), "tokenizer.json: model.vocab: has a key with U+0000" },
    { "{\"x\":[[\":{[\\\"\",2],{}],\"y\":[0,{\"z\":[1,[],{\"\\u0000\":1}]}]}",
      "tokenizer.json: y[1].z[2]: has a key with U+0000" },
    { "{\"a\":\"\xff\"}", "unable to decode byte" },
    { "{\"a\":\"\\ud800\"}", "tokenizer.json: line 1" },
    { "{}", "model: is missing" },
    { "{\"model\":7}", "model: must be an object, is a number" },
    { WITH("\"version\":\"2.0\""), "version: is not 1.0" },
    { MODEL("\"type\":\"Other\""), "model.type: is Other" },
    { MODEL("\"type\":\"BPE\""), "model.vocab: is missing" },
    { MODEL("\"type\":\"BPE\"," VOCAB), "model.merges: is missing" },
    { MODEL("\"type\":\"BPE\",\"vocab\":[],\"merges\":[]"), "model.vocab: must be an object" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]"), "model.vocab.a: is -1" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]"), "model.vocab.a: must be" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":null},\"merges\":[]"),
      "model.vocab.a: must be a whole number, is null" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":2097151},\"merges\":[]"), "must be below" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":4294967296},\"merges\":[]"), "model.vocab.a" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":99999999999999999999},\"merges\":[]"),
      "model.vocab.a: must be a whole number" },
    { MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"),
      "model.vocab.b: is 0, which another token has" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\",\"a c\"]"),
      "model.merges[1]: names c" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[\"b a\"]"), "model.merges[0]: names ba" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[\"ab\"]"), "model.merges[0]: must be two" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b c\"]"), "model.merges[0]: must be" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\"]]"), "model.merges[0]: must be two" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\",1]]"), "model.merges[0][1]: must be" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":[{}]"), "model.merges[0]: must be a string" },
    { MODEL("\"type\":\"BPE\"," VOCAB ",\"merges\":{}"), "model.merges: must be an array" },
    { MODEL("\"type\":\"BPE\",\"dropout\":0.1," VOCAB ",\"merges\":[]"), "model.dropout: must" },
    { MODEL("\"type\":\"BPE\",\"fuse_unk\":1," VOCAB ",\"merges\":[]"), "model.fuse_unk: must" },
    { MODEL("\"type\":\"WordPiece\"," VOCAB), "model.unk_token: is missing" },
    { MODEL("\"type\":\"Unigram\"," VOCAB), "model.vocab: must be an array" },
    { MODEL("\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]"), "model.unk_id: is 1" },
    { MODEL("\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\"]]"), "model.vocab[0]: must be" },
    { MODEL("\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",\"b\"]]"), "model.vocab[0][1]" },
    { NORMALIZER("{}"), "normalizer.type: is missing" },
    { NORMALIZER("{\"type\":\"Other\"}"), "normalizer: has type Other" },
    { NORMALIZER("{\"type\":\"Sequence\"}"), "normalizer.normalizers: is missing" },
    { NORMALIZER("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{}]}"),
      "normalizer.normalizers[1].type: is missing" },
    { NORMALIZER("{\"type\":\"Strip\",\"strip_left\":true}"), "normalizer.strip_right: is miss" },
    { NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"}"),
      "normalizer.pattern.String: is empty" },
    { NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}"),
      "normalizer.content: is missing" },
    { NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}"),
      "normalizer.precompiled_charsmap: is not base64" },
    { NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}"),
      "normalizer.precompiled_charsmap: is no compiled" },
    { NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"),
      "normalizer.precompiled_charsmap: is no compiled" },
    { PRETOKENIZER("{\"type\":\"UnicodeScripts\"}"), "pre_tokenizer: has type UnicodeScripts" },
    { PRETOKENIZER("{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"),
      "pre_tokenizer.replacement: must be one character" },
    { PRETOKENIZER("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"x\"}"),
      "pre_tokenizer.prepend_scheme: is none of" },
    { PRETOKENIZER("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}"),
      "pre_tokenizer.add_prefix_space: does not agree" },
    { PRETOKENIZER("{\"type\":\"Digits\"}"), "pre_tokenizer.individual_digits: is missing" },
    { PRETOKENIZER("{\"type\":\"FixedLength\",\"length\":0}"), "pre_tokenizer.length: must not" },
    { SPLIT("{\"String\":\"a\"}", "\"Sometimes\""), "pre_tokenizer.behavior: is no behavior" },
    { SPLIT("\"a\"", "\"Removed\""), "pre_tokenizer.pattern: must be an object" },
    { REGEX("(a)\\\\1"), "pre_tokenizer.pattern.Regex: is not supported: at byte 5" },
    { REGEX("a(?i)b"), "options in the middle" },
    { REGEX("\\\\p{Klingon}"), "an unknown property" },
    { REGEX("(?i:stra\xc3\x9f"
            "e)"),
      "letters without case" },
    { REGEX("(?i:ss)"), "letters without case" },
    { REGEX("a**"), "nothing to repeat" },
    { REGEX("[a"), "[ without ]" },
    { REGEX("[b-a]"), "a range that ends" },
    { REGEX("(a"), "( without )" },
    { REGEX("a)"), ") without (" },
    { REGEX("\\\\G"), "an escape that is not supported" },
    { REGEX("(?<=a*)b"), "pre_tokenizer.pattern.Regex: is not supported" },
    { PROCESSOR("{\"type\":\"Other\"}"), "post_processor: has type Other" },
    { PROCESSOR("{\"type\":\"BertProcessing\",\"sep\":[\"x\"],\"cls\":[\"y\",1]}"),
      "post_processor.sep: must be a token and its id" },
    { PROCESSOR("{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}"),
      "post_processor: gives the text 0 times" },
    { PROCESSOR("{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}}],"
                "\"special_tokens\":{}}"),
      "post_processor.single[0].Sequence.id: is B" },
    { PROCESSOR("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
                "{\"id\":\"x\"}}],\"special_tokens\":{}}"),
      "post_processor.single[0].SpecialToken.id: is not among" },
    { ADDED_LIST(ADDED("-1", "\"x\"")), "added_tokens[0].id: is -1" },
    { ADDED_LIST(ADDED("7", "7")), "added_tokens[0].content: must be a string" },
    { ADDED_LIST("{\"id\":1,\"content\":\"x\"}"), "added_tokens[0].single_word: is missing" },
    { SAME_NORMALIZED, "added_tokens[3]: is the same as another one once it is normalized" },
    { WITH("\"added_tokens\":[" NORMALIZED("7", "\"a\"") "],\"normalizer\":{\"type\":\"Sequence\","
                                                         "\"normalizers\":[" GROWS "," GROWS
                                                         "," GROWS "]}"),
      "added_tokens[0]: grows too much once it is normalized" },
    { WITH("\"added_tokens\":{}"), "added_tokens: must be an array" },
    { WITH("\"truncation\":{\"max_length\":-1,\"strategy\":\"OnlyFirst\"}"),
      "truncation.max_length: is -1" },
    { WITH("\"padding\":{\"strategy\":{\"Fixed\":99999999},\"direction\":\"Left\",\"pad_id\":"
           "0}"),
      "padding.strategy.Fixed: is 99999999" },
};

static void what_is_not_supported_is_named_by_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        refused(refusals[i].json, "", refusals[i].said);
}

static void a_config_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *config, *said;
    } rows[] = {
        { "[]", "tokenizer_config.json: must be an object" },
        { "{\"add_bos_token\":1}", "tokenizer_config.json: add_bos_token: must be true or false" },
        { "{\"bos_token\":[]}", "tokenizer_config.json: bos_token: must be a string" },
        { "{\"bos_token\":{\"content\":1}}", "tokenizer_config.json: bos_token.content: must be" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused("{" BPE "}", rows[i].config, rows[i].said);
}

/* `count` times `part` between `front` and `back`; gives. */
static char *repeat(const char *front, const char *part, size_t count, const char *back)
{
    size_t len = strlen(part);
    char *text = malloc(strlen(front) + len * count + strlen(back) + 1), *at;

    assert_non_null(text);
    at = stpcpy(text, front);
    for (size_t i = 0; i < count; i++, at += len)
        memcpy(at, part, len);
    strcpy(at, back);
    return text;
}

static void hostile_sizes_are_refused_before_they_cost(void **state)
{
    static const struct {
        const char *front, *part;
        size_t count;
        const char *back, *said;
    } rows[] = {
        { "{\"a\":[", "1,", 10000000, "1]}", "tokenizer.json: has too many values" },
        { "{\"a\":[", "[],", 7000000, "1]}", "tokenizer.json: has too many values" },
        { "", "[", 100000, "", "tokenizer.json: is nested too deeply" },
        { "{\"a\":", "{\"a\":", 64, "1}", "tokenizer.json: is nested too deeply" },
        { "{\"added_tokens\":[" ADDED("9", "\""), "x", 0, "", "tokenizer.json: line 1" },
        { "{" BPE ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[", "{\"type\":\"NFC\"},",
          64, "{\"type\":\"NFC\"}]}}", "normalizer.normalizers[64]: is more than 64 steps" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = repeat(rows[i].front, rows[i].part, rows[i].count, rows[i].back);

        refused(text, "", rows[i].said);
        free(text);
    }
}

/* A folder with one file of these bytes. */
static void refused_file(const char *name, struct slice bytes, const char *wanted)
{
    char folder[] = "/tmp/sluice-tokenizer-XXXXXX", path[256];
    struct slice said;
    struct buf errors;
    FILE *file;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.len, file), bytes.len);
    fclose(file);
    buf_init(&errors, SIZE_MAX);
    assert_null(tokenizer_load(folder, &errors));
    said = buf_join(&errors);
    if (!memmem(said.at, said.len, wanted, strlen(wanted)))
        fail_msg("%s: wanted \"%s\", got \"%.*s\"", name, wanted, SLICE_ARGS(said));
    buf_release(&errors);
    unlink(path);
    rmdir(folder);
}

static void files_that_cannot_be_unpacked_are_refused(void **state)
{
    static const char json[] = "{" BPE "}";
    char packed[1024];
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)json,
                        .avail_in = sizeof(json) - 1,
                        .next_out = (Bytef *)packed,
                        .avail_out = sizeof(packed) };
    size_t len;

    (void)state;
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    len = stream.total_out;
    deflateEnd(&stream);
    refused_file("other.json", SLICE("{}"), "/tokenizer.json: there is none");
    refused_file("tokenizer.json", SLICE(""), "tokenizer.json: line 1");
    refused_file("tokenizer.json.gz", slice_of(packed, len - 9), "corrupt or cut off");
    refused_file("tokenizer.json.gz", slice_of(packed, 12), "corrupt or cut off");
    packed[len / 2] ^= 0x55;
    refused_file("tokenizer.json.gz", slice_of(packed, len), "tokenizer.json: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_supported_is_named_by_its_place),
        cmocka_unit_test(a_config_that_is_none_is_refused),
        cmocka_unit_test(hostile_sizes_are_refused_before_they_cost),
        cmocka_unit_test(files_that_cannot_be_unpacked_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
