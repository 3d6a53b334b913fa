/*
 * Reading of requests. Each API has a list of steps; the first that refuses ends the reading.
 */
#include "tests/engine/ask.h"

#include "tests/engine/chatml.h"
#include "tests/engine/engine.h"
#include "tests/engine/messages_chat.h"
#include "tests/engine/responses_chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PROMPTS_MAX       2048 /* of one request: what vLLM's users send in a batch of embeddings */
#define N_MAX             128
#define COMPLETION_TOKENS 16 /* vLLM's default for completions */

struct reader {
    struct ask *ask;
    struct slice body;
    char *own_body; /* NULL: the body is the client's */
    const struct engine *engine;
    struct refusal *refusal;
};

typedef bool step_fn(struct reader *reader);

void ask_init(struct ask *ask)
{
    *ask = (struct ask){ .n = 1 };
}

void ask_release(struct ask *ask)
{
    for (size_t i = 0; i < ask->prompts_count; i++)
        tokens_release(&ask->prompts[i]);
    free(ask->prompts);
    json_decref(ask->root);
    ask_init(ask);
}

static bool PRINTF_LIKE(4, 5)
    refuse(struct reader *reader, unsigned status, const char *type, const char *format, ...)
{
    va_list args;

    reader->refusal->status = status;
    reader->refusal->type = type;
    va_start(args, format);
    vsnprintf(reader->refusal->message, sizeof(reader->refusal->message), format, args);
    va_end(args);
    return false;
}

static json_t *get(const struct reader *reader, const char *key)
{
    return json_object_get(reader->ask->root, key);
}

static bool wrong_type(struct reader *reader, const char *key, const char *wanted)
{
    return refuse(reader, 400, "BadRequestError", "%s: Input should be a valid %s", key, wanted);
}

/* Left as it is when the key is left out or null. */
static bool read_bool(struct reader *reader, const json_t *object, const char *key, bool *value)
{
    const json_t *json = json_object_get(object, key);

    if (!json || json_is_null(json))
        return true;
    if (!json_is_boolean(json))
        return wrong_type(reader, key, "boolean");
    *value = json_is_true(json);
    return true;
}

static bool read_number(struct reader *reader, const char *key, uint32_t min, uint32_t max,
                        uint32_t *value)
{
    const json_t *json = get(reader, key);

    if (!json || json_is_null(json))
        return true;
    if (!json_is_integer(json))
        return wrong_type(reader, key, "integer");
    if (json_integer_value(json) < min || json_integer_value(json) > max)
        return refuse(reader, 400, "BadRequestError", "%s must be between %u and %u, got %lld.",
                      key, min, max, (long long)json_integer_value(json));
    *value = (uint32_t)json_integer_value(json);
    return true;
}

static struct slice slice_of_json(const json_t *string)
{
    return slice_of(json_string_value(string), json_string_length(string));
}

static bool read_model(struct reader *reader)
{
    const json_t *model = get(reader, "model");

    reader->ask->model = slice_str(reader->engine->options->models.at[0]);
    if (!model || json_is_null(model))
        return true;
    if (!json_is_string(model))
        return wrong_type(reader, "model", "string");
    if (!engine_serves(reader->engine, slice_of_json(model)))
        return refuse(reader, 404, "NotFoundError", "The model `%.100s` does not exist.",
                      json_string_value(model));
    reader->ask->model = slice_of_json(model);
    return true;
}

static bool read_stream(struct reader *reader)
{
    struct ask *ask = reader->ask;
    const json_t *options = get(reader, "stream_options");

    if (!read_bool(reader, ask->root, "stream", &ask->stream))
        return false;
    if (options && !json_is_null(options) && !ask->stream)
        return refuse(reader, 400, "BadRequestError",
                      "Stream options can only be defined when `stream=True`.");
    return read_bool(reader, options, "include_usage", &ask->include_usage) &&
           read_bool(reader, options, "continuous_usage_stats", &ask->continuous_usage) &&
           read_bool(reader, ask->root, "return_token_ids", &ask->return_token_ids);
}

/* The engine thinks first when it is told how hard. */
static bool read_reasoning(struct reader *reader)
{
    const json_t *effort = get(reader, "reasoning_effort");

    if (!effort || json_is_null(effort))
        return true;
    if (!json_is_string(effort))
        return wrong_type(reader, "reasoning_effort", "string");
    reader->ask->reasons = strcmp(json_string_value(effort), "none") != 0;
    return true;
}

static bool read_salt(struct reader *reader)
{
    const json_t *salt = get(reader, "cache_salt");

    if (!salt || json_is_null(salt))
        return true;
    if (!json_is_string(salt) || json_string_length(salt) == 0)
        return refuse(reader, 400, "BadRequestError",
                      "Parameter 'cache_salt' must be a non-empty string if provided.");
    reader->ask->salt = slice_of_json(salt);
    return true;
}

/* `max` is what the API's key for it said, 0 when nothing did. */
static bool set_length(struct reader *reader, uint32_t max)
{
    struct ask *ask = reader->ask;
    uint32_t own = (uint32_t)reader->engine->options->tokens;
    uint32_t min = 0;
    bool ignore_eos = false;

    if (!read_number(reader, "min_tokens", 0, INT32_MAX, &min) ||
        !read_bool(reader, ask->root, "ignore_eos", &ignore_eos))
        return false;
    own = own > min ? own : min;
    if (ignore_eos && max > 0)
        own = max;
    ask->cut_short = max > 0 && (own > max || ignore_eos);
    ask->tokens = max > 0 && own > max ? max : own;
    ask->tokens_max = max;
    return true;
}

static bool read_length(struct reader *reader)
{
    uint32_t max = 0;

    return read_number(reader, "n", 1, N_MAX, &reader->ask->n) &&
           read_number(reader, "max_tokens", 1, INT32_MAX, &max) &&
           read_number(reader, "max_completion_tokens", 1, INT32_MAX, &max) &&
           set_length(reader, max);
}

static bool read_completion_length(struct reader *reader)
{
    uint32_t max = COMPLETION_TOKENS;

    return read_number(reader, "n", 1, N_MAX, &reader->ask->n) &&
           read_number(reader, "max_tokens", 1, INT32_MAX, &max) && set_length(reader, max);
}

static bool read_responses_length(struct reader *reader)
{
    uint32_t max = 0;

    return read_number(reader, "max_output_tokens", 1, INT32_MAX, &max) && set_length(reader, max);
}

static struct tokens *add_prompt(struct ask *ask)
{
    struct tokens *prompt;

    ask->prompts = xrealloc(ask->prompts, (ask->prompts_count + 1) * sizeof(*ask->prompts));
    prompt = &ask->prompts[ask->prompts_count++];
    tokens_init(prompt);
    return prompt;
}

static void encode(const struct reader *reader, struct slice text, struct tokens *prompt)
{
    if (reader->engine->vocabulary)
        vocabulary_encode(reader->engine->vocabulary, text, prompt);
    else
        tokens_encode(prompt, text);
}

static bool add_ids(struct ask *ask, const json_t *ids)
{
    struct tokens *prompt = add_prompt(ask);
    size_t i;
    json_t *id;

    json_array_foreach(ids, i, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > UINT32_MAX)
            return false;
        tokens_add(prompt, (uint32_t)json_integer_value(id));
    }
    return true;
}

/* A text, a list of texts, a list of ids, or a list of lists of ids. */
static bool add_prompts(struct reader *reader, const char *key, const json_t *json)
{
    struct ask *ask = reader->ask;
    size_t i;
    json_t *item;

    if (json_is_string(json)) {
        encode(reader, slice_of_json(json), add_prompt(ask));
        return true;
    }
    if (json_is_integer(json_array_get(json, 0)))
        return add_ids(ask, json) || wrong_type(reader, key, "list of token ids");
    if (json_array_size(json) == 0 || json_array_size(json) > PROMPTS_MAX)
        return wrong_type(reader, key, "prompt");
    json_array_foreach(json, i, item)
    {
        if (json_is_string(item))
            encode(reader, slice_of_json(item), add_prompt(ask));
        else if (!json_is_array(item) || !add_ids(ask, item))
            return wrong_type(reader, key, "prompt");
    }
    return true;
}

static bool read_prompt(struct reader *reader)
{
    reader->ask->mid_text = true;
    return add_prompts(reader, "prompt", get(reader, "prompt"));
}

static bool read_input(struct reader *reader)
{
    return add_prompts(reader, "input", get(reader, "input"));
}

static bool render(struct reader *reader, const json_t *messages, const json_t *tools)
{
    struct ask *ask = reader->ask;
    bool add_prompt_too = true, open_end = false, done;
    struct buf text;

    if (!read_bool(reader, ask->root, "add_generation_prompt", &add_prompt_too) ||
        !read_bool(reader, ask->root, "continue_final_message", &open_end))
        return false;
    if (json_array_size(messages) == 0)
        return wrong_type(reader, "messages", "list of messages");
    buf_init(&text, SIZE_MAX);
    done = chatml_render(&text, messages, tools, add_prompt_too, open_end);
    ask->mid_text = open_end;
    if (done)
        tokens_encode(add_prompt(ask), buf_join(&text));
    buf_release(&text);
    return done || wrong_type(reader, "messages", "list of messages");
}

static bool render_really(struct reader *reader, struct slice body)
{
    char why[sizeof(reader->refusal->message)];

    return vocabulary_encode_chat(reader->engine->vocabulary, body, add_prompt(reader->ask), why,
                                  sizeof(why)) ||
           refuse(reader, 400, "BadRequestError", "%s", why);
}

static bool read_messages(struct reader *reader)
{
    if (reader->engine->vocabulary)
        return render_really(reader, reader->body);
    return render(reader, get(reader, "messages"), get(reader, "tools"));
}

static bool read_tokenize_prompt(struct reader *reader)
{
    return get(reader, "messages") ? read_messages(reader) : read_prompt(reader);
}

/* The function inside a tool: chat nests it, responses do not. */
static json_t *function_of(json_t *tool)
{
    json_t *nested = json_object_get(tool, "function");

    return nested ? nested : tool;
}

/* The last thing said, by the user, is "... call the tool ...". */
static bool is_told_to_call(const json_t *messages)
{
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    struct buf text;
    struct slice all;
    bool told;

    if (!role || strcmp(role, "user") != 0)
        return false;
    buf_init(&text, SIZE_MAX);
    chatml_add_content(&text, json_object_get(last, "content"));
    all = buf_join(&text);
    told = all.len > 0 && memmem(all.at, all.len, "call the tool", strlen("call the tool"));
    buf_release(&text);
    return told;
}

/* Which function tool_choice and the prompt want called. */
static bool choose_function(struct reader *reader, const json_t *messages)
{
    json_t *tools = get(reader, "tools"), *choice = get(reader, "tool_choice"), *tool;
    const char *word = json_string_value(choice);
    const char *named = json_string_value(json_object_get(function_of(choice), "name"));
    size_t i;

    json_array_foreach(tools, i, tool)
    {
        const char *name = json_string_value(json_object_get(function_of(tool), "name"));

        if (!name)
            return wrong_type(reader, "tools", "list of tools");
        if (named ? strcmp(name, named) == 0 : i == 0)
            reader->ask->function = function_of(tool);
    }
    if (named)
        return reader->ask->function || refuse(reader, 400, "BadRequestError",
                                               "The tool specified in `tool_choice` does not match "
                                               "any of the specified `tools`");
    if (word && strcmp(word, "required") == 0)
        return reader->ask->function || refuse(reader, 400, "BadRequestError",
                                               "When using `tool_choice`, `tools` must be set.");
    if ((word && strcmp(word, "none") == 0) || !is_told_to_call(messages))
        reader->ask->function = NULL;
    return true;
}

static bool read_tools(struct reader *reader)
{
    return choose_function(reader, get(reader, "messages"));
}

static bool render_response(struct reader *reader, json_t *messages)
{
    json_t *chat = responses_chat(reader->ask->root, messages);
    char *body = json_dumps(chat, JSON_COMPACT);
    bool done = reader->engine->vocabulary
                    ? render_really(reader, slice_str(body))
                    : render(reader, messages, json_object_get(chat, "tools"));

    free(body);
    json_decref(chat);
    return done;
}

static bool read_responses_input(struct reader *reader)
{
    json_t *messages = responses_messages(reader->ask->root);
    bool done;

    if (!messages)
        return wrong_type(reader, "input", "list of items");
    done = render_response(reader, messages) && choose_function(reader, messages);
    json_decref(messages);
    return done;
}

/* From here on the chat is what was asked. */
static bool become_chat(struct reader *reader)
{
    json_t *chat = messages_chat(reader->ask->root);

    if (!chat)
        return wrong_type(reader, "messages", "list of messages");
    json_decref(reader->ask->root);
    reader->ask->root = chat;
    reader->own_body = json_dumps(chat, JSON_COMPACT);
    reader->body = slice_str(reader->own_body);
    return true;
}

static bool truncate_prompts(struct reader *reader)
{
    const json_t *keep = get(reader, "truncate_prompt_tokens");
    json_int_t most = json_integer_value(keep);

    if (!keep || json_is_null(keep))
        return true;
    if (!json_is_integer(keep) || most < -1 || most == 0)
        return wrong_type(reader, "truncate_prompt_tokens", "integer");
    if (most == -1)
        most = (json_int_t)reader->engine->options->max_model_len;
    for (size_t i = 0; i < reader->ask->prompts_count; i++) {
        struct tokens *prompt = &reader->ask->prompts[i];
        size_t drop = prompt->count > (size_t)most ? prompt->count - (size_t)most : 0;

        memmove(prompt->at, prompt->at + drop, (prompt->count - drop) * sizeof(*prompt->at));
        prompt->count -= drop;
    }
    return true;
}

static bool check_lengths(struct reader *reader)
{
    const struct ask *ask = reader->ask;
    uint64_t most = reader->engine->options->max_model_len;
    uint32_t asked = ask->tokens_max > 0 ? ask->tokens_max : ask->tokens;

    if (ask->prompts_count * ask->n > PROMPTS_MAX)
        return refuse(reader, 400, "BadRequestError", "More than %d answers in one request.",
                      PROMPTS_MAX);
    for (size_t i = 0; i < ask->prompts_count; i++) {
        uint64_t count = ask->prompts[i].count;

        if (count == 0)
            return refuse(reader, 400, "BadRequestError", "The decoder prompt cannot be empty");
        if (count + asked > most)
            return refuse(
                reader, 400, "BadRequestError",
                "This model's maximum context length is %llu tokens. However, you requested %u "
                "output tokens and your prompt contains %llu input tokens. Please reduce the "
                "length of the input prompt or the number of requested output tokens.",
                (unsigned long long)most, asked, (unsigned long long)count);
    }
    return true;
}

static bool parse(struct ask *ask, const struct engine *engine, struct slice body,
                  struct refusal *ret_refusal, step_fn *const *steps)
{
    struct reader reader = { .ask = ask, .body = body, .engine = engine, .refusal = ret_refusal };
    json_error_t error;
    bool good = true;

    ask->root = json_loadb(body.at ? body.at : "", body.len, JSON_ALLOW_NUL, &error);
    if (!json_is_object(ask->root))
        return refuse(&reader, 400, "BadRequestError", "The body is not a JSON object: %.150s",
                      ask->root ? "another value" : error.text);
    while (*steps && good)
        good = (*steps++)(&reader);
    free(reader.own_body);
    return good;
}

bool ask_parse_chat(struct ask *ask, const struct engine *engine, struct slice body,
                    struct refusal *ret_refusal)
{
    static step_fn *const steps[] = { read_model, read_stream,      read_reasoning,
                                      read_salt,  read_length,      read_messages,
                                      read_tools, truncate_prompts, check_lengths,
                                      NULL };

    return parse(ask, engine, body, ret_refusal, steps);
}

bool ask_parse_completion(struct ask *ask, const struct engine *engine, struct slice body,
                          struct refusal *ret_refusal)
{
    static step_fn *const steps[] = { read_model,    read_stream,
                                      read_salt,     read_completion_length,
                                      read_prompt,   truncate_prompts,
                                      check_lengths, NULL };

    return parse(ask, engine, body, ret_refusal, steps);
}

bool ask_parse_responses(struct ask *ask, const struct engine *engine, struct slice body,
                         struct refusal *ret_refusal)
{
    static step_fn *const steps[] = {
        read_model,           read_stream,   read_salt, read_responses_length,
        read_responses_input, check_lengths, NULL
    };

    return parse(ask, engine, body, ret_refusal, steps);
}

bool ask_parse_messages(struct ask *ask, const struct engine *engine, struct slice body,
                        struct refusal *ret_refusal)
{
    static step_fn *const steps[] = { become_chat,    read_model,    read_stream,
                                      read_reasoning, read_length,   read_messages,
                                      read_tools,     check_lengths, NULL };

    return parse(ask, engine, body, ret_refusal, steps);
}

bool ask_parse_embeddings(struct ask *ask, const struct engine *engine, struct slice body,
                          struct refusal *ret_refusal)
{
    static step_fn *const steps[] = { read_model,       read_salt,     read_input,
                                      truncate_prompts, check_lengths, NULL };

    return parse(ask, engine, body, ret_refusal, steps);
}

bool ask_parse_tokenize(struct ask *ask, const struct engine *engine, struct slice body,
                        struct refusal *ret_refusal)
{
    static step_fn *const steps[] = { read_model, read_tokenize_prompt, NULL };

    return parse(ask, engine, body, ret_refusal, steps);
}
