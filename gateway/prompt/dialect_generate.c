/*
 * The native generate calls of SGLang (text and meta_info, cumulative) and TGI (a token an event,
 * no [DONE]). They name no model: only a server that has one can be asked so.
 */
#include "gateway/prompt/answer.h"

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

static void read_meta(struct json_reader *r, struct answer_walk *walk, const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("prompt_tokens"), read_prompt },
        { SLICE_INIT("completion_tokens"), read_completion },
        { SLICE_INIT("cached_tokens"), answer_read_cached },
        { SLICE_INIT("finish_reason"), answer_read_finish },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_token(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("text"), answer_read_content },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_details(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("generated_tokens"), read_completion },
        { SLICE_INIT("input_length"), read_prompt },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

/* TGI says the whole text in its last event. */
static void read_generated(struct json_reader *r, struct answer_walk *walk,
                           const struct json_value *key)
{
    answer_read_finish(r, walk, key);
    walk->facts.terminal = walk->facts.finish;
}

static void classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("text"), answer_read_content },
        { SLICE_INIT("meta_info"), read_meta },
        { SLICE_INIT("token"), read_token },
        { SLICE_INIT("generated_text"), read_generated },
        { SLICE_INIT("details"), read_details },
        { SLICE_INIT("error"), answer_read_error },
        { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    (void)type;
    if (slice_eq(data, SLICE("[DONE]")))
        facts->terminal = true;
    else if (answer_read_text(data, members, &walk))
        *facts = walk.facts;
}

static void error(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param)
{
    (void)param;
    buf_add(out, SLICE("{\"error\":"));
    answer_write_message(out, reason, message);
    buf_add(out, SLICE(",\"error_type\":"));
    json_write_text(out, slice_str(reason->name));
    buf_add(out, SLICE("}"));
}

static void stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence)
{
    (void)sequence;
    buf_add(out, SLICE("data:"));
    error(out, reason, message, slice_of(NULL, 0));
    buf_add(out, SLICE("\n\n"));
}

static const char *const routes[] = { "POST /generate", "POST /generate_stream", NULL };

const struct dialect_type dialect_generate = {
    .name = "generate",
    .help = "The native generate calls of SGLang and TGI.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .streams = true,
    .error_media = "application/json",
    .error = error,
    .stream_error = stream_error,
    .classify = classify,
};
