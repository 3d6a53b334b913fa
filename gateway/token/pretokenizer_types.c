/*
 * What each kind of pre-tokenizer says in tokenizer.json, as a step.
 */
#include "gateway/token/pretokenizer_types.h"

/* ByteLevel's own pattern, GPT-2's. */
static const char byte_level_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool read_behavior(const struct node *node, enum split_behavior *ret_behavior)
{
    static const char *const names[] = {
        [SPLIT_REMOVED] = "Removed",
        [SPLIT_ISOLATED] = "Isolated",
        [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [SPLIT_CONTIGUOUS] = "Contiguous",
    };
    struct slice text;

    if (!node_text(node, &text))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_eq(text, slice_str(names[i]))) {
            *ret_behavior = (enum split_behavior)i;
            return true;
        }
    return node_fail(node, "is no behavior that is known");
}

static void cut_by_mask(struct pretokenizer_step *step, uint64_t mask, enum split_behavior behavior)
{
    step->cuts = true;
    step->pattern = pattern_mask(mask);
    step->behavior = behavior;
}

static bool load_whitespace_split(const struct node *node, struct pretokenizer_step *step)
{
    (void)node;
    cut_by_mask(step, UNICODE_MASK(SPACE), SPLIT_REMOVED);
    return true;
}

static bool load_whitespace(const struct node *node, struct pretokenizer_step *step)
{
    (void)node;
    step->cuts = true;
    step->pattern = (struct pattern){ .kind = PATTERN_WORDS };
    step->behavior = SPLIT_REMOVED;
    step->invert = true;
    return true;
}

static bool load_punctuation(const struct node *node, struct pretokenizer_step *step)
{
    struct node behavior = node_get(node, "behavior");

    cut_by_mask(step, UNICODE_MASK(BERT_PUNCT), SPLIT_ISOLATED);
    return !behavior.value || read_behavior(&behavior, &step->behavior);
}

static bool load_digits(const struct node *node, struct pretokenizer_step *step)
{
    struct node individual = node_get(node, "individual_digits");
    bool each;

    if (!node_need(&individual) || !node_bool(&individual, false, &each))
        return false;
    cut_by_mask(step, UNICODE_MASK(DIGIT), each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
    return true;
}

static struct pattern character(uint32_t code)
{
    char bytes[4];

    return pattern_literal(slice_of(bytes, unicode_write(bytes, code)));
}

static bool load_delimiter(const struct node *node, struct pretokenizer_step *step)
{
    struct node delimiter = node_get(node, "delimiter");
    uint32_t code;

    if (!node_code(&delimiter, &code))
        return false;
    step->cuts = true;
    step->pattern = character(code);
    step->behavior = SPLIT_REMOVED;
    return true;
}

static bool load_fixed_length(const struct node *node, struct pretokenizer_step *step)
{
    struct node length = node_get(node, "length");

    step->cuts = true;
    step->fixed_codes = 5; /* the reference's default */
    if (length.value && !node_number(&length, UINT32_MAX, &step->fixed_codes))
        return false;
    return step->fixed_codes > 0 || node_fail(&length, "must not be 0");
}

static enum pattern_use use_of(const struct pretokenizer_step *step)
{
    if (step->behavior == SPLIT_ISOLATED)
        return PATTERN_USE_PIECES;
    return step->behavior == SPLIT_REMOVED && step->invert ? PATTERN_USE_COVER
                                                           : PATTERN_USE_MATCHES;
}

static bool load_split(const struct node *node, struct pretokenizer_step *step)
{
    struct node pattern = node_get(node, "pattern"), behavior = node_get(node, "behavior");
    struct node invert = node_get(node, "invert");

    if (!read_behavior(&behavior, &step->behavior) || !node_need(&invert) ||
        !node_bool(&invert, false, &step->invert))
        return false;
    step->cuts = true;
    if (!pattern_load(&pattern, use_of(step), &step->pattern))
        return false;
    if (step->pattern.kind == PATTERN_SPLIT) { /* nothing lies between, so nothing is removed */
        step->behavior = SPLIT_ISOLATED;
        step->invert = false;
    }
    return true;
}

static bool load_byte_level(const struct node *node, struct pretokenizer_step *step)
{
    struct node prefix = node_get(node, "add_prefix_space"), trim = node_get(node, "trim_offsets");
    struct node regex = node_get(node, "use_regex");
    bool prefixed, trims;

    /* Where tokens lie in the text is not asked for here, so trim_offsets changes nothing. */
    if (!node_need(&prefix) || !node_bool(&prefix, false, &prefixed) || !node_need(&trim) ||
        !node_bool(&trim, false, &trims) || !node_bool(&regex, true, &step->cuts))
        return false;
    step->prepends = prefixed ? PREPEND_ALWAYS : PREPEND_NEVER;
    step->replacement = ' ';
    step->letters = true;
    if (step->cuts) {
        step->pattern = (struct pattern){ .kind = PATTERN_SPLIT,
                                          .split = split_find(slice_str(byte_level_pattern)) };
        step->behavior = SPLIT_ISOLATED;
        CHECK(step->pattern.split);
    }
    return true;
}

static bool read_scheme(const struct node *node, enum prepend_scheme *ret_scheme)
{
    static const char *const names[] = {
        [PREPEND_NEVER] = "never",
        [PREPEND_FIRST] = "first",
        [PREPEND_ALWAYS] = "always",
    };
    struct slice text;

    if (!node_text_or(node, SLICE("always"), &text))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_eq(text, slice_str(names[i]))) {
            *ret_scheme = (enum prepend_scheme)i;
            return true;
        }
    return node_fail(node, "is none of first, never, always");
}

static bool load_metaspace(const struct node *node, struct pretokenizer_step *step)
{
    struct node replacement = node_get(node, "replacement"), split = node_get(node, "split");
    struct node scheme = node_get(node, "prepend_scheme");
    struct node prefix = node_get(node, "add_prefix_space");
    bool prefixed;

    if (!node_code(&replacement, &step->replacement) || !read_scheme(&scheme, &step->prepends) ||
        !node_bool(&prefix, true, &prefixed) || !node_bool(&split, true, &step->cuts))
        return false;
    if (!prefixed && step->prepends != PREPEND_NEVER)
        return node_fail(&prefix, "does not agree with prepend_scheme");
    step->replaces = true;
    if (step->cuts) {
        step->pattern = character(step->replacement);
        step->behavior = SPLIT_MERGED_WITH_NEXT;
    }
    return true;
}

const struct pretokenizer_type pretokenizer_types[] = {
#define PRETOKENIZER(name, load) { name, load },
#include "gateway/token/pretokenizers.def"
#undef PRETOKENIZER
};
const size_t pretokenizer_type_count = ARRAY_LEN(pretokenizer_types);

void pretokenizer_bert(struct pretokenizer_step *spaces, struct pretokenizer_step *punctuation)
{
    cut_by_mask(spaces, UNICODE_MASK(SPACE), SPLIT_REMOVED);
    cut_by_mask(punctuation, UNICODE_MASK(BERT_PUNCT), SPLIT_ISOLATED);
}
