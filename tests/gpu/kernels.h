/*
 * The selftest's kernels as functions of one thread each: device code in kernels.cu, and called
 * thread by thread, in any order, by fake_driver.c. No thread reads what another one of the same
 * kernel writes.
 */
#ifndef SLUICE_TESTS_GPU_KERNELS_H
#define SLUICE_TESTS_GPU_KERNELS_H

#include "gateway/token/merge_core.h"
#include "gateway/token/split_core.h"

/* Texts side by side; marks have a byte for each byte of them, zeroed before. */
struct split_job {
    const char *text;
    const uint32_t *offsets; /* of texts, one more than there are */
    const uint32_t *owners;  /* by byte: the text it is in */
    uint32_t texts, bytes;
    struct split_shape shape;
    uint8_t *walk;     /* 1 where a piece begins, found from the text's beginning */
    uint8_t *sync;     /* 1 where a piece certainly begins, found from two neighbours */
    uint8_t *segments; /* 1 where a piece begins, found from the sync before it */
};

/* Pieces of at most MERGE_SHORT bytes. Ids of piece i stand at offsets[i] of `ids`. */
struct merge_job {
    struct merge_table table;
    const uint32_t *byte_ids;
    const char *text;
    const uint32_t *offsets, *lengths;
    uint32_t pieces;
    uint32_t *ids, *counts;
};

/* Text number `text`. */
CORE_FUNCTION struct split_text kernel_text(const struct split_job *job, uint32_t text)
{
    uint32_t from = job->offsets[text];
    struct split_text found = { job->text + from, job->offsets[text + 1] - from, SPLIT_FENCE_NONE };

    return found;
}

/* A thread a text. */
CORE_FUNCTION void kernel_walk(const struct split_job *job, uint32_t thread)
{
    struct split_text text;

    if (thread >= job->texts)
        return;
    text = kernel_text(job, thread);
    for (uint32_t at = 0; at < text.len; at = split_shape_next(&job->shape, &text, at))
        job->walk[job->offsets[thread] + at] = 1;
}

CORE_FUNCTION bool kernel_begins_code_point(const struct split_job *job, uint32_t at)
{
    return ((uint8_t)job->text[at] & 0xc0) != 0x80;
}

/* A thread a byte. */
CORE_FUNCTION void kernel_sync(const struct split_job *job, uint32_t thread)
{
    struct split_text text;
    uint32_t from, before;

    if (thread >= job->bytes || !kernel_begins_code_point(job, thread))
        return;
    from = job->offsets[job->owners[thread]];
    text = kernel_text(job, job->owners[thread]);
    for (before = thread; before > from;)
        if (kernel_begins_code_point(job, --before))
            break;
    if (thread == from || split_shape_sync(&job->shape, split_char_at(&text, before - from),
                                           split_char_at(&text, thread - from)))
        job->sync[thread] = 1;
}

/* A thread a byte, of which those at a sync work. */
CORE_FUNCTION void kernel_segments(const struct split_job *job, uint32_t thread)
{
    struct split_text text;
    uint32_t from, at;

    if (thread >= job->bytes || !job->sync[thread])
        return;
    from = job->offsets[job->owners[thread]];
    text = kernel_text(job, job->owners[thread]);
    at = thread - from;
    do {
        job->segments[from + at] = 1;
        at = split_shape_next(&job->shape, &text, at);
    } while (at < text.len && !job->sync[from + at]);
}

/* A thread a piece; `scratch` is room for 2 * MERGE_SHORT. */
CORE_FUNCTION void kernel_merge(const struct merge_job *job, uint32_t *scratch, uint32_t thread)
{
    uint32_t *symbols = scratch, *ranks = scratch + MERGE_SHORT, count;

    if (thread >= job->pieces)
        return;
    count = job->lengths[thread];
    for (uint32_t i = 0; i < count; i++)
        symbols[i] = job->byte_ids[(uint8_t)job->text[job->offsets[thread] + i]];
    count = merge_short(&job->table, symbols, ranks, count);
    for (uint32_t i = 0; i < count; i++)
        job->ids[job->offsets[thread] + i] = symbols[i];
    job->counts[thread] = count;
}

/* One thread follows `steps` links; for the latency of a dependent load. */
CORE_FUNCTION void kernel_chase(const uint32_t *next, uint32_t steps, uint32_t *ret_last)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < steps; i++)
        at = next[at];
    *ret_last = at;
}

#endif
