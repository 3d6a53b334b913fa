/*
 * KV events from anybody: whatever the bytes, events are whole, the mirror's books balance, and
 * clearing leaves nothing in the index. The first byte chooses the block, and how often the batch
 * comes; the next two say where it is cut into two batches.
 */
#include "routing/kv_mirror.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_and_apply(void *user, const struct kv_event *event)
{
    if (event->type == KV_EVENT_STORED)
        CHECK(event->token_count == event->hash_count * (size_t)event->page_tokens);
    CHECK(event->first_foreign <= event->hash_count);
    CHECK(event->lora.len <= KV_NAME_MAX && event->salt.len <= KV_NAME_MAX);
    kv_mirror_apply(user, event);
}

static void feed(struct kv_mirror *mirror, struct kv_decoder *decoder, const uint8_t *bytes,
                 size_t len)
{
    char *copy = xmalloc(len + 1);
    struct kv_tally tally = { 0 };

    memcpy(copy, bytes, len);
    kv_mirror_begin(mirror);
    (void)!kv_decode(decoder, slice_of(copy, len), check_and_apply, mirror, &tally);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct prefix_index *index;
    struct prefix_index_stats stats;
    struct kv_column column;
    struct kv_mirror mirror;
    struct kv_decoder decoder;
    size_t cut;

    if (size < 3)
        return 0;
    cut = (bytes[1] << 8 | bytes[2]) % (size - 2);
    index = prefix_index_new(1 << 20);
    kv_column_init(&column, index);
    kv_mirror_init(&mirror, &column, 1 + bytes[0] % 32, 1, SLICE("m"));
    kv_decoder_init(&decoder);
    for (int i = 0; i <= bytes[0] / 64; i++) {
        feed(&mirror, &decoder, bytes + 3, cut);
        feed(&mirror, &decoder, bytes + 3 + cut, size - 3 - cut);
    }
    CHECK(mirror.stats.removed <= mirror.stats.stored);
    kv_mirror_clear(&mirror);
    prefix_index_stats(index, &stats);
    CHECK(stats.holders == 0 && stats.blocks == 0);
    kv_mirror_release(&mirror);
    kv_column_release(&column);
    kv_decoder_release(&decoder);
    prefix_index_free(index);
    return 0;
}
