/*
 * What is left of OpenAI's paths: calls that name a model and are otherwise passed on unread
 * (rerank, score, speech, images, ...), and calls that name none because they are about a thing
 * that exists somewhere (models, stored responses).
 */
#include "gateway/prompt/answer.h"

static const char *const models_routes[] = { "GET /v1/models", "GET /v1/models/*", NULL };

const struct dialect_type dialect_models = {
    .name = "models",
    .help = "The list of models.",
    .routes = models_routes,
    .body = DIALECT_BODY_NONE,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};

static const char *const resource_routes[] = { "POST /v1/responses/*", "GET /v1/*", "DELETE /v1/*",
                                               NULL };

const struct dialect_type dialect_resource = {
    .name = "resource",
    .help = "Calls about things an engine keeps; they name no model.",
    .routes = resource_routes,
    .body = DIALECT_BODY_NONE,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};

static const char *const other_routes[] = { "POST /v2/rerank", "POST /v2/embed", "POST /v1/*",
                                            NULL };

const struct dialect_type dialect_other = {
    .name = "other",
    .help = "Any other call that names a model.",
    .routes = other_routes,
    .body = DIALECT_BODY_ANY,
    .needs_model = true,
    .streams = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};
