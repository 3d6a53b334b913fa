/*
 * `sluice schema`: the rows as a JSON Schema (2020-12), for editors and pipelines.
 *
 * It accepts no less than the gateway does: what only a check can see (references, combinations,
 * equal names) is left to `sluice check`. Sets inside sections are definitions of their own.
 */
#include "conf/format.h"
#include "conf/print.h"
#include "conf/sets.h"

#include <stdio.h>

#define SCHEMA_DIALECT "https://json-schema.org/draft/2020-12/schema"
#define SIZE_PATTERN   "^[0-9]+ *([KkMmGgTt][Ii]?)?[Bb]?$"
#define DURATION_PATTERN                                                                           \
    "^(0|([0-9]+ *[Dd])?([0-9]+ *[Hh])?([0-9]+ *[Mm])?([0-9]+ *[Ss])?([0-9]+ *[Mm][Ss])?)$"
#define REAL_PATTERN "^[-+0-9.eE]+%?$"

/* What stands under $defs: every set that was referred to. */
struct definitions {
    struct conf_sets names;
    json_t *map;
};

static json_t *set_schema(const struct directive_set *set, struct definitions *definitions);

static void put(json_t *schema, const char *key, json_t *value)
{
    CHECK(json_object_set_new(schema, key, value) == 0);
}

static json_t *of_type(const char *type)
{
    json_t *schema = json_object();

    put(schema, "type", json_string(type));
    return schema;
}

static json_t *text_of(const char *pattern)
{
    json_t *schema = of_type("string");

    if (pattern)
        put(schema, "pattern", json_string(pattern));
    return schema;
}

static json_t *either(json_t *one, json_t *other)
{
    json_t *schema = json_object(), *any = json_array();

    json_array_append_new(any, one);
    json_array_append_new(any, other);
    put(schema, "anyOf", any);
    return schema;
}

/* Bounds of numbers; those of sizes and durations cannot be said of their texts. */
static json_t *bounded(json_t *schema, const struct directive *row)
{
    bool whole = row->type != DIRECTIVE_TYPE_REAL;
    bool upper = directive_has_upper_bound(row);

    if (whole || row->min != 0 || upper)
        put(schema, "minimum", whole ? json_integer((json_int_t)row->min) : json_real(row->min));
    if (upper && (!whole || row->max < (double)INT64_MAX))
        put(schema, "maximum", whole ? json_integer((json_int_t)row->max) : json_real(row->max));
    return schema;
}

static json_t *number_schema(const struct directive *row, struct definitions *definitions UNUSED)
{
    return bounded(of_type("integer"), row);
}

static json_t *real_schema(const struct directive *row, struct definitions *definitions UNUSED)
{
    return either(bounded(of_type("number"), row), text_of(REAL_PATTERN));
}

static json_t *size_schema(const struct directive *row, struct definitions *definitions UNUSED)
{
    return either(bounded(of_type("integer"), row), text_of(SIZE_PATTERN));
}

static json_t *duration_schema(const struct directive *row UNUSED,
                               struct definitions *definitions UNUSED)
{
    json_t *zero = json_object();

    put(zero, "const", json_integer(0));
    return either(zero, text_of(DURATION_PATTERN));
}

static json_t *truth_schema(const struct directive *row UNUSED,
                            struct definitions *definitions UNUSED)
{
    json_t *schema = json_object();

    put(schema, "enum", json_pack("[b,b,s,s]", 1, 0, "on", "off"));
    return schema;
}

static json_t *word_schema(const struct directive *row, struct definitions *definitions UNUSED)
{
    json_t *schema = json_object(), *words = json_array();

    for (const char *const *word = row->words; *word; word++)
        json_array_append_new(words, json_string(*word));
    put(schema, "enum", words);
    return schema;
}

static json_t *text_schema(const struct directive *row, struct definitions *definitions UNUSED)
{
    const struct text_format *format = text_format(row->format);

    return text_of(format ? format->pattern : NULL);
}

static json_t *path_schema(const struct directive *row UNUSED,
                           struct definitions *definitions UNUSED)
{
    json_t *schema = of_type("string");

    put(schema, "minLength", json_integer(1));
    return schema;
}

static json_t *texts_schema(const struct directive *row, struct definitions *definitions)
{
    json_t *list = of_type("array");

    put(list, "items", text_schema(row, definitions));
    return either(text_schema(row, definitions), list);
}

static json_t *reference_to(const struct directive_set *set, struct definitions *definitions)
{
    const char *name = conf_sets_name(&definitions->names, set);
    char path[CONF_SET_NAME_SIZE + 16];
    json_t *schema = json_object();

    if (!json_object_get(definitions->map, name)) {
        put(definitions->map, name, json_object()); /* a set may stand inside itself */
        put(definitions->map, name, set_schema(set, definitions));
    }
    snprintf(path, sizeof(path), "#/$defs/%s", name);
    put(schema, "$ref", json_string(path));
    return schema;
}

static json_t *object_schema(const struct directive *row, struct definitions *definitions)
{
    return reference_to(row->set, definitions);
}

static json_t *list_schema(const struct directive *row, struct definitions *definitions)
{
    json_t *schema = of_type("array");

    put(schema, "items", reference_to(row->set, definitions));
    return schema;
}

static json_t *(*const schemas[])(const struct directive *row, struct definitions *definitions) = {
    [DIRECTIVE_TYPE_TEXT] = text_schema,         [DIRECTIVE_TYPE_PATH] = path_schema,
    [DIRECTIVE_TYPE_BOOL] = truth_schema,        [DIRECTIVE_TYPE_NUMBER] = number_schema,
    [DIRECTIVE_TYPE_REAL] = real_schema,         [DIRECTIVE_TYPE_SIZE] = size_schema,
    [DIRECTIVE_TYPE_DURATION] = duration_schema, [DIRECTIVE_TYPE_WORD] = word_schema,
    [DIRECTIVE_TYPE_TEXTS] = texts_schema,       [DIRECTIVE_TYPE_OBJECT] = object_schema,
    [DIRECTIVE_TYPE_LIST] = list_schema,
};

/* A default has the type that a reader of YAML 1.2 would see. */
static json_t *default_value(const struct directive *row)
{
    char complaint[DIRECTIVE_COMPLAINT_SIZE];
    struct slice text = slice_str(row->default_text);
    uint64_t number;
    double real;
    bool truth;

    if (row->type == DIRECTIVE_TYPE_BOOL && directive_read(row, text, &truth, complaint))
        return json_boolean(truth);
    if (row->type == DIRECTIVE_TYPE_REAL && directive_read(row, text, &real, complaint))
        return json_real(real);
    if (row->type == DIRECTIVE_TYPE_NUMBER && directive_read(row, text, &number, complaint) &&
        number <= INT64_MAX)
        return json_integer((json_int_t)number);
    return json_string(row->default_text);
}

static json_t *row_schema(const struct directive *row, struct definitions *definitions)
{
    json_t *schema = schemas[row->type](row, definitions);

    if (row->help)
        put(schema, "description", json_string(row->help));
    if (row->default_text)
        put(schema, "default", default_value(row));
    return schema;
}

static void rows_add(const struct directive_set *set, json_t *properties, json_t *required,
                     struct definitions *definitions)
{
    for (size_t i = 0; i < set->count; i++) {
        put(properties, set->rows[i].key, row_schema(&set->rows[i], definitions));
        if (set->rows[i].required)
            json_array_append_new(required, json_string(set->rows[i].key));
    }
}

static void mapping_finish(json_t *schema, json_t *properties, json_t *required)
{
    put(schema, "type", json_string("object"));
    put(schema, "properties", properties);
    put(schema, "additionalProperties", json_false());
    if (json_array_size(required) > 0)
        put(schema, "required", required);
    else
        json_decref(required);
}

static json_t *set_schema(const struct directive_set *set, struct definitions *definitions)
{
    json_t *schema = json_object(), *properties = json_object(), *required = json_array();

    if (set->help)
        put(schema, "description", json_string(set->help));
    rows_add(set, properties, required, definitions);
    mapping_finish(schema, properties, required);
    return schema;
}

void conf_print_schema(const struct directive_set *const *sets, struct buf *out)
{
    json_t *schema = json_object(), *properties = json_object(), *required = json_array();
    struct definitions definitions = { .map = json_object() };

    conf_sets_collect(&definitions.names, sets);
    put(schema, "$schema", json_string(SCHEMA_DIALECT));
    put(schema, "title", json_string("sluice"));
    for (; *sets; sets++) {
        struct directive top = conf_top_row(*sets);

        if ((*sets)->shape == DIRECTIVE_ROOT)
            rows_add(*sets, properties, required, &definitions);
        else
            put(properties, (*sets)->key, row_schema(&top, &definitions));
    }
    mapping_finish(schema, properties, required);
    put(schema, "$defs", definitions.map);
    conf_json_lines(schema, out);
}
