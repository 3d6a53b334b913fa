/*
 * Reading heads: one copy into the arena, names made lower case there, no allocation a field.
 */
#include "gateway/codec/h1_head.h"

#include "gateway/codec/h1_second.h"

/* Framing fields as they came; how often is what matters first. */
enum { RAW_HOST, RAW_LENGTH, RAW_CODING, RAW_COUNT };

struct raw_field {
    struct slice value; /* of the last one, spaces included */
    unsigned count;
};

static const struct {
    struct slice name;
    const struct reason *bad_value; /* no field may have it */
} raw_rows[RAW_COUNT] = {
    [RAW_HOST] = { SLICE_INIT("host"), &reason_bad_host },
    [RAW_LENGTH] = { SLICE_INIT("content-length"), &reason_bad_framing },
    [RAW_CODING] = { SLICE_INIT("transfer-encoding"), &reason_bad_framing },
};

/* ---- fields ---- */

/* Equal where '_' counts as '-': what a server behind us may take for the same name. */
static bool name_is_like(struct slice name, struct slice known)
{
    if (name.len != known.len)
        return false;
    if (slice_eq(name, known))
        return true;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] != known.at[i] && !(name.at[i] == '_' && known.at[i] == '-'))
            return false;
    return true;
}

/* Notes a field that frames. False: it is none. A disguised one is a field that is not valid. */
static bool note_framing(struct raw_field raw[RAW_COUNT], struct slice name, struct slice value,
                         const struct reason **ret_reason)
{
    for (int i = 0; i < RAW_COUNT; i++)
        if (name_is_like(name, raw_rows[i].name)) {
            raw[i].value = value;
            raw[i].count++;
            *ret_reason = http_is_value(value) ? NULL : raw_rows[i].bad_value;
            if (!slice_eq(name, raw_rows[i].name))
                *ret_reason = &reason_bad_field;
            return true;
        }
    return false;
}

/* `lines` lie in the message's arena, where their names become lower case. */
static const struct reason *read_fields(struct slice lines, const struct message_limits *limits,
                                        struct message *message, struct raw_field raw[RAW_COUNT])
{
    while (lines.len > 2) {
        struct slice name, value;
        const struct reason *reason = h1_guard_field(&lines, &name, &value);

        if (reason)
            return reason;
        if (!note_framing(raw, name, value, &reason))
            reason = message_add(message, name, slice_trim(value), limits);
        if (reason)
            return reason;
    }
    return NULL;
}

/* ---- framing ---- */

static struct slice without_spaces_before(struct slice s)
{
    while (s.len > 0 && s.at[0] == ' ')
        s = slice_skip(s, 1);
    return s;
}

/* 1 to 19 digits up to the line's end, below 2^63: what no reader takes for another number. */
static bool read_length(struct slice value, uint64_t *ret_length)
{
    value = without_spaces_before(value);
    return value.len <= 19 && slice_u64(value, ret_length) && *ret_length <= INT64_MAX;
}

static bool is_chunked(struct slice value)
{
    value = without_spaces_before(value);
    while (value.len > 0 && value.at[value.len - 1] == ' ')
        value.len--;
    return slice_ieq(value, SLICE("chunked"));
}

/* What the fields say, whatever the method or status make of it. */
static const struct reason *judge_framing(const struct raw_field raw[RAW_COUNT], uint8_t version,
                                          struct message *message, uint8_t *ret_framing)
{
    *ret_framing = H1_NO_BODY;
    if (raw[RAW_LENGTH].count + raw[RAW_CODING].count == 0)
        return NULL;
    if (raw[RAW_LENGTH].count + raw[RAW_CODING].count > 1)
        return &reason_bad_framing;
    if (raw[RAW_LENGTH].count) {
        *ret_framing = H1_LENGTH;
        return read_length(raw[RAW_LENGTH].value, &message->length) ? NULL : &reason_bad_framing;
    }
    *ret_framing = H1_CHUNKED;
    message->length = MESSAGE_LENGTH_UNKNOWN;
    return version == 11 && is_chunked(raw[RAW_CODING].value) ? NULL : &reason_bad_framing;
}

/* Where readers are known to differ, two must agree. */
static const struct reason *ask_second(struct slice head, const struct h1_line *line,
                                       const struct message *message, uint8_t framing)
{
    if (framing == H1_CHUNKED && !h1_second_agrees(head, line, message, H1_CHUNKED))
        return &reason_bad_request;
    return NULL;
}

/* ---- requests ---- */

static const struct reason *judge_method(struct slice method)
{
    if (slice_eq(method, SLICE("CONNECT")) || !h1_second_knows_method(method)) /* no tunnels */
        return &reason_bad_method;
    return slice_eq(method, SLICE("TRACE")) ? &reason_method_not_allowed : NULL;
}

static const struct reason *judge_host(const struct raw_field raw[RAW_COUNT], uint8_t version,
                                       struct message *message)
{
    if (raw[RAW_HOST].count > 1 || (raw[RAW_HOST].count == 0 && version == 11))
        return &reason_bad_host;
    if (raw[RAW_HOST].count == 0)
        return NULL;
    message->authority = slice_trim(raw[RAW_HOST].value);
    return http_is_authority(message->authority) ? NULL : &reason_bad_host;
}

static struct slice with_slash(struct arena *arena, struct slice query)
{
    char *path = arena_alloc(arena, query.len + 1);

    path[0] = '/';
    memcpy(path + 1, query.at, query.len);
    return slice_of(path, query.len + 1);
}

/* Behind "http://": its authority replaces Host (RFC 9112, 3.2.2). */
static const struct reason *read_absolute(struct slice rest, struct message *message)
{
    size_t end = 0;
    struct slice path;

    while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?')
        end++;
    message->authority = slice_head(rest, end);
    if (!http_is_authority(message->authority))
        return &reason_bad_target;
    path = slice_skip(rest, end);
    if (path.len == 0)
        path = slice_eq(message->method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    else if (path.at[0] == '?')
        path = with_slash(message->arena, path);
    message->path = path;
    return NULL;
}

static const struct reason *read_target(struct slice target, struct message *message)
{
    static const struct slice schemes[] = { SLICE_INIT("http://"), SLICE_INIT("https://") };
    const struct reason *reason = NULL;

    message->path = target;
    for (size_t i = 0; i < ARRAY_LEN(schemes) && target.at[0] != '/'; i++)
        if (slice_ieq(slice_head(target, schemes[i].len), schemes[i]))
            reason = read_absolute(slice_skip(target, schemes[i].len), message);
    if (reason)
        return reason;
    if (slice_eq(message->path, SLICE("*")) && !slice_eq(message->method, SLICE("OPTIONS")))
        return &reason_bad_target;
    return http_normalise_path(message->arena, &message->path);
}

/* Only the one expectation there is; before HTTP/1.1 there was none (RFC 9110, 10.1.1). */
static const struct reason *read_expect(struct message *message, uint8_t framing)
{
    unsigned found = 0;

    if (message->version < 11)
        return NULL;
    for (uint32_t i = 0; i < message->count; i++) {
        if (message->fields[i].id != FIELD_expect)
            continue;
        if (++found > 1 || !slice_ieq(message->fields[i].value, SLICE("100-continue")))
            return &reason_bad_expect;
    }
    message->expects_100 = found && framing != H1_NO_BODY && message->length != 0;
    return NULL;
}

static bool connection_says(const struct message *message, struct slice token)
{
    for (uint32_t i = 0; i < message->count; i++)
        if (message->fields[i].id == FIELD_connection &&
            field_has_token(message->fields[i].value, token))
            return true;
    return false;
}

static bool is_persistent(const struct message *message)
{
    if (connection_says(message, SLICE("close")))
        return false;
    return message->version == 11 || connection_says(message, SLICE("keep-alive"));
}

/* A copy in the arena; empty when the arena is full. */
static struct slice copy_head(struct slice head, struct message *message)
{
    char *copy = arena_try_alloc(message->arena, head.len);

    if (!copy)
        return slice_of(NULL, 0);
    memcpy(copy, head.at, head.len);
    return slice_of(copy, head.len);
}

/* What a request's fields mean, once they are all there. */
static const struct reason *judge_request(const struct raw_field raw[RAW_COUNT],
                                          const struct h1_line *line, struct message *message,
                                          struct h1_facts *facts)
{
    const struct reason *reason = judge_host(raw, line->version, message);

    if (!reason)
        reason = read_target(line->target, message);
    if (!reason)
        reason = message_apply_connection(message);
    if (!reason)
        reason = read_expect(message, facts->framing);
    facts->persistent = is_persistent(message);
    facts->takes_trailers = field_has_token(message_value(message, FIELD_te), SLICE("trailers"));
    return reason;
}

const struct reason *h1_head_read_request(struct slice head, const struct message_limits *limits,
                                          struct message *message, struct h1_facts *ret_facts)
{
    struct slice lines = copy_head(head, message);
    struct raw_field raw[RAW_COUNT] = { 0 };
    const struct reason *reason;
    struct h1_line line;

    if (!lines.len)
        return &reason_head_too_large;
    reason = h1_guard_request_line(h1_guard_cut_line(&lines), &line);
    if (!reason)
        reason = judge_method(line.method);
    if (reason)
        return reason;
    message->method = line.method;
    message->version = line.version;
    message->length = 0;
    reason = read_fields(lines, limits, message, raw);
    if (!reason)
        reason = judge_framing(raw, line.version, message, &ret_facts->said);
    ret_facts->framing = ret_facts->said;
    if (!reason)
        reason = judge_request(raw, &line, message, ret_facts);
    message->has_body = ret_facts->framing != H1_NO_BODY;
    return reason ? reason : ask_second(head, &line, message, ret_facts->said);
}

/* ---- answers ---- */

/* Where the body ends (RFC 9112, 6.3). `said` is what the fields say. */
static uint8_t answer_framing(uint16_t status, bool to_head, uint8_t said)
{
    if (to_head || status == 204 || status == 304)
        return H1_NO_BODY;
    return said == H1_NO_BODY ? H1_UNTIL_CLOSE : said;
}

const struct reason *h1_head_read_answer(struct slice head, const struct h1_line *line,
                                         bool to_head, const struct message_limits *limits,
                                         struct message *message, struct h1_facts *ret_facts)
{
    struct slice lines = copy_head(head, message);
    struct raw_field raw[RAW_COUNT] = { 0 };
    const struct reason *reason;

    if (!lines.len)
        return &reason_head_too_large;
    h1_guard_cut_line(&lines);
    message->status = line->status;
    message->version = line->version;
    reason = read_fields(lines, limits, message, raw);
    if (!reason)
        reason = judge_framing(raw, line->version, message, &ret_facts->said);
    if (!reason)
        reason = ask_second(head, line, message, ret_facts->said);
    if (!reason)
        reason = message_apply_connection(message);
    if (reason)
        return reason;
    ret_facts->framing = answer_framing(line->status, to_head, ret_facts->said);
    ret_facts->persistent = is_persistent(message) && ret_facts->framing != H1_UNTIL_CLOSE;
    message->has_body = ret_facts->framing != H1_NO_BODY;
    return NULL;
}

/* ---- trailers ---- */

const struct reason *h1_head_read_trailers(struct slice lines, const struct message_limits *limits,
                                           struct message *message)
{
    struct raw_field dropped[RAW_COUNT] = { 0 };
    const struct reason *reason;

    if (lines.len <= 2) /* the usual case: none */
        return NULL;
    lines = copy_head(lines, message);
    if (!lines.len)
        return &reason_head_too_large;
    reason = read_fields(lines, limits, message, dropped);
    if (reason)
        return reason;
    message_remove_flagged(message,
                           FIELD_FLAG_FRAME | FIELD_FLAG_HOP | FIELD_FLAG_EDGE | FIELD_FLAG_NOTRL);
    return NULL;
}
