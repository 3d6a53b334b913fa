/*
 * What the converters share: lists of JSON that grow at the end.
 */
#include "gateway/prompt/convert.h"

void convert_next(struct buf *list)
{
    if (!buf_is_empty(list))
        buf_add(list, SLICE(","));
}

void convert_close(struct buf *list, struct buf *out)
{
    buf_add(out, SLICE("["));
    buf_move(out, list, SIZE_MAX);
    buf_add(out, SLICE("]"));
}

void convert_add(struct buf *out, const char *key, struct json_value value)
{
    if (value.kind <= JSON_KIND_NULL)
        return;
    buf_printf(out, ",\"%s\":", key);
    buf_add(out, value.raw);
}

struct json_value convert_get(struct json_value object, struct slice key)
{
    const struct json_member member = { key, 0 };
    struct json_value value = { .kind = JSON_KIND_NONE };
    struct json_reader r;

    json_open(&r, object.raw, NULL);
    if (json_enter_object(&r))
        json_pick(&r, &member, 1, &value);
    return value;
}

void convert_finish(struct prompt *chat, struct buf *messages, struct buf *tools, struct buf *out)
{
    size_t tools_at;
    struct slice all;

    convert_close(messages, out);
    tools_at = out->len;
    if (tools)
        convert_close(tools, out);
    all = buf_join(out);
    chat->ends = (struct json_ends){ 0 }; /* they were another text's */
    chat->messages =
        (struct json_value){ .raw = slice_head(all, tools_at), .kind = JSON_KIND_ARRAY };
    chat->tools = (struct json_value){ .kind = JSON_KIND_NONE };
    if (tools)
        chat->tools =
            (struct json_value){ .raw = slice_skip(all, tools_at), .kind = JSON_KIND_ARRAY };
}
