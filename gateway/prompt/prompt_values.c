/*
 * Truth values and numbers, as Pydantic reads them.
 */
#include "gateway/prompt/prompt_values.h"

bool prompt_truth(struct json_value value, bool *ret_truth)
{
    static const struct {
        struct slice word;
        bool truth;
    } words[] = {
        { SLICE_INIT("true"), true }, { SLICE_INIT("false"), false }, { SLICE_INIT("1"), true },
        { SLICE_INIT("0"), false },   { SLICE_INIT("on"), true },     { SLICE_INIT("off"), false },
        { SLICE_INIT("yes"), true },  { SLICE_INIT("no"), false },    { SLICE_INIT("y"), true },
        { SLICE_INIT("n"), false },   { SLICE_INIT("t"), true },      { SLICE_INIT("f"), false },
    };
    char folded[JSON_FOLD_MAX];
    size_t len;
    int64_t number;

    if (value.kind == JSON_KIND_NULL || value.kind == JSON_KIND_FALSE ||
        value.kind == JSON_KIND_TRUE) {
        *ret_truth = value.kind == JSON_KIND_TRUE;
        return true;
    }
    if (json_int64(value, 0, 1, &number)) {
        *ret_truth = number == 1;
        return true;
    }
    if (!json_text_fold(value, folded, &len))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_eq(slice_of(folded, len), words[i].word)) {
            *ret_truth = words[i].truth;
            return true;
        }
    return false;
}

bool prompt_number(struct json_value value, int64_t min, int64_t max, int64_t *ret_number)
{
    struct json_reader r;
    struct json_value inner = value;

    if (value.kind == JSON_KIND_STRING) {
        json_open(&r, json_inner(value), NULL);
        json_take(&r, &inner);
        if (json_close(&r))
            return false;
    }
    return json_int64(inner, min, max, ret_number);
}
