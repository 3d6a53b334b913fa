/*
 * Prompts by a model's own tokenizer and template.
 */
#include "tests/engine/vocabulary.h"

#include "gateway/base/clock.h"
#include "gateway/prompt/chat.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES (256u << 20)

struct vocabulary {
    struct recipe *recipe;
    struct encoder *encoder;
    struct ids ids;
};

struct vocabulary *vocabulary_new(const char *folder)
{
    struct recipe_settings settings = { .tokenizer = folder };
    struct vocabulary *vocabulary = xcalloc(1, sizeof(*vocabulary));
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    vocabulary->recipe = recipe_load(&settings, &errors);
    fprintf(stderr, "%.*s", SLICE_ARGS(buf_join(&errors)));
    buf_release(&errors);
    if (!vocabulary->recipe) {
        free(vocabulary);
        return NULL;
    }
    vocabulary->encoder = encoder_new(vocabulary->recipe->tokenizer, /* cache_bytes= */ 1u << 20);
    ids_init(&vocabulary->ids);
    return vocabulary;
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    encoder_free(vocabulary->encoder);
    recipe_unref(vocabulary->recipe);
    ids_release(&vocabulary->ids);
    free(vocabulary);
}

static void encode(struct vocabulary *vocabulary, struct slice text, enum encoder_special special,
                   struct tokens *tokens)
{
    vocabulary->ids.count = 0;
    encoder_encode(vocabulary->encoder, text, special, &vocabulary->ids);
    tokens_append(tokens, vocabulary->ids.at, vocabulary->ids.count);
}

void vocabulary_encode(struct vocabulary *vocabulary, struct slice text, struct tokens *tokens)
{
    encode(vocabulary, text, ENCODER_COMPLETION, tokens);
}

static const struct reason *render(struct vocabulary *vocabulary, struct arena *arena,
                                   struct slice body, struct buf *out, struct slice *ret_text,
                                   enum encoder_special *ret_special, struct slice *ret_message)
{
    time_t now_s = (time_t)(clock_wall_us() / CLOCK_US_PER_S);
    struct chat_call call = {
        .recipe = vocabulary->recipe,
        .arena = arena,
        .limits = { .output_bytes = ARENA_BYTES, .steps = TEMPLATE_STEPS, .depth = TEMPLATE_DEPTH },
    };
    const struct reason *reason;
    struct chat_text text;
    struct prompt prompt;

    call.prompt = &prompt;
    localtime_r(&now_s, &call.now);
    reason = prompt_parse(dialect_named(SLICE("tokenize")), body, slice_of(NULL, 0),
                          /* trusted= */ true, arena, &prompt, ret_message);
    if (!reason)
        reason = chat_render(&call, out, &text, ret_message);
    if (reason)
        return reason;
    *ret_text = text.text;
    *ret_special = prompt.add_special_tokens == PROMPT_ON ? ENCODER_PROCESSED : ENCODER_PLAIN;
    return NULL;
}

bool vocabulary_encode_chat(struct vocabulary *vocabulary, struct slice body, struct tokens *tokens,
                            char *ret_why, size_t size)
{
    struct slice text, message = { NULL, 0 };
    enum encoder_special special;
    const struct reason *reason;
    struct arena arena;
    struct buf out;

    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, SIZE_MAX);
    reason = render(vocabulary, &arena, body, &out, &text, &special, &message);
    if (!reason)
        encode(vocabulary, text, special, tokens);
    else
        snprintf(ret_why, size, "%s: %.*s", reason->text,
                 SLICE_ARGS(slice_head(message, size / 2)));
    buf_release(&out);
    arena_release(&arena);
    return !reason;
}
