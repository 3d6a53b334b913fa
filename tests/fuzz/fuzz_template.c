/*
 * Chat templates from anybody: what compiles runs to an end within its limits, twice alike, and
 * what it writes is UTF-8.
 */
#include "gateway/base/utf8.h"
#include "gateway/prompt/template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define OUTPUT_MAX 65536

static const char context_json[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"},{\"role\":\"user\","
    "\"content\":[{\"type\":\"text\",\"text\":\"\\u00dcn\\u00efc\\u00f8d\\u00e9 \\u03a3\\n\"}]},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
    "\"arguments\":{\"x\":1.5,\"y\":[true,null,12345678901234567890]}}}]}],"
    "\"tools\":null,\"add_generation_prompt\":true,\"bos_token\":\"<s>\","
    "\"s\":\"Hello World\",\"i\":42,\"f\":-0.5,\"l\":[3,1,2],\"d\":{\"b\":1,\"a\":2}}";

static const struct value *read_context(struct arena *arena)
{
    struct json_value json = { .raw = slice_str(context_json), .kind = JSON_KIND_OBJECT };
    struct value *context;

    CHECK(!value_json(arena, json, &context));
    return context;
}

static void output_is_utf8(struct slice text)
{
    while (text.len > 0) {
        size_t len = utf8_sequence(text);

        CHECK(len > 0);
        text = slice_skip(text, len);
    }
}

static const struct reason *run(const struct template *template, struct buf *out)
{
    struct template_call call = { .limits = {
                                      .output_bytes = OUTPUT_MAX, .steps = 200000, .depth = 500 } };
    const struct reason *reason;
    struct slice message;
    struct arena arena;

    arena_init(&arena, 8 << 20);
    call.arena = &arena;
    call.context = read_context(&arena);
    reason = template_render(template, &call, out, &message);
    CHECK(out->len <= OUTPUT_MAX);
    CHECK(!reason || message.len > 0 || reason == &reason_template_raised);
    arena_release(&arena);
    return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice source = slice_of((const char *)bytes, size);
    struct buf errors, out, again;
    struct template *template;

    buf_init(&errors, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_init(&again, SIZE_MAX);
    template = template_compile(source, &errors);
    CHECK(!template == (errors.len > 0));
    if (template) {
        const struct reason *reason = run(template, &out);

        CHECK(run(template, &again) == reason);
        CHECK(slice_eq(buf_join(&out), buf_join(&again)));
        if (!reason)
            output_is_utf8(buf_join(&out));
        (void)template_takes_parts(template);
    }
    template_unref(template);
    buf_release(&errors);
    buf_release(&out);
    buf_release(&again);
    return 0;
}
