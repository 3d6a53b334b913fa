/*
 * sluice tokenize: texts on standard input to ids on standard output, a JSON object a line; or how
 * fast that is.
 */
#include "gateway/commands.h"

#include "gateway/base/utf8.h"
#include "gateway/prompt/json.h"
#include "gateway/token/split_kernel.h"
#include "gateway/token/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define CACHE_BYTES ((size_t)16 << 20)
/* A line longer than the gateway would take as a body is no text to tokenize. */
#define LINE_BYTES_MAX ((size_t)256 << 20)
#define BENCH_BYTES    ((size_t)64 << 10)
#define BENCH_PASSES   5

struct options {
    const char *folder;
    const char *bench; /* NULL: none */
    enum encoder_special special;
};

static bool read_options(char **arguments, struct options *options)
{
    for (; *arguments; arguments++) {
        if (strcmp(*arguments, "--special") == 0)
            options->special = ENCODER_PROCESSED;
        else if (strcmp(*arguments, "--tokenizer") == 0 && arguments[1])
            options->folder = *++arguments;
        else if (strcmp(*arguments, "--bench") == 0 && arguments[1])
            options->bench = *++arguments;
        else
            return false;
    }
    return options->folder;
}

/* $SLUICE_SIMD names a kernel (split_kernel.h) in place of the processor's best one, to compare. */
static bool choose_kernel(void)
{
    const char *name = getenv("SLUICE_SIMD");

    for (const struct split_kernel *kernel = split_kernels(); name && kernel->name; kernel++)
        if (strcmp(kernel->name, name) == 0) {
            split_use(kernel);
            return true;
        }
    if (name)
        fprintf(stderr, "SLUICE_SIMD: this processor has no kernel \"%s\"\n", name);
    return !name;
}

static struct tokenizer *load(const char *folder)
{
    struct tokenizer *tokenizer;
    struct slice text;
    struct buf errors;

    buf_init(&errors, SIZE_MAX);
    tokenizer = tokenizer_load(folder, &errors);
    text = buf_join(&errors);
    fprintf(stderr, "%.*s", SLICE_ARGS(text));
    buf_release(&errors);
    return tokenizer;
}

/* `exact`: the reference gives the same; where it may not, the line says so. */
static void print_ids(struct slice id, const struct ids *ids, bool exact)
{
    printf("{\"id\":%.*s,\"ids\":[", SLICE_ARGS(id));
    for (size_t i = 0; i < ids->count; i++)
        printf(i ? ",%u" : "%u", ids->at[i]);
    puts(exact ? "]}" : "],\"exact\":false}");
}

/* A line's members; false: it is no object that has both, or its text is no Unicode. */
static bool read_line(struct slice line, struct arena *arena, struct slice *ret_id,
                      struct slice *ret_text)
{
    struct json_value key, id = { 0 }, text = { 0 };
    struct json_reader reader;

    json_open(&reader, line, NULL);
    if (json_enter_object(&reader))
        while (json_next(&reader, &key))
            json_take(&reader, json_text_is(key, SLICE("id"))     ? &id
                               : json_text_is(key, SLICE("text")) ? &text
                                                                  : NULL);
    if (json_close(&reader) || id.kind == JSON_KIND_NONE)
        return false;
    *ret_id = id.raw;
    return !json_text(text, arena, ret_text);
}

static void tokenize_line(struct encoder *encoder, const struct tokenizer *tokenizer,
                          enum encoder_special special, struct slice line)
{
    struct slice id = SLICE("null"), text;
    struct arena arena;
    struct ids ids;

    arena_init(&arena, LINE_BYTES_MAX);
    ids_init(&ids);
    if (read_line(line, &arena, &id, &text)) {
        encoder_encode(encoder, text, special, &ids);
        tokenizer_fit(tokenizer, special, &ids);
        print_ids(id, &ids, encoder_exact(encoder));
    } else {
        printf("{\"id\":%.*s,\"error\":\"needs an id and a text\"}\n", SLICE_ARGS(id));
    }
    ids_release(&ids);
    arena_release(&arena);
}

static int tokenize_lines(struct tokenizer *tokenizer, enum encoder_special special)
{
    struct encoder *encoder = encoder_new(tokenizer, CACHE_BYTES);
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while ((len = getline(&line, &room, stdin)) > 0) {
        struct slice text = slice_of(line, (size_t)len);

        if (slice_ends(text, SLICE("\n")))
            text.len--;
        if (text.len > 0)
            tokenize_line(encoder, tokenizer, special, text);
    }
    free(line);
    encoder_free(encoder);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Up to 64 KB, whole lines where one ends within. */
static struct slice next_piece(struct slice *rest)
{
    size_t len = rest->len < BENCH_BYTES ? rest->len : BENCH_BYTES;
    const char *end = len < rest->len ? memrchr(rest->at, '\n', len) : NULL;
    struct slice piece = slice_head(*rest, end ? (size_t)(end - rest->at) + 1 : len);

    while (piece.len < rest->len && ((uint8_t)rest->at[piece.len] & 0xc0) == 0x80)
        piece.len++;
    *rest = slice_skip(*rest, piece.len);
    return piece;
}

static double encode_all(struct encoder *encoder, struct slice text, enum encoder_special special,
                         struct ids *ids)
{
    struct slice rest = text;
    struct timespec start, end;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    while (rest.len > 0) {
        ids->count = 0;
        encoder_encode(encoder, next_piece(&rest), special, ids);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    char *bytes = NULL;

    if (file && fstat(fileno(file), &status) == 0 && status.st_size > 0) {
        bytes = xmalloc((size_t)status.st_size);
        *ret_len = fread(bytes, 1, (size_t)status.st_size, file);
    }
    if (file)
        fclose(file);
    return bytes;
}

static int bench(struct tokenizer *tokenizer, const struct options *options)
{
    struct encoder *encoder;
    struct slice text;
    struct ids ids;
    double cold, warm = 1e9;
    size_t len = 0;
    char *bytes = read_file(options->bench, &len);

    text = slice_of(bytes, len);
    if (!bytes || !utf8_holds(text)) {
        fprintf(stderr, "%s: cannot be read, is empty or is not UTF-8\n", options->bench);
        free(bytes);
        return 1;
    }
    ids_init(&ids);
    ids_reserve(&ids, BENCH_BYTES);
    encoder = encoder_new(tokenizer, CACHE_BYTES);
    cold = encode_all(encoder, text, options->special, &ids);
    for (int pass = 0; pass < BENCH_PASSES; pass++) {
        double seconds = encode_all(encoder, text, options->special, &ids);

        warm = seconds < warm ? seconds : warm;
    }
    printf("cold %.1f MB/s\nwarm %.1f MB/s\n", (double)len / cold / 1e6, (double)len / warm / 1e6);
    ids_release(&ids);
    encoder_free(encoder);
    free(bytes);
    return 0;
}

int command_tokenize(char **arguments)
{
    struct options options = { 0 };
    struct tokenizer *tokenizer;
    int code;

    if (!read_options(arguments, &options)) {
        fprintf(stderr, "usage: sluice tokenize --tokenizer DIR [--special] [--bench FILE]\n");
        return 2;
    }
    if (!choose_kernel())
        return 1;
    tokenizer = load(options.folder);
    if (!tokenizer)
        return 1;
    code = options.bench ? bench(tokenizer, &options) : tokenize_lines(tokenizer, options.special);
    tokenizer_unref(tokenizer);
    return code;
}
