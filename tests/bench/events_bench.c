/*
 * How many blocks of KV events a core takes in: decoded, keyed, put into the mirror and the index.
 * Engines of 20,000 blocks store prompts of 64 blocks and drop the oldest, so that half of the
 * blocks are stored and half removed, as in a full cache. Process CPU time.
 *
 * bench_events [engines]: 100 when left out.
 */
#include "routing/kv_sequence.h"

#include "tests/engine/kv_batch.c" /* the engine is a program, not a library */

#include <stdio.h>
#include <time.h>

#define PAGE    16
#define PROMPT  64
#define CACHE   20000
#define PROMPTS (CACHE / PROMPT)

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* A prompt comes and an old one goes, in one batch. */
static const struct kv_batch *make_batch(struct kv_batches *batches, uint64_t prompt)
{
    uint32_t tokens[PAGE];

    for (uint64_t b = 0; b < PROMPT; b++) {
        for (uint32_t t = 0; t < PAGE; t++)
            tokens[t] = (uint32_t)(mix(prompt * PROMPT * PAGE + b * PAGE + t) % 128000);
        batches->listener.stored(&batches->listener, b ? mix(prompt << 8 | (b - 1)) : 0,
                                 mix(prompt << 8 | b), tokens);
    }
    for (uint64_t b = 0; prompt >= PROMPTS && b < PROMPT; b++)
        batches->listener.removed(&batches->listener, mix((prompt - PROMPTS) << 8 | b));
    return kv_batches_flush(batches);
}

struct result {
    double seconds;
    uint64_t blocks, bytes;
};

static void feed(struct kv_sequence *sequence, struct kv_batches *batches, uint64_t prompt,
                 struct result *result)
{
    struct kv_batch *batch = (struct kv_batch *)make_batch(batches, prompt);
    struct slice payload = buf_join(&batch->payload);
    double start = cpu_seconds();

    (void)kv_sequence_live(sequence, batch->number, payload);
    result->seconds += cpu_seconds() - start;
    result->blocks += prompt >= PROMPTS ? 2 * PROMPT : PROMPT;
    result->bytes += payload.len;
}

static void run(enum kv_batch_form form, size_t engines)
{
    struct prefix_index *index = prefix_index_new((size_t)4 << 30);
    struct kv_column *columns = xcalloc(engines, sizeof(*columns));
    struct kv_sequence *sequences = xcalloc(engines, sizeof(*sequences));
    struct kv_batches *batches = xcalloc(engines, sizeof(*batches));
    struct result fill = { 0 }, steady = { 0 };
    struct prefix_index_stats stats;
    size_t pages = 0, page_bytes = 0;

    for (size_t e = 0; e < engines; e++) {
        kv_column_init(&columns[e], index);
        kv_sequence_init(&sequences[e], &columns[e], PAGE, 1, SLICE("m"), false);
        kv_batches_init(&batches[e], 0, PAGE, 1);
        batches[e].form = form;
    }
    for (uint64_t prompt = 0; prompt < 2 * PROMPTS; prompt++)
        for (size_t e = 0; e < engines; e++)
            feed(&sequences[e], &batches[e], prompt, prompt < PROMPTS ? &fill : &steady);
    for (size_t e = 0; e < engines; e++) {
        pages += sequences[e].mirror.pages.count;
        page_bytes += kv_pages_bytes(&sequences[e].mirror.pages);
        kv_sequence_release(&sequences[e]);
        kv_column_release(&columns[e]);
        kv_batches_release(&batches[e]);
    }
    prefix_index_stats(index, &stats);
    printf("%-7s %zu engines: %.2f million blocks/s while filling, %.2f when full (%.0f MB/s); "
           "%.1f bytes a page\n",
           kv_batch_forms[form], engines, (double)fill.blocks / fill.seconds / 1e6,
           (double)steady.blocks / steady.seconds / 1e6,
           (double)steady.bytes / steady.seconds / 1e6, (double)page_bytes / (double)pages);
    free(columns);
    free(sequences);
    free(batches);
    prefix_index_free(index);
}

int main(int argc, char **argv)
{
    size_t engines = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;

    for (enum kv_batch_form form = 0; form < KV_BATCH_FORMS; form++)
        run(form, engines);
    return 0;
}
