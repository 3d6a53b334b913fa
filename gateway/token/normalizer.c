/*
 * Loading normalizers and running their steps.
 */
#include "gateway/token/normalizer.h"

#include <stdlib.h>

#define STEPS_MAX 64 /* the longest known has six */

#define NORMALIZER(name) extern const struct normalizer_type normalizer_##name;
#include "gateway/token/normalizers.def"
#undef NORMALIZER

static const struct normalizer_type *const types[] = {
#define NORMALIZER(name) &normalizer_##name,
#include "gateway/token/normalizers.def"
#undef NORMALIZER
};

static bool load_step(const struct node *node, struct slice type, void *user)
{
    struct normalizer *normalizer = user;
    struct normalizer_step *step = &normalizer->steps[normalizer->count];

    if (normalizer->count == STEPS_MAX)
        return node_fail(node, "is more than %d steps", STEPS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_eq(type, slice_str(types[i]->name))) {
            step->type = types[i];
            normalizer->count++; /* so that a step that fails is released */
            return !types[i]->load || types[i]->load(node, step);
        }
    return node_fail(node, "has type %.*s, which is not supported", SLICE_ARGS(type));
}

bool normalizer_load(struct normalizer *normalizer, const struct node *node)
{
    *normalizer = (struct normalizer){ 0 };
    normalizer->steps = xcalloc(STEPS_MAX, sizeof(*normalizer->steps));
    if (!node->value)
        return true;
    if (!node_steps(node, "normalizers", load_step, normalizer))
        return false;
    normalizer->letters = normalizer->count > 0 &&
                          normalizer->steps[normalizer->count - 1].type == &normalizer_byte_level;
    return true;
}

void normalizer_release(struct normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) {
        pattern_release(&normalizer->steps[i].pattern);
        charsmap_release(&normalizer->steps[i].charsmap);
        free(normalizer->steps[i].content);
    }
    free(normalizer->steps);
    *normalizer = (struct normalizer){ 0 };
}

static size_t front_of(struct slice text)
{
    uint32_t bytes = 0;

    if (text.len > 0)
        unicode_read(text.at, &bytes);
    return bytes;
}

/* Of the first code point a step makes what the text now begins with. Where it looked at what
 * follows, too, so that this is not so, the ids are not sure. */
static void follow_front(const struct normalizer_step *step, struct scratch *scratch,
                         struct slice before, struct slice after)
{
    struct slice front = slice_head(before, scratch->front);
    bool lost = scratch->front_lost;

    if (lost)
        return;
    text_clear(&scratch->front_text);
    if (!step->type->run(step, scratch, front, &scratch->front_text))
        front = text_slice(&scratch->front_text);
    scratch->gave_up |= !slice_starts(after, front);
    scratch->front = front.len;
    scratch->front_lost = lost;
}

struct slice normalizer_apply(const struct normalizer *normalizer, struct scratch *scratch,
                              struct slice text)
{
    size_t turn = 0;

    scratch_allow(scratch, text.len);
    scratch->front = front_of(text);
    scratch->front_lost = false;
    for (size_t i = 0; i < normalizer->count; i++) {
        const struct normalizer_step *step = &normalizer->steps[i];
        struct text *out = &scratch->normal_texts[turn];

        text_clear(out);
        if (step->type->run(step, scratch, text, out))
            continue;
        if (scratch_outgrows(scratch, out->len))
            return slice_of(NULL, 0);
        if (scratch->follows_front)
            follow_front(step, scratch, text, text_slice(out));
        text = text_slice(out);
        turn = !turn;
    }
    if (scratch->front_lost)
        scratch->front = 0;
    return text;
}
