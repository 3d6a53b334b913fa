/*
 * /v1/completions: the same as chat, with text instead of messages. Several prompts in one request
 * give several choices.
 */
#include "tests/engine/forms.h"

static void begin(struct generation *g)
{
    forms_make_head(g, "text_completion");
}

static void token(struct generation *g, struct choice *choice)
{
    uint32_t id = choice->sequence.tokens.at[choice->sequence.item.prompt_tokens + choice->given];
    char text[TOKEN_TEXT_MAX];

    buf_add(&g->event, buf_join(&g->head));
    buf_printf(&g->event, ",\"choices\":[{\"index\":%u,\"text\":", choice->index);
    event_add_string(&g->event, token_text(id, text));
    buf_add(&g->event, SLICE(",\"logprobs\":null,\"finish_reason\":"));
    event_add_text(&g->event, choice_finish_text(choice));
    buf_add(&g->event, SLICE(",\"stop_reason\":null,\"prompt_token_ids\":"));
    if (g->ask.return_token_ids && choice->given == 0)
        event_add_json(&g->event,
                       forms_ids(choice->sequence.tokens.at, choice->sequence.item.prompt_tokens));
    else
        buf_add(&g->event, SLICE("null"));
    if (g->ask.return_token_ids)
        buf_printf(&g->event, ",\"token_ids\":[%u]}]", id);
    else
        buf_add(&g->event, SLICE(",\"token_ids\":null}]"));
    forms_end_chunk(g, choice);
    generation_emit(g);
}

static json_t *whole_choice(const struct generation *g, const struct choice *choice)
{
    const struct sequence *sequence = &choice->sequence;
    bool ids = g->ask.return_token_ids;

    return json_pack("{s:i,s:o,s:n,s:s,s:n,s:o,s:n,s:o}", "index", (int)choice->index, "text",
                     forms_text(choice), "logprobs", "finish_reason", choice_finish_text(choice),
                     "stop_reason", "token_ids",
                     ids ? forms_ids(sequence->tokens.at + sequence->item.prompt_tokens,
                                     sequence->item.output_tokens)
                         : json_null(),
                     "prompt_logprobs", "prompt_token_ids",
                     ids ? forms_ids(sequence->tokens.at, sequence->item.prompt_tokens)
                         : json_null());
}

static json_t *whole(const struct generation *g)
{
    json_t *choices = json_array();

    for (uint32_t i = 0; i < g->count; i++)
        json_array_append_new(choices, whole_choice(g, &g->choices[i]));
    return json_pack("{s:s,s:s,s:I,s:s%,s:o,s:n,s:n,s:o,s:n}", "id", g->id, "object",
                     g->form->object, "created", (json_int_t)g->created_s, "model", g->ask.model.at,
                     g->ask.model.len, "choices", choices, "service_tier", "system_fingerprint",
                     "usage", forms_usage(g), "kv_transfer_params");
}

const struct form form_completion = {
    .id_prefix = "cmpl-",
    .object = "text_completion",
    .begin = begin,
    .token = token,
    .end = forms_usage_chunk,
    .whole = whole,
    .ends_with_done = true,
};
