/*
 * /v1/chat/completions. Streamed: a chunk with the role, one a token, the last with the finish
 * reason, then usage if asked for. A tool call has a chunk with its name before those with its
 * arguments.
 */
#include "tests/engine/forms.h"

#include <stdio.h>

static void add_choice(struct generation *g, const struct choice *choice, const char *delta)
{
    buf_add(&g->event, buf_join(&g->head));
    buf_printf(&g->event, ",\"choices\":[{\"index\":%u,\"delta\":{%s", choice->index, delta);
}

static void end_choice(struct generation *g, const struct choice *choice, const char *finish)
{
    buf_add(&g->event, SLICE("},\"logprobs\":null,\"finish_reason\":"));
    event_add_text(&g->event, finish);
    if (finish)
        buf_add(&g->event, SLICE(",\"stop_reason\":null"));
    if (g->ask.return_token_ids)
        buf_printf(&g->event, ",\"token_ids\":[%u]",
                   choice->sequence.tokens.at[choice->sequence.item.prompt_tokens + choice->given]);
    buf_add(&g->event, SLICE("}]"));
    forms_end_chunk(g, choice);
    generation_emit(g);
}

/* The role of every choice, before the first token of any. */
static void begin(struct generation *g)
{
    forms_make_head(g, "chat.completion.chunk");
    for (uint32_t i = 0; i < g->count; i++) {
        const struct choice *choice = &g->choices[i];

        add_choice(g, choice, "\"role\":\"assistant\",\"content\":\"\"");
        buf_add(&g->event, SLICE("},\"logprobs\":null,\"finish_reason\":null}]"));
        if (g->ask.return_token_ids) {
            buf_add(&g->event, SLICE(",\"prompt_token_ids\":"));
            event_add_json(&g->event, forms_ids(choice->sequence.tokens.at,
                                                choice->sequence.item.prompt_tokens));
        }
        if (g->ask.continuous_usage)
            buf_printf(
                &g->event,
                ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u,\"completion_tokens\":0}",
                choice->sequence.item.prompt_tokens, choice->sequence.item.prompt_tokens);
        buf_add(&g->event, SLICE("}\n\n"));
        generation_emit(g);
    }
}

static void add_tool_name(struct generation *g, const struct choice *choice)
{
    add_choice(g, choice, "\"tool_calls\":[{\"index\":0,\"id\":");
    buf_printf(&g->event, "\"chatcmpl-tool-%s-%u\",\"type\":\"function\",\"function\":{\"name\":",
               g->id + strlen(g->form->id_prefix), choice->index);
    event_add_text(&g->event, choice->script.tool);
    buf_add(&g->event,
            SLICE(",\"arguments\":\"\"}}]},\"logprobs\":null,\"finish_reason\":null}]}\n\n"));
    generation_emit(g);
}

static void token(struct generation *g, struct choice *choice)
{
    char text[TOKEN_TEXT_MAX];
    struct slice said = token_text(
        choice->sequence.tokens.at[choice->sequence.item.prompt_tokens + choice->given], text);

    if (!choice->script.tool) {
        add_choice(g, choice,
                   choice->given < choice_reasoning(choice) ? "\"reasoning\":" : "\"content\":");
        event_add_string(&g->event, said);
    } else {
        if (choice->given == 0)
            add_tool_name(g, choice);
        add_choice(g, choice, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":");
        event_add_string(&g->event, said);
        buf_add(&g->event, SLICE("}}]"));
    }
    end_choice(g, choice, choice_finish_text(choice));
}

static json_t *tool_calls(const struct generation *g, const struct choice *choice)
{
    char id[160];

    if (!choice->script.tool)
        return json_array();
    snprintf(id, sizeof(id), "chatcmpl-tool-%s-%u", g->id + strlen(g->form->id_prefix),
             choice->index);
    return json_pack("[{s:s,s:s,s:{s:s,s:o}}]", "id", id, "type", "function", "function", "name",
                     choice->script.tool, "arguments", forms_text(choice));
}

static json_t *message(const struct generation *g, const struct choice *choice)
{
    return json_pack("{s:s,s:o,s:n,s:n,s:n,s:n,s:o,s:o}", "role", "assistant", "content",
                     choice->script.tool ? json_null() : forms_text(choice), "refusal",
                     "annotations", "audio", "function_call", "tool_calls", tool_calls(g, choice),
                     "reasoning", forms_reasoning(choice));
}

static json_t *whole(const struct generation *g)
{
    json_t *choices = json_array();

    for (uint32_t i = 0; i < g->count; i++) {
        const struct choice *choice = &g->choices[i];
        const struct sequence *sequence = &choice->sequence;
        json_t *ids = g->ask.return_token_ids
                          ? forms_ids(sequence->tokens.at + sequence->item.prompt_tokens,
                                      sequence->item.output_tokens)
                          : json_null();

        json_array_append_new(choices, json_pack("{s:i,s:o,s:n,s:s,s:n,s:o}", "index", (int)i,
                                                 "message", message(g, choice), "logprobs",
                                                 "finish_reason", choice_finish_text(choice),
                                                 "stop_reason", "token_ids", ids));
    }
    return json_pack("{s:s,s:s,s:I,s:s%,s:o,s:n,s:n,s:o,s:n,s:o,s:n}", "id", g->id, "object",
                     g->form->object, "created", (json_int_t)g->created_s, "model", g->ask.model.at,
                     g->ask.model.len, "choices", choices, "service_tier", "system_fingerprint",
                     "usage", forms_usage(g), "prompt_logprobs", "prompt_token_ids",
                     g->ask.return_token_ids
                         ? forms_ids(g->ask.prompts[0].at, g->ask.prompts[0].count)
                         : json_null(),
                     "kv_transfer_params");
}

const struct form form_chat = {
    .id_prefix = "chatcmpl-",
    .object = "chat.completion",
    .begin = begin,
    .token = token,
    .end = forms_usage_chunk,
    .whole = whole,
    .ends_with_done = true,
};
