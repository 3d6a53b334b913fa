/*
 * Cases (cases.py): texts, a family's merges, and the ids that the reference gives. Pieces found on
 * the device are compared with the same core on this processor, and ids with the reference's.
 */
#include "tests/gpu/selftest.h"

#include "tests/gpu/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC         0x31435347u /* "GSC1" */
#define SPLIT_THREADS 128
#define MERGE_THREADS 64 /* of kernels.cu */

static const struct {
    const char *pattern;
    struct split_shape shape;
} shapes[] = {
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    { pattern, { letters, digits, contraction, lines, slash } },
#define SPLIT_MATCH(name, match, pattern)
#define SPLIT_CHAIN(name, ...)
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN
};

/* A file of cases.py: arrays one behind the other, in this order, behind their lengths. */
struct cases {
    const uint64_t *slots;
    const uint32_t *results, *byte_ids, *offsets, *id_offsets, *ids;
    const uint8_t *comparable; /* a text: its ids come of splitting and merging alone */
    const char *pattern, *text;
    uint32_t slot_count, result_count, texts, bytes, id_count;
    void *file;
};

static const void *take(const char **at, size_t bytes)
{
    const void *taken = *at;

    *at += (bytes + 7) & ~(size_t)7;
    return taken;
}

static void read_cases(const char *path, struct cases *cases)
{
    FILE *file = fopen(path, "rb");
    const uint32_t *head;
    const char *at;
    long size;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 32) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    rewind(file);
    at = cases->file = malloc((size_t)size);
    if (!at || fread(cases->file, 1, (size_t)size, file) != (size_t)size ||
        *(const uint32_t *)cases->file != MAGIC) {
        fprintf(stderr, "%s: no cases\n", path);
        exit(1);
    }
    fclose(file);
    head = take(&at, 32);
    cases->slot_count = head[1];
    cases->result_count = head[2];
    cases->texts = head[3];
    cases->bytes = head[4];
    cases->id_count = head[5];
    cases->pattern = take(&at, head[6]);
    cases->slots = take(&at, cases->slot_count * 8ull);
    cases->results = take(&at, cases->result_count * 4ull);
    cases->byte_ids = take(&at, 256 * 4);
    cases->offsets = take(&at, (cases->texts + 1) * 4ull);
    cases->id_offsets = take(&at, (cases->texts + 1) * 4ull);
    cases->ids = take(&at, cases->id_count * 4ull);
    cases->comparable = take(&at, cases->texts);
    cases->text = take(&at, cases->bytes);
}

static const struct split_shape *find_shape(const char *pattern)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        if (strcmp(shapes[i].pattern, pattern) == 0)
            return &shapes[i].shape;
    fprintf(stderr, "no shape for %s\n", pattern);
    exit(1);
}

static void *fetch(uint64_t device, size_t bytes)
{
    void *host = malloc(bytes + 1);

    must("cuStreamSynchronize", driver.stream_wait(stream));
    must("cuMemcpyDtoH", driver.to_host(host, device, bytes));
    return host;
}

static uint32_t count_different(const uint8_t *a, const uint8_t *b, uint32_t count)
{
    uint32_t different = 0;

    for (uint32_t i = 0; i < count; i++)
        different += a[i] != b[i];
    return different;
}

/* Marks where pieces begin, by this processor into `ret_walk`, which has room for all bytes, and in
 * two ways by the device. Returns at how many places they differ. */
static uint32_t check_split(const struct cases *cases, uint8_t *ret_walk)
{
    uint32_t *owners = malloc(cases->bytes * sizeof(*owners) + 1), different = 0;
    struct split_job job = { .text = cases->text,
                             .offsets = cases->offsets,
                             .owners = owners,
                             .texts = cases->texts,
                             .bytes = cases->bytes,
                             .shape = *find_shape(cases->pattern),
                             .walk = ret_walk };
    void *parameters[] = { &job };

    for (uint32_t i = 0; i < cases->texts; i++) {
        kernel_walk(&job, i);
        for (uint32_t at = cases->offsets[i]; at < cases->offsets[i + 1]; at++)
            owners[at] = i;
    }
    job.text = (const char *)upload(cases->text, cases->bytes);
    job.offsets = (const uint32_t *)upload(cases->offsets, (cases->texts + 1) * 4ull);
    job.owners = (const uint32_t *)upload(owners, cases->bytes * 4ull);
    job.walk = (uint8_t *)upload(NULL, cases->bytes);
    job.sync = (uint8_t *)upload(NULL, cases->bytes);
    job.segments = (uint8_t *)upload(NULL, cases->bytes);
    start(kernel("walk"), job.texts, SPLIT_THREADS, parameters);
    start(kernel("sync_points"), job.bytes, SPLIT_THREADS, parameters);
    start(kernel("segments"), job.bytes, SPLIT_THREADS, parameters);
    for (int way = 0; way < 2; way++) {
        uint8_t *marks = fetch((uint64_t)(way ? job.segments : job.walk), cases->bytes);

        different += count_different(marks, ret_walk, cases->bytes);
        free(marks);
    }
    free(owners);
    return different;
}

/* Pieces of at most MERGE_SHORT bytes; offsets and lengths have room for all bytes. */
static uint32_t list_pieces(const struct cases *cases, const uint8_t *walk, uint32_t *offsets,
                            uint32_t *lengths)
{
    uint32_t count = 0, end;

    for (uint32_t at = 0; at < cases->bytes; at = end) {
        for (end = at + 1; end < cases->bytes && !walk[end];)
            end++;
        if (end - at <= MERGE_SHORT) {
            offsets[count] = at;
            lengths[count++] = end - at;
        }
    }
    return count;
}

/* Texts whose ids, put together from their pieces', are not the reference's. Texts with a longer
 * piece are left out. `counts` is by byte: how many ids the piece that begins there has. */
static uint32_t count_wrong_texts(const struct cases *cases, const uint8_t *walk,
                                  const uint32_t *ids, const uint32_t *counts,
                                  uint32_t *ret_compared)
{
    uint32_t wrong = 0;

    for (uint32_t text = 0; text < cases->texts; text++) {
        const uint32_t *expected = cases->ids + cases->id_offsets[text];
        uint32_t left = cases->id_offsets[text + 1] - cases->id_offsets[text];
        bool whole = cases->comparable[text], equal = true;

        for (uint32_t at = cases->offsets[text]; whole && at < cases->offsets[text + 1]; at++) {
            if (!walk[at])
                continue;
            whole = counts[at] > 0;
            equal =
                equal && counts[at] <= left && memcmp(expected, ids + at, counts[at] * 4ull) == 0;
            expected += equal ? counts[at] : 0;
            left -= equal ? counts[at] : 0;
        }
        *ret_compared += whole;
        wrong += whole && (!equal || left > 0);
    }
    return wrong;
}

/* Merges all short pieces on the device and on this processor. Returns how many pieces differ. */
static uint32_t check_merge(const struct cases *cases, const uint8_t *walk, uint32_t *ret_ids,
                            uint32_t *ret_counts)
{
    uint32_t *offsets = malloc(cases->bytes * 4ull + 1), *lengths = malloc(cases->bytes * 4ull + 1);
    uint32_t *own = calloc(cases->bytes + 1, 4), *own_counts = calloc(cases->bytes + 1, 4), *ids,
             *counts;
    uint32_t scratch[2 * MERGE_SHORT], different = 0;
    struct merge_job job = { .table = { { cases->slots,
                                          64 - (uint32_t)__builtin_ctz(cases->slot_count),
                                          cases->slot_count - 1 },
                                        cases->results },
                             .byte_ids = cases->byte_ids,
                             .text = cases->text,
                             .offsets = offsets,
                             .lengths = lengths,
                             .ids = own,
                             .counts = own_counts };
    void *parameters[] = { &job };

    job.pieces = list_pieces(cases, walk, offsets, lengths);
    for (uint32_t i = 0; i < job.pieces; i++)
        kernel_merge(&job, scratch, i);
    job.table.pairs.slots = (const uint64_t *)upload(cases->slots, cases->slot_count * 8ull);
    job.table.results = (const uint32_t *)upload(cases->results, cases->result_count * 4ull);
    job.byte_ids = (const uint32_t *)upload(cases->byte_ids, 256 * 4);
    job.text = (const char *)upload(cases->text, cases->bytes);
    job.offsets = (const uint32_t *)upload(offsets, job.pieces * 4ull);
    job.lengths = (const uint32_t *)upload(lengths, job.pieces * 4ull);
    job.ids = (uint32_t *)upload(NULL, cases->bytes * 4ull);
    job.counts = (uint32_t *)upload(NULL, job.pieces * 4ull);
    start(kernel("merge"), job.pieces, MERGE_THREADS, parameters);
    ids = fetch((uint64_t)job.ids, cases->bytes * 4ull);
    counts = fetch((uint64_t)job.counts, job.pieces * 4ull);
    for (uint32_t i = 0; i < job.pieces; i++) {
        different += counts[i] != own_counts[i] ||
                     memcmp(ids + offsets[i], own + offsets[i], counts[i] * 4ull) != 0;
        ret_counts[offsets[i]] = counts[i];
    }
    memcpy(ret_ids, ids, cases->bytes * 4ull);
    free(ids), free(counts), free(own), free(own_counts), free(offsets), free(lengths);
    return different;
}

bool check_cases(const char *path)
{
    struct cases cases;
    uint32_t split, merge, wrong, compared = 0, *ids, *counts;
    uint8_t *walk;

    read_cases(path, &cases);
    walk = calloc(cases.bytes + 1, 1);
    ids = calloc(cases.bytes + 1, sizeof(*ids));
    counts = calloc(cases.bytes + 1, sizeof(*counts));
    split = check_split(&cases, walk);
    merge = check_merge(&cases, walk, ids, counts);
    wrong = count_wrong_texts(&cases, walk, ids, counts, &compared);
    printf("%-40s %u texts: %u places of pieces, %u pieces' ids differ from this processor; %u of "
           "%u texts from the reference\n",
           path, cases.texts, split, merge, wrong, compared);
    free(walk), free(ids), free(counts), free(cases.file);
    return split == 0 && merge == 0 && wrong == 0 && compared > 0;
}
