/*
 * /v1/messages, Anthropic's: blocks of thinking, text or a call. Its events have names, and there
 * is no [DONE]; input is counted at the start and at the end, as vLLM does it, what was cached of
 * it never:
 *
 *     message_start, (content_block_start, content_block_delta *, content_block_stop) *,
 *     message_delta, message_stop
 */
#include "tests/engine/forms.h"

#include <stdio.h>

/* One event; takes `fields`, which go behind the type. */
static void emit(struct generation *g, const char *type, json_t *fields)
{
    forms_emit_named(g, json_pack("{s:s}", "type", type), fields);
}

static json_t *usage(const struct generation *g)
{
    struct usage used = generation_usage(g);

    return json_pack("{s:I,s:I}", "input_tokens", (json_int_t)used.prompt_tokens, "output_tokens",
                     (json_int_t)used.completion_tokens);
}

static const char *stop_reason(const struct choice *choice)
{
    if (choice->script.tool)
        return "tool_use";
    return choice_finish(choice) == FINISH_LENGTH ? "max_tokens" : "end_turn";
}

static json_t *call_block(const struct generation *g, const struct choice *choice, json_t *input)
{
    char id[128];

    snprintf(id, sizeof(id), "toolu_%s", g->id + strlen(g->form->id_prefix));
    return json_pack("{s:s,s:s,s:s,s:o}", "type", "tool_use", "id", id, "name", choice->script.tool,
                     "input", input);
}

/* Thinking is a block of its own, before what is said. */
static bool is_thought(const struct choice *choice, uint32_t token)
{
    return token < choice_reasoning(choice);
}

static int block_of(const struct choice *choice, uint32_t token)
{
    return choice_reasoning(choice) > 0 && !is_thought(choice, token);
}

static json_t *empty_block(const struct generation *g, const struct choice *choice)
{
    const char *kind = is_thought(choice, choice->given) ? "thinking" : "text";

    return choice->script.tool ? call_block(g, choice, json_object())
                               : json_pack("{s:s,s:s}", "type", kind, kind, "");
}

static void begin(struct generation *g)
{
    emit(g, "message_start",
         json_pack("{s:{s:s,s:[],s:s%,s:n,s:n,s:o}}", "message", "id", g->id, "content", "model",
                   g->ask.model.at, g->ask.model.len, "stop_reason", "stop_sequence", "usage",
                   usage(g)));
}

static void end_block(struct generation *g, int block)
{
    emit(g, "content_block_stop", json_pack("{s:i}", "index", block));
}

static void begin_block(struct generation *g, const struct choice *choice, int block)
{
    if (block > 0)
        end_block(g, block - 1);
    emit(g, "content_block_start",
         json_pack("{s:o,s:i}", "content_block", empty_block(g, choice), "index", block));
}

static void token(struct generation *g, struct choice *choice)
{
    bool thought = is_thought(choice, choice->given);
    const char *kind = choice->script.tool ? "input_json_delta"
                       : thought           ? "thinking_delta"
                                           : "text_delta";
    const char *member = choice->script.tool ? "partial_json" : thought ? "thinking" : "text";
    int block = block_of(choice, choice->given);
    char text[TOKEN_TEXT_MAX];

    if (choice->given == 0 || choice->given == choice_reasoning(choice))
        begin_block(g, choice, block);
    buf_printf(&g->event,
               "event: content_block_delta\ndata: "
               "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"%s\",\"%s\":",
               kind, member);
    event_add_string(
        &g->event,
        token_text(choice->sequence.tokens.at[choice->sequence.item.prompt_tokens + choice->given],
                   text));
    buf_printf(&g->event, "},\"index\":%d}\n\n", block);
    generation_emit(g);
}

static void end(struct generation *g)
{
    const struct choice *choice = &g->choices[0];

    end_block(g, block_of(choice, choice->given));
    emit(
        g, "message_delta",
        json_pack("{s:{s:s},s:o}", "delta", "stop_reason", stop_reason(choice), "usage", usage(g)));
    emit(g, "message_stop", json_object());
}

static json_t *content(const struct generation *g, const struct choice *choice)
{
    json_t *blocks = json_array(), *said = forms_text(choice);

    if (choice_reasoning(choice) > 0)
        json_array_append_new(blocks, json_pack("{s:s,s:o}", "type", "thinking", "thinking",
                                                forms_reasoning(choice)));
    if (choice->script.tool)
        json_array_append_new(blocks,
                              call_block(g, choice, json_loads(json_string_value(said), 0, NULL)));
    else
        json_array_append_new(blocks, json_pack("{s:s,s:O}", "type", "text", "text", said));
    json_decref(said);
    return blocks;
}

static json_t *whole(const struct generation *g)
{
    const struct choice *choice = &g->choices[0];

    return json_pack("{s:s,s:s,s:s,s:o,s:s%,s:s,s:n,s:o}", "id", g->id, "type", g->form->object,
                     "role", "assistant", "content", content(g, choice), "model", g->ask.model.at,
                     g->ask.model.len, "stop_reason", stop_reason(choice), "stop_sequence", "usage",
                     usage(g));
}

const struct form form_messages = {
    .id_prefix = "chatcmpl-",
    .object = "message",
    .begin = begin,
    .token = token,
    .end = end,
    .whole = whole,
    .ends_with_done = false,
};
