/*
 * llhttp as a judge of heads: it is run over one from its first byte to its empty line, and what it
 * came to is compared.
 */
#include "gateway/codec/h1_second.h"

#include <llhttp.h>

bool h1_second_knows_method(struct slice method)
{
    static const struct slice methods[] = {
#define METHOD(number, name, text) SLICE_INIT(#text),
        HTTP_METHOD_MAP(METHOD)
#undef METHOD
    };

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_eq(method, methods[i]))
            return !slice_eq(method, SLICE("SOURCE")); /* Icecast's; in HTTP it is refused */
    return false;
}

static int stop_parsing(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static bool same_start(const llhttp_t *parser, const struct h1_line *line)
{
    if (parser->http_major != 1 || parser->http_minor != line->version - 10)
        return false;
    if (line->status)
        return parser->status_code == line->status;
    return slice_eq(line->method, slice_str(llhttp_method_name(parser->method)));
}

static bool same_framing(const llhttp_t *parser, const struct message *message,
                         enum h1_framing framing)
{
    bool chunked = parser->flags & F_CHUNKED, sized = parser->flags & F_CONTENT_LENGTH;

    return chunked == (framing == H1_CHUNKED) && sized == (framing == H1_LENGTH) &&
           (!sized || parser->content_length == message->length);
}

bool h1_second_agrees(struct slice head, const struct h1_line *line, const struct message *message,
                      enum h1_framing framing)
{
    static const llhttp_settings_t settings = { .on_headers_complete = stop_parsing };
    llhttp_t parser;

    llhttp_init(&parser, line->status ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    return llhttp_execute(&parser, head.at, head.len) == HPE_PAUSED && same_start(&parser, line) &&
           same_framing(&parser, message, framing);
}
