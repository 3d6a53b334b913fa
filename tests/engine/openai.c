/*
 * Handlers of the paths of OpenAI and Anthropic: reading what is asked and starting a generation,
 * or answering from what is known.
 */
#include "tests/engine/forms.h"
#include "tests/engine/handlers.h"
#include "tests/engine/multipart.h"

#include <stdlib.h>

typedef bool parse_fn(struct ask *ask, const struct engine *engine, struct slice body,
                      struct refusal *ret_refusal);

/* Fills `ask`, or answers the call with the refusal. */
static bool read_ask(struct call *call, parse_fn *parse, struct ask *ask)
{
    struct refusal refusal;

    ask_init(ask);
    if (parse(ask, call->engine, call_body(call), &refusal))
        return true;
    ask_release(ask);
    call_refuse(call, refusal.status, refusal.type, "%s", refusal.message);
    return false;
}

static void start(struct call *call, parse_fn *parse, const struct form *form)
{
    struct ask ask;

    if (call->engine->sleeping || call->engine->paused)
        call_refuse(call, 503, "ServiceUnavailable", "The engine is asleep.");
    else if (read_ask(call, parse, &ask))
        generation_start(call, form, &ask);
}

void serve_chat(struct call *call)
{
    start(call, ask_parse_chat, &form_chat);
}

void serve_completions(struct call *call)
{
    start(call, ask_parse_completion, &form_completion);
}

void serve_responses(struct call *call)
{
    start(call, ask_parse_responses, &form_responses);
}

void serve_messages(struct call *call)
{
    start(call, ask_parse_messages, &form_messages);
}

void serve_embeddings(struct call *call)
{
    start(call, ask_parse_embeddings, &form_embeddings);
}

static json_t *permission(const struct engine *engine)
{
    return json_pack("{s:s,s:s,s:I,s:b,s:b,s:b,s:b,s:b,s:b,s:s,s:n,s:b}", "id", "modelperm-0",
                     "object", "model_permission", "created", (json_int_t)engine->started_s,
                     "allow_create_engine", 0, "allow_sampling", 1, "allow_logprobs", 1,
                     "allow_search_indices", 0, "allow_view", 1, "allow_fine_tuning", 0,
                     "organization", "*", "group", "is_blocking", 0);
}

/* `parent` NULL: a base model. */
static json_t *model_card(const struct engine *engine, const char *id, const char *root,
                          const char *parent)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:s,s:s?,s:o,s:[o]}", "id", id, "object", "model", "created",
                     (json_int_t)engine->started_s, "owned_by", "vllm", "root", root, "parent",
                     parent, "max_model_len",
                     parent ? json_null()
                            : json_integer((json_int_t)engine->options->max_model_len),
                     "permission", permission(engine));
}

void serve_models(struct call *call)
{
    const struct engine *engine = call->engine;
    const struct options_list *models = &engine->options->models;
    json_t *data = json_array();

    for (size_t i = 0; i < models->count; i++)
        json_array_append_new(data, model_card(engine, models->at[i], models->at[0], NULL));
    LIST_FOREACH (at, &engine->adapters.all) {
        const struct adapter *adapter = CONTAINER_OF(at, struct adapter, link);

        json_array_append_new(data,
                              model_card(engine, adapter->name, adapter->path, models->at[0]));
    }
    call_answer_json(call, 200, json_pack("{s:s,s:o}", "object", "list", "data", data));
}

/* The token's text, lossy where it ends inside a character. Gives. */
static json_t *token_string(uint32_t id)
{
    char text[TOKEN_TEXT_MAX];
    struct slice said = token_text(id, text);
    json_t *string = json_stringn(said.at ? said.at : "", said.len);

    return string ? string : json_string("\xef\xbf\xbd");
}

void serve_tokenize(struct call *call)
{
    struct ask ask;
    json_t *strings = json_null();

    if (!read_ask(call, ask_parse_tokenize, &ask))
        return;
    if (json_is_true(json_object_get(ask.root, "return_token_strs"))) {
        strings = json_array();
        for (size_t i = 0; i < ask.prompts[0].count; i++)
            json_array_append_new(strings, token_string(ask.prompts[0].at[i]));
    }
    call_answer_json(call, 200,
                     json_pack("{s:I,s:I,s:o,s:o}", "count", (json_int_t)ask.prompts[0].count,
                               "max_model_len", (json_int_t)call->engine->options->max_model_len,
                               "tokens", forms_ids(ask.prompts[0].at, ask.prompts[0].count),
                               "token_strs", strings));
    ask_release(&ask);
}

void serve_detokenize(struct call *call)
{
    struct slice body = call_body(call), all;
    json_t *root = json_loadb(body.at ? body.at : "", body.len, 0, NULL), *id, *prompt;
    json_t *ids = json_object_get(root, "tokens");
    char text[TOKEN_TEXT_MAX];
    struct buf out;
    size_t i;

    buf_init(&out, SIZE_MAX);
    json_array_foreach(ids, i, id)
        buf_add(&out, token_text((uint32_t)json_integer_value(id), text));
    all = buf_join(&out);
    prompt = json_stringn(all.at ? all.at : "", all.len);
    if (json_is_array(ids) && prompt)
        call_answer_json(call, 200, json_pack("{s:O}", "prompt", prompt));
    else
        call_refuse(call, 400, "BadRequestError",
                    "tokens: Input should be a list of token ids of a text");
    json_decref(prompt);
    json_decref(root);
    buf_release(&out);
}

void serve_transcriptions(struct call *call)
{
    struct slice type = call_field(call, SLICE("content-type")), body = call_body(call), model;

    if (!multipart_field(type, body, SLICE("model"), &model))
        call_refuse(call, 400, "BadRequestError", "model: Field required in a multipart form");
    else if (!engine_serves(call->engine, model))
        call_refuse(call, 404, "NotFoundError", "The model `%.*s` does not exist.",
                    SLICE_ARGS(slice_head(model, 100)));
    else
        call_answer_json(call, 200,
                         json_pack("{s:s%,s:{s:s,s:i}}", "text", model.at, model.len, "usage",
                                   "type", "duration", "seconds", 1));
}
