/*
 * Anthropic's messages as a chat: system texts become one message, blocks become parts, calls,
 * reasoning, and messages of tools (vLLM's _convert_anthropic_to_openai_request).
 */
#include "gateway/prompt/convert.h"

struct block {
    struct json_value type, text, thinking, id, name, input, source, tool_use_id, content,
        tool_name;
};

static const struct json_member block_members[] = {
    { SLICE_INIT("type"), offsetof(struct block, type) },
    { SLICE_INIT("text"), offsetof(struct block, text) },
    { SLICE_INIT("thinking"), offsetof(struct block, thinking) },
    { SLICE_INIT("id"), offsetof(struct block, id) },
    { SLICE_INIT("name"), offsetof(struct block, name) },
    { SLICE_INIT("input"), offsetof(struct block, input) },
    { SLICE_INIT("source"), offsetof(struct block, source) },
    { SLICE_INIT("tool_use_id"), offsetof(struct block, tool_use_id) },
    { SLICE_INIT("content"), offsetof(struct block, content) },
    { SLICE_INIT("tool_name"), offsetof(struct block, tool_name) },
};

/* One message while its blocks are read. Texts are the insides of JSON strings, put together. */
struct draft {
    bool user;
    struct buf *messages; /* where results of tools go, before the message itself */
    struct buf parts, calls, reasoning;
    bool reasons;
};

static bool is_text(struct json_value value)
{
    return value.kind == JSON_KIND_STRING;
}

static bool has_text(struct json_value value)
{
    return is_text(value) && value.raw.len > 2;
}

/* Calls `take` for each block of a list; false: it is none, or one is refused. */
static bool each_block(struct json_value list, bool (*take)(void *user, const struct block *block),
                       void *user)
{
    struct json_reader r;

    json_open(&r, list.raw, NULL);
    if (!json_enter_array(&r))
        return false;
    while (json_next(&r, NULL)) {
        struct block block = { .type = { .kind = JSON_KIND_NONE } };

        if (!json_enter_object(&r))
            return false;
        json_pick(&r, block_members, ARRAY_LEN(block_members), &block);
        if (!take(user, &block))
            return false;
    }
    return true;
}

/* A member that holds the texts gathered in `inside`. */
static void add_gathered(struct buf *out, const char *key, struct buf *inside)
{
    buf_printf(out, ",\"%s\":\"", key);
    buf_move(out, inside, SIZE_MAX);
    buf_add(out, SLICE("\""));
}

/* ---- system ---- */

/* The header with which one client names itself is different in each request; vLLM drops it. */
static bool is_billing_header(struct json_value text)
{
    return slice_starts(json_inner(text), SLICE("x-anthropic-billing-header"));
}

/* What system texts come to, put together. */
struct system {
    struct buf inside;
    bool any;
};

static void add_system(struct system *system, struct json_value text)
{
    buf_add(&system->inside, json_inner(text));
    system->any = true;
}

static bool take_system(void *user, const struct block *block)
{
    if (json_text_is(block->type, SLICE("text")) && has_text(block->text) &&
        !is_billing_header(block->text))
        add_system(user, block->text);
    return true;
}

/* A text or a list of blocks. */
static bool gather_system(struct json_value content, struct system *system)
{
    if (!is_text(content))
        return each_block(content, take_system, system);
    add_system(system, content);
    return true;
}

/* ---- results of tools ---- */

/* What a result's content is made of: its texts, a line each, and how many pictures. */
struct result {
    struct buf text, references;
    bool begun; /* there was a text, maybe an empty one */
    size_t images;
};

static bool gather_result(void *user, const struct block *block)
{
    struct result *result = user;
    struct json_value name = has_text(block->tool_name) ? block->tool_name : block->name;

    if (json_text_is(block->type, SLICE("text"))) {
        if (result->begun)
            buf_add(&result->text, SLICE("\\n"));
        if (is_text(block->text))
            buf_add(&result->text, json_inner(block->text));
        result->begun = true;
    } else if (json_text_is(block->type, SLICE("image"))) {
        result->images++;
    } else if (json_text_is(block->type, SLICE("tool_reference")) && has_text(name)) {
        convert_next(&result->references);
        buf_add(&result->references, SLICE("{\"type\":\"tool_reference\""));
        convert_add(&result->references, "name", name);
        buf_add(&result->references, SLICE("}"));
    }
    return true;
}

static bool read_result(struct result *result, struct json_value content)
{
    if (is_text(content))
        buf_add(&result->text, json_inner(content));
    if (is_text(content) || content.kind <= JSON_KIND_NULL)
        return true;
    return each_block(content, gather_result, result);
}

static void open_tool_message(struct buf *out, struct json_value tool_use_id)
{
    convert_next(out);
    buf_add(out, SLICE("{\"role\":\"tool\",\"tool_call_id\":"));
    buf_add(out, is_text(tool_use_id) ? tool_use_id.raw : SLICE("\"\""));
}

/* A message of the tool, one of the user with the pictures, and one with what it refers to. */
static void write_result(struct result *result, struct json_value tool_use_id, struct buf *out)
{
    open_tool_message(out, tool_use_id);
    add_gathered(out, "content", &result->text);
    buf_add(out, SLICE("}"));
    if (result->images > 0) {
        buf_add(out, SLICE(",{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}"));
        while (--result->images > 0)
            buf_add(out, SLICE(",{\"type\":\"image_url\"}"));
        buf_add(out, SLICE("]}"));
    }
    if (!buf_is_empty(&result->references)) {
        open_tool_message(out, tool_use_id);
        buf_add(out, SLICE(",\"content\":"));
        convert_close(&result->references, out);
        buf_add(out, SLICE("}"));
    }
}

static bool take_result(struct draft *draft, const struct block *block)
{
    struct result result = { .begun = false };
    bool good;

    if (!draft->user) /* vLLM prints it there as Python does */
        return false;
    buf_init(&result.text, SIZE_MAX);
    buf_init(&result.references, SIZE_MAX);
    good = read_result(&result, block->content);
    if (good)
        write_result(&result, block->tool_use_id, draft->messages);
    buf_release(&result.text);
    buf_release(&result.references);
    return good;
}

/* ---- other blocks ---- */

static bool take_text(struct draft *draft, const struct block *block)
{
    if (!has_text(block->text))
        return true;
    convert_next(&draft->parts);
    buf_add(&draft->parts, SLICE("{\"type\":\"text\""));
    convert_add(&draft->parts, "text", block->text);
    buf_add(&draft->parts, SLICE("}"));
    return true;
}

static bool take_image(struct draft *draft, const struct block *block)
{
    if (block->source.kind != JSON_KIND_OBJECT)
        return true;
    convert_next(&draft->parts);
    buf_add(&draft->parts, SLICE("{\"type\":\"image_url\"}"));
    return true;
}

static bool take_thinking(struct draft *draft, const struct block *block)
{
    if (!is_text(block->thinking))
        return true;
    buf_add(&draft->reasoning, json_inner(block->thinking));
    draft->reasons = true;
    return true;
}

/* vLLM makes up an id where there is none: not to be known here. */
static bool take_call(struct draft *draft, const struct block *block)
{
    struct buf *calls = &draft->calls;
    bool has_input = block->input.kind == JSON_KIND_OBJECT;

    if (!has_text(block->id) || !is_text(block->name) ||
        (!has_input && block->input.kind > JSON_KIND_NULL))
        return false;
    convert_next(calls);
    buf_add(calls, SLICE("{\"type\":\"function\""));
    convert_add(calls, "id", block->id);
    buf_add(calls, SLICE(",\"function\":{\"name\":"));
    buf_add(calls, block->name.raw);
    buf_add(calls, SLICE(",\"arguments\":"));
    buf_add(calls, has_input ? block->input.raw : SLICE("{}"));
    buf_add(calls, SLICE("}}"));
    return true;
}

static bool take_nothing(struct draft *draft, const struct block *block)
{
    (void)draft;
    (void)block;
    return true;
}

static const struct {
    struct slice type;
    bool (*take)(struct draft *draft, const struct block *block);
} block_types[] = {
    { SLICE_INIT("text"), take_text },
    { SLICE_INIT("image"), take_image },
    { SLICE_INIT("thinking"), take_thinking },
    { SLICE_INIT("redacted_thinking"), take_nothing },
    { SLICE_INIT("tool_use"), take_call },
    { SLICE_INIT("tool_result"), take_result },
    { SLICE_INIT("tool_reference"), take_nothing },
};

static bool take_block(void *user, const struct block *block)
{
    for (size_t i = 0; i < ARRAY_LEN(block_types); i++)
        if (json_text_is(block->type, block_types[i].type))
            return block_types[i].take(user, block);
    return false;
}

/* ---- messages ---- */

struct message {
    struct json_value role, content;
};

static const struct json_member message_members[] = {
    { SLICE_INIT("role"), offsetof(struct message, role) },
    { SLICE_INIT("content"), offsetof(struct message, content) },
};

/* What roles become; two are those of a client that has its own words. */
enum role { ROLE_UNKNOWN, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT };

static enum role role_of(struct json_value role)
{
    static const struct {
        struct slice name;
        enum role role;
    } roles[] = {
        { SLICE_INIT("user"), ROLE_USER },     { SLICE_INIT("assistant"), ROLE_ASSISTANT },
        { SLICE_INIT("ctx"), ROLE_USER },      { SLICE_INIT("msg"), ROLE_USER },
        { SLICE_INIT("system"), ROLE_SYSTEM },
    };

    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (json_text_is(role, roles[i].name))
            return roles[i].role;
    return ROLE_UNKNOWN;
}

static void open_message(struct buf *out, bool user)
{
    convert_next(out);
    buf_add(out, user ? SLICE("{\"role\":\"user\"") : SLICE("{\"role\":\"assistant\""));
}

/* A user's message of nothing but results is none. */
static void write_draft(struct draft *draft, struct buf *out)
{
    if (draft->user && buf_is_empty(&draft->parts))
        return;
    open_message(out, draft->user);
    if (draft->reasons)
        add_gathered(out, "reasoning", &draft->reasoning);
    if (!buf_is_empty(&draft->calls)) {
        buf_add(out, SLICE(",\"tool_calls\":"));
        convert_close(&draft->calls, out);
    }
    if (!buf_is_empty(&draft->parts)) {
        buf_add(out, SLICE(",\"content\":"));
        convert_close(&draft->parts, out);
    }
    buf_add(out, SLICE("}"));
}

static bool take_blocks(struct json_value content, bool user, struct buf *out)
{
    struct draft draft = { .user = user, .messages = out };
    bool good;

    buf_init(&draft.parts, SIZE_MAX);
    buf_init(&draft.calls, SIZE_MAX);
    buf_init(&draft.reasoning, SIZE_MAX);
    good = each_block(content, take_block, &draft);
    if (good)
        write_draft(&draft, out);
    buf_release(&draft.parts);
    buf_release(&draft.calls);
    buf_release(&draft.reasoning);
    return good;
}

static bool take_message(const struct message *message, bool user, struct buf *out)
{
    if (!is_text(message->content))
        return take_blocks(message->content, user, out);
    open_message(out, user);
    convert_add(out, "content", message->content);
    buf_add(out, SLICE("}"));
    return true;
}

/* System messages go to `system`, all others to `messages`. */
static bool take_messages(struct json_value json, struct system *system, struct buf *messages)
{
    struct json_reader r;
    bool good = true;

    json_open(&r, json.raw, NULL);
    if (!json_enter_array(&r))
        return false;
    while (good && json_next(&r, NULL)) {
        struct message message = { .role = { .kind = JSON_KIND_NONE } };
        enum role role;

        if (!json_enter_object(&r))
            return false;
        json_pick(&r, message_members, ARRAY_LEN(message_members), &message);
        role = role_of(message.role);
        if (role == ROLE_SYSTEM)
            good = gather_system(message.content, system);
        else
            good = role != ROLE_UNKNOWN && take_message(&message, role == ROLE_USER, messages);
    }
    return good;
}

/* ---- tools ---- */

struct tool {
    struct json_value name, description, input_schema, defer_loading;
};

static const struct json_member tool_members[] = {
    { SLICE_INIT("name"), offsetof(struct tool, name) },
    { SLICE_INIT("description"), offsetof(struct tool, description) },
    { SLICE_INIT("input_schema"), offsetof(struct tool, input_schema) },
    { SLICE_INIT("defer_loading"), offsetof(struct tool, defer_loading) },
};

/* The schema as it stands, with a type behind it where it has none. */
static void write_schema(struct buf *out, struct json_value schema)
{
    struct json_reader r;
    bool empty;

    if (convert_get(schema, SLICE("type")).kind != JSON_KIND_NONE) {
        buf_add(out, schema.raw);
        return;
    }
    json_open(&r, schema.raw, NULL);
    empty = json_enter_object(&r) && !json_next(&r, NULL);
    buf_add(out, slice_head(schema.raw, schema.raw.len - 1));
    buf_add(out, empty ? SLICE("\"type\":\"object\"}") : SLICE(",\"type\":\"object\"}"));
}

static bool take_tools(struct json_value json, struct buf *out)
{
    struct json_reader r;

    json_open(&r, json.raw, NULL);
    if (!json_enter_array(&r))
        return false;
    while (json_next(&r, NULL)) {
        struct tool tool = { .name = { .kind = JSON_KIND_NONE } };

        if (!json_enter_object(&r))
            return false;
        json_pick(&r, tool_members, ARRAY_LEN(tool_members), &tool);
        if (!is_text(tool.name) || tool.input_schema.kind != JSON_KIND_OBJECT)
            return false;
        convert_next(out);
        buf_add(out, SLICE("{\"type\":\"function\",\"function\":{\"parameters\":"));
        write_schema(out, tool.input_schema);
        convert_add(out, "name", tool.name);
        convert_add(out, "description", tool.description);
        convert_add(out, "defer_loading", tool.defer_loading);
        buf_add(out, SLICE("}}"));
    }
    return true;
}

/* ---- the request ---- */

/* What of the chat request is no message and no tool. */
static struct prompt frame(const struct prompt *prompt)
{
    struct prompt chat = *prompt;

    chat.documents = (struct json_value){ .kind = JSON_KIND_NONE };
    chat.reasoning_effort = convert_get(prompt->output_config, SLICE("effort"));
    chat.tool_choice = convert_get(prompt->tool_choice, SLICE("type"));
    chat.add_generation_prompt = chat.continue_final_message = PROMPT_UNSAID;
    chat.add_special_tokens = PROMPT_UNSAID;
    return chat;
}

const struct reason *convert_messages(const struct prompt *prompt, struct buf *out,
                                      struct prompt *ret_chat)
{
    bool has_tools = prompt->tools.kind > JSON_KIND_NULL, good = true;
    struct system system = { .any = false };
    struct buf rest, messages, tools;

    buf_init(&system.inside, SIZE_MAX);
    buf_init(&rest, SIZE_MAX);
    buf_init(&messages, SIZE_MAX);
    buf_init(&tools, SIZE_MAX);
    if (has_text(prompt->system) ||
        (prompt->system.kind > JSON_KIND_NULL && !is_text(prompt->system)))
        good = gather_system(prompt->system, &system);
    good = good && take_messages(prompt->messages, &system, &rest) &&
           (!has_tools || take_tools(prompt->tools, &tools));
    if (good) {
        if (system.any) {
            buf_add(&messages, SLICE("{\"role\":\"system\""));
            add_gathered(&messages, "content", &system.inside);
            buf_add(&messages, SLICE("}"));
            if (!buf_is_empty(&rest))
                convert_next(&messages);
        }
        buf_move(&messages, &rest, SIZE_MAX);
        *ret_chat = frame(prompt);
        convert_finish(ret_chat, &messages, has_tools ? &tools : NULL, out);
    }
    buf_release(&system.inside);
    buf_release(&rest);
    buf_release(&messages);
    buf_release(&tools);
    return good ? NULL : &reason_bad_value;
}
