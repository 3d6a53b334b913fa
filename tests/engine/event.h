/*
 * Pieces of events, appended to a buf: what is made once a token is written as text, not as JSON
 * objects.
 */
#ifndef SLUICE_ENGINE_EVENT_H
#define SLUICE_ENGINE_EVENT_H

#include "gateway/base/buf.h"

#include <jansson.h>

/* A JSON string with its quotes; `text` is UTF-8. */
void event_add_string(struct buf *out, struct slice text);
/* NULL: null. */
void event_add_text(struct buf *out, const char *text);
/* Takes `json`. */
void event_add_json(struct buf *out, json_t *json);

#endif
