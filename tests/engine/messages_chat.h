/*
 * What vLLM makes of a request of Anthropic's Messages API before it serves it: a chat (its
 * entrypoints/anthropic/serving.py, _convert_anthropic_to_openai_request).
 *
 * Written without the gateway's converter, so that the two can be compared.
 */
#ifndef SLUICE_ENGINE_MESSAGES_CHAT_H
#define SLUICE_ENGINE_MESSAGES_CHAT_H

#include <jansson.h>

/* The body of the chat request; NULL when it has no list of messages. Gives. */
json_t *messages_chat(const json_t *root);

#endif
