/*
 * How fast texts become ids, by a family of ../shared/tokenizers: files in pieces of 64 KB cut at
 * line ends, or without files the worst cases, each a text of 1 MB. Prints MB/s (10^6 bytes) of CPU
 * time: "cold" from an empty cache, "warm" the best of some more passes, and "split" alone.
 *
 * $SPLIT_KERNEL names a kernel other than the best. One thread. Build: ninja bench_bpe; run:
 * bench_bpe FAMILY [FILE...]
 */
#include "gateway/token/split_kernel.h"
#include "tests/unit/random.h"
#include "tests/unit/vocabulary.h"

#include <time.h>

#define PART_BYTES  65536
#define PASSES      5
#define CACHE_BYTES (16u << 20)
#define WORST_BYTES 1000000

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The part that begins at `at`: up to the last line end within PART_BYTES. */
static struct slice part_of(struct slice text, size_t at)
{
    struct slice part = slice_head(slice_skip(text, at), PART_BYTES);
    size_t len = part.len;

    if (at + len == text.len)
        return part;
    while (len > 0 && part.at[len - 1] != '\n')
        len--;
    for (part.len = len ? len : part.len; ((uint8_t)part.at[part.len] & 0xc0) == 0x80;)
        part.len--;
    return part;
}

static double encode_all(const struct bpe *bpe, struct bpe_cache *cache, struct slice text,
                         struct ids *ids, size_t *ret_count)
{
    double begun = cpu_seconds();
    struct slice part;

    *ret_count = 0;
    for (size_t at = 0; at < text.len; at += part.len) {
        part = part_of(text, at);
        ids->count = 0;
        bpe_encode(bpe, cache, part, ids);
        *ret_count += ids->count;
    }
    return cpu_seconds() - begun;
}

static double split_all_of(const struct split_type *split, struct slice text)
{
    static uint32_t ends[PART_BYTES];
    double begun = cpu_seconds();
    struct slice part;

    for (size_t at = 0; at < text.len && split; at += part.len) {
        part = part_of(text, at);
        split->ends(part, 0, ends, PART_BYTES);
    }
    return cpu_seconds() - begun;
}

static void measure(const struct vocabulary *v, const struct bpe *bpe, const char *name,
                    struct slice text)
{
    struct bpe_cache *cache = bpe_cache_new(bpe, CACHE_BYTES);
    double cold, warm = 1e9, split = 1e9, mb = (double)text.len / 1e6;
    struct ids ids;
    size_t count;

    ids_init(&ids);
    ids_reserve(&ids, PART_BYTES + 4);
    cold = encode_all(bpe, cache, text, &ids, &count);
    for (int pass = 0; pass < PASSES; pass++) {
        double seconds = encode_all(bpe, cache, text, &ids, &count);
        double splitting = split_all_of(v->spec.split, text);

        warm = seconds < warm ? seconds : warm;
        split = splitting < split ? splitting : split;
    }
    printf("%-12s %9zu bytes %8zu ids  cold %7.1f  warm %7.1f  split %7.1f\n", name, text.len,
           count, mb / cold, mb / warm, v->spec.split ? mb / split : 0.0);
    ids_release(&ids);
    bpe_cache_free(cache);
}

/* ---- worst cases ---- */

static const struct worst {
    const char *name, *atoms[4]; /* chosen from at random */
} worsts[] = {
    { "a", { "a" } },
    { "=", { "=" } },
    { "spaces", { " " } },
    { "newlines", { "\n" } },
    { "ab", { "ab", "a", "b" } },
    { "thai", { "\xe0\xb8\xa0\xe0\xb8\xb2", "\xe0\xb8\xa9\xe0\xb8\xb2", "\xe0\xb9\x84" } },
    { "chinese", { "\xe4\xb8\xad", "\xe6\x96\x87", "\xe7\xbd\x91", "\xe5\x85\xb3" } },
    { "emoji", { "\xf0\x9f\x98\x80", "\xf0\x9f\x8e\x89", "\xf0\x9f\x91\xa9\xe2\x80\x8d" } },
    { "quotes", { "'", "'s", "'ll" } },
    { "marks", { "e\xcc\x81", "\xcc\x81", "A\xcc\x81", "\xca\xb0" } },
    { "unassigned", { "\xcd\xb8", "\xee\x80\x80" } },
};

static struct slice make_worst(const struct worst *worst, char *to)
{
    uint64_t seed = 5;
    size_t len = 0, kinds = 0;

    while (kinds < 4 && worst->atoms[kinds])
        kinds++;
    while (len + 16 < WORST_BYTES) {
        const char *atom = worst->atoms[random_below(&seed, kinds)];

        memcpy(to + len, atom, strlen(atom));
        len += strlen(atom);
    }
    return slice_of(to, len);
}

static struct slice make_base64(char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t seed = 6;

    for (size_t i = 0; i < WORST_BYTES; i++)
        to[i] = digits[random_below(&seed, 64)];
    return slice_of(to, WORST_BYTES);
}

/* Tokens behind each other, letters only: each begins as what the one before could have gone on
 * with. */
static struct slice make_tokens(const struct vocabulary *v, char *to)
{
    uint64_t seed = 7;
    size_t len = 0;

    while (len + 256 < WORST_BYTES) {
        struct slice token = v->tokens[random_below(&seed, v->spec.token_count)].bytes;
        bool letters = token.len > 0 && token.len < 256;

        for (size_t i = 0; i < token.len && letters; i++)
            letters = slice_lower(token.at[i]) >= 'a' && slice_lower(token.at[i]) <= 'z';
        if (!letters)
            continue;
        for (size_t i = 0; i < token.len; i++)
            to[len++] = slice_lower(token.at[i]);
    }
    return slice_of(to, len);
}

/* All as one piece of a text, so that cutting it at lines does not help. */
static void measure_worst(const struct vocabulary *v, const struct bpe *bpe)
{
    struct bpe_cache *cache = bpe_cache_new(bpe, CACHE_BYTES);
    char *text = xmalloc(WORST_BYTES);
    struct ids ids;

    ids_init(&ids);
    for (size_t i = 0; i < ARRAY_LEN(worsts) + 2; i++) {
        struct slice s = i < ARRAY_LEN(worsts)    ? make_worst(&worsts[i], text)
                         : i == ARRAY_LEN(worsts) ? make_base64(text)
                                                  : make_tokens(v, text);
        double begun = cpu_seconds();

        ids.count = 0;
        bpe_encode(bpe, cache, s, &ids);
        printf("worst %-12s %8zu ids  %7.1f\n",
               i < ARRAY_LEN(worsts)    ? worsts[i].name
               : i == ARRAY_LEN(worsts) ? "base64"
                                        : "tokens",
               ids.count, (double)s.len / 1e6 / (cpu_seconds() - begun));
    }
    ids_release(&ids);
    bpe_cache_free(cache);
    free(text);
}

static struct slice read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long len;

    if (!file)
        return slice_of(NULL, 0);
    fseek(file, 0, SEEK_END);
    len = ftell(file);
    rewind(file);
    text = xmalloc((size_t)len + 1);
    len = (long)fread(text, 1, (size_t)len, file);
    fclose(file);
    return slice_of(text, (size_t)len);
}

/* The kernel that is asked for, or the best. */
static const char *choose_kernel(void)
{
    const char *wanted = getenv("SPLIT_KERNEL");

    for (const struct split_kernel *kernel = split_kernels(); wanted && kernel->name; kernel++)
        if (strcmp(kernel->name, wanted) == 0) {
            split_use(kernel);
            return wanted;
        }
    return split_kernels()->name;
}

int main(int argc, char **argv)
{
    const char *kernel = choose_kernel();
    struct vocabulary v;
    struct bpe *bpe;
    double begun;

    if (argc < 2 || !vocabulary_load(&v, argv[1])) {
        fprintf(stderr, "bench_bpe FAMILY [FILE...], where ../shared/tokenizers/FAMILY is\n");
        return 2;
    }
    begun = cpu_seconds();
    bpe = bpe_new(&v.spec);
    printf("%s, %s split, built in %.0f ms\n", argv[1], kernel, (cpu_seconds() - begun) * 1e3);
    for (int i = 2; i < argc; i++) {
        struct slice text = read_file(argv[i]);
        const char *name = strrchr(argv[i], '/');

        measure(&v, bpe, name ? name + 1 : argv[i], text);
        free((char *)text.at);
    }
    if (argc == 2)
        measure_worst(&v, bpe);
    bpe_free(bpe);
    vocabulary_release(&v);
    return 0;
}
