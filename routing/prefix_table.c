/*
 * Buckets of block keys. See prefix_table.h.
 */
#include "routing/prefix_table.h"

#include <string.h>
#include <sys/mman.h>

#define START_BUCKETS 64
/* A walk longer than this finds no room; at three fifths full the mean is under two moves. */
#define PATH_MAX_MOVES 64
/* Buckets added for one insertion: growth is ahead of it and never a pause. */
#define GROW_STEPS 2
/* Buckets looked through for each that is added. */
#define SETTLE_STEPS 2

static uint64_t entry_key(const struct prefix_entry *entry)
{
    return atomic_load_explicit(&entry->key, memory_order_relaxed);
}

static uint64_t entry_word(const struct prefix_entry *entry)
{
    return atomic_load_explicit(&entry->word, memory_order_relaxed);
}

static uint64_t bucket_count(const struct prefix_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

static struct prefix_place place_of(const struct prefix_table *table, uint64_t key)
{
    return prefix_place_of(key, prefix_span_of(bucket_count(table)));
}

void prefix_table_init(struct prefix_table *table, uint64_t limit_bytes)
{
    memset(table, 0, sizeof(*table));
    table->reserved = limit_bytes / sizeof(struct prefix_bucket);
    if (table->reserved < START_BUCKETS)
        table->reserved = START_BUCKETS;
    table->limit = table->reserved;
    table->buckets =
        mmap(NULL, table->reserved * sizeof(struct prefix_bucket), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(table->buckets != MAP_FAILED);
    /* Every look-up is somewhere else: with small pages each would miss the TLB as well. */
    madvise(table->buckets, table->reserved * sizeof(struct prefix_bucket), MADV_HUGEPAGE);
    atomic_store(&table->count, START_BUCKETS);
}

void prefix_table_release(struct prefix_table *table)
{
    munmap(table->buckets, table->reserved * sizeof(struct prefix_bucket));
}

struct prefix_entry *prefix_table_find(const struct prefix_table *table, uint64_t key)
{
    struct prefix_place place = place_of(table, key);
    struct prefix_entry *entry = prefix_bucket_look(&table->buckets[place.at[0]], key);

    return entry ? entry : prefix_bucket_look(&table->buckets[place.at[1]], key);
}

void prefix_entry_fill(struct prefix_entry *entry, uint64_t key, uint64_t word)
{
    atomic_store_explicit(&entry->key, key, memory_order_release);
    atomic_store_explicit(&entry->word, word, memory_order_release);
}

static void entry_clear(struct prefix_entry *entry)
{
    atomic_store_explicit(&entry->word, 0, memory_order_release);
}

static struct prefix_entry *free_in(struct prefix_bucket *bucket)
{
    for (unsigned i = 0; i < PREFIX_BUCKET_ENTRIES; i++)
        if (prefix_word_is_empty(entry_word(&bucket->entry[i])))
            return &bucket->entry[i];
    return NULL;
}

/* A copy is in `to` before `from` is emptied: who looks meanwhile finds one of them. */
static void copy_entry(struct prefix_table *table, const struct prefix_entry *from,
                       struct prefix_entry *to)
{
    prefix_entry_fill(to, entry_key(from), entry_word(from));
    table->moved(table->user, to, prefix_slot(table, to));
}

/* One bucket more. Its entries come from the one whose address was a bit shorter until now. */
static void grow(struct prefix_table *table)
{
    uint64_t count = bucket_count(table);
    struct prefix_span after = prefix_span_of(count + 1);
    struct prefix_bucket *from = &table->buckets[prefix_bucket_of(count, prefix_span_of(count))];
    struct prefix_bucket *to = &table->buckets[count];
    bool moves[PREFIX_BUCKET_ENTRIES];

    for (unsigned i = 0; i < PREFIX_BUCKET_ENTRIES; i++) {
        struct prefix_place place = prefix_place_of(entry_key(&from->entry[i]), after);
        uint64_t at = (uint64_t)(from - table->buckets);

        moves[i] = !prefix_word_is_empty(entry_word(&from->entry[i])) && place.at[0] != at &&
                   place.at[1] != at;
        if (moves[i])
            copy_entry(table, &from->entry[i], &to->entry[i]);
    }
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    for (unsigned i = 0; i < PREFIX_BUCKET_ENTRIES; i++)
        if (moves[i])
            entry_clear(&from->entry[i]);
}

/* Entries of the bucket under the hand come back to their first place where that has room now that
 * the table has grown. (At three fifths full 72 % lie in their first bucket without this, 84 % with
 * it; at four fifths 55 and 61 %.) */
static void settle_bucket(struct prefix_table *table)
{
    uint64_t at = table->hand < bucket_count(table) ? table->hand : 0;

    table->hand = at + 1;
    for (unsigned i = 0; i < PREFIX_BUCKET_ENTRIES; i++) {
        struct prefix_entry *entry = &table->buckets[at].entry[i];
        uint64_t first = place_of(table, entry_key(entry)).at[0];
        struct prefix_entry *to;

        if (prefix_word_is_empty(entry_word(entry)) || first == at)
            continue;
        to = free_in(&table->buckets[first]);
        if (!to)
            continue;
        copy_entry(table, entry, to);
        entry_clear(entry);
    }
}

static void settle(struct prefix_table *table)
{
    for (int i = 0; i < SETTLE_STEPS; i++)
        settle_bucket(table);
}

static bool is_crowded(const struct prefix_table *table)
{
    uint64_t count = bucket_count(table);

    return count < table->limit && table->blocks * 5 >= count * PREFIX_BUCKET_ENTRIES * 3;
}

/* An entry on the way to a free one, and the bucket it would move to. */
struct step {
    struct prefix_entry *entry;
    uint64_t key, to;
};

static uint64_t next_random(struct prefix_table *table)
{
    table->walk_seed = table->walk_seed * 6364136223846793005 + 1442695040888963407;
    return table->walk_seed >> 33;
}

/* Walks from bucket to bucket by entries chosen at random, until one has a free entry. Returns the
 * number of steps; 0: none was found. */
static size_t find_path(struct prefix_table *table, uint64_t bucket, struct step *path)
{
    for (size_t n = 0; n < PATH_MAX_MOVES; n++) {
        unsigned i = next_random(table) % PREFIX_BUCKET_ENTRIES;
        struct prefix_entry *entry = &table->buckets[bucket].entry[i];
        struct prefix_place place = place_of(table, entry_key(entry));

        bucket = place.at[0] == bucket ? place.at[1] : place.at[0];
        path[n] = (struct step){ entry, entry_key(entry), bucket };
        if (free_in(&table->buckets[bucket]))
            return n + 1;
    }
    return 0;
}

/* Moves the path's entries, last first. A walk that crossed itself may find its end taken: what is
 * moved by then is at a right place as well. */
static struct prefix_entry *make_room(struct prefix_table *table, uint64_t bucket)
{
    struct step path[PATH_MAX_MOVES];
    size_t count = find_path(table, bucket, path);

    if (count == 0)
        return NULL;
    for (size_t i = count; i-- > 0;) {
        struct prefix_entry *to = free_in(&table->buckets[path[i].to]);

        if (!to || entry_key(path[i].entry) != path[i].key)
            return NULL;
        copy_entry(table, path[i].entry, to);
        entry_clear(path[i].entry);
    }
    return path[0].entry;
}

struct prefix_entry *prefix_table_free_entry(struct prefix_table *table, uint64_t key)
{
    struct prefix_place place;
    struct prefix_entry *entry;

    for (int i = 0; i < GROW_STEPS && is_crowded(table); i++) {
        grow(table);
        settle(table);
    }
    place = place_of(table, key);
    for (int i = 0; i < 2; i++) {
        entry = free_in(&table->buckets[place.at[i]]);
        if (entry)
            return entry;
    }
    /* When full nearly everywhere, walks are long and in vain: shedding is what comes then. */
    if (bucket_count(table) >= table->limit &&
        table->blocks * 20 >= bucket_count(table) * PREFIX_BUCKET_ENTRIES * 19)
        return NULL;
    for (int tries = 0; tries < 4; tries++) {
        entry = make_room(table, place.at[tries & 1]);
        if (entry)
            return entry;
    }
    return NULL;
}

void prefix_entry_grow_old(struct prefix_entry *entry, uint64_t rounds)
{
    uint64_t word = entry_word(entry);
    uint64_t age = (word & PREFIX_WORD_AGE) >> PREFIX_AGE_SHIFT;
    uint64_t older = (word & ~(uint64_t)PREFIX_WORD_AGE) | (age > rounds ? age - rounds : 0)
                                                               << PREFIX_AGE_SHIFT;

    atomic_compare_exchange_strong_explicit(&entry->word, &word, older, memory_order_release,
                                            memory_order_relaxed);
}

struct prefix_entry *prefix_table_victim(struct prefix_table *table, uint64_t key,
                                         bool (*spare)(void *user, uint64_t word))
{
    struct prefix_place place = place_of(table, key);
    struct prefix_entry *may_go[2 * PREFIX_BUCKET_ENTRIES];
    struct prefix_entry *victim = NULL;
    uint64_t start = next_random(table);
    size_t count = 0;

    for (unsigned n = 0; n < ARRAY_LEN(may_go); n++) {
        unsigned i = (start + n) % ARRAY_LEN(may_go);
        struct prefix_entry *entry =
            &table->buckets[place.at[i / PREFIX_BUCKET_ENTRIES]].entry[i % PREFIX_BUCKET_ENTRIES];

        if (spare(table->user, entry_word(entry)))
            continue;
        may_go[count++] = entry;
        if (!victim || prefix_entry_age(entry) < prefix_entry_age(victim))
            victim = entry;
    }
    for (size_t i = 0; i < count; i++)
        if (may_go[i] != victim)
            prefix_entry_grow_old(may_go[i], prefix_entry_age(victim));
    return victim;
}
