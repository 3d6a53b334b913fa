/*
 * How long chat templates take: a conversation of 40 messages and 64 KB through the templates given
 * (default: llama3_2 and qwen3 of ../shared/chat), its values from JSON, and a memcpy of the same
 * bytes. Prints microseconds, the best of many rounds.
 *
 * One thread, no network. Build: ninja bench_template.
 */
#include "gateway/base/clock.h"
#include "gateway/prompt/template.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES (64 * 1024)
#define MESSAGES   40
#define ROUNDS     300
#define INNER      10

static const char unit[] = "The gateway must know what the engine will see. No proxy does, and "
                           "routing, limits and metering stand on it.\\n";

static void fill_chat(struct buf *out)
{
    buf_printf(out, "{\"messages\":[");
    for (int turn = 0; turn < MESSAGES; turn++) {
        size_t start = out->len;

        buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"", turn ? "," : "",
                   turn % 2 ? "assistant" : "user");
        while (out->len < start + BODY_BYTES / MESSAGES)
            buf_add(out, slice_str(unit));
        buf_printf(out, "\"}");
    }
    buf_printf(out, "],\"bos_token\":\"<s>\",\"add_generation_prompt\":true,\"tools\":null,"
                    "\"tools_in_user_message\":false}");
}

static struct template *load(const char *path)
{
    FILE *file = fopen(path, "r");
    static char text[1 << 16];
    struct template *template;
    struct buf errors;
    size_t len;

    if (!file) {
        printf("SKIP: %s is not here\n", path);
        return NULL;
    }
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    buf_init(&errors, 4096);
    template = template_compile(slice_of(text, len), &errors);
    if (!template)
        printf("%s: %.*s", path, SLICE_ARGS(buf_join(&errors)));
    buf_release(&errors);
    return template;
}

static struct value *values_of(struct slice body, struct arena *arena)
{
    struct json_value json = { .raw = body, .kind = JSON_KIND_OBJECT };
    struct value *value;

    CHECK(!value_json(arena, json, &value));
    return value;
}

static size_t rendered;

static void render(const struct template *template, const struct value *context)
{
    struct template_call call = {
        .context = context,
        .limits = { .output_bytes = 1 << 24, .steps = 1 << 24, .depth = 500 },
    };
    struct slice message;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1 << 24);
    call.arena = &arena;
    buf_init(&out, SIZE_MAX);
    buf_reserve(&out, BODY_BYTES + 16384);
    CHECK(!template_render(template, &call, &out, &message));
    rendered = out.len;
    buf_release(&out);
    arena_release(&arena);
}

static void read_values(struct slice body)
{
    struct arena arena;

    arena_init(&arena, 1 << 24);
    values_of(body, &arena);
    arena_release(&arena);
}

static void copy(struct slice body)
{
    static char to[2 * BODY_BYTES];

    memcpy(to, body.at, body.len);
    __asm__ volatile("" : : "r"(to) : "memory");
}

/* One of the things that are timed. */
struct work {
    const struct template *template;
    const struct value *context;
    struct slice body;
};

typedef void work_fn(const struct work *work);

static void work_copy(const struct work *work)
{
    copy(work->body);
}

static void work_values(const struct work *work)
{
    read_values(work->body);
}

static void work_render(const struct work *work)
{
    render(work->template, work->context);
}

/* Microseconds a call, the best of many rounds. */
static double best_us(work_fn *fn, const struct work *work)
{
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_now_us(), took;

        for (int i = 0; i < INNER; i++)
            fn(work);
        took = clock_now_us() - start;
        best = took < best ? took : best;
    }
    return (double)best / INNER;
}

static void time_template(const char *path, struct work *work)
{
    struct template *template = load(path);
    double us;

    if (!template)
        return;
    work->template = template;
    us = best_us(work_render, work);
    printf("%-44s %8.2f us  %zu bytes\n", path, us, rendered);
    template_unref(template);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = { "../shared/chat/templates/llama3_2.jinja",
                                         "../shared/chat/templates/qwen3.jinja" };
    struct arena arena;
    struct buf body;
    struct work work = { 0 };

    buf_init(&body, SIZE_MAX);
    fill_chat(&body);
    work.body = buf_join(&body);
    arena_init(&arena, 1 << 24);
    work.context = values_of(work.body, &arena);
    printf("%-44s %8.2f us  %zu bytes\n", "memcpy", best_us(work_copy, &work), work.body.len);
    printf("%-44s %8.2f us\n", "values from JSON", best_us(work_values, &work));
    for (size_t i = 0; argc == 1 && i < ARRAY_LEN(usual); i++)
        time_template(usual[i], &work);
    for (int i = 1; i < argc; i++)
        time_template(argv[i], &work);
    arena_release(&arena);
    buf_release(&body);
    return 0;
}
