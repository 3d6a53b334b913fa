/*
 * An engine's cache as its events tell it. See kv_mirror.h.
 */
#include "routing/kv_mirror.h"

#include "routing/cache_scope.h"

#include <stdlib.h>
#include <string.h>

/* What a batch may cost beyond its own pages: a block's other pages are looked at when one comes or
 * goes, which is 15 at most where pages do not branch inside blocks. */
#define VISITS_A_BATCH 4096
#define VISITS_A_PAGE  64
#define PAGES_AHEAD    8 /* whose places in memory are asked for early */
/* So few keys are taken out one by one rather than with their column, which takes a sweep to come
 * back; and all of a mirror that shares its column. */
#define CLEAR_SINGLY 4096

/* Where a sequence stands after a page. */
struct tail {
    bool known;
    uint64_t chain;  /* the last key */
    uint32_t tokens; /* beyond it */
    uint32_t page;   /* that has the last of them; 0 where there are none */
};

/* A page of an event, and where it goes. */
struct stored {
    const struct kv_event *event;
    size_t at;
    struct tail tail; /* before it */
    /* The keys of all of its pages, if each is whole blocks; else NULL. */
    const uint64_t *keys;
};

void kv_mirror_init(struct kv_mirror *mirror, struct kv_column *column, uint32_t block,
                    uint64_t prefix_seed, struct slice cache)
{
    memset(mirror, 0, sizeof(*mirror));
    mirror->column = column;
    mirror->block = block;
    mirror->prefix_seed = prefix_seed;
    mirror->cache = cache;
    column->mirrors++;
    kv_pages_init(&mirror->pages, &mirror->column->taken);
}

void kv_mirror_release(struct kv_mirror *mirror)
{
    mirror->column->mirrors--;
    kv_pages_release(&mirror->pages);
    free(mirror->keys);
}

void kv_mirror_begin(struct kv_mirror *mirror)
{
    mirror->visits = VISITS_A_BATCH;
}

/* Ranks have caches of their own, and may have the same hashes. */
static uint64_t ranked(uint64_t hash, uint32_t rank)
{
    return hash + rank * 0x9e3779b97f4a7c15;
}

static struct kv_page *find(struct kv_mirror *mirror, uint64_t hash, uint32_t rank)
{
    return kv_pages_find(&mirror->pages, ranked(hash, rank));
}

static bool has_copies(const struct kv_page *page)
{
    return page->copies[PREFIX_TIER_GPU] || page->copies[PREFIX_TIER_HOST] ||
           page->copies[PREFIX_TIER_DISK];
}

/* The best one it has a copy on; PREFIX_TIER_COUNT: none. */
static unsigned best_tier(const struct kv_page *page)
{
    unsigned tier = 0;

    while (tier < PREFIX_TIER_COUNT && page->copies[tier] == 0)
        tier++;
    return tier;
}

static struct tail tail_of(struct kv_mirror *mirror, const struct kv_page *page)
{
    switch (page->kind) {
    case KV_PAGE_KEY:
        return (struct tail){ .known = true, .chain = page->key };
    case KV_PAGE_KEYS:
        return (struct tail){ .known = true, .chain = page->keys[page->key_count - 1] };
    case KV_PAGE_PART:
        return (struct tail){
            .known = true,
            .chain = page->part->chain,
            .tokens = page->part->end,
            .page = page->part->end ? kv_page_number(&mirror->pages, page) : 0,
        };
    default:
        return (struct tail){ .known = false };
    }
}

static struct kv_part *part_at(struct kv_mirror *mirror, uint32_t number)
{
    return kv_pages_at(&mirror->pages, number)->part;
}

/* The last `count` tokens up to and with that page, which has the end of them. */
static void gather(struct kv_mirror *mirror, uint32_t number, uint32_t count, uint32_t *ret_tokens)
{
    while (count > 0) {
        struct kv_part *part = part_at(mirror, number);
        uint32_t here = part->key_count ? part->end : (uint32_t)(part->end - part->begin);

        memcpy(ret_tokens + count - here, kv_part_tokens(part), here * sizeof(*ret_tokens));
        count -= here;
        number = part->parent;
    }
}

static uint64_t *scratch(struct kv_mirror *mirror, size_t count)
{
    if (count > mirror->key_room) {
        mirror->key_room = count;
        mirror->keys = xrealloc(mirror->keys, count * sizeof(*mirror->keys));
    }
    return mirror->keys;
}

/* The keys of the blocks that end in the page: the first may begin before it. */
static void part_keys(struct kv_mirror *mirror, const struct tail *tail, const uint32_t *tokens,
                      uint32_t page_tokens, uint64_t *ret_keys)
{
    uint32_t first[BLOCK_TOKENS_MAX];
    uint32_t missing = mirror->block - tail->tokens;
    uint64_t chain = tail->chain;

    if (tail->tokens > 0) {
        gather(mirror, tail->page, tail->tokens, first);
        memcpy(first + tail->tokens, tokens, missing * sizeof(*tokens));
        blocks_hash(chain, first, mirror->block, mirror->block, ret_keys);
        chain = *ret_keys++;
        tokens += missing;
        page_tokens -= missing;
    }
    blocks_hash(chain, tokens, page_tokens, mirror->block, ret_keys);
}

/* Among its parent's pages. */
static void link_part(struct kv_mirror *mirror, struct kv_page *page)
{
    struct kv_part *parent = part_at(mirror, page->part->parent);
    uint32_t number = kv_page_number(&mirror->pages, page);

    page->part->next = parent->child;
    if (parent->child)
        part_at(mirror, parent->child)->previous = number;
    parent->child = number;
}

static void unlink_part(struct kv_mirror *mirror, const struct kv_part *part)
{
    if (part->next)
        part_at(mirror, part->next)->previous = part->previous;
    if (part->previous)
        part_at(mirror, part->previous)->next = part->next;
    else
        part_at(mirror, part->parent)->child = part->next;
}

static bool make_part(struct kv_mirror *mirror, struct kv_page *page, const struct tail *tail,
                      const uint32_t *tokens, uint32_t page_tokens)
{
    uint32_t total = tail->tokens + page_tokens;
    uint32_t keys = total / mirror->block;
    uint32_t end = total % mirror->block;
    uint32_t kept = keys ? end : page_tokens; /* of its tokens: those of an unfinished block */
    struct kv_part *part = kv_page_make_part(&mirror->pages, page, keys, kept);

    if (!part)
        return false;
    part->begin = (uint16_t)tail->tokens;
    part->end = (uint16_t)end;
    part->parent = tail->page;
    part->shown = PREFIX_TIER_COUNT;
    part->chain = tail->chain;
    memcpy(kv_part_tokens(part), tokens + page_tokens - kept, kept * sizeof(*tokens));
    if (keys > 0) {
        part_keys(mirror, tail, tokens, page_tokens, part->keys);
        part->chain = part->keys[keys - 1];
    }
    if (part->parent)
        link_part(mirror, page);
    return true;
}

static bool make_keys(struct kv_mirror *mirror, struct kv_page *page, const uint64_t *keys,
                      uint32_t count)
{
    uint64_t *room;

    if (count > 1) {
        room = kv_page_make_keys(&mirror->pages, page, count);
        if (room)
            memcpy(room, keys, count * sizeof(*keys));
        return room != NULL;
    }
    page->kind = KV_PAGE_KEY;
    page->key = *keys;
    return true;
}

/* Of a block that several pages make up: it is on `tier` now and on no other. */
static void show(struct kv_mirror *mirror, struct kv_part *part, unsigned tier)
{
    if (part->shown == tier && tier < PREFIX_TIER_COUNT)
        kv_column_remind(mirror->column, part->keys[0], tier);
    if (part->shown == tier)
        return;
    if (part->shown < PREFIX_TIER_COUNT)
        kv_column_disclaim(mirror->column, part->keys[0], part->shown);
    if (tier < PREFIX_TIER_COUNT)
        kv_column_claim(mirror->column, part->keys[0], tier);
    part->shown = (uint8_t)tier;
}

static unsigned worse(unsigned tier, const struct kv_page *page)
{
    unsigned best = best_tier(page);

    return best > tier ? best : tier;
}

/* The pages after this one in its last block, as that is held up to here on `tier`. */
static void show_after(struct kv_mirror *mirror, const struct kv_part *part, unsigned tier)
{
    for (uint32_t number = part->child; number && mirror->visits > 0;) {
        struct kv_page *page = kv_pages_at(&mirror->pages, number);
        unsigned here = worse(tier, page);

        mirror->visits--;
        if (page->part->key_count > 0)
            show(mirror, page->part, here);
        else
            show_after(mirror, page->part, here);
        number = page->part->next;
    }
}

/* How the page's first block is held up to and with it. */
static unsigned tier_up_to(struct kv_mirror *mirror, const struct kv_page *page)
{
    unsigned tier = best_tier(page);

    while (page->part->begin > 0) {
        page = kv_pages_at(&mirror->pages, page->part->parent);
        tier = worse(tier, page);
        if (page->part->key_count > 0)
            break;
    }
    return tier;
}

/* The keys that the page has by itself. */
static const uint64_t *own_keys(const struct kv_page *page, uint32_t *ret_count)
{
    uint32_t shared;

    switch (page->kind) {
    case KV_PAGE_KEY:
        *ret_count = 1;
        return &page->key;
    case KV_PAGE_KEYS:
        *ret_count = page->key_count;
        return page->keys;
    case KV_PAGE_PART:
        shared = page->part->begin > 0 && page->part->key_count > 0;
        *ret_count = page->part->key_count - shared;
        return page->part->keys + shared;
    default:
        *ret_count = 0;
        return NULL;
    }
}

/* A part's copies came or went: the block it began in, and the later pages of its last block. */
static void show_part(struct kv_mirror *mirror, struct kv_page *page)
{
    struct kv_part *part = page->part;

    if (part->begin > 0 && part->key_count > 0)
        show(mirror, part, tier_up_to(mirror, page));
    if (part->end > 0)
        show_after(mirror, part, part->key_count ? best_tier(page) : tier_up_to(mirror, page));
}

/* What becomes of a page's own keys on a tier. */
typedef void key_fn(struct kv_column *column, uint64_t key, unsigned tier);

static void each_own_key(struct kv_mirror *mirror, const struct kv_page *page, unsigned tier,
                         key_fn *fn)
{
    uint32_t count;
    const uint64_t *keys = own_keys(page, &count);

    for (uint32_t i = 0; i < count; i++)
        fn(mirror->column, keys[i], tier);
}

/* Gives a page its keys, or what others need to get theirs. False: there is no room for that. */
static bool key_page(struct kv_mirror *mirror, struct kv_page *page, const struct stored *stored)
{
    const struct kv_event *event = stored->event;
    const uint32_t *tokens = event->tokens + stored->at * event->page_tokens;
    uint32_t count = event->page_tokens / mirror->block;

    if (stored->keys)
        return make_keys(mirror, page, stored->keys + stored->at * count, count);
    return make_part(mirror, page, &stored->tail, tokens, event->page_tokens);
}

/* Keys for all of the event's pages in one go, if they are whole blocks. */
static void key_event(struct kv_mirror *mirror, struct stored *stored)
{
    const struct kv_event *event = stored->event;

    if (!stored->tail.known || stored->tail.tokens > 0 || event->page_tokens % mirror->block > 0)
        return;
    stored->keys = scratch(mirror, event->token_count / mirror->block);
    blocks_hash(stored->tail.chain, event->tokens, event->token_count, mirror->block, mirror->keys);
}

/* Whether the event's keys go on where the page before ended. They do not where that was there
 * already with other tokens before it, which no honest engine says: what follows has no key. */
static bool is_chained(const struct stored *stored, uint32_t keys_a_page)
{
    return !stored->keys || stored->at == 0 ||
           (stored->tail.known && stored->tail.tokens == 0 &&
            stored->tail.chain == stored->keys[stored->at * keys_a_page - 1]);
}

static void fetch_ahead(struct kv_mirror *mirror, const struct stored *stored)
{
    const struct kv_event *event = stored->event;
    size_t at = stored->at + PAGES_AHEAD;

    if (at >= event->hash_count)
        return;
    kv_pages_fetch(&mirror->pages, ranked(event->hashes[at], event->rank));
    if (stored->keys)
        prefix_index_fetch(mirror->column->index,
                           stored->keys[at * (event->page_tokens / mirror->block)]);
}

static struct kv_page *page_for(struct kv_mirror *mirror, uint64_t hash, uint32_t rank)
{
    struct kv_page *page = find(mirror, hash, rank);

    return page ? page : kv_pages_add(&mirror->pages, ranked(hash, rank));
}

/* One copy more. `fresh`: the page has its keys since this moment, its older copies wait for that.
 */
static void add_copy(struct kv_mirror *mirror, struct kv_page *page, enum prefix_tier tier,
                     bool fresh)
{
    bool first = page->copies[tier] == 0;

    if (page->copies[tier] < UINT8_MAX)
        page->copies[tier]++;
    if (!fresh)
        each_own_key(mirror, page, tier, first ? kv_column_claim : kv_column_remind);
    for (unsigned t = 0; fresh && t < PREFIX_TIER_COUNT; t++)
        if (page->copies[t])
            each_own_key(mirror, page, t, kv_column_claim);
    if (page->kind == KV_PAGE_PART)
        show_part(mirror, page);
}

/* One page stored. What comes after it continues from stored->tail. */
static void store_page(struct kv_mirror *mirror, struct stored *stored)
{
    const struct kv_event *event = stored->event;
    struct kv_page *page = page_for(mirror, event->hashes[stored->at], event->rank);
    bool fresh = false;

    mirror->stats.stored++;
    mirror->visits += VISITS_A_PAGE;
    if (!page) {
        mirror->stats.refused++;
        stored->tail.known = false;
        return;
    }
    if (stored->at >= event->first_foreign) {
        mirror->stats.foreign++;
    } else if (!stored->tail.known) {
        mirror->stats.orphans++;
    } else if (page->kind == KV_PAGE_FOREIGN) {
        fresh = key_page(mirror, page, stored);
        mirror->stats.refused += !fresh;
    }
    add_copy(mirror, page, event->tier, fresh);
    stored->tail = tail_of(mirror, page);
}

static struct tail tail_before(struct kv_mirror *mirror, const struct kv_event *event)
{
    const struct blocks_scope scope =
        cache_scope(mirror->prefix_seed, mirror->cache, event->lora, event->salt);
    const struct kv_page *parent;

    if (!event->has_parent)
        return (struct tail){ .known = true, .chain = blocks_seed(&scope) };
    parent = find(mirror, event->parent, event->rank);
    return parent ? tail_of(mirror, parent) : (struct tail){ .known = false };
}

static void apply_stored(struct kv_mirror *mirror, const struct kv_event *event)
{
    struct stored stored = { .event = event, .tail = tail_before(mirror, event) };

    mirror->page_tokens = event->page_tokens;
    key_event(mirror, &stored);
    for (; stored.at < event->hash_count && mirror->visits > 0; stored.at++) {
        stored.tail.known &= is_chained(&stored, event->page_tokens / mirror->block);
        fetch_ahead(mirror, &stored);
        store_page(mirror, &stored);
    }
}

/* A page without copies goes, unless others need its tokens; then it goes with the last of them. */
static void let_go(struct kv_mirror *mirror, struct kv_page *page)
{
    while (page && !has_copies(page)) {
        struct kv_page *parent = NULL;

        if (page->kind == KV_PAGE_PART) {
            if (page->part->child)
                return;
            if (page->part->parent) {
                parent = kv_pages_at(&mirror->pages, page->part->parent);
                unlink_part(mirror, page->part);
            }
        }
        kv_pages_remove(&mirror->pages, page);
        page = parent;
    }
}

static void remove_page(struct kv_mirror *mirror, uint64_t hash, const struct kv_event *event)
{
    struct kv_page *page = find(mirror, hash, event->rank);

    mirror->visits += VISITS_A_PAGE;
    if (!page || page->copies[event->tier] == 0)
        return;
    mirror->stats.removed++;
    if (page->copies[event->tier] == UINT8_MAX || --page->copies[event->tier] > 0)
        return;
    each_own_key(mirror, page, event->tier, kv_column_disclaim);
    if (page->kind == KV_PAGE_PART)
        show_part(mirror, page);
    let_go(mirror, page);
}

static void apply_removed(struct kv_mirror *mirror, const struct kv_event *event)
{
    for (size_t i = 0; i < event->hash_count && mirror->visits > 0; i++)
        remove_page(mirror, event->hashes[i], event);
}

static bool rank_is_known(struct kv_mirror *mirror, uint32_t rank)
{
    for (size_t i = 0; i < mirror->rank_count; i++)
        if (mirror->ranks[i] == rank)
            return true;
    if (mirror->rank_count == KV_RANKS_MAX)
        return false;
    mirror->ranks[mirror->rank_count++] = rank;
    return true;
}

/* A prefix is cached where all groups of layers have it; one of them stands for all. */
static bool is_of_our_group(struct kv_mirror *mirror, const struct kv_event *event)
{
    if (!mirror->has_group && event->type == KV_EVENT_STORED) {
        mirror->has_group = true;
        mirror->group = event->group;
    }
    return event->group == mirror->group;
}

void kv_mirror_apply(struct kv_mirror *mirror, const struct kv_event *event)
{
    if (event->type == KV_EVENT_CLEARED) {
        /* Of all ranks, though the engine says it of one: pages do not keep theirs, engines have a
         * publisher a rank, and what is forgotten too much comes back as it is stored again. */
        kv_mirror_clear(mirror);
        return;
    }
    if (!is_of_our_group(mirror, event))
        return;
    if (!rank_is_known(mirror, event->rank)) {
        mirror->stats.refused += event->hash_count;
        return;
    }
    if (event->type == KV_EVENT_STORED)
        apply_stored(mirror, event);
    else
        apply_removed(mirror, event);
    if (mirror->visits <= 0) { /* distrusted */
        kv_mirror_clear(mirror);
        kv_mirror_begin(mirror);
    }
}

static void hide_all(struct kv_mirror *mirror)
{
    uint32_t at = 0;

    for (struct kv_page *page; (page = kv_pages_next(&mirror->pages, &at));) {
        for (unsigned tier = 0; tier < PREFIX_TIER_COUNT; tier++)
            if (page->copies[tier])
                each_own_key(mirror, page, tier, kv_column_disclaim);
        if (page->kind == KV_PAGE_PART && page->part->shown < PREFIX_TIER_COUNT)
            kv_column_disclaim(mirror->column, page->part->keys[0], page->part->shown);
    }
}

void kv_mirror_clear(struct kv_mirror *mirror)
{
    const struct kv_column *column = mirror->column;
    size_t keys = mirror->pages.count + mirror->pages.more_bytes / sizeof(uint64_t);
    bool renews =
        column->number == PREFIX_COLUMN_NONE || (column->mirrors == 1 && keys > CLEAR_SINGLY);

    mirror->stats.clears++;
    if (!renews || !kv_column_renew(mirror->column))
        hide_all(mirror);
    kv_pages_release(&mirror->pages);
    kv_pages_init(&mirror->pages, &mirror->column->taken);
    mirror->rank_count = 0;
    mirror->has_group = false;
}
