/*
 * Looks for the delimiters one after the other; parts are not kept.
 */
#include "tests/engine/multipart.h"

#include <stdio.h>

#define BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */

/* Position of `what` in `s`, or s.len. */
static size_t find(struct slice s, struct slice what)
{
    const char *at = s.len > 0 ? memmem(s.at, s.len, what.at, what.len) : NULL;

    return at ? (size_t)(at - s.at) : s.len;
}

/* "--" and the boundary parameter. False when there is none. */
static bool find_delimiter(struct slice content_type, char ret_text[BOUNDARY_MAX + 3],
                           struct slice *ret_delimiter)
{
    struct slice value = slice_skip(content_type, find(content_type, SLICE("boundary=")));

    if (!slice_starts(content_type, SLICE("multipart/form-data")) || value.len == 0)
        return false;
    value = slice_skip(value, strlen("boundary="));
    value = slice_trim(slice_head(value, slice_find(value, ';')));
    if (value.len >= 2 && value.at[0] == '"')
        value = slice_of(value.at + 1, value.len - 2);
    if (value.len == 0 || value.len > BOUNDARY_MAX)
        return false;
    snprintf(ret_text, BOUNDARY_MAX + 3, "--%.*s", SLICE_ARGS(value));
    *ret_delimiter = slice_str(ret_text);
    return true;
}

static bool is_named(struct slice head, struct slice name)
{
    struct slice value = slice_skip(head, find(head, SLICE(" name=\"")));

    value = slice_skip(value, strlen(" name=\""));
    return slice_eq(slice_head(value, slice_find(value, '"')), name);
}

bool multipart_field(struct slice content_type, struct slice body, struct slice name,
                     struct slice *ret_content)
{
    char text[BOUNDARY_MAX + 3];
    struct slice delimiter;

    if (!find_delimiter(content_type, text, &delimiter))
        return false;
    for (;;) {
        struct slice part = slice_skip(body, find(body, delimiter) + delimiter.len);
        size_t head_len = find(part, SLICE("\r\n\r\n"));
        size_t end = find(part, delimiter);

        if (part.len == 0 || end == part.len || head_len >= end)
            return false;
        if (is_named(slice_head(part, head_len), name)) {
            part = slice_skip(slice_head(part, end), head_len + 4);
            *ret_content = slice_ends(part, SLICE("\r\n")) ? slice_head(part, part.len - 2) : part;
            return true;
        }
        body = part;
    }
}
