/*
 * The pages an engine says it holds: from the engine's hash of a page to our keys of its blocks.
 *
 * Pages lie in pieces of memory that never move, and are numbered; a table of 16 numbers a cache
 * line finds them, each hash in one of two lines, with seven bits beside each number that tell most
 * others apart. So a look-up touches two lines and a page, and no choice of hashes makes it longer:
 * where both lines are full though the table is not, the page is refused. At most 32 bytes a page
 * whose keys need no more room (unit test).
 *
 * One thread. A page's address is good until it is removed.
 */
#ifndef SLUICE_ROUTING_KV_PAGES_H
#define SLUICE_ROUTING_KV_PAGES_H

#include "routing/prefix_index.h"

/* Of one engine, of all its ranks together; 24 bits are there. Taken in pieces, and not given back
 * before the last page has gone. */
#define KV_PAGES_MAX (1u << 22)
/* Of one engine's keys and parts, beside its pages: what as many pages of one token each need. */
#define KV_PAGES_MORE_BYTES ((size_t)64 * KV_PAGES_MAX)

/* What a page's tokens are to our blocks. */
enum kv_page_kind {
    KV_PAGE_FREE,    /* no page */
    KV_PAGE_FOREIGN, /* no keys: its parent is not known, or it is more than tokens */
    KV_PAGE_KEY,     /* exactly one block */
    KV_PAGE_KEYS,    /* exactly several */
    KV_PAGE_PART,    /* begins or ends within a block */
};

/* A page that begins or ends within a block. */
struct kv_part {
    uint64_t chain; /* the key of the last block that ends in or before the page */
    /* Pages that share a block with it, by number: the one before it, the first one after it, and
     * others after the same parent. 0: none. */
    uint32_t parent, child, next, previous;
    uint16_t begin; /* tokens of its first block that lie before the page */
    uint16_t end;   /* tokens of a block that ends after it, 0 to block - 1 */
    uint32_t key_count;
    uint8_t shown;   /* the tier that the index has of its first key; PREFIX_TIER_COUNT: none */
    uint64_t keys[]; /* of the blocks that end in it; then the tokens after the last of them */
};

struct kv_page {
    uint64_t hash; /* the engine's, and its rank */
    union {
        uint64_t key;
        uint64_t *keys; /* ours; freed with the page */
        struct kv_part *part;
    };
    uint8_t copies[PREFIX_TIER_COUNT]; /* physical ones; stays at 255 where there are more */
    uint8_t kind;
    uint32_t key_count; /* of KEYS */
};

/* What all pages of one engine have of what there may be. Zero at first. */
struct kv_pages_taken {
    uint32_t pieces;
    size_t more_bytes;
};

struct kv_pages {
    struct kv_pages_taken *taken; /* shared with the engine's others */
    struct kv_page **pieces;
    uint32_t piece_count;
    uint32_t count;    /* pages there are */
    uint32_t unused;   /* the first of the removed ones, chained by key; 0: none */
    uint32_t next;     /* the lowest number that never was a page; 0 is none */
    uint32_t *table;   /* lines of 16: number, and eight bits of the hash above it */
    uint32_t lines;    /* of the table */
    uint64_t seed;     /* so that nobody outside knows which lines a hash has */
    size_t more_bytes; /* of keys and parts */
};

/* `taken` must outlive them. */
void kv_pages_init(struct kv_pages *pages, struct kv_pages_taken *taken);
void kv_pages_release(struct kv_pages *pages);

/* Asks memory for what kv_pages_find will look at first. */
void kv_pages_fetch(const struct kv_pages *pages, uint64_t hash);
/* NULL: there is none. */
struct kv_page *kv_pages_find(struct kv_pages *pages, uint64_t hash);
/* A new page, KV_PAGE_FOREIGN, without copies; the hash must not be there. NULL: the engine has too
 * many, or too many that look alike. */
struct kv_page *kv_pages_add(struct kv_pages *pages, uint64_t hash);
/* The same, for who links pages by number; 0 instead of NULL. */
uint32_t kv_pages_look(const struct kv_pages *pages, uint64_t hash);
uint32_t kv_pages_put(struct kv_pages *pages, uint64_t hash);
void kv_pages_remove(struct kv_pages *pages, struct kv_page *page);

/* Room for what a page of KEYS or PART has; belongs to the page. NULL: the engine's have too
 * much together, it is FOREIGN. */
uint64_t *kv_page_make_keys(struct kv_pages *pages, struct kv_page *page, uint32_t count);
struct kv_part *kv_page_make_part(struct kv_pages *pages, struct kv_page *page, uint32_t keys,
                                  uint32_t tokens);
/* FOREIGN again. */
void kv_page_drop_keys(struct kv_pages *pages, struct kv_page *page);
uint32_t *kv_part_tokens(struct kv_part *part);

/* By number, and its number: for links. */
struct kv_page *kv_pages_at(const struct kv_pages *pages, uint32_t number);
uint32_t kv_page_number(struct kv_pages *pages, const struct kv_page *page);

/* For walks: `*at` starts at 0; NULL at the end. The page at hand may be removed. */
struct kv_page *kv_pages_next(const struct kv_pages *pages, uint32_t *at);

size_t kv_pages_bytes(const struct kv_pages *pages);

#endif
