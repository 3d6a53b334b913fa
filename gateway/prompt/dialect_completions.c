/*
 * OpenAI's older completions: a prompt as text or token ids, choices with text.
 */
#include "gateway/prompt/answer.h"

static const char *const routes[] = { "POST /v1/completions", NULL };

const struct dialect_type dialect_completions = {
    .name = "completions",
    .help = "OpenAI completions.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_TEXT,
    .needs_model = true,
    .streams = true,
    .keeps_alive = true,
    .include_usage = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};
