/*
 * What RFC 9110 and RFC 3986 let stand in tokens, field values and authorities, and the words of
 * status codes.
 */
#include "gateway/http/message.h"

#include "gateway/base/bytes16.h"

#include <arpa/inet.h>

/* A host name has at most 253 bytes (RFC 1035, 2.3.4); an IPv6 address is shorter. */
#define HOST_BYTES 255

enum byte_class {
    BYTE_TOKEN = 1, /* tchar of RFC 9110, 5.6.2 */
    BYTE_HOST = 2,  /* of a registered name: RFC 3986 unreserved; its other characters name no host
                       and hide lists and users */
};

#define T BYTE_TOKEN
#define H (BYTE_TOKEN | BYTE_HOST)

static const uint8_t byte_class[256] = {
    ['!'] = T, ['#'] = T, ['$'] = T, ['%'] = T,         ['&'] = T,         ['\''] = T,
    ['*'] = T, ['+'] = T, ['-'] = H, ['.'] = H,         ['0' ... '9'] = H, ['A' ... 'Z'] = H,
    ['^'] = T, ['_'] = H, ['`'] = T, ['a' ... 'z'] = H, ['|'] = T,         ['~'] = H,
};

#undef T
#undef H

static bool bytes_are(struct slice s, enum byte_class class)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(byte_class[(unsigned char)s.at[i]] & class))
            return false;
    return true;
}

bool http_is_token(struct slice s)
{
    return s.len > 0 && bytes_are(s, BYTE_TOKEN);
}

/* Controls but HTAB. */
static inline bytes16 not_of_values(bytes16 bytes)
{
    return (bytes16)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f));
}

bool http_is_value(struct slice s)
{
    return !bytes16_has(s.at, s.len, not_of_values);
}

static bool port_is_good(struct slice port)
{
    uint64_t number;

    return port.len <= 5 && slice_u64(port, &number) && number <= 65535;
}

/* "[...]" with an IPv6 address in it; a zone means nothing to anybody else. */
static bool literal_is_good(struct slice host)
{
    struct slice inside = slice_of(host.at + 1, host.len - 2);
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (inside.len >= sizeof(text) || memchr(inside.at, '\0', inside.len))
        return false;
    memcpy(text, inside.at, inside.len);
    text[inside.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* How long the host is that `s` starts with, brackets included. */
static size_t host_length(struct slice s)
{
    size_t close;

    if (s.len == 0 || s.at[0] != '[')
        return slice_find(s, ':');
    close = slice_find(s, ']');
    return close < s.len ? close + 1 : 0;
}

bool http_is_authority(struct slice s)
{
    struct slice host = slice_head(s, host_length(s));
    struct slice rest = slice_skip(s, host.len);

    if (host.len == 0 || host.len > HOST_BYTES)
        return false;
    if (host.at[0] == '[' ? !literal_is_good(host) : !bytes_are(host, BYTE_HOST))
        return false;
    return rest.len == 0 || (rest.at[0] == ':' && port_is_good(slice_skip(rest, 1)));
}

static const struct slice status_text[] = {
    [100] = SLICE_INIT("Continue"),
    [101] = SLICE_INIT("Switching Protocols"),
    [102] = SLICE_INIT("Processing"),
    [103] = SLICE_INIT("Early Hints"),
    [200] = SLICE_INIT("OK"),
    [201] = SLICE_INIT("Created"),
    [202] = SLICE_INIT("Accepted"),
    [203] = SLICE_INIT("Non-Authoritative Information"),
    [204] = SLICE_INIT("No Content"),
    [205] = SLICE_INIT("Reset Content"),
    [206] = SLICE_INIT("Partial Content"),
    [207] = SLICE_INIT("Multi-Status"),
    [208] = SLICE_INIT("Already Reported"),
    [226] = SLICE_INIT("IM Used"),
    [300] = SLICE_INIT("Multiple Choices"),
    [301] = SLICE_INIT("Moved Permanently"),
    [302] = SLICE_INIT("Found"),
    [303] = SLICE_INIT("See Other"),
    [304] = SLICE_INIT("Not Modified"),
    [305] = SLICE_INIT("Use Proxy"),
    [307] = SLICE_INIT("Temporary Redirect"),
    [308] = SLICE_INIT("Permanent Redirect"),
    [400] = SLICE_INIT("Bad Request"),
    [401] = SLICE_INIT("Unauthorized"),
    [402] = SLICE_INIT("Payment Required"),
    [403] = SLICE_INIT("Forbidden"),
    [404] = SLICE_INIT("Not Found"),
    [405] = SLICE_INIT("Method Not Allowed"),
    [406] = SLICE_INIT("Not Acceptable"),
    [407] = SLICE_INIT("Proxy Authentication Required"),
    [408] = SLICE_INIT("Request Timeout"),
    [409] = SLICE_INIT("Conflict"),
    [410] = SLICE_INIT("Gone"),
    [411] = SLICE_INIT("Length Required"),
    [412] = SLICE_INIT("Precondition Failed"),
    [413] = SLICE_INIT("Content Too Large"),
    [414] = SLICE_INIT("URI Too Long"),
    [415] = SLICE_INIT("Unsupported Media Type"),
    [416] = SLICE_INIT("Range Not Satisfiable"),
    [417] = SLICE_INIT("Expectation Failed"),
    [421] = SLICE_INIT("Misdirected Request"),
    [422] = SLICE_INIT("Unprocessable Content"),
    [423] = SLICE_INIT("Locked"),
    [424] = SLICE_INIT("Failed Dependency"),
    [425] = SLICE_INIT("Too Early"),
    [426] = SLICE_INIT("Upgrade Required"),
    [428] = SLICE_INIT("Precondition Required"),
    [429] = SLICE_INIT("Too Many Requests"),
    [431] = SLICE_INIT("Request Header Fields Too Large"),
    [451] = SLICE_INIT("Unavailable For Legal Reasons"),
    [500] = SLICE_INIT("Internal Server Error"),
    [501] = SLICE_INIT("Not Implemented"),
    [502] = SLICE_INIT("Bad Gateway"),
    [503] = SLICE_INIT("Service Unavailable"),
    [504] = SLICE_INIT("Gateway Timeout"),
    [505] = SLICE_INIT("HTTP Version Not Supported"),
    [506] = SLICE_INIT("Variant Also Negotiates"),
    [507] = SLICE_INIT("Insufficient Storage"),
    [508] = SLICE_INIT("Loop Detected"),
    [511] = SLICE_INIT("Network Authentication Required"),
};

struct slice http_status_text(unsigned status)
{
    return status < ARRAY_LEN(status_text) ? status_text[status] : slice_of("", 0);
}
