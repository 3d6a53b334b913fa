/*
 * A hash table with open addressing over texts that lie behind each other.
 */
#include "gateway/token/vocab.h"

#include "gateway/base/map.h"

#include <stdlib.h>

void vocab_init(struct vocab *vocab, size_t count, size_t bytes)
{
    size_t slots = 16;

    while (slots < count * 2)
        slots *= 2;
    *vocab = (struct vocab){ .slot_count = slots };
    vocab->entries = xcalloc(count + 1, sizeof(*vocab->entries));
    vocab->slots = xcalloc(slots, sizeof(*vocab->slots));
    vocab->bytes = xmalloc(bytes + 1);
}

void vocab_release(struct vocab *vocab)
{
    free(vocab->entries);
    free(vocab->slots);
    free(vocab->bytes);
    *vocab = (struct vocab){ 0 };
}

/* The slot that has `text`, or the free one where it belongs. */
static uint32_t *slot_of(const struct vocab *vocab, struct slice text)
{
    size_t at = map_hash(text) & (vocab->slot_count - 1);

    while (vocab->slots[at] && !slice_eq(vocab_text(vocab, vocab->slots[at] - 1), text))
        at = (at + 1) & (vocab->slot_count - 1);
    return &vocab->slots[at];
}

bool vocab_add(struct vocab *vocab, struct slice text, uint32_t id)
{
    uint32_t *slot = slot_of(vocab, text);

    if (*slot)
        return false;
    vocab->entries[vocab->count++] =
        (struct vocab_entry){ vocab->bytes_len, (uint32_t)text.len, id };
    *slot = (uint32_t)vocab->count;
    if (text.len > 0)
        memcpy(vocab->bytes + vocab->bytes_len, text.at, text.len);
    vocab->bytes_len += text.len;
    if (id >= vocab->size)
        vocab->size = id + 1;
    return true;
}

void vocab_change(struct vocab *vocab, struct slice text, uint32_t id)
{
    vocab->entries[*slot_of(vocab, text) - 1].id = id;
    if (id >= vocab->size)
        vocab->size = id + 1;
}

bool vocab_find(const struct vocab *vocab, struct slice text, uint32_t *ret_id)
{
    uint32_t slot = vocab->slot_count ? *slot_of(vocab, text) : 0;

    if (!slot)
        return false;
    *ret_id = vocab->entries[slot - 1].id;
    return true;
}
