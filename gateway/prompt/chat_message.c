/*
 * Messages and their tool calls, in the order and with the members of vLLM's conversation.
 */
#include "gateway/prompt/chat_build.h"

/* One message's members that mean something; kind JSON_KIND_NONE: not there, or null. */
struct message_in {
    struct json_value role, content, name, tool_call_id, tool_calls, reasoning, reasoning_content,
        tools, task;
};

/* ---- tool calls ---- */

/* The members of an object in the order of its Pydantic model, those it does not know behind them
 * in the order they came. */
static void put_ordered(struct build *build, struct value *dict, struct json_value object,
                        const struct slice *order, size_t count,
                        struct value *(*read)(struct build *build, struct slice key,
                                              struct json_value value))
{
    struct json_value key, value;
    struct json_reader r;

    for (size_t pass = 0; pass <= count && !build->reason; pass++) {
        json_open_checked(&r, object);
        if (!json_enter_object(&r)) {
            build_fail(build, &reason_bad_value);
            return;
        }
        while (!build->reason && json_next(&r, &key)) {
            size_t rank = 0;

            json_take(&r, &value);
            while (rank < count && !json_text_is(key, order[rank]))
                rank++;
            if (rank == pass) {
                struct slice name = build_text_of(build, key);

                build_put(build, dict, name, read(build, name, value));
            }
        }
    }
}

/* Calls that no Pydantic model has read keep their order. */
static size_t ranks(const struct build *build, size_t count)
{
    return build->call->prompt->plain_calls ? 0 : count;
}

/* Arguments that are no JSON become {}, as vLLM has it; so does anything but an object or list. */
static struct value *parsed_arguments(struct build *build, struct json_value json)
{
    struct json_value parsed = json;
    struct json_reader r;

    if (json.kind == JSON_KIND_STRING) {
        json_open(&r, build_text_of(build, json), NULL);
        json_take(&r, &parsed);
        if (json_close(&r))
            return build_dict(build);
        return build_any(build, parsed);
    }
    if (json.kind == JSON_KIND_OBJECT || json.kind == JSON_KIND_ARRAY)
        return build_any(build, json);
    return build_dict(build);
}

static struct value *function_member(struct build *build, struct slice key, struct json_value value)
{
    return slice_eq(key, SLICE("arguments")) ? parsed_arguments(build, value)
                                             : build_any(build, value);
}

static struct value *call_member(struct build *build, struct slice key, struct json_value value)
{
    static const struct slice order[] = { SLICE_INIT("arguments"), SLICE_INIT("name") };
    struct value *dict;

    if (!slice_eq(key, SLICE("function")))
        return build_any(build, value);
    dict = build_dict(build);
    put_ordered(build, dict, value, order, ranks(build, ARRAY_LEN(order)), function_member);
    return dict;
}

/* NULL without a failure: there is none. */
struct value *chat_tool_calls(struct build *build, struct json_value json)
{
    static const struct slice order[] = { SLICE_INIT("id"), SLICE_INIT("function"),
                                          SLICE_INIT("type") };
    struct value *list = build_list(build);
    struct json_value item;
    struct json_reader r;
    size_t count = 0;

    json_open_checked(&r, json);
    if (!json_enter_array(&r))
        return build_fail(build, &reason_bad_value);
    for (; !build->reason && json_next(&r, NULL); count++) {
        struct value *dict = build_dict(build);

        json_take(&r, &item);
        put_ordered(build, dict, item, order, ranks(build, ARRAY_LEN(order)), call_member);
        build_append(build, list, dict);
    }
    return count > 0 ? list : NULL;
}

/* ---- messages ---- */

static const struct json_member message_members[] = {
    { SLICE_INIT("role"), offsetof(struct message_in, role) },
    { SLICE_INIT("content"), offsetof(struct message_in, content) },
    { SLICE_INIT("name"), offsetof(struct message_in, name) },
    { SLICE_INIT("tool_call_id"), offsetof(struct message_in, tool_call_id) },
    { SLICE_INIT("tool_calls"), offsetof(struct message_in, tool_calls) },
    { SLICE_INIT("reasoning"), offsetof(struct message_in, reasoning) },
    { SLICE_INIT("reasoning_content"), offsetof(struct message_in, reasoning_content) },
    { SLICE_INIT("tools"), offsetof(struct message_in, tools) },
    { SLICE_INIT("task"), offsetof(struct message_in, task) },
};

static void put_assistant(struct build *build, struct value *dict, const struct message_in *in)
{
    const struct json_value *reasoning =
        in->reasoning.kind > JSON_KIND_NULL ? &in->reasoning : &in->reasoning_content;

    if (in->tool_calls.kind > JSON_KIND_NULL)
        build_put(build, dict, SLICE("tool_calls"), chat_tool_calls(build, in->tool_calls));
    if (reasoning->kind > JSON_KIND_NULL) {
        struct value *text = build_any(build, *reasoning);

        build_put(build, dict, SLICE("reasoning"), text);
        build_put(build, dict, SLICE("reasoning_content"), text);
    }
}

static struct value *message_value(struct build *build, const struct message_in *in, bool last)
{
    bool tool = json_text_is(in->role, SLICE("tool"));
    struct value *dict = build_dict(build);

    build_put(build, dict, SLICE("role"), build_string(build, in->role));
    build_put(build, dict, SLICE("content"),
              chat_content(build, in->content, tool, last && build->continues));
    if (json_text_is(in->role, SLICE("assistant")))
        put_assistant(build, dict, in);
    if (tool && in->tool_call_id.kind > JSON_KIND_NONE)
        build_put(build, dict, SLICE("tool_call_id"), build_any(build, in->tool_call_id));
    if (in->name.kind == JSON_KIND_STRING)
        build_put(build, dict, SLICE("name"), build_string(build, in->name));
    if (in->task.kind == JSON_KIND_STRING)
        build_put(build, dict, SLICE("task"), build_string(build, in->task));
    if (json_text_is(in->role, SLICE("developer")))
        build_put(build, dict, SLICE("tools"),
                  in->tools.kind > JSON_KIND_NULL ? build_any(build, in->tools) : value_none());
    return dict;
}

struct value *chat_messages(struct build *build)
{
    struct value *list = build_list(build);
    struct json_reader r;
    bool more;

    json_open_known(&r, build->call->prompt->messages, &build->call->prompt->ends);
    if (!json_enter_array(&r))
        return build_fail(build, &reason_bad_value);
    for (more = json_next(&r, NULL); more && !build->reason;) {
        struct message_in in = { .role = { .kind = JSON_KIND_NONE } };

        if (!json_enter_object(&r))
            return build_fail(build, &reason_bad_value);
        json_pick(&r, message_members, ARRAY_LEN(message_members), &in);
        more = json_next(&r, NULL);
        build_append(build, list, message_value(build, &in, !more));
    }
    return list;
}
