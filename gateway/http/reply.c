/*
 * Error bodies. Nothing here is on the way of a request that succeeds.
 */
#include "gateway/http/reply.h"

#include "gateway/base/utf8.h"

/* Writes the character at the front of `text`, returns how many bytes of it that took. */
static size_t put_character(struct buf *out, struct slice text)
{
    unsigned char c = (unsigned char)text.at[0];
    size_t n = utf8_sequence(text);

    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c == '\n')
        buf_add(out, SLICE("\\n"));
    else if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", c);
    else if (n == 0)
        buf_add(out, SLICE(UTF8_REPLACEMENT));
    else
        buf_add(out, slice_head(text, n));
    return n ? n : 1;
}

void reply_json_string(struct buf *out, struct slice text)
{
    buf_add(out, SLICE("\""));
    while (text.len > 0)
        text = slice_skip(text, put_character(out, text));
    buf_add(out, SLICE("\""));
}

static void put_string_or_null(struct buf *out, struct slice text)
{
    if (text.len)
        reply_json_string(out, text);
    else
        buf_add(out, SLICE("null"));
}

void reply_error_json(struct buf *out, const struct reason *reason, struct slice message,
                      struct slice param)
{
    buf_add(out, SLICE("{\"error\":{\"message\":"));
    reply_json_string(out, message.len ? message : slice_str(reason->text));
    buf_add(out, SLICE(",\"type\":"));
    reply_json_string(out, slice_str(reason->type ? reason->type : "server_error"));
    buf_add(out, SLICE(",\"param\":"));
    put_string_or_null(out, param);
    buf_add(out, SLICE(",\"code\":"));
    put_string_or_null(out, slice_str(reason->code));
    buf_add(out, SLICE("}}"));
}
