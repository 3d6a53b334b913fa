/*
 * vLLM's guess at what a template wants a message's content to be (facts: engines 7.4;
 * vllm/entrypoints/chat_utils.py, _detect_content_format).
 */
#ifndef SLUICE_PROMPT_TEMPLATE_PARTS_H
#define SLUICE_PROMPT_TEMPLATE_PARTS_H

#include "gateway/prompt/template_tree.h"

/* Does a loop go over a message's content? */
bool parts_taken(const struct node *root);

#endif
