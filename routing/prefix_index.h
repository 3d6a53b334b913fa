/*
 * The prefix index: which endpoint holds which block of which prompt.
 *
 * A block is named by its key (gateway/token/blocks.h), an endpoint by its column. A holder is
 * confirmed, on one or more tiers, by the endpoint's KV events or the model of its cache, or
 * speculative: a prompt was sent there, and the events are still to come.
 *
 * Threads. One writes: the index thread (or whoever made an index of its own, as the simulator
 * does). All others read at any time and without locks. Workers that have something to say
 * (speculation) send it to the index thread. One writer, because two would lose each other's
 * updates of a set and leave holders that nobody takes away again; and a millisecond's delay of
 * speculation costs nothing (routing.md, 6.4: events 100 ms late change no figure).
 *
 * A reader may see a change half done. It then misses a block, or believes for one match in a
 * holder that left in that moment. Memory stays mapped while the index lives, so it never reads
 * what is not there.
 *
 * Bounded by the bytes given at construction. Where a block has no room left, one that was not
 * matched lately makes room for it (second chance); speculative blocks, which end by themselves,
 * are spared. So holes appear in the middle of prompts, and a match reads every block up to the
 * first one that is missing, unless the columns' owners say that there are none (gapless).
 */
#ifndef SLUICE_ROUTING_PREFIX_INDEX_H
#define SLUICE_ROUTING_PREFIX_INDEX_H

#include "gateway/base/check.h"

#include <stdbool.h>

/* Where an engine keeps a block. Better ones first; the order is that of the bits inside. */
enum prefix_tier { PREFIX_TIER_GPU, PREFIX_TIER_HOST, PREFIX_TIER_DISK, PREFIX_TIER_COUNT };

#define PREFIX_COLUMNS_MAX 16384 /* 14 bits: pools of 1,024 endpoints, a dozen, some restarting */
#define PREFIX_COLUMN_NONE UINT32_MAX

/* Tenants whose speculation is told apart; who meet here share. */
#define PREFIX_PAYERS 64

struct prefix_index;

/* Memory is reserved now and taken as blocks come. A minimum of some KB applies. Never NULL. */
struct prefix_index *prefix_index_new(size_t limit_bytes);
void prefix_index_free(struct prefix_index *index); /* when nobody reads any more; NULL is fine */

/* What one endpoint holds of a prompt: the first `blocks` of it, without a hole. */
struct prefix_match {
    uint32_t blocks;
    uint32_t on_host, on_disk; /* of these, those on no better tier: to be reloaded */
    uint32_t speculative;      /* of these, those that nothing but speculation speaks for */
};

/*
 * The match of every column in `columns` with the prompt whose blocks are `keys`, in one walk.
 * ret_matches[i] is that of columns[i]; PREFIX_COLUMN_NONE matches nothing. No column twice. Any
 * thread. Blocks that it finds count as used.
 */
void prefix_index_match(struct prefix_index *index, const uint64_t *keys, size_t count,
                        const uint32_t *columns, size_t column_count,
                        struct prefix_match *ret_matches);

/*
 * A column for an endpoint, empty; lowest numbers first, for those of a pool shall lie together.
 * PREFIX_COLUMN_NONE when all are taken. An endpoint that restarts gets a new one at once, and its
 * old one is retired: nothing of it is found by those who do not ask for it, and it is given out
 * again after a sweep has been through the whole index. From here on: writing thread only.
 */
uint32_t prefix_index_column_new(struct prefix_index *index);
void prefix_index_column_retire(struct prefix_index *index, uint32_t column);

/*
 * The column's owner says, or takes back: it stores on the GPU only, and when it has a block it has
 * all that come before it in any prompt, but for the moment in which a prompt is being stored. A
 * match may then leap over blocks. The index takes it back itself when it sheds a block.
 */
void prefix_index_column_gapless(struct prefix_index *index, uint32_t column, bool gapless);

/* Asks memory for what a change of this block will look at first; worth it for so many at a time,
 * which then come side by side. */
#define PREFIX_FETCH 16
void prefix_index_fetch(const struct prefix_index *index, uint64_t key);

/* The endpoint has the block on that tier, which is no guess any more; has it there no more. Both
 * may be said twice. Returns whether it was known already. */
bool prefix_index_store(struct prefix_index *index, uint64_t key, uint32_t column,
                        enum prefix_tier tier);
void prefix_index_remove(struct prefix_index *index, uint64_t key, uint32_t column,
                         enum prefix_tier tier);

/* A prompt was sent to an endpoint: it will hold its blocks, or already does, until `until_us` at
 * the longest. */
struct prefix_guess {
    uint64_t until_us;
    uint32_t column;
    uint32_t payer; /* whose prompt it is, below PREFIX_PAYERS */
    const uint64_t *keys;
    size_t count;
};

/*
 * Copies the keys. Speculation has an eighth of the index, and a payer of it at most as much as is
 * left for all others: alone half, one of two a third. So whoever sends the most, nobody's next
 * prompt is without. (A. Choudhury, E. Hahne: Dynamic Queue Length Thresholds, 1998.) What is more
 * is shed.
 */
void prefix_index_speculate(struct prefix_index *index, uint64_t now_us,
                            const struct prefix_guess *guess);

/*
 * House-keeping, to be called often: ends speculation that is due, and looks through some buckets
 * for holders of retired columns. Returns whether retired columns are left.
 */
bool prefix_index_tend(struct prefix_index *index, uint64_t now_us, size_t buckets);
/* There is nothing to tend until something changes. */
bool prefix_index_is_quiet(const struct prefix_index *index);

/* Any thread; each number by itself. */
struct prefix_index_stats {
    uint64_t blocks, holders; /* there now */
    uint64_t bytes;           /* taken, speculation's notes included */
    uint64_t shed;            /* holders that went for want of room, since the beginning */
    uint64_t columns;         /* given out or being swept */
};
void prefix_index_stats(const struct prefix_index *index, struct prefix_index_stats *ret_stats);

/* For tests and /fleet: the tiers that confirm the holder as bits (1 << tier), and whether it is
 * speculative. Any thread. */
unsigned prefix_index_tiers(struct prefix_index *index, uint64_t key, uint32_t column,
                            bool *ret_speculative);

#endif
