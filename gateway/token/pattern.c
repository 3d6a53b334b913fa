/*
 * Searching texts.
 */
#include "gateway/token/pattern.h"

#include "gateway/base/log.h"

#include <stdlib.h>

struct pattern pattern_literal(struct slice literal)
{
    return (struct pattern){ .kind = PATTERN_LITERAL,
                             .literal = slice_dup(literal),
                             .literal_len = literal.len };
}

struct pattern pattern_mask(uint64_t mask)
{
    return (struct pattern){ .kind = PATTERN_MASK, .mask = mask };
}

void pattern_release(struct pattern *pattern)
{
    free(pattern->literal);
    regex_free(pattern->regex);
}

/* What is coded by hand for a pattern and does for this use; NULL: nothing. */
static const struct split_type *find_split(struct slice text, enum pattern_use use)
{
    const struct split_type *split = use == PATTERN_USE_MATCHES ? NULL : split_find(text);

    return split && (use == PATTERN_USE_PIECES || split->covers) ? split : NULL;
}

static bool load_regex(const struct node *node, struct slice text, enum pattern_use use,
                       struct pattern *ret_pattern)
{
    const struct split_type *split = find_split(text, use);
    struct regex *regex;
    char error[256];

    if (split) {
        *ret_pattern = (struct pattern){ .kind = PATTERN_SPLIT, .split = split };
        return true;
    }
    regex = regex_new(text, error, sizeof(error));
    if (!regex)
        return node_fail(node, "is not supported: %s", error);
    log_info(NULL, "tokenizer: a pattern that is not coded by hand, run by PCRE2: %.*s",
             SLICE_ARGS(slice_head(text, 200)));
    *ret_pattern = (struct pattern){ .kind = PATTERN_REGEX, .regex = regex };
    return true;
}

bool pattern_load(const struct node *node, enum pattern_use use, struct pattern *ret_pattern)
{
    struct node literal, regex;
    struct slice text;

    if (!node_is_object(node))
        return false;
    literal = node_get(node, "String");
    regex = node_get(node, "Regex");
    if (regex.value)
        return node_text(&regex, &text) && load_regex(&regex, text, use, ret_pattern);
    if (!node_text(&literal, &text))
        return false;
    if (text.len == 0)
        return node_fail(&literal, "is empty");
    *ret_pattern = pattern_literal(text);
    return true;
}

void pattern_begin(struct pattern_walk *walk, const struct pattern *pattern,
                   struct regex_room *room, struct slice text)
{
    walk->pattern = pattern;
    walk->text = text;
    walk->at = 0;
    walk->ends_at = walk->ends_count = 0;
    if (pattern->kind == PATTERN_REGEX)
        regex_begin(&walk->regex, pattern->regex, room, text);
}

static bool next_literal(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end)
{
    const struct pattern *pattern = walk->pattern;
    const char *from = walk->text.at + walk->at, *found;
    size_t left = walk->text.len - walk->at;

    if (pattern->literal_len == 1)
        found = left ? memchr(from, pattern->literal[0], left) : NULL;
    else
        found = memmem(from, left, pattern->literal, pattern->literal_len);
    if (!found)
        return false;
    *ret_start = (size_t)(found - walk->text.at);
    *ret_end = walk->at = *ret_start + pattern->literal_len;
    return true;
}

static bool next_of_mask(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end)
{
    while (walk->at < walk->text.len) {
        uint32_t bytes;
        uint64_t mask = unicode_mask(unicode_read(walk->text.at + walk->at, &bytes));

        walk->at += bytes;
        if (mask & walk->pattern->mask) {
            *ret_start = walk->at - bytes;
            *ret_end = walk->at;
            return true;
        }
    }
    return false;
}

/* 0: white space; 1: of a word; 2: neither. */
static int word_class(struct slice text, size_t at, uint32_t *ret_bytes)
{
    uint64_t mask = unicode_mask(unicode_read(text.at + at, ret_bytes));

    return mask & UNICODE_MASK(RUST_WORD) ? 1 : mask & UNICODE_MASK(SPACE) ? 0 : 2;
}

static bool next_word(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end)
{
    uint32_t bytes;
    int class = 0;

    while (walk->at < walk->text.len && (class = word_class(walk->text, walk->at, &bytes)) == 0)
        walk->at += bytes;
    if (walk->at == walk->text.len)
        return false;
    *ret_start = walk->at;
    while (walk->at < walk->text.len && word_class(walk->text, walk->at, &bytes) == class)
        walk->at += bytes;
    *ret_end = walk->at;
    return true;
}

static bool next_of_split(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end)
{
    if (walk->ends_at == walk->ends_count) {
        if (walk->at == walk->text.len)
            return false;
        walk->ends_at = 0;
        walk->ends_count =
            walk->pattern->split->ends(walk->text, walk->at, walk->ends, PATTERN_ENDS);
        CHECK(walk->ends_count > 0);
    }
    *ret_start = walk->at;
    *ret_end = walk->at = walk->ends[walk->ends_at++];
    return true;
}

bool pattern_next(struct pattern_walk *walk, size_t *ret_start, size_t *ret_end)
{
    switch (walk->pattern->kind) {
    case PATTERN_LITERAL:
        return next_literal(walk, ret_start, ret_end);
    case PATTERN_MASK:
        return next_of_mask(walk, ret_start, ret_end);
    case PATTERN_WORDS:
        return next_word(walk, ret_start, ret_end);
    case PATTERN_SPLIT:
        return next_of_split(walk, ret_start, ret_end);
    case PATTERN_REGEX:
        return regex_next(&walk->regex, ret_start, ret_end);
    }
    return false;
}
