/*
 * tojson as transformers has it: json.dumps(ensure_ascii, indent, separators, sort_keys), without
 * Jinja2's escapes for HTML.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_sort.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

#include <math.h>
#include <stdio.h>

struct dumper {
    struct run *run;
    struct slice item_separator, key_separator;
    bool ascii, sort_keys;
    bool indented;
    struct slice indent; /* of one level */
    uint32_t level;
};

static void dump(struct dumper *d, const struct value *value);

static void dump_escape(struct dumper *d, uint32_t point)
{
    static const char letters[128] = { ['"'] = '"',  ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r',
                                       ['\t'] = 't', ['\b'] = 'b',  ['\f'] = 'f' };
    char out[16];
    int len;

    if (point < 0x80 && letters[point])
        len = snprintf(out, sizeof(out), "\\%c", letters[point]);
    else if (point < 0x10000)
        len = snprintf(out, sizeof(out), "\\u%04x", point);
    else
        len = snprintf(out, sizeof(out), "\\u%04x\\u%04x", 0xd800 + ((point - 0x10000) >> 10),
                       0xdc00 + (point & 0x3ff));
    run_write(d->run, slice_of(out, (size_t)len));
}

/* Bytes that stand for themselves whatever the options are. */
static bool is_plain(unsigned char c)
{
    return c >= ' ' && c != '"' && c != '\\' && c < 0x7f;
}

static void dump_text(struct dumper *d, struct slice text)
{
    struct slice plain = text; /* not yet written */

    if (!run_step_bytes(d->run, text.len))
        return;
    run_write_char(d->run, '"');
    while (text.len > 0) {
        struct slice at = text;
        uint32_t point;

        if (is_plain((unsigned char)text.at[0])) {
            text.at++;
            text.len--;
            continue;
        }
        point = text_take(&text);
        if (point >= 0x7f && (point == 0x7f || !d->ascii))
            continue;
        run_write(d->run, slice_of(plain.at, (size_t)(at.at - plain.at)));
        dump_escape(d, point);
        plain = text;
    }
    run_write(d->run, plain);
    run_write_char(d->run, '"');
}

static void dump_number(struct dumper *d, const struct value *number)
{
    if (number->kind == VALUE_FLOAT && !isfinite(number->real))
        run_write(d->run, isnan(number->real) ? SLICE("NaN")
                          : number->real > 0  ? SLICE("Infinity")
                                              : SLICE("-Infinity"));
    else
        print_repr(d->run, number);
}

static void new_line(struct dumper *d)
{
    if (!d->indented)
        return;
    run_write_char(d->run, '\n');
    run_write_fill(d->run, d->indent, d->level);
}

static void begin_item(struct dumper *d, uint32_t number)
{
    if (number > 0)
        run_write(d->run, d->item_separator);
    new_line(d);
}

static void dump_items(struct dumper *d, const struct value *list)
{
    run_write_char(d->run, '[');
    d->level++;
    for (uint32_t i = 0; i < list->count && !d->run->reason; i++) {
        begin_item(d, i);
        dump(d, list->items[i]);
    }
    d->level--;
    if (list->count > 0)
        new_line(d);
    run_write_char(d->run, ']');
}

/* Keys that are no texts become texts as JSON writes them. */
static void dump_key(struct dumper *d, const struct value *key)
{
    if (key->kind == VALUE_TEXT) {
        dump_text(d, value_slice(key));
        return;
    }
    if (key->kind != VALUE_NONE && !number_is(key)) {
        run_fail(d->run, "keys must be str, int, float, bool or None, not %s", type_name(key));
        return;
    }
    run_write_char(d->run, '"');
    dump(d, key);
    run_write_char(d->run, '"');
}

static void dump_dict(struct dumper *d, const struct value *dict)
{
    const struct value *pairs = d->sort_keys ? sorted_pairs(d->run, dict) : NULL;

    if (d->run->reason)
        return;
    run_write_char(d->run, '{');
    d->level++;
    for (uint32_t i = 0; i < dict->count && !d->run->reason; i++) {
        begin_item(d, i);
        dump_key(d, pairs ? pairs->items[i]->items[0] : &value_entry(dict, i)->key);
        run_write(d->run, d->key_separator);
        dump(d, pairs ? pairs->items[i]->items[1] : value_entry(dict, i)->item);
    }
    d->level--;
    if (dict->count > 0)
        new_line(d);
    run_write_char(d->run, '}');
}

static void dump_kind(struct dumper *d, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_NONE:
        run_write(d->run, SLICE("null"));
        break;
    case VALUE_BOOL:
        run_write(d->run, value->integer ? SLICE("true") : SLICE("false"));
        break;
    case VALUE_INT:
    case VALUE_BIG:
    case VALUE_FLOAT:
        dump_number(d, value);
        break;
    case VALUE_TEXT:
        dump_text(d, value_slice(value));
        break;
    case VALUE_LIST:
    case VALUE_TUPLE:
        dump_items(d, value);
        break;
    case VALUE_DICT:
        dump_dict(d, value);
        break;
    default:
        run_fail(d->run, "Object of type %s is not JSON serializable", type_name(value));
    }
}

static void dump(struct dumper *d, const struct value *value)
{
    if (!run_step(d->run, 1) || !run_enter(d->run))
        return;
    dump_kind(d, value);
    run_leave(d->run);
}

/* indent: None, a number of spaces, or the text itself. */
static bool read_indent(struct dumper *d, const struct value *indent)
{
    const struct value *spaces;
    const struct value space = { .kind = VALUE_TEXT, .count = 1, .text = " " };

    if (!indent || indent->kind == VALUE_NONE)
        return true;
    d->indented = true;
    if (indent->kind == VALUE_TEXT) {
        d->indent = value_slice(indent);
        return true;
    }
    if (!value_is_int(indent)) {
        run_fail(d->run, "indent is a number, a str or None");
        return false;
    }
    spaces = arithmetic(d->run, NUMBER_MUL, &space, indent);
    if (spaces)
        d->indent = value_slice(spaces);
    return spaces;
}

/* separators: None or (between items, behind keys). */
static bool read_separators(struct dumper *d, const struct value *separators)
{
    d->item_separator = d->indented ? SLICE(",") : SLICE(", ");
    d->key_separator = SLICE(": ");
    if (!separators || separators->kind == VALUE_NONE)
        return true;
    if ((separators->kind != VALUE_TUPLE && separators->kind != VALUE_LIST) ||
        separators->count != 2 || separators->items[0]->kind != VALUE_TEXT ||
        separators->items[1]->kind != VALUE_TEXT) {
        run_fail(d->run, "separators are two texts");
        return false;
    }
    d->item_separator = value_slice(separators->items[0]);
    d->key_separator = value_slice(separators->items[1]);
    return true;
}

const struct value *filter_tojson(struct run *run, const struct value *self,
                                  const struct value *const *bound)
{
    struct dumper d = {
        .run = run,
        .ascii = bound[0] && value_truth(bound[0]),
        .sort_keys = bound[3] && value_truth(bound[3]),
    };
    struct capture capture;

    if (!read_indent(&d, bound[1]) || !read_separators(&d, bound[2]))
        return NULL;
    capture = run_capture(run);
    dump(&d, self);
    return run_captured(run, capture);
}
