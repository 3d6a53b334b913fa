/*
 * BertNormalizer: clean text, spaces around Chinese characters, accents dropped, lower case; each
 * over the whole text before the next.
 */
#include "gateway/token/normalizer.h"

static bool load_bert(const struct node *node, struct normalizer_step *step)
{
    struct node clean = node_get(node, "clean_text");
    struct node chinese = node_get(node, "handle_chinese_chars");
    struct node accents = node_get(node, "strip_accents");
    struct node lowercase = node_get(node, "lowercase");

    return node_need(&clean) && node_need(&chinese) && node_need(&lowercase) &&
           node_bool(&clean, true, &step->clean_text) &&
           node_bool(&chinese, true, &step->handle_chinese_chars) &&
           node_bool(&lowercase, true, &step->lowercase) &&
           node_bool(&accents, step->lowercase, &step->strip_accents);
}

/* The reference's blocks of CJK Unified Ideographs; that of U+2B820 begins at U+2B920 there. */
static bool is_chinese(uint32_t code)
{
    static const uint32_t blocks[][2] = {
        { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xf900, 0xfaff },   { 0x20000, 0x2a6df },
        { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0x2f800, 0x2fa1f },
    };

    for (size_t i = 0; code >= blocks[0][0] && i < ARRAY_LEN(blocks); i++)
        if (code >= blocks[i][0] && code <= blocks[i][1])
            return true;
    return false;
}

/* The first two stages, which look at one code point. */
static void clean(const struct normalizer_step *step, struct slice text, struct text *out,
                  bool *front_lost)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t bytes, code = unicode_read(text.at + at, &bytes);
        uint64_t mask = unicode_mask(code);
        bool chinese = step->handle_chinese_chars && is_chinese(code);

        at += bytes;
        if (step->clean_text && mask & UNICODE_MASK(BERT_CONTROL)) {
            *front_lost |= at == bytes;
            continue;
        }
        if (step->clean_text && mask & UNICODE_MASK(SPACE))
            code = ' ';
        if (chinese)
            text_add(out, SLICE(" "));
        text_add_code(out, code);
        if (chinese)
            text_add(out, SLICE(" "));
    }
}

/* Moves what a stage wrote to where the next one reads it. */
static struct slice turn(struct text *out, struct text *spare)
{
    struct text swapped = *out;

    *out = *spare;
    *spare = swapped;
    text_clear(out);
    return text_slice(spare);
}

static bool run_bert(const struct normalizer_step *step, struct scratch *scratch, struct slice text,
                     struct text *out)
{
    struct text *spare = &scratch->span_texts[0]; /* pre-tokenizers have not begun */

    clean(step, text, out, &scratch->front_lost);
    text = turn(out, spare);
    if (step->strip_accents) {
        if (!normal_apply(&scratch->normal, NORMAL_NFD, text, out))
            text = turn(out, spare);
        if (!normal_drop(text, UNICODE_MASK(BERT_ACCENT), out, &scratch->front_lost))
            text = turn(out, spare);
    }
    if (!step->lowercase || normal_lowercase(text, out))
        text_add(out, text);
    return false;
}

const struct normalizer_type normalizer_bert = {
    .name = "BertNormalizer",
    .load = load_bert,
    .run = run_bert,
};
