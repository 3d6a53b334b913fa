/*
 * OpenAI's transcriptions and translations: a form with a file; streamed as transcript.text events
 * (OpenAI) or as chat-like chunks (vLLM).
 */
#include "gateway/prompt/answer.h"

static void classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("type"), answer_read_type },
        { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    openai_classify(type, data, facts);
    if (!answer_read_text(data, members, &walk))
        return;
    facts->content |= json_text_is(walk.type, SLICE("transcript.text.delta"));
    if (json_text_is(walk.type, SLICE("transcript.text.done")))
        facts->finish = facts->terminal = true;
}

static const char *const routes[] = { "POST /v1/audio/transcriptions",
                                      "POST /v1/audio/translations", NULL };

const struct dialect_type dialect_audio = {
    .name = "audio",
    .help = "OpenAI audio transcriptions and translations.",
    .routes = routes,
    .body = DIALECT_BODY_FORM,
    .needs_model = true,
    .streams = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = classify,
};
