/*
 * /v1/responses: one item, a message or a function call. Its events have names and numbers, and
 * there is no [DONE]:
 *
 *     response.created, response.in_progress, response.output_item.added,
 *         message: response.content_part.added, response.output_text.delta *, .done,
 * response.content_part.done call:    response.function_call_arguments.delta *, .done
 *     response.output_item.done, response.completed (or response.incomplete, cut short by
 * max_output_tokens)
 */
#include "tests/engine/forms.h"

#include <stdio.h>

#define ITEM_ID_SIZE 128

static const char *item_id(const struct generation *g, char ret_id[ITEM_ID_SIZE])
{
    snprintf(ret_id, ITEM_ID_SIZE, "%s_%s", g->choices[0].script.tool ? "fc" : "msg",
             g->id + strlen(g->form->id_prefix));
    return ret_id;
}

static bool is_incomplete(const struct generation *g)
{
    return choice_finish(&g->choices[0]) == FINISH_LENGTH;
}

/* `done`: with what was said. */
static json_t *part(const struct generation *g, bool done)
{
    return json_pack("{s:s,s:o,s:[],s:n}", "type", "output_text", "text",
                     done ? forms_text(&g->choices[0]) : json_string(""), "annotations",
                     "logprobs");
}

static json_t *item(const struct generation *g, bool done)
{
    const struct choice *choice = &g->choices[0];
    const char *status = !done ? "in_progress" : is_incomplete(g) ? "incomplete" : "completed";
    char id[ITEM_ID_SIZE];
    json_t *content = json_array();

    item_id(g, id);
    if (choice->script.tool) {
        json_decref(content);
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "id", id, "type", "function_call", "status",
                         status, "call_id", id, "name", choice->script.tool, "arguments",
                         done ? forms_text(choice) : json_string(""));
    }
    if (done)
        json_array_append_new(content, part(g, true));
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", id, "type", "message", "status", status, "role",
                     "assistant", "content", content);
}

static json_t *usage(const struct generation *g)
{
    struct usage used = generation_usage(g);
    bool told = g->call->engine->options->prompt_tokens_details;

    return json_pack("{s:I,s:{s:I},s:I,s:{s:I},s:I}", "input_tokens",
                     (json_int_t)used.prompt_tokens, "input_tokens_details", "cached_tokens",
                     (json_int_t)(told ? used.cached_tokens : 0), "output_tokens",
                     (json_int_t)used.completion_tokens, "output_tokens_details",
                     "reasoning_tokens", (json_int_t)0, "total_tokens",
                     (json_int_t)(used.prompt_tokens + used.completion_tokens));
}

/* The response object: before anything was said, or with all of it. */
static json_t *response(const struct generation *g, bool done)
{
    const char *status = !done ? "in_progress" : is_incomplete(g) ? "incomplete" : "completed";
    json_t *output = json_array(), *details = json_null();
    json_t *tools = json_object_get(g->ask.root, "tools");

    if (done)
        json_array_append_new(output, item(g, true));
    if (done && is_incomplete(g))
        details = json_pack("{s:s}", "reason", "max_output_tokens");
    return json_pack("{s:s,s:s,s:I,s:s,s:n,s:o,s:O?,s:s%,s:o,s:b,s:O?,s:O?,s:s,s:o}", "id", g->id,
                     "object", g->form->object, "created_at", (json_int_t)g->created_s, "status",
                     status, "error", "incomplete_details", details, "instructions",
                     json_object_get(g->ask.root, "instructions"), "model", g->ask.model.at,
                     g->ask.model.len, "output", output, "parallel_tool_calls", 1, "metadata",
                     json_object_get(g->ask.root, "metadata"), "tools", tools, "tool_choice",
                     "auto", "usage", done ? usage(g) : json_null());
}

/* One event; takes `fields`, which go behind type and number. */
static void emit(struct generation *g, const char *type, json_t *fields)
{
    forms_emit_named(
        g,
        json_pack("{s:s,s:I}", "type", type, "sequence_number", (json_int_t)g->sequence_number++),
        fields);
}

static void begin(struct generation *g)
{
    char id[ITEM_ID_SIZE];

    emit(g, "response.created", json_pack("{s:o}", "response", response(g, false)));
    emit(g, "response.in_progress", json_pack("{s:o}", "response", response(g, false)));
    emit(g, "response.output_item.added",
         json_pack("{s:i,s:o}", "output_index", 0, "item", item(g, false)));
    if (!g->choices[0].script.tool)
        emit(g, "response.content_part.added",
             json_pack("{s:i,s:s,s:i,s:o}", "output_index", 0, "item_id", item_id(g, id),
                       "content_index", 0, "part", part(g, false)));
}

static void token(struct generation *g, struct choice *choice)
{
    const char *type = choice->script.tool ? "response.function_call_arguments.delta"
                                           : "response.output_text.delta";
    char text[TOKEN_TEXT_MAX], id[ITEM_ID_SIZE];

    buf_printf(&g->event,
               "event: %s\ndata: "
               "{\"type\":\"%s\",\"sequence_number\":%llu,\"output_index\":0,\"item_id\":\"%s\"",
               type, type, (unsigned long long)g->sequence_number++, item_id(g, id));
    if (!choice->script.tool)
        buf_add(&g->event, SLICE(",\"content_index\":0,\"logprobs\":[]"));
    buf_add(&g->event, SLICE(",\"delta\":"));
    event_add_string(
        &g->event,
        token_text(choice->sequence.tokens.at[choice->sequence.item.prompt_tokens + choice->given],
                   text));
    buf_add(&g->event, SLICE("}\n\n"));
    generation_emit(g);
}

static void end(struct generation *g)
{
    const struct choice *choice = &g->choices[0];
    char id[ITEM_ID_SIZE];

    item_id(g, id);
    if (choice->script.tool) {
        emit(g, "response.function_call_arguments.done",
             json_pack("{s:i,s:s,s:s,s:o}", "output_index", 0, "item_id", id, "name",
                       choice->script.tool, "arguments", forms_text(choice)));
    } else {
        emit(g, "response.output_text.done",
             json_pack("{s:i,s:s,s:i,s:[],s:o}", "output_index", 0, "item_id", id, "content_index",
                       0, "logprobs", "text", forms_text(choice)));
        emit(g, "response.content_part.done",
             json_pack("{s:i,s:s,s:i,s:o}", "output_index", 0, "item_id", id, "content_index", 0,
                       "part", part(g, true)));
    }
    emit(g, "response.output_item.done",
         json_pack("{s:i,s:o}", "output_index", 0, "item", item(g, true)));
    emit(g, is_incomplete(g) ? "response.incomplete" : "response.completed",
         json_pack("{s:o}", "response", response(g, true)));
}

static json_t *whole(const struct generation *g)
{
    return response(g, true);
}

const struct form form_responses = {
    .id_prefix = "resp_",
    .object = "response",
    .begin = begin,
    .token = token,
    .end = end,
    .whole = whole,
    .ends_with_done = false,
};
