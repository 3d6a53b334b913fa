/*
 * Fields in and out. Incoming: one copy, into the stream's arena. Outgoing: the library copies what
 * is not static, all in one allocation.
 */
#include "gateway/codec/h2_head.h"

#include <stdlib.h>

/* As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, 6.5.2). */
#define FIELD_OVERHEAD 32

static uint8_t *nv_bytes(struct slice s)
{
    return (uint8_t *)(uintptr_t)s.at; /* nghttp2_nv has no const; nothing is written */
}

static void nva_init(struct h2_nva *nva, size_t fields)
{
    size_t most = fields + 5; /* four pseudo fields, content-length */

    nva->count = 0;
    nva->at = most <= H2_NVA_SMALL ? nva->small : xmalloc(most * sizeof(nghttp2_nv));
}

void h2_nva_release(struct h2_nva *nva)
{
    if (nva->at != nva->small)
        free(nva->at);
}

static void nva_add(struct h2_nva *nva, struct slice name, struct slice value, unsigned flags)
{
    nva->at[nva->count++] = (nghttp2_nv){ .name = nv_bytes(name),
                                          .namelen = name.len,
                                          .value = nv_bytes(value),
                                          .valuelen = value.len,
                                          .flags = (uint8_t)flags };
}

/* A value that differs each time would only push others out of the peer's table. */
static unsigned nv_flags(enum field_id id)
{
    unsigned flags = id == FIELD_OTHER ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_COPY_NAME;

    if (id == FIELD_x_request_id || id == FIELD_traceparent || id == FIELD_authorization)
        flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    return flags;
}

static void nva_add_fields(struct h2_nva *nva, const struct message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        enum field_id id = (enum field_id)field->id;

        if (!(field->flags & (FIELD_FLAG_HOP | FIELD_FLAG_FRAME)))
            nva_add(nva, id == FIELD_OTHER ? field->name : field_name(id), field->value,
                    nv_flags(id));
    }
}

static struct slice decimal(char *end, uint64_t n)
{
    char *at = end;

    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    return slice_of(at, (size_t)(end - at));
}

static void nva_add_length(struct h2_nva *nva, const struct message *message)
{
    if (message->length != MESSAGE_LENGTH_UNKNOWN)
        nva_add(nva, field_name(FIELD_content_length),
                decimal(nva->digits + sizeof(nva->digits), message->length),
                NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

void h2_nva_request(struct h2_nva *nva, const struct message *head)
{
    nva_init(nva, head->count);
    nva_add(nva, SLICE(":method"), head->method, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    nva_add(nva, SLICE(":scheme"), head->scheme.len ? head->scheme : SLICE("http"),
            NGHTTP2_NV_FLAG_NO_COPY_NAME);
    if (head->authority.len)
        nva_add(nva, SLICE(":authority"), head->authority, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    nva_add(nva, SLICE(":path"), head->path, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    nva_add_fields(nva, head);
    if (head->has_body)
        nva_add_length(nva, head);
}

/* 1xx and 204 have no length; a HEAD's answer says the one it would have (RFC 9110, 8.6). */
void h2_nva_answer(struct h2_nva *nva, const struct message *head)
{
    nva_init(nva, head->count);
    nva_add(nva, SLICE(":status"), decimal(nva->status + 3, head->status),
            NGHTTP2_NV_FLAG_NO_COPY_NAME);
    nva_add_fields(nva, head);
    if (head->status >= 200 && head->status != 204)
        nva_add_length(nva, head);
}

void h2_nva_trailers(struct h2_nva *nva, const struct message *trailers)
{
    nva_init(nva, trailers->count);
    nva_add_fields(nva, trailers);
}

static bool take_bytes(struct h2_stream *s, struct slice name, struct slice value)
{
    size_t limit = s->h2->conn->settings->head.bytes;
    size_t bytes = name.len + value.len + FIELD_OVERHEAD;

    if (bytes > limit || s->message.bytes > limit - bytes)
        return false;
    s->message.bytes += (uint32_t)bytes;
    return true;
}

static const struct reason *copy(struct arena *arena, struct slice value, struct slice *ret_value)
{
    char *at = arena_try_alloc(arena, value.len);

    if (!at)
        return &reason_head_too_large;
    if (value.len)
        memcpy(at, value.at, value.len);
    *ret_value = slice_of(at, value.len);
    return NULL;
}

const struct reason *h2_head_pseudo(struct h2_stream *s, struct slice name, struct slice value,
                                    struct slice *ret_value)
{
    if (!take_bytes(s, name, value))
        return &reason_head_too_large;
    return copy(s->stream.arena, value, ret_value);
}

/* Framing fields: the library has matched content-length with the body's bytes, or will. */
static const struct reason *frame_field(struct h2_stream *s, enum field_id id, struct slice name,
                                        struct slice value)
{
    if (!take_bytes(s, name, value))
        return &reason_head_too_large;
    if (id == FIELD_content_length)
        return slice_u64(value, &s->message.length) ? NULL : &reason_bad_framing;
    if (id != FIELD_host)
        return &reason_bad_framing;
    if (s->host.at)
        return &reason_bad_host;
    return copy(s->stream.arena, value, &s->host);
}

const struct reason *h2_head_field(struct h2_stream *s, struct slice name, struct slice value)
{
    enum field_id id = field_find(name);

    if (field_flags(id) & FIELD_FLAG_FRAME)
        return frame_field(s, id, name, value);
    return message_add_copy(&s->message, name, value, &s->h2->conn->settings->head);
}

static struct message *trailers_of(struct h2_stream *s)
{
    if (!s->stream.in_trailers) {
        s->stream.in_trailers = arena_try_alloc(s->stream.arena, sizeof(struct message));
        if (s->stream.in_trailers)
            message_init(s->stream.in_trailers, s->stream.arena);
    }
    return s->stream.in_trailers;
}

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

const struct reason *h2_head_trailer(struct h2_stream *s, struct slice name, struct slice value)
{
    const struct message_limits *limits = &s->h2->conn->settings->head;
    struct message_limits left = { less(limits->fields, s->message.count),
                                   less(limits->bytes, s->message.bytes) };
    struct message *trailers;

    if (field_flags(field_find(name)) &
        (FIELD_FLAG_FRAME | FIELD_FLAG_NOTRL | FIELD_FLAG_EDGE | FIELD_FLAG_HOP)) {
        h2_guard_charge(s->h2, 1);
        return NULL;
    }
    trailers = trailers_of(s);
    return trailers ? message_add_copy(trailers, name, value, &left) : &reason_head_too_large;
}

static size_t cookies_len(const struct message *message, uint32_t *ret_crumbs)
{
    size_t len = 0;

    *ret_crumbs = 0;
    for (uint32_t i = 0; i < message->count; i++)
        if (message->fields[i].id == FIELD_cookie) {
            len += (*ret_crumbs)++ ? 2 : 0;
            len += message->fields[i].value.len;
        }
    return len;
}

static void cookies_copy(const struct message *message, char *at)
{
    bool first = true;

    for (uint32_t i = 0; i < message->count; i++) {
        struct slice crumb = message->fields[i].value;

        if (message->fields[i].id != FIELD_cookie)
            continue;
        if (!first)
            at = mempcpy(at, "; ", 2);
        if (crumb.len)
            at = mempcpy(at, crumb.at, crumb.len);
        first = false;
    }
}

const struct reason *h2_head_join_cookies(struct message *message)
{
    uint32_t crumbs;
    size_t len = cookies_len(message, &crumbs);
    char *at;

    if (crumbs < 2)
        return NULL;
    at = arena_try_alloc(message->arena, len);
    if (!at)
        return &reason_head_too_large;
    cookies_copy(message, at);
    message_remove(message, FIELD_cookie); /* makes room for the one that is put */
    message_put(message, FIELD_cookie, slice_of(at, len));
    return NULL;
}
