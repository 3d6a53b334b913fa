/*
 * Small tokenizers with what the format has, for tests and fuzz targets.
 */
#ifndef TESTS_UNIT_TOKENIZER_SAMPLES_H
#define TESTS_UNIT_TOKENIZER_SAMPLES_H

#include "gateway/token/tokenizer.h"

#define SAMPLE_ADDED(id, content, single, lstrip, rstrip, normalized)                              \
    "{\"id\":" #id ",\"content\":\"" content "\",\"single_word\":" #single ",\"lstrip\":" #lstrip  \
    ",\"rstrip\":" #rstrip ",\"normalized\":" #normalized ",\"special\":true}"

#define SAMPLE_TOKENS                                                                                                                    \
    "[" SAMPLE_ADDED(100, "<a>", false, false, false, false) "," SAMPLE_ADDED(101, "<a>b", false, false, false, false) "," SAMPLE_ADDED( \
        102, "<l>", false, true, false,                                                                                                  \
        false) "," SAMPLE_ADDED(103, "<r>", false, false, true,                                                                          \
                                false) "," SAMPLE_ADDED(104, "<w>", true, false, false,                                                  \
                                                        false) "," SAMPLE_ADDED(105, "The", false,                                       \
                                                                                false, false,                                            \
                                                                                true) "," SAMPLE_ADDED(106,                              \
                                                                                                       "x",                              \
                                                                                                       true,                             \
                                                                                                       false,                            \
                                                                                                       false,                            \
                                                                                                       false) "]"

/* SentencePiece's kind: marks for spaces, bytes for what is unknown. */
#define SAMPLE_MARKS                                                                                         \
    "{\"version\":\"1.0\",\"added_tokens\":" SAMPLE_TOKENS ","                                               \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"              \
    "\"▁\"},"                                                                                              \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" "                                                      \
    "\"},\"content\":\"▁\"}]},\"pre_tokenizer\":null,"                                                     \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",1],\"cls\":[\"c\",2]},"                  \
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"vocab\":{\"<unk>\":"            \
    "0,"                                                                                                     \
    "\"▁\":1,\"a\":2,\"b\":3,\"c\":4,\"ab\":5,\"▁a\":6,\"▁▁\":7,\"b▁\":8,\"b▁a\":9,\"<\":10,\">" \
    "\":11},"                                                                                                \
    "\"merges\":[\"b ▁a\",\"▁ a\",\"a b\",\"▁ ▁\"]}}"

/* Bert's kind. */
#define SAMPLE_WORDS                                                                               \
    "{\"added_tokens\":" SAMPLE_TOKENS ",\"normalizer\":{\"type\":\"BertNormalizer\","             \
    "\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}" \
    ","                                                                                            \
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"unk_token\":\"[UNK]\","        \
    "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":10,"                        \
    "\"vocab\":{\"[UNK]\":0,\"a\":1,\"##a\":2,\"ab\":3,\"##b\":4,\"<\":5,\">\":6,\"the\":7}}}"

/* Unigram with Metaspace at the text's beginning only. */
#define SAMPLE_UNIGRAM                                                                              \
    "{\"added_tokens\":" SAMPLE_TOKENS ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["   \
    "{\"type\":\"NFKC\"},{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}]},"         \
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":"         \
    "\"first\"},"                                                                                   \
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"▁\",-2],[\"a\",-1." \
    "5],"                                                                                           \
    "[\"ab\",-2.5],[\"b\",-1],[\"▁a\",-2],[\"<\",-3],[\"▁ab\",-3.5]]}}"

/* A regular expression through PCRE2, and letters for bytes. */
#define SAMPLE_REGEX                                                                               \
    "{\"added_tokens\":" SAMPLE_TOKENS ",\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":"     \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"\\\\p{L}+|\\\\s+(?!\\\\S)|.\"},\"behavior\":\"MergedWithNext\",\"invert\":false},"          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}]" \
    "},"                                                                                           \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"Ġ\":2,\"ab\":3,\"Ġa\":4,\"Ã\":5," \
    "\"©\":6,"                                                                                    \
    "\"Ã©\":7,\"<\":8,\">\":9},\"merges\":[[\"Ġ\",\"a\"],[\"a\",\"b\"],[\"Ã\",\"©\"]]}}"

static const char *const samples[] = {
    SAMPLE_MARKS,
    SAMPLE_WORDS,
    SAMPLE_UNIGRAM,
    SAMPLE_REGEX,
};

static inline struct tokenizer *sample_load(size_t number)
{
    struct tokenizer *tokenizer;
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    tokenizer = tokenizer_load_text(slice_str(samples[number]), SLICE(""), &errors);
    if (!tokenizer)
        check_failed(__FILE__, __LINE__, slice_dup(buf_join(&errors)));
    buf_release(&errors);
    return tokenizer;
}

/*
 * Encodes `text`, and again from each cut on: what came before the cut and what the rest gives must
 * be the same. Aborts otherwise. Returns how many cuts there were.
 */
static inline size_t sample_check_cuts(struct encoder *encoder, struct slice text,
                                       enum encoder_special special)
{
    struct cut cuts[64];
    struct ids whole, again;
    const struct cut *found;
    size_t count;

    ids_init(&whole);
    ids_init(&again);
    encoder_encode(encoder, text, special, &whole);
    found = encoder_cuts(encoder, &count);
    count = count < ARRAY_LEN(cuts) ? count : ARRAY_LEN(cuts);
    if (count > 0)
        memcpy(cuts, found, count * sizeof(*cuts));
    for (size_t i = 0; i < count; i++) {
        again.count = 0;
        encoder_encode(encoder, slice_head(text, cuts[i].at), ENCODER_PLAIN, &again);
        CHECK(special != ENCODER_PLAIN || again.count == cuts[i].count);
        again.count = 0;
        for (size_t j = 0; j < cuts[i].count; j++)
            ids_add(&again, whole.at[j]);
        encoder_encode_rest(encoder, text, cuts[i].at, special, &again);
        CHECK(again.count == whole.count);
        CHECK(whole.count == 0 || memcmp(again.at, whole.at, whole.count * sizeof(*whole.at)) == 0);
    }
    ids_release(&whole);
    ids_release(&again);
    return count;
}

#endif
