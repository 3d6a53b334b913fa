/*
 * What a request for tokens asks for, in no API: read from the JSON of chat/completions,
 * completions, responses, messages, embeddings and tokenize.
 */
#ifndef SLUICE_ENGINE_ASK_H
#define SLUICE_ENGINE_ASK_H

#include "tests/engine/tokens.h"

#include <jansson.h>

struct engine;

/* Why a request is not served. */
struct refusal {
    unsigned status;
    const char *type; /* vLLM's: "BadRequestError", ... */
    char message[256];
};

struct ask {
    json_t *root;       /* the body; what is borrowed below lives in it */
    struct slice model; /* borrowed; as the client named it, the first served one when it did not */
    struct slice salt;  /* borrowed; of the cache: cache_salt */
    bool stream, include_usage, continuous_usage;
    bool return_token_ids;
    bool reasons;        /* the first quarter of an answer is reasoning */
    bool mid_text;       /* the prompt is a text that goes on, not a chat */
    uint32_t n;          /* answers to each prompt */
    uint32_t tokens;     /* of each answer */
    uint32_t tokens_max; /* what the client allowed; 0: nothing was said */
    bool cut_short;      /* ended by max_tokens, not by itself */
    json_t *function;    /* borrowed; to be called: {"name", "parameters"}; NULL: none */

    struct tokens *prompts;
    size_t prompts_count;
};

void ask_init(struct ask *ask);
void ask_release(struct ask *ask);

/* The first failure fills `ret_refusal` and the ask is to be released. */
bool ask_parse_chat(struct ask *ask, const struct engine *engine, struct slice body,
                    struct refusal *ret_refusal) MUST_USE;
bool ask_parse_completion(struct ask *ask, const struct engine *engine, struct slice body,
                          struct refusal *ret_refusal) MUST_USE;
bool ask_parse_responses(struct ask *ask, const struct engine *engine, struct slice body,
                         struct refusal *ret_refusal) MUST_USE;
/* Anthropic's: becomes a chat first. */
bool ask_parse_messages(struct ask *ask, const struct engine *engine, struct slice body,
                        struct refusal *ret_refusal) MUST_USE;
/* "input" instead of "prompt"; no answer is wanted. */
bool ask_parse_embeddings(struct ask *ask, const struct engine *engine, struct slice body,
                          struct refusal *ret_refusal) MUST_USE;
/* "prompt" or "messages". */
bool ask_parse_tokenize(struct ask *ask, const struct engine *engine, struct slice body,
                        struct refusal *ret_refusal) MUST_USE;

#endif
