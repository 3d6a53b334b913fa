/*
 * Encoding: the stages of tokenizer.h in their order, over memory that is kept from text to text.
 */
#include "gateway/base/log.h"
#include "gateway/token/tokenizer_parts.h"

#include <stdlib.h>

struct encoder {
    struct tokenizer *tokenizer;
    struct scratch scratch;
    struct model_room room;
    struct cut *cuts;
    size_t cut_count, cut_room;
    struct deadline deadline;
    bool exact; /* of the last text */
};

struct encoder *encoder_new(struct tokenizer *tokenizer, size_t cache_bytes)
{
    struct encoder *encoder = xcalloc(1, sizeof(*encoder));

    encoder->tokenizer = tokenizer_ref(tokenizer);
    scratch_init(&encoder->scratch);
    encoder->scratch.deadline = &encoder->deadline;
    encoder->scratch.follows_front = tokenizer->pretokenizer.first_is_late;
    model_room_init(&encoder->room, &tokenizer->model, cache_bytes);
    encoder->room.deadline = &encoder->deadline;
    if (encoder->room.cache)
        bpe_cache_watch(encoder->room.cache, &encoder->deadline);
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    scratch_release(&encoder->scratch);
    model_room_release(&encoder->room);
    tokenizer_unref(encoder->tokenizer);
    free(encoder->cuts);
    free(encoder);
}

/* Normalized text without added tokens. `front`: see pretokenizer_apply. */
static void encode_normalized(struct encoder *encoder, struct slice text, size_t front,
                              struct ids *ids)
{
    const struct model *model = &encoder->tokenizer->model;
    const struct spans *spans;

    if (text.len == 0)
        return;
    if (model->direct) {
        bpe_encode(model->bpe, encoder->room.cache, text, ids);
        return;
    }
    spans = pretokenizer_apply(&encoder->tokenizer->pretokenizer, &encoder->scratch, text, front);
    for (size_t i = 0; i < spans->count; i++) {
        struct slice piece =
            slice_of(spans->text.at + spans->list[i].at, spans->list[i].end - spans->list[i].at);

        /* Byte pairs look at the clock themselves, where they know what they cut a piece into. */
        if (!encoder->room.cache && !deadline_allows(&encoder->deadline, piece.len))
            return;
        model->type->encode(model, &encoder->room, piece, ids);
    }
}

/* Text as it came, between added tokens that are looked for in that. */
static void encode_raw(struct encoder *encoder, struct slice text, bool first, struct ids *ids)
{
    const struct tokenizer *tokenizer = encoder->tokenizer;
    struct added_walk walk;
    struct added_match match;
    size_t at = 0, front;

    text = normalizer_apply(&tokenizer->normalizer, &encoder->scratch, text);
    front = first ? encoder->scratch.front : 0;
    added_begin(&walk, &tokenizer->added, &tokenizer->added.normalized, text, 0);
    while (added_next(&walk, &match)) {
        if (at < match.start)
            encode_normalized(encoder, slice_of(text.at + at, match.start - at),
                              at == 0 ? front : 0, ids);
        ids_add(ids, match.token->id);
        at = match.end;
    }
    if (at < text.len)
        encode_normalized(encoder, slice_of(text.at + at, text.len - at), at == 0 ? front : 0, ids);
}

static void add_cut(struct encoder *encoder, size_t at, size_t count)
{
    if (encoder->cut_count == encoder->cut_room) {
        encoder->cut_room = encoder->cut_room ? encoder->cut_room * 2 : 64;
        encoder->cuts = xrealloc(encoder->cuts, encoder->cut_room * sizeof(*encoder->cuts));
    }
    encoder->cuts[encoder->cut_count++] = (struct cut){ at, count };
}

/* Any id that there is stands for a part that has none, so that ids stay in bounds of tables. */
static void take_unencodable(struct encoder *encoder, struct ids *ids, size_t from)
{
    for (size_t i = from; i < ids->count; i++)
        if (ids->at[i] == MODEL_UNENCODABLE) {
            ids->at[i] = 0;
            encoder->exact = false;
        }
}

static void encode_from(struct encoder *encoder, struct slice text, size_t from, size_t base,
                        struct ids *ids)
{
    const struct added *added = &encoder->tokenizer->added;
    struct added_walk walk;
    struct added_match match;
    size_t at = from, begun = ids->count;

    CHECK(text.len < UINT32_MAX); /* places in a text have 32 bits further down */
    encoder->cut_count = 0;
    deadline_begin(&encoder->deadline);
    scratch_begin(&encoder->scratch, text.len);
    added_begin(&walk, added, &added->raw, text, from);
    while (added_next(&walk, &match)) {
        if (at < match.start)
            encode_raw(encoder, slice_of(text.at + at, match.start - at), at == 0, ids);
        ids_add(ids, match.token->id);
        at = match.end;
        if (match.token->ends_firmly)
            add_cut(encoder, at, ids->count - base);
    }
    if (at < text.len)
        encode_raw(encoder, slice_of(text.at + at, text.len - at), at == 0, ids);
    encoder->exact = !encoder->scratch.gave_up && !encoder->deadline.passed;
    if (encoder->scratch.gave_up)
        log_warn(NULL, "tokenizer: a regular expression took too many steps, a text grew too much, "
                       "or its beginning was lost sight of; its ids may be wrong");
    encoder->scratch.gave_up = false;
    if (encoder->tokenizer->model.unk_id == MODEL_UNENCODABLE)
        take_unencodable(encoder, ids, begun);
}

static void append_before(const struct tokenizer *tokenizer, enum encoder_special special,
                          struct ids *ids)
{
    if (special == ENCODER_PROCESSED)
        ids_append(ids, &tokenizer->postprocessor.before);
    else if (special == ENCODER_COMPLETION)
        ids_append(ids, &tokenizer->before_completion);
}

static void append_after(const struct tokenizer *tokenizer, enum encoder_special special,
                         struct ids *ids)
{
    if (special == ENCODER_PROCESSED)
        ids_append(ids, &tokenizer->postprocessor.after);
    else if (special == ENCODER_COMPLETION)
        ids_append(ids, &tokenizer->after_completion);
}

void encoder_encode(struct encoder *encoder, struct slice text, enum encoder_special special,
                    struct ids *ids)
{
    size_t base = ids->count;

    append_before(encoder->tokenizer, special, ids);
    encode_from(encoder, text, 0, base, ids);
    append_after(encoder->tokenizer, special, ids);
}

void encoder_encode_rest(struct encoder *encoder, struct slice text, size_t from,
                         enum encoder_special special, struct ids *ids)
{
    encode_from(encoder, text, from, ids->count, ids);
    append_after(encoder->tokenizer, special, ids);
}

void encoder_until(struct encoder *encoder, uint64_t deadline_us)
{
    encoder->deadline.at_us = deadline_us;
}

bool encoder_late(const struct encoder *encoder)
{
    return encoder->deadline.passed;
}

bool encoder_exact(const struct encoder *encoder)
{
    return encoder->exact;
}

const struct cut *encoder_cuts(const struct encoder *encoder, size_t *ret_count)
{
    *ret_count = encoder->cut_count;
    return encoder->cuts;
}
