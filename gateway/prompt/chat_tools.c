/*
 * Tools as their Pydantic models print them: keys in the models' order, an absent description or
 * parameters as null, members that the models do not know left out.
 */
#include "gateway/prompt/chat_build.h"

/* A member of a tool or function, and what its model prints where it is not there. */
struct tool_member {
    struct slice key;
    const char *absent; /* a text; NULL: null, or left out */
    bool left_out;
};

static const struct tool_member function_members[] = {
    { SLICE_INIT("name"), NULL, true },          { SLICE_INIT("description"), NULL, false },
    { SLICE_INIT("parameters"), NULL, false },   { SLICE_INIT("strict"), NULL, true },
    { SLICE_INIT("defer_loading"), NULL, true },
};

static const struct tool_member tool_members[] = {
    { SLICE_INIT("type"), "function", false },
    { SLICE_INIT("function"), NULL, true },
    { SLICE_INIT("defer_loading"), NULL, true },
};

static struct value *model_value(struct build *build, struct json_value object,
                                 const struct tool_member *members, size_t count)
{
    struct value *dict = build_dict(build), *value;
    struct json_value key, json, found;
    struct json_reader r;

    for (size_t i = 0; i < count && !build->reason; i++) {
        const struct tool_member *member = &members[i];

        found = (struct json_value){ .kind = JSON_KIND_NONE };
        json_open(&r, object.raw, NULL);
        if (!json_enter_object(&r))
            return build_fail(build, &reason_bad_value);
        while (json_next(&r, &key)) {
            json_take(&r, &json);
            if (json_text_is(key, member->key))
                found = json;
        }
        if (found.kind <= JSON_KIND_NULL && member->left_out)
            continue;
        if (found.kind <= JSON_KIND_NULL)
            value = member->absent ? build_text(build, slice_str(member->absent)) : value_none();
        else if (slice_eq(member->key, SLICE("function")))
            value = model_value(build, found, function_members, ARRAY_LEN(function_members));
        else
            value = build_any(build, found);
        build_put(build, dict, member->key, value);
    }
    return dict;
}

bool chat_shows_tools(const struct chat_call *call)
{
    const struct prompt *prompt = call->prompt;

    return prompt->tools.kind > JSON_KIND_NULL &&
           !(call->recipe->exclude_tools && json_text_is(prompt->tool_choice, SLICE("none")));
}

/* What has no function is no tool to vLLM, which refuses it; other engines take it as it is. */
static bool has_function(struct json_value tool)
{
    struct json_value key, value;
    struct json_reader r;
    bool found = false;

    json_open(&r, tool.raw, NULL);
    if (json_enter_object(&r))
        while (json_next(&r, &key)) {
            json_take(&r, &value);
            found |= json_text_is(key, SLICE("function")) && value.kind == JSON_KIND_OBJECT;
        }
    return found;
}

struct value *chat_tools(struct build *build)
{
    struct value *list;
    struct json_value item;
    struct json_reader r;

    if (!chat_shows_tools(build->call))
        return value_none();
    list = build_list(build);
    json_open(&r, build->call->prompt->tools.raw, NULL);
    if (!json_enter_array(&r))
        return build_fail(build, &reason_bad_value);
    while (!build->reason && json_next(&r, NULL)) {
        json_take(&r, &item);
        build_append(build, list,
                     has_function(item)
                         ? model_value(build, item, tool_members, ARRAY_LEN(tool_members))
                         : build_any(build, item));
    }
    return list;
}
