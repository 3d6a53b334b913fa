/*
 * A dialect: a JSON API that clients speak and engines answer in. One row each in dialects.def, one
 * file each (dialect_NAME.c): which requests are its own, how errors are said in it, and what an
 * answer's bytes tell about content, end and usage.
 *
 * Rows are static. All functions are pure: any thread.
 */
#ifndef SLUICE_PROMPT_DIALECT_H
#define SLUICE_PROMPT_DIALECT_H

#include "gateway/prompt/json.h"

enum dialect_body {
    DIALECT_BODY_NONE, /* the request has none that matters */
    DIALECT_BODY_JSON, /* an object */
    DIALECT_BODY_FORM, /* multipart/form-data */
    DIALECT_BODY_ANY,  /* JSON or a form, as the content type says */
};

/* Where a request's prompt lies, for who turns it into tokens. */
enum dialect_prompt {
    DIALECT_PROMPT_OPAQUE, /* nowhere that an engine's own way from it to tokens is known */
    DIALECT_PROMPT_CHAT,   /* messages, or a prompt where there are none */
    DIALECT_PROMPT_OTHER,  /* in a form that `to_chat` makes a chat of */
    DIALECT_PROMPT_TEXT,   /* prompt: text, ids, or a list of these */
    DIALECT_PROMPT_INPUT,  /* the same in `input` */
};

struct prompt;

enum answer_usage_bit {
    ANSWER_USAGE_PROMPT = 1,
    ANSWER_USAGE_COMPLETION = 2,
    ANSWER_USAGE_CACHED = 4,
    ANSWER_USAGE_REASONING = 8,
};

/* Tokens as the engine counts them: cumulative, so the last word counts and nothing is ever summed.
 */
/* An engine that reports more lies or counts something else; sums of what is believed never
 * overflow. */
#define ANSWER_TOKENS_MAX UINT32_MAX

struct answer_usage {
    uint64_t prompt;     /* all of the prompt, cached tokens included */
    uint64_t completion; /* all that was generated, reasoning included */
    uint64_t cached;     /* of the prompt: found in the engine's cache */
    uint64_t reasoning;  /* of the completion */
    uint8_t known;       /* enum answer_usage_bit: which of these were said */
};

/* What one event of a stream, or one whole JSON answer, says. */
struct answer_facts {
    bool content;    /* something the model made: text, reasoning, a tool call, a vector */
    bool opening;    /* announces an answer without content: role-only chunk, message_start, ping */
    bool finish;     /* a choice was finished, with a finish_reason of whatever kind */
    bool error;      /* an error inside a 200 */
    bool terminal;   /* the dialect's proper last event: [DONE], message_stop, "done":true */
    bool usage_only; /* the chunk that include_usage adds: usage and no choices */
    bool no_choices; /* "choices" is there and empty */
    struct answer_usage usage;
    /* The member "usage" at the top, in the data; kind JSON_KIND_NONE: none. */
    struct json_value usage_key, usage_value;
    uint64_t sequence; /* Responses: sequence_number; else 0 */
};

struct dialect_type {
    const char *name;          /* a label: "chat" */
    const char *help;          /* one sentence */
    const char *const *routes; /* "POST /v1/chat/completions", NULL after the last; a final "*"
                                  takes any rest of the path */
    uint8_t body;              /* enum dialect_body */
    uint8_t prompt;            /* enum dialect_prompt */
    bool answered_here;        /* by the gateway itself, from what it knows of the model */
    bool needs_model;          /* a request without a model is refused */
    bool any_media; /* JSON whatever the content type says: what this dialect's clients are used to
                     */
    bool streams;   /* `stream` asks for a streamed answer */
    bool streams_unasked;    /* ... and is on when left out */
    bool keeps_alive;        /* its streams are server-sent events, and comments may go before */
    bool include_usage;      /* takes stream_options.include_usage */
    const char *error_media; /* content type of `error` */

    /* The chat that the engine makes of a request (convert.h); NULL unless DIALECT_PROMPT_OTHER. */
    const struct reason *(*to_chat)(const struct prompt *prompt, struct buf *out,
                                    struct prompt *ret_chat);
    /* A whole answer that says what went wrong. `message` empty: the reason's text. `param` empty:
     * null. */
    void (*error)(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param);
    /*
     * The same inside a stream that has begun, at an event's boundary; never a proper end with it.
     * `sequence`: the last answer_facts.sequence.
     */
    void (*stream_error)(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence);
    /* One event (`type`: its SSE event name, may be empty) or one whole answer. *facts is zeroed
     * before; what is no JSON tells nothing. */
    void (*classify)(struct slice type, struct slice data, struct answer_facts *facts);
};

/* By method and path without query; NULL: nobody's. Exact routes go before those with "*". */
const struct dialect_type *dialect_find(struct slice method, struct slice path);
/* The dialect that speaks for a path whose method is wrong or which nobody owns: for error answers.
 * Never NULL. */
const struct dialect_type *dialect_for_errors(struct slice path);
/* Is there a route with that path and another method? Then 405 is the answer. */
bool dialect_knows_path(struct slice path);
/* The methods that have a route with that path, as Allow lists them (RFC 9110, 10.2.1): "GET,
 * DELETE". In `arena`; empty: none has. */
struct slice dialect_allow(struct slice path, struct arena *arena);
/* By name; NULL: none. */
const struct dialect_type *dialect_named(struct slice name);

enum {
    DIALECT_COUNT = 0
#define DIALECT(name) +1
#include "gateway/prompt/dialects.def"
#undef DIALECT
};

extern const struct dialect_type *const dialect_all[DIALECT_COUNT];
/* Where it stands there. */
size_t dialect_index(const struct dialect_type *dialect);

/* The later word wins, field by field. */
void answer_usage_merge(struct answer_usage *usage, const struct answer_usage *later);

#endif
