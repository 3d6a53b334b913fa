/*
 * Responses as chats. An assistant's reasoning, words and calls that follow each other are one
 * message.
 */
#include "tests/engine/responses_chat.h"

#include "gateway/base/slice.h"

#include <string.h>

static bool says(const json_t *object, const char *key, const char *value)
{
    const char *said = json_string_value(json_object_get(object, key));

    return said && strcmp(said, value) == 0;
}

/* The last message, when it is an assistant's and has no such member yet; else a new one.
 * Borrowed. */
static json_t *assistant_without(json_t *messages, const char *member)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);

    if (says(last, "role", "assistant") && !json_object_get(last, member))
        return last;
    last = json_pack("{s:s}", "role", "assistant");
    json_array_append_new(messages, last);
    return last;
}

/* A text, or the first part's of a list. */
static void say(json_t *messages, const char *member, json_t *content)
{
    json_t *part = json_array_get(content, 0);
    json_t *text = part ? json_object_get(part, "text") : content;

    json_object_set_new(assistant_without(messages, member), member,
                        json_is_string(text) ? json_incref(text) : json_string(""));
}

static bool add_call(json_t *messages, const json_t *item)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *call = json_pack("{s:O,s:{s:O,s:O},s:s}", "id", json_object_get(item, "call_id"),
                             "function", "name", json_object_get(item, "name"), "arguments",
                             json_object_get(item, "arguments"), "type", "function");

    if (!json_object_get(last, "tool_calls")) {
        last = assistant_without(messages, "tool_calls");
        json_object_set_new(last, "tool_calls", json_array());
    }
    return json_array_append_new(json_object_get(last, "tool_calls"), call) == 0;
}

static bool add_reasoning(json_t *messages, const json_t *item)
{
    json_t *content = json_object_get(item, "content");

    say(messages, "reasoning",
        json_array_size(content) > 0 ? content : json_object_get(item, "summary"));
    return true;
}

static bool add_output(json_t *messages, const json_t *item)
{
    return json_array_append_new(messages,
                                 json_pack("{s:s,s:O,s:O}", "role", "tool", "content",
                                           json_object_get(item, "output"), "tool_call_id",
                                           json_object_get(item, "call_id"))) == 0;
}

static bool add_message(json_t *messages, const json_t *item)
{
    if (says(item, "role", "assistant")) {
        say(messages, "content", json_object_get(item, "content"));
        return true;
    }
    return json_array_append_new(messages,
                                 json_pack("{s:O,s:O}", "role", json_object_get(item, "role"),
                                           "content", json_object_get(item, "content"))) == 0;
}

static bool add_item(json_t *messages, const json_t *item)
{
    static const struct {
        const char *type;
        bool (*add)(json_t *messages, const json_t *item);
    } types[] = {
        { "function_call", add_call },
        { "function_call_output", add_output },
        { "reasoning", add_reasoning },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (says(item, "type", types[i].type))
            return types[i].add(messages, item);
    return add_message(messages, item);
}

json_t *responses_messages(const json_t *root)
{
    json_t *input = json_object_get(root, "input"), *item, *messages = json_array();
    json_t *instructions = json_object_get(root, "instructions");
    size_t i;

    if (json_is_string(instructions))
        json_array_append_new(messages,
                              json_pack("{s:s,s:O}", "role", "system", "content", instructions));
    if (json_is_string(input))
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", "user", "content", input));
    json_array_foreach(input, i, item) if (!add_item(messages, item))
    {
        json_decref(messages);
        return NULL;
    }
    return messages;
}

/* A tool of the chat API has its function inside; other tools are the engine's own. Gives. */
static json_t *chat_tools(const json_t *tools)
{
    static const char *const members[] = { "name", "description", "parameters", "strict" };
    json_t *list = json_array(), *tool;
    size_t i;

    json_array_foreach(tools, i, tool)
    {
        json_t *function;

        if (!says(tool, "type", "function"))
            continue;
        function = json_object();
        for (size_t k = 0; k < ARRAY_LEN(members); k++)
            if (json_object_get(tool, members[k]) &&
                !json_is_null(json_object_get(tool, members[k])))
                json_object_set(function, members[k], json_object_get(tool, members[k]));
        json_array_append_new(list,
                              json_pack("{s:s,s:o}", "type", "function", "function", function));
    }
    return list;
}

/* The last item is an answer that was cut off: the engine goes on with it. */
static bool continues(const json_t *root)
{
    const json_t *input = json_object_get(root, "input");
    const json_t *last = json_array_get(input, json_array_size(input) - 1);
    bool spoken = !json_object_get(last, "type") || says(last, "type", "message") ||
                  says(last, "type", "reasoning");

    return spoken && (says(last, "status", "in_progress") || says(last, "status", "incomplete"));
}

json_t *responses_chat(const json_t *root, json_t *messages)
{
    json_t *tools = json_object_get(root, "tools");
    json_t *effort = json_object_get(json_object_get(root, "reasoning"), "effort");
    json_t *chat = json_pack("{s:O,s:b,s:b,s:b}", "messages", messages, "add_special_tokens", 1,
                             "continue_final_message", continues(root), "add_generation_prompt",
                             !continues(root));

    if (json_array_size(tools) > 0)
        json_object_set_new(chat, "tools", chat_tools(tools));
    if (effort)
        json_object_set(chat, "reasoning_effort", effort);
    return chat;
}
