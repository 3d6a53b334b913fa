/*
 * Answers the gateway makes itself, before or instead of an engine's.
 */
#ifndef SLUICE_HTTP_REPLY_H
#define SLUICE_HTTP_REPLY_H

#include "gateway/base/buf.h"
#include "gateway/base/reason.h"

/*
 * OpenAI's error body, all four keys, as clients' libraries expect it:
 *     {"error":{"message":"...","type":"...","param":null,"code":null}}
 * message empty: the reason's text; no type of the reason's: server_error; param empty: null.
 * Message and param may hold anything: they are escaped, and what is no UTF-8 is replaced.
 */
void reply_error_json(struct buf *out, const struct reason *reason, struct slice message,
                      struct slice param);

/* `text` as a JSON string, quotes included. */
void reply_json_string(struct buf *out, struct slice text);

#endif
