/*
 * Reading answers by tables of members.
 */
#include "gateway/prompt/answer.h"

/* Runs for every member of every event, so the usual key, without escapes, is compared as it
 * stands. */
static const struct answer_member *find_member(const struct answer_member *members,
                                               const struct json_value *key)
{
    struct slice inner = json_inner(*key);

    for (; members->key.len > 0; members++)
        if (UNLIKELY(key->escaped) ? json_text_is(*key, members->key)
                                   : slice_eq(inner, members->key))
            return members;
    return NULL;
}

void answer_read_object(struct json_reader *r, struct answer_walk *walk,
                        const struct answer_member *members)
{
    struct json_value key;

    if (!json_enter_object(r)) {
        json_take(r, NULL);
        return;
    }
    while (json_next(r, &key)) {
        const struct answer_member *member = find_member(members, &key);

        if (member)
            member->read(r, walk, &key);
        else
            json_take(r, NULL);
    }
}

bool answer_read_text(struct slice data, const struct answer_member *members,
                      struct answer_walk *ret_walk)
{
    struct json_reader r;
    struct answer_walk walk = { .type = { .kind = JSON_KIND_NONE } };

    json_open(&r, data, NULL);
    answer_read_object(&r, &walk, members);
    if (json_close(&r))
        return false;
    *ret_walk = walk;
    return true;
}

static bool holds_something(struct json_reader *r)
{
    struct json_value value;

    json_take(r, &value);
    if (value.kind == JSON_KIND_ARRAY || value.kind == JSON_KIND_OBJECT ||
        value.kind == JSON_KIND_STRING)
        return value.raw.len > 2; /* more than "", [] or {} */
    return value.kind == JSON_KIND_NUMBER || value.kind == JSON_KIND_TRUE;
}

static bool is_not_null(struct json_reader *r)
{
    struct json_value value;

    json_take(r, &value);
    return value.kind > JSON_KIND_NULL;
}

void answer_read_content(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    (void)key;
    walk->facts.content |= holds_something(r);
}

void answer_read_finish(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    walk->facts.finish |= is_not_null(r);
}

void answer_read_error(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    (void)key;
    walk->facts.error |= is_not_null(r);
}

void answer_read_opening(struct json_reader *r, struct answer_walk *walk,
                         const struct json_value *key)
{
    (void)key;
    walk->facts.opening |= is_not_null(r);
}

void answer_read_type(struct json_reader *r, struct answer_walk *walk, const struct json_value *key)
{
    (void)key;
    json_take(r, &walk->type);
}

void answer_take_count(struct json_reader *r, struct answer_usage *usage, enum answer_usage_bit bit)
{
    uint64_t *field = bit == ANSWER_USAGE_PROMPT       ? &usage->prompt
                      : bit == ANSWER_USAGE_COMPLETION ? &usage->completion
                      : bit == ANSWER_USAGE_CACHED     ? &usage->cached
                                                       : &usage->reasoning;
    struct json_value value;
    uint64_t count;

    json_take(r, &value);
    if (!json_u64(value, &count) || count > ANSWER_TOKENS_MAX)
        return;
    *field = count;
    usage->known |= bit;
}

static void read_prompt(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_PROMPT);
}

static void read_completion(struct json_reader *r, struct answer_walk *walk,
                            const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_COMPLETION);
}

void answer_read_cached(struct json_reader *r, struct answer_walk *walk,
                        const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_CACHED);
}

static void read_reasoning(struct json_reader *r, struct answer_walk *walk,
                           const struct json_value *key)
{
    (void)key;
    answer_take_count(r, &walk->facts.usage, ANSWER_USAGE_REASONING);
}

static void read_prompt_details(struct json_reader *r, struct answer_walk *walk,
                                const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("cached_tokens"), answer_read_cached },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

static void read_completion_details(struct json_reader *r, struct answer_walk *walk,
                                    const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("reasoning_tokens"), read_reasoning },
        { { NULL, 0 }, NULL },
    };

    (void)key;
    answer_read_object(r, walk, members);
}

void answer_read_usage(struct json_reader *r, struct answer_walk *walk,
                       const struct json_value *key)
{
    static const struct answer_member members[] = {
        { SLICE_INIT("prompt_tokens"), read_prompt },
        { SLICE_INIT("input_tokens"), read_prompt },
        { SLICE_INIT("completion_tokens"), read_completion },
        { SLICE_INIT("output_tokens"), read_completion },
        { SLICE_INIT("prompt_tokens_details"), read_prompt_details },
        { SLICE_INIT("input_tokens_details"), read_prompt_details },
        { SLICE_INIT("completion_tokens_details"), read_completion_details },
        { SLICE_INIT("output_tokens_details"), read_completion_details },
        { SLICE_INIT("prompt_cache_hit_tokens"), answer_read_cached }, /* DeepSeek */
        { SLICE_INIT("reasoning_tokens"), read_reasoning },            /* SGLang */
        { { NULL, 0 }, NULL },
    };
    enum json_kind kind = json_peek(r);
    const char *start = r->at;

    answer_read_object(r, walk, members);
    walk->facts.usage_key = *key;
    walk->facts.usage_value = (struct json_value){ .raw = slice_of(start, (size_t)(r->at - start)),
                                                   .kind = (uint8_t)kind };
}

void answer_usage_merge(struct answer_usage *usage, const struct answer_usage *later)
{
    if (later->known & ANSWER_USAGE_PROMPT)
        usage->prompt = later->prompt;
    if (later->known & ANSWER_USAGE_COMPLETION)
        usage->completion = later->completion;
    if (later->known & ANSWER_USAGE_CACHED)
        usage->cached = later->cached;
    if (later->known & ANSWER_USAGE_REASONING)
        usage->reasoning = later->reasoning;
    usage->known |= later->known;
}

void answer_write_message(struct buf *out, const struct reason *reason, struct slice message)
{
    json_write_text(out, message.len > 0 ? message : slice_str(reason->text));
}

void answer_write_or_null(struct buf *out, struct slice text)
{
    if (text.len > 0)
        json_write_text(out, text);
    else
        buf_add(out, SLICE("null"));
}
