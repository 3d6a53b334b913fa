/*
 * Values to JSON, as a user would write them: what is printed is a configuration again, with every
 * default in it. Texts are masked (conf_mask); directives that name files print the name.
 */
#include "conf/print.h"

#include "gateway/base/real.h"

static int buf_write(const char *bytes, size_t size, void *user)
{
    buf_add(user, slice_of(bytes, size));
    return 0;
}

static void write_plain(const json_t *value, struct buf *out)
{
    CHECK(json_dump_callback(value, buf_write, out, JSON_ENCODE_ANY) == 0);
}

static void write_key(const char *key, struct buf *out)
{
    json_t *text = json_string(key);

    write_plain(text, out);
    json_decref(text);
    buf_add(out, SLICE(": "));
}

/* jansson prints 0.3 with seventeen digits. */
static void write_real(double real, struct buf *out)
{
    char text[REAL_TEXT_BYTES];

    buf_add(out, slice_of(text, real_print(real, text)));
}

/* Spaces in front of what is inside; NO_LINES: all of it in one line. */
#define NO_LINES     SIZE_MAX
#define LINES_INDENT 2

static void new_line(size_t indent, struct buf *out)
{
    if (indent != NO_LINES)
        buf_printf(out, "\n%*s", (int)indent, "");
}

/* Between two things, or in front of the first. */
static void write_gap(bool first, size_t indent, struct buf *out)
{
    if (!first)
        buf_add(out, indent == NO_LINES ? SLICE(", ") : SLICE(","));
    new_line(indent, out);
}

static void write_value(json_t *value, size_t indent, struct buf *out)
{
    size_t inside = indent == NO_LINES ? NO_LINES : indent + LINES_INDENT;
    bool is_object = json_is_object(value), first = true;
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_real(value)) {
        write_real(json_real_value(value), out);
        return;
    }
    if (json_object_size(value) + json_array_size(value) == 0) {
        write_plain(value, out);
        return;
    }
    buf_add(out, is_object ? SLICE("{") : SLICE("["));
    json_object_foreach(value, key, item)
    {
        write_gap(first, inside, out);
        write_key(key, out);
        write_value(item, inside, out);
        first = false;
    }
    json_array_foreach(value, i, item)
    {
        write_gap(i == 0, inside, out);
        write_value(item, inside, out);
    }
    new_line(indent, out);
    buf_add(out, is_object ? SLICE("}") : SLICE("]"));
}

void conf_json_line(json_t *value, struct buf *out)
{
    write_value(value, NO_LINES, out);
    json_decref(value);
}

void conf_json_lines(json_t *value, struct buf *out)
{
    write_value(value, 0, out);
    json_decref(value);
    buf_add(out, SLICE("\n"));
}

static json_t *slice_json(struct slice text)
{
    json_t *value = json_stringn(text.at ? text.at : "", text.len);

    CHECK(value); /* the file was looked through for UTF-8 */
    return value;
}

json_t *conf_text_json(const char *text)
{
    struct buf masked;
    json_t *value;

    buf_init(&masked, SIZE_MAX);
    conf_mask(slice_str(text), &masked);
    value = slice_json(buf_join(&masked));
    buf_release(&masked);
    return value;
}

/* Sizes and durations with their unit, words as words. */
static json_t *printed_json(const struct directive *row, const void *field)
{
    struct buf text;
    json_t *value;

    buf_init(&text, SIZE_MAX);
    directive_print(row, field, &text);
    value = slice_json(buf_join(&text));
    buf_release(&text);
    return value;
}

static json_t *number_json(const struct directive *row, const void *field)
{
    uint64_t number = *(const uint64_t *)field;

    /* jansson's integers have a sign; a text reads as the same number */
    return number <= INT64_MAX ? json_integer((json_int_t)number) : printed_json(row, field);
}

static json_t *texts_json(const struct conf_texts *texts)
{
    json_t *array = json_array();

    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(array, conf_text_json(texts->at[i]));
    return array;
}

static json_t *object_json(const struct directive_set *set, const void *object)
{
    json_t *map = json_object();

    for (size_t i = 0; i < set->count; i++) {
        json_t *value = conf_field_json(&set->rows[i], conf_field(&set->rows[i], object));

        if (value)
            json_object_set_new(map, set->rows[i].key, value);
    }
    return map;
}

static json_t *list_json(const struct directive *row, const struct conf_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, object_json(row->set, conf_item(row, list, i)));
    return array;
}

json_t *conf_field_json(const struct directive *row, const void *field)
{
    const void *pointer;

    switch (row->type) {
    case DIRECTIVE_TYPE_TEXT:
    case DIRECTIVE_TYPE_PATH:
        memcpy(&pointer, field, sizeof(pointer));
        return pointer ? conf_text_json(pointer) : NULL;
    case DIRECTIVE_TYPE_TEXTS:
        return ((const struct conf_texts *)field)->count > 0 ? texts_json(field) : NULL;
    case DIRECTIVE_TYPE_OBJECT:
        memcpy(&pointer, field, sizeof(pointer));
        return pointer ? object_json(row->set, pointer) : NULL;
    case DIRECTIVE_TYPE_LIST:
        return ((const struct conf_list *)field)->count > 0 ? list_json(row, field) : NULL;
    case DIRECTIVE_TYPE_BOOL:
        return json_boolean(*(const bool *)field);
    case DIRECTIVE_TYPE_NUMBER:
        return number_json(row, field);
    case DIRECTIVE_TYPE_REAL:
        return json_real(*(const double *)field);
    default:
        return printed_json(row, field);
    }
}

bool conf_needs_more_than_defaults(const struct directive_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->rows[i].required)
            return true;
    return false;
}

static void section_add(json_t *map, const struct conf_section *section)
{
    json_t *value;

    if (section->set->shape == DIRECTIVE_ROOT) {
        value = object_json(section->set, section->object);
        json_object_update(map, value);
        json_decref(value);
        return;
    }
    if (!section->present && conf_needs_more_than_defaults(section->set))
        return;
    value = conf_field_json(&section->top, conf_section_field(section));
    if (value && (section->present || json_object_size(value) > 0))
        json_object_set_new(map, section->set->key, value);
    else
        json_decref(value);
}

void conf_print_json(const struct conf *conf, struct buf *out)
{
    json_t *map = json_object();

    for (size_t i = 0; i < conf->sections->count; i++)
        section_add(map, &conf->sections->at[i]);
    conf_json_lines(map, out);
}
