/*
 * str.format: fields in braces, with the sandbox's access to attributes and items.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_format.h"
#include "gateway/prompt/text.h"
#include "gateway/prompt/value_number.h"

struct braces {
    struct run *run;
    const struct arguments *arguments;
    uint32_t next;  /* automatic number of the next field */
    bool automatic; /* fields without numbers were met, */
    bool manual;    /* or fields with them */
};

static void format_text(struct braces *b, struct slice text, int level);

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '^' || c == '=';
}

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static bool read_spec(struct run *run, struct slice text, struct format_spec *spec)
{
    struct slice rest = text;

    *spec = (struct format_spec){ .fill = SLICE(" "), .precision = -1 };
    if (text.len > 0)
        text_take(&rest);
    if (rest.len > 0 && rest.len < text.len && is_align(rest.at[0])) {
        spec->fill = slice_head(text, text.len - rest.len);
        text = rest;
    }
    if (text.len > 0 && is_align(text.at[0])) {
        spec->align = text.at[0];
        text = slice_skip(text, 1);
    }
    if (text.len > 0 && strchr("+- ", text.at[0])) {
        spec->sign = text.at[0];
        text = slice_skip(text, 1);
    }
    if (text.len > 0 && text.at[0] == '#') {
        spec->alternate = true;
        text = slice_skip(text, 1);
    }
    if (text.len > 0 && text.at[0] == '0' && !spec->align) {
        spec->fill = SLICE("0");
        spec->align = '=';
        spec->zero = true;
    }
    if (!format_number(&text, &spec->width))
        return run_limit(run, "a width is too large");
    if (text.len > 0 && (text.at[0] == ',' || text.at[0] == '_')) {
        spec->grouping = text.at[0];
        text = slice_skip(text, 1);
    }
    if (text.len > 1 && text.at[0] == '.') {
        text = slice_skip(text, 1);
        if (!format_number(&text, &spec->precision))
            return run_limit(run, "a precision is too large");
    }
    if (text.len > 1)
        return run_fail(run, "invalid format specifier");
    spec->type = text.len ? text.at[0] : 0;
    return true;
}

static bool format_str(struct run *run, struct format_spec *spec, struct slice text)
{
    if ((spec->type && spec->type != 's') || spec->align == '=' || spec->grouping || spec->sign ||
        spec->alternate)
        return run_fail(run, "unknown format code for object of type 'str'");
    if (spec->precision >= 0)
        text = slice_head(text, text_offset(text, (size_t)spec->precision));
    if (!spec->align)
        spec->align = '<';
    format_padded(run, spec, SLICE(""), text);
    return true;
}

/* format(value, spec) */
static void format_value(struct run *run, const struct value *value, struct slice text)
{
    struct format_spec spec;

    if (text.len == 0) {
        print_str(run, value);
        return;
    }
    if (!read_spec(run, text, &spec))
        return;
    if (number_is(value) && !spec.align)
        spec.align = '>';
    if (value->kind == VALUE_TEXT) {
        if (spec.zero) /* pads texts as any other fill does */
            spec.align = '<';
        format_str(run, &spec, value_slice(value));
    } else if (!number_is(value)) {
        run_fail(run, "unsupported format string passed to %s.__format__", type_name(value));
    } else if (spec.type && strchr("eEfFgG%", spec.type)) {
        format_real(run, &spec, number_real(value));
    } else if (value->kind == VALUE_FLOAT && (!spec.type || spec.type == 'n')) {
        spec.type = 0;
        format_real(run, &spec, value->real);
    } else if (value->kind != VALUE_FLOAT && spec.precision < 0 &&
               (!spec.type || strchr("dxXobcn", spec.type))) {
        format_int(run, &spec, value);
    } else {
        run_fail(run, "unknown format code for object of type '%s'", type_name(value));
    }
}

static bool is_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len > 0;
}

/* The argument that a field begins with: its name, number, or the next one. */
static const struct value *field_argument(struct braces *b, struct slice name)
{
    struct run *run = b->run;
    int64_t number = b->next;

    if (name.len > 0 && !is_digits(name)) {
        for (uint32_t i = 0; i < b->arguments->named; i++)
            if (slice_eq(value_slice(b->arguments->names[i]), name))
                return b->arguments->items[b->arguments->positional + i];
        return run_fail(run, "KeyError in a format string");
    }
    b->automatic |= name.len == 0;
    b->manual |= name.len > 0;
    if (b->automatic && b->manual)
        return run_fail(run, "automatic and manual field numbers do not mix");
    if (name.len == 0)
        b->next++;
    else if (!format_number(&name, &number))
        return run_limit(run, "a field's number is too large");
    if (number >= b->arguments->positional)
        return run_fail(run, "replacement index %lld out of range", (long long)number);
    return b->arguments->items[number];
}

/* name.attribute[item]... */
static const struct value *field_value(struct braces *b, struct slice path)
{
    size_t end = 0;
    const struct value *value;

    while (end < path.len && path.at[end] != '.' && path.at[end] != '[')
        end++;
    value = field_argument(b, slice_head(path, end));
    path = slice_skip(path, end);
    while (value && path.len > 0) {
        bool item = path.at[0] == '[';
        const struct value *key;

        path = slice_skip(path, 1);
        for (end = 0; end < path.len &&
                      (item ? path.at[end] != ']' : path.at[end] != '.' && path.at[end] != '[');)
            end++;
        key = item && is_digits(slice_head(path, end)) && end < 18
                  ? run_made(b->run, number_parse_int(b->run->arena, slice_head(path, end), 10))
                  : run_text(b->run, slice_head(path, end));
        if (!key)
            return NULL;
        value = item ? access_item(b->run, value, key)
                     : access_attribute(b->run, value, key, native_methods(value_slice(key)));
        path = slice_skip(path, end + item);
    }
    return value;
}

/* One field, its braces taken off. */
static void put_field(struct braces *b, struct slice field, int level)
{
    size_t name_end = 0;
    struct slice spec = SLICE(""), name;
    const struct value *value, *inner;
    struct capture capture;
    char conversion = 0;

    while (name_end < field.len && field.at[name_end] != '!' && field.at[name_end] != ':')
        name_end += field.at[name_end] == '[' ? slice_find(slice_skip(field, name_end), ']') : 1;
    name = slice_head(field, name_end);
    field = slice_skip(field, name_end);
    if (field.len > 1 && field.at[0] == '!') {
        conversion = field.at[1];
        field = slice_skip(field, 2);
    }
    if (field.len > 0 && field.at[0] != ':') {
        run_fail(b->run, "expected ':' after conversion specifier");
        return;
    }
    spec = slice_skip(field, 1);
    value = field_value(b, name);
    if (!value)
        return;
    if (conversion) {
        capture = run_capture(b->run);
        if (conversion == 's')
            print_str(b->run, value);
        else if (conversion == 'r')
            print_repr(b->run, value);
        else
            run_fail(b->run, "unknown conversion specifier");
        value = run_captured(b->run, capture);
    }
    if (value && slice_find(spec, '{') < spec.len) {
        capture = run_capture(b->run);
        format_text(b, spec, level + 1);
        inner = run_captured(b->run, capture);
        if (!inner)
            return;
        spec = value_slice(inner);
    }
    if (value)
        format_value(b->run, value, spec);
}

/* The bytes up to the brace that closes a field; text.len when none does. */
static size_t field_end(struct slice text)
{
    size_t depth = 0, i = 0;

    for (; i < text.len; i++) {
        if (text.at[i] == '{')
            depth++;
        else if (text.at[i] == '}' && depth-- == 0)
            break;
    }
    return i;
}

static void format_text(struct braces *b, struct slice text, int level)
{
    if (level > 2) {
        run_fail(b->run, "Max string recursion exceeded");
        return;
    }
    while (text.len > 0 && run_step(b->run, 1)) {
        size_t plain = 0, end;
        char brace;

        while (plain < text.len && text.at[plain] != '{' && text.at[plain] != '}')
            plain++;
        run_write(b->run, slice_head(text, plain));
        text = slice_skip(text, plain);
        if (text.len == 0)
            return;
        brace = text.at[0];
        text = slice_skip(text, 1);
        if (text.len > 0 && text.at[0] == brace) {
            run_write_char(b->run, brace);
            text = slice_skip(text, 1);
            continue;
        }
        end = field_end(text);
        if (brace == '}' || end == text.len) {
            run_fail(b->run, "single brace in a format string");
            return;
        }
        put_field(b, slice_head(text, end), level);
        text = slice_skip(text, end + 1);
    }
}

const struct value *format_braces(struct run *run, const struct value *format,
                                  const struct arguments *arguments)
{
    struct braces b = { .run = run, .arguments = arguments };
    struct capture capture = run_capture(run);

    format_text(&b, value_slice(format), 0);
    return run_captured(run, capture);
}
