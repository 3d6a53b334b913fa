/*
 * /v1/embeddings: a vector a prompt, deterministic, of length 1; as numbers or as base64 of
 * little-endian floats, which is what OpenAI's clients ask for.
 */
#include "tests/engine/forms.h"

#include <math.h>
#include <stdlib.h>

#define DIMENSIONS     64 /* unless the request says less or more */
#define DIMENSIONS_MAX 4096

static size_t dimensions(const struct generation *g)
{
    json_int_t asked = json_integer_value(json_object_get(g->ask.root, "dimensions"));

    return asked >= 1 && asked <= DIMENSIONS_MAX ? (size_t)asked : DIMENSIONS;
}

/* Numbers from the prompt's tokens, between -1 and 1, then scaled to length 1. */
static void fill_vector(const struct tokens *prompt, float *vector, size_t count)
{
    uint64_t state = 0x9e3779b97f4a7c15ull;
    double square = 0;

    for (size_t i = 0; i < prompt->count; i++)
        state = (state ^ prompt->at[i]) * 0xbf58476d1ce4e5b9ull;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        vector[i] = (float)((double)(int32_t)(state >> 32) / 2147483648.0);
        square += (double)vector[i] * vector[i];
    }
    for (size_t i = 0; i < count; i++)
        vector[i] = (float)(vector[i] / sqrt(square > 0 ? square : 1));
}

static json_t *base64(const uint8_t *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = xmalloc((len + 2) / 3 * 4), *at = text;
    json_t *string;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);

        *at++ = letters[three >> 18];
        *at++ = letters[three >> 12 & 63];
        *at++ = left > 1 ? letters[three >> 6 & 63] : '=';
        *at++ = left > 2 ? letters[three & 63] : '=';
    }
    string = json_stringn(text, (size_t)(at - text));
    free(text);
    return string;
}

static json_t *numbers(const float *vector, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(vector[i]));
    return list;
}

static json_t *whole(const struct generation *g)
{
    const char *encoding = json_string_value(json_object_get(g->ask.root, "encoding_format"));
    bool as_base64 = encoding && strcmp(encoding, "base64") == 0;
    size_t count = dimensions(g);
    float *vector = xcalloc(count, sizeof(*vector));
    json_t *data = json_array();

    for (uint32_t i = 0; i < g->count; i++) {
        fill_vector(&g->ask.prompts[i], vector, count);
        json_array_append_new(
            data, json_pack("{s:i,s:s,s:o}", "index", (int)i, "object", "embedding", "embedding",
                            as_base64 ? base64((const uint8_t *)vector, count * sizeof(*vector))
                                      : numbers(vector, count)));
    }
    free(vector);
    return json_pack("{s:s,s:s,s:I,s:s%,s:o,s:o}", "id", g->id, "object", g->form->object,
                     "created", (json_int_t)g->created_s, "model", g->ask.model.at,
                     g->ask.model.len, "data", data, "usage", forms_usage(g));
}

const struct form form_embeddings = {
    .id_prefix = "embd-",
    .object = "list",
    .whole = whole,
};
