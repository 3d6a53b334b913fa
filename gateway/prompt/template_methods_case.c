/*
 * Methods of texts that change each character, or ask what it is.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"

/* Methods that are one call. */
#define TEXT_METHOD(name, result)                                                                  \
    const struct value *text_method_##name(struct run *run, const struct value *self,              \
                                           const struct value *const *bound)                       \
    {                                                                                              \
        struct slice text = value_slice(self);                                                     \
                                                                                                   \
        (void)bound;                                                                               \
        return run_step_bytes(run, text.len) ? result : NULL;                                      \
    }

TEXT_METHOD(upper, text_upper(run, text))
TEXT_METHOD(lower, text_lower(run, text))
TEXT_METHOD(casefold, text_casefold(run, text))
TEXT_METHOD(title, text_title(run, text))
TEXT_METHOD(capitalize, text_capitalize(run, text))
TEXT_METHOD(swapcase, text_swapcase(run, text))
TEXT_METHOD(isascii, value_bool(text_is_ascii(text)))

typedef bool point_fn(uint32_t point);

static bool is_alpha(uint32_t point)
{
    return text_is(TEXT_ALPHA, point);
}

static bool is_decimal(uint32_t point)
{
    return text_is(TEXT_DECIMAL, point);
}

static bool is_digit(uint32_t point)
{
    return text_is(TEXT_DIGIT, point);
}

static bool is_numeric(uint32_t point)
{
    return text_is(TEXT_NUMERIC, point);
}

static bool is_printable(uint32_t point)
{
    return text_is(TEXT_PRINTABLE, point);
}

static bool every(struct slice text, point_fn *holds)
{
    while (text.len > 0)
        if (!holds(text_take(&text)))
            return false;
    return true;
}

TEXT_METHOD(isalpha, value_bool(text.len > 0 && every(text, is_alpha)))
TEXT_METHOD(isdecimal, value_bool(text.len > 0 && every(text, is_decimal)))
TEXT_METHOD(isdigit, value_bool(text.len > 0 && every(text, is_digit)))
TEXT_METHOD(isnumeric, value_bool(text.len > 0 && every(text, is_numeric)))
TEXT_METHOD(isalnum, value_bool(text.len > 0 && every(text, text_is_alnum)))
TEXT_METHOD(isspace, value_bool(text.len > 0 && every(text, text_is_space)))
TEXT_METHOD(isprintable, value_bool(every(text, is_printable)))

/* Some letter has a case, and none has the other one. */
static bool all_cased(struct slice text, enum text_class class)
{
    bool any = false;

    while (text.len > 0) {
        uint32_t point = text_take(&text);

        if (text_is(class, point))
            any = true;
        else if (text_is_cased(point))
            return false;
    }
    return any;
}

TEXT_METHOD(isupper, value_bool(all_cased(text, TEXT_UPPER)))
TEXT_METHOD(islower, value_bool(all_cased(text, TEXT_LOWER)))

static bool is_title(struct slice text)
{
    bool in_word = false, any = false;

    while (text.len > 0) {
        uint32_t point = text_take(&text);
        bool upper = text_is(TEXT_UPPER, point) || text_is(TEXT_TITLE, point);

        if (upper ? in_word : text_is(TEXT_LOWER, point) && !in_word)
            return false;
        in_word = text_is_cased(point);
        any |= in_word;
    }
    return any;
}

TEXT_METHOD(istitle, value_bool(is_title(text)))

static bool is_identifier(struct slice text)
{
    if (text.len == 0 || (text.at[0] >= '0' && text.at[0] <= '9'))
        return false;
    while (text.len > 0) {
        uint32_t point = text_take(&text);

        if (point != '_' && !text_is_alnum(point))
            return false;
    }
    return true;
}

TEXT_METHOD(isidentifier, value_bool(is_identifier(text)))
