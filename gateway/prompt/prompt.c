/*
 * Reads a request's body into a prompt: which form it has, and whether it is whole. What of it
 * decides anything: prompt_fields.c.
 */
#include "gateway/prompt/prompt.h"

#include "gateway/prompt/multipart.h"
#include "gateway/prompt/prompt_fields.h"

/* Of one body: a prompt of a million token ids is a million members, and a body is bounded in bytes
 * anyway. */
#define MEMBERS_MAX (16u << 20)

static const struct reason *parse_json(struct prompt_call *call, struct slice body,
                                       struct slice *ret_param)
{
    static const struct json_limits limits = { .bytes = SIZE_MAX,
                                               .members = MEMBERS_MAX,
                                               .depth = JSON_DEPTH_MAX };
    struct json_reader r;
    struct json_value key;

    json_open(&r, body, &limits);
    json_note_ends(&r, &call->prompt->ends, call->arena);
    call->reader = &r;
    if (!json_enter_object(&r)) {
        json_take(&r, NULL);
        return json_close(&r) ? json_close(&r) : &reason_bad_value;
    }
    while (json_next(&r, &key)) {
        const struct reason *reason = prompt_read_member(call, key, ret_param);

        if (reason) {
            if (reason == r.reason)
                *ret_param = slice_of(NULL, 0);
            return reason;
        }
    }
    *ret_param = slice_of(NULL, 0);
    call->prompt->members = MEMBERS_MAX - r.members_left;
    return json_close(&r);
}

/* What of a form decides anything: the model, and whether the answer is streamed. */
static const struct reason *parse_form(struct prompt_call *call, struct slice body,
                                       struct slice content_type, struct slice *ret_param)
{
    struct multipart form;
    struct multipart_part part;
    const struct reason *reason = multipart_open(&form, body, content_type);
    bool model_seen = false;

    call->prompt->form = true;
    while (!reason && multipart_next(&form, &part)) {
        if (slice_ieq(part.name, SLICE("stream")))
            call->prompt->stream =
                slice_ieq(part.value, SLICE("true")) || slice_eq(part.value, SLICE("1"));
        if (!slice_ieq(part.name, SLICE("model")))
            continue;
        *ret_param = SLICE("model");
        if (model_seen)
            return &reason_duplicate_key;
        model_seen = true;
        reason = part.file ? &reason_bad_value : prompt_keep_model(call, part.value, part.value);
    }
    if (reason)
        return reason;
    *ret_param = slice_of(NULL, 0);
    return multipart_close(&form);
}

/* JSON goes under several names; a charset other than UTF-8 would make us and the engine read
 * different texts. */
static bool is_json_media(struct slice content_type)
{
    struct slice type = media_type(content_type);
    struct slice charset;

    if (type.len == 0)
        return true;
    if (!slice_ieq(type, SLICE("application/json")) && !slice_ieq(type, SLICE("text/json")) &&
        !(type.len > 5 && slice_ieq(slice_skip(type, type.len - 5), SLICE("+json"))))
        return false;
    if (!media_param(content_type, SLICE("charset"), &charset))
        return false;
    return !charset.at || slice_ieq(charset, SLICE("utf-8")) || slice_ieq(charset, SLICE("utf8")) ||
           slice_ieq(charset, SLICE("us-ascii"));
}

static bool is_form(const struct dialect_type *dialect, struct slice content_type)
{
    return dialect->body == DIALECT_BODY_FORM ||
           (dialect->body == DIALECT_BODY_ANY &&
            slice_ieq(media_type(content_type), SLICE("multipart/form-data")));
}

const struct reason *prompt_parse(const struct dialect_type *dialect, struct slice body,
                                  struct slice content_type, bool trusted, struct arena *arena,
                                  struct prompt *ret_prompt, struct slice *ret_param)
{
    struct prompt prompt = {
        .dialect = dialect,
        .body = body,
        .stream = dialect->streams_unasked,
        .choices = 1,
        .add_generation_prompt = PROMPT_UNSAID,
        .continue_final_message = PROMPT_UNSAID,
        .add_special_tokens = PROMPT_UNSAID,
        .return_token_strs = PROMPT_UNSAID,
    };
    struct prompt_call call = { .prompt = &prompt, .arena = arena, .trusted = trusted };
    const struct reason *reason = NULL;

    *ret_param = slice_of(NULL, 0);
    if (is_form(dialect, content_type))
        reason = parse_form(&call, body, content_type, ret_param);
    else if (dialect->body != DIALECT_BODY_NONE && !dialect->any_media &&
             !is_json_media(content_type))
        reason = &reason_bad_media;
    else if (dialect->body != DIALECT_BODY_NONE)
        reason = parse_json(&call, body, ret_param);
    if (reason)
        return reason;
    prompt.stream &= dialect->streams;
    if (dialect->needs_model && prompt.model.len == 0) {
        *ret_param = SLICE("model");
        return &reason_no_model;
    }
    *ret_prompt = prompt;
    return NULL;
}
