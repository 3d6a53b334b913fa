/*
 * Requests of other APIs as the chat request that vLLM makes of them before it renders: a list of
 * messages and one of tools, written as JSON, for chat.h to read like any other.
 *
 * Strings, schemas and arguments are copied as they stand in the body. vLLM writes a tool's
 * arguments with Python's json.dumps and parses them again before the template sees them, so how
 * they are written shows nowhere.
 *
 * Source: vLLM, entrypoints/openai/responses (protocol.py, utils.py) and entrypoints/anthropic
 * (protocol.py, serving.py). Pure; any thread.
 */
#ifndef SLUICE_PROMPT_CONVERT_H
#define SLUICE_PROMPT_CONVERT_H

#include "gateway/prompt/prompt.h"

/*
 * Makes the chat request. `out` must be empty; ret_chat points into it and into what `prompt`
 * does. reason_bad_value: something in it has no form that vLLM takes. What only the engine can
 * know is no failure: then ret_chat->exactness says so.
 */
const struct reason *convert_responses(const struct prompt *prompt, struct buf *out,
                                       struct prompt *ret_chat) MUST_USE;
const struct reason *convert_messages(const struct prompt *prompt, struct buf *out,
                                      struct prompt *ret_chat) MUST_USE;

/* ---- for the converters ---- */

/* Lists are bufs of their items: a comma goes before each but the first. */
void convert_next(struct buf *list);
/* Moves a list's items to the end of `out`, in brackets. */
void convert_close(struct buf *list, struct buf *out);
/* `"key":` and the value as it stands; nothing for one that is null or not there. A comma first. */
void convert_add(struct buf *out, const char *key, struct json_value value);
/* A member of an object; kind JSON_KIND_NONE: not there, or no object. */
struct json_value convert_get(struct json_value object, struct slice key);
/* Both lists into `out`, and `chat` made to read them. tools NULL: there are none. */
void convert_finish(struct prompt *chat, struct buf *messages, struct buf *tools, struct buf *out);

#endif
