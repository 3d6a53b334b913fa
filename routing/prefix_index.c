/*
 * The prefix index, the writer's side: holders come and go, blocks are shed, columns swept.
 *
 * All of it runs on the thread that owns the index; what readers see are the atomic words of table
 * and sets. See prefix_index.h.
 */
#include "routing/prefix_index.h"

#include "routing/prefix_parts.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_MIN 65536
/* Of the limit: the table alone may take three quarters, so that a block which every endpoint holds
 * finds a set; notes of speculation an eighth. */
#define TABLE_SHARE(limit) ((limit) / 4 * 3)
#define NOTES_SHARE(limit) ((limit) / 8)
/* Sets looked at before a holder is given up for want of lines. */
#define SHED_TRIES 64
/* Speculation that is said anew within such a time counts as one; seven of them are told apart. */
#define GENERATION_US 500000

static void stat_put(_Atomic uint64_t *stat, uint64_t value)
{
    atomic_store_explicit(stat, value, memory_order_relaxed);
}

static void stat_add(_Atomic uint64_t *stat, int64_t n)
{
    stat_put(stat, atomic_load_explicit(stat, memory_order_relaxed) + (uint64_t)n);
}

static uint64_t word_of(const struct prefix_entry *entry)
{
    return atomic_load_explicit(&entry->word, memory_order_relaxed);
}

static uint64_t table_bytes(const struct prefix_index *index)
{
    return atomic_load_explicit(&index->table.count, memory_order_relaxed) *
           sizeof(struct prefix_bucket);
}

static uint64_t set_bytes(const struct prefix_index *index)
{
    return index->sets.count * sizeof(struct prefix_line);
}

/* How far table and sets may grow now that the other parts have what they have. */
static void share_out(struct prefix_index *index)
{
    uint64_t limit = index->limit_bytes;
    uint64_t room = limit - index->note_bytes;
    uint64_t used = table_bytes(index) + set_bytes(index);
    uint64_t left = used < room ? (room - used) / sizeof(struct prefix_line) : 0;
    uint64_t buckets = table_bytes(index) / sizeof(struct prefix_bucket) + left;

    index->sets.allowed = index->sets.count + left;
    index->table.limit = buckets < index->table.reserved ? buckets : index->table.reserved;
    stat_put(&index->bytes, used + index->note_bytes);
}

/* Holders left the entry, or all did. */
static void entry_put(struct prefix_index *index, struct prefix_entry *entry, uint64_t word,
                      int64_t more_holders)
{
    bool was = !prefix_word_is_empty(word_of(entry));

    atomic_store_explicit(&entry->word, word, memory_order_release);
    index->table.blocks += (uint64_t)!prefix_word_is_empty(word) - (uint64_t)was;
    stat_put(&index->blocks, index->table.blocks);
    stat_add(&index->holders, more_holders);
}

/* Takes the holders in columns that are being swept out of the entry. */
static void strip(struct prefix_index *index, struct prefix_entry *entry)
{
    size_t gone;
    uint64_t word = prefix_strip(&index->sets, word_of(entry), index->sweeping,
                                 prefix_slot(&index->table, entry), &gone);

    if (gone)
        entry_put(index, entry, word, -(int64_t)gone);
}

/* An entry that jumps over the sweep's hand is swept on the way. */
static void on_moved(void *user, struct prefix_entry *entry, uint64_t slot)
{
    struct prefix_index *index = user;

    prefix_set_moved(&index->sets, word_of(entry), slot);
    if (index->sweep_runs)
        strip(index, entry);
}

struct prefix_index *prefix_index_new(size_t limit_bytes)
{
    struct prefix_index *index = xcalloc(1, sizeof(*index));

    index->limit_bytes = limit_bytes < LIMIT_MIN ? LIMIT_MIN : limit_bytes;
    prefix_table_init(&index->table, TABLE_SHARE(index->limit_bytes));
    prefix_sets_init(&index->sets, index->limit_bytes);
    index->table.moved = on_moved;
    index->table.user = index;
    timers_init(&index->timers, 0);
    list_init(&index->notes);
    share_out(index);
    return index;
}

static size_t note_size(size_t count)
{
    return sizeof(struct prefix_note) + count * sizeof(uint64_t);
}

static void note_free(struct prefix_note *note)
{
    timer_clear(&note->timer);
    list_remove(&note->link);
    note->index->note_bytes -= note_size(note->count);
    note->index->payer_bytes[note->payer] -= note_size(note->count);
    free(note);
}

void prefix_index_free(struct prefix_index *index)
{
    if (!index)
        return;
    while (!list_is_empty(&index->notes))
        note_free(CONTAINER_OF(index->notes.next, struct prefix_note, link));
    prefix_table_release(&index->table);
    prefix_sets_release(&index->sets);
    free(index);
}

/* A block that should be there is not, wherever it was. */
static void note_gap(struct prefix_index *index)
{
    for (size_t i = 0; index->gapless_any && i < PREFIX_COLUMN_WORDS; i++)
        atomic_store_explicit(&index->gapless[i], 0, memory_order_release);
    index->gapless_any = false;
}

static void shed(struct prefix_index *index, struct prefix_entry *entry)
{
    uint64_t word = word_of(entry);
    int64_t count = (int64_t)prefix_word_count(&index->sets, word);

    note_gap(index);
    entry_put(index, entry, 0, -count);
    prefix_word_free(&index->sets, word);
    stat_add(&index->shed, count);
}

/* Only what is confirmed goes: speculation ends by itself, and stands for what was just routed. */
static bool is_spared(void *user, uint64_t word)
{
    struct prefix_index *index = user;

    return !prefix_word_is_confirmed(&index->sets, word);
}

static struct prefix_entry *entry_for(struct prefix_index *index, uint64_t key)
{
    struct prefix_entry *entry;

    share_out(index);
    entry = prefix_table_free_entry(&index->table, key);
    if (entry)
        return entry;
    entry = prefix_table_victim(&index->table, key, is_spared);
    if (entry)
        shed(index, entry);
    return entry;
}

/* Sheds the set under the hand if it may go, or brings it nearer to that. */
static bool shed_set(struct prefix_index *index, uint64_t not_slot, bool impatient)
{
    struct prefix_entry *entry;
    uint64_t slot;

    if (!prefix_sets_next_owner(&index->sets, &slot))
        return false;
    entry = &index->table.buckets[slot / PREFIX_BUCKET_ENTRIES].entry[slot % PREFIX_BUCKET_ENTRIES];
    if (slot == not_slot || is_spared(index, word_of(entry)))
        return true;
    if (prefix_entry_age(entry) > 0 && !impatient)
        prefix_entry_grow_old(entry, 1);
    else
        shed(index, entry);
    return true;
}

static bool put_state(struct prefix_index *index, uint64_t slot, uint64_t word, uint32_t column,
                      uint32_t state, uint64_t *ret_word)
{
    for (int tries = 0; tries < SHED_TRIES; tries++) {
        share_out(index);
        if (prefix_state_put(&index->sets, word, column, state, slot, ret_word))
            return true;
        if (!shed_set(index, slot, /* impatient= */ tries >= SHED_TRIES / 2))
            return false;
    }
    return false;
}

/* The one road by which a holder's state becomes `after`. `entry` is the key's; NULL: it has none
 * yet. */
static void put(struct prefix_index *index, struct prefix_entry *entry, uint64_t key,
                uint32_t column, uint32_t before, uint32_t after)
{
    uint64_t word = entry ? word_of(entry) : (uint64_t)PREFIX_AGE_NEW << PREFIX_AGE_SHIFT;
    bool fresh = !entry;

    if (fresh)
        entry = entry_for(index, key);
    if (!entry ||
        !put_state(index, prefix_slot(&index->table, entry), word, column, after, &word)) {
        note_gap(index);
        stat_add(&index->shed, 1);
        return;
    }
    if (fresh)
        atomic_store_explicit(&entry->key, key, memory_order_release);
    entry_put(index, entry, word, (int64_t)(after != 0) - (before != 0));
}

/* A holder's state changes: `clear` goes, `set` comes. Returns the state before. */
static uint32_t change(struct prefix_index *index, uint64_t key, uint32_t column, uint32_t clear,
                       uint32_t set)
{
    struct prefix_entry *entry = prefix_table_find(&index->table, key);
    uint32_t before = entry ? prefix_state_get(&index->sets, word_of(entry), column) : 0;
    uint32_t after = (before & ~clear) | set;

    if (before != after)
        put(index, entry, key, column, before, after);
    return before;
}

static bool column_is(const uint64_t *bits, uint32_t column)
{
    return bits[column / 64] >> column % 64 & 1;
}

static bool is_in_use(const struct prefix_index *index, uint32_t column)
{
    return column < PREFIX_COLUMNS_MAX && column_is(index->taken, column) &&
           !column_is(index->retired, column);
}

void prefix_index_fetch(const struct prefix_index *index, uint64_t key)
{
    struct prefix_place place = prefix_place_of(
        key, prefix_span_of(atomic_load_explicit(&index->table.count, memory_order_relaxed)));

    __builtin_prefetch(&index->table.buckets[place.at[0]]);
    __builtin_prefetch(&index->table.buckets[place.at[1]]);
}

bool prefix_index_store(struct prefix_index *index, uint64_t key, uint32_t column,
                        enum prefix_tier tier)
{
    return is_in_use(index, column) &&
           change(index, key, column, PREFIX_STATE_GUESS, 1u << tier) & 1u << tier;
}

void prefix_index_remove(struct prefix_index *index, uint64_t key, uint32_t column,
                         enum prefix_tier tier)
{
    if (is_in_use(index, column))
        change(index, key, column, 1u << tier, 0);
}

/* Before the i-th of the keys, in their order, is looked at. */
static void fetch_ahead(const struct prefix_index *index, const uint64_t *keys, size_t count,
                        size_t i)
{
    for (size_t end = i + PREFIX_FETCH; i % PREFIX_FETCH == 0 && i < count && i < end; i++)
        prefix_index_fetch(index, keys[i]);
}

/* What was said anew meanwhile has another generation, and stays; what was confirmed is no guess
 * any more. */
static void note_ends(struct timer *timer)
{
    struct prefix_note *note = CONTAINER_OF(timer, struct prefix_note, timer);
    struct prefix_index *index = note->index;
    uint32_t guess = note->generation << PREFIX_GUESS_SHIFT;

    for (size_t i = 0; i < note->count; i++) {
        struct prefix_entry *entry;
        uint32_t state;

        fetch_ahead(index, note->keys, note->count, i);
        entry = prefix_table_find(&index->table, note->keys[i]);
        state = entry ? prefix_state_get(&index->sets, word_of(entry), note->column) : 0;
        if ((state & PREFIX_STATE_GUESS) == guess)
            put(index, entry, note->keys[i], note->column, state, state & ~PREFIX_STATE_GUESS);
    }
    note_free(note);
}

/* A payer has as much as is left for all others, at most. */
static bool note_fits(const struct prefix_index *index, const struct prefix_guess *guess)
{
    uint64_t taken = index->note_bytes + note_size(guess->count);

    return taken <= NOTES_SHARE(index->limit_bytes) &&
           index->payer_bytes[guess->payer] + note_size(guess->count) <=
               NOTES_SHARE(index->limit_bytes) - index->note_bytes;
}

static struct prefix_note *note_new(struct prefix_index *index, uint64_t now_us,
                                    const struct prefix_guess *guess)
{
    struct prefix_note *note = xmalloc(note_size(guess->count));

    *note = (struct prefix_note){
        .index = index,
        .column = guess->column,
        .payer = guess->payer,
        .generation = (uint32_t)(now_us / GENERATION_US % PREFIX_GUESS_COUNT) + 1,
        .count = guess->count,
    };
    memcpy(note->keys, guess->keys, guess->count * sizeof(*guess->keys));
    timer_init(&note->timer, note_ends);
    timers_run(&index->timers, now_us);
    timer_set(&index->timers, &note->timer, guess->until_us);
    list_push(&index->notes, &note->link);
    index->note_bytes += note_size(guess->count);
    index->payer_bytes[guess->payer] += note_size(guess->count);
    return note;
}

void prefix_index_speculate(struct prefix_index *index, uint64_t now_us,
                            const struct prefix_guess *guess)
{
    const struct prefix_note *note;

    CHECK(guess->payer < PREFIX_PAYERS);
    if (!is_in_use(index, guess->column) || guess->count == 0)
        return;
    if (!note_fits(index, guess)) {
        stat_add(&index->shed, (int64_t)guess->count);
        return;
    }
    note = note_new(index, now_us, guess);
    for (size_t i = 0; i < guess->count; i++) {
        fetch_ahead(index, guess->keys, guess->count, i);
        change(index, guess->keys[i], guess->column, PREFIX_STATE_GUESS,
               note->generation << PREFIX_GUESS_SHIFT);
    }
}

uint32_t prefix_index_column_new(struct prefix_index *index)
{
    for (uint32_t word = 0; word < PREFIX_COLUMN_WORDS; word++)
        if (~index->taken[word]) {
            unsigned bit = (unsigned)__builtin_ctzll(~index->taken[word]);

            index->taken[word] |= (uint64_t)1 << bit;
            stat_add(&index->columns, 1);
            return word * 64 + bit;
        }
    return PREFIX_COLUMN_NONE;
}

void prefix_index_column_retire(struct prefix_index *index, uint32_t column)
{
    prefix_index_column_gapless(index, column, false);
    if (is_in_use(index, column))
        index->retired[column / 64] |= (uint64_t)1 << column % 64;
}

void prefix_index_column_gapless(struct prefix_index *index, uint32_t column, bool gapless)
{
    uint64_t bit = (uint64_t)1 << column % 64;
    uint64_t before;

    if (!is_in_use(index, column))
        return;
    before = atomic_load_explicit(&index->gapless[column / 64], memory_order_relaxed);
    atomic_store_explicit(&index->gapless[column / 64], gapless ? before | bit : before & ~bit,
                          memory_order_release);
    index->gapless_any |= gapless;
}

/* A sweep is for the columns that are retired as it begins; later ones wait for the next. Returns
 * whether there is one. */
static bool sweep_begin(struct prefix_index *index)
{
    for (size_t i = 0; i < PREFIX_COLUMN_WORDS; i++)
        if (index->retired[i])
            index->sweep_runs = true;
    memcpy(index->sweeping, index->retired, sizeof(index->sweeping));
    index->sweep_at = 0;
    return index->sweep_runs;
}

static void sweep_end(struct prefix_index *index)
{
    index->sweep_runs = false;
    for (size_t i = 0; i < PREFIX_COLUMN_WORDS; i++) {
        stat_add(&index->columns, -__builtin_popcountll(index->sweeping[i]));
        index->taken[i] &= ~index->sweeping[i];
        index->retired[i] &= ~index->sweeping[i];
    }
}

bool prefix_index_tend(struct prefix_index *index, uint64_t now_us, size_t buckets)
{
    timers_run(&index->timers, now_us);
    if (!index->sweep_runs && !sweep_begin(index))
        return false;
    for (; buckets > 0; buckets--) {
        struct prefix_bucket *bucket = &index->table.buckets[index->sweep_at];

        for (size_t i = 0; i < PREFIX_BUCKET_ENTRIES; i++)
            strip(index, &bucket->entry[i]);
        if (++index->sweep_at == atomic_load(&index->table.count)) {
            sweep_end(index);
            return sweep_begin(index);
        }
    }
    return true;
}

bool prefix_index_is_quiet(const struct prefix_index *index)
{
    for (size_t i = 0; i < PREFIX_COLUMN_WORDS; i++)
        if (index->retired[i])
            return false;
    return list_is_empty(&index->notes);
}

void prefix_index_stats(const struct prefix_index *index, struct prefix_index_stats *ret_stats)
{
    ret_stats->blocks = atomic_load_explicit(&index->blocks, memory_order_relaxed);
    ret_stats->holders = atomic_load_explicit(&index->holders, memory_order_relaxed);
    ret_stats->bytes = atomic_load_explicit(&index->bytes, memory_order_relaxed);
    ret_stats->shed = atomic_load_explicit(&index->shed, memory_order_relaxed);
    ret_stats->columns = atomic_load_explicit(&index->columns, memory_order_relaxed);
}
