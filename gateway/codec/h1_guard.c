/*
 * Lines of heads. First only their ends are looked for; what stands in a line is judged when the
 * head is whole, by those who take it apart.
 */
#include "gateway/codec/h1_guard.h"

#include "gateway/http/message.h"

/* A client's empty line after the body of an earlier request (RFC 9112, 2.2). */
#define EMPTY_LINE_BYTES 2

/* Longer than any method: who has not come to a space by then speaks something else. */
#define METHOD_BYTES 32

/* The first CR or LF at or behind `at`; bytes.len when there is none. */
static size_t line_end(struct slice bytes, size_t at)
{
    return at + slice_find_either(slice_skip(bytes, at), '\r', '\n');
}

/*
 * Goes from line end to line end until one ends an empty line. *scanned stops behind the last whole
 * line end, or before a CR that is the last byte here, so that the next call sees both bytes.
 */
static const struct reason *scan(struct slice bytes, size_t start, uint32_t *scanned,
                                 size_t *ret_len)
{
    size_t at = *scanned > start ? *scanned : start;

    *ret_len = 0;
    for (;;) {
        at = line_end(bytes, at);
        *scanned = (uint32_t)at;
        if (at == bytes.len || (bytes.at[at] == '\r' && at + 1 == bytes.len))
            return NULL;
        if (bytes.at[at] == '\n' || bytes.at[at + 1] != '\n')
            return &reason_bad_request;
        if (at == start || bytes.at[at - 1] == '\n') {
            *ret_len = at + 2;
            return NULL;
        }
        at += 2;
    }
}

/* Length of the first line with its line end, or of what is there of it. */
static size_t first_line_bytes(struct slice head)
{
    size_t n = slice_find(head, '\n');

    return n < head.len ? n + 1 : n;
}

static const struct reason *judge_size(struct slice head, const struct h1_guard_limits *limits)
{
    size_t line = first_line_bytes(head);

    if (line > limits->line_bytes)
        return &reason_target_too_long;
    return head.len - line > limits->fields_bytes ? &reason_head_too_large : NULL;
}

const struct reason *h1_guard_head(struct slice bytes, const struct h1_guard_limits *limits,
                                   uint32_t *scanned, size_t *ret_len)
{
    size_t start = bytes.len > 0 && bytes.at[0] == '\r' ? EMPTY_LINE_BYTES : 0;
    const struct reason *reason;

    *ret_len = 0;
    if (bytes.len < start)
        return NULL;
    if (start && bytes.at[1] != '\n')
        return &reason_bad_request;
    reason = scan(bytes, start, scanned, ret_len);
    if (reason)
        return reason;
    if (*ret_len == start + EMPTY_LINE_BYTES) /* an empty line where the first line should be */
        return &reason_bad_request;
    return judge_size(slice_skip(slice_head(bytes, *ret_len ? *ret_len : bytes.len), start),
                      limits);
}

const struct reason *h1_guard_trailers(struct slice bytes, const struct h1_guard_limits *limits,
                                       uint32_t *scanned, size_t *ret_len)
{
    const struct reason *reason = scan(bytes, 0, scanned, ret_len);

    if (reason)
        return reason;
    return (*ret_len ? *ret_len : bytes.len) > limits->fields_bytes ? &reason_head_too_large : NULL;
}

/* Up to the next CRLF, and behind it. */
static struct slice cut_line(struct slice *rest)
{
    struct slice line = slice_head(*rest, slice_find(*rest, '\r'));

    *rest = slice_skip(*rest, line.len + 2);
    return line;
}

struct slice h1_guard_cut_line(struct slice *head)
{
    struct slice line = cut_line(head);

    return line.len ? line : cut_line(head);
}

/* "HTTP/1.0" or "HTTP/1.1"; another version is told from what is none. */
static const struct reason *read_version(struct slice s, uint8_t *ret_version)
{
    if (s.len != 8 || memcmp(s.at, "HTTP/", 5) != 0 || s.at[6] != '.' || s.at[5] < '0' ||
        s.at[5] > '9' || s.at[7] < '0' || s.at[7] > '9')
        return &reason_bad_request;
    if (s.at[5] != '1' || s.at[7] > '1')
        return &reason_bad_version;
    *ret_version = s.at[7] == '1' ? 11 : 10;
    return NULL;
}

const struct reason *h1_guard_request_line(struct slice line, struct h1_line *ret_line)
{
    struct slice method = slice_cut(&line, ' ');
    struct slice target = slice_cut(&line, ' ');
    uint8_t version;
    const struct reason *reason = read_version(line, &version);

    if (reason)
        return reason;
    if (target.len == 0 || !http_is_token(method))
        return &reason_bad_request;
    *ret_line = (struct h1_line){ .method = method, .target = target, .version = version };
    return NULL;
}

const struct reason *h1_guard_status_line(struct slice line, struct h1_line *ret_line)
{
    struct slice version_text = slice_cut(&line, ' ');
    struct slice status_text = slice_cut(&line, ' ');
    uint64_t status;
    uint8_t version;
    const struct reason *reason = read_version(version_text, &version);

    if (reason)
        return reason;
    if (status_text.len != 3 || !slice_u64(status_text, &status) || status < 100 || status > 599 ||
        !http_is_value(line))
        return &reason_bad_request;
    *ret_line = (struct h1_line){ .status = (uint16_t)status, .version = version };
    return NULL;
}

bool h1_guard_means_http(struct slice bytes)
{
    static const struct slice mark = SLICE_INIT(" HTTP/");
    struct slice line = bytes;
    size_t end;

    if (line.len > 1 && line.at[0] == '\r' && line.at[1] == '\n')
        line = slice_skip(line, EMPTY_LINE_BYTES);
    end = line_end(line, 0);
    if (end == line.len) /* too long for its end to be waited for */
        return slice_find(slice_head(line, METHOD_BYTES), ' ') < METHOD_BYTES &&
               line.len > METHOD_BYTES;
    return memmem(line.at, end, mark.at, mark.len) != NULL;
}

/* A token's bytes (RFC 9110, 5.6.2) in lower case; 0: no token's. */
static const char token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',   ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',   ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',   ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',   ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',   ['s'] = 's',
    ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',   ['z'] = 'z',
};

const struct reason *h1_guard_field(struct slice *fields, struct slice *ret_name,
                                    struct slice *ret_value)
{
    char *at = (char *)fields->at;
    const char *end;
    size_t n = 0;
    char c;

    /* A line ends with CR, which is no token's: the loop needs no other end. */
    while ((c = token_lower[(unsigned char)at[n]]))
        at[n++] = c;
    if (n == 0 || at[n] != ':')
        return &reason_bad_field;
    *ret_name = slice_of(at, n);
    end = memchr(at + n, '\r', fields->len - n);
    *ret_value = slice_of(at + n + 1, (size_t)(end - at) - n - 1);
    *fields = slice_skip(*fields, (size_t)(end - at) + 2);
    return NULL;
}
