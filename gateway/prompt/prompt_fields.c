/*
 * The keys of a request's body that decide anything: each is a row of `fields`, and none of them
 * may occur twice, however it is spelt (J-03), so that we and the engine cannot read two different
 * requests out of the same bytes.
 */
#include "gateway/prompt/prompt_fields.h"

#include "gateway/prompt/prompt_values.h"

/* The largest whole number every JSON reader keeps exactly (RFC 8259, section 6). */
#define COUNT_MAX 9007199254740991

/* Bytes of a label that is written out: a client must not choose how full the arena gets, whose
 * other users abort when there is no room. */
#define LABEL_MAX 4096

#define NO_BOUND_LEAST (-2)

struct field;
/* Reads the value that comes next. The row says where it goes. */
typedef const struct reason *field_fn(struct prompt_call *call, const struct field *field);

struct field {
    struct slice key;
    field_fn *read;
    size_t offset; /* in struct prompt, where `read` keeps something of its own */
    /* enum exactness, of anything but null: it makes the tokens unknowable */
    uint8_t exactness;
};

static void *field_at(const struct prompt_call *call, const struct field *field)
{
    return (char *)call->prompt + field->offset;
}

static const struct reason *read_value(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    json_take(call->reader, &value);
    if (value.kind != JSON_KIND_NULL)
        *(struct json_value *)field_at(call, field) = value;
    return NULL;
}

static const struct reason *read_ignored(struct prompt_call *call, const struct field *field)
{
    (void)field;
    json_take(call->reader, NULL);
    return NULL;
}

/* A label of the client's, compared and never interpreted: what is no proper text, or longer than
 * any label, counts as it stands. */
static const struct reason *read_text(struct prompt_call *call, const struct field *field)
{
    struct slice *text = field_at(call, field);
    struct json_value value;
    const struct reason *reason;

    json_take(call->reader, &value);
    if (value.kind <= JSON_KIND_NULL)
        return NULL;
    *text = value.raw;
    if (value.raw.len > LABEL_MAX)
        return NULL;
    reason = json_text(value, call->arena, text);
    return reason == &reason_bad_value ? NULL : reason;
}

/* J-04: what reaches headers, logs and labels is visible ASCII, with spaces only inside. */
static bool is_model_name(struct slice s)
{
    if (s.len == 0 || s.len > PROMPT_MODEL_MAX || s.at[0] == ' ' || s.at[s.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < 0x20 || s.at[i] > 0x7e || s.at[i] == '"' || s.at[i] == '\\')
            return false;
    return true;
}

const struct reason *prompt_keep_model(struct prompt_call *call, struct slice name,
                                       struct slice raw)
{
    char *copy;

    if (name.len == 0)
        return NULL;
    if (!is_model_name(name))
        return &reason_bad_value;
    copy = arena_try_alloc(call->arena, name.len);
    if (!copy)
        return &reason_memory_limit;
    call->prompt->model = slice_of(memcpy(copy, name.at, name.len), name.len);
    call->prompt->model_raw = raw;
    return NULL;
}

static const struct reason *read_model(struct prompt_call *call, const struct field *field)
{
    char name[PROMPT_MODEL_MAX];
    struct json_value value;
    size_t len;

    (void)field;
    json_take(call->reader, &value);
    if (value.kind <= JSON_KIND_NULL)
        return NULL;
    if (!json_text_into(value, name, sizeof(name), &len))
        return &reason_bad_value;
    return prompt_keep_model(call, slice_of(name, len), value.raw);
}

static const struct reason *read_stream(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    (void)field;
    json_take(call->reader, &value);
    if (value.kind == JSON_KIND_NONE)
        return NULL;
    return prompt_truth(value, &call->prompt->stream) ? NULL : &reason_bad_value;
}

static const struct reason *read_switch(struct prompt_call *call, const struct field *field)
{
    int8_t *value = field_at(call, field);
    struct json_value json;
    bool truth;

    json_take(call->reader, &json);
    if (json.kind > JSON_KIND_NULL && prompt_truth(json, &truth))
        *value = truth ? PROMPT_ON : PROMPT_OFF;
    return NULL;
}

static const struct reason *read_stream_option(struct prompt_call *call, struct json_value key,
                                               unsigned *seen)
{
    static const struct {
        struct slice key;
        size_t offset;
    } options[] = {
        { SLICE_INIT("include_usage"), offsetof(struct prompt, include_usage) },
        { SLICE_INIT("continuous_usage_stats"), offsetof(struct prompt, continuous_usage) },
    };
    struct json_value value;
    char folded[JSON_FOLD_MAX];
    size_t len;

    json_take(call->reader, &value);
    if (!json_text_fold(key, folded, &len))
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
        if (!slice_eq(slice_of(folded, len), options[i].key))
            continue;
        if (*seen & 1u << i)
            return &reason_duplicate_key;
        *seen |= 1u << i;
        if (!json_text_is(key, options[i].key) || value.kind == JSON_KIND_NONE)
            continue;
        if (!prompt_truth(value, (bool *)((char *)call->prompt + options[i].offset)))
            return &reason_bad_value;
        if (i == 0)
            call->prompt->include_usage_value = value;
    }
    return NULL;
}

static const struct reason *read_stream_options(struct prompt_call *call, const struct field *field)
{
    struct json_reader *r = call->reader;
    enum json_kind kind = json_peek(r);
    const char *start = r->at;
    const struct reason *reason = NULL;
    struct json_value key;
    unsigned seen = 0;

    (void)field;
    if (json_enter_object(r))
        while (!reason && json_next(r, &key))
            reason = read_stream_option(call, key, &seen);
    else
        json_take(r, NULL);
    if (kind != JSON_KIND_OBJECT && kind != JSON_KIND_NULL)
        return &reason_bad_value;
    call->prompt->stream_options = (struct json_value){
        .raw = slice_of(start, (size_t)(r->at - start)),
        .kind = (uint8_t)kind,
    };
    return reason;
}

static const struct reason *keep_max_tokens(struct prompt_call *call, struct json_value value,
                                            int64_t min)
{
    struct prompt *prompt = call->prompt;
    int64_t number;

    if (value.kind <= JSON_KIND_NULL)
        return NULL;
    if (!prompt_number(value, min, COUNT_MAX, &number))
        return &reason_bad_value;
    if (number < 0)
        return NULL;
    if (!prompt->has_max_tokens || (uint64_t)number > prompt->max_tokens)
        prompt->max_tokens = (uint64_t)number;
    prompt->has_max_tokens = true;
    return NULL;
}

static const struct reason *read_max_tokens(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    (void)field;
    json_take(call->reader, &value);
    return keep_max_tokens(call, value, 0);
}

/* The names of llama.cpp and Ollama, for whom -1 and -2 say "no bound". */
static const struct reason *read_predict(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    (void)field;
    json_take(call->reader, &value);
    return keep_max_tokens(call, value, NO_BOUND_LEAST);
}

/* Ollama's options, TGI's parameters, SGLang's sampling_params. */
static const struct reason *read_nested_max(struct prompt_call *call, const struct field *field)
{
    static const struct slice keys[] = { SLICE_INIT("num_predict"), SLICE_INIT("max_new_tokens") };
    const struct reason *reason = NULL;
    struct json_value key, value;

    (void)field;
    if (!json_enter_object(call->reader)) {
        json_take(call->reader, NULL);
        return NULL;
    }
    while (json_next(call->reader, &key)) {
        json_take(call->reader, &value);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            if (!reason && json_text_is(key, keys[i]))
                reason = keep_max_tokens(call, value, NO_BOUND_LEAST);
    }
    return reason;
}

static const struct reason *read_choices(struct prompt_call *call, const struct field *field)
{
    struct json_value value;
    int64_t number;

    (void)field;
    json_take(call->reader, &value);
    if (value.kind <= JSON_KIND_NULL)
        return NULL;
    if (!prompt_number(value, 0, COUNT_MAX, &number))
        return &reason_bad_value;
    call->prompt->choices = number > 0 ? (uint64_t)number : 1; /* 0 is the engine's to refuse */
    return NULL;
}

static const struct reason *read_priority(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    (void)field;
    json_take(call->reader, &value);
    if (value.kind <= JSON_KIND_NULL)
        return NULL;
    if (!prompt_number(value, INT64_MIN + 1, INT64_MAX, &call->prompt->priority))
        return &reason_bad_value;
    call->prompt->has_priority = true;
    return NULL;
}

/* G-02: names another host for the engine to talk to. */
static const struct reason *read_host(struct prompt_call *call, const struct field *field)
{
    struct json_value value;

    (void)field;
    json_take(call->reader, &value);
    return call->trusted || value.kind <= JSON_KIND_NULL ? NULL : &reason_bad_value;
}

/* Does a key of a transfer's parameters say where to fetch from? */
static bool names_host(struct json_value key)
{
    static const struct slice marks[] = { SLICE_INIT("remote"), SLICE_INIT("host"),
                                          SLICE_INIT("port"),   SLICE_INIT("url"),
                                          SLICE_INIT("addr"),   SLICE_INIT("endpoint"),
                                          SLICE_INIT("peer"),   SLICE_INIT("bootstrap") };
    char bytes[256];
    size_t len;

    if (!json_text_into(key, bytes, sizeof(bytes), &len))
        return true; /* too long or odd to be anything honest */
    for (size_t i = 0; i < len; i++)
        bytes[i] = slice_lower(bytes[i]);
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (memmem(bytes, len, marks[i].at, marks[i].len))
            return true;
    return false;
}

static const struct reason *read_transfer(struct prompt_call *call, const struct field *field)
{
    struct json_reader *r = call->reader;
    uint32_t outside = r->depth;
    struct json_value key = { .kind = JSON_KIND_NONE };
    bool hosts = false;

    (void)field;
    if (!json_enter_object(r) && !json_enter_array(r)) {
        json_take(r, NULL);
        return NULL;
    }
    while (r->depth > outside && !r->reason) {
        key.kind = JSON_KIND_NONE;
        if (!json_next(r, &key))
            continue;
        hosts |= key.kind == JSON_KIND_STRING && names_host(key);
        if (!json_enter_object(r) && !json_enter_array(r))
            json_take(r, NULL);
    }
    return hosts && !call->trusted ? &reason_bad_value : NULL;
}

#define AT(member) offsetof(struct prompt, member)

static const struct field fields[] = {
    { .key = SLICE_INIT("model"), .read = read_model },
    { .key = SLICE_INIT("stream"), .read = read_stream },
    { .key = SLICE_INIT("stream_options"), .read = read_stream_options },
    { .key = SLICE_INIT("max_tokens"), .read = read_max_tokens },
    { .key = SLICE_INIT("max_completion_tokens"), .read = read_max_tokens },
    { .key = SLICE_INIT("max_output_tokens"), .read = read_max_tokens },
    { .key = SLICE_INIT("max_new_tokens"), .read = read_max_tokens },
    { .key = SLICE_INIT("n_predict"), .read = read_predict },
    { .key = SLICE_INIT("options"), .read = read_nested_max },
    { .key = SLICE_INIT("parameters"), .read = read_nested_max },
    { .key = SLICE_INIT("sampling_params"), .read = read_nested_max },
    { .key = SLICE_INIT("n"), .read = read_choices },
    { .key = SLICE_INIT("priority"), .read = read_priority },
    { .key = SLICE_INIT("user"), .read = read_text, .offset = AT(user) },
    { .key = SLICE_INIT("cache_salt"), .read = read_text, .offset = AT(cache_salt) },
    { .key = SLICE_INIT("messages"), .read = read_value, .offset = AT(messages) },
    { .key = SLICE_INIT("tools"), .read = read_value, .offset = AT(tools) },
    { .key = SLICE_INIT("prompt"), .read = read_value, .offset = AT(prompt) },
    { .key = SLICE_INIT("input"), .read = read_value, .offset = AT(input) },
    { .key = SLICE_INIT("inputs"), .read = read_value, .offset = AT(input) },
    { .key = SLICE_INIT("system"), .read = read_value, .offset = AT(system) },
    { .key = SLICE_INIT("lora"), .read = read_value, .offset = AT(lora) },
    { .key = SLICE_INIT("lora_path"), .read = read_value, .offset = AT(lora) },
    { .key = SLICE_INIT("documents"), .read = read_value, .offset = AT(documents) },
    { .key = SLICE_INIT("chat_template_kwargs"),
      .read = read_value,
      .offset = AT(chat_template_kwargs) },
    { .key = SLICE_INIT("chat_template"),
      .read = read_value,
      .offset = AT(chat_template),
      .exactness = EXACTNESS_own_template },
    { .key = SLICE_INIT("prompt_embeds"),
      .read = read_ignored,
      .exactness = EXACTNESS_prompt_embeds },
    { .key = SLICE_INIT("truncate_prompt_tokens"),
      .read = read_ignored,
      .exactness = EXACTNESS_truncated },
    { .key = SLICE_INIT("tool_choice"), .read = read_value, .offset = AT(tool_choice) },
    { .key = SLICE_INIT("instructions"), .read = read_value, .offset = AT(instructions) },
    { .key = SLICE_INIT("reasoning"), .read = read_value, .offset = AT(reasoning) },
    { .key = SLICE_INIT("truncation"), .read = read_value, .offset = AT(truncation) },
    { .key = SLICE_INIT("previous_response_id"), .read = read_value, .offset = AT(previous) },
    { .key = SLICE_INIT("previous_response"), .read = read_value, .offset = AT(previous) },
    { .key = SLICE_INIT("previous_input_messages"), .read = read_value, .offset = AT(previous) },
    { .key = SLICE_INIT("output_config"), .read = read_value, .offset = AT(output_config) },
    { .key = SLICE_INIT("reasoning_effort"), .read = read_value, .offset = AT(reasoning_effort) },
    { .key = SLICE_INIT("add_generation_prompt"),
      .read = read_switch,
      .offset = AT(add_generation_prompt) },
    { .key = SLICE_INIT("continue_final_message"),
      .read = read_switch,
      .offset = AT(continue_final_message) },
    { .key = SLICE_INIT("add_special_tokens"),
      .read = read_switch,
      .offset = AT(add_special_tokens) },
    { .key = SLICE_INIT("return_token_strs"),
      .read = read_switch,
      .offset = AT(return_token_strs) },
    { .key = SLICE_INIT("api_base"), .read = read_host },
    { .key = SLICE_INIT("base_url"), .read = read_host },
    { .key = SLICE_INIT("bootstrap_host"), .read = read_host },
    { .key = SLICE_INIT("bootstrap_port"), .read = read_host },
    { .key = SLICE_INIT("bootstrap_room"), .read = read_host },
    { .key = SLICE_INIT("kv_transfer_params"), .read = read_transfer },
    { .key = SLICE_INIT("ec_transfer_params"), .read = read_transfer },
    { .key = SLICE_INIT("disaggregated_params"), .read = read_transfer },
};

_Static_assert(ARRAY_LEN(fields) <= 64, "struct prompt_call counts rows in one word");

static const struct field *find_field(struct json_value key)
{
    char folded[JSON_FOLD_MAX];
    size_t len;

    if (!json_text_fold(key, folded, &len))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (slice_eq(slice_of(folded, len), fields[i].key))
            return &fields[i];
    return NULL;
}

const struct reason *prompt_read_member(struct prompt_call *call, struct json_value key,
                                        struct slice *ret_param)
{
    const struct field *field = find_field(key);
    uint64_t bit;
    const struct reason *reason;

    if (!field) {
        json_take(call->reader, NULL);
        return NULL;
    }
    *ret_param = field->key;
    bit = 1ull << (field - fields);
    if (call->seen & bit)
        return &reason_duplicate_key;
    call->seen |= bit;
    if (!json_text_is(key, field->key)) { /* a variant that only some engines take for it */
        json_take(call->reader, NULL);
        return NULL;
    }
    if (field->exactness && json_peek(call->reader) != JSON_KIND_NULL)
        call->prompt->exactness = field->exactness;
    reason = field->read(call, field);
    return call->reader->reason ? call->reader->reason : reason;
}
