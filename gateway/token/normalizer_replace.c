/*
 * Normalizers that put texts in: Replace, Prepend, ByteLevel; and the one that replaces by a
 * compiled map.
 */
#include "gateway/token/normalizer.h"

#include "gateway/token/letters.h"

static bool load_content(const struct node *node, const char *key, struct normalizer_step *step)
{
    struct node content = node_get(node, key);
    struct slice text;

    if (!node_text(&content, &text))
        return false;
    step->content = slice_dup(text);
    step->content_len = text.len;
    return true;
}

static struct slice content(const struct normalizer_step *step)
{
    return slice_of(step->content, step->content_len);
}

static bool load_replace(const struct node *node, struct normalizer_step *step)
{
    struct node pattern = node_get(node, "pattern");

    return pattern_load(&pattern, PATTERN_USE_MATCHES, &step->pattern) &&
           load_content(node, "content", step);
}

/* Whether replacing the beginning of `text`, up to `end`, moves it away from the original's: the
 * reference takes what is put in for the last code point that it stands for. */
static bool loses_front(const struct normalizer_step *step, struct slice text, size_t end)
{
    uint32_t bytes;

    unicode_read(text.at, &bytes);
    return step->content_len == 0 || end > bytes;
}

/* SentencePiece's spaces: a single byte, and often. */
static bool replace_byte(const struct normalizer_step *step, struct scratch *scratch,
                         struct slice text, struct text *out)
{
    const char byte = step->pattern.literal[0];
    size_t count = 0;
    char *at;

    for (size_t i = 0; i < text.len; i++)
        count += text.at[i] == byte;
    if (count == 0)
        return true;
    if (text.at[0] == byte && step->content_len == 0)
        scratch->front_lost = true;
    if (scratch_outgrows(scratch, text.len - count + count * step->content_len))
        return false;
    at = text_reserve(out, text.len - count + count * step->content_len);
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != byte) {
            *at++ = text.at[i];
            continue;
        }
        for (size_t j = 0; j < step->content_len; j++)
            *at++ = step->content[j];
    }
    out->len = (size_t)(at - out->at);
    return false;
}

static bool run_replace(const struct normalizer_step *step, struct scratch *scratch,
                        struct slice text, struct text *out)
{
    struct pattern_walk walk;
    size_t at = 0, start, end;
    bool found = false;

    if (text.len == 0)
        return true;
    if (step->pattern.kind == PATTERN_LITERAL && step->pattern.literal_len == 1)
        return replace_byte(step, scratch, text, out);
    pattern_begin(&walk, &step->pattern,
                  step->pattern.kind == PATTERN_REGEX ? scratch_regex(scratch) : NULL, text);
    while (pattern_next(&walk, &start, &end)) {
        if (start == 0 && end > 0 && loses_front(step, text, end))
            scratch->front_lost = true;
        text_add(out, slice_of(text.at + at, start - at));
        text_add(out, content(step));
        if (scratch_outgrows(scratch, out->len))
            return false;
        at = end;
        found = true;
    }
    scratch->gave_up |= step->pattern.kind == PATTERN_REGEX && walk.regex.gave_up;
    if (!found)
        return true;
    text_add(out, slice_of(text.at + at, text.len - at));
    return false;
}

const struct normalizer_type normalizer_replace = {
    .name = "Replace",
    .load = load_replace,
    .run = run_replace,
};

static bool load_prepend(const struct node *node, struct normalizer_step *step)
{
    return load_content(node, "prepend", step);
}

static bool run_prepend(const struct normalizer_step *step, struct scratch *scratch,
                        struct slice text, struct text *out)
{
    (void)scratch;
    if (text.len == 0)
        return true;
    text_add(out, content(step));
    text_add(out, text);
    return false;
}

const struct normalizer_type normalizer_prepend = {
    .name = "Prepend",
    .load = load_prepend,
    .run = run_prepend,
};

static bool run_byte_level(const struct normalizer_step *step, struct scratch *scratch,
                           struct slice text, struct text *out)
{
    (void)step;
    (void)scratch;
    letters_write(text, out);
    return false;
}

const struct normalizer_type normalizer_byte_level = {
    .name = "ByteLevel",
    .run = run_byte_level,
};

static bool load_precompiled(const struct node *node, struct normalizer_step *step)
{
    struct node map = node_get(node, "precompiled_charsmap");

    return charsmap_load(&step->charsmap, &map);
}

static bool run_precompiled(const struct normalizer_step *step, struct scratch *scratch,
                            struct slice text, struct text *out)
{
    return charsmap_apply(&step->charsmap, text, scratch->most_bytes, out);
}

const struct normalizer_type normalizer_precompiled = {
    .name = "Precompiled",
    .load = load_precompiled,
    .run = run_precompiled,
};
