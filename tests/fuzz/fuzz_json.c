/*
 * JSON from anybody: every kernel judges alike, a good text's values are good texts, and a body
 * that becomes a prompt can be spliced and reads as the same prompt again.
 */
#include "gateway/prompt/json_string.h"
#include "gateway/prompt/prompt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void kernels_agree(struct slice text)
{
    const char *end = text.at + text.len;
    bool escaped, expected_escaped;
    const char *expected = json_string_scalar(text.at, end, &expected_escaped);

    for (const struct json_string_kernel *k = json_string_kernels(); k->name; k++) {
        CHECK(k->find_end(text.at, end, &escaped) == expected);
        CHECK(!expected || escaped == expected_escaped);
        CHECK(k->find_close(text.at, end, &escaped) == expected || !expected);
        CHECK(!expected || escaped == expected_escaped);
    }
}

static void scalars_hold_their_promises(struct json_value value, struct arena *arena)
{
    struct slice text;
    int64_t number;

    if (value.kind == JSON_KIND_STRING && !json_text(value, arena, &text))
        CHECK(text.len <= value.raw.len - 2);
    if (json_int64(value, -10, 10, &number))
        CHECK(value.kind == JSON_KIND_NUMBER && number >= -10 && number <= 10);
}

/* A good object is walked, and each of its values is good on its own. */
static void members_are_texts(struct slice text, struct arena *arena)
{
    struct json_reader r;
    struct json_value key, value;

    json_open(&r, text, NULL);
    if (!json_enter_object(&r))
        return;
    while (json_next(&r, &key)) {
        struct slice cut;

        json_take(&r, &value);
        CHECK(!json_check(value.raw, NULL));
        scalars_hold_their_promises(value, arena);
        scalars_hold_their_promises(key, arena);
        cut = json_member_span(text, key.raw, value.raw);
        CHECK(cut.at >= text.at && cut.at + cut.len <= text.at + text.len);
    }
    CHECK(!json_close(&r));
}

/* Read again by where its long strings end, a value is the same to its last byte. */
static void ends_are_kept(struct slice text, struct arena *arena)
{
    struct json_ends ends = { .count = 0 };
    struct json_value value, again;
    struct json_reader r;

    json_open(&r, text, NULL);
    json_note_ends(&r, &ends, arena);
    json_take(&r, &value);
    CHECK(!json_close(&r));
    json_open_known(&r, value, &ends);
    json_take(&r, &again);
    CHECK(!json_close(&r));
    CHECK(again.raw.at == value.raw.at && again.raw.len == value.raw.len);
    CHECK(again.kind == value.kind && again.escaped == value.escaped);
}

/* What is added stands beside a variant of its key that was there alone: then it reads as a
 * duplicate. */
static void splice_reads_again(const struct prompt *prompt, struct slice text, struct arena *arena)
{
    const struct reason *reason;
    struct buf body, out;
    struct prompt again;
    struct slice param;

    buf_init(&body, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_add(&body, text);
    prompt_splice(prompt, &body, SLICE("other"), prompt_wants_usage_added(prompt), &out);
    reason = prompt_parse(prompt->dialect, buf_join(&out), SLICE(""), false, arena, &again, &param);
    CHECK(!reason || (reason == &reason_duplicate_key && prompt_wants_usage_added(prompt)));
    if (!reason) {
        CHECK(prompt->model.len == 0 || slice_eq(again.model, SLICE("other")));
        CHECK(again.stream == prompt->stream && again.max_tokens == prompt->max_tokens);
        CHECK(!prompt_wants_usage_added(&again));
    }
    buf_release(&body);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const dialects[] = { "chat", "ollama", "generate" };
    struct slice text = slice_of((const char *)bytes, size);
    struct arena arena;
    struct prompt prompt;
    struct slice param;

    arena_init(&arena, 1 << 20);
    kernels_agree(text);
    if (!json_check(text, NULL)) {
        members_are_texts(text, &arena);
        ends_are_kept(text, &arena);
    }
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (!prompt_parse(dialect_named(slice_str(dialects[i])), text, SLICE(""), false, &arena,
                          &prompt, &param))
            splice_reads_again(&prompt, text, &arena);
    arena_release(&arena);
    return 0;
}
