/*
 * Borrowed bytes: the operations too long for the header.
 */
#include "gateway/base/slice.h"

#include "gateway/base/bytes16.h"

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    if (slice_eq(a, b)) /* most are, and this is faster */
        return true;
    for (size_t i = 0; i < a.len; i++)
        if (slice_lower(a.at[i]) != slice_lower(b.at[i]))
            return false;
    return true;
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

size_t slice_find(struct slice s, char c)
{
    const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;

    return hit ? (size_t)(hit - s.at) : s.len;
}

size_t slice_find_either(struct slice s, char a, char b)
{
    size_t at = 0;

    for (; s.len - at >= sizeof(bytes16); at += sizeof(bytes16)) {
        bytes16 run = bytes16_load(s.at + at);
        size_t hit = bytes16_first((bytes16)((run == (uint8_t)a) | (run == (uint8_t)b)));

        if (hit < sizeof(bytes16))
            return at + hit;
    }
    while (at < s.len && s.at[at] != a && s.at[at] != b)
        at++;
    return at;
}

struct slice slice_cut(struct slice *rest, char c)
{
    size_t n = slice_find(*rest, c);
    struct slice first = slice_head(*rest, n);

    *rest = n < rest->len ? slice_skip(*rest, n + 1) : slice_of(NULL, 0);
    return first;
}

bool slice_u64(struct slice s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s.at[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

char *slice_dup(struct slice s)
{
    char *copy = xmalloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}
