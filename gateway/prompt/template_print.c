/*
 * str() and repr() as Python writes them.
 */
#include "gateway/prompt/template_eval.h"

#include "gateway/base/real.h"
#include "gateway/prompt/text.h"
#include "gateway/prompt/value_number.h"

#include <stdio.h>

static void print_number(struct run *run, const struct value *number)
{
    char room[REAL_TEXT_BYTES], *digits = room;

    if (number->kind == VALUE_FLOAT) {
        run_write(run, slice_of(room, real_repr(number->real, room)));
        return;
    }
    if (number->kind == VALUE_BIG) {
        if (number->count * 9ull > NUMBER_DIGITS_MAX + 9) {
            run_fail(run, "an integer has too many digits to be printed");
            return;
        }
        digits = run_alloc(run, number_int_bytes(number));
        if (!digits)
            return;
    }
    run_write(run, slice_of(digits, number_print_int(number, digits)));
}

/* A character of a repr that is not written as it is. */
static void print_escape(struct run *run, uint32_t point)
{
    char out[16];
    int len;

    if (point == '\n' || point == '\r' || point == '\t')
        len = snprintf(out, sizeof(out), "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
    else if (point < 0x80 && point >= ' ')
        len = snprintf(out, sizeof(out), "\\%c", (char)point);
    else
        len = snprintf(out, sizeof(out),
                       point < 0x100     ? "\\x%02x"
                       : point < 0x10000 ? "\\u%04x"
                                         : "\\U%08x",
                       point);
    run_write(run, slice_of(out, (size_t)len));
}

static void print_text_repr(struct run *run, struct slice text)
{
    bool single = memchr(text.at, '\'', text.len), twice = memchr(text.at, '"', text.len);
    char quote = single && !twice ? '"' : '\'';
    struct slice plain = text; /* not yet written */

    if (!run_step_bytes(run, text.len))
        return;
    run_write_char(run, quote);
    while (text.len > 0) {
        struct slice at = text;
        uint32_t point = text_take(&text);

        if (point < 0x7f ? point >= ' ' && point != '\\' && point != (unsigned char)quote
                         : text_is(TEXT_PRINTABLE, point))
            continue;
        run_write(run, slice_of(plain.at, (size_t)(at.at - plain.at)));
        print_escape(run, point);
        plain = text;
    }
    run_write(run, plain);
    run_write_char(run, quote);
}

static void print_bytes_repr(struct run *run, struct slice bytes)
{
    bool single = memchr(bytes.at, '\'', bytes.len), twice = memchr(bytes.at, '"', bytes.len);
    char quote = single && !twice ? '"' : '\'';

    run_write_char(run, 'b');
    run_write_char(run, quote);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.at[i];

        if (c >= ' ' && c < 0x7f && c != '\\' && c != (unsigned char)quote)
            run_write_char(run, (char)c);
        else
            print_escape(run, c);
    }
    run_write_char(run, quote);
}

static void print_items(struct run *run, const struct value *value)
{
    bool tuple = value->kind == VALUE_TUPLE;

    run_write_char(run, tuple ? '(' : '[');
    for (uint32_t i = 0; i < value->count && !run->reason; i++) {
        if (i > 0)
            run_write(run, SLICE(", "));
        print_repr(run, value->items[i]);
    }
    if (tuple && value->count == 1)
        run_write_char(run, ',');
    run_write_char(run, tuple ? ')' : ']');
}

static void print_dict(struct run *run, const struct value *dict)
{
    run_write_char(run, '{');
    for (uint32_t i = 0; i < dict->count && !run->reason; i++) {
        if (i > 0)
            run_write(run, SLICE(", "));
        print_repr(run, &value_entry(dict, i)->key);
        run_write(run, SLICE(": "));
        print_repr(run, value_entry(dict, i)->item);
    }
    run_write_char(run, '}');
}

static void print_view(struct run *run, const struct value *value)
{
    static const char *const names[] = { "dict_keys(", "dict_values(", "dict_items(" };
    const struct view *view = value->object;
    const struct value *items = run_sequence(run, VALUE_LIST, value);

    run_write(run, slice_str(names[view->what]));
    if (items)
        print_items(run, items);
    run_write_char(run, ')');
}

static void print_range(struct run *run, const struct value *value)
{
    const struct range *range = value->object;
    char out[96];
    int len = snprintf(out, sizeof(out), "range(%lld, %lld", (long long)range->start,
                       (long long)range->stop);

    if (range->step != 1)
        len += snprintf(out + len, sizeof(out) - (size_t)len, ", %lld", (long long)range->step);
    run_write(run, slice_of(out, (size_t)len));
    run_write_char(run, ')');
}

static void print_loop(struct run *run, const struct value *value)
{
    const struct value *index = loop_attribute(run, value, SLICE("index"));
    const struct value *length = loop_attribute(run, value, SLICE("length"));

    if (!index || !length)
        return;
    run_write(run, SLICE("<LoopContext "));
    print_number(run, index);
    run_write_char(run, '/');
    print_number(run, length);
    run_write_char(run, '>');
}

/* What Python prints with an address, which is never the same, is refused. */
static void print_object(struct run *run, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_VIEW:
        print_view(run, value);
        break;
    case VALUE_RANGE:
        print_range(run, value);
        break;
    case VALUE_LOOP:
        print_loop(run, value);
        break;
    case VALUE_NAMESPACE:
        run_write(run, SLICE("<Namespace "));
        print_dict(run, value->object);
        run_write_char(run, '>');
        break;
    case VALUE_MACRO:
        run_write(run, SLICE("<Macro "));
        print_text_repr(run, value_slice(((const struct macro *)value->object)->node->constant));
        run_write_char(run, '>');
        break;
    default:
        run_fail(run, "a %s has no text", type_name(value));
    }
}

static void print_kind(struct run *run, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_UNDEFINED:
        run_write(run, SLICE("Undefined"));
        break;
    case VALUE_NONE:
        run_write(run, SLICE("None"));
        break;
    case VALUE_BOOL:
        run_write(run, value->integer ? SLICE("True") : SLICE("False"));
        break;
    case VALUE_INT:
    case VALUE_BIG:
    case VALUE_FLOAT:
        print_number(run, value);
        break;
    case VALUE_TEXT:
        if (value->flags & VALUE_MARKUP)
            run_write(run, SLICE("Markup("));
        print_text_repr(run, value_slice(value));
        if (value->flags & VALUE_MARKUP)
            run_write_char(run, ')');
        break;
    case VALUE_BYTES:
        print_bytes_repr(run, value_slice(value));
        break;
    case VALUE_LIST:
    case VALUE_TUPLE:
        print_items(run, value);
        break;
    case VALUE_DICT:
        print_dict(run, value);
        break;
    default:
        print_object(run, value);
    }
}

void print_repr(struct run *run, const struct value *value)
{
    if (!run_step(run, 1) || !run_enter(run))
        return;
    print_kind(run, value);
    run_leave(run);
}

void print_str(struct run *run, const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        run_write(run, value_slice(value));
    else if (value->kind != VALUE_UNDEFINED)
        print_repr(run, value);
}

const struct value *text_of(struct run *run, const struct value *value)
{
    struct capture capture;

    if (value->kind == VALUE_TEXT)
        return value;
    capture = run_capture(run);
    print_str(run, value);
    return run_captured(run, capture);
}

bool slice_of_value(struct run *run, const struct value *value, struct slice *ret_text)
{
    const struct value *text = text_of(run, value);

    if (text)
        *ret_text = value_slice(text);
    return text != NULL;
}

void print_escaped(struct run *run, struct slice text)
{
    static const struct {
        char c;
        struct slice entity;
    } entities[] = { { '&', SLICE_INIT("&amp;") },
                     { '<', SLICE_INIT("&lt;") },
                     { '>', SLICE_INIT("&gt;") },
                     { '"', SLICE_INIT("&#34;") },
                     { '\'', SLICE_INIT("&#39;") } };

    for (size_t i = 0; i < text.len && !run->reason; i++) {
        size_t k = 0;

        while (k < ARRAY_LEN(entities) && entities[k].c != text.at[i])
            k++;
        if (k < ARRAY_LEN(entities))
            run_write(run, entities[k].entity);
        else
            run_write_char(run, text.at[i]);
    }
}
