/*
 * OpenAI's responses as a chat: instructions become the system message, and items of the input
 * become messages, several of them one where an assistant's reasoning, words and calls follow each
 * other (vLLM's construct_chat_messages_with_tool_call).
 */
#include "gateway/prompt/convert.h"

struct item {
    struct json_value type, role, content, status, call_id, name, namespace, arguments, output,
        summary;
};

static const struct json_member item_members[] = {
    { SLICE_INIT("type"), offsetof(struct item, type) },
    { SLICE_INIT("role"), offsetof(struct item, role) },
    { SLICE_INIT("content"), offsetof(struct item, content) },
    { SLICE_INIT("status"), offsetof(struct item, status) },
    { SLICE_INIT("call_id"), offsetof(struct item, call_id) },
    { SLICE_INIT("name"), offsetof(struct item, name) },
    { SLICE_INIT("namespace"), offsetof(struct item, namespace) },
    { SLICE_INIT("arguments"), offsetof(struct item, arguments) },
    { SLICE_INIT("output"), offsetof(struct item, output) },
    { SLICE_INIT("summary"), offsetof(struct item, summary) },
};

/* An assistant's message, open for what the next items add to it. Slices are JSON strings; at NULL:
 * not said yet. */
struct draft {
    struct slice content, reasoning;
    struct buf calls;
    bool open;
};

struct work {
    struct buf messages;
    struct draft draft;
    bool continues; /* the last item is unfinished: the engine goes on with it */
};

/* ---- messages ---- */

static void close_draft(struct work *work)
{
    struct draft *draft = &work->draft;
    struct buf *out = &work->messages;

    if (!draft->open)
        return;
    convert_next(out);
    buf_add(out, SLICE("{\"role\":\"assistant\""));
    if (draft->content.at) {
        buf_add(out, SLICE(",\"content\":"));
        buf_add(out, draft->content);
    }
    if (draft->reasoning.at) {
        buf_add(out, SLICE(",\"reasoning\":"));
        buf_add(out, draft->reasoning);
    }
    if (!buf_is_empty(&draft->calls)) {
        buf_add(out, SLICE(",\"tool_calls\":"));
        convert_close(&draft->calls, out);
    }
    buf_add(out, SLICE("}"));
    draft->content = draft->reasoning = slice_of(NULL, 0);
    draft->open = false;
}

/* Content or reasoning: into the open message, unless it has that already. */
static void say(struct work *work, struct slice *member, struct slice text)
{
    if (member->at)
        close_draft(work);
    work->draft.open = true;
    *member = text;
}

static void write_message(struct work *work, struct slice role, struct json_value content)
{
    close_draft(work);
    convert_next(&work->messages);
    buf_add(&work->messages, SLICE("{\"role\":"));
    buf_add(&work->messages, role);
    convert_add(&work->messages, "content", content);
    buf_add(&work->messages, SLICE("}"));
}

/* ---- items ---- */

static bool is_empty(struct json_value value)
{
    struct json_reader r;

    if (value.kind == JSON_KIND_STRING)
        return value.raw.len == 2;
    json_open(&r, value.raw, NULL);
    return value.kind <= JSON_KIND_NULL || (json_enter_array(&r) && !json_next(&r, NULL));
}

/* The text of the first part, which is all that vLLM takes of an assistant's item; "" of nothing.
 * False: it has none. */
static bool first_text(struct json_value content, struct slice *ret_text)
{
    static const struct json_member members[] = { { SLICE_INIT("text"), 0 } };
    struct json_value text = content;
    struct json_reader r;

    *ret_text = SLICE("\"\"");
    if (is_empty(content))
        return true;
    json_open(&r, content.raw, NULL);
    if (json_enter_array(&r) && json_next(&r, NULL)) {
        if (json_enter_object(&r))
            json_pick(&r, members, ARRAY_LEN(members), &text);
        else
            json_take(&r, &text);
    }
    *ret_text = text.raw;
    return text.kind == JSON_KIND_STRING;
}

/* A function of a namespace goes by both names (flat_namespace_tool_name). */
static void write_name(struct buf *out, struct json_value namespace, struct json_value name)
{
    if (namespace.kind != JSON_KIND_STRING || namespace.raw.len == 2) {
        buf_add(out, name.raw);
        return;
    }
    buf_add(out, slice_head(namespace.raw, namespace.raw.len - 1));
    buf_add(out, SLICE("__"));
    buf_add(out, slice_skip(name.raw, 1));
}

static bool take_call(struct work *work, const struct item *item)
{
    struct buf *calls = &work->draft.calls;

    if (item->name.kind != JSON_KIND_STRING || item->call_id.kind != JSON_KIND_STRING ||
        item->arguments.kind != JSON_KIND_STRING)
        return false;
    work->draft.open = true;
    convert_next(calls);
    buf_add(calls, SLICE("{\"id\":"));
    buf_add(calls, item->call_id.raw);
    buf_add(calls, SLICE(",\"function\":{\"name\":"));
    write_name(calls, item->namespace, item->name);
    convert_add(calls, "arguments", item->arguments);
    buf_add(calls, SLICE("},\"type\":\"function\"}"));
    return true;
}

static bool take_output(struct work *work, const struct item *item)
{
    struct buf *out = &work->messages;

    if (item->call_id.kind != JSON_KIND_STRING)
        return false;
    close_draft(work);
    convert_next(out);
    buf_add(out, SLICE("{\"role\":\"tool\""));
    convert_add(out, "content", item->output);
    convert_add(out, "tool_call_id", item->call_id);
    buf_add(out, SLICE("}"));
    return true;
}

static bool take_reasoning(struct work *work, const struct item *item)
{
    struct slice text;

    if (!first_text(is_empty(item->content) ? item->summary : item->content, &text))
        return false;
    say(work, &work->draft.reasoning, text);
    return true;
}

static bool take_said(struct work *work, const struct item *item)
{
    struct slice text;

    if (json_text_is(item->role, SLICE("assistant"))) {
        if (!first_text(item->content, &text))
            return false;
        say(work, &work->draft.content, text);
        return true;
    }
    if (item->role.kind != JSON_KIND_STRING)
        return false;
    write_message(work, item->role.raw, item->content);
    return true;
}

/* By an item's type; any other is a message, if it has a role. */
static const struct {
    struct slice type;
    bool (*take)(struct work *work, const struct item *item);
} item_types[] = {
    { SLICE_INIT("function_call"), take_call },
    { SLICE_INIT("function_call_output"), take_output },
    { SLICE_INIT("reasoning"), take_reasoning },
};

static bool take_item(struct work *work, const struct item *item)
{
    for (size_t i = 0; i < ARRAY_LEN(item_types); i++)
        if (json_text_is(item->type, item_types[i].type))
            return item_types[i].take(work, item);
    return take_said(work, item);
}

/* vLLM's should_continue_final_message, asked of the last item. */
static bool is_unfinished(const struct item *item)
{
    return (item->type.kind <= JSON_KIND_NULL || json_text_is(item->type, SLICE("message")) ||
            json_text_is(item->type, SLICE("reasoning"))) &&
           (json_text_is(item->status, SLICE("in_progress")) ||
            json_text_is(item->status, SLICE("incomplete")));
}

static bool take_input(struct work *work, struct json_value input)
{
    struct json_reader r;

    if (input.kind == JSON_KIND_STRING) {
        write_message(work, SLICE("\"user\""), input);
        return true;
    }
    json_open(&r, input.raw, NULL);
    if (!json_enter_array(&r))
        return false;
    while (json_next(&r, NULL)) {
        struct item item = { .type = { .kind = JSON_KIND_NONE } };

        if (!json_enter_object(&r))
            return false;
        json_pick(&r, item_members, ARRAY_LEN(item_members), &item);
        if (!take_item(work, &item))
            return false;
        work->continues = is_unfinished(&item);
    }
    close_draft(work);
    return true;
}

/* ---- tools ---- */

struct tool {
    struct json_value type, name, description, parameters, strict, defer_loading, tools;
};

static const struct json_member tool_members[] = {
    { SLICE_INIT("type"), offsetof(struct tool, type) },
    { SLICE_INIT("name"), offsetof(struct tool, name) },
    { SLICE_INIT("description"), offsetof(struct tool, description) },
    { SLICE_INIT("parameters"), offsetof(struct tool, parameters) },
    { SLICE_INIT("strict"), offsetof(struct tool, strict) },
    { SLICE_INIT("defer_loading"), offsetof(struct tool, defer_loading) },
    { SLICE_INIT("tools"), offsetof(struct tool, tools) },
};

static bool write_tool(struct buf *out, const struct tool *tool, struct json_value namespace)
{
    if (tool->name.kind != JSON_KIND_STRING)
        return false;
    convert_next(out);
    buf_add(out, SLICE("{\"type\":\"function\",\"function\":{\"name\":"));
    write_name(out, namespace, tool->name);
    convert_add(out, "description", tool->description);
    convert_add(out, "parameters", tool->parameters);
    convert_add(out, "strict", tool->strict);
    convert_add(out, "defer_loading", tool->defer_loading);
    buf_add(out, SLICE("}}"));
    return true;
}

/* Functions, and those of namespaces; tools that the engine has itself are not shown. */
static bool take_tools(struct buf *out, struct json_value tools, const struct tool *namespace)
{
    struct json_value prefix = { .kind = JSON_KIND_NONE };
    struct json_reader r;

    if (namespace)
        prefix = namespace->name;
    json_open(&r, tools.raw, NULL);
    if (!json_enter_array(&r))
        return false;
    while (json_next(&r, NULL)) {
        struct tool tool = { .type = { .kind = JSON_KIND_NONE } };

        if (!json_enter_object(&r))
            return false;
        json_pick(&r, tool_members, ARRAY_LEN(tool_members), &tool);
        if (json_text_is(tool.type, SLICE("function")) && !write_tool(out, &tool, prefix))
            return false;
        if (!namespace && json_text_is(tool.type, SLICE("namespace")) &&
            !take_tools(out, tool.tools, &tool))
            return false;
    }
    return true;
}

/* ---- the request ---- */

/* What of the chat request is no message and no tool. */
static struct prompt frame(const struct prompt *prompt, const struct work *work)
{
    struct prompt chat = *prompt;

    if (prompt->previous.kind > JSON_KIND_NULL)
        chat.exactness = EXACTNESS_remembered;
    else if (prompt->truncation.kind > JSON_KIND_NULL &&
             !json_text_is(prompt->truncation, SLICE("disabled")))
        chat.exactness = EXACTNESS_truncated;
    chat.documents = (struct json_value){ .kind = JSON_KIND_NONE };
    chat.reasoning_effort = convert_get(prompt->reasoning, SLICE("effort"));
    chat.continue_final_message = work->continues ? PROMPT_ON : PROMPT_OFF;
    chat.add_generation_prompt = work->continues ? PROMPT_OFF : PROMPT_ON;
    /* ResponsesRequest.build_tok_params leaves it at its default, which chats do not. */
    chat.add_special_tokens = PROMPT_ON;
    chat.plain_calls = true;
    return chat;
}

const struct reason *convert_responses(const struct prompt *prompt, struct buf *out,
                                       struct prompt *ret_chat)
{
    struct work work = { .continues = false };
    bool has_tools = !is_empty(prompt->tools), good;
    struct buf tools;

    buf_init(&work.messages, SIZE_MAX);
    buf_init(&work.draft.calls, SIZE_MAX);
    buf_init(&tools, SIZE_MAX);
    if (!is_empty(prompt->instructions))
        write_message(&work, SLICE("\"system\""), prompt->instructions);
    good = prompt->prompt.kind <= JSON_KIND_NULL && take_input(&work, prompt->input) &&
           (!has_tools || take_tools(&tools, prompt->tools, NULL));
    if (good) {
        *ret_chat = frame(prompt, &work);
        convert_finish(ret_chat, &work.messages, has_tools ? &tools : NULL, out);
    }
    buf_release(&work.messages);
    buf_release(&work.draft.calls);
    buf_release(&tools);
    return good ? NULL : &reason_bad_value;
}
