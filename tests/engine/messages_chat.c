/*
 * Messages as chats: system texts come first and are one message, calls and reasoning are members
 * of an assistant's message, results of tools are messages before the user's.
 */
#include "tests/engine/messages_chat.h"

#include "gateway/base/buf.h"

#include <stdlib.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static bool is(const json_t *object, const char *type)
{
    return strcmp(text_of(object, "type"), type) == 0;
}

/* What was put together, as a JSON string. */
static json_t *gathered(struct buf *text)
{
    struct slice all = buf_join(text);

    return json_stringn(all.at ? all.at : "", all.len);
}

/* The texts of a system message; each client's header that names itself is left out. */
static void gather_system(const json_t *content, struct buf *out)
{
    static const char header[] = "x-anthropic-billing-header";
    const json_t *block;
    size_t i;

    buf_add(out, slice_str(json_string_value(content)));
    json_array_foreach(content, i,
                       block) if (is(block, "text") &&
                                  strncmp(text_of(block, "text"), header, strlen(header)) != 0)
        buf_add(out, slice_str(text_of(block, "text")));
}

/* A tool's answer: its texts, a line each. */
static json_t *result_message(const json_t *block)
{
    json_t *content = json_object_get(block, "content"), *part, *message;
    struct buf text;
    size_t i;

    buf_init(&text, SIZE_MAX);
    buf_add(&text, slice_str(json_string_value(content)));
    json_array_foreach(content, i, part) if (is(part, "text"))
        buf_printf(&text, "%s%s", buf_is_empty(&text) ? "" : "\n", text_of(part, "text"));
    message = json_pack("{s:s,s:s,s:o}", "role", "tool", "tool_call_id",
                        text_of(block, "tool_use_id"), "content", gathered(&text));
    buf_release(&text);
    return message;
}

static json_t *call_of(const json_t *block)
{
    json_t *input = json_object_get(block, "input");
    char *arguments = json_dumps(input, JSON_ENCODE_ANY);
    json_t *call = json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", text_of(block, "id"), "type",
                             "function", "function", "name", text_of(block, "name"), "arguments",
                             arguments ? arguments : "{}");

    free(arguments);
    return call;
}

/* What the blocks of one message come to. */
struct parts {
    json_t *texts, *calls;
    struct buf reasoning;
};

static void take_block(const json_t *block, struct parts *parts, json_t *messages)
{
    if (is(block, "text") && *text_of(block, "text"))
        json_array_append_new(
            parts->texts, json_pack("{s:s,s:s}", "type", "text", "text", text_of(block, "text")));
    else if (is(block, "thinking"))
        buf_add(&parts->reasoning, slice_str(text_of(block, "thinking")));
    else if (is(block, "tool_use"))
        json_array_append_new(parts->calls, call_of(block));
    else if (is(block, "tool_result"))
        json_array_append_new(messages, result_message(block));
}

/* A single text stands for itself; a user's message of results only is none. */
static void add_parts(json_t *messages, const char *role, struct parts *parts)
{
    size_t count = json_array_size(parts->texts);
    json_t *message = json_pack("{s:s}", "role", role);

    if (!buf_is_empty(&parts->reasoning))
        json_object_set_new(message, "reasoning", gathered(&parts->reasoning));
    if (json_array_size(parts->calls) > 0)
        json_object_set(message, "tool_calls", parts->calls);
    if (count == 1)
        json_object_set(message, "content",
                        json_object_get(json_array_get(parts->texts, 0), "text"));
    else if (count > 1)
        json_object_set(message, "content", parts->texts);
    if (count > 0 || strcmp(role, "user") != 0)
        json_array_append(messages, message);
    json_decref(message);
}

static void add_message(json_t *messages, const json_t *message)
{
    json_t *content = json_object_get(message, "content"), *block;
    struct parts parts = { json_array(), json_array(), { 0 } };
    size_t i;

    buf_init(&parts.reasoning, SIZE_MAX);
    if (json_is_string(content)) {
        json_array_append_new(
            messages, json_pack("{s:s,s:O}", "role", text_of(message, "role"), "content", content));
    } else {
        json_array_foreach(content, i, block) take_block(block, &parts, messages);
        add_parts(messages, text_of(message, "role"), &parts);
    }
    json_decref(parts.texts);
    json_decref(parts.calls);
    buf_release(&parts.reasoning);
}

static json_t *chat_messages(const json_t *root)
{
    json_t *list = json_object_get(root, "messages"), *message, *messages = json_array();
    struct buf system;
    size_t i;

    buf_init(&system, SIZE_MAX);
    gather_system(json_object_get(root, "system"), &system);
    json_array_foreach(list, i, message) if (strcmp(text_of(message, "role"), "system") == 0)
        gather_system(json_object_get(message, "content"), &system);
    if (!buf_is_empty(&system))
        json_array_append_new(
            messages, json_pack("{s:s,s:o}", "role", "system", "content", gathered(&system)));
    json_array_foreach(list, i, message) if (strcmp(text_of(message, "role"), "system") != 0)
        add_message(messages, message);
    buf_release(&system);
    return messages;
}

static json_t *chat_tools(const json_t *tools)
{
    json_t *list = json_array(), *tool;
    size_t i;

    json_array_foreach(tools, i, tool)
        json_array_append_new(list, json_pack("{s:s,s:{s:O,s:O*,s:O*}}", "type", "function",
                                              "function", "name", json_object_get(tool, "name"),
                                              "description", json_object_get(tool, "description"),
                                              "parameters", json_object_get(tool, "input_schema")));
    return list;
}

/* NULL: the client left it to the model. */
static json_t *chat_choice(const json_t *choice)
{
    if (is(choice, "tool"))
        return json_pack("{s:s,s:{s:s}}", "type", "function", "function", "name",
                         text_of(choice, "name"));
    if (is(choice, "any"))
        return json_string("required");
    return is(choice, "none") ? json_string("none") : NULL;
}

json_t *messages_chat(const json_t *root)
{
    static const char *const kept[] = { "model", "stream", "max_tokens", "chat_template_kwargs" };
    json_t *effort = json_object_get(json_object_get(root, "output_config"), "effort");
    json_t *tools = json_object_get(root, "tools"), *chat;

    if (!json_is_array(json_object_get(root, "messages")))
        return NULL;
    chat = json_pack("{s:o,s:O*,s:o*}", "messages", chat_messages(root), "reasoning_effort", effort,
                     "tool_choice", chat_choice(json_object_get(root, "tool_choice")));
    if (tools)
        json_object_set_new(chat, "tools", chat_tools(tools));
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(root, kept[i]))
            json_object_set(chat, kept[i], json_object_get(root, kept[i]));
    return chat;
}
