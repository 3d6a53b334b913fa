/*
 * Words and sets of holders. See prefix_set.h.
 */
#include "routing/prefix_set.h"

#include <string.h>
#include <sys/mman.h>

#define LIST_LINES_MAX 4 /* more would take a match too long: each holder is looked at */

/* How a set's head lies in its word; a free one has no holders, and the next free one as owner. */
#define HEAD_CLASS_SHIFT 1
#define HEAD_COUNT_SHIFT 5
#define HEAD_LINES_SHIFT 20
#define HEAD_OWNER_SHIFT 29

static uint64_t line_get(const struct prefix_line *line, unsigned word)
{
    return atomic_load_explicit(&line->word[word], memory_order_relaxed);
}

/* Release: who reads what a line says for its next owner also finds it gone from the last one. */
static void line_put(struct prefix_line *line, unsigned word, uint64_t value)
{
    atomic_store_explicit(&line->word[word], value, memory_order_release);
}

struct prefix_head prefix_head_of(const struct prefix_line *first)
{
    uint64_t word = atomic_load_explicit(&first->word[PREFIX_LINE_HEAD], memory_order_acquire);

    return (struct prefix_head){
        .bitmap = word & 1,
        .class = word >> HEAD_CLASS_SHIFT & 15,
        .count = word >> HEAD_COUNT_SHIFT & 0x7fff,
        .lines = word >> HEAD_LINES_SHIFT & 0x1ff,
        .owner = word >> HEAD_OWNER_SHIFT,
    };
}

/* Last of a change: whoever reads the new head finds what it counts. */
static void head_put(struct prefix_line *first, struct prefix_head head)
{
    uint64_t word = (uint64_t)head.bitmap | (uint64_t)head.class << HEAD_CLASS_SHIFT |
                    (uint64_t)head.count << HEAD_COUNT_SHIFT |
                    (uint64_t)head.lines << HEAD_LINES_SHIFT | head.owner << HEAD_OWNER_SHIFT;

    atomic_store_explicit(&first->word[PREFIX_LINE_HEAD], word, memory_order_release);
}

void prefix_sets_init(struct prefix_sets *sets, uint64_t limit_bytes)
{
    memset(sets, 0, sizeof(*sets));
    sets->reserved = sets->allowed = limit_bytes / sizeof(struct prefix_line);
    sets->lines = mmap(NULL, sets->reserved * sizeof(struct prefix_line), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(sets->lines != MAP_FAILED);
    madvise(sets->lines, sets->reserved * sizeof(struct prefix_line), MADV_HUGEPAGE);
    sets->count = sets->hand = 1;
}

void prefix_sets_release(struct prefix_sets *sets)
{
    munmap(sets->lines, sets->reserved * sizeof(struct prefix_line));
}

/* 0: no room. */
static uint64_t lines_alloc(struct prefix_sets *sets, unsigned class)
{
    uint64_t first = sets->spare[class];

    if (first) {
        sets->spare[class] = prefix_head_of(&sets->lines[first]).owner;
        return first;
    }
    if (sets->count + (1u << class) > sets->allowed)
        return 0;
    first = sets->count;
    sets->count += 1u << class;
    return first;
}

static void lines_free(struct prefix_sets *sets, uint64_t first)
{
    struct prefix_head head = prefix_head_of(&sets->lines[first]);

    head_put(&sets->lines[first],
             (struct prefix_head){ .class = head.class, .owner = sets->spare[head.class] });
    sets->spare[head.class] = first;
}

static unsigned class_of(size_t lines)
{
    unsigned class = 0;

    while ((1u << class) < lines)
        class ++;
    return class;
}

/* A list of so many lines holds so many. */
static unsigned list_room(size_t lines)
{
    return (unsigned)(16 * lines - 2);
}

static void list_put(struct prefix_line *lines, unsigned i, uint32_t holder)
{
    struct prefix_line *line = &lines[(2 + i) / 16];
    unsigned word = (2 + i) % 16 / 2;
    unsigned shift = i % 2 * 32;
    uint64_t pair = line_get(line, word) & ~((uint64_t)UINT32_MAX << shift);

    line_put(line, word, pair | (uint64_t)holder << shift);
}

/* UINT_MAX-like: `count` when it is not there. */
static unsigned list_find(const struct prefix_line *lines, unsigned count, uint32_t column)
{
    unsigned i = 0;

    while (i < count && prefix_holder_column(prefix_list_holder(lines, i)) != column)
        i++;
    return i;
}

static struct prefix_line *bitmap_find(struct prefix_line *lines, unsigned count, uint32_t chunk)
{
    for (unsigned i = 0; i < count; i++)
        if (line_get(&lines[i], PREFIX_LINE_CHUNK) == chunk)
            return &lines[i];
    return NULL;
}

static uint32_t line_state(const struct prefix_line *line, unsigned bit)
{
    uint32_t state = 0;

    for (unsigned plane = 0; plane < PREFIX_STATE_BITS; plane++)
        state |= (uint32_t)(line_get(line, PREFIX_LINE_TIER + plane) >> bit & 1) << plane;
    return state;
}

static void line_set_state(struct prefix_line *line, unsigned bit, uint32_t state)
{
    for (unsigned plane = 0; plane < PREFIX_STATE_BITS; plane++) {
        uint64_t bits = line_get(line, PREFIX_LINE_TIER + plane) & ~((uint64_t)1 << bit);

        line_put(line, PREFIX_LINE_TIER + plane, bits | (uint64_t)(state >> plane & 1) << bit);
    }
}

static uint64_t line_any(const struct prefix_line *line)
{
    uint64_t any = 0;

    for (unsigned plane = 0; plane < PREFIX_STATE_BITS; plane++)
        any |= line_get(line, PREFIX_LINE_TIER + plane);
    return any;
}

static struct prefix_line *bitmap_add_line(struct prefix_line *lines, struct prefix_head *head,
                                           uint32_t chunk)
{
    struct prefix_line *line = &lines[head->lines++];

    for (unsigned plane = 0; plane < PREFIX_STATE_BITS; plane++)
        line_put(line, PREFIX_LINE_TIER + plane, 0);
    line_put(line, PREFIX_LINE_CHUNK, chunk);
    return line;
}

/* All holders into `ret`. */
static size_t holders_of(const struct prefix_sets *sets, uint64_t word, uint32_t *ret)
{
    const struct prefix_line *lines = prefix_word_lines(sets, word);
    struct prefix_head head;
    size_t count = 0;

    if (!(word & PREFIX_WORD_SET)) {
        for (unsigned i = 0; i < PREFIX_INLINE; i++)
            if (prefix_holder_state(prefix_word_holder(word, i)))
                ret[count++] = prefix_word_holder(word, i);
        return count;
    }
    head = prefix_head_of(lines);
    if (!head.bitmap) {
        for (; count < head.count; count++)
            ret[count] = prefix_list_holder(lines, (unsigned)count);
        return count;
    }
    for (unsigned i = 0; i < head.lines; i++)
        for (uint64_t any = line_any(&lines[i]); any; any &= any - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(any);
            uint32_t column = (uint32_t)line_get(&lines[i], PREFIX_LINE_CHUNK) * 64 + bit;

            ret[count++] = prefix_holder(column, line_state(&lines[i], bit));
        }
    return count;
}

/* The lines that so many holders in so many chunks take at best, and whether as a bitmap. */
static size_t best_lines(size_t count, size_t chunks, bool *ret_bitmap)
{
    size_t bitmap = (size_t)1 << class_of(chunks);

    for (size_t list = 1; list <= LIST_LINES_MAX; list *= 2)
        if (list < bitmap && count <= list_room(list)) {
            *ret_bitmap = false;
            return list;
        }
    *ret_bitmap = true;
    return bitmap;
}

static size_t count_chunks(const uint32_t *holders, size_t count)
{
    uint64_t seen[PREFIX_CHUNKS / 64] = { 0 };
    size_t chunks = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t chunk = prefix_holder_column(holders[i]) / 64;

        chunks += !(seen[chunk / 64] >> chunk % 64 & 1);
        seen[chunk / 64] |= (uint64_t)1 << chunk % 64;
    }
    return chunks;
}

static void fill_bitmap(struct prefix_line *lines, struct prefix_head *head,
                        const uint32_t *holders)
{
    struct prefix_line *line = NULL;

    for (size_t i = 0; i < head->count; i++) {
        uint32_t column = prefix_holder_column(holders[i]);

        if (!line || line_get(line, PREFIX_LINE_CHUNK) != column / 64)
            line = bitmap_find(lines, head->lines, column / 64);
        if (!line)
            line = bitmap_add_line(lines, head, column / 64);
        line_set_state(line, column % 64, prefix_holder_state(holders[i]));
    }
}

static uint64_t inline_word(const uint32_t *holders, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)holders[i] << (4 + i * PREFIX_HOLDER_BITS);
    return word;
}

/* The first `count` of scratch as a word in its best form. */
static bool build(struct prefix_sets *sets, size_t count, uint64_t owner, uint64_t *ret_word)
{
    const uint32_t *holders = sets->scratch;
    struct prefix_head head = { .count = (uint16_t)count, .owner = owner };
    uint64_t first;

    if (count <= PREFIX_INLINE) {
        *ret_word = inline_word(holders, count);
        return true;
    }
    head.class = (uint8_t)class_of(best_lines(count, count_chunks(holders, count), &head.bitmap));
    first = lines_alloc(sets, head.class);
    if (!first)
        return false;
    if (head.bitmap)
        fill_bitmap(&sets->lines[first], &head, holders);
    else
        for (unsigned i = 0; i < count; i++)
            list_put(&sets->lines[first], i, holders[i]);
    head_put(&sets->lines[first], head);
    *ret_word = first << 8 | (uint64_t)head.class << 4 | PREFIX_WORD_SET;
    return true;
}

/* Into its best form, with one more holder unless `more` is 0. */
static bool rebuild(struct prefix_sets *sets, uint64_t word, uint32_t more, uint64_t owner,
                    uint64_t *ret_word)
{
    size_t count = holders_of(sets, word, sets->scratch);

    if (more)
        sets->scratch[count++] = more;
    if (!build(sets, count, owner, ret_word))
        return false;
    *ret_word |= word & PREFIX_WORD_AGE;
    prefix_word_free(sets, word);
    return true;
}

/* False: all three places are taken. */
static bool inline_put(uint64_t word, uint32_t column, uint32_t state, uint64_t *ret_word)
{
    unsigned place = PREFIX_INLINE;
    unsigned shift;

    for (unsigned i = 0; i < PREFIX_INLINE; i++) {
        uint32_t holder = prefix_word_holder(word, i);

        if (!prefix_holder_state(holder)) {
            if (place == PREFIX_INLINE)
                place = i;
        } else if (prefix_holder_column(holder) == column) {
            place = i;
            break;
        }
    }
    if (place == PREFIX_INLINE)
        return false;
    shift = 4 + place * PREFIX_HOLDER_BITS;
    word &= ~((uint64_t)PREFIX_HOLDER_MASK << shift);
    if (state)
        word |= (uint64_t)prefix_holder(column, state) << shift;
    *ret_word = word;
    return true;
}

/* False: it would have to be added, and there is no room in these lines. */
static bool list_change(struct prefix_line *lines, uint32_t column, uint32_t state)
{
    struct prefix_head head = prefix_head_of(lines);
    unsigned at = list_find(lines, head.count, column);

    if (at == head.count && state) {
        if (head.count == list_room((size_t)1 << head.class))
            return false;
        head.count++;
    }
    if (state) {
        list_put(lines, at, prefix_holder(column, state));
    } else if (at < head.count) {
        head.count--;
        list_put(lines, at, prefix_list_holder(lines, head.count));
    }
    head_put(lines, head);
    return true;
}

static bool bitmap_change(struct prefix_line *lines, uint32_t column, uint32_t state)
{
    struct prefix_head head = prefix_head_of(lines);
    struct prefix_line *line = bitmap_find(lines, head.lines, column / 64);
    bool was = line && line_any(line) >> column % 64 & 1;

    if (!line && state) {
        if (head.lines == 1u << head.class)
            return false;
        line = bitmap_add_line(lines, &head, column / 64);
    }
    if (line)
        line_set_state(line, column % 64, state);
    head.count = (uint16_t)(head.count + (state != 0) - was);
    head_put(lines, head);
    return true;
}

/* Whether what is left would fit into a quarter of the lines. Asked at every eighth removal of
 * large ones, for counting chunks costs time. */
static bool is_sparse(struct prefix_sets *sets, uint64_t word)
{
    struct prefix_head head = prefix_head_of(prefix_word_lines(sets, word));
    size_t count;
    bool bitmap;

    if (head.count < PREFIX_INLINE)
        return true;
    if (head.class < 2 || head.count % 8)
        return false;
    count = holders_of(sets, word, sets->scratch);
    return best_lines(count, count_chunks(sets->scratch, count), &bitmap) * 4 <= (size_t)1
                                                                                     << head.class;
}

/* After holders went; without room for the smaller form the larger one stays. */
static uint64_t shrink(struct prefix_sets *sets, uint64_t word, uint64_t owner)
{
    uint64_t smaller = word;

    if ((word & PREFIX_WORD_SET) && is_sparse(sets, word) &&
        !rebuild(sets, word, 0, owner, &smaller))
        return word;
    return smaller;
}

static bool set_change(struct prefix_sets *sets, uint64_t word, uint32_t column, uint32_t state)
{
    struct prefix_line *lines = prefix_word_lines(sets, word);

    return prefix_head_of(lines).bitmap ? bitmap_change(lines, column, state)
                                        : list_change(lines, column, state);
}

bool prefix_state_put(struct prefix_sets *sets, uint64_t word, uint32_t column, uint32_t state,
                      uint64_t owner, uint64_t *ret_word)
{
    if (!(word & PREFIX_WORD_SET)) {
        if (state == 0 && prefix_state_get(sets, word, column) == 0) {
            *ret_word = word;
            return true;
        }
        if (inline_put(word, column, state, ret_word))
            return true;
    } else if (set_change(sets, word, column, state)) {
        *ret_word = state ? word : shrink(sets, word, owner);
        return true;
    }
    return rebuild(sets, word, prefix_holder(column, state), owner, ret_word);
}

static uint32_t inline_state(uint64_t word, uint32_t column)
{
    for (unsigned i = 0; i < PREFIX_INLINE; i++) {
        uint32_t holder = prefix_word_holder(word, i);

        if (prefix_holder_column(holder) == column && prefix_holder_state(holder))
            return prefix_holder_state(holder);
    }
    return 0;
}

uint32_t prefix_state_get(const struct prefix_sets *sets, uint64_t word, uint32_t column)
{
    struct prefix_line *lines = prefix_word_lines(sets, word);
    struct prefix_head head;
    struct prefix_line *line;
    unsigned at;

    if (!(word & PREFIX_WORD_SET))
        return inline_state(word, column);
    head = prefix_head_of(lines);
    if (head.bitmap) {
        line = bitmap_find(lines, head.lines, column / 64);
        return line ? line_state(line, column % 64) : 0;
    }
    at = list_find(lines, head.count, column);
    return at < head.count ? prefix_holder_state(prefix_list_holder(lines, at)) : 0;
}

static bool is_gone(const uint64_t *gone, uint32_t holder)
{
    uint32_t column = prefix_holder_column(holder);

    return gone[column / 64] >> column % 64 & 1;
}

static uint64_t strip_inline(uint64_t word, const uint64_t *gone, size_t *ret_count)
{
    for (unsigned i = 0; i < PREFIX_INLINE; i++) {
        uint32_t holder = prefix_word_holder(word, i);

        if (!prefix_holder_state(holder) || !is_gone(gone, holder))
            continue;
        word &= ~((uint64_t)PREFIX_HOLDER_MASK << (4 + i * PREFIX_HOLDER_BITS));
        (*ret_count)++;
    }
    return word;
}

static void strip_list(struct prefix_line *lines, struct prefix_head *head, const uint64_t *gone)
{
    for (unsigned i = 0; i < head->count;) {
        if (is_gone(gone, prefix_list_holder(lines, i)))
            list_put(lines, i, prefix_list_holder(lines, --head->count));
        else
            i++;
    }
}

static void strip_bitmap(struct prefix_line *lines, struct prefix_head *head, const uint64_t *gone)
{
    for (unsigned i = 0; i < head->lines; i++) {
        uint64_t out = gone[line_get(&lines[i], PREFIX_LINE_CHUNK)];

        head->count = (uint16_t)(head->count - __builtin_popcountll(line_any(&lines[i]) & out));
        for (unsigned plane = 0; plane < PREFIX_STATE_BITS; plane++)
            line_put(&lines[i], PREFIX_LINE_TIER + plane,
                     line_get(&lines[i], PREFIX_LINE_TIER + plane) & ~out);
    }
}

uint64_t prefix_strip(struct prefix_sets *sets, uint64_t word, const uint64_t *gone, uint64_t owner,
                      size_t *ret_count)
{
    struct prefix_line *lines = prefix_word_lines(sets, word);
    struct prefix_head head;
    uint16_t before;

    *ret_count = 0;
    if (!(word & PREFIX_WORD_SET))
        return strip_inline(word, gone, ret_count);
    head = prefix_head_of(lines);
    before = head.count;
    if (head.bitmap)
        strip_bitmap(lines, &head, gone);
    else
        strip_list(lines, &head, gone);
    *ret_count = (size_t)(before - head.count);
    if (*ret_count == 0)
        return word;
    head_put(lines, head);
    return shrink(sets, word, owner);
}

size_t prefix_word_count(const struct prefix_sets *sets, uint64_t word)
{
    size_t count = 0;

    if (word & PREFIX_WORD_SET)
        return prefix_head_of(prefix_word_lines(sets, word)).count;
    for (unsigned i = 0; i < PREFIX_INLINE; i++)
        count += prefix_holder_state(prefix_word_holder(word, i)) != 0;
    return count;
}

bool prefix_word_is_confirmed(const struct prefix_sets *sets, uint64_t word)
{
    const struct prefix_line *lines = prefix_word_lines(sets, word);
    struct prefix_head head;
    uint32_t states = 0;

    if (!(word & PREFIX_WORD_SET)) {
        for (unsigned i = 0; i < PREFIX_INLINE; i++)
            states |= prefix_holder_state(prefix_word_holder(word, i));
        return states & PREFIX_STATE_TIERS;
    }
    head = prefix_head_of(lines);
    for (unsigned i = 0; !head.bitmap && i < head.count; i++)
        states |= prefix_holder_state(prefix_list_holder(lines, i));
    for (unsigned i = 0; head.bitmap && i < head.lines; i++)
        for (unsigned tier = 0; tier < PREFIX_TIER_COUNT; tier++)
            states |= line_get(&lines[i], PREFIX_LINE_TIER + tier) != 0;
    return states & PREFIX_STATE_TIERS;
}

void prefix_set_moved(struct prefix_sets *sets, uint64_t word, uint64_t owner)
{
    struct prefix_line *lines = prefix_word_lines(sets, word);
    struct prefix_head head;

    if (!(word & PREFIX_WORD_SET))
        return;
    head = prefix_head_of(lines);
    head.owner = owner;
    head_put(lines, head);
}

void prefix_word_free(struct prefix_sets *sets, uint64_t word)
{
    if (word & PREFIX_WORD_SET)
        lines_free(sets, word >> 8);
}

bool prefix_sets_next_owner(struct prefix_sets *sets, uint64_t *ret_owner)
{
    for (uint64_t looked = 0; looked < sets->count;) {
        struct prefix_head head;

        if (sets->hand >= sets->count)
            sets->hand = 1;
        if (sets->count == 1)
            return false;
        head = prefix_head_of(&sets->lines[sets->hand]);
        sets->hand += (uint64_t)1 << head.class;
        looked += (uint64_t)1 << head.class;
        if (head.count == 0)
            continue;
        *ret_owner = head.owner;
        return true;
    }
    return false;
}
