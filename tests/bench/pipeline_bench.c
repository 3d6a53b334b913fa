/*
 * From a body to block keys: a conversation of 64 KB that was never seen, its next turn with 1 KB
 * of new text, and what each stage of it takes. Microseconds, the median and the least of many.
 *
 *     bench_pipeline [TOKENIZER_FOLDER [TEXT_FILE...]]
 *
 * The folder is ../shared/tokenizers/qwen3 or a name beside it, by default; texts are this
 * project's own documents. Conversations are made of their paragraphs in an order of their own
 * each, so that words are known (the cache of pieces is warm) and no conversation is. One thread.
 */
#include "gateway/base/clock.h"
#include "gateway/prompt/chat.h"
#include "gateway/prompt/pipeline.h"
#include "gateway/prompt/turns.h"
#include "tests/unit/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BODY_BYTES    (64 * 1024)
#define TURN_BYTES    1024
#define ROUNDS        200
#define HASHED_TOKENS (128 * 1024)

static const char *const own_texts[] = { "README.md", "STYLE.md", "gateway/README.md",
                                         "tests/README.md", "tests/bench/README.md" };

struct bench {
    struct recipe *recipe;
    struct pipeline *pipeline;
    struct pipeline_conf conf;
    struct slice paragraphs[4096];
    size_t count;
    uint64_t seed;
};

/* Nanoseconds of the thread: what others do on the machine does not count. */
static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double report(const char *what, double *us, size_t count)
{
    qsort(us, count, sizeof(*us), by_size);
    printf("%-34s median %8.1f us   least %8.1f us\n", what, us[count / 2], us[0]);
    return us[0];
}

static void read_text(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "re");
    struct slice rest;
    char *text;
    size_t len;

    if (!file)
        return;
    text = xmalloc(1 << 20); /* lives as long as the program */
    len = fread(text, 1, 1 << 20, file);
    fclose(file);
    rest = slice_of(text, len);
    while (rest.len > 0 && bench->count < ARRAY_LEN(bench->paragraphs)) {
        const char *end = memmem(rest.at, rest.len, "\n\n", 2);
        size_t n = end ? (size_t)(end - rest.at) : rest.len;

        if (n > 40)
            bench->paragraphs[bench->count++] = slice_head(rest, n);
        rest = slice_skip(rest, n + 2);
    }
}

static void add_message(struct bench *bench, struct buf *body, int turn, size_t bytes)
{
    struct buf text;

    buf_init(&text, SIZE_MAX);
    while (text.len < bytes) {
        buf_add(&text, bench->paragraphs[random_below(&bench->seed, bench->count)]);
        buf_add(&text, SLICE("\n\n"));
    }
    buf_printf(body, "%s{\"role\":\"%s\",\"content\":", turn > 0 ? "," : "",
               turn % 2 ? "assistant" : "user");
    json_write_text(body, slice_head(buf_join(&text), bytes));
    buf_add(body, SLICE("}"));
    buf_release(&text);
}

/* A body of at least `bytes`; `open` leaves its end off. Returns the messages there are. */
static int conversation(struct bench *bench, struct buf *body, size_t bytes)
{
    int turn = 0;

    buf_add(body, SLICE("{\"model\":\"m\",\"stream\":true,\"messages\":["));
    while (body->len < bytes)
        add_message(bench, body, turn++, 300 + random_below(&bench->seed, 1500));
    return turn;
}

/* From bytes to keys, as the gateway's steps do it. */
static double whole(struct bench *bench, struct slice body, struct pipeline_tokens *ret_tokens)
{
    double begun_us = now_us();
    struct pipeline_call call = { .conf = &bench->conf,
                                  .recipe = bench->recipe,
                                  .scope = { .prefix_seed = 1, .model = SLICE("m") },
                                  .token_bytes = 4,
                                  .wall_us = 1 };
    struct prompt prompt;
    struct arena arena;
    struct slice param;

    arena_init(&arena, 1 << 20);
    call.prompt = &prompt;
    if (prompt_parse(dialect_named(SLICE("chat")), body, slice_of(NULL, 0), false, &arena, &prompt,
                     &param))
        abort();
    pipeline_run(bench->pipeline, &call, ret_tokens);
    arena_release(&arena);
    return now_us() - begun_us;
}

static void check(const struct pipeline_tokens *tokens)
{
    if (tokens->exactness != EXACTNESS_exact) {
        fprintf(stderr, "not exact: %s\n", exactness_rows[tokens->exactness].words);
        exit(1);
    }
}

static void bench_whole(struct bench *bench)
{
    static double fresh_us[ROUNDS], next_us[ROUNDS];
    struct pipeline_tokens tokens;

    for (int round = -20; round < ROUNDS; round++) { /* the first ones only warm up */
        struct buf body, next;
        int turns;

        buf_init(&body, SIZE_MAX);
        buf_init(&next, SIZE_MAX);
        turns = conversation(bench, &body, BODY_BYTES);
        buf_share(&next, &body);
        buf_add(&body, SLICE("]}"));
        add_message(bench, &next, turns, TURN_BYTES / 2);
        add_message(bench, &next, turns + 1, TURN_BYTES / 2);
        buf_add(&next, SLICE("]}"));
        fresh_us[round < 0 ? 0 : round] = whole(bench, buf_join(&body), &tokens);
        check(&tokens);
        blocks_release(&tokens.keys);
        next_us[round < 0 ? 0 : round] = whole(bench, buf_join(&next), &tokens);
        check(&tokens);
        if (round == 0)
            printf("body %zu bytes, %llu tokens, %zu keys; next turn reuses %zu\n\n", body.len,
                   (unsigned long long)tokens.count, tokens.keys.count, tokens.reused);
        blocks_release(&tokens.keys);
        buf_release(&body);
        buf_release(&next);
    }
    report("never seen: body to keys", fresh_us, ROUNDS);
    report("next turn, 1 KB new: body to keys", next_us, ROUNDS);
}

/* One stage after the other on bodies of their own. */
static void bench_stages(struct bench *bench)
{
    enum { SCAN, PARSE, RENDER, ENCODE, HASH, FIND, STAGES };
    static const char *const names[STAGES] = {
        "json_check (a scan alone)", "prompt_parse", "chat_render", "encoder_encode", "blocks_hash",
        "turns_find (all known)"
    };
    static double us[STAGES][ROUNDS];
    struct encoder *encoder =
        encoder_new(bench->recipe->tokenizer, (size_t)bench->conf.piece_cache);
    struct turns *turns = turns_new(64 << 20);
    uint64_t *keys = xcalloc(HASHED_TOKENS, sizeof(*keys));
    double scan_us;
    size_t bytes = 0;

    for (int round = -20; round < ROUNDS; round++) {
        size_t at = round < 0 ? 0 : (size_t)round, cut_count;
        struct chat_call call = { .recipe = bench->recipe,
                                  .limits = { SIZE_MAX, UINT64_MAX, 100 } };
        struct turns_owner owner = { 1, 1, 16 };
        struct slice param, message;
        struct buf body, text;
        struct prompt prompt;
        struct chat_text chat;
        struct arena arena;
        struct ids ids;
        struct blocks blocks = { .parent = 1, .block = 16 };
        struct turns_tokens tokens = { &ids, &blocks };
        const struct cut *cuts;
        double t[STAGES + 1];

        buf_init(&body, SIZE_MAX);
        buf_init(&text, SIZE_MAX);
        arena_init(&arena, 64 << 20);
        ids_init(&ids);
        conversation(bench, &body, BODY_BYTES);
        buf_add(&body, SLICE("]}"));
        buf_join(&body);
        bytes = body.len;
        ids_reserve(&ids, body.len);
        t[SCAN] = now_us();
        if (json_check(buf_join(&body), NULL))
            abort();
        t[PARSE] = now_us();
        if (prompt_parse(dialect_named(SLICE("chat")), buf_join(&body), slice_of(NULL, 0), false,
                         &arena, &prompt, &param))
            abort();
        t[RENDER] = now_us();
        call.prompt = &prompt;
        call.arena = &arena;
        if (chat_render(&call, &text, &chat, &message))
            abort();
        t[ENCODE] = now_us();
        encoder_encode(encoder, chat.text, ENCODER_PLAIN, &ids);
        t[HASH] = now_us();
        blocks_hash(1, ids.at, ids.count, 16, keys);
        t[FIND] = now_us();
        for (int i = 0; i < STAGES - 1; i++)
            us[i][at] = t[i + 1] - t[i];
        cuts = encoder_cuts(encoder, &cut_count);
        ids.count = 0;
        turns_find(turns, owner, chat.text, tokens);
        ids.count = blocks.count = 0;
        encoder_encode(encoder, chat.text, ENCODER_PLAIN, &ids);
        blocks_follow(&blocks, &ids);
        turns_keep(turns, owner, chat.text, tokens, 0, cuts, cut_count);
        ids.count = blocks.count = 0;
        t[FIND] = now_us();
        turns_find(turns, owner, chat.text, tokens);
        us[FIND][at] = now_us() - t[FIND];
        blocks_release(&blocks);
        ids_release(&ids);
        arena_release(&arena);
        buf_release(&body);
        buf_release(&text);
    }
    scan_us = report(names[SCAN], us[SCAN], ROUNDS);
    for (int i = PARSE; i < STAGES; i++)
        report(names[i], us[i], ROUNDS);
    printf("%-34s %.2f GB/s\n", "json scan", (double)bytes / scan_us / 1e3);
    turns_free(turns);
    encoder_free(encoder);
    free(keys);
}

static void bench_hash(void)
{
    static double us[ROUNDS];
    uint32_t *ids = xcalloc(HASHED_TOKENS, sizeof(*ids));
    uint64_t *keys = xcalloc(HASHED_TOKENS / 16, sizeof(*keys));

    for (size_t i = 0; i < HASHED_TOKENS; i++)
        ids[i] = (uint32_t)(i * 7919 % 128000);
    for (int round = 0; round < ROUNDS; round++) {
        double begun_us = now_us();

        blocks_hash(1, ids, HASHED_TOKENS, 16, keys);
        us[round] = now_us() - begun_us;
    }
    report("128k tokens hashed in blocks of 16", us, ROUNDS);
    free(ids);
    free(keys);
}

int main(int argc, char **argv)
{
    struct recipe_settings settings = { .tokenizer =
                                            argc > 1 ? argv[1] : "../shared/tokenizers/qwen3",
                                        .mode = RECIPE_MODE_HF };
    static struct bench bench = { .conf = { .key_block = 16,
                                            .budget = 10000,
                                            .prompt_bytes = 1 << 30,
                                            .turn_cache = 64 << 20,
                                            .piece_cache = 16 << 20 },
                                  .seed = 1 };
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(own_texts) && argc <= 2; i++)
        read_text(&bench, own_texts[i]);
    for (int i = 2; i < argc; i++)
        read_text(&bench, argv[i]);
    bench.recipe = recipe_load(&settings, &errors);
    if (!bench.recipe || bench.count == 0) {
        fprintf(stderr, "%.*s%s", SLICE_ARGS(buf_join(&errors)),
                bench.count == 0 ? "no text to speak of\n" : "");
        return 77;
    }
    bench.pipeline = pipeline_new();
    printf("%s, %zu paragraphs\n", settings.tokenizer, bench.count);
    bench_whole(&bench);
    printf("\n");
    bench_stages(&bench);
    bench_hash();
    pipeline_free(bench.pipeline);
    recipe_unref(bench.recipe);
    buf_release(&errors);
    return 0;
}
