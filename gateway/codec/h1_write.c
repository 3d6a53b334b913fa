/*
 * The one serialiser of HTTP/1.1. A head's size is known before it is written: one reservation,
 * then copies.
 */
#include "gateway/codec/h1_write.h"

#include "gateway/base/clock.h"

#include <time.h>

/* Start line without its texts, Date, Connection, framing and the empty line. */
#define HEAD_OWN_BYTES 256

/* ": " and CRLF. */
#define FIELD_OWN_BYTES 4

#define FIELDS_NOT_WRITTEN (FIELD_FLAG_FRAME | FIELD_FLAG_HOP)

static char *put(char *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.at, s.len);
    return to + s.len;
}

static char *put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t len = 0;

    do
        digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len > 0)
        *to++ = digits[--len];
    return to;
}

static size_t fields_size(const struct message *message)
{
    size_t size = 0;

    for (uint32_t i = 0; i < message->count; i++)
        size += message->fields[i].name.len + message->fields[i].value.len + FIELD_OWN_BYTES;
    return size;
}

static char *put_field(char *to, struct slice name, struct slice value)
{
    to = put(to, name);
    to = put(to, SLICE(": "));
    to = put(to, value);
    return put(to, SLICE("\r\n"));
}

static char *put_fields(char *to, const struct message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];

        if (!(field->flags & FIELDS_NOT_WRITTEN))
            to = put_field(to, field->name, field->value);
    }
    return to;
}

static char *put_length(char *to, uint64_t length)
{
    to = put(to, SLICE("content-length: "));
    to = put_number(to, length);
    return put(to, SLICE("\r\n"));
}

static char *put_framing(char *to, enum h1_framing framing, uint64_t length)
{
    if (framing == H1_LENGTH)
        return put_length(to, length);
    return framing == H1_CHUNKED ? put(to, SLICE("transfer-encoding: chunked\r\n")) : to;
}

void h1_write_request(struct buf *out, const struct message *message, enum h1_framing framing)
{
    char *start = buf_reserve(out, HEAD_OWN_BYTES + message->method.len + message->path.len +
                                       message->authority.len + fields_size(message));
    char *to = put(start, message->method);

    to = put(to, SLICE(" "));
    to = put(to, message->path);
    to = put(to, SLICE(" HTTP/1.1\r\n"));
    to = put_field(to, field_name(FIELD_host), message->authority);
    to = put_fields(to, message);
    to = put_framing(to, framing, message->length);
    to = put(to, SLICE("\r\n"));
    buf_commit(out, (size_t)(to - start));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second and thread. */
static struct slice date_text(uint64_t wall_us)
{
    static _Thread_local time_t made_s;
    static _Thread_local char text[40];
    static _Thread_local size_t len;
    time_t now_s = (time_t)(wall_us / CLOCK_US_PER_S);
    struct tm tm;

    if (now_s != made_s || len == 0) {
        gmtime_r(&now_s, &tm);
        len = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        made_s = now_s;
    }
    return slice_of(text, len);
}

static char *put_status_line(char *to, unsigned status)
{
    to = put(to, SLICE("HTTP/1.1 "));
    to = put_number(to, status);
    to = put(to, SLICE(" "));
    to = put(to, http_status_text(status));
    return put(to, SLICE("\r\n"));
}

static char *put_connection(char *to, enum h1_connection connection)
{
    static const struct slice lines[] = { [H1_SAY_NOTHING] = { "", 0 },
                                          [H1_SAY_CLOSE] = SLICE_INIT("connection: close\r\n"),
                                          [H1_SAY_KEEP_ALIVE] =
                                              SLICE_INIT("connection: keep-alive\r\n") };

    return put(to, lines[connection]);
}

void h1_write_answer(struct buf *out, const struct message *message, enum h1_framing framing,
                     enum h1_connection connection, uint64_t wall_us)
{
    char *start = buf_reserve(out, HEAD_OWN_BYTES + fields_size(message));
    char *to = put_status_line(start, message->status);

    if (!message_find(message, FIELD_date))
        to = put_field(to, field_name(FIELD_date), date_text(wall_us));
    to = put_fields(to, message);
    to = put_connection(to, connection);
    if (framing == H1_NO_BODY && message->length && message->length != MESSAGE_LENGTH_UNKNOWN)
        to = put_length(to, message->length);
    to = put_framing(to, framing, message->length);
    to = put(to, SLICE("\r\n"));
    buf_commit(out, (size_t)(to - start));
}

void h1_write_interim(struct buf *out, const struct message *message)
{
    char *start = buf_reserve(out, HEAD_OWN_BYTES + fields_size(message));
    char *to = put_status_line(start, message->status);

    to = put_fields(to, message);
    to = put(to, SLICE("\r\n"));
    buf_commit(out, (size_t)(to - start));
}

void h1_write_chunk_size(struct buf *out, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    char line[18];
    size_t at = sizeof(line);

    line[--at] = '\n';
    line[--at] = '\r';
    do
        line[--at] = hex[size & 15];
    while (size >>= 4);
    buf_add(out, slice_of(line + at, sizeof(line) - at));
}

void h1_write_last_chunk(struct buf *out, const struct message *trailers)
{
    char *start = buf_reserve(out, HEAD_OWN_BYTES + (trailers ? fields_size(trailers) : 0));
    char *to = put(start, SLICE("0\r\n"));

    if (trailers)
        to = put_fields(to, trailers);
    to = put(to, SLICE("\r\n"));
    buf_commit(out, (size_t)(to - start));
}
