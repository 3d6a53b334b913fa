/*
 * Rough keys. The text is taken as it stands in the body, JSON and all: whoever sends a
 * conversation again writes it the same way. What templates put first comes first.
 */
#include "gateway/prompt/rough.h"

#define ROUGH_FIELDS 5

static void fields_of(const struct prompt *prompt, struct slice ret_fields[ROUGH_FIELDS])
{
    const struct json_value values[ROUGH_FIELDS] = { prompt->system, prompt->tools,
                                                     prompt->messages, prompt->prompt,
                                                     prompt->input };

    for (size_t i = 0; i < ROUGH_FIELDS; i++)
        ret_fields[i] = values[i].kind > JSON_KIND_NULL ? values[i].raw : slice_of(NULL, 0);
}

/* Whole chunks; and what is left of a field that others follow. */
static void add_field(struct blocks *keys, struct slice text, bool last)
{
    size_t chunk = (size_t)keys->block * ROUGH_TOKEN_BYTES;

    for (; text.len >= chunk; text = slice_skip(text, chunk))
        blocks_add(keys, blocks_hash_bytes(blocks_last(keys), slice_head(text, chunk)));
    if (!last && text.len > 0)
        blocks_add(keys, blocks_hash_bytes(blocks_last(keys), text));
}

size_t rough_keys(const struct prompt *prompt, struct blocks *keys)
{
    struct slice fields[ROUGH_FIELDS];
    size_t last = 0;

    /* A block of ids and a chunk of text may have the same bytes. */
    keys->parent = blocks_hash_bytes(keys->parent, SLICE("text"));
    fields_of(prompt, fields);
    for (size_t i = 0; i < ROUGH_FIELDS; i++)
        last = fields[i].len > 0 ? i : last;
    for (size_t i = 0; i < ROUGH_FIELDS; i++)
        add_field(keys, fields[i], i == last);
    return rough_bytes(prompt);
}

size_t rough_bytes(const struct prompt *prompt)
{
    struct slice fields[ROUGH_FIELDS];
    size_t bytes = 0;

    fields_of(prompt, fields);
    for (size_t i = 0; i < ROUGH_FIELDS; i++)
        bytes += fields[i].len;
    return bytes;
}
