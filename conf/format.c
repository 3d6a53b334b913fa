/*
 * The formats of texts, in one table.
 */
#include "conf/format.h"

#define NAME_BYTES_MAX 256 /* a label of metrics and a part of paths */
#define PATH_BYTES_MAX 1024

static bool consists_of(struct slice text, const char *more)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = slice_lower(text.at[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c && strchr(more, c)))
            return false;
    }
    return text.len > 0;
}

static bool fits_name(struct slice text)
{
    return text.len <= NAME_BYTES_MAX && consists_of(text, "._:/@-");
}

static bool fits_pattern(struct slice text)
{
    return text.len <= NAME_BYTES_MAX && consists_of(text, "._:/@*-");
}

/* A token of RFC 9110, 5.6.2. */
static bool fits_header(struct slice text)
{
    return text.len <= NAME_BYTES_MAX && consists_of(text, "!#$%&'*+.^_`|~-");
}

static bool fits_port(struct slice text)
{
    uint64_t port;

    return text.len <= 5 && slice_u64(text, &port) && port <= 65535;
}

static bool fits_address(struct slice text)
{
    struct slice host = text;
    size_t colon = text.len;

    if (slice_starts(text, SLICE("unix:/")))
        return true;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon < 2 || !fits_port(slice_skip(text, colon)))
        return false;
    host.len = colon - 1;
    if (host.at[0] != '[')
        return consists_of(host, "._-");
    return host.len > 2 && host.at[host.len - 1] == ']' &&
           consists_of(slice_of(host.at + 1, host.len - 2), ":.%");
}

/* A scheme and something behind it; who dials it looks closer. */
static bool fits_url(struct slice text)
{
    struct slice rest = text;
    struct slice scheme = slice_cut(&rest, ':');

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] <= ' ' || strchr("\"<>\\^`|\x7f", text.at[i]))
            return false;
    if (!consists_of(scheme, "+.-") || scheme.at[0] < 'a' || scheme.at[0] > 'z')
        return false;
    if (slice_starts(rest, SLICE("//")))
        rest = slice_skip(rest, 2);
    return rest.len > 0 && rest.at[0] != '/';
}

/* Of a URL, a query with it: what may stand in a request's first line. */
static bool fits_path(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '#')
            return false;
    return text.len > 0 && text.len <= PATH_BYTES_MAX && text.at[0] == '/';
}

static const struct text_format formats[] = {
    { "address", fits_address,
      "^(unix:/.*|[0-9A-Za-z._-]+:[0-9]{1,5}|\\[[0-9A-Za-z:.%]+\\]:[0-9]{1,5})$",
      "host:port, [v6]:port or unix:/path" },
    { "url", fits_url, "^[a-z][0-9A-Za-z+.-]*:(//)?[^/ ][^ ]*$", "scheme://host:port" },
    { "header", fits_header, "^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,256}$", "the name of a header" },
    { "path", fits_path, "^/[!\"$-~]{0,1023}$", "a path of a URL, which begins with /" },
    { "name", fits_name, "^[0-9A-Za-z._:/@-]{1,256}$", "at most 256 letters, digits and ._:/@-" },
    { "pattern", fits_pattern, "^[0-9A-Za-z._:/@*-]{1,256}$",
      "at most 256 letters, digits and ._:/@- and *, which stands for anything" },
};

const struct text_format *text_format(const char *name)
{
    if (!name)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    check_failed(__FILE__, __LINE__, name);
}
