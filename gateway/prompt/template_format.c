/*
 * Numbers in notations, padding, and the % operator.
 */
#include "gateway/prompt/template_format.h"

#include "gateway/base/real.h"
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/text.h"
#include "gateway/prompt/value_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A float's longest: 309 digits, the precision, and some. */
#define REAL_BYTES (FORMAT_PRECISION_MAX + 400)

void format_padded(struct run *run, const struct format_spec *spec, struct slice sign,
                   struct slice body)
{
    int64_t points = (int64_t)(text_points(sign) + text_points(body));
    int64_t pad = spec->width > points ? spec->width - points : 0;
    int64_t left = spec->align == '<' ? 0 : spec->align == '^' ? pad / 2 : pad;

    if (spec->align == '=') {
        run_write(run, sign);
        run_write_fill(run, spec->fill, pad);
    } else {
        run_write_fill(run, spec->fill, left);
        run_write(run, sign);
    }
    run_write(run, body);
    if (spec->align != '=')
        run_write_fill(run, spec->fill, pad - left);
}

bool format_number(struct slice *text, int64_t *ret_number)
{
    int64_t number = 0;

    for (; text->len > 0 && text->at[0] >= '0' && text->at[0] <= '9';
         *text = slice_skip(*text, 1)) {
        number = number * 10 + (text->at[0] - '0');
        if (number > INT32_MAX)
            return false;
    }
    *ret_number = number;
    return true;
}

static struct slice sign_of(const struct format_spec *spec, bool negative)
{
    return negative            ? SLICE("-")
           : spec->sign == '+' ? SLICE("+")
           : spec->sign == ' ' ? SLICE(" ")
                               : SLICE("");
}

/* A separator between groups of digits of the whole part. */
static struct slice grouped(const struct format_spec *spec, struct slice digits, size_t size,
                            char *out)
{
    size_t whole = 0, at = 0;

    while (whole < digits.len && digits.at[whole] != '.' && digits.at[whole] != 'e')
        whole++;
    for (size_t i = 0; i < digits.len; i++) {
        if (i > 0 && i < whole && (whole - i) % size == 0)
            out[at++] = spec->grouping;
        out[at++] = digits.at[i];
    }
    return slice_of(out, at);
}

/* Other bases than ten, of what fits 64 bits. */
static struct slice in_base(uint64_t magnitude, unsigned base, bool upper, char out[65])
{
    char *at = out + 65;

    do {
        *--at = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base];
        magnitude /= base;
    } while (magnitude);
    return slice_of(at, (size_t)(out + 65 - at));
}

/* The same of any int, seven digits a division: less than 2^32 in all three bases. */
static bool big_in_base(struct run *run, const struct value *number, unsigned base, bool upper,
                        struct slice *ret_digits)
{
    size_t size = (size_t)number->count * 31 + 8, at = size;
    const struct value chunk = { .kind = VALUE_INT, .integer = (int64_t)pow(base, 7) };
    char *out = run_alloc(run, size);

    number = run_made(run, number_abs(run->arena, number));
    while (out && number && number_truth(number)) {
        const struct value *rest = arithmetic(run, NUMBER_MOD, number, &chunk);
        int64_t digits = rest ? rest->integer : 0;

        number = rest ? arithmetic(run, NUMBER_FLOORDIV, number, &chunk) : NULL;
        for (int i = 0; number && i < 7 && (digits > 0 || number_truth(number)); i++) {
            out[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[digits % base];
            digits /= base;
        }
    }
    if (!out || !number)
        return false;
    *ret_digits = slice_of(out + at, size - at);
    return true;
}

static bool format_point(struct run *run, const struct format_spec *spec, int64_t point)
{
    char bytes[TEXT_POINT_BYTES];

    if (point < 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return run_fail(run, "%%c arg not in range(0x110000)");
    format_padded(run, spec, SLICE(""), slice_of(bytes, text_put(bytes, (uint32_t)point)));
    return true;
}

bool format_int(struct run *run, const struct format_spec *spec, const struct value *number)
{
    unsigned base = spec->type == 'x' || spec->type == 'X' ? 16
                    : spec->type == 'o'                    ? 8
                    : spec->type == 'b'                    ? 2
                                                           : 10;
    char room[65], prefix[4] = "", *digits, *groups;
    struct slice body;
    bool negative =
        number->kind == VALUE_BIG ? number->flags & VALUE_NEGATIVE : number->integer < 0;
    size_t len;

    if (spec->type == 'c')
        return format_point(run, spec, number->kind == VALUE_BIG ? -1 : number->integer);
    digits = run_alloc(run, number_int_bytes(number));
    groups = run_alloc(run, 8 * number_int_bytes(number) + 130);
    if (!digits || !groups)
        return false;
    if (base == 10) {
        len = number_print_int(number, digits);
        body = slice_skip(slice_of(digits, len), negative);
    } else if (number->kind == VALUE_BIG) {
        if (!big_in_base(run, number, base, spec->type == 'X', &body))
            return false;
    } else {
        body = in_base(negative ? -(uint64_t)number->integer : (uint64_t)number->integer, base,
                       spec->type == 'X', room);
    }
    if (body.len > NUMBER_DIGITS_MAX)
        return run_fail(run, "an integer has too many digits to be printed");
    if (spec->grouping)
        body = grouped(spec, body, base == 10 ? 3 : 4, groups);
    len = (size_t)snprintf(prefix, sizeof(prefix), "%.*s", SLICE_ARGS(sign_of(spec, negative)));
    if (spec->alternate && base != 10)
        snprintf(prefix + len, sizeof(prefix) - len, "0%c", spec->type);
    format_padded(run, spec, slice_str(prefix), body);
    return !run->reason;
}

/* repr with at least one digit behind the point, as format() without a type has it. */
static size_t print_general(const struct format_spec *spec, double number, char *out)
{
    size_t len;
    int exponent;

    if (spec->precision < 0)
        return real_repr(number, out);
    len = (size_t)sprintf(out, "%.*e", (int)(spec->precision ? spec->precision - 1 : 0), number);
    exponent = atoi(memchr(out, 'e', len) ? strchr(out, 'e') + 1 : "0");
    len = (size_t)sprintf(out, "%.*g", (int)(spec->precision ? spec->precision : 1), number);
    if (exponent >= -4 && exponent < spec->precision && !memchr(out, '.', len) &&
        !memchr(out, 'e', len) && isfinite(number))
        len += (size_t)sprintf(out + len, ".0");
    return len;
}

bool format_real(struct run *run, const struct format_spec *spec, double number)
{
    char out[REAL_BYTES], groups[2 * REAL_BYTES], format[16];
    double magnitude = fabs(number);
    int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    struct slice body;
    size_t len;

    if (spec->precision > FORMAT_PRECISION_MAX)
        return run_limit(run, "a precision is too large");
    if (spec->type == 0) {
        len = print_general(spec, magnitude, out);
    } else {
        snprintf(format, sizeof(format), "%%%s.*%c", spec->alternate ? "#" : "",
                 spec->type == '%' ? 'f' : spec->type);
        len = (size_t)snprintf(out, sizeof(out), format, precision,
                               spec->type == '%' ? magnitude * 100 : magnitude);
        if (spec->type == '%')
            out[len++] = '%';
    }
    body = slice_of(out, len);
    if (spec->grouping && isfinite(number))
        body = grouped(spec, body, 3, groups);
    format_padded(run, spec, sign_of(spec, signbit(number) && !isnan(number)), body);
    return !run->reason;
}

/* What % formats. */
struct percent {
    struct run *run;
    const struct value *values; /* a tuple, a dict, or one value */
    uint32_t used;
    bool named;
};

static const struct value *next_value(struct percent *p)
{
    if (p->values->kind == VALUE_TUPLE) {
        if (p->used < p->values->count)
            return p->values->items[p->used++];
    } else if (p->used++ == 0) {
        return p->values;
    }
    return run_fail(p->run, "not enough arguments for format string");
}

static const struct value *named_value(struct percent *p, struct slice name)
{
    const struct value *value;

    if (p->values->kind != VALUE_DICT)
        return run_fail(p->run, "format requires a mapping");
    p->named = true;
    value = value_get(p->values, name);
    return value ? value : run_fail(p->run, "KeyError in a format string");
}

/* A width or precision: digits, or * for the next value. */
static bool read_size(struct percent *p, struct slice *text, int64_t *ret_size)
{
    const struct value *value;

    if (text->len == 0 || text->at[0] != '*') {
        if (format_number(text, ret_size))
            return true;
        run_limit(p->run, "a width is too large");
        return false;
    }
    *text = slice_skip(*text, 1);
    value = next_value(p);
    if (!value)
        return false;
    if (!value_is_int(value)) {
        run_fail(p->run, "* wants int");
        return false;
    }
    *ret_size = value->integer > INT32_MAX    ? INT32_MAX
                : value->integer < -INT32_MAX ? -INT32_MAX
                                              : value->integer;
    return true;
}

/* Flags, width, precision. */
static bool read_spec(struct percent *p, struct slice *text, struct format_spec *spec)
{
    bool left = false, zero = false;

    *spec = (struct format_spec){ .fill = SLICE(" "), .align = '>', .precision = -1 };
    for (; text->len > 0 && strchr("#0- +", text->at[0]); *text = slice_skip(*text, 1)) {
        char c = text->at[0];

        left |= c == '-';
        zero |= c == '0';
        spec->alternate |= c == '#';
        if (c == '+' || (c == ' ' && spec->sign != '+'))
            spec->sign = c;
    }
    if (!read_size(p, text, &spec->width))
        return false;
    if (spec->width < 0) {
        left = true;
        spec->width = -spec->width;
    }
    if (text->len > 0 && text->at[0] == '.') {
        *text = slice_skip(*text, 1);
        if (!read_size(p, text, &spec->precision))
            return false;
        spec->precision = spec->precision < 0 ? 0 : spec->precision;
    }
    while (text->len > 0 && strchr("hlL", text->at[0]))
        *text = slice_skip(*text, 1);
    if (zero && !left) {
        spec->fill = SLICE("0");
        spec->align = '=';
    }
    if (left)
        spec->align = '<';
    return true;
}

/* %s, %r, %a */
static void put_text(struct percent *p, struct format_spec *spec, const struct value *value)
{
    struct capture capture = run_capture(p->run);
    const struct value *text;
    struct slice slice;

    if (spec->type == 's')
        print_str(p->run, value);
    else
        print_repr(p->run, value);
    text = run_captured(p->run, capture);
    if (!text)
        return;
    slice = value_slice(text);
    if (spec->precision >= 0)
        slice = slice_head(slice, text_offset(slice, (size_t)spec->precision));
    if (spec->align == '=') { /* 0 pads numbers only */
        spec->fill = SLICE(" ");
        spec->align = '>';
    }
    format_padded(p->run, spec, SLICE(""), slice);
}

static void put_int(struct percent *p, struct format_spec *spec, const struct value *value)
{
    const struct value *text;

    if (spec->type == 'c' && value->kind == VALUE_TEXT && text_points(value_slice(value)) == 1) {
        format_padded(p->run, spec, SLICE(""), value_slice(value));
        return;
    }
    if (value->kind == VALUE_FLOAT && strchr("diu", spec->type))
        value = filter_int(p->run, value, (const struct value *const[]){ NULL, NULL });
    if (!value)
        return;
    if (!number_is(value) || value->kind == VALUE_FLOAT) {
        run_fail(p->run, "%%%c format: a real number is required, not %s", spec->type,
                 type_name(value));
        return;
    }
    if (strchr("diu", spec->type))
        spec->type = 'd';
    if (spec->precision > 0) { /* as many digits at least */
        const struct value *plain = text_of(p->run, value);
        const struct value width = { .kind = VALUE_INT,
                                     .integer = spec->precision + (value->integer < 0) };

        text = plain && spec->type == 'd'
                   ? text_method_zfill(p->run, plain, (const struct value *const[]){ &width })
                   : NULL;
        if (text)
            format_padded(p->run, spec, SLICE(""), value_slice(text));
        return;
    }
    format_int(p->run, spec, value);
}

static void put_real(struct percent *p, struct format_spec *spec, const struct value *value)
{
    if (number_is(value))
        format_real(p->run, spec, number_real(value));
    else
        run_fail(p->run, "must be real number, not %s", type_name(value));
}

static void put_value(struct percent *p, struct format_spec *spec, const struct value *value)
{
    if (spec->type && strchr("sra", spec->type))
        put_text(p, spec, value);
    else if (spec->type && strchr("diuxXoc", spec->type))
        put_int(p, spec, value);
    else if (spec->type && strchr("eEfFgG", spec->type))
        put_real(p, spec, value);
    else
        run_fail(p->run, "unsupported format character");
}

/* Behind a percent sign. */
static bool put_one(struct percent *p, struct slice *text)
{
    const struct value *value = NULL;
    struct format_spec spec;

    if (text->len > 0 && text->at[0] == '(') {
        size_t end = slice_find(*text, ')');

        if (end == text->len)
            return run_fail(p->run, "incomplete format key");
        value = named_value(p, slice_of(text->at + 1, end - 1));
        *text = slice_skip(*text, end + 1);
        if (!value)
            return false;
    }
    if (!read_spec(p, text, &spec))
        return false;
    if (text->len == 0)
        return run_fail(p->run, "incomplete format");
    spec.type = text->at[0];
    *text = slice_skip(*text, 1);
    if (spec.type == '%') {
        run_write_char(p->run, '%');
        return true;
    }
    if (!value)
        value = next_value(p);
    if (value)
        put_value(p, &spec, value);
    return !p->run->reason;
}

const struct value *format_percent(struct run *run, const struct value *format,
                                   const struct value *values)
{
    struct percent p = { .run = run, .values = values };
    struct capture capture = run_capture(run);
    struct slice text = value_slice(format);

    while (text.len > 0 && run_step(run, 1)) {
        size_t percent = slice_find(text, '%');

        run_write(run, slice_head(text, percent));
        if (percent == text.len)
            break;
        text = slice_skip(text, percent + 1);
        if (!put_one(&p, &text))
            break;
    }
    if (!p.named && values->kind != VALUE_DICT && values->kind != VALUE_LIST &&
        p.used < (values->kind == VALUE_TUPLE ? values->count : 1))
        run_fail(run, "not all arguments converted during string formatting");
    return run_captured(run, capture);
}
