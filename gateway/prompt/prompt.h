/*
 * What a request asks for, in no dialect: the model, how much, how streamed, and where in the body
 * the text lies. Made by one pass over the body.
 *
 * One exchange's; its worker's thread. Slices lie in the body or in the arena: the body's bytes
 * must stay where they are for as long as the prompt is used.
 */
#ifndef SLUICE_PROMPT_PROMPT_H
#define SLUICE_PROMPT_PROMPT_H

#include "gateway/prompt/dialect.h"
#include "gateway/prompt/exactness.h"

#define PROMPT_MODEL_MAX 256 /* bytes of a model's name: longer than any repository path */

struct prompt {
    const struct dialect_type *dialect;
    struct slice body;     /* what was parsed; ranges below are slices of it */
    bool form;             /* the body is multipart/form-data, not JSON */
    uint64_t members;      /* of all the body's objects and arrays together */
    struct json_ends ends; /* of its long strings; in the arena */

    /* As the client named it: 1..PROMPT_MODEL_MAX visible ASCII and inner spaces, no quote, no
     * backslash; empty: none given and none needed. In the arena. */
    struct slice model;
    struct slice model_raw; /* its value in the body, quotes included (JSON) */

    bool stream;                      /* the answer is to be streamed */
    struct json_value stream_options; /* kind JSON_KIND_NONE: not there */
    /* stream_options.include_usage; kind JSON_KIND_NONE: not there. */
    struct json_value include_usage_value;
    bool include_usage;    /* the client asked for usage in the stream itself */
    bool continuous_usage; /* ... and for usage in every chunk (continuous_usage_stats), should
                              usage be on */

    bool has_max_tokens;
    uint64_t max_tokens; /* the most a choice may grow to; the largest of several ways to say it */
    uint64_t choices;    /* n; 1 when left out */
    bool has_priority;
    int64_t priority;        /* the engine's own scale; engines disagree on its direction */
    struct slice user;       /* empty: none; not checked: escape it where it is shown */
    struct slice cache_salt; /* empty: none; likewise */

    /* where the text is; kind JSON_KIND_NONE: not there */
    struct json_value messages, tools, prompt, input, system, lora;
    struct json_value chat_template, chat_template_kwargs, documents;
    struct json_value tool_choice, reasoning_effort;
    struct json_value instructions, reasoning, truncation; /* Responses */
    struct json_value previous;      /* an earlier response, in whatever form it is named */
    struct json_value output_config; /* Messages */
    /* Of a converted request: its calls pass no Pydantic model that would order their members. */
    bool plain_calls;
    /* What shapes the text around them: enum prompt_switch. */
    int8_t add_generation_prompt, continue_final_message, add_special_tokens, return_token_strs;
    uint8_t exactness; /* enum exactness: exact, or what in the request makes its tokens unknowable
                          here */
};

/* A truth value that may have been left out (or was none, which is the engine's to refuse). */
enum prompt_switch { PROMPT_UNSAID = -1, PROMPT_OFF, PROMPT_ON };

/*
 * Reads a request's body. `content_type` as the client sent it, empty: none. `trusted`: the
 * listener lets its clients name hosts (kv_transfer_params and the like); others get
 * reason_bad_value. Reasons: bad_media, bad_json, bad_multipart, bad_value, duplicate_key,
 * no_model, memory_limit. ret_param (static or in the arena) names the parameter that is wrong, or
 * is empty.
 */
const struct reason *prompt_parse(const struct dialect_type *dialect, struct slice body,
                                  struct slice content_type, bool trusted, struct arena *arena,
                                  struct prompt *ret_prompt, struct slice *ret_param) MUST_USE;

/* Would prompt_splice have to add include_usage, and can it? */
static inline bool prompt_wants_usage_added(const struct prompt *prompt)
{
    return prompt->dialect->include_usage && prompt->stream && !prompt->include_usage;
}

/*
 * Appends the body to `out` with another model name (empty: as it was) and, if told so,
 * stream_options.include_usage switched on. Everything else is shared with `body`, byte for byte.
 * `body` holds the bytes that were parsed; `out` is not bounded here.
 */
void prompt_splice(const struct prompt *prompt, const struct buf *body, struct slice new_model,
                   bool add_include_usage, struct buf *out);

#endif
