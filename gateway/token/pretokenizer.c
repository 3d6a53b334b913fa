/*
 * Loading pre-tokenizers and running their steps.
 */
#include "gateway/token/pretokenizer.h"

#include "gateway/token/letters.h"
#include "gateway/token/pretokenizer_types.h"

#include <stdlib.h>

#define STEPS_MAX 64 /* the longest known has four */

static bool load_step(const struct node *node, struct slice type, void *user)
{
    struct pretokenizer *pretokenizer = user;
    struct pretokenizer_step *step = &pretokenizer->steps[pretokenizer->count];

    if (pretokenizer->count + 2 > STEPS_MAX)
        return node_fail(node, "is more than %d steps", STEPS_MAX);
    for (size_t i = 0; i < pretokenizer_type_count; i++) {
        const struct pretokenizer_type *known = &pretokenizer_types[i];

        if (!slice_eq(type, slice_str(known->name)))
            continue;
        pretokenizer->count++; /* so that a step that fails is released */
        if (known->load)
            return known->load(node, step);
        pretokenizer->count++;
        pretokenizer_bert(step, step + 1);
        return true;
    }
    return node_fail(node, "has type %.*s, which is not supported", SLICE_ARGS(type));
}

bool pretokenizer_load(struct pretokenizer *pretokenizer, const struct node *node)
{
    *pretokenizer = (struct pretokenizer){ 0 };
    pretokenizer->steps = xcalloc(STEPS_MAX + 1, sizeof(*pretokenizer->steps));
    if (node->value && !node_steps(node, "pretokenizers", load_step, pretokenizer))
        return false;
    for (size_t i = 1; i < pretokenizer->count; i++)
        pretokenizer->first_is_late |= pretokenizer->steps[i].prepends == PREPEND_FIRST;
    return true;
}

void pretokenizer_release(struct pretokenizer *pretokenizer)
{
    for (size_t i = 0; i < pretokenizer->count; i++)
        pattern_release(&pretokenizer->steps[i].pattern);
    free(pretokenizer->steps);
    *pretokenizer = (struct pretokenizer){ 0 };
}

bool pretokenizer_take_bytes(struct pretokenizer *pretokenizer, bool letters)
{
    struct pretokenizer_step *last;

    for (size_t i = 0; i < pretokenizer->count; i++) {
        const struct pretokenizer_step *step = &pretokenizer->steps[i];

        if (letters && (step->letters || step->replaces || step->prepends != PREPEND_NEVER))
            return false;
        letters = letters || step->letters;
    }
    if (!letters)
        return false;
    last = &pretokenizer->steps[pretokenizer->count - (pretokenizer->count > 0)];
    if (pretokenizer->count > 0 && last->letters)
        last->letters = false;
    else
        pretokenizer->steps[pretokenizer->count++].unletters = true;
    return true;
}

/* Whether a step does nothing. */
static bool is_idle(const struct pretokenizer_step *step)
{
    return !step->replaces && step->prepends == PREPEND_NEVER && !step->cuts && !step->letters &&
           !step->unletters;
}

/* The scanner that a step cuts by, if cutting is all it does and matches stay pieces; NULL: not so.
 */
static const struct split_type *step_split(const struct pretokenizer_step *step)
{
    bool cuts_only = step->cuts && !step->replaces && step->prepends == PREPEND_NEVER &&
                     !step->letters && !step->unletters;

    if (!cuts_only || step->pattern.kind != PATTERN_SPLIT || step->behavior != SPLIT_ISOLATED)
        return NULL;
    return step->pattern.split;
}

const struct split_type *pretokenizer_split(const struct pretokenizer *pretokenizer,
                                            bool *ret_whole)
{
    const struct split_type *links[SPLIT_LINKS];
    size_t count = 0;

    *ret_whole = true;
    for (size_t i = 0; i < pretokenizer->count; i++) {
        if (is_idle(&pretokenizer->steps[i]))
            continue;
        *ret_whole = false;
        if (count == SPLIT_LINKS || !step_split(&pretokenizer->steps[i]))
            return NULL;
        links[count++] = step_split(&pretokenizer->steps[i]);
    }
    return count == 1 ? links[0] : split_find_chain(links, count);
}

/* Cuts by the behavior, part by part: each ends where the last one began. */
struct cutter {
    struct spans *out;
    enum split_behavior behavior;
    bool before; /* whether the part before was a match */
    bool held;   /* `span` may still grow */
    struct span span;
};

static void give_held(struct cutter *cutter)
{
    if (cutter->held)
        spans_add(cutter->out, cutter->span.at, cutter->span.end);
    cutter->held = false;
}

static void hold(struct cutter *cutter, size_t at, size_t end)
{
    give_held(cutter);
    cutter->held = true;
    cutter->span = (struct span){ at, end };
}

static void cut_part(struct cutter *cutter, size_t at, size_t end, bool match)
{
    bool joins = false;

    switch (cutter->behavior) {
    case SPLIT_REMOVED:
        if (!match)
            spans_add(cutter->out, at, end);
        return;
    case SPLIT_ISOLATED:
        spans_add(cutter->out, at, end);
        return;
    case SPLIT_CONTIGUOUS:
        joins = match == cutter->before;
        break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        joins = match && !cutter->before;
        break;
    case SPLIT_MERGED_WITH_NEXT:
        joins = !match && cutter->before;
        break;
    }
    if (joins && cutter->held)
        cutter->span.end = end;
    else
        hold(cutter, at, end);
    cutter->before = match;
}

static void cut_by_pattern(const struct pretokenizer_step *step, struct scratch *scratch,
                           struct slice text, struct span piece, struct spans *out)
{
    struct cutter cutter = { .out = out, .behavior = step->behavior };
    size_t at = piece.at, start, end;
    struct pattern_walk walk;

    pattern_begin(&walk, &step->pattern,
                  step->pattern.kind == PATTERN_REGEX ? scratch_regex(scratch) : NULL,
                  slice_of(text.at + piece.at, piece.end - piece.at));
    while (pattern_next(&walk, &start, &end)) {
        start += piece.at;
        end += piece.at;
        if (at != start)
            cut_part(&cutter, at, start, step->invert);
        cut_part(&cutter, start, end, !step->invert);
        at = end;
    }
    if (at != piece.end)
        cut_part(&cutter, at, piece.end, step->invert);
    give_held(&cutter);
    scratch->gave_up |= step->pattern.kind == PATTERN_REGEX && walk.regex.gave_up;
}

static void cut_fixed(uint64_t codes, struct slice text, struct span piece, struct spans *out)
{
    for (size_t at = piece.at; at < piece.end;) {
        size_t start = at;
        uint32_t bytes;

        for (uint64_t i = 0; i < codes && at < piece.end; i++, at += bytes)
            unicode_read(text.at + at, &bytes);
        spans_add(out, start, at);
    }
}

static void replace_spaces(struct slice text, uint32_t replacement, struct text *out)
{
    for (size_t at = 0; at < text.len;) {
        struct slice rest = slice_skip(text, at);
        size_t space = slice_find(rest, ' ');

        text_add(out, slice_of(rest.at, space));
        at += space + 1;
        if (space < rest.len)
            text_add_code(out, replacement);
    }
}

/* `first`: the piece begins with what stands for the first code point of all. */
static void prepend(const struct pretokenizer_step *step, struct slice piece, bool first,
                    struct text *out)
{
    char prefix[4];
    uint32_t prefix_len = unicode_write(prefix, step->replacement);
    bool prepends = step->prepends == PREPEND_ALWAYS || (step->prepends == PREPEND_FIRST && first);

    if (prepends && !slice_starts(piece, slice_of(prefix, prefix_len)) &&
        !(step->replaces && piece.at[0] == ' '))
        text_add(out, slice_of(prefix, prefix_len));
}

static void rewrite_bytes(const struct pretokenizer_step *step, struct slice bytes,
                          struct text *out)
{
    if (step->letters)
        letters_write(bytes, out);
    else if (step->unletters)
        CHECK(letters_read(bytes, out)); /* pretokenizer_take_bytes has seen to it */
    else if (step->replaces)
        replace_spaces(bytes, step->replacement, out);
    else
        text_add(out, bytes);
}

/* One stage of a step, from `in` to `out`: every piece is rewritten. What is put before a piece
 * belongs to its first code point, as in the reference. */
static void rewrite(const struct pretokenizer_step *step, const struct spans *in,
                    struct text *written, struct spans *out)
{
    spans_clear(out);
    text_clear(written);
    out->front = 0;
    for (size_t i = 0; i < in->count; i++) {
        struct span at = in->list[i];
        struct slice piece = slice_of(in->text.at + at.at, at.end - at.at);
        size_t start = written->len, front = at.at < in->front ? in->front - at.at : 0;

        if (step->prepends != PREPEND_NEVER)
            prepend(step, piece, front > 0, written);
        rewrite_bytes(step, slice_head(piece, front), written);
        if (front > 0)
            out->front = written->len;
        rewrite_bytes(step, slice_skip(piece, front), written);
        spans_add(out, start, written->len);
    }
    out->text = text_slice(written);
}

static void cut(const struct pretokenizer_step *step, struct scratch *scratch,
                const struct spans *in, struct spans *out)
{
    spans_clear(out);
    out->text = in->text;
    out->front = in->front;
    for (size_t i = 0; i < in->count; i++)
        if (step->fixed_codes)
            cut_fixed(step->fixed_codes, in->text, in->list[i], out);
        else
            cut_by_pattern(step, scratch, in->text, in->list[i], out);
}

/* Which of the two sets of pieces is the newest, and which text is free to be written. */
struct turns {
    size_t spans, text;
};

static void run_rewrite(const struct pretokenizer_step *step, struct scratch *scratch,
                        struct turns *turns)
{
    rewrite(step, &scratch->spans[turns->spans], &scratch->span_texts[turns->text],
            &scratch->spans[!turns->spans]);
    turns->spans = !turns->spans;
    turns->text = !turns->text;
    if (scratch_outgrows(scratch, scratch->spans[turns->spans].text.len))
        scratch->spans[turns->spans].count = 0;
}

static void run_step(const struct pretokenizer_step *step, struct scratch *scratch,
                     struct turns *turns)
{
    struct pretokenizer_step prefix = *step, letters = { .letters = step->letters };

    prefix.letters = false;
    if (step->replaces || step->prepends != PREPEND_NEVER || step->unletters)
        run_rewrite(&prefix, scratch, turns);
    if (step->cuts) {
        cut(step, scratch, &scratch->spans[turns->spans], &scratch->spans[!turns->spans]);
        turns->spans = !turns->spans;
    }
    if (step->letters)
        run_rewrite(&letters, scratch, turns);
}

const struct spans *pretokenizer_apply(const struct pretokenizer *pretokenizer,
                                       struct scratch *scratch, struct slice text, size_t front)
{
    struct turns turns = { 0 };

    scratch_allow(scratch, text.len);
    spans_clear(&scratch->spans[0]);
    scratch->spans[0].text = text;
    scratch->spans[0].front = front;
    spans_add(&scratch->spans[0], 0, text.len);
    for (size_t i = 0; i < pretokenizer->count && !scratch->outgrown; i++)
        run_step(&pretokenizer->steps[i], scratch, &turns);
    return &scratch->spans[turns.spans];
}
