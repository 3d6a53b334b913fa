/*
 * The pipeline. One way for each form in which a prompt can come: a conversation, a text, token
 * ids; and the rough way for all others and for what goes wrong.
 */
#include "gateway/prompt/pipeline.h"

#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/prompt/chat.h"
#include "gateway/prompt/rough.h"
#include "gateway/prompt/turns.h"

#include <stdlib.h>
#include <time.h>

/* Values and scratch of a rendering: a value is 16 bytes and stands for a few of the body. */
#define ARENA_BYTES_LEAST  (1u << 20)
#define ARENA_BYTES_A_BYTE 32
/* A template repeats what it is given a few times at most. */
#define OUTPUT_BYTES_LEAST  (1u << 20)
#define OUTPUT_BYTES_A_BYTE 4

/* What a byte takes before it has been measured: 25 MB/s is slower than any tokenizer here. */
#define BYTE_NS_FIRST 40.0
/* A byte of text that the cache of pieces knows well: more bytes than this allows are not begun. */
#define BYTE_NS_LEAST 4
/* A value of JSON becomes one of a template and is printed: measured on lists of numbers. */
#define VALUE_NS 400
/* A token id is read. */
#define ID_NS     50
#define NS_PER_MS 1000000
/* Shorter texts measure the clock. */
#define BYTE_MEASURED_LEAST 2048
/* Rendering, per byte of the body. */
#define RENDER_NS 5.0
/* Ids are kept in one row; a row larger than this is given back. */
#define IDS_KEEP (256 * 1024)

static const struct directive pipeline_rows[] = {
    DIRECTIVE_NUMBER(struct pipeline_conf, key_block, "16", 1, BLOCK_TOKENS_MAX,
                     "Tokens that a block key stands for."),
    DIRECTIVE_DURATION(struct pipeline_conf, budget, "25ms", 1, 10e3,
                       "The longest that turning one prompt into tokens may keep a worker; prompts "
                       "that would take longer get approximate keys."),
    DIRECTIVE_SIZE(struct pipeline_conf, prompt_bytes, "16MB", 0, 256e6,
                   "Bodies over this are not rendered: their keys are approximate."),
    DIRECTIVE_SIZE(struct pipeline_conf, turn_cache, "64MB", 0, 1e12,
                   "Bytes a worker keeps of earlier turns, so that the next one costs its new text "
                   "only."),
    DIRECTIVE_SIZE(struct pipeline_conf, piece_cache, "16MB", 0, 1e10,
                   "Bytes a worker keeps for each tokenizer of words met before."),
};

const struct directive_set pipeline_set = {
    .key = "tokens",
    .shape = DIRECTIVE_OBJECT,
    .help = "How prompts become tokens and block keys.",
    .rows = pipeline_rows,
    .count = ARRAY_LEN(pipeline_rows),
    .size = sizeof(struct pipeline_conf),
};

struct pipeline_encoder {
    struct list link;
    struct recipe *recipe; /* reffed */
    struct encoder *encoder;
    size_t cache_bytes;
    double byte_ns; /* what fresh text takes: for forecasts */
    bool kept;      /* pipeline_keep was called since the last pipeline_tidy */
};

struct pipeline {
    struct list encoders;
    struct turns *turns;
    struct ids ids;
    struct buf text, converted;
    struct arena arena;
};

/* One call under way. */
struct run {
    struct pipeline *pipeline;
    const struct pipeline_call *call;
    struct pipeline_tokens *tokens;
    struct pipeline_encoder *encoder; /* NULL: the model has no recipe */
    uint64_t until_us;                /* when it must be over; 0: whenever */
};

struct pipeline *pipeline_new(void)
{
    struct pipeline *pipeline = xcalloc(1, sizeof(*pipeline));

    list_init(&pipeline->encoders);
    pipeline->turns = turns_new(0);
    ids_init(&pipeline->ids);
    buf_init(&pipeline->text, SIZE_MAX);
    buf_init(&pipeline->converted, SIZE_MAX);
    arena_init(&pipeline->arena, 0);
    return pipeline;
}

static void encoder_drop(struct pipeline_encoder *encoder)
{
    list_remove(&encoder->link);
    encoder_free(encoder->encoder);
    recipe_unref(encoder->recipe);
    free(encoder);
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    LIST_FOREACH_SAFE (at, &pipeline->encoders)
        encoder_drop(CONTAINER_OF(at, struct pipeline_encoder, link));
    turns_free(pipeline->turns);
    ids_release(&pipeline->ids);
    buf_release(&pipeline->text);
    buf_release(&pipeline->converted);
    arena_release(&pipeline->arena);
    free(pipeline);
}

void pipeline_tidy(struct pipeline *pipeline)
{
    LIST_FOREACH_SAFE (at, &pipeline->encoders) {
        struct pipeline_encoder *encoder = CONTAINER_OF(at, struct pipeline_encoder, link);

        if (!encoder->kept)
            encoder_drop(encoder);
        else
            encoder->kept = false;
    }
}

/* ---- encoders ---- */

static struct pipeline_encoder *find_encoder(const struct pipeline *pipeline,
                                             const struct recipe *recipe)
{
    LIST_FOREACH (at, (struct list *)&pipeline->encoders) {
        struct pipeline_encoder *encoder = CONTAINER_OF(at, struct pipeline_encoder, link);

        if (encoder->recipe == recipe)
            return encoder;
    }
    return NULL;
}

void pipeline_keep(struct pipeline *pipeline, const struct recipe *recipe)
{
    struct pipeline_encoder *encoder = find_encoder(pipeline, recipe);

    if (encoder)
        encoder->kept = true;
}

static struct pipeline_encoder *get_encoder(struct pipeline *pipeline,
                                            const struct pipeline_call *call)
{
    struct pipeline_encoder *encoder = find_encoder(pipeline, call->recipe);

    if (!encoder) {
        encoder = xcalloc(1, sizeof(*encoder));
        encoder->recipe = recipe_ref(call->recipe);
        encoder->cache_bytes = (size_t)call->conf->piece_cache;
        encoder->encoder = encoder_new(call->recipe->tokenizer, encoder->cache_bytes);
        encoder->byte_ns = BYTE_NS_FIRST;
        list_push(&pipeline->encoders, &encoder->link);
    }
    return encoder;
}

size_t pipeline_bytes(const struct pipeline *pipeline)
{
    size_t bytes = turns_bytes(pipeline->turns);

    LIST_FOREACH (at, (struct list *)&pipeline->encoders)
        bytes += CONTAINER_OF(at, struct pipeline_encoder, link)->cache_bytes;
    return bytes;
}

/* ---- text to tokens ---- */

/* The last measurements count most; of each a fourth is believed, and of one that took absurdly
 * long (the thread was not running) less. */
static void learn_speed(struct pipeline_encoder *encoder, size_t bytes, uint64_t taken_us)
{
    double byte_ns = (double)taken_us * 1000 / (double)(bytes > 0 ? bytes : 1);

    if (byte_ns > 4 * encoder->byte_ns)
        byte_ns = 4 * encoder->byte_ns;
    if (bytes >= BYTE_MEASURED_LEAST)
        encoder->byte_ns += (byte_ns - encoder->byte_ns) / 4;
}

static enum exactness over_budget(struct run *run, const struct reason *reason)
{
    run->tokens->reason = reason;
    return EXACTNESS_budget;
}

/* Whether so much work, at its least, can be done in time: what cannot is not begun. */
static bool fits_budget(const struct run *run, uint64_t least_ns)
{
    return run->call->unbounded || least_ns < run->call->conf->budget * NS_PER_MS;
}

/* What is put around a text is part of what its tokens are. */
static struct turns_owner owner_of(const struct run *run, enum encoder_special special)
{
    return (struct turns_owner){ .recipe = run->call->recipe->number * 4 + special,
                                 .scope = run->tokens->keys.parent,
                                 .block = run->tokens->keys.block };
}

/* All of the text's tokens; those of its beginning may be known from an earlier turn. */
static enum exactness encode(struct run *run, struct slice text, enum encoder_special special)
{
    struct pipeline *pipeline = run->pipeline;
    struct encoder *encoder = run->encoder->encoder;
    struct turns_owner owner = owner_of(run, special);
    struct turns_tokens tokens = { &pipeline->ids, &run->tokens->keys };
    size_t from = turns_find(pipeline->turns, owner, text, tokens);
    size_t known = pipeline->ids.count, cut_count;
    uint64_t begun_us = clock_now_us();
    const struct cut *cuts;

    if (!fits_budget(run, (text.len - from) * BYTE_NS_LEAST))
        return over_budget(run, &reason_body_too_large);
    encoder_until(encoder, run->until_us);
    if (from == 0)
        encoder_encode(encoder, text, special, &pipeline->ids);
    else
        encoder_encode_rest(encoder, text, from, special, &pipeline->ids);
    if (encoder_late(encoder))
        return over_budget(run, &reason_prompt_late);
    learn_speed(run->encoder, text.len - from, clock_now_us() - begun_us);
    if (!encoder_exact(encoder))
        return EXACTNESS_unsure;
    blocks_follow(&run->tokens->keys, &pipeline->ids);
    cuts = encoder_cuts(encoder, &cut_count);
    if (cut_count > 0)
        turns_keep(pipeline->turns, owner, text, tokens, known, cuts, cut_count);
    run->tokens->text = text;
    run->tokens->reused = known;
    return EXACTNESS_exact;
}

/* ---- the forms of a prompt ---- */

static enum exactness why_failed(const struct reason *reason)
{
    if (reason == &reason_template_raised)
        return EXACTNESS_raised;
    if (reason == &reason_template_failed)
        return EXACTNESS_failed;
    if (reason == &reason_template_limit || reason == &reason_memory_limit)
        return EXACTNESS_limit;
    return EXACTNESS_malformed;
}

static enum exactness take_chat(struct run *run, const struct prompt *prompt)
{
    const struct pipeline_call *call = run->call;
    struct pipeline *pipeline = run->pipeline;
    struct chat_call chat = {
        .recipe = call->recipe,
        .prompt = prompt,
        .arena = &pipeline->arena,
        .limits = { .output_bytes = OUTPUT_BYTES_LEAST + OUTPUT_BYTES_A_BYTE * prompt->body.len,
                    .steps = TEMPLATE_STEPS,
                    .depth = TEMPLATE_DEPTH },
    };
    time_t now_s = (time_t)(call->wall_us / CLOCK_US_PER_S);
    struct chat_text text;
    enum exactness exactness;

    if (call->recipe->chats != EXACTNESS_exact && !call->unbounded)
        return call->recipe->chats;
    if (!fits_budget(run, prompt->members * VALUE_NS))
        return over_budget(run, &reason_body_too_large);
    localtime_r(&now_s, &chat.now);
    run->tokens->reason = chat_render(&chat, &pipeline->text, &text, &run->tokens->message);
    if (run->tokens->reason)
        return why_failed(run->tokens->reason);
    exactness =
        encode(run, slice_head(text.text, text.sure), prompt->add_special_tokens == PROMPT_ON);
    run->tokens->keys_exact = exactness == EXACTNESS_exact;
    return exactness == EXACTNESS_exact && text.media ? EXACTNESS_media : exactness;
}

/* Another API's request, by way of the chat that its engine makes of it. */
static enum exactness take_converted(struct run *run)
{
    const struct prompt *prompt = run->call->prompt;
    struct prompt chat;

    if (!run->call->recipe)
        return EXACTNESS_no_tokenizer;
    run->tokens->reason = prompt->dialect->to_chat(prompt, &run->pipeline->converted, &chat);
    if (run->tokens->reason)
        return why_failed(run->tokens->reason);
    return chat.exactness == EXACTNESS_exact ? take_chat(run, &chat) : chat.exactness;
}

static enum exactness take_text(struct run *run, struct json_value json)
{
    struct slice text;

    run->tokens->reason = json_text(json, &run->pipeline->arena, &text);
    if (run->tokens->reason)
        return why_failed(run->tokens->reason);
    return encode(run, text,
                  run->call->prompt->add_special_tokens != PROMPT_OFF ? ENCODER_COMPLETION
                                                                      : ENCODER_PLAIN);
}

static bool is_ids(struct json_value json)
{
    struct json_reader r;

    json_open(&r, json.raw, NULL);
    return json_enter_array(&r) && json_next(&r, NULL) && json_peek(&r) == JSON_KIND_NUMBER;
}

/* Token ids are what they are, with a tokenizer or without one. */
static enum exactness take_ids(struct run *run, struct json_value json)
{
    struct json_value item;
    struct json_reader r;
    uint64_t id;

    if (!fits_budget(run, run->call->prompt->members * ID_NS))
        return over_budget(run, &reason_body_too_large);
    json_open(&r, json.raw, NULL);
    if (!json_enter_array(&r))
        return EXACTNESS_malformed;
    while (json_next(&r, NULL)) {
        json_take(&r, &item);
        if (!json_u64(item, &id) || id > UINT32_MAX)
            return EXACTNESS_malformed;
        ids_add(&run->pipeline->ids, (uint32_t)id);
    }
    return EXACTNESS_exact;
}

/* A text or ids; without a tokenizer only ids will do. */
static enum exactness take_one(struct run *run, struct json_value json)
{
    if (is_ids(json))
        return take_ids(run, json);
    if (!run->call->recipe)
        return EXACTNESS_no_tokenizer;
    return json.kind == JSON_KIND_STRING ? take_text(run, json) : EXACTNESS_malformed;
}

/* One prompt, or a list of which the first one counts. */
static enum exactness take_prompt(struct run *run, struct json_value json)
{
    struct json_value first = json;
    struct json_reader r;
    bool several = false;
    enum exactness exactness;

    if (json.kind == JSON_KIND_ARRAY && !is_ids(json)) {
        json_open(&r, json.raw, NULL);
        if (!json_enter_array(&r) || !json_next(&r, NULL))
            return EXACTNESS_malformed;
        json_take(&r, &first);
        several = json_next(&r, NULL);
    }
    exactness = take_one(run, first);
    run->tokens->keys_exact = exactness == EXACTNESS_exact;
    return exactness == EXACTNESS_exact && several ? EXACTNESS_several : exactness;
}

/* By what the dialect's requests carry; what none of these is, is not rendered here. */
static enum exactness take(struct run *run)
{
    const struct prompt *prompt = run->call->prompt;

    if (prompt->exactness != EXACTNESS_exact)
        return prompt->exactness;
    if (run->call->distrusted)
        return EXACTNESS_distrusted;
    if (prompt->body.len > run->call->conf->prompt_bytes)
        return over_budget(run, &reason_body_too_large);
    switch ((enum dialect_prompt)prompt->dialect->prompt) {
    case DIALECT_PROMPT_CHAT:
        if (prompt->messages.kind > JSON_KIND_NULL)
            return run->call->recipe ? take_chat(run, prompt) : EXACTNESS_no_tokenizer;
        return take_prompt(run, prompt->prompt);
    case DIALECT_PROMPT_OTHER:
        return take_converted(run);
    case DIALECT_PROMPT_TEXT:
        return take_prompt(run, prompt->prompt);
    case DIALECT_PROMPT_INPUT:
        return take_prompt(run, prompt->input);
    case DIALECT_PROMPT_OPAQUE:
        break;
    }
    return EXACTNESS_dialect;
}

/* ---- the whole ---- */

void pipeline_forget(struct pipeline *pipeline)
{
    if (pipeline->ids.room > IDS_KEEP)
        ids_release(&pipeline->ids);
    pipeline->ids.count = 0;
    buf_release(&pipeline->text);
    buf_release(&pipeline->converted);
    arena_release(&pipeline->arena);
}

static void begin(struct run *run)
{
    const struct pipeline_call *call = run->call;
    struct pipeline *pipeline = run->pipeline;

    turns_bound(pipeline->turns, (size_t)call->conf->turn_cache);
    pipeline_forget(pipeline);
    arena_init(&pipeline->arena, ARENA_BYTES_LEAST + ARENA_BYTES_A_BYTE * call->prompt->body.len);
    *run->tokens = (struct pipeline_tokens){
        .keys = { .parent = blocks_seed(&call->scope), .block = (uint32_t)call->conf->key_block },
    };
}

static void guess(struct run *run)
{
    struct pipeline_tokens *tokens = run->tokens;

    tokens->text_bytes = rough_bytes(run->call->prompt);
    tokens->count = (uint64_t)((double)tokens->text_bytes / run->call->token_bytes);
}

void pipeline_run(struct pipeline *pipeline, const struct pipeline_call *call,
                  struct pipeline_tokens *ret_tokens)
{
    struct run run = { .pipeline = pipeline, .call = call, .tokens = ret_tokens };
    struct pipeline_tokens *tokens = ret_tokens;

    if (!call->unbounded)
        run.until_us = clock_now_us() + call->conf->budget * 1000;
    begin(&run);
    if (call->recipe)
        run.encoder = get_encoder(pipeline, call);
    tokens->exactness = (uint8_t)take(&run);
    if (tokens->keys_exact) {
        blocks_follow(&tokens->keys, &pipeline->ids);
        tokens->ids = &pipeline->ids;
        tokens->text_bytes = tokens->text.len;
        tokens->count = pipeline->ids.count;
    } else {
        tokens->keys.count = 0;
        rough_keys(call->prompt, &tokens->keys);
    }
    if (tokens->exactness != EXACTNESS_exact)
        guess(&run);
}

uint64_t pipeline_forecast_us(const struct pipeline *pipeline, const struct pipeline_call *call)
{
    const struct pipeline_encoder *encoder = find_encoder(pipeline, call->recipe);
    double byte_ns = RENDER_NS + (encoder ? encoder->byte_ns : BYTE_NS_FIRST);

    return call->recipe ? (uint64_t)((double)rough_bytes(call->prompt) * byte_ns / 1000) : 0;
}
