/*
 * Requests through the pipeline, from the command line. Nothing is bounded by time here, and chats
 * are rendered by the folder's template whatever the engine would do.
 */
#include "gateway/commands.h"

#include "gateway/base/clock.h"
#include "gateway/prompt/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

/* A request of a hundred megabytes is no longer one. */
#define LINE_BYTES_MAX (100u << 20)

struct work {
    struct recipe *recipe;
    struct pipeline *pipeline;
    struct pipeline_conf conf;
    void (*print)(const struct pipeline_tokens *tokens, struct buf *out);
};

/* The line's "id" as it stands; empty: none. */
static struct slice id_of(struct slice line)
{
    struct json_value key, value;
    struct json_reader r;
    struct slice id = { NULL, 0 };

    json_open(&r, line, NULL);
    if (json_enter_object(&r))
        while (json_next(&r, &key)) {
            json_take(&r, &value);
            if (json_text_is(key, SLICE("id")))
                id = value.raw;
        }
    return json_close(&r) ? slice_of(NULL, 0) : id;
}

static void begin_object(struct buf *out, struct slice id)
{
    buf_add(out, SLICE("{"));
    if (id.len > 0)
        buf_printf(out, "\"id\":%.*s,", SLICE_ARGS(id));
}

static void print_error(struct buf *out, struct slice message)
{
    buf_add(out, SLICE("\"error\":"));
    json_write_text(out, message);
}

static void print_render(const struct pipeline_tokens *tokens, struct buf *out)
{
    buf_add(out, SLICE("\"text\":"));
    json_write_text(out, tokens->text);
    buf_add(out, SLICE(",\"ids\":["));
    for (size_t i = 0; i < tokens->ids->count; i++)
        buf_printf(out, "%s%u", i > 0 ? "," : "", tokens->ids->at[i]);
    buf_add(out, SLICE("]"));
}

static void print_blocks(const struct pipeline_tokens *tokens, struct buf *out)
{
    buf_printf(out, "\"tokens\":%zu,\"keys\":[", tokens->ids->count);
    for (size_t i = 0; i < tokens->keys.count; i++)
        buf_printf(out, "%s\"%016llx\"", i > 0 ? "," : "", (unsigned long long)tokens->keys.at[i]);
    buf_add(out, SLICE("]"));
}

static struct slice why_none(const struct pipeline_tokens *tokens)
{
    if (tokens->message.len > 0)
        return tokens->message;
    return slice_str(tokens->reason ? tokens->reason->text
                                    : exactness_rows[tokens->exactness].words);
}

static void print_prompt(const struct work *work, const struct prompt *prompt, struct buf *out)
{
    struct pipeline_call call = {
        .conf = &work->conf,
        .prompt = prompt,
        .recipe = work->recipe,
        .scope = { .model = prompt->model,
                   .lora = prompt->lora.raw,
                   .cache_salt = prompt->cache_salt },
        .token_bytes = 4, /* nothing is estimated */
        .wall_us = clock_wall_us(),
        .unbounded = true,
    };
    struct pipeline_tokens tokens;

    pipeline_run(work->pipeline, &call, &tokens);
    if (tokens.keys_exact)
        work->print(&tokens, out);
    else
        print_error(out, why_none(&tokens));
    blocks_release(&tokens.keys);
}

static void do_line(const struct work *work, struct slice line, struct buf *out)
{
    struct arena arena;
    struct prompt prompt;
    struct slice param;
    const struct reason *reason;

    arena_init(&arena, LINE_BYTES_MAX);
    begin_object(out, id_of(line));
    reason = prompt_parse(dialect_named(SLICE("tokenize")), line, slice_of(NULL, 0),
                          /* trusted= */ true, &arena, &prompt, &param);
    if (reason)
        print_error(out, slice_str(reason->text));
    else
        print_prompt(work, &prompt, out);
    buf_add(out, SLICE("}\n"));
    arena_release(&arena);
}

static int do_lines(const struct work *work)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    struct buf out;

    buf_init(&out, SIZE_MAX);
    while ((len = getline(&line, &room, stdin)) >= 0) {
        struct slice text = slice_of(line, (size_t)len), made;

        if (slice_ends(text, SLICE("\n")))
            text.len--;
        if (text.len == 0)
            continue;
        do_line(work, text, &out);
        made = buf_join(&out);
        fwrite(made.at, 1, made.len, stdout);
        buf_release(&out);
    }
    free(line);
    return ferror(stdin) || fflush(stdout) != 0 ? 1 : 0;
}

static int run_work(const char *folder, struct work *work)
{
    struct recipe_settings settings = { .tokenizer = folder, .mode = RECIPE_MODE_HF };
    struct buf errors;
    int code = 1;

    buf_init(&errors, SIZE_MAX);
    work->recipe = recipe_load(&settings, &errors);
    work->conf.prompt_bytes = LINE_BYTES_MAX;
    work->conf.piece_cache = 64u << 20;
    if (work->recipe) {
        work->pipeline = pipeline_new();
        code = do_lines(work);
        pipeline_free(work->pipeline);
    } else {
        fprintf(stderr, "%.*s", SLICE_ARGS(buf_join(&errors)));
    }
    recipe_unref(work->recipe);
    buf_release(&errors);
    return code;
}

int command_render_requests(const char *folder)
{
    struct work work = { .print = print_render, .conf = { .key_block = BLOCK_TOKENS_DEFAULT } };

    return run_work(folder, &work);
}

int command_blocks(char **arguments)
{
    struct work work = { .print = print_blocks };
    const char *folder = NULL;
    uint64_t block = 0;

    for (int i = 0; i < 4; i += 2)
        if (strcmp(arguments[i], "--tokenizer") == 0)
            folder = arguments[i + 1];
        else if (strcmp(arguments[i], "--block-size") != 0 ||
                 !slice_u64(slice_str(arguments[i + 1]), &block))
            block = 0;
    if (!folder || block == 0 || block > BLOCK_TOKENS_MAX) {
        fprintf(stderr, "usage: sluice blocks --tokenizer DIR --block-size N (1 to %d)\n",
                BLOCK_TOKENS_MAX);
        return 2;
    }
    work.conf.key_block = block;
    return run_work(folder, &work);
}
