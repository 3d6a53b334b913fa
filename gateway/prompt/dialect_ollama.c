/*
 * Ollama's own API: lines of JSON, streamed unless told otherwise, errors as bare texts, also
 * inside a stream. Its clients seldom send a content type.
 */
#include "gateway/prompt/answer.h"

static void read_done(struct json_reader *r, struct answer_walk *walk, const struct json_value *key)
{
    struct json_value value;

    (void)key;
    json_take(r, &value);
    if (value.kind == JSON_KIND_TRUE)
        walk->facts.finish = walk->facts.terminal = true;
}

static void read_prompt(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_PROMPT);
}

static void read_completion(struct json_reader *r, struct answer_walk *walk,
                            const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_COMPLETION);
}

static void read_message(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("content"), answer_read_content },
        { SLICE_INIT("thinking"), answer_read_content },
        { SLICE_INIT("tool_calls"), answer_read_content },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("message"), read_message },
        { SLICE_INIT("response"), answer_read_content },
        { SLICE_INIT("thinking"), answer_read_content },
        { SLICE_INIT("done"), read_done },
        { SLICE_INIT("prompt_eval_count"), read_prompt },
        { SLICE_INIT("eval_count"), read_completion },
        { SLICE_INIT("error"), answer_read_error },
        { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    (void)type;
    if (answer_read_text(data, members, &walk))
        *facts = walk.facts;
}

static void error(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param)
{
    (void)param;
    buf_add(out, SLICE("{\"error\":"));
    answer_write_message(out, reason, message);
    buf_add(out, SLICE("}"));
}

static void stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence)
{
    (void)sequence;
    error(out, reason, message, slice_of(NULL, 0));
    buf_add(out, SLICE("\n"));
}

static const char *const routes[] = { "POST /api/chat", "POST /api/generate", NULL };

const struct dialect_type dialect_ollama = {
    .name = "ollama",
    .help = "Ollama chat and generate.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .needs_model = true,
    .any_media = true,
    .streams = true,
    .streams_unasked = true,
    .error_media = "application/json",
    .error = error,
    .stream_error = stream_error,
    .classify = classify,
};

static const char *const embed_routes[] = { "POST /api/embed", "POST /api/embeddings", NULL };

const struct dialect_type dialect_ollama_embed = {
    .name = "ollama_embed",
    .help = "Ollama embeddings.",
    .routes = embed_routes,
    .body = DIALECT_BODY_JSON,
    .needs_model = true,
    .any_media = true,
    .error_media = "application/json",
    .error = error,
    .stream_error = stream_error,
    .classify = classify,
};
