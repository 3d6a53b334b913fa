/*
 * What the engine says: a deterministic run of tokens, made from the seed and the prompt. Either
 * words in sentences, or a call of a tool with arguments that fit its schema.
 */
#ifndef SLUICE_ENGINE_SCRIPT_H
#define SLUICE_ENGINE_SCRIPT_H

#include "tests/engine/tokens.h"

#include <jansson.h>

struct script {
    uint64_t seed;
    bool mid_text;       /* goes on in a text: the first word has a leading space */
    char *tool;          /* name of the function that is called; NULL: words */
    struct tokens fixed; /* its arguments, JSON; empty for words */
};

/* `prompt_key` is any hash of the prompt; `choice` tells several answers to one prompt apart. */
void script_init(struct script *script, uint64_t seed, uint64_t prompt_key, uint32_t choice,
                 bool mid_text);
/* Makes it a call of `function` ({"name":..., "parameters": JSON schema}). */
void script_set_tool(struct script *script, const json_t *function);
void script_release(struct script *script);

/* The token at `index`; any index for words. */
uint32_t script_token(const struct script *script, uint32_t index);
/* Where the script ends by itself; `wanted` unless it is a tool call. */
uint32_t script_length(const struct script *script, uint32_t wanted);

#endif
