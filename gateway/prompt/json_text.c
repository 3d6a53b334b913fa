/*
 * What scalars mean: strings with their escapes resolved, numbers as integers, and a string
 * written.
 */
#include "gateway/prompt/json.h"

#include "gateway/http/reply.h"
#include "gateway/prompt/json_unescape.h"

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        char c = slice_lower(at[i]);

        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static size_t write_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* Resolves the escape at the front of *in (checked before); 0: a lone surrogate. Returns bytes
 * written. */
static size_t resolve(struct slice *in, char out[4])
{
    uint32_t point, low;

    if (in->at[1] != 'u') {
        out[0] = json_escaped_char[in->at[1] & 0x7f];
        *in = slice_skip(*in, 2);
        return 1;
    }
    point = hex4(in->at + 2);
    *in = slice_skip(*in, 6);
    if (point < 0xd800 || point > 0xdfff)
        return write_utf8(point, out);
    if (point > 0xdbff || !slice_starts(*in, SLICE("\\u")))
        return 0;
    low = hex4(in->at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *in = slice_skip(*in, 6);
    return write_utf8(0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00)), out);
}

/* Text that is being written. */
struct written {
    char *at;
    size_t len, size;
};

static bool write_run(struct written *out, const char *bytes, size_t len)
{
    if (len > out->size - out->len)
        return false;
    memcpy(out->at + out->len, bytes, len);
    out->len += len;
    return true;
}

/* All that comes before an escape that json_unescape leaves over. */
static bool copy_plain(struct slice *in, struct written *out)
{
    struct json_unescaped done = json_unescape(*in, out->at + out->len, out->size - out->len);
    size_t plain;

    *in = slice_skip(*in, done.read);
    out->len += done.written;
    plain = slice_find(*in, '\\');
    if (!write_run(out, in->at, plain))
        return false;
    *in = slice_skip(*in, plain);
    return true;
}

bool json_text_into(struct json_value string, char *ret_text, size_t size, size_t *ret_len)
{
    struct written out = { .at = ret_text, .size = size };
    struct slice in;

    if (string.kind != JSON_KIND_STRING)
        return false;
    for (in = json_inner(string); in.len > 0;) {
        if (!copy_plain(&in, &out))
            return false;
        while (in.len > 0 && in.at[0] == '\\') {
            char bytes[4];
            size_t n = resolve(&in, bytes);

            if (n == 0 || !write_run(&out, bytes, n))
                return false;
        }
    }
    *ret_len = out.len;
    return true;
}

const struct reason *json_text(struct json_value string, struct arena *arena,
                               struct slice *ret_text)
{
    struct slice inner;
    size_t len;
    char *text;

    if (string.kind != JSON_KIND_STRING)
        return &reason_bad_value;
    inner = json_inner(string);
    if (!string.escaped) {
        *ret_text = inner;
        return NULL;
    }
    text = arena_try_alloc(arena, inner.len); /* an escape is longer than what it stands for */
    if (!text)
        return &reason_memory_limit;
    if (!json_text_into(string, text, inner.len, &len))
        return &reason_bad_value;
    *ret_text = slice_of(text, len);
    return NULL;
}

bool json_text_is(struct json_value string, struct slice text)
{
    char bytes[JSON_FOLD_MAX];
    size_t len;

    if (string.kind != JSON_KIND_STRING)
        return false;
    if (!string.escaped)
        return slice_eq(json_inner(string), text);
    return json_text_into(string, bytes, sizeof(bytes), &len) &&
           slice_eq(slice_of(bytes, len), text);
}

/* Takes one folded ASCII letter off the front; anything else is taken bytewise. */
static char take_folded(struct slice *s)
{
    static const struct {
        struct slice from;
        char to;
    } beyond[] = { { SLICE_INIT("\xc5\xbf"), 's' }, { SLICE_INIT("\xe2\x84\xaa"), 'k' } };
    char c = s->at[0];

    for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
        if (slice_starts(*s, beyond[i].from)) {
            *s = slice_skip(*s, beyond[i].from.len);
            return beyond[i].to;
        }
    *s = slice_skip(*s, 1);
    return slice_lower(c);
}

bool json_text_fold(struct json_value string, char ret_folded[JSON_FOLD_MAX], size_t *ret_len)
{
    char bytes[3 * JSON_FOLD_MAX]; /* what folds to one byte has up to three */
    struct slice text;
    size_t len;

    if (string.kind != JSON_KIND_STRING)
        return false;
    text = json_inner(string);
    if (string.escaped) {
        if (!json_text_into(string, bytes, sizeof(bytes), &len))
            return false;
        text = slice_of(bytes, len);
    }
    for (len = 0; text.len > 0; len++) {
        if (len == JSON_FOLD_MAX)
            return false;
        ret_folded[len] = take_folded(&text);
    }
    *ret_len = len;
    return true;
}

/* value * 10^zeros + digit; false past 2^64-1. */
static bool shift_in(uint64_t *value, size_t zeros, unsigned digit)
{
    for (size_t i = 0; i < zeros && *value != 0; i++)
        if (__builtin_mul_overflow(*value, 10u, value))
            return false;
    return !__builtin_add_overflow(*value, digit, value);
}

/* The exponent behind `e`, at most a million either way: more digits than that no number here has.
 */
static int64_t exponent_of(struct slice s)
{
    bool negative = s.len > 0 && s.at[0] == '-';
    int64_t value = 0;

    if (s.len > 0 && (s.at[0] == '-' || s.at[0] == '+'))
        s = slice_skip(s, 1);
    for (size_t i = 0; i < s.len; i++)
        value = value > 100000000 ? value : value * 10 + (s.at[i] - '0');
    return negative ? -value : value;
}

/* The magnitude of a whole number; false when it is none or does not fit. */
static bool whole(struct slice digits, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t zeros = 0; /* seen since the last other digit */
    int64_t scale = 0;
    bool fraction = false;

    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.at[i];

        if (c == '.') {
            fraction = true;
            continue;
        }
        if (c == 'e' || c == 'E') {
            scale += exponent_of(slice_skip(digits, i + 1));
            break;
        }
        scale -= fraction;
        if (c == '0')
            zeros++;
        else if (!shift_in(&value, zeros + 1, (unsigned)(c - '0')))
            return false;
        else
            zeros = 0;
    }
    scale += (int64_t)zeros;
    if (value != 0 && (scale < 0 || !shift_in(&value, (size_t)scale, 0)))
        return false;
    *ret_value = value;
    return true;
}

bool json_int64(struct json_value number, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = number.kind == JSON_KIND_NUMBER && number.raw.at[0] == '-';
    uint64_t magnitude;
    int64_t value;

    if (number.kind != JSON_KIND_NUMBER || !whole(slice_skip(number.raw, negative), &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX)
        return false;
    value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    if (value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

bool json_u64(struct json_value number, uint64_t *ret_value)
{
    int64_t value;

    if (!json_int64(number, 0, INT64_MAX, &value))
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

void json_write_text(struct buf *out, struct slice text)
{
    reply_json_string(out, text);
}

void json_pick(struct json_reader *reader, const struct json_member *members, size_t count,
               void *ret)
{
    struct json_value key, value;

    while (json_next(reader, &key)) {
        json_take(reader, &value);
        for (size_t i = 0; i < count; i++)
            if (json_text_is(key, members[i].key))
                *(struct json_value *)((char *)ret + members[i].offset) = value;
    }
}
