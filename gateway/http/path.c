/*
 * The one form of a request target: the same bytes are matched and forwarded (H1-14, D-02).
 *
 * First escapes are brought into their one form, in a copy and only where there are any; then the
 * result is looked at, so that no spelling escapes the rules.
 *
 * Dot segments are refused, not resolved: no client of ours sends them. A segment ends, for that
 * question, at '/', at an escaped '/' or '\' (a server behind us may unescape them), and at ';'
 * (some take what follows for a parameter). A percent-encoded slash stays encoded: it is data.
 */
#include "gateway/http/message.h"

enum path_class {
    PATH_BAD = 0,  /* may not stand in a path */
    PATH_DATA = 1, /* stays; escaped it stays escaped */
    PATH_OPEN = 2, /* unreserved (RFC 3986, 2.3): stays; escaped it is unescaped */
    PATH_CARE = 4, /* begins an escape, or can be part of a dot segment */
};

/* Visible ASCII but '#', '?' (it ends the path) and '\\'. A '%' that is no escape was refused
 * before. */
static const uint8_t path_class[256] = {
    ['!'] = PATH_DATA,
    ['"'] = PATH_DATA,
    ['$'] = PATH_DATA,
    ['%'] = PATH_CARE,
    ['&' ... ','] = PATH_DATA,
    ['-'] = PATH_OPEN,
    ['.'] = PATH_OPEN | PATH_CARE,
    ['/'] = PATH_DATA,
    ['0' ... '9'] = PATH_OPEN,
    [':'] = PATH_DATA,
    [';'] = PATH_DATA | PATH_CARE,
    ['<' ... '>'] = PATH_DATA,
    ['@'] = PATH_DATA,
    ['A' ... 'Z'] = PATH_OPEN,
    ['['] = PATH_DATA,
    [']'] = PATH_DATA,
    ['^'] = PATH_DATA,
    ['_'] = PATH_OPEN,
    ['`'] = PATH_DATA,
    ['a' ... 'z'] = PATH_OPEN,
    ['{' ... '}'] = PATH_DATA,
    ['~'] = PATH_OPEN,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = slice_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_escape_value(struct slice s)
{
    int high, low;

    if (s.len < 3 || s.at[0] != '%')
        return -1;
    high = hex_value(s.at[1]);
    low = hex_value(s.at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Escapes of unreserved characters become these; others get upper-case digits. `to` holds path.len
 * bytes. */
static bool path_unescape(struct slice path, char *to, size_t *ret_len)
{
    static const char digits[] = "0123456789ABCDEF";
    char *start = to;

    while (path.len > 0) {
        int byte = path.at[0] == '%' ? http_escape_value(path) : path.at[0];

        if (byte <= 0) /* no escape, "%00", or nothing that a path may hold */
            return false;
        if (path.at[0] != '%' || (path_class[byte] & PATH_OPEN)) {
            *to++ = (char)byte;
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
        path = slice_skip(path, path.at[0] == '%' ? 3 : 1);
    }
    *ret_len = (size_t)(to - start);
    return true;
}

static bool path_bytes_are_good(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path_class[(unsigned char)path.at[i]] == PATH_BAD)
            return false;
    return true;
}

/* Told in one pass: a path as nearly all are, which holds nothing that asks for a closer look. */
static bool path_is_plain(struct slice path)
{
    if (path.len == 0 || path.at[0] != '/')
        return false;
    for (size_t i = 1; i < path.len; i++) {
        uint8_t class = path_class[(unsigned char)path.at[i]];

        if (class == PATH_BAD || (class & PATH_CARE) ||
            (path.at[i] == '/' && path.at[i - 1] == '/'))
            return false;
    }
    return true;
}

/* How many bytes at the front of `s` end a name within a segment (';', "%2F", "%5C"); 0: none do.
 */
static size_t segment_break(struct slice s)
{
    if (s.at[0] == ';')
        return 1;
    return slice_starts(s, SLICE("%2F")) || slice_starts(s, SLICE("%5C")) ? 3 : 0;
}

static bool name_is_dots(struct slice name)
{
    return slice_eq(name, SLICE(".")) || slice_eq(name, SLICE(".."));
}

static bool segment_has_dots(struct slice segment)
{
    size_t from = 0;

    for (size_t i = 0; i < segment.len;) {
        size_t n = segment_break(slice_skip(segment, i));

        if (n > 0 && name_is_dots(slice_of(segment.at + from, i - from)))
            return true;
        i += n ? n : 1;
        if (n > 0)
            from = i;
    }
    return name_is_dots(slice_skip(segment, from));
}

/* One '/' first, none twice in a row, no dots between two of them. */
static bool path_segments_are_good(struct slice path)
{
    struct slice rest = path;

    if (slice_cut(&rest, '/').len > 0 || !rest.at)
        return false;
    while (rest.at) {
        struct slice segment = slice_cut(&rest, '/');

        if (segment.len == 0 && rest.at)
            return false;
        if (slice_find(segment, '.') < segment.len && segment_has_dots(segment))
            return false;
    }
    return true;
}

/* Visible ASCII but '#'. */
static bool query_is_good(struct slice query)
{
    for (size_t i = 0; i < query.len; i++)
        if (query.at[i] <= ' ' || query.at[i] > '~' || query.at[i] == '#')
            return false;
    return true;
}

/* The target with its escapes in their one form: itself where it has none, else in the arena. */
static const struct reason *target_unescape(struct arena *arena, struct slice target,
                                            size_t path_len, struct slice *ret_path,
                                            struct slice *ret_target)
{
    size_t query_len = target.len - path_len;
    size_t len;
    char *copy;

    *ret_path = slice_head(target, path_len);
    *ret_target = target;
    if (slice_find(*ret_path, '%') == path_len)
        return NULL;
    copy = arena_try_alloc(arena, target.len);
    if (!copy)
        return &reason_head_too_large;
    if (!path_unescape(*ret_path, copy, &len))
        return &reason_bad_target;
    if (query_len > 0)
        memcpy(copy + len, target.at + path_len, query_len);
    *ret_path = slice_of(copy, len);
    *ret_target = slice_of(copy, len + query_len);
    return NULL;
}

const struct reason *http_normalise_path(struct arena *arena, struct slice *path)
{
    size_t path_len = slice_find(*path, '?');
    struct slice clean, target;
    const struct reason *reason;

    if (slice_eq(*path, SLICE("*")))
        return NULL;
    if (!query_is_good(slice_skip(*path, path_len)))
        return &reason_bad_target;
    if (path_is_plain(slice_head(*path, path_len)))
        return NULL;
    reason = target_unescape(arena, *path, path_len, &clean, &target);
    if (reason)
        return reason;
    if (!path_bytes_are_good(clean) || !path_segments_are_good(clean))
        return &reason_bad_target;
    *path = target;
    return NULL;
}
