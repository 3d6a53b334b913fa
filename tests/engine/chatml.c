/*
 * Rendering of chats. Parts that are no text (images, audio) become their type in brackets and
 * their JSON, so that different ones give different tokens.
 */
#include "tests/engine/chatml.h"

#include <stdlib.h>

static void add_json(struct buf *out, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    buf_add(out, slice_str(text));
    free(text);
}

static void add_string(struct buf *out, const json_t *string)
{
    buf_add(out, slice_of(json_string_value(string), json_string_length(string)));
}

static void add_part(struct buf *out, const json_t *part)
{
    const json_t *text = json_object_get(part, "text");

    if (json_is_string(text)) {
        add_string(out, text);
        return;
    }
    buf_add(out, SLICE("["));
    add_json(out, part);
    buf_add(out, SLICE("]"));
}

void chatml_add_content(struct buf *out, const json_t *content)
{
    size_t i;
    json_t *part;

    if (json_is_string(content))
        add_string(out, content);
    json_array_foreach(content, i, part) add_part(out, part);
}

static bool add_message(struct buf *out, const json_t *message, bool open_end)
{
    const json_t *role = json_object_get(message, "role");
    const json_t *calls = json_object_get(message, "tool_calls");

    if (!json_is_string(role))
        return false;
    buf_add(out, SLICE("<|im_start|>"));
    add_string(out, role);
    buf_add(out, SLICE("\n"));
    chatml_add_content(out, json_object_get(message, "content"));
    if (json_array_size(calls) > 0)
        add_json(out, calls);
    if (!open_end)
        buf_add(out, SLICE("<|im_end|>\n"));
    return true;
}

static void add_tools(struct buf *out, const json_t *tools)
{
    size_t i;
    json_t *tool;

    buf_add(out, SLICE("<|im_start|>system\n# Tools\n"));
    json_array_foreach(tools, i, tool)
    {
        add_json(out, tool);
        buf_add(out, SLICE("\n"));
    }
    buf_add(out, SLICE("<|im_end|>\n"));
}

bool chatml_render(struct buf *out, const json_t *messages, const json_t *tools, bool add_prompt,
                   bool open_end)
{
    size_t i;
    json_t *message;

    if (json_array_size(tools) > 0)
        add_tools(out, tools);
    json_array_foreach(
        messages, i,
        message) if (!add_message(out, message,
                                  open_end && i + 1 == json_array_size(messages))) return false;
    if (add_prompt && !open_end)
        buf_add(out, SLICE("<|im_start|>assistant\n"));
    return true;
}
