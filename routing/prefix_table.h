/*
 * The prefix index's table: from a block's key to the word that names its holders.
 *
 * Buckets of one cache line, four entries each; a key may lie in two of them (R. Pagh, F. Rodler:
 * Cuckoo Hashing, 2001; M. Dietzfelbinger, C. Weidling: 2007 for buckets), so a look-up touches two
 * lines at most, whoever chose the keys. The table grows by one bucket at a time at its end, which
 * takes over entries of one other bucket (W. Litwin: Linear Hashing, 1980): no pause, no second
 * copy. It stays three fifths full while it may grow, 27 bytes a block, for then most look-ups end
 * with the first line; at its limit it fills nearly whole. Address space for its largest size
 * is reserved at the start.
 *
 * An entry is free when its word has no holders; any key may occur. The writer fills an entry key
 * first, and copies a moved one before it empties the old; a reader that finds its key, reads the
 * word and finds the key again has the right word.
 */
#ifndef SLUICE_ROUTING_PREFIX_TABLE_H
#define SLUICE_ROUTING_PREFIX_TABLE_H

#include "routing/prefix_set.h"

#define PREFIX_BUCKET_ENTRIES 4

struct prefix_entry {
    _Atomic uint64_t key, word;
};

struct prefix_bucket {
    struct prefix_entry entry[PREFIX_BUCKET_ENTRIES];
};

struct prefix_table {
    struct prefix_bucket *buckets;
    _Atomic uint64_t count; /* buckets in use */
    uint64_t reserved;      /* buckets there is address space for */
    uint64_t limit;         /* the most there may be now; at least `count` */
    uint64_t blocks;        /* entries with holders */
    uint64_t hand;          /* the bucket to settle next */
    uint64_t walk_seed; /* which entries move when room is made; where shedding begins to look */
    /* Called for an entry that moved, with its new slot; the writer. May change the word. */
    void (*moved)(void *user, struct prefix_entry *entry, uint64_t slot);
    void *user;
};

void prefix_table_init(struct prefix_table *table, uint64_t limit_bytes);
void prefix_table_release(struct prefix_table *table);

/* Which two buckets of `count` a key may lie in. */
struct prefix_place {
    uint64_t at[2];
};

/* So many buckets, and the bits of a hash that address them. */
struct prefix_span {
    uint64_t count, mask;
};

static inline struct prefix_span prefix_span_of(uint64_t count)
{
    return (struct prefix_span){ count, ~(uint64_t)0 >> __builtin_clzll(count | 1) };
}

/* The address of a hash: by as many bits as there are buckets, one less past the end. No branch:
 * nobody could predict it. */
static inline uint64_t prefix_bucket_of(uint64_t hash, struct prefix_span span)
{
    uint64_t at = hash & span.mask;

    return at & span.mask >> (at >= span.count);
}

/* Keys need not be hashes. (The finalizer of MurmurHash3, A. Appleby.) */
static inline uint64_t prefix_key_mix(uint64_t key)
{
    key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
    return key ^ key >> 33;
}

static inline struct prefix_place prefix_place_of(uint64_t key, struct prefix_span span)
{
    uint64_t mixed = prefix_key_mix(key);

    return (struct prefix_place){ { prefix_bucket_of(mixed & UINT32_MAX, span),
                                    prefix_bucket_of(mixed >> 32, span) } };
}

static inline unsigned prefix_entry_is(const struct prefix_entry *entry, uint64_t key)
{
    return atomic_load_explicit(&entry->key, memory_order_acquire) == key;
}

/* The entry of `key` in this bucket, or NULL. Any thread. */
static inline struct prefix_entry *prefix_bucket_look(struct prefix_bucket *bucket, uint64_t key)
{
    _Static_assert(PREFIX_BUCKET_ENTRIES == 4, "all of them, without a branch between");
    unsigned found =
        prefix_entry_is(&bucket->entry[0], key) | prefix_entry_is(&bucket->entry[1], key) << 1 |
        prefix_entry_is(&bucket->entry[2], key) << 2 | prefix_entry_is(&bucket->entry[3], key) << 3;

    for (; found; found &= found - 1) {
        struct prefix_entry *entry = &bucket->entry[__builtin_ctz(found)];

        if (!prefix_word_is_empty(atomic_load_explicit(&entry->word, memory_order_relaxed)))
            return entry;
    }
    return NULL;
}

/* In either of its buckets; most lie in their first one. Any thread. */
struct prefix_entry *prefix_table_find(const struct prefix_table *table, uint64_t key);

static inline uint64_t prefix_slot(const struct prefix_table *table,
                                   const struct prefix_entry *entry)
{
    return (uint64_t)(entry - table->buckets[0].entry);
}

/*
 * A free entry where `key`, which is not there yet, may lie; grows the table up to its limit. NULL:
 * both buckets are full and nothing can move out of them; prefix_table_victim then says whom to
 * shed. To be filled at once, or left.
 */
struct prefix_entry *prefix_table_free_entry(struct prefix_table *table, uint64_t key);

/*
 * The entry to shed for `key`: of those in its buckets that may go, one that is nearest to it; the
 * others come as much nearer as that one still was. (A. Jaleel et al.: Re-Reference Interval
 * Prediction, 2010: what was matched outlives several rounds of what was not.) NULL: none may go.
 */
struct prefix_entry *prefix_table_victim(struct prefix_table *table, uint64_t key,
                                         bool (*spare)(void *user, uint64_t word));

/* Rounds of shedding that the entry survives: 0 to 3. */
static inline uint64_t prefix_entry_age(const struct prefix_entry *entry)
{
    return (atomic_load_explicit(&entry->word, memory_order_relaxed) & PREFIX_WORD_AGE) >>
           PREFIX_AGE_SHIFT;
}

/* So many rounds nearer; not when a match comes in between. The writer. */
void prefix_entry_grow_old(struct prefix_entry *entry, uint64_t rounds);

/* Fills a free entry. */
void prefix_entry_fill(struct prefix_entry *entry, uint64_t key, uint64_t word);

#endif
