/*
 * The pages an engine says it holds. See kv_pages.h.
 */
#include "routing/kv_pages.h"

#include "gateway/base/bytes16.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PIECE       1024 /* pages; 24 KB */
#define PIECES_MAX  (KV_PAGES_MAX / PIECE)
#define LINE        16 /* numbers in a line of the table */
#define NUMBER_BITS 24
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)

/* A hash's two lines and its bits. */
struct where {
    uint32_t line[2];
    uint32_t tag; /* never 0: that is an empty slot's */
};

static struct where where_of(const struct kv_pages *pages, uint64_t hash)
{
    uint64_t mixed = hash ^ pages->seed;

    /* The finalizer of MurmurHash3 (A. Appleby), twice: once would leave the seed's differences to
     * whoever chooses hashes. */
    for (int i = 0; i < 2; i++) {
        mixed = (mixed ^ mixed >> 33) * 0xff51afd7ed558ccd;
        mixed = (mixed ^ mixed >> 33) * 0xc4ceb9fe1a85ec53 + pages->seed;
    }
    return (struct where){
        .line = { (uint32_t)((mixed & UINT32_MAX) * pages->lines >> 32),
                  (uint32_t)((mixed >> 32) * pages->lines >> 32) },
        .tag = (uint32_t)(mixed * 0x9e3779b97f4a7c15 >> 56) | 1,
    };
}

static uint32_t *line_at(const struct kv_pages *pages, uint32_t line)
{
    return pages->table + (size_t)line * LINE;
}

static uint32_t *table_new(uint32_t lines)
{
    uint32_t *table = aligned_alloc(LINE * sizeof(*table), (size_t)lines * LINE * sizeof(*table));

    CHECK(table);
    memset(table, 0, (size_t)lines * LINE * sizeof(*table));
    return table;
}

void kv_pages_init(struct kv_pages *pages, struct kv_pages_taken *taken)
{
    memset(pages, 0, sizeof(*pages));
    pages->taken = taken;
    CHECK(getrandom(&pages->seed, sizeof(pages->seed), 0) == sizeof(pages->seed));
    pages->next = 1;
    pages->lines = 1;
    pages->table = table_new(1);
}

void kv_pages_release(struct kv_pages *pages)
{
    uint32_t at = 0;

    for (struct kv_page *page; (page = kv_pages_next(pages, &at));)
        kv_page_drop_keys(pages, page);
    for (uint32_t i = 0; i < pages->piece_count; i++)
        free(pages->pieces[i]);
    pages->taken->pieces -= pages->piece_count;
    free(pages->pieces);
    free(pages->table);
}

struct kv_page *kv_pages_at(const struct kv_pages *pages, uint32_t number)
{
    return &pages->pieces[number / PIECE][number % PIECE];
}

/* Which slots of a line have the tag, in the order of slot_in. */
static bytes16 tagged(const uint32_t *line, uint32_t tag)
{
    typedef uint32_t numbers __attribute__((vector_size(sizeof(bytes16))));
    numbers tags = (numbers){ 0 } + tag, found = { 0 };

    for (unsigned k = 0; k < LINE / 4; k++) {
        numbers few;

        memcpy(&few, line + 4 * k, sizeof(few));
        found |= (numbers)(few >> NUMBER_BITS == tags) & 0xffu << 8 * k;
    }
    return (bytes16)found;
}

/* The slot that a byte of `tagged` stands for. */
static uint32_t *slot_in(uint32_t *line, size_t byte)
{
    return &line[byte % 4 * 4 + byte / 4];
}

/* The slot of the table that has the page of this hash, or NULL. */
static uint32_t *slot_of(const struct kv_pages *pages, uint64_t hash)
{
    struct where where = where_of(pages, hash);

    for (int l = 0; l < 2; l++) {
        uint32_t *line = line_at(pages, where.line[l]);
        bytes16 alike = tagged(line, where.tag);

        for (size_t i; (i = bytes16_first(alike)) < LINE; alike[i] = 0) {
            uint32_t *slot = slot_in(line, i);

            if (kv_pages_at(pages, *slot & NUMBER_MASK)->hash == hash)
                return slot;
        }
    }
    return NULL;
}

void kv_pages_fetch(const struct kv_pages *pages, uint64_t hash)
{
    struct where where = where_of(pages, hash);

    __builtin_prefetch(line_at(pages, where.line[0]));
    __builtin_prefetch(line_at(pages, where.line[1]));
}

uint32_t kv_pages_look(const struct kv_pages *pages, uint64_t hash)
{
    const uint32_t *slot = slot_of(pages, hash);

    return slot ? *slot & NUMBER_MASK : 0;
}

struct kv_page *kv_pages_find(struct kv_pages *pages, uint64_t hash)
{
    uint32_t number = kv_pages_look(pages, hash);

    return number ? kv_pages_at(pages, number) : NULL;
}

/* How many slots of the line are empty; *ret_slot is one of them. */
static unsigned free_in(uint32_t *line, uint32_t **ret_slot)
{
    bytes16 empty = tagged(line, 0);
    unsigned count = bytes16_count(empty);

    *ret_slot = count ? slot_in(line, bytes16_first(empty)) : NULL;
    return count;
}

/* Moves one of a full line's numbers to its other line. Returns its slot; NULL: all are full. */
static uint32_t *make_room(struct kv_pages *pages, uint32_t line)
{
    uint32_t *slots = line_at(pages, line);

    for (unsigned i = 0; i < LINE; i++) {
        const struct kv_page *page = kv_pages_at(pages, slots[i] & NUMBER_MASK);
        struct where where = where_of(pages, page->hash);
        uint32_t *other;

        if (free_in(line_at(pages, where.line[where.line[0] == line]), &other) == 0)
            continue;
        *other = slots[i];
        slots[i] = 0;
        return &slots[i];
    }
    return NULL;
}

/* Into the emptier line. */
static bool table_put(struct kv_pages *pages, uint64_t hash, uint32_t number)
{
    struct where where = where_of(pages, hash);
    uint32_t *first[2];
    unsigned room[2];
    uint32_t *slot;

    for (int l = 0; l < 2; l++)
        room[l] = free_in(line_at(pages, where.line[l]), &first[l]);
    slot = first[room[1] > room[0]];
    if (!slot)
        slot = make_room(pages, where.line[0]);
    if (!slot)
        slot = make_room(pages, where.line[1]);
    if (slot)
        *slot = where.tag << NUMBER_BITS | number;
    return slot != NULL;
}

/* Half as large again, so that at least three fifths stay in use; all pages are put in anew. False:
 * even so, some two lines are full. */
static bool table_grow(struct kv_pages *pages)
{
    uint32_t *before = pages->table;
    uint32_t lines_before = pages->lines;
    bool fits = true;

    pages->lines += pages->lines / 2 + 1;
    pages->table = table_new(pages->lines);
    for (uint32_t number = 1; number < pages->next && fits; number++) {
        const struct kv_page *page = kv_pages_at(pages, number);

        if (page->kind != KV_PAGE_FREE)
            fits = table_put(pages, page->hash, number);
    }
    if (fits) {
        free(before);
        return true;
    }
    free(pages->table);
    pages->table = before;
    pages->lines = lines_before;
    return false;
}

/* Room for more pages. False: the engine has as many as it may. */
static bool piece_new(struct kv_pages *pages)
{
    if (pages->taken->pieces == PIECES_MAX)
        return false;
    pages->taken->pieces++;
    pages->pieces = xrealloc(pages->pieces, (pages->piece_count + 1) * sizeof(*pages->pieces));
    pages->pieces[pages->piece_count++] = xcalloc(PIECE, sizeof(struct kv_page));
    return true;
}

/* A number for a page, from those that were removed or never used. 0: there are none left. */
static uint32_t number_new(struct kv_pages *pages)
{
    uint32_t number = pages->unused;

    if (number) {
        pages->unused = (uint32_t)kv_pages_at(pages, number)->key;
        return number;
    }
    if (pages->next / PIECE == pages->piece_count && !piece_new(pages))
        return 0;
    return pages->next++;
}

static void number_free(struct kv_pages *pages, struct kv_page *page, uint32_t number)
{
    *page = (struct kv_page){ .kind = KV_PAGE_FREE, .key = pages->unused };
    pages->unused = number;
}

/* Grown before it is seven eighths full; with two lines of 16 to choose from, that is before any
 * is. One that is full earlier was aimed at. */
static bool table_has_room(struct kv_pages *pages)
{
    uint64_t slots = (uint64_t)pages->lines * LINE;

    return pages->count * 8ull < slots * 7 || table_grow(pages);
}

uint32_t kv_pages_put(struct kv_pages *pages, uint64_t hash)
{
    uint32_t number;
    struct kv_page *page;

    if (!table_has_room(pages))
        return 0;
    number = number_new(pages);
    if (!number)
        return 0;
    page = kv_pages_at(pages, number);
    /* Small tables fill by chance: those may grow early. */
    if (!table_put(pages, hash, number) &&
        (pages->lines > 64 || !table_grow(pages) || !table_put(pages, hash, number))) {
        number_free(pages, page, number);
        return 0;
    }
    *page = (struct kv_page){ .hash = hash, .kind = KV_PAGE_FOREIGN };
    pages->count++;
    return number;
}

struct kv_page *kv_pages_add(struct kv_pages *pages, uint64_t hash)
{
    uint32_t number = kv_pages_put(pages, hash);

    return number ? kv_pages_at(pages, number) : NULL;
}

static size_t part_bytes(uint32_t keys, uint32_t tokens)
{
    return sizeof(struct kv_part) + keys * sizeof(uint64_t) + tokens * sizeof(uint32_t);
}

static uint32_t part_token_count(const struct kv_part *part)
{
    return part->key_count ? part->end : (uint32_t)(part->end - part->begin);
}

static void more_give_back(struct kv_pages *pages, size_t bytes)
{
    pages->more_bytes -= bytes;
    pages->taken->more_bytes -= bytes;
}

void kv_page_drop_keys(struct kv_pages *pages, struct kv_page *page)
{
    if (page->kind == KV_PAGE_KEYS) {
        more_give_back(pages, page->key_count * sizeof(*page->keys));
        free(page->keys);
    } else if (page->kind == KV_PAGE_PART) {
        more_give_back(pages, part_bytes(page->part->key_count, part_token_count(page->part)));
        free(page->part);
    }
    page->kind = KV_PAGE_FOREIGN;
    page->key_count = 0;
}

/* What a page has instead of its keys. NULL: there is no room for it. */
static void *more_new(struct kv_pages *pages, struct kv_page *page, size_t bytes)
{
    kv_page_drop_keys(pages, page);
    if (bytes > KV_PAGES_MORE_BYTES - pages->taken->more_bytes)
        return NULL;
    pages->more_bytes += bytes;
    pages->taken->more_bytes += bytes;
    return xmalloc(bytes);
}

uint64_t *kv_page_make_keys(struct kv_pages *pages, struct kv_page *page, uint32_t count)
{
    uint64_t *keys = more_new(pages, page, count * sizeof(*keys));

    if (!keys)
        return NULL;
    page->kind = KV_PAGE_KEYS;
    page->key_count = count;
    page->keys = keys;
    return keys;
}

struct kv_part *kv_page_make_part(struct kv_pages *pages, struct kv_page *page, uint32_t keys,
                                  uint32_t tokens)
{
    struct kv_part *part = more_new(pages, page, part_bytes(keys, tokens));

    if (!part)
        return NULL;
    *part = (struct kv_part){ .key_count = keys };
    page->kind = KV_PAGE_PART;
    page->part = part;
    return part;
}

uint32_t *kv_part_tokens(struct kv_part *part)
{
    return (uint32_t *)(void *)(part->keys + part->key_count);
}

void kv_pages_remove(struct kv_pages *pages, struct kv_page *page)
{
    uint32_t *slot = slot_of(pages, page->hash);

    kv_page_drop_keys(pages, page);
    number_free(pages, page, *slot & NUMBER_MASK);
    *slot = 0;
    pages->count--;
}

uint32_t kv_page_number(struct kv_pages *pages, const struct kv_page *page)
{
    return kv_pages_look(pages, page->hash);
}

struct kv_page *kv_pages_next(const struct kv_pages *pages, uint32_t *at)
{
    while (*at + 1 < pages->next) {
        struct kv_page *page = kv_pages_at(pages, ++*at);

        if (page->kind != KV_PAGE_FREE)
            return page;
    }
    return NULL;
}

size_t kv_pages_bytes(const struct kv_pages *pages)
{
    return pages->piece_count * (PIECE * sizeof(struct kv_page) + sizeof(*pages->pieces)) +
           (size_t)pages->lines * LINE * sizeof(*pages->table) + pages->more_bytes;
}
