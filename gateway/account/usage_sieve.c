/*
 * A byte's meaning depends on three things only: the depth, whether it is in a string, and whether
 * a wanted member is being kept.
 */
#include "gateway/account/usage_sieve.h"

/* Members at the top that a dialect reads from a whole answer. */
static const struct slice wanted[] = {
    SLICE_INIT("usage"),       SLICE_INIT("error"),      SLICE_INIT("object"),
    SLICE_INIT("type"),        SLICE_INIT("timings"),    SLICE_INIT("meta_info"),
    SLICE_INIT("details"),     SLICE_INIT("done"),       SLICE_INIT("prompt_eval_count"),
    SLICE_INIT("stop_reason"), SLICE_INIT("eval_count"),
};

/* Bytes outside strings at which something changes: at the top, and below it. */
static const bool turns[2][256] = {
    { ['"'] = true,
      ['{'] = true,
      ['}'] = true,
      ['['] = true,
      [']'] = true,
      [','] = true,
      [':'] = true },
    { ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true },
};

void usage_sieve_init(struct usage_sieve *sieve)
{
    memset(sieve, 0, offsetof(struct usage_sieve, kept));
    sieve->kept[0] = '{';
    sieve->kept_len = sieve->kept_before = 1;
}

/* A member that does not fit is forgotten. Room for the closing brace stays. */
static void keep(struct usage_sieve *sieve, struct slice bytes)
{
    if (!sieve->keeping)
        return;
    if (bytes.len > USAGE_SIEVE_KEPT - 1 - sieve->kept_len) {
        sieve->keeping = false;
        sieve->kept_len = sieve->kept_before;
        return;
    }
    memcpy(sieve->kept + sieve->kept_len, bytes.at, bytes.len);
    sieve->kept_len += (uint32_t)bytes.len;
}

/* At the top, behind a key: is the value wanted? */
static void begin_value(struct usage_sieve *sieve)
{
    struct slice key = slice_of(sieve->key, sieve->key_len);

    sieve->in_value = true;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sieve->keeping |= slice_eq(key, wanted[i]);
    sieve->kept_before = sieve->kept_len;
    if (sieve->kept_len > 1)
        keep(sieve, SLICE(","));
    keep(sieve, SLICE("\""));
    keep(sieve, key);
    keep(sieve, SLICE("\":"));
}

static void end_value(struct usage_sieve *sieve)
{
    sieve->in_value = sieve->keeping = false;
    sieve->key_len = 0;
}

/* A byte of a key at the top; one too long for the buffer fills it, and equals nothing wanted. */
static void add_to_key(struct usage_sieve *sieve, struct slice bytes)
{
    size_t room = USAGE_SIEVE_KEY - sieve->key_len;
    size_t n = bytes.len < room ? bytes.len : room;

    memcpy(sieve->key + sieve->key_len, bytes.at, n);
    sieve->key_len += (uint8_t)n;
}

/* A structural byte outside strings. */
static void take_outside(struct usage_sieve *sieve, char c)
{
    switch (c) {
    case '"':
        sieve->in_string = true;
        break;
    case '{':
    case '[':
        sieve->depth++;
        break;
    case '}':
    case ']':
        if (sieve->depth > 0 && --sieve->depth == 0) {
            end_value(sieve);
            sieve->complete = true;
        }
        break;
    case ':':
        if (sieve->depth == 1 && !sieve->in_value)
            begin_value(sieve);
        return; /* the colon is written with the key */
    case ',':
        if (sieve->depth == 1)
            end_value(sieve);
        break;
    }
}

/* The end of the string whose inside begins at `at`, behind its quote; `end` where it is not here.
 */
static const char *string_end(struct usage_sieve *sieve, const char *at, const char *end)
{
    while (at < end) {
        if (!sieve->escaped)
            at += slice_find_either(slice_of(at, (size_t)(end - at)), '"', '\\');
        if (at == end)
            break;
        sieve->in_string = sieve->escaped || *at != '"';
        sieve->escaped = !sieve->escaped && *at == '\\';
        at++;
        if (!sieve->in_string)
            break;
    }
    return at;
}

/* A key with an escape is none of ours: as written it equals nothing wanted. */
static const char *pass_string(struct usage_sieve *sieve, const char *at, const char *end)
{
    const char *behind = string_end(sieve, at, end);
    struct slice run = slice_of(at, (size_t)(behind - at));

    if (sieve->keeping)
        keep(sieve, run);
    else if (sieve->depth == 1 && !sieve->in_value)
        add_to_key(sieve, slice_head(run, run.len - !sieve->in_string));
    return behind;
}

/* Up to the next byte that changes something, and it. */
static const char *pass_outside(struct usage_sieve *sieve, const char *at, const char *end)
{
    const bool *turn = turns[sieve->depth > 1];
    const char *from = at;
    bool keeping = sieve->keeping;

    while (at < end && !turn[(unsigned char)*at])
        at++;
    if (keeping)
        keep(sieve, slice_of(from, (size_t)(at - from)));
    if (at == end)
        return at;
    take_outside(sieve, *at);
    if (keeping)
        keep(sieve, slice_of(at, 1));
    return at + 1;
}

void usage_sieve_feed(struct usage_sieve *sieve, struct slice bytes)
{
    const char *at = bytes.at, *end = at + bytes.len;

    while (at < end && !sieve->complete)
        at = sieve->in_string ? pass_string(sieve, at, end) : pass_outside(sieve, at, end);
    if (sieve->complete)
        sieve->kept[sieve->kept_len] = '}';
}

struct slice usage_sieve_result(const struct usage_sieve *sieve)
{
    return slice_of(sieve->kept, sieve->kept_len + 1);
}
