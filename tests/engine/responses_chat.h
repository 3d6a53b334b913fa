/*
 * What vLLM makes of a request of the Responses API before it renders: a chat (its
 * entrypoints/openai/responses, construct_input_messages and what that calls).
 *
 * Written without the gateway's converter, so that the two can be compared.
 */
#ifndef SLUICE_ENGINE_RESPONSES_CHAT_H
#define SLUICE_ENGINE_RESPONSES_CHAT_H

#include <jansson.h>

/* Instructions and input as chat messages; NULL when an item is none. Gives. */
json_t *responses_messages(const json_t *root);
/* The body of a chat request with these messages. Gives. */
json_t *responses_chat(const json_t *root, json_t *messages);

#endif
