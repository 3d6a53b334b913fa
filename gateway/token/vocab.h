/*
 * A vocabulary: token texts to ids. Copies the texts. Built once, then immutable; any thread.
 */
#ifndef SLUICE_TOKEN_VOCAB_H
#define SLUICE_TOKEN_VOCAB_H

#include "gateway/base/slice.h"

struct vocab_entry {
    uint64_t start; /* of its text, in `bytes` */
    uint32_t len;
    uint32_t id;
};

struct vocab {
    struct vocab_entry *entries; /* as they came */
    uint32_t *slots;             /* numbers of entries plus one, by hash; 0: free */
    char *bytes;
    size_t count, slot_count, bytes_len;
    uint32_t size; /* one more than the largest id */
};

/* For `count` entries of `bytes` bytes together. */
void vocab_init(struct vocab *vocab, size_t count, size_t bytes);
void vocab_release(struct vocab *vocab);
/* False, and nothing is added, when it is there already. No more than were announced. */
bool vocab_add(struct vocab *vocab, struct slice text, uint32_t id) MUST_USE;
/* Gives a text that is there another id. */
void vocab_change(struct vocab *vocab, struct slice text, uint32_t id);
bool vocab_find(const struct vocab *vocab, struct slice text, uint32_t *ret_id) MUST_USE;

static inline struct slice vocab_text(const struct vocab *vocab, size_t entry)
{
    return slice_of(vocab->bytes + vocab->entries[entry].start, vocab->entries[entry].len);
}

#endif
