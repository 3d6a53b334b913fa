/*
 * An endpoint's column of the prefix index as its publishers fill it: a block is there until the
 * last page that has it goes, whichever mirror's it is.
 *
 * Pages of several ranks or sizes, or of prompts that part within a page, may have the same blocks.
 * One thread, the index's.
 */
#ifndef SLUICE_ROUTING_KV_COLUMN_H
#define SLUICE_ROUTING_KV_COLUMN_H

#include "routing/kv_pages.h"

struct kv_column {
    struct prefix_index *index;
    uint32_t number; /* another after it was renewed. PREFIX_COLUMN_NONE: all were taken */
    size_t mirrors;  /* that fill it; theirs to count */
    struct kv_pages_taken taken; /* by the pages of all mirrors, and by those shared */
    struct kv_pages shared; /* keys and tiers that several pages have: how many more, as `key` */
};

/* Takes a column of the index. */
void kv_column_init(struct kv_column *column, struct prefix_index *index);
/* Gives it back, with all that is in it. */
void kv_column_release(struct kv_column *column);
/* All that is in it is void, in one go: it is another column. False: there is none left. */
bool kv_column_renew(struct kv_column *column);

/* A page has the block there now, and not any more. */
void kv_column_claim(struct kv_column *column, uint64_t key, unsigned tier);
void kv_column_disclaim(struct kv_column *column, uint64_t key, unsigned tier);
/* Said again of a page that was there: the index may have shed it. */
void kv_column_remind(struct kv_column *column, uint64_t key, unsigned tier);

#endif
