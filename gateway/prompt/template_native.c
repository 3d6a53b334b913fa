/*
 * The tables of natives, made from template_natives.def.
 */
#include "gateway/prompt/template_native.h"

#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"

#define ROW(row_name, function, row_least, row_most, ...)                                          \
    { .name = row_name,                                                                            \
      .call = function,                                                                            \
      .least = row_least,                                                                          \
      .most = row_most,                                                                            \
      .parameters = { __VA_ARGS__ } },
#define ROW_RAW(row_name, function) { .name = row_name, .raw = function },

static const struct native filters[] = {
#define FILTER     ROW
#define FILTER_RAW ROW_RAW
#include "gateway/prompt/template_natives.def"
};

static const struct native tests[] = {
#define TEST ROW
#include "gateway/prompt/template_natives.def"
};

static const struct native globals[] = {
#define GLOBAL     ROW
#define GLOBAL_RAW ROW_RAW
#include "gateway/prompt/template_natives.def"
};

static const struct native methods[] = {
#define METHOD(row_name, row_kind, function, row_least, row_most, ...)                             \
    { .name = row_name,                                                                            \
      .kind = row_kind,                                                                            \
      .call = function,                                                                            \
      .least = row_least,                                                                          \
      .most = row_most,                                                                            \
      .parameters = { __VA_ARGS__ } },
#define METHOD_RAW(row_name, row_kind, function)                                                   \
    { .name = row_name, .kind = row_kind, .raw = function },
#define FORBIDDEN(row_name, row_kind) { .name = row_name, .kind = row_kind, .forbidden = true },
#include "gateway/prompt/template_natives.def"
};

enum global {
#define GLOBAL(name, function, ...) AT_##function,
#define GLOBAL_RAW(name, function)  AT_##function,
#include "gateway/prompt/template_natives.def"
};

static const struct value global_values[] = {
#define GLOBAL(name, function, ...)                                                                \
    { .kind = VALUE_FUNCTION, .object = (void *)&globals[AT_##function] },
#define GLOBAL_RAW(name, function) GLOBAL(name, function)
#include "gateway/prompt/template_natives.def"
};

static const struct native *find(const struct native *rows, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(slice_str(rows[i].name), name))
            return &rows[i];
    return NULL;
}

const struct native *native_filter(struct slice name)
{
    return find(filters, ARRAY_LEN(filters), name);
}

const struct native *native_test(struct slice name)
{
    return find(tests, ARRAY_LEN(tests), name);
}

const struct native *native_methods(struct slice name)
{
    return find(methods, ARRAY_LEN(methods), name);
}

const struct native *native_method_of(const struct native *rows, enum value_kind kind)
{
    const struct native *end = methods + ARRAY_LEN(methods);

    for (const struct native *row = rows; row && row < end && !strcmp(row->name, rows->name); row++)
        if (row->kind == kind)
            return row;
    return NULL;
}

const struct value *native_global(struct slice name)
{
    const struct native *native = find(globals, ARRAY_LEN(globals), name);

    return native ? &global_values[native - globals] : NULL;
}

bool native_int(struct run *run, const struct value *value, int64_t otherwise, int64_t *ret_number)
{
    *ret_number = otherwise;
    if (!value)
        return true;
    if (value->kind == VALUE_BIG)
        return run_limit(run, "an integer is too large");
    if (!value_is_int(value))
        return run_fail(run, "'%s' object cannot be interpreted as an integer", type_name(value));
    *ret_number = value->integer;
    return true;
}
