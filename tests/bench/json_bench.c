/*
 * How fast bodies are read: json_check and prompt_parse on chat bodies of 64 KB, beside jansson (a
 * tree), the kernels alone, and memcpy (what merely touching the bytes costs). Prints GB/s, the
 * best of many rounds.
 *
 * One thread, no input but its own. Build: ninja bench_json.
 */
#include "gateway/base/clock.h"
#include "gateway/prompt/json_string.h"
#include "gateway/prompt/prompt.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES (64 * 1024)
#define ROUNDS     9
#define ROUND_US   60000

/* A turn's text, as it stands between the quotes; repeated until the turn is long enough. */
struct sample {
    const char *name, *text;
};

static const struct sample samples[] = {
    { "english", "The gateway must know what the engine will see. No proxy does, and routing, "
                 "limits and metering stand on "
                 "it.\\n\\nPrompts become the engine's own tokens and block keys, \\\"exactly\\\" "
                 "and fast. " },
    { "code", "static bool is_space(char c)\\n{\\n\\treturn c == ' ' || c == '\\\\n' || c == "
              "\\\"x\\\"[0];\\n}\\n\\n"
              "for (size_t i = 0; i < n; i++)\\n\\t\\tputs(\\\"hi\\\");\\n" },
    { "chinese",
      "网关必须知道引擎将看到什么。没有代理这样做，而路由、限制和计量都建立在此之上。\\n" },
    { "escaped", "\\u7f51\\u5173\\u5fc5\\u987b\\u77e5\\u9053\\u5f15\\u64ce" },
};

static void fill_chat(struct buf *out, const struct sample *sample)
{
    buf_printf(out,
               "{\"model\":\"llama-3.1-8b\",\"stream\":true,\"temperature\":0.7,\"messages\":[");
    for (int turn = 0; out->len < BODY_BYTES; turn++) {
        buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"", turn ? "," : "",
                   turn % 2 ? "assistant" : "user");
        for (size_t start = out->len; out->len < start + 1500;)
            buf_add(out, slice_str(sample->text));
        buf_printf(out, "\"}");
    }
    buf_printf(out, "],\"max_tokens\":512}");
}

/* What is all structure: a prompt as token ids. */
static void fill_ids(struct buf *out)
{
    buf_printf(out, "{\"model\":\"m\",\"prompt\":[0");
    for (unsigned id = 1; out->len < BODY_BYTES; id = id * 1103515245 + 12345)
        buf_printf(out, ",%u", id % 128000);
    buf_printf(out, "]}");
}

static void fill_members(struct buf *out)
{
    buf_printf(out, "{\"model\":\"m\",\"tools\":[{}");
    for (int i = 0; out->len < BODY_BYTES; i++)
        buf_printf(out,
                   ",{\"type\":\"integer\",\"name\":\"f%d\",\"required\":[],\"strict\":true,"
                   "\"default\":null}",
                   i);
    buf_printf(out, "]}");
}

typedef void work_fn(struct slice body);

static void work_check(struct slice body)
{
    CHECK(!json_check(body, NULL));
}

static void work_prompt(struct slice body)
{
    struct arena arena;
    struct prompt prompt;
    struct slice param;

    arena_init(&arena, 65536);
    CHECK(!prompt_parse(dialect_named(SLICE("chat")), body, SLICE(""), false, &arena, &prompt,
                        &param));
    arena_release(&arena);
}

static void work_jansson(struct slice body)
{
    json_t *tree = json_loadb(body.at, body.len, 0, NULL);

    CHECK(tree);
    json_decref(tree);
}

static void work_memcpy(struct slice body)
{
    static char copy[2 * BODY_BYTES];

    memcpy(copy, body.at, body.len);
    __asm__ volatile("" : : "r"(copy) : "memory");
}

static double best_rate(work_fn *work, struct slice body)
{
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_now_us(), now = start;
        size_t bytes = 0;

        while (now - start < ROUND_US) {
            for (int i = 0; i < 16; i++, bytes += body.len)
                work(body);
            now = clock_now_us();
        }
        if ((double)bytes / (double)(now - start) / 1000 > best)
            best = (double)bytes / (double)(now - start) / 1000;
    }
    return best;
}

static void print_row(const char *name, struct buf *body)
{
    struct slice text = buf_join(body);

    printf("%-10s %6zu %9.2f %9.2f %9.2f %9.2f\n", name, text.len, best_rate(work_check, text),
           best_rate(work_prompt, text), best_rate(work_jansson, text),
           best_rate(work_memcpy, text));
    buf_release(body);
}

static const struct json_string_kernel *kernel_at_work;

/* Through a string as long as a body. */
static void work_string(struct slice body)
{
    bool escaped;

    CHECK(kernel_at_work->find_end(body.at, body.at + body.len, &escaped) ==
          body.at + body.len - 1);
}

static void print_kernels(const char *name, const char *unit)
{
    struct buf text;

    buf_init(&text, SIZE_MAX);
    while (text.len < BODY_BYTES)
        buf_add(&text, slice_str(unit));
    buf_add(&text, SLICE("\""));
    for (kernel_at_work = json_string_kernels(); kernel_at_work->name; kernel_at_work++)
        printf("string, %s, %-8s %9.2f\n", name, kernel_at_work->name,
               best_rate(work_string, buf_join(&text)));
    buf_release(&text);
}

int main(void)
{
    struct buf body;

    buf_init(&body, SIZE_MAX);
    printf("GB/s        bytes     check    prompt   jansson    memcpy\n");
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        fill_chat(&body, &samples[i]);
        print_row(samples[i].name, &body);
    }
    fill_ids(&body);
    print_row("token ids", &body);
    fill_members(&body);
    print_row("members", &body);
    print_kernels("ASCII", "plain text without anything to stop at ");
    print_kernels("Chinese", "网关必须知道引擎将看到什么");
    return 0;
}
