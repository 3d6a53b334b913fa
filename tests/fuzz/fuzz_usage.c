/*
 * Answers from anybody: what is learnt and what is passed on are the same wherever the bytes are
 * cut. The first byte of the input chooses the dialect, the second form and strip mode, the third
 * and fourth the cut.
 */
#include "gateway/account/usage.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
    struct buf out;
    struct usage_step sum;
    struct answer_usage usage;
};

static void feed(struct usage_reader *reader, struct slice bytes, struct outcome *outcome)
{
    char *copy = xmalloc(bytes.len + 1);
    struct usage_step step;

    if (bytes.len > 0)
        memcpy(copy, bytes.at, bytes.len);
    step = bytes.len > 0 ? usage_reader_feed(reader, slice_of(copy, bytes.len), &outcome->out)
                         : usage_reader_end(reader, &outcome->out);
    outcome->sum.contents += step.contents;
    outcome->sum.finish |= step.finish;
    outcome->sum.error |= step.error;
    outcome->sum.terminal |= step.terminal;
    free(copy);
}

static void read_cut(const uint8_t *choice, struct slice text, size_t cut, size_t step,
                     struct outcome *ret_outcome)
{
    static const char *const types[] = { "text/event-stream", "application/json",
                                         "application/x-ndjson" };
    struct usage_reader reader;

    *ret_outcome = (struct outcome){ .sum = { .contents = 0 } };
    buf_init(&ret_outcome->out, SIZE_MAX);
    usage_reader_init(&reader, dialect_all[choice[0] % DIALECT_COUNT],
                      slice_str(types[choice[1] % 3]), SLICE(""));
    usage_reader_strip(&reader, (enum usage_strip)(choice[1] / 3 % 3));
    if (cut > 0)
        feed(&reader, slice_head(text, cut), ret_outcome);
    for (size_t at = cut; at < text.len; at += step)
        feed(&reader, slice_head(slice_skip(text, at), step), ret_outcome);
    feed(&reader, slice_of(NULL, 0), ret_outcome);
    ret_outcome->usage = reader.usage;
    usage_reader_release(&reader);
}

static void same(struct outcome *a, struct outcome *b)
{
    CHECK(slice_eq(buf_join(&a->out), buf_join(&b->out)));
    CHECK(a->sum.contents == b->sum.contents && a->sum.finish == b->sum.finish);
    CHECK(a->sum.error == b->sum.error && a->sum.terminal == b->sum.terminal);
    CHECK(a->usage.known == b->usage.known && a->usage.prompt == b->usage.prompt);
    CHECK(a->usage.completion == b->usage.completion && a->usage.cached == b->usage.cached);
    buf_release(&b->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice text = slice_skip(slice_of((const char *)bytes, size), 4);
    struct outcome whole, other;

    if (text.len == 0)
        return 0;
    read_cut(bytes, text, text.len, 1, &whole);
    read_cut(bytes, text, ((size_t)bytes[2] << 8 | bytes[3]) % (text.len + 1), SIZE_MAX / 2,
             &other);
    same(&whole, &other);
    read_cut(bytes, text, 0, 1, &other);
    same(&whole, &other);
    buf_release(&whole.out);
    return 0;
}
