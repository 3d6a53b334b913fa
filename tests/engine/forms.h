/*
 * The APIs that answer with tokens, and what their forms share.
 */
#ifndef SLUICE_ENGINE_FORMS_H
#define SLUICE_ENGINE_FORMS_H

#include "tests/engine/event.h"
#include "tests/engine/generation.h"

extern const struct form form_chat, form_completion, form_messages, form_responses, form_embeddings;

/* `"usage"` as chat and completions have it. cached_tokens is told only if the engine is told to
 * and there are any. */
json_t *forms_usage(const struct generation *g);
/* The ids of a prompt, or of a choice's output. Gives. */
json_t *forms_ids(const uint32_t *ids, size_t count);
/* What a choice says, without its reasoning, as a JSON string. Gives. */
json_t *forms_text(const struct choice *choice);
/* Its reasoning; null when there is none. Gives. */
json_t *forms_reasoning(const struct choice *choice);
/* An event of choice-shaped APIs: `data: {"id":...,"object":...,"created":...,"model":...` into
 * g->head, once. */
void forms_make_head(struct generation *g, const char *object);
/* Ends such an event: usage if every event has it, braces and the empty line. */
void forms_end_chunk(struct generation *g, const struct choice *choice);
/* An event of APIs whose events have names: `event`, which begins with its type, and `fields`
 * behind that. Takes both. */
void forms_emit_named(struct generation *g, json_t *event, json_t *fields);
/* The event with no choices and the usage, if the client asked for it. */
void forms_usage_chunk(struct generation *g);

#endif
