/*
 * The body with another model's name in it or include_usage switched on, and not a byte changed
 * beside that: engines take unknown fields, so what is not understood must not be written anew.
 */
#include "gateway/prompt/prompt.h"

#define USAGE_ON "\"include_usage\":true"

/* `len` bytes at `offset` of the body give way to `text`. */
struct edit {
    size_t offset, len;
    struct slice text;
    bool quoted; /* text is written as a JSON string */
};

static struct edit edit_at(const struct prompt *prompt, struct slice raw, struct slice text)
{
    return (
        struct edit){ .offset = (size_t)(raw.at - prompt->body.at), .len = raw.len, .text = text };
}

/* Members are added at an object's front: no need to know whether a comma must go before them. */
static struct edit usage_edit(const struct prompt *prompt)
{
    struct json_value options = prompt->stream_options;
    struct slice inside;

    if (prompt->include_usage_value.kind != JSON_KIND_NONE)
        return edit_at(prompt, prompt->include_usage_value.raw, SLICE("true"));
    if (options.kind == JSON_KIND_NULL)
        return edit_at(prompt, options.raw, SLICE("{" USAGE_ON "}"));
    if (options.kind == JSON_KIND_OBJECT) {
        inside = slice_of(options.raw.at + 1, 0);
        for (const char *at = inside.at; at < options.raw.at + options.raw.len; at++) {
            if (*at == '"')
                return edit_at(prompt, inside, SLICE(USAGE_ON ","));
            if (*at == '}')
                break;
        }
        return edit_at(prompt, inside, SLICE(USAGE_ON));
    }
    inside = slice_of((const char *)memchr(prompt->body.at, '{', prompt->body.len) + 1, 0);
    return edit_at(prompt, inside, SLICE("\"stream_options\":{" USAGE_ON "},"));
}

static void apply(const struct buf *body, const struct edit *edit, size_t *offset, struct buf *out)
{
    buf_share_range(out, body, *offset, edit->offset - *offset);
    if (edit->quoted)
        json_write_text(out, edit->text);
    else
        buf_add(out, edit->text);
    *offset = edit->offset + edit->len;
}

void prompt_splice(const struct prompt *prompt, const struct buf *body, struct slice new_model,
                   bool add_include_usage, struct buf *out)
{
    struct edit edits[2];
    size_t count = 0, offset = 0;

    if (new_model.len > 0 && prompt->model_raw.at) {
        edits[count] = edit_at(prompt, prompt->model_raw, new_model);
        edits[count++].quoted = !prompt->form;
    }
    if (add_include_usage && !prompt->form)
        edits[count++] = usage_edit(prompt);
    if (count == 2 && edits[1].offset < edits[0].offset) {
        struct edit first = edits[1];

        edits[1] = edits[0];
        edits[0] = first;
    }
    for (size_t i = 0; i < count; i++)
        apply(body, &edits[i], &offset, out);
    buf_share_range(out, body, offset, body->len - offset);
}
