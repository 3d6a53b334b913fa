/*
 * The holders of a block, packed into a word: up to three lie in it, more in a set.
 *
 *     bit 0           PREFIX_WORD_SET: there is a set
 *     bits 1 and 2    how far the block is from being shed, 0: next; a match says 3
 *     bits 4 to 63    three holders of 20 bits; or of the set, how many lines it has (as a power of
 *                     two, bits 4 to 7) and which is the first
 *     a holder        column (14 bits), tiers (3), generation of speculation (3; 0: none)
 *
 * A set is a power of two of cache lines and of one of two forms, whichever takes fewer lines. A
 * list has its holders one after the other, 32 bits each. A bitmap has a line for each 64 columns
 * that occur: a plane of bits for each tier, three planes that spell the generation, and which
 * columns they are (its chunk).
 *
 * Lines never go back to the system, and where a set begins and how many lines it has stays so for
 * ever: a reader with an old word reads other holders than it looked for, never something else. The
 * one that writes is the index's writer; all words are atomic.
 */
#ifndef SLUICE_ROUTING_PREFIX_SET_H
#define SLUICE_ROUTING_PREFIX_SET_H

#include "routing/prefix_index.h"

#include <stdatomic.h>

#define PREFIX_WORD_SET  1u
#define PREFIX_WORD_AGE  6u /* both bits */
#define PREFIX_AGE_SHIFT 1
#define PREFIX_AGE_NEW   2u /* of a block that was not matched yet */

#define PREFIX_INLINE 3 /* holders in a word */
#define PREFIX_CHUNKS (PREFIX_COLUMNS_MAX / 64)

/* A holder's state: its tiers as bits, and above them the generation of its speculation. */
#define PREFIX_STATE_BITS   6
#define PREFIX_STATE_TIERS  7u
#define PREFIX_STATE_GUESS  56u
#define PREFIX_GUESS_SHIFT  3
#define PREFIX_GUESS_COUNT  7 /* generations, from 1 */
#define PREFIX_COLUMN_BITS  14
#define PREFIX_HOLDER_BITS  (PREFIX_COLUMN_BITS + PREFIX_STATE_BITS)
#define PREFIX_HOLDER_MASK  ((1u << PREFIX_HOLDER_BITS) - 1)
#define PREFIX_WORD_HOLDERS (~(uint64_t)15)

enum {                                                           /* words of a bitmap's line */
       PREFIX_LINE_HEAD,                                         /* of the set, in its first line */
       PREFIX_LINE_TIER,                                         /* one for each tier */
       PREFIX_LINE_GUESS = PREFIX_LINE_TIER + PREFIX_TIER_COUNT, /* three */
       PREFIX_LINE_CHUNK = PREFIX_LINE_GUESS + 3,
       PREFIX_LINE_WORDS,
};

struct prefix_line {
    _Atomic uint64_t word[PREFIX_LINE_WORDS];
};

/* A set's head, unpacked. */
struct prefix_head {
    bool bitmap;
    uint8_t class;  /* 1 << class lines are its own */
    uint16_t count; /* holders */
    uint16_t lines; /* of a bitmap: in use */
    uint64_t owner; /* the slot of the entry it belongs to */
};

#define PREFIX_CLASSES 9 /* up to 256 lines: all chunks */

struct prefix_sets {
    struct prefix_line *lines;      /* [0] is never used */
    uint64_t reserved;              /* lines there is address space for */
    uint64_t count, allowed;        /* lines taken so far, and the most there may be now */
    uint64_t spare[PREFIX_CLASSES]; /* first free set of the class, 0: none; chained by heads */
    uint64_t hand;                  /* shedding looks here next */
    uint32_t scratch[PREFIX_COLUMNS_MAX]; /* a set's holders while its form changes */
};

void prefix_sets_init(struct prefix_sets *sets, uint64_t limit_bytes);
void prefix_sets_release(struct prefix_sets *sets);

static inline uint32_t prefix_holder_column(uint32_t holder)
{
    return holder & (PREFIX_COLUMNS_MAX - 1);
}

static inline uint32_t prefix_holder_state(uint32_t holder)
{
    return holder >> PREFIX_COLUMN_BITS;
}

static inline uint32_t prefix_holder(uint32_t column, uint32_t state)
{
    return column | state << PREFIX_COLUMN_BITS;
}

/* The i-th of those that lie in a word; state 0: no holder. */
static inline uint32_t prefix_word_holder(uint64_t word, unsigned i)
{
    return (uint32_t)(word >> (4 + i * PREFIX_HOLDER_BITS)) & PREFIX_HOLDER_MASK;
}

static inline bool prefix_word_is_empty(uint64_t word)
{
    return (word & (PREFIX_WORD_HOLDERS | PREFIX_WORD_SET)) == 0;
}

/* NULL: the holders lie in the word. */
static inline struct prefix_line *prefix_word_lines(const struct prefix_sets *sets, uint64_t word)
{
    return word & PREFIX_WORD_SET ? sets->lines + (word >> 8) : NULL;
}

/* Of a set: how many lines are its own. */
static inline unsigned prefix_word_line_count(uint64_t word)
{
    return 1u << (word >> 4 & 15);
}

/* The i-th holder of a list's lines. */
static inline uint32_t prefix_list_holder(const struct prefix_line *lines, unsigned i)
{
    const _Atomic uint64_t *at = &lines[(2 + i) / 16].word[(2 + i) % 16 / 2];
    uint64_t pair = atomic_load_explicit(at, memory_order_acquire);

    return (uint32_t)(pair >> (i % 2 * 32));
}

struct prefix_head prefix_head_of(const struct prefix_line *first);

/* The state of `column` among the word's holders; 0: it is none. Any thread. */
uint32_t prefix_state_get(const struct prefix_sets *sets, uint64_t word, uint32_t column);

/*
 * The word with `column` in that state; 0 takes it out. `owner` is the slot of the entry. The
 * result is to be stored into the entry at once. False when a set has no room: nothing happened.
 */
bool prefix_state_put(struct prefix_sets *sets, uint64_t word, uint32_t column, uint32_t state,
                      uint64_t owner, uint64_t *ret_word) MUST_USE;

/* Takes out all holders whose column is in `gone`, a bit a column. Returns the word, and how many
 * they were. */
uint64_t prefix_strip(struct prefix_sets *sets, uint64_t word, const uint64_t *gone, uint64_t owner,
                      size_t *ret_count);

/* How many holders; whether one of them is confirmed. */
size_t prefix_word_count(const struct prefix_sets *sets, uint64_t word);
bool prefix_word_is_confirmed(const struct prefix_sets *sets, uint64_t word);

/* The entry moved to another slot; the entry is gone. */
void prefix_set_moved(struct prefix_sets *sets, uint64_t word, uint64_t owner);
void prefix_word_free(struct prefix_sets *sets, uint64_t word);

/* The slot whose set to shed next, one that is still in use; false: there is none. Goes on from
 * where it was. */
bool prefix_sets_next_owner(struct prefix_sets *sets, uint64_t *ret_owner);

#endif
