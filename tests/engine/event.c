/*
 * JSON written as text.
 */
#include "tests/engine/event.h"

#include <stdlib.h>

static void add_escaped(struct buf *out, char c)
{
    static const struct {
        char c, letter;
    } short_forms[] = { { '"', '"' }, { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' } };

    for (size_t i = 0; i < ARRAY_LEN(short_forms); i++)
        if (short_forms[i].c == c) {
            buf_add(out, slice_of((char[]){ '\\', short_forms[i].letter }, 2));
            return;
        }
    buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

void event_add_string(struct buf *out, struct slice text)
{
    buf_add(out, SLICE("\""));
    while (text.len > 0) {
        size_t n = 0;

        while (n < text.len && is_plain(text.at[n]))
            n++;
        buf_add(out, slice_head(text, n));
        text = slice_skip(text, n);
        if (text.len > 0)
            add_escaped(out, text.at[0]);
        text = slice_skip(text, 1);
    }
    buf_add(out, SLICE("\""));
}

void event_add_text(struct buf *out, const char *text)
{
    if (text)
        event_add_string(out, slice_str(text));
    else
        buf_add(out, SLICE("null"));
}

void event_add_json(struct buf *out, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text);
    buf_add(out, slice_str(text));
    free(text);
    json_decref(json);
}
