/*
 * The chat template: ChatML, as Qwen's models have it, in C instead of Jinja.
 *
 *     <|im_start|>system\n ... <|im_end|>\n<|im_start|>user\n ...
 * <|im_end|>\n<|im_start|>assistant\n
 */
#ifndef SLUICE_ENGINE_CHATML_H
#define SLUICE_ENGINE_CHATML_H

#include "gateway/base/buf.h"

#include <jansson.h>

/* `tools` may be NULL. `add_prompt` opens the assistant's turn; `open_end` leaves the last
 * message's unclosed. False when a message is none. */
bool chatml_render(struct buf *out, const json_t *messages, const json_t *tools, bool add_prompt,
                   bool open_end) MUST_USE;

/* Appends the text of a message's content: a string, or a list of parts. */
void chatml_add_content(struct buf *out, const json_t *content);

#endif
