/*
 * Anthropic's messages: typed events from message_start to message_stop. Input is counted at the
 * start, output cumulatively in message_delta; tokens read from or written to the cache are counted
 * beside the input, not in it.
 */
#include "gateway/prompt/answer.h"
#include "gateway/prompt/convert.h"

static const struct {
    struct slice type;
    bool opening, content, error, terminal;
} event_types[] = {
    { .type = SLICE_INIT("ping"), .opening = true },
    { .type = SLICE_INIT("message_start"), .opening = true },
    { .type = SLICE_INIT("content_block_start"), .opening = true },
    { .type = SLICE_INIT("content_block_delta"), .content = true },
    { .type = SLICE_INIT("message_stop"), .terminal = true },
    { .type = SLICE_INIT("error"), .error = true },
};

static uint64_t take_count(struct json_reader *r)
{
    struct json_value value;
    uint64_t count = 0;

    json_take(r, &value);
    return json_u64(value, &count) ? count : 0;
}

static void read_input(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    (void)key;
    walk->facts.usage.prompt += take_count(r);
    walk->facts.usage.known |= ANSWER_USAGE_PROMPT;
}

static void read_cached(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    walk->facts.usage.cached = take_count(r);
    walk->facts.usage.known |= ANSWER_USAGE_CACHED;
}

/* Belongs to the prompt, but says nothing where input_tokens is not beside it. */
static void read_created(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    (void)key;
    walk->facts.usage.prompt += take_count(r);
}

static void read_output(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_COMPLETION);
}

static void read_usage(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("input_tokens"), read_input },
        { SLICE_INIT("cache_read_input_tokens"), read_cached },
        { SLICE_INIT("cache_creation_input_tokens"), read_created },
        { SLICE_INIT("output_tokens"), read_output },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
    if (walk->facts.usage.known & ANSWER_USAGE_CACHED)
        walk->facts.usage.prompt += walk->facts.usage.cached;
}

static void read_message(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("usage"), read_usage },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_delta(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("stop_reason"), answer_read_finish },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("type"), answer_read_type },
        { SLICE_INIT("message"), read_message },
        { SLICE_INIT("delta"), read_delta },
        { SLICE_INIT("usage"), read_usage },
        { SLICE_INIT("stop_reason"), answer_read_finish },
        { SLICE_INIT("error"), answer_read_error },
        { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    if (!answer_read_text(data, members, &walk))
        return;
    *facts = walk.facts;
    facts->error |= slice_eq(type, SLICE("error"));
    for (size_t i = 0; i < ARRAY_LEN(event_types); i++) {
        if (!json_text_is(walk.type, event_types[i].type))
            continue;
        facts->opening |= event_types[i].opening;
        facts->content |= event_types[i].content;
        facts->error |= event_types[i].error;
        facts->terminal |= event_types[i].terminal;
    }
}

static const char *error_type(unsigned status)
{
    static const struct {
        unsigned status;
        const char *type;
    } types[] = {
        { 401, "authentication_error" }, { 403, "permission_error" }, { 404, "not_found_error" },
        { 413, "request_too_large" },    { 429, "rate_limit_error" }, { 503, "overloaded_error" },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].status == status)
            return types[i].type;
    return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
}

static void error(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param)
{
    (void)param;
    buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
               error_type(reason->status));
    answer_write_message(out, reason, message);
    buf_add(out, SLICE("}}"));
}

static void stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence)
{
    (void)sequence;
    buf_add(out, SLICE("event: error\ndata: "));
    error(out, reason, message, slice_of(NULL, 0));
    buf_add(out, SLICE("\n\n"));
}

static const char *const routes[] = { "POST /v1/messages", "POST /v1/messages/count_tokens", NULL };

const struct dialect_type dialect_messages = {
    .name = "messages",
    .help = "Anthropic messages.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_OTHER,
    .to_chat = convert_messages,
    .needs_model = true,
    .streams = true,
    .keeps_alive = true,
    .error_media = "application/json",
    .error = error,
    .stream_error = stream_error,
    .classify = classify,
};
