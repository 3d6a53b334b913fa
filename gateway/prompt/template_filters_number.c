/*
 * Filters on numbers.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

#include <math.h>
#include <stdio.h>

const struct value *filter_abs(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    (void)bound;
    if (!number_is(self))
        return run_fail(run, "bad operand type for abs(): '%s'", type_name(self));
    return run_made(run, number_abs(run->arena, self));
}

/* int(value) of a number. */
static const struct value *cut(struct run *run, const struct value *number)
{
    const struct value *result;
    const char *error;

    if (number->kind != VALUE_FLOAT)
        return number->kind == VALUE_BOOL ? run_int(run, number->integer) : number;
    result = number_cut(run->arena, number, &error);
    if (!result && error)
        return run_fail(run, "%s", error);
    return run_made(run, result);
}

const struct value *filter_int(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    const struct value *otherwise = bound[0] ? bound[0] : run_int(run, 0), *result;
    struct value real = { .kind = VALUE_FLOAT };

    if (self->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined", SLICE_ARGS(value_slice(self)));
    if (number_is(self))
        return self->kind == VALUE_FLOAT && isnan(self->real) ? otherwise : cut(run, self);
    if (self->kind != VALUE_TEXT)
        return otherwise;
    if (bound[1] && (!value_is_int(bound[1]) || bound[1]->integer == 1 || bound[1]->integer < 0 ||
                     bound[1]->integer > 36))
        return run_fail(run, "int() base must be >= 2 and <= 36, or 0");
    result = text_int(run, value_slice(self), bound[1] ? (unsigned)bound[1]->integer : 10);
    if (result || run->reason)
        return result;
    if (!text_float(value_slice(self), &real.real) || isnan(real.real))
        return otherwise;
    return cut(run, &real);
}

const struct value *filter_float(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    double real = 0.0;

    if (self->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined", SLICE_ARGS(value_slice(self)));
    if (number_is(self)) {
        real = number_real(self);
        if (self->kind == VALUE_BIG && isinf(real))
            return run_fail(run, "int too large to convert to float");
    } else if (self->kind != VALUE_TEXT || !text_float(value_slice(self), &real)) {
        return bound[0] ? bound[0] : run_made(run, value_float(run->arena, 0.0));
    }
    return run_made(run, value_float(run->arena, real));
}

/* round(): the nearest decimal, ties to even, as printing with that many digits decides. */
static double round_real(double real, int64_t digits)
{
    char text[512];
    double scale;

    if (!isfinite(real) || digits > 300)
        return real;
    if (digits >= 0) {
        snprintf(text, sizeof(text), "%.*f", (int)(digits < 120 ? digits : 120), real);
        return number_parse_float(slice_str(text));
    }
    scale = pow(10, (double)(digits < -320 ? 320 : -digits));
    return isinf(scale) ? copysign(0.0, real) : nearbyint(real / scale) * scale;
}

const struct value *filter_round(struct run *run, const struct value *self,
                                 const struct value *const *bound)
{
    struct slice method = SLICE("common");
    int64_t digits = bound[0] && value_is_int(bound[0]) ? bound[0]->integer : 0;
    double real, scale;

    if (bound[1] && !slice_of_value(run, bound[1], &method))
        return NULL;
    if (!slice_eq(method, SLICE("common")) && !slice_eq(method, SLICE("ceil")) &&
        !slice_eq(method, SLICE("floor")))
        return run_fail(run, "method must be common, ceil or floor");
    if (!number_is(self) || (bound[0] && !value_is_int(bound[0])))
        return run_fail(run, "type %s cannot be rounded", type_name(self));
    real = number_real(self);
    if (slice_eq(method, SLICE("common"))) {
        if (self->kind == VALUE_FLOAT)
            return run_made(run, value_float(run->arena, round_real(real, digits)));
        return digits >= 0 ? cut(run, self) : run_fail(run, "ints are not rounded to tens here");
    }
    scale = pow(10, (double)digits);
    real = method.at[0] == 'c' ? ceil(real * scale) : floor(real * scale);
    return isfinite(real) ? run_made(run, value_float(run->arena, real / scale))
                          : run_fail(run, "cannot convert float to integer");
}

const struct value *filter_filesizeformat(struct run *run, const struct value *self,
                                          const struct value *const *bound)
{
    static const char prefixes[] = "kMGTPEZY";
    double real;
    bool binary = bound[0] && value_truth(bound[0]);
    double base = binary ? 1024 : 1000, unit = base;
    char text[64];
    size_t i = 0;
    int len;

    if (number_is(self))
        real = number_real(self);
    else if (self->kind != VALUE_TEXT || !text_float(value_slice(self), &real))
        return run_fail(run, "a size is a number");
    if (real == 1)
        return run_text(run, SLICE("1 Byte"));
    if (real < base) {
        len = snprintf(text, sizeof(text), "%.0f Bytes", trunc(real));
        return run_copy(run, slice_of(text, (size_t)len));
    }
    while (i + 1 < sizeof(prefixes) - 1 && real >= unit * base) {
        unit *= base;
        i++;
    }
    len = snprintf(text, sizeof(text), "%.1f %c%sB", real / unit,
                   binary && i == 0 ? 'K' : prefixes[i], binary ? "i" : "");
    return run_copy(run, slice_of(text, (size_t)(len < (int)sizeof(text) ? len : 0)));
}
