/*
 * OpenAI's embeddings: never streamed; usage has prompt tokens only.
 */
#include "gateway/prompt/answer.h"

static const char *const routes[] = { "POST /v1/embeddings", NULL };

const struct dialect_type dialect_embeddings = {
    .name = "embeddings",
    .help = "OpenAI embeddings.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_INPUT,
    .needs_model = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};
