/*
 * Values from checked JSON, as Python's json.loads reads it. Recursion is bounded by the depth that
 * the check allowed.
 */
#include "gateway/prompt/value.h"
#include "gateway/prompt/value_number.h"

static const struct reason *read_next(struct json_reader *reader, struct arena *arena,
                                      struct value **ret_value);

static const struct reason *full_or(const void *made)
{
    return made ? NULL : &reason_memory_limit;
}

static const struct reason *read_scalar(struct json_value json, struct arena *arena,
                                        struct value **ret_value)
{
    const struct reason *reason;
    struct slice text;

    switch ((enum json_kind)json.kind) {
    case JSON_KIND_NULL:
        *ret_value = value_none();
        return NULL;
    case JSON_KIND_FALSE:
    case JSON_KIND_TRUE:
        *ret_value = value_bool(json.kind == JSON_KIND_TRUE);
        return NULL;
    case JSON_KIND_NUMBER:
        *ret_value = json.integer ? number_parse_int(arena, json.raw, 10)
                                  : value_float(arena, number_parse_float(json.raw));
        return full_or(*ret_value);
    case JSON_KIND_STRING:
        reason = json_text(json, arena, &text);
        if (reason)
            return reason;
        *ret_value = value_text(arena, text);
        return full_or(*ret_value);
    default:
        return &reason_bad_value;
    }
}

static const struct reason *read_array(struct json_reader *reader, struct arena *arena,
                                       struct value **ret_value)
{
    struct value *list = value_list(arena), *item;
    const struct reason *reason = full_or(list);

    while (!reason && json_next(reader, NULL)) {
        reason = read_next(reader, arena, &item);
        if (!reason && !value_append(arena, list, item))
            reason = &reason_memory_limit;
    }
    *ret_value = list;
    return reason;
}

static const struct reason *read_object(struct json_reader *reader, struct arena *arena,
                                        struct value **ret_value)
{
    struct value *dict = value_dict(arena), *item;
    const struct reason *reason = full_or(dict);
    struct json_value key;
    struct slice name;

    while (!reason && json_next(reader, &key)) {
        reason = json_text(key, arena, &name);
        if (!reason)
            reason = read_next(reader, arena, &item);
        if (!reason && !value_put(arena, dict, name, item))
            reason = &reason_memory_limit;
    }
    *ret_value = dict;
    return reason;
}

static const struct reason *read_next(struct json_reader *reader, struct arena *arena,
                                      struct value **ret_value)
{
    struct json_value scalar;

    if (json_enter_object(reader))
        return read_object(reader, arena, ret_value);
    if (json_enter_array(reader))
        return read_array(reader, arena, ret_value);
    json_take(reader, &scalar);
    return read_scalar(scalar, arena, ret_value);
}

const struct reason *value_json(struct arena *arena, struct json_value json,
                                struct value **ret_value)
{
    const struct reason *reason;
    struct json_reader reader;
    struct value *value;

    if (json.kind != JSON_KIND_OBJECT && json.kind != JSON_KIND_ARRAY) {
        reason = read_scalar(json, arena, &value);
    } else {
        json_open_checked(&reader, json);
        reason = read_next(&reader, arena, &value);
        if (!reason)
            reason = json_close(&reader);
    }
    if (!reason)
        *ret_value = value;
    return reason;
}
