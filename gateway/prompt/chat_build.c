/*
 * Building values, with the first failure noted.
 */
#include "gateway/prompt/chat_build.h"

struct value *build_fail(struct build *build, const struct reason *reason)
{
    build->reason = build->reason ? build->reason : reason;
    return NULL;
}

/* NULL from a builder of values: the arena is full. */
static struct value *made(struct build *build, struct value *value)
{
    return value ? value : build_fail(build, &reason_memory_limit);
}

void build_put(struct build *build, struct value *dict, struct slice key, struct value *item)
{
    if (dict && item && !value_put(build->arena, dict, key, item))
        build_fail(build, &reason_memory_limit);
}

void build_append(struct build *build, struct value *list, struct value *item)
{
    if (list && item && !value_append(build->arena, list, item))
        build_fail(build, &reason_memory_limit);
}

struct value *build_dict(struct build *build)
{
    return made(build, value_dict(build->arena));
}

struct value *build_list(struct build *build)
{
    return made(build, value_list(build->arena));
}

struct value *build_text(struct build *build, struct slice text)
{
    return made(build, value_text(build->arena, text));
}

struct value *build_any(struct build *build, struct json_value json)
{
    struct value *value;
    const struct reason *reason = value_json(build->arena, json, &value);

    return reason ? build_fail(build, reason) : value;
}

struct slice build_text_of(struct build *build, struct json_value json)
{
    struct slice text = { NULL, 0 };
    const struct reason *reason = json_text(json, build->arena, &text);

    if (reason)
        build_fail(build, reason);
    return text;
}

/* A string's value. */
struct value *build_string(struct build *build, struct json_value json)
{
    struct slice text = build_text_of(build, json);

    return build->reason ? NULL : build_text(build, text);
}

struct slice build_join(struct build *build, const struct slice *parts, size_t count,
                        struct slice between)
{
    size_t len = 0;
    char *text, *at;

    if (count == 1)
        return parts[0];
    for (size_t i = 0; i < count; i++)
        len += parts[i].len + (i > 0 ? between.len : 0);
    text = at = arena_try_alloc(build->arena, len);
    if (!text) {
        build_fail(build, &reason_memory_limit);
        return slice_of(NULL, 0);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && between.len > 0)
            at = (char *)memcpy(at, between.at, between.len) + between.len;
        if (parts[i].len > 0)
            at = (char *)memcpy(at, parts[i].at, parts[i].len) + parts[i].len;
    }
    return slice_of(text, len);
}
