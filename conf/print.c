/*
 * Values to JSON, as a user would write them: what is printed is a configuration again, with every
 * default in it. Texts are masked (conf_mask); directives that name files print the name.
 */
#include "conf/print.h"

static int buf_write(const char *bytes, size_t size, void *user)
{
    buf_add(user, slice_of(bytes, size));
    return 0;
}

static void json_write(json_t *value, size_t flags, struct buf *out)
{
    CHECK(json_dump_callback(value, buf_write, out, flags | JSON_ENCODE_ANY) == 0);
    json_decref(value);
}

void conf_json_line(json_t *value, struct buf *out)
{
    json_write(value, 0, out);
}

void conf_json_lines(json_t *value, struct buf *out)
{
    json_write(value, JSON_INDENT(2), out);
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

/* Left out, it could not be written with its defaults only. */
static bool needs_more_than_defaults(const struct directive_set *set)
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
    if (!section->present && needs_more_than_defaults(section->set))
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
