/*
 * + - * / and so on, between whatever Python lets them stand.
 */
#include "gateway/prompt/template_eval.h"

#include "gateway/prompt/value_number.h"

static const char *const signs[] = {
    [NUMBER_ADD] = "+",       [NUMBER_SUB] = "-", [NUMBER_MUL] = "*",           [NUMBER_DIV] = "/",
    [NUMBER_FLOORDIV] = "//", [NUMBER_MOD] = "%", [NUMBER_POW] = "** or pow()",
};

static const struct value *unsupported(struct run *run, enum number_op op, const struct value *a,
                                       const struct value *b)
{
    if (a->kind == VALUE_UNDEFINED || b->kind == VALUE_UNDEFINED)
        return run_fail(run, "'%.*s' is undefined",
                        SLICE_ARGS(value_slice(a->kind == VALUE_UNDEFINED ? a : b)));
    if (op == NUMBER_ADD && a->kind == VALUE_TEXT)
        return run_fail(run, "can only concatenate str (not \"%s\") to str", type_name(b));
    return run_fail(run, "unsupported operand type(s) for %s: '%s' and '%s'", signs[op],
                    type_name(a), type_name(b));
}

static const struct value *numbers(struct run *run, enum number_op op, const struct value *a,
                                   const struct value *b)
{
    uint64_t limbs_a = a->kind == VALUE_BIG ? a->count : 1;
    uint64_t limbs_b = b->kind == VALUE_BIG ? b->count : 1;
    const struct value *result;
    const char *error;

    /* a power may come to the longest number there is, and is squared its way there */
    if (op == NUMBER_POW)
        limbs_a = limbs_b = value_is_int(b) && b->integer < 64 ? 64 : NUMBER_LIMBS_MAX / 2;
    if (!run_step(run, limbs_a * limbs_b / 16))
        return NULL;
    result = number_apply(run->arena, op, a, b, &error);
    if (result)
        return result;
    return error ? run_fail(run, "%s", error) : run_limit(run, "a number is too large");
}

static void write_text_as(struct run *run, const struct value *text, bool markup)
{
    if (markup && !(text->flags & VALUE_MARKUP))
        print_escaped(run, value_slice(text));
    else
        run_write(run, value_slice(text));
}

/* Markup escapes what is none. */
static const struct value *add_texts(struct run *run, const struct value *a, const struct value *b)
{
    bool markup = (a->flags | b->flags) & VALUE_MARKUP;
    struct capture capture = run_capture(run);
    const struct value *text;

    write_text_as(run, a, markup);
    write_text_as(run, b, markup);
    text = run_captured(run, capture);
    if (text && markup)
        ((struct value *)(uintptr_t)text)->flags |= VALUE_MARKUP;
    return text;
}

static const struct value *add_items(struct run *run, const struct value *a, const struct value *b)
{
    struct value *sum = value_sequence(run->arena, a->kind, (size_t)a->count + b->count);

    if (!sum || !run_step(run, sum->count / 8))
        return run_no_memory(run);
    if (a->count)
        memcpy(sum->items, a->items, a->count * sizeof(*sum->items));
    if (b->count)
        memcpy(sum->items + a->count, b->items, b->count * sizeof(*sum->items));
    return sum;
}

const struct value *add(struct run *run, const struct value *a, const struct value *b)
{
    if (number_is(a) && number_is(b))
        return numbers(run, NUMBER_ADD, a, b);
    if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT)
        return add_texts(run, a, b);
    if (a->kind == b->kind && (a->kind == VALUE_LIST || a->kind == VALUE_TUPLE))
        return add_items(run, a, b);
    return unsupported(run, NUMBER_ADD, a, b);
}

static const struct value *repeat_text(struct run *run, const struct value *text, int64_t times)
{
    struct capture capture = run_capture(run);
    const struct value *result;

    run_write_fill(run, value_slice(text), text->count ? times : 0);
    result = run_captured(run, capture);
    if (result) {
        ((struct value *)(uintptr_t)result)->flags = text->flags;
        ((struct value *)(uintptr_t)result)->kind = text->kind;
    }
    return result;
}

static const struct value *repeat_items(struct run *run, const struct value *list, int64_t times)
{
    struct value *copy;

    times = times < 0 || list->count == 0 ? 0 : times;
    if (times > UINT32_MAX / 2 || (uint64_t)times * list->count > UINT32_MAX / 2)
        return run_no_memory(run);
    if (!run_step(run, (uint64_t)times * list->count / 8))
        return NULL;
    copy = value_sequence(run->arena, list->kind, (size_t)times * list->count);
    if (!copy)
        return run_no_memory(run);
    for (int64_t i = 0; i < times; i++)
        memcpy(copy->items + i * list->count, list->items, list->count * sizeof(*copy->items));
    return copy;
}

static const struct value *multiply(struct run *run, const struct value *a, const struct value *b)
{
    const struct value *times = value_is_int(a) ? a : b, *what = times == a ? b : a;

    if (!value_is_int(times))
        return unsupported(run, NUMBER_MUL, a, b);
    if (what->kind == VALUE_TEXT || what->kind == VALUE_BYTES)
        return repeat_text(run, what, times->integer);
    if (what->kind == VALUE_LIST || what->kind == VALUE_TUPLE)
        return repeat_items(run, what, times->integer);
    return unsupported(run, NUMBER_MUL, a, b);
}

const struct value *arithmetic(struct run *run, uint8_t op, const struct value *a,
                               const struct value *b)
{
    if (number_is(a) && number_is(b))
        return numbers(run, op, a, b);
    if (op == NUMBER_MUL)
        return multiply(run, a, b);
    if (op == NUMBER_MOD && a->kind == VALUE_TEXT)
        return format_percent(run, a, b);
    return unsupported(run, op, a, b);
}

const struct value *negate(struct run *run, const struct value *value)
{
    return run_made(run, number_negate(run->arena, value));
}
