/*
 * Words by hash. A sentence has eight words and a full stop, so that texts look like texts and
 * count like tokens.
 */
#include "tests/engine/script.h"

#include <stdlib.h>

#define SENTENCE_TOKENS 9 /* the last one is the full stop */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2))) * 0xbf58476d1ce4e5b9ull;

    return (h ^ h >> 31) * 0x94d049bb133111ebull;
}

void script_init(struct script *script, uint64_t seed, uint64_t prompt_key, uint32_t choice,
                 bool mid_text)
{
    *script = (struct script){ .seed = mix(mix(seed, prompt_key), choice), .mid_text = mid_text };
    tokens_init(&script->fixed);
}

/* A value that the property's schema allows. */
static json_t *sample_value(const json_t *schema)
{
    static const struct {
        const char *type, *json;
    } samples[] = {
        { "integer", "7" }, { "number", "0.5" }, { "boolean", "true" },
        { "array", "[]" },  { "object", "{}" },  { "null", "null" },
    };
    const char *type = json_string_value(json_object_get(schema, "type"));
    json_t *first = json_array_get(json_object_get(schema, "enum"), 0);

    if (first)
        return json_incref(first);
    for (size_t i = 0; type && i < ARRAY_LEN(samples); i++)
        if (strcmp(type, samples[i].type) == 0)
            return json_loads(samples[i].json, JSON_DECODE_ANY, NULL);
    return json_string("sample text");
}

void script_set_tool(struct script *script, const json_t *function)
{
    json_t *properties = json_object_get(json_object_get(function, "parameters"), "properties");
    json_t *arguments = json_object();
    const char *key;
    json_t *schema;
    char *text;

    json_object_foreach(properties, key, schema)
        json_object_set_new(arguments, key, sample_value(schema));
    /* ASCII only: a token may end inside a longer character, an event must not. */
    text = json_dumps(arguments, JSON_ENSURE_ASCII);
    tokens_encode(&script->fixed, slice_str(text));
    script->tool = xstrdup(json_string_value(json_object_get(function, "name")));
    free(text);
    json_decref(arguments);
}

void script_release(struct script *script)
{
    tokens_release(&script->fixed);
    free(script->tool);
}

uint32_t script_token(const struct script *script, uint32_t index)
{
    if (script->tool)
        return script->fixed.at[index];
    if (index % SENTENCE_TOKENS == SENTENCE_TOKENS - 1)
        return token_byte('.');
    return token_word(mix(script->seed, index) % token_word_count(), index > 0 || script->mid_text);
}

uint32_t script_length(const struct script *script, uint32_t wanted)
{
    return script->tool ? (uint32_t)script->fixed.count : wanted;
}
