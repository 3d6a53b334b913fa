/*
 * Matching a prompt: one walk over its blocks, for all endpoints at once.
 *
 * The columns that hold everything so far are live; at each block those that do not hold it drop
 * out, and the walk ends when none is left. Any thread; see prefix_index.h for what a reader may
 * see while the writer is at work.
 *
 * Nearly all of its time are misses of the cache and the TLB, so what lies ahead is asked of memory
 * early, a batch of blocks at once and in two steps: their first buckets; then, when those can be
 * read, the lines of their sets, or the second buckets of those that are not in their first. A
 * request that misses the TLB holds up what follows it in the core's window until its page is
 * found: block by block, with the walk's own work in between, few are under way at a time; in a row
 * their pages are looked for together. (8,192 tokens, 10 million blocks, all caches cold: 45 us
 * block by block, 25 in batches; warm 9.0 and 8.7.)
 *
 * Where all live columns are gapless (prefix_index.h), it leaps: a block that all of them have on
 * the GPU says the same of all before it. So one in LEAP is read; where one of them drops out,
 * those between are read as well, to find where. Elsewhere a leap would take a hole for a holder:
 * who takes a holder away knows a key and not which leaps are over it, and to find them by key
 * would take a reference a block and another cache line for every change. What is leapt over does
 * not count as used; gapless columns end with the first block that is shed.
 */
#include "routing/prefix_parts.h"

#include <string.h>

/* Blocks. A core has some two dozen requests of its nearest cache under way: 12 to 16 are equally
 * fast, 24 take twice the time, and 8 a tenth more. */
#define BATCH 16
/* Blocks that are looked at ahead: the batch that is read, and one in each step. A power of two. */
#define RING        (4 * BATCH)
#define LEAP        32 /* blocks; 512 tokens of 16 */
#define LINES_AHEAD 4  /* of a set: of those in a row, the core itself asks for the rest */
#define TRIES       3  /* an entry that changes at each look is taken as missing */

/* Columns by chunk of 64, and which chunks have any. */
struct columns {
    uint64_t bits[PREFIX_CHUNKS];
    uint16_t chunks[PREFIX_CHUNKS];
    size_t chunk_count;
};

/* A block that is looked at ahead. */
struct ahead {
    uint64_t key;
    struct prefix_bucket *bucket[2];
    struct prefix_entry *entry; /* in the first bucket; NULL: not there */
};

struct walk {
    struct prefix_index *index;
    const uint64_t *keys;
    size_t count;
    size_t end;              /* of those that are read one after the other now */
    struct prefix_span span; /* as the walk began */
    struct ahead ahead[RING];
    struct columns live;
    uint64_t held[PREFIX_CHUNKS];      /* live columns that hold the block, on any ground */
    uint64_t on_gpu[PREFIX_CHUNKS];    /* of these, by tier */
    uint64_t on_host[PREFIX_CHUNKS];   /* on host and not on the GPU */
    uint64_t confirmed[PREFIX_CHUNKS]; /* on any tier */
    /* The word of the last block that was read, if it was inline and all its live holders have it
     * on the GPU: as long as they are the live ones, a word that equals it changes nothing. 0:
     * none. */
    uint64_t plain_word;
    bool kinds; /* something was counted for the block */
    struct prefix_match *matches;
    uint16_t match_of[PREFIX_COLUMNS_MAX]; /* valid where live began */
};

static uint64_t line_word(const struct prefix_line *line, unsigned word)
{
    return atomic_load_explicit(&line->word[word], memory_order_acquire);
}

/* Where the batch ends that begins with this block. */
static size_t batch_end(const struct walk *walk, size_t from)
{
    return from + BATCH < walk->end ? from + BATCH : walk->end;
}

static void ahead_init(const struct walk *walk, struct ahead *ahead, uint64_t key)
{
    struct prefix_place place = prefix_place_of(key, walk->span);

    ahead->key = key;
    ahead->bucket[0] = &walk->index->table.buckets[place.at[0]];
    ahead->bucket[1] = &walk->index->table.buckets[place.at[1]];
}

/* Addresses first, then all requests in a row. */
static void fetch_buckets(struct walk *walk, size_t from)
{
    size_t end = batch_end(walk, from);

    for (size_t block = from; block < end; block++)
        ahead_init(walk, &walk->ahead[block % RING], walk->keys[block]);
    for (size_t block = from; block < end; block++)
        __builtin_prefetch(walk->ahead[block % RING].bucket[0]);
}

static void fetch_lines(const struct prefix_sets *sets, uint64_t word)
{
    const struct prefix_line *lines = prefix_word_lines(sets, word);
    unsigned count = prefix_word_line_count(word);

    for (unsigned i = 0; i < count && i < LINES_AHEAD; i++)
        __builtin_prefetch(&lines[i]);
}

static void fetch_entry(const struct walk *walk, struct ahead *ahead)
{
    uint64_t word;

    ahead->entry = prefix_bucket_look(ahead->bucket[0], ahead->key);
    if (!ahead->entry) {
        __builtin_prefetch(ahead->bucket[1]);
        return;
    }
    word = atomic_load_explicit(&ahead->entry->word, memory_order_relaxed);
    if (word & PREFIX_WORD_SET)
        fetch_lines(&walk->index->sets, word);
}

static void fetch_entries(struct walk *walk, size_t from)
{
    size_t end = batch_end(walk, from);

    for (size_t block = from; block < end; block++)
        fetch_entry(walk, &walk->ahead[block % RING]);
}

/* NULL: nobody holds the block. */
static struct prefix_entry *entry_of(struct ahead *ahead)
{
    if (!ahead->entry)
        ahead->entry = prefix_bucket_look(ahead->bucket[1], ahead->key);
    return ahead->entry;
}

/* It moved while it was read. */
static void look_again(struct ahead *ahead)
{
    ahead->entry = prefix_bucket_look(ahead->bucket[0], ahead->key);
}

static void add_state(struct walk *walk, uint32_t chunk, uint64_t bits, uint32_t state)
{
    walk->held[chunk] |= bits;
    if (state & 1u << PREFIX_TIER_GPU)
        walk->on_gpu[chunk] |= bits;
    else if (state & 1u << PREFIX_TIER_HOST)
        walk->on_host[chunk] |= bits;
    if (state & PREFIX_STATE_TIERS)
        walk->confirmed[chunk] |= bits;
}

static void add_holder(struct walk *walk, uint32_t holder)
{
    uint32_t column = prefix_holder_column(holder);
    uint64_t bit = (uint64_t)1 << column % 64 & walk->live.bits[column / 64];

    if (bit && prefix_holder_state(holder))
        add_state(walk, column / 64, bit, prefix_holder_state(holder));
}

static void add_line(struct walk *walk, const struct prefix_line *line)
{
    uint64_t chunk = line_word(line, PREFIX_LINE_CHUNK) % PREFIX_CHUNKS;
    uint64_t live = walk->live.bits[chunk];
    uint64_t gpu, host, confirmed, guess;

    if (!live)
        return;
    gpu = line_word(line, PREFIX_LINE_TIER + PREFIX_TIER_GPU);
    host = line_word(line, PREFIX_LINE_TIER + PREFIX_TIER_HOST);
    confirmed = gpu | host | line_word(line, PREFIX_LINE_TIER + PREFIX_TIER_DISK);
    guess = line_word(line, PREFIX_LINE_GUESS) | line_word(line, PREFIX_LINE_GUESS + 1) |
            line_word(line, PREFIX_LINE_GUESS + 2);
    walk->held[chunk] = (confirmed | guess) & live;
    walk->on_gpu[chunk] = gpu & live;
    walk->on_host[chunk] = host & ~gpu & live;
    walk->confirmed[chunk] = confirmed & live;
}

static void add_set(struct walk *walk, const struct prefix_line *lines)
{
    struct prefix_head head = prefix_head_of(lines);

    for (unsigned i = 0; head.bitmap && i < head.lines; i++)
        add_line(walk, &lines[i]);
    for (unsigned i = 0; !head.bitmap && i < head.count; i++)
        add_holder(walk, prefix_list_holder(lines, i));
}

static void clear_held(struct walk *walk)
{
    for (size_t i = 0; i < walk->live.chunk_count; i++) {
        uint16_t chunk = walk->live.chunks[i];

        walk->held[chunk] = walk->on_gpu[chunk] = 0;
        walk->on_host[chunk] = walk->confirmed[chunk] = 0;
    }
}

static void add_word(struct walk *walk, uint64_t word)
{
    if (word & PREFIX_WORD_SET) {
        add_set(walk, prefix_word_lines(&walk->index->sets, word));
        return;
    }
    for (unsigned i = 0; i < PREFIX_INLINE; i++)
        add_holder(walk, prefix_word_holder(word, i));
}

/* Whether the entry still says what was read from it: key, and word but for its age. What lines
 * said was acquired: if they were another's by then, the word has changed. */
static bool is_unchanged(const struct prefix_entry *entry, uint64_t key, uint64_t word)
{
    return atomic_load_explicit(&entry->key, memory_order_relaxed) == key &&
           ((atomic_load_explicit(&entry->word, memory_order_relaxed) ^ word) &
            ~(uint64_t)PREFIX_WORD_AGE) == 0;
}

static void mark_used(struct prefix_entry *entry, uint64_t word)
{
    if ((word & PREFIX_WORD_AGE) != PREFIX_WORD_AGE)
        atomic_fetch_or_explicit(&entry->word, PREFIX_WORD_AGE, memory_order_relaxed);
}

/* Which live columns hold the block, into `held` and its kin, and its word. */
static uint64_t read_block(struct walk *walk, struct ahead *ahead)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct prefix_entry *entry = entry_of(ahead);
        uint64_t word;

        if (!entry)
            break;
        word = atomic_load_explicit(&entry->word, memory_order_acquire);
        clear_held(walk);
        add_word(walk, word);
        if (is_unchanged(entry, ahead->key, word)) {
            mark_used(entry, word);
            return word;
        }
        look_again(ahead);
    }
    clear_held(walk);
    return 0;
}

/* Whether all live columns are in the bitmap, on the GPU. */
static bool has_all(const struct walk *walk, const struct prefix_line *lines)
{
    struct prefix_head head = prefix_head_of(lines);
    size_t chunks = 0;

    for (unsigned i = 0; head.bitmap && i < head.lines; i++) {
        uint64_t chunk = line_word(&lines[i], PREFIX_LINE_CHUNK) % PREFIX_CHUNKS;
        uint64_t live = walk->live.bits[chunk];

        if (live & ~line_word(&lines[i], PREFIX_LINE_TIER + PREFIX_TIER_GPU))
            return false;
        chunks += live != 0;
    }
    return chunks == walk->live.chunk_count;
}

/* Whether it can be told at a glance that all live columns hold a block with this word, on the GPU:
 * nobody drops out, and nothing is counted. */
static bool is_plain(const struct walk *walk, uint64_t word)
{
    if (word & PREFIX_WORD_SET)
        return has_all(walk, prefix_word_lines(&walk->index->sets, word));
    return walk->plain_word && ((word ^ walk->plain_word) & ~(uint64_t)PREFIX_WORD_AGE) == 0;
}

/* Whether the block leaves all as it is: so do most blocks of most prompts. */
static bool changes_nothing(const struct walk *walk, struct ahead *ahead)
{
    struct prefix_entry *entry = entry_of(ahead);
    uint64_t word;

    if (!entry)
        return false;
    word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (!is_plain(walk, word) || !is_unchanged(entry, ahead->key, word))
        return false;
    mark_used(entry, word);
    return true;
}

static struct prefix_match *match_at(struct walk *walk, uint32_t chunk, uint64_t bits)
{
    return &walk->matches[walk->match_of[chunk * 64 + (unsigned)__builtin_ctzll(bits)]];
}

/* What is held is counted where it is not simply on the GPU. */
static void count_kinds(struct walk *walk, uint32_t chunk)
{
    uint64_t held = walk->held[chunk];
    uint64_t confirmed = walk->confirmed[chunk];
    uint64_t gpu = walk->on_gpu[chunk];
    uint64_t host = walk->on_host[chunk];

    if (held == gpu)
        return;
    walk->kinds = true;
    for (uint64_t bits = host; bits; bits &= bits - 1)
        match_at(walk, chunk, bits)->on_host++;
    for (uint64_t bits = confirmed & ~gpu & ~host; bits; bits &= bits - 1)
        match_at(walk, chunk, bits)->on_disk++;
    for (uint64_t bits = held & ~confirmed; bits; bits &= bits - 1)
        match_at(walk, chunk, bits)->speculative++;
}

/* Live columns that do not hold the block have matched so many before it. */
static void drop_out(struct walk *walk, size_t block)
{
    struct columns *live = &walk->live;

    for (size_t i = 0; i < live->chunk_count;) {
        uint16_t chunk = live->chunks[i];

        for (uint64_t bits = live->bits[chunk] & ~walk->held[chunk]; bits; bits &= bits - 1)
            match_at(walk, chunk, bits)->blocks = (uint32_t)block;
        live->bits[chunk] = walk->held[chunk];
        count_kinds(walk, chunk);
        if (live->bits[chunk])
            i++;
        else
            live->chunks[i] = live->chunks[--live->chunk_count];
    }
}

static void walk_begin(struct walk *walk, const uint32_t *columns, size_t count)
{
    struct columns *live = &walk->live;

    memset(walk->matches, 0, count * sizeof(*walk->matches));
    memset(live->bits, 0, sizeof(live->bits));
    live->chunk_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t column = columns[i];

        if (column >= PREFIX_COLUMNS_MAX)
            continue;
        if (!live->bits[column / 64])
            live->chunks[live->chunk_count++] = (uint16_t)(column / 64);
        live->bits[column / 64] |= (uint64_t)1 << column % 64;
        walk->match_of[column] = (uint16_t)i;
    }
}

/* Those that are still live hold all of it. */
static void walk_end(struct walk *walk)
{
    clear_held(walk);
    drop_out(walk, walk->count);
}

static void walk_block(struct walk *walk, size_t block)
{
    struct ahead *ahead = &walk->ahead[block % RING];
    uint64_t word;

    if (changes_nothing(walk, ahead))
        return;
    word = read_block(walk, ahead);
    walk->kinds = false;
    drop_out(walk, block);
    walk->plain_word = walk->kinds || word & PREFIX_WORD_SET ? 0 : word;
}

static void walk_batch(struct walk *walk, size_t from)
{
    size_t end = batch_end(walk, from);

    for (size_t block = from; block < end && walk->live.chunk_count > 0; block++)
        walk_block(walk, block);
}

/* Reads all blocks up to `end`. The first batch of buckets has been asked for. */
static void walk_on(struct walk *walk, size_t from, size_t end)
{
    walk->end = end;
    fetch_buckets(walk, from + BATCH);
    fetch_entries(walk, from);
    for (; from < end && walk->live.chunk_count > 0; from += BATCH) {
        fetch_buckets(walk, from + 2 * BATCH);
        fetch_entries(walk, from + BATCH);
        walk_batch(walk, from);
    }
}

static bool can_leap(const struct walk *walk)
{
    const struct columns *live = &walk->live;

    for (size_t i = 0; i < live->chunk_count; i++) {
        uint16_t chunk = live->chunks[i];

        if (live->bits[chunk] &
            ~atomic_load_explicit(&walk->index->gapless[chunk], memory_order_acquire))
            return false;
    }
    return true;
}

/* Whether all live columns have the block on the GPU. */
static bool all_have(struct walk *walk, struct ahead *ahead)
{
    const struct columns *live = &walk->live;

    if (changes_nothing(walk, ahead))
        return true;
    (void)read_block(walk, ahead);
    for (size_t i = 0; i < live->chunk_count; i++)
        if (live->bits[live->chunks[i]] & ~walk->on_gpu[live->chunks[i]])
            return false;
    return true;
}

/* The last block of the i-th leap. */
static size_t leap_end(const struct walk *walk, size_t from, size_t i)
{
    size_t end = from + (i + 1) * LEAP;

    return (end < walk->count ? end : walk->count) - 1;
}

/* Leaps while all live columns have where it lands, `most` times at most: so many blocks from the
 * first one on all of them have. */
static size_t leap(struct walk *walk, size_t from, size_t most)
{
    struct ahead landings[BATCH];
    size_t count = (walk->count - from + LEAP - 1) / LEAP;

    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++)
        ahead_init(walk, &landings[i], walk->keys[leap_end(walk, from, i)]);
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(landings[i].bucket[0]);
    for (size_t i = 0; i < count; i++)
        fetch_entry(walk, &landings[i]);
    for (size_t i = 0; i < count; i++)
        if (!all_have(walk, &landings[i]))
            return i > 0 ? leap_end(walk, from, i - 1) + 1 : from;
    return leap_end(walk, from, count - 1) + 1;
}

/* From here on by leaps, and what lies where somebody drops out block by block. */
static void walk_by_leaps(struct walk *walk, size_t from)
{
    size_t most = BATCH;

    while (from < walk->count && walk->live.chunk_count > 0 && can_leap(walk)) {
        size_t at = leap(walk, from, most);
        bool all = at == walk->count || at == from + most * LEAP;

        most = all ? BATCH : (at - from) / LEAP + 1; /* what is asked for in vain is no more */
        from = at;
        if (!all) {
            size_t end = leap_end(walk, from, 0) + 1;

            walk->end = end;
            fetch_buckets(walk, from);
            walk_on(walk, from, end);
            from = end;
        }
    }
    if (from < walk->count && walk->live.chunk_count > 0) {
        walk->end = walk->count;
        fetch_buckets(walk, from);
        walk_on(walk, from, walk->count);
    }
}

void prefix_index_match(struct prefix_index *index, const uint64_t *keys, size_t count,
                        const uint32_t *columns, size_t column_count,
                        struct prefix_match *ret_matches)
{
    struct walk walk;
    size_t first;

    walk.index = index;
    walk.keys = keys;
    walk.count = walk.end = count;
    walk.span = prefix_span_of(atomic_load_explicit(&index->table.count, memory_order_acquire));
    walk.matches = ret_matches;
    walk.plain_word = 0;
    fetch_buckets(&walk, 0);
    walk_begin(&walk, columns, column_count);
    first = batch_end(&walk, 0);
    walk_on(&walk, 0, first);
    walk_by_leaps(&walk, first);
    walk_end(&walk);
}

unsigned prefix_index_tiers(struct prefix_index *index, uint64_t key, uint32_t column,
                            bool *ret_speculative)
{
    const struct prefix_entry *entry = prefix_table_find(&index->table, key);
    uint32_t state = 0;

    if (entry)
        state = prefix_state_get(&index->sets,
                                 atomic_load_explicit(&entry->word, memory_order_acquire), column);
    *ret_speculative = (state & PREFIX_STATE_GUESS) != 0;
    return state & PREFIX_STATE_TIERS;
}
