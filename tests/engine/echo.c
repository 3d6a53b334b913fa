/*
 * Tells a request back as JSON, as it arrived here: what a proxy made of it.
 */
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"

#include <openssl/sha.h>
#include <stdio.h>

/* As Latin-1 when it is no UTF-8, so that every byte can be seen. Gives. */
static json_t *text(struct slice s)
{
    char wide[2 * 4096];
    size_t n = 0;
    json_t *string = json_stringn(s.at ? s.at : "", s.len);

    if (string)
        return string;
    for (size_t i = 0; i < s.len && n + 2 <= sizeof(wide); i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c >= 0x80)
            wide[n++] = (char)(0xc0 | c >> 6);
        wide[n++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
    return json_stringn(wide, n);
}

static json_t *fields(const struct message *message)
{
    json_t *list = json_array();

    for (uint32_t i = 0; message && i < message->count; i++)
        json_array_append_new(list, json_pack("[o,o]", text(message->fields[i].name),
                                              text(message->fields[i].value)));
    return list;
}

static json_t *digest(struct slice body)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];

    SHA256((const unsigned char *)body.at, body.len, hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    return json_string(hex);
}

void serve_echo(struct call *call)
{
    const struct message *head = call->stream->head;
    struct slice body = call_body(call);

    call_answer_json(call, 200,
                     json_pack("{s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:I,s:o}", "method",
                               text(head->method), "scheme", text(head->scheme), "authority",
                               text(head->authority), "path", text(head->path), "version",
                               (int)head->version, "headers", fields(head), "trailers",
                               fields(call->stream->in_trailers), "body_length",
                               (json_int_t)body.len, "body_sha256", digest(body)));
}
