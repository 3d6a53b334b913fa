/*
 * Reading values of a JSON document with the way to them.
 */
#include "gateway/token/node.h"

#include "gateway/base/utf8.h"
#include "gateway/token/unicode.h"

#include <stdarg.h>
#include <stdio.h>

struct node document_root(struct document *document)
{
    return (struct node){ .document = document, .value = document->root };
}

/* Of a key or a message, both of which can have anything from the file in them. */
#define SHOWN_BYTES_MAX 400

/* One line, and UTF-8: what is neither is shown as a question mark. */
static void print_text(struct slice text, struct buf *out)
{
    text = slice_head(text, SHOWN_BYTES_MAX);
    while (text.len > 0) {
        size_t n = utf8_sequence(text);
        bool shown = n > 1 || (n == 1 && (uint8_t)text.at[0] >= ' ' && text.at[0] != 0x7f);

        buf_add(out, shown ? slice_head(text, n) : SLICE("?"));
        text = slice_skip(text, n > 0 ? n : 1);
    }
}

static void print_path(const struct node *node, struct buf *out)
{
    if (!node->up)
        return;
    print_path(node->up, out);
    if (!node->key) {
        buf_printf(out, "[%zu]", node->index);
        return;
    }
    if (node->up->up)
        buf_add(out, SLICE("."));
    print_text(slice_str(node->key), out);
}

bool node_fail(const struct node *node, const char *format, ...)
{
    struct document *document = node->document;
    char what[SHOWN_BYTES_MAX + 1];
    va_list arguments;

    if (document->failed)
        return false;
    document->failed = true;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    buf_printf(document->errors, "%s: ", document->name);
    print_path(node, document->errors);
    if (node->up)
        buf_add(document->errors, SLICE(": "));
    print_text(slice_str(what), document->errors);
    buf_add(document->errors, SLICE("\n"));
    return false;
}

struct node node_get(const struct node *node, const char *key)
{
    json_t *value = json_object_get(node->value, key);

    return (struct node){ .document = node->document,
                          .up = node,
                          .key = key,
                          .value = json_is_null(value) ? NULL : value };
}

struct node node_at(const struct node *node, size_t index)
{
    json_t *value = json_array_get(node->value, index);

    return (struct node){ .document = node->document,
                          .up = node,
                          .index = index,
                          .value = json_is_null(value) ? NULL : value };
}

size_t node_count(const struct node *node)
{
    return json_array_size(node->value);
}

/* As deep as a document may be. */
bool node_steps(const struct node *node, const char *list, node_step_fn *take, void *user)
{
    struct node type = node_get(node, "type"), steps = node_get(node, list);
    struct slice name;

    if (!node_is_object(node) || !node_text(&type, &name))
        return false;
    if (!slice_eq(name, SLICE("Sequence")))
        return take(node, name, user);
    if (!node_is_array(&steps))
        return false;
    for (size_t i = 0; i < node_count(&steps); i++) {
        struct node step = node_at(&steps, i);

        if (!node_steps(&step, list, take, user))
            return false;
    }
    return true;
}

bool node_need(const struct node *node)
{
    return node->value ? true : node_fail(node, "is missing");
}

static const char *name_of(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return names[json_typeof(value)];
}

static bool is(const struct node *node, bool holds, const char *wanted)
{
    if (!node_need(node))
        return false;
    return holds ? true : node_fail(node, "must be %s, is %s", wanted, name_of(node->value));
}

bool node_is_object(const struct node *node)
{
    return is(node, json_is_object(node->value), "an object");
}

bool node_is_array(const struct node *node)
{
    return is(node, json_is_array(node->value), "an array");
}

bool node_text(const struct node *node, struct slice *ret_text)
{
    if (!is(node, json_is_string(node->value), "a string"))
        return false;
    *ret_text = slice_of(json_string_value(node->value), json_string_length(node->value));
    return true;
}

bool node_text_or(const struct node *node, struct slice otherwise, struct slice *ret_text)
{
    if (node->value)
        return node_text(node, ret_text);
    *ret_text = otherwise;
    return true;
}

bool node_bool(const struct node *node, bool otherwise, bool *ret_value)
{
    if (!node->value) {
        *ret_value = otherwise;
        return true;
    }
    if (!is(node, json_is_boolean(node->value), "true or false"))
        return false;
    *ret_value = json_is_true(node->value);
    return true;
}

bool node_number(const struct node *node, uint64_t max, uint64_t *ret_value)
{
    json_int_t value;

    if (!is(node, json_is_integer(node->value), "a whole number"))
        return false;
    value = json_integer_value(node->value);
    if (value < 0 || (uint64_t)value > max)
        return node_fail(node, "is %lld, must be 0 to %llu", (long long)value,
                         (unsigned long long)max);
    *ret_value = (uint64_t)value;
    return true;
}

bool node_id(const struct node *node, uint32_t *ret_id)
{
    uint64_t id = 0;

    if (!node_number(node, TOKEN_ID_MAX, &id))
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

bool node_code(const struct node *node, uint32_t *ret_code)
{
    struct slice text;
    uint32_t bytes;

    if (!node_text(node, &text))
        return false;
    if (text.len == 0 || utf8_sequence(text) != text.len)
        return node_fail(node, "must be one character");
    *ret_code = unicode_read(text.at, &bytes);
    return true;
}
