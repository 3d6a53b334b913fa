/*
 * The reader: a cursor, a bit a level for "object or array", and whether the level at hand has
 * given a member yet. Nothing recurses; nested values that nobody entered are walked by the same
 * json_next.
 */
#include "gateway/prompt/json.h"

#include "gateway/prompt/json_string.h"

/* Python's sys.int_info.default_max_str_digits: the engines' own bound. */
#define INTEGER_DIGITS_MAX 4300

/* What a value's first byte says. */
static const uint8_t kind_of[256] = {
    ['n'] = JSON_KIND_NULL,   ['f'] = JSON_KIND_FALSE,  ['t'] = JSON_KIND_TRUE,
    ['-'] = JSON_KIND_NUMBER, ['0'] = JSON_KIND_NUMBER, ['1'] = JSON_KIND_NUMBER,
    ['2'] = JSON_KIND_NUMBER, ['3'] = JSON_KIND_NUMBER, ['4'] = JSON_KIND_NUMBER,
    ['5'] = JSON_KIND_NUMBER, ['6'] = JSON_KIND_NUMBER, ['7'] = JSON_KIND_NUMBER,
    ['8'] = JSON_KIND_NUMBER, ['9'] = JSON_KIND_NUMBER, ['"'] = JSON_KIND_STRING,
    ['['] = JSON_KIND_ARRAY,  ['{'] = JSON_KIND_OBJECT,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool fail(struct json_reader *r, const struct reason *reason)
{
    if (!r->reason)
        r->reason = reason;
    return false;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct json_reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        r->at++;
}

static inline bool in_object(const struct json_reader *r)
{
    uint32_t level = r->depth - 1;

    return r->objects[level / 64] >> (level % 64) & 1;
}

void json_open(struct json_reader *r, struct slice text, const struct json_limits *limits)
{
    static const char nothing[1];
    const char *begin = text.at ? text.at : nothing;

    *r = (struct json_reader){
        .at = begin,
        .end = begin + text.len,
        .members_left = limits ? limits->members : UINT64_MAX,
        .depth_limit = limits && limits->depth < JSON_DEPTH_MAX ? limits->depth : JSON_DEPTH_MAX,
        .fresh = true,
    };
    if (limits && text.len > limits->bytes)
        fail(r, &reason_body_too_large);
}

void json_open_checked(struct json_reader *r, struct json_value value)
{
    json_open(r, value.raw, NULL);
    r->checked = true;
}

void json_open_known(struct json_reader *r, struct json_value value, const struct json_ends *ends)
{
    json_open_checked(r, value);
    r->known = ends;
}

void json_note_ends(struct json_reader *r, struct json_ends *ends, struct arena *arena)
{
    r->noting = ends;
    r->arena = arena;
}

enum json_kind json_peek(struct json_reader *r)
{
    if (r->reason)
        return JSON_KIND_NONE;
    skip_space(r);
    return r->at < r->end ? (enum json_kind)kind_of[(unsigned char)*r->at] : JSON_KIND_NONE;
}

static bool enter(struct json_reader *r, bool object)
{
    uint32_t level = r->depth;
    uint64_t bit = 1ull << (level % 64);

    if (level == r->depth_limit)
        return fail(r, &reason_bad_json);
    r->at++;
    r->depth++;
    r->fresh = true;
    r->objects[level / 64] = object ? r->objects[level / 64] | bit : r->objects[level / 64] & ~bit;
    return true;
}

bool json_enter_object(struct json_reader *r)
{
    return json_peek(r) == JSON_KIND_OBJECT && enter(r, true);
}

bool json_enter_array(struct json_reader *r)
{
    return json_peek(r) == JSON_KIND_ARRAY && enter(r, false);
}

/* Notes are worth no failure: where there is no room for one, there is none. */
static void note_end(struct json_reader *r, const char *quote, bool escaped)
{
    struct json_ends *ends = r->noting;
    size_t len = (size_t)(quote - r->at) + 1;

    if (len < JSON_END_LEAST || len > UINT32_MAX || ends->count == JSON_ENDS_MAX)
        return;
    if (ends->count == ends->room) {
        uint32_t room = ends->room ? 2 * ends->room : 4;
        struct json_end *list = arena_try_alloc(r->arena, room * sizeof(*list));

        if (!list)
            return;
        if (ends->count > 0)
            memcpy(list, ends->list, ends->count * sizeof(*list));
        ends->list = list;
        ends->room = room;
    }
    ends->list[ends->count++] =
        (struct json_end){ .open = r->at, .len = (uint32_t)len, .escaped = escaped };
}

/* What was noted of the string that comes next; NULL: nothing. */
static const struct json_end *noted_end(struct json_reader *r)
{
    const struct json_ends *known = r->known;

    if (!known)
        return NULL;
    while (r->known_at < known->count && known->list[r->known_at].open < r->at)
        r->known_at++;
    if (r->known_at == known->count || known->list[r->known_at].open != r->at)
        return NULL;
    return &known->list[r->known_at];
}

/* The end of a string that was checked before. */
static const char *find_close(struct json_reader *r, bool *ret_escaped)
{
    const struct json_end *end = noted_end(r);

    if (!end)
        return json_string_close(r->at + 1, r->end, ret_escaped);
    *ret_escaped = end->escaped;
    return r->at + end->len - 1;
}

static bool scan_string(struct json_reader *r, bool *ret_escaped)
{
    const char *quote =
        r->checked ? find_close(r, ret_escaped) : json_string_end(r->at + 1, r->end, ret_escaped);

    if (!quote)
        return fail(r, &reason_bad_json);
    if (r->noting)
        note_end(r, quote, *ret_escaped);
    r->at = quote + 1;
    return true;
}

static const char *scan_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* RFC 8259, section 6. Digits that run on after a leading zero fail where the next token is read.
 */
static bool scan_number(struct json_reader *r, bool *ret_integer)
{
    const char *at = r->at + (*r->at == '-');
    const char *digits = at;

    at = at < r->end && *at == '0' ? at + 1 : scan_digits(at, r->end);
    if (at == digits)
        return fail(r, &reason_bad_json);
    *ret_integer = true;
    if (at < r->end && *at == '.') {
        const char *fraction = at + 1;

        *ret_integer = false;
        at = scan_digits(fraction, r->end);
        if (at == fraction)
            return fail(r, &reason_bad_json);
    }
    if (at < r->end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + 1;

        *ret_integer = false;
        if (exponent < r->end && (*exponent == '+' || *exponent == '-'))
            exponent++;
        at = scan_digits(exponent, r->end);
        if (at == exponent)
            return fail(r, &reason_bad_json);
    }
    if (*ret_integer && at - digits > INTEGER_DIGITS_MAX)
        return fail(r, &reason_bad_json);
    r->at = at;
    return true;
}

static bool scan_word(struct json_reader *r, struct slice word)
{
    if (!slice_starts(slice_of(r->at, (size_t)(r->end - r->at)), word))
        return fail(r, &reason_bad_json);
    r->at += word.len;
    return true;
}

/* Any value but an object or array. */
static bool scan_scalar(struct json_reader *r, enum json_kind kind, bool *ret_escaped,
                        bool *ret_integer)
{
    switch (kind) {
    case JSON_KIND_STRING:
        return scan_string(r, ret_escaped);
    case JSON_KIND_NUMBER:
        return scan_number(r, ret_integer);
    case JSON_KIND_NULL:
        return scan_word(r, SLICE("null"));
    case JSON_KIND_FALSE:
        return scan_word(r, SLICE("false"));
    case JSON_KIND_TRUE:
        return scan_word(r, SLICE("true"));
    default:
        return fail(r, &reason_bad_json);
    }
}

/* The key and its colon. */
static bool scan_key(struct json_reader *r, struct json_value *ret_key)
{
    const char *start = r->at;
    bool escaped;

    if (start == r->end || *start != '"' || !scan_string(r, &escaped))
        return fail(r, &reason_bad_json);
    if (ret_key)
        *ret_key = (struct json_value){ .raw = slice_of(start, (size_t)(r->at - start)),
                                        .kind = JSON_KIND_STRING,
                                        .escaped = escaped };
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        return fail(r, &reason_bad_json);
    r->at++;
    return true;
}

bool json_next(struct json_reader *r, struct json_value *ret_key)
{
    bool object;

    if (r->reason)
        return false;
    CHECK(r->depth > 0);
    object = in_object(r);
    skip_space(r);
    if (r->at == r->end)
        return fail(r, &reason_bad_json);
    if (*r->at == (object ? '}' : ']')) {
        r->at++;
        r->depth--;
        r->fresh = false;
        return false;
    }
    if (!r->fresh) {
        if (*r->at != ',')
            return fail(r, &reason_bad_json);
        r->at++;
        skip_space(r);
    }
    r->fresh = false;
    if (r->members_left-- == 0)
        return fail(r, &reason_bad_json);
    return !object || scan_key(r, ret_key);
}

/* From inside an object or array to behind it. */
static void walk_out(struct json_reader *r)
{
    uint32_t outside = r->depth - 1;

    while (r->depth > outside) {
        enum json_kind kind;
        bool escaped, integer;

        if (!json_next(r, NULL)) {
            if (r->reason)
                return;
            continue;
        }
        kind = json_peek(r);
        if (kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY)
            enter(r, kind == JSON_KIND_OBJECT);
        else
            scan_scalar(r, kind, &escaped, &integer);
    }
}

void json_take(struct json_reader *r, struct json_value *ret_value)
{
    struct json_value value = { .kind = (uint8_t)json_peek(r) };
    const char *start = r->at;

    if (value.kind != JSON_KIND_OBJECT && value.kind != JSON_KIND_ARRAY)
        scan_scalar(r, value.kind, &value.escaped, &value.integer);
    else if (enter(r, value.kind == JSON_KIND_OBJECT))
        walk_out(r);
    r->fresh = false;
    value.raw = slice_of(start, (size_t)(r->at - start));
    if (ret_value)
        *ret_value = r->reason ? (struct json_value){ .kind = JSON_KIND_NONE } : value;
}

const struct reason *json_close(struct json_reader *r)
{
    if (r->reason)
        return r->reason;
    skip_space(r);
    if (r->fresh || r->depth > 0 || r->at < r->end)
        fail(r, &reason_bad_json);
    return r->reason;
}

const struct reason *json_check(struct slice text, const struct json_limits *limits)
{
    struct json_reader r;

    json_open(&r, text, limits);
    json_take(&r, NULL);
    return json_close(&r);
}

struct slice json_member_span(struct slice object, struct slice key_raw, struct slice value_raw)
{
    const char *from = key_raw.at, *to = value_raw.at + value_raw.len;
    const char *end = object.at + object.len;

    while (from > object.at && is_space(from[-1]))
        from--;
    if (from > object.at && from[-1] == ',')
        return slice_of(from - 1, (size_t)(to - from + 1));
    while (to < end && (is_space(*to) || *to == ','))
        to++;
    return slice_of(key_raw.at, (size_t)(to - key_raw.at));
}
