/*
 * What chat, completions and the others have in common.
 */
#include "tests/engine/forms.h"

static json_t *details(const struct generation *g, uint64_t cached_tokens)
{
    if (!g->call->engine->options->prompt_tokens_details || cached_tokens == 0)
        return NULL;
    return json_pack("{s:I}", "cached_tokens", (json_int_t)cached_tokens);
}

json_t *forms_usage(const struct generation *g)
{
    struct usage usage = generation_usage(g);
    /* What is not there: null in whole answers, left out in streams. */
    const char *format = g->ask.stream ? "{s:I,s:I,s:I,s:o*}" : "{s:I,s:I,s:I,s:o?}";

    return json_pack(format, "prompt_tokens", (json_int_t)usage.prompt_tokens, "total_tokens",
                     (json_int_t)(usage.prompt_tokens + usage.completion_tokens),
                     "completion_tokens", (json_int_t)usage.completion_tokens,
                     "prompt_tokens_details", details(g, usage.cached_tokens));
}

json_t *forms_ids(const uint32_t *ids, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *text_between(const struct choice *choice, uint32_t from, uint32_t to)
{
    struct buf text;
    struct slice all;
    json_t *string;

    buf_init(&text, SIZE_MAX);
    choice_text(choice, from, to, &text);
    all = buf_join(&text);
    string = json_stringn(all.at ? all.at : "", all.len);
    buf_release(&text);
    return string;
}

json_t *forms_text(const struct choice *choice)
{
    return text_between(choice, choice_reasoning(choice), choice->sequence.item.output_tokens);
}

json_t *forms_reasoning(const struct choice *choice)
{
    uint32_t tokens = choice_reasoning(choice);

    return tokens > 0 ? text_between(choice, 0, tokens) : json_null();
}

void forms_make_head(struct generation *g, const char *object)
{
    buf_printf(&g->head, "data: {\"id\":");
    event_add_text(&g->head, g->id);
    buf_printf(&g->head, ",\"object\":\"%s\",\"created\":%llu,\"model\":", object,
               (unsigned long long)g->created_s);
    event_add_string(&g->head, g->ask.model);
}

void forms_end_chunk(struct generation *g, const struct choice *choice)
{
    if (g->ask.continuous_usage) {
        uint64_t prompt = choice->sequence.item.prompt_tokens, completion = choice->given + 1;

        buf_printf(
            &g->event,
            ",\"usage\":{\"prompt_tokens\":%llu,\"total_tokens\":%llu,\"completion_tokens\":%llu}",
            (unsigned long long)prompt, (unsigned long long)(prompt + completion),
            (unsigned long long)completion);
    }
    buf_add(&g->event, SLICE("}\n\n"));
}

void forms_emit_named(struct generation *g, json_t *event, json_t *fields)
{
    CHECK(event && fields);
    buf_printf(&g->event, "event: %s\ndata: ", json_string_value(json_object_get(event, "type")));
    json_object_update(event, fields);
    json_decref(fields);
    event_add_json(&g->event, event);
    buf_add(&g->event, SLICE("\n\n"));
    generation_emit(g);
}

void forms_usage_chunk(struct generation *g)
{
    if (!g->ask.include_usage)
        return;
    buf_add(&g->event, buf_join(&g->head));
    buf_add(&g->event, SLICE(",\"choices\":[],\"usage\":"));
    event_add_json(&g->event, forms_usage(g));
    buf_add(&g->event, SLICE("}\n\n"));
    generation_emit(g);
}
