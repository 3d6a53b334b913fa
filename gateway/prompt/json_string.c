/*
 * Chooses the kernel, and the one that needs no vector instructions.
 */
#include "gateway/prompt/json_string.h"

#include "gateway/base/bytes16.h"
#include "gateway/base/kernel.h"
#include "gateway/base/utf8.h"

#define EVERY_BYTE(b) (0x0101010101010101ull * (b))

/* Bytes of an escape by the character behind the backslash; 0: none begins so. */
static const uint8_t escape_length[256] = {
    ['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
    ['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6,
};

static bool is_hex(char c)
{
    char lower = slice_lower(c);

    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/* Bytes of the escape at the front; 0: it is none. */
static size_t escape_at(struct slice s)
{
    size_t len = s.len < 2 ? 0 : escape_length[(unsigned char)s.at[1]];

    if (len > s.len)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (!is_hex(s.at[i]))
            return 0;
    return len;
}

/* Is none of eight bytes a quote, a backslash, a control character or beyond ASCII? */
static bool plain_word(uint64_t w)
{
    uint64_t quote = w ^ EVERY_BYTE('"');
    uint64_t slash = w ^ EVERY_BYTE('\\');
    uint64_t zeros = (quote - EVERY_BYTE(1)) | (slash - EVERY_BYTE(1)) | (w - EVERY_BYTE(0x20)) | w;

    return (zeros & EVERY_BYTE(0x80)) == 0;
}

const char *json_string_scalar(const char *at, const char *end, bool *ret_escaped)
{
    *ret_escaped = false;
    while (at < end) {
        struct slice rest = slice_of(at, (size_t)(end - at));
        size_t len;
        uint64_t word;

        if (rest.len >= 8) {
            memcpy(&word, at, 8);
            if (plain_word(word)) {
                at += 8;
                continue;
            }
        }
        if (*at == '"')
            return at;
        if (*at == '\\') {
            *ret_escaped = true;
            len = escape_at(rest);
        } else {
            len = (unsigned char)*at < 0x20 ? 0 : utf8_sequence(rest);
        }
        if (len == 0)
            return NULL;
        at += len;
    }
    return NULL;
}

const char *json_string_close_scalar(const char *at, const char *end, bool *ret_escaped)
{
    *ret_escaped = false;
    while (at < end) {
        struct slice rest = slice_of(at, (size_t)(end - at));
        size_t plain = slice_find_either(rest, '"', '\\');

        if (plain < rest.len && at[plain] == '"')
            return at + plain;
        *ret_escaped |= plain < rest.len;
        at = rest.len - plain > 2 ? at + plain + 2 : end;
    }
    return NULL;
}

static const struct json_string_kernel every[] = {
#define KERNEL(name, runs) { #name, json_string_##name, json_string_close_##name },
#include "gateway/base/kernel.def"
#undef KERNEL
};

static struct json_string_kernel kernels[KERNEL_COUNT + 1]; /* the last one stays empty */

/* Before main, so that no thread sees it half done. */
__attribute__((constructor)) static void find_kernels(void)
{
    struct json_string_kernel *at = kernels;

    for (size_t i = 0; i < ARRAY_LEN(every); i++)
        if (kernel_runs((enum kernel)i))
            *at++ = every[i];
}

const struct json_string_kernel *json_string_kernels(void)
{
    return kernels;
}

/*
 * Keys and words are short and plain: they end within sixteen bytes, and no kernel is set up for
 * them. NULL: the string does not.
 */
static const char *short_end(const char *at, const char *end)
{
    bytes16 bytes;
    size_t n;

    if (end - at < (ptrdiff_t)sizeof(bytes))
        return NULL;
    bytes = bytes16_load(at);
    n = bytes16_first(
        (bytes16)((bytes == '"') | (bytes == '\\') | (bytes < 0x20) | (bytes >= 0x80)));
    return n < sizeof(bytes) && at[n] == '"' ? at + n : NULL;
}

const char *json_string_end(const char *at, const char *end, bool *ret_escaped)
{
    const char *quote = short_end(at, end);

    if (!quote)
        return kernels[0].find_end(at, end, ret_escaped);
    *ret_escaped = false;
    return quote;
}

const char *json_string_close(const char *at, const char *end, bool *ret_escaped)
{
    const char *quote = short_end(at, end);

    if (!quote)
        return kernels[0].find_close(at, end, ret_escaped);
    *ret_escaped = false;
    return quote;
}
