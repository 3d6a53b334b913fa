/*
 * vLLM's /tokenize: a prompt or a conversation, answered with its token ids. The gateway answers
 * itself, from the model's own tokenizer.
 */
#include "gateway/prompt/answer.h"

static const char *const routes[] = { "POST /tokenize", NULL };

const struct dialect_type dialect_tokenize = {
    .name = "tokenize",
    .help = "Token ids of a prompt.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_CHAT,
    .answered_here = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};
