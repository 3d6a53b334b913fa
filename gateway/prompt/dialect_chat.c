/*
 * OpenAI's chat completions, and what its relatives share with it: answers in choices, errors in
 * {"error":{message,type,param,code}} with all four always there, streams ended by [DONE].
 */
#include "gateway/http/reply.h"
#include "gateway/prompt/answer.h"

static void read_delta(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("content"), answer_read_content },
        { SLICE_INIT("role"), answer_read_opening },
        { SLICE_INIT("reasoning"), answer_read_content },
        { SLICE_INIT("reasoning_content"), answer_read_content },
        { SLICE_INIT("tool_calls"), answer_read_content },
        { SLICE_INIT("function_call"), answer_read_content },
        { SLICE_INIT("refusal"), answer_read_content },
        { SLICE_INIT("audio"), answer_read_content },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_choices(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("delta"), read_delta },
        { SLICE_INIT("message"), read_delta },
        { SLICE_INIT("text"), answer_read_content },
        { SLICE_INIT("finish_reason"), answer_read_finish },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    if (!json_enter_array(r)) {
        json_take(r, NULL);
        return;
    }
    walk->facts.no_choices = true;
    while (json_next(r, NULL)) {
        walk->facts.no_choices = false;
        answer_read_object(r, walk, members);
    }
}

/* The flat errors of SGLang and older vLLM: {"object":"error","message":...}. */
static void read_object_name(struct json_reader *r, struct answer_walk *walk,
                             const struct json_value *key)
{
    struct json_value value;

    (void)key;
    json_take(r, &value);
    walk->facts.error |= json_text_is(value, SLICE("error"));
}

/* llama.cpp counts what it found in its cache beside usage. */
static void read_timings(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("cache_n"), answer_read_cached },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

void openai_classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("choices"), read_choices },    { SLICE_INIT("usage"), answer_read_usage },
        { SLICE_INIT("error"), answer_read_error }, { SLICE_INIT("object"), read_object_name },
        { SLICE_INIT("timings"), read_timings },    { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    if (slice_eq(data, SLICE("[DONE]"))) {
        facts->terminal = true;
        return;
    }
    if (!answer_read_text(data, members, &walk))
        return;
    *facts = walk.facts;
    facts->error |= slice_eq(type, SLICE("error"));
    facts->opening &= !facts->content;
    facts->usage_only = facts->no_choices && facts->usage_value.kind == JSON_KIND_OBJECT;
}

void openai_error(struct buf *out, const struct reason *reason, struct slice message,
                  struct slice param)
{
    reply_error_json(out, reason, message, param);
}

void openai_stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence)
{
    (void)sequence;
    buf_add(out, SLICE("data: "));
    openai_error(out, reason, message, slice_of(NULL, 0));
    buf_add(out, SLICE("\n\n"));
}

static const char *const routes[] = { "POST /v1/chat/completions", NULL };

const struct dialect_type dialect_chat = {
    .name = "chat",
    .help = "OpenAI chat completions.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_CHAT,
    .needs_model = true,
    .streams = true,
    .keeps_alive = true,
    .include_usage = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = openai_stream_error,
    .classify = openai_classify,
};
