/*
 * Chat templates: Jinja as transformers runs it (ImmutableSandboxedEnvironment, trim_blocks,
 * lstrip_blocks, loop controls, generation tag, its own tojson), compiled once, run for every
 * prompt.
 *
 * A struct template is immutable and counted; threads share it. A run is sandboxed: it reads its
 * context and nothing else, and its steps, depth, memory and output are bounded.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_H
#define SLUICE_PROMPT_TEMPLATE_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/reason.h"
#include "gateway/prompt/json.h"

#include <time.h>

struct template;
struct value;

/* Bytes of a template's source; the largest known one has 20 KB. */
#define TEMPLATE_SOURCE_MAX (512u * 1024)

/* NULL when the source is no template or uses what is not there; `errors` then has one line:
 * "line N: what". Borrows the source for the call. */
struct template *template_compile(struct slice source, struct buf *errors) MUST_USE;
/* The same with a limit of one's own for the memory that it takes; tests use it. */
struct template *template_compile_within(struct slice source, size_t limit_bytes,
                                         struct buf *errors) MUST_USE;
struct template *template_ref(struct template *template);
void template_unref(struct template *template);

/* vLLM's detection: does the template loop over message['content'] ("openai"), or is content a
 * string to it? */
bool template_takes_parts(const struct template *template);

/* Values live in an arena and are immutable once a run has begun; a value is a pointer, shared
 * freely within that arena. Builders return NULL when the arena is full. */
struct value *value_none(void);
struct value *value_bool(bool truth);
struct value *value_int(struct arena *arena, int64_t number);
/* Borrows the bytes (valid UTF-8) for as long as the value is used. */
struct value *value_text(struct arena *arena, struct slice text);
struct value *value_list(struct arena *arena);
struct value *value_dict(struct arena *arena);
bool value_append(struct arena *arena, struct value *list, struct value *item) MUST_USE;
/* An existing key is replaced at its place, as Python's dict does. */
bool value_put(struct arena *arena, struct value *dict, struct slice key,
               struct value *item) MUST_USE;
/* From checked JSON as Python's json.loads reads it; strings without escapes are not copied. NULL
 * and a reason (bad_value: lone surrogate; memory_limit) otherwise. */
const struct reason *value_json(struct arena *arena, struct json_value json,
                                struct value **ret_value) MUST_USE;

struct template_limits {
    size_t output_bytes;
    uint64_t steps;
    uint32_t depth;
};
/* What a prompt gets: a conversation of a thousand messages takes the largest template met about
 * 300,000 steps. */
#define TEMPLATE_STEPS 3000000
#define TEMPLATE_DEPTH 100

struct template_call {
    const struct value *context; /* a dict: messages, tools, documents, bos_token, ... */
    struct arena *arena;         /* scratch of the run; its limit bounds the run's memory */
    struct tm now;               /* what strftime_now prints */
    struct template_limits limits;
};

/*
 * Appends the text to `out`. On failure ret_message (in the arena, or static) says why:
 * reason_template_raised: raise_exception's own message; reason_template_failed: any other fault,
 * "line N: what"; reason_template_limit: a limit was met. `out` may then have part of the text.
 */
const struct reason *template_render(const struct template *template,
                                     const struct template_call *call, struct buf *out,
                                     struct slice *ret_message) MUST_USE;

#endif
