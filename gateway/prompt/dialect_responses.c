/*
 * OpenAI's responses: typed events with sequence numbers, usage inside the terminal one, no [DONE].
 */
#include "gateway/prompt/answer.h"
#include "gateway/prompt/convert.h"

#include <inttypes.h>

/* What an event's type says. Types that are not here say nothing, but for "....delta", which is
 * content. */
static const struct {
    struct slice type;
    bool opening, content, finish, error, terminal;
} event_types[] = {
    { .type = SLICE_INIT("response.created"), .opening = true },
    { .type = SLICE_INIT("response.queued"), .opening = true },
    { .type = SLICE_INIT("response.in_progress"), .opening = true },
    { .type = SLICE_INIT("response.output_item.added"), .opening = true },
    { .type = SLICE_INIT("response.content_part.added"), .opening = true },
    { .type = SLICE_INIT("response.reasoning_part.added"), .opening = true },
    { .type = SLICE_INIT("response.reasoning_summary_part.added"), .opening = true },
    { .type = SLICE_INIT("response.image_generation_call.partial_image"), .content = true },
    { .type = SLICE_INIT("response.completed"), .finish = true, .terminal = true },
    { .type = SLICE_INIT("response.incomplete"), .finish = true, .terminal = true },
    { .type = SLICE_INIT("response.failed"), .error = true, .terminal = true },
    { .type = SLICE_INIT("error"), .error = true },
};

static void read_response(struct json_reader *r, struct answer_walk *walk,
                          const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("usage"), answer_read_usage },
        { SLICE_INIT("error"), answer_read_error },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_sequence(struct json_reader *r, struct answer_walk *walk,
                          const struct json_value *key)
{
    struct json_value value;

    (void)key;
    json_take(r, &value);
    if (!json_u64(value, &walk->facts.sequence))
        walk->facts.sequence = 0;
}

static void apply_type(struct json_value type, struct answer_facts *facts)
{
    if (type.kind == JSON_KIND_STRING && slice_ends(json_inner(type), SLICE(".delta")))
        facts->content = true;
    for (size_t i = 0; i < ARRAY_LEN(event_types); i++) {
        if (!json_text_is(type, event_types[i].type))
            continue;
        facts->opening |= event_types[i].opening;
        facts->content |= event_types[i].content;
        facts->finish |= event_types[i].finish;
        facts->error |= event_types[i].error;
        facts->terminal |= event_types[i].terminal;
    }
}

static void classify(struct slice type, struct slice data, struct answer_facts *facts)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("type"), answer_read_type },
        { SLICE_INIT("sequence_number"), read_sequence },
        { SLICE_INIT("response"), read_response },
        { SLICE_INIT("usage"), answer_read_usage }, /* a whole answer is the response itself */
        { SLICE_INIT("error"), answer_read_error },
        { { NULL, 0 }, NULL },
    };
    struct answer_walk walk;

    if (!answer_read_text(data, members, &walk))
        return;
    *facts = walk.facts;
    facts->error |= slice_eq(type, SLICE("error"));
    apply_type(walk.type, facts);
}

static void stream_error(struct buf *out, const struct reason *reason, struct slice message,
                         uint64_t sequence)
{
    buf_add(out, SLICE("event: error\ndata: {\"type\":\"error\",\"code\":"));
    answer_write_or_null(out, slice_str(reason->code ? reason->code : reason->type));
    buf_add(out, SLICE(",\"message\":"));
    answer_write_message(out, reason, message);
    buf_printf(out, ",\"param\":null,\"sequence_number\":%" PRIu64 "}\n\n", sequence + 1);
}

static const char *const routes[] = { "POST /v1/responses", NULL };

const struct dialect_type dialect_responses = {
    .name = "responses",
    .help = "OpenAI responses.",
    .routes = routes,
    .body = DIALECT_BODY_JSON,
    .prompt = DIALECT_PROMPT_OTHER,
    .to_chat = convert_responses,
    .needs_model = true,
    .streams = true,
    .keeps_alive = true,
    .error_media = "application/json",
    .error = openai_error,
    .stream_error = stream_error,
    .classify = classify,
};
