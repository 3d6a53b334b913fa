/*
 * Turn reuse. Nodes lie in a table of chains and in one list by age; a node's parent is always the
 * younger of the two in it, so the oldest node has no children.
 */
#include "gateway/prompt/turns.h"

#include "gateway/base/list.h"
#include "gateway/token/blocks.h"

#include <stdlib.h>
#include <sys/random.h>

#define TURNS_BUCKETS_FIRST 256

struct turn {
    struct list age;     /* turns->young, youngest first */
    struct turn *parent; /* NULL: of a text's first chunk */
    struct turn *heir;   /* the child met last; NULL: none, or it is gone */
    struct turn *tail;   /* the child that is shorter than a chunk; NULL: none */
    struct turn *next;   /* in its bucket */
    struct turns_owner owner;
    uint64_t hash; /* of all text up to the chunk's end, with the seed and the owner */
    uint32_t children;
    uint32_t len;      /* of text */
    uint32_t count;    /* of ids: those from the parent's place to this one's */
    uint32_t keys;     /* of blocks that end among these ids */
    size_t place;      /* bytes of text before the place */
    size_t ids_before; /* ids of the text before the place */
    char text[TURNS_CHUNK];
    uint64_t more[]; /* the keys; behind them the ids */
};

struct turns {
    struct turn **buckets;
    size_t bucket_count, count;
    struct list young;
    size_t bytes, limit;
    uint64_t seed;
    struct turn *found; /* the deepest whole chunk of the last turns_find */
    struct turn *ended; /* its tail, where that was found, too */
    size_t found_depth; /* whole chunks */
};

struct turns *turns_new(size_t bytes)
{
    struct turns *turns = xcalloc(1, sizeof(*turns));

    list_init(&turns->young);
    turns->limit = bytes;
    turns->bucket_count = TURNS_BUCKETS_FIRST;
    turns->buckets = xcalloc(turns->bucket_count, sizeof(*turns->buckets));
    CHECK(getrandom(&turns->seed, sizeof(turns->seed), 0) == (ssize_t)sizeof(turns->seed));
    return turns;
}

static size_t size_with(size_t keys, size_t ids)
{
    return sizeof(struct turn) + keys * sizeof(uint64_t) + ids * sizeof(uint32_t);
}

static size_t turn_size(const struct turn *turn)
{
    return size_with(turn->keys, turn->count);
}

static uint32_t *turn_ids(struct turn *turn)
{
    return (uint32_t *)(turn->more + turn->keys);
}

static struct turn **bucket_of(struct turns *turns, uint64_t hash)
{
    return &turns->buckets[hash & (turns->bucket_count - 1)];
}

static void turn_drop(struct turns *turns, struct turn *turn)
{
    struct turn **at = bucket_of(turns, turn->hash);

    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    if (turn->parent) {
        turn->parent->children--;
        if (turn->parent->heir == turn)
            turn->parent->heir = NULL;
        if (turn->parent->tail == turn)
            turn->parent->tail = NULL;
    }
    if (turns->found == turn)
        turns->found = NULL;
    if (turns->ended == turn)
        turns->ended = NULL;
    list_remove(&turn->age);
    turns->bytes -= turn_size(turn);
    turns->count--;
    free(turn);
}

static struct turn *oldest(const struct turns *turns)
{
    return list_is_empty(&turns->young) ? NULL : CONTAINER_OF(turns->young.prev, struct turn, age);
}

void turns_bound(struct turns *turns, size_t bytes)
{
    turns->limit = bytes;
    while (turns->bytes > bytes)
        turn_drop(turns, oldest(turns));
}

void turns_free(struct turns *turns)
{
    if (!turns)
        return;
    turns_bound(turns, 0);
    free(turns->buckets);
    free(turns);
}

size_t turns_bytes(const struct turns *turns)
{
    return turns->bytes;
}

static uint64_t first_hash(const struct turns *turns, struct turns_owner owner)
{
    return blocks_hash_bytes(turns->seed, slice_of((const char *)&owner, sizeof(owner)));
}

static bool is_chunk(const struct turn *turn, const struct turn *parent, struct turns_owner owner,
                     const char *text)
{
    return turn->parent == parent && turn->len == TURNS_CHUNK &&
           turn->owner.recipe == owner.recipe && turn->owner.scope == owner.scope &&
           turn->owner.block == owner.block && memcmp(turn->text, text, TURNS_CHUNK) == 0;
}

/* A tail that the text goes on with; NULL: it does not. */
static struct turn *find_tail(const struct turn *parent, struct slice rest)
{
    struct turn *tail = parent ? parent->tail : NULL;

    return tail && slice_starts(rest, slice_of(tail->text, tail->len)) ? tail : NULL;
}

/* `before`: the hash of all text in front of the chunk. */
static struct turn *find_child(struct turns *turns, struct turn *parent, uint64_t before,
                               struct turns_owner owner, const char *text)
{
    struct turn *turn = parent ? parent->heir : NULL;
    uint64_t hash;

    if (turn && memcmp(turn->text, text, TURNS_CHUNK) == 0)
        return turn;
    hash = blocks_hash_bytes(before, slice_of(text, TURNS_CHUNK));
    turn = *bucket_of(turns, hash);
    while (turn && !(turn->hash == hash && is_chunk(turn, parent, owner, text)))
        turn = turn->next;
    if (turn && parent)
        parent->heir = turn;
    return turn;
}

/* From the deepest up, so that parents end in front of their children. */
static void make_young(struct turns *turns, struct turn *turn)
{
    for (; turn; turn = turn->parent) {
        list_remove(&turn->age);
        list_push_front(&turns->young, &turn->age);
    }
}

static void give(struct turn *turn, struct turns_tokens tokens)
{
    if (turn->count > 0)
        memcpy(ids_reserve(tokens.ids, turn->count), turn_ids(turn),
               turn->count * sizeof(*tokens.ids->at));
    tokens.ids->count += turn->count;
    blocks_append(tokens.keys, turn->more, turn->keys);
}

size_t turns_find(struct turns *turns, struct turns_owner owner, struct slice text,
                  struct turns_tokens tokens)
{
    struct turn *turn = NULL, *child;
    size_t at = 0;

    turns->found_depth = 0;
    for (; at + TURNS_CHUNK <= text.len; at += TURNS_CHUNK) {
        child = find_child(turns, turn, turn ? turn->hash : first_hash(turns, owner), owner,
                           text.at + at);
        if (!child)
            break;
        turn = child;
        turns->found_depth++;
        give(turn, tokens);
    }
    turns->found = turn;
    turns->ended = find_tail(turn, slice_skip(text, at));
    if (turns->ended) {
        turn = turns->ended;
        give(turn, tokens);
    }
    make_young(turns, turn);
    return turn ? turn->place : 0;
}

static void grow(struct turns *turns)
{
    struct turn **before = turns->buckets;
    size_t count = turns->bucket_count;

    if (turns->count < count)
        return;
    turns->bucket_count = 2 * count;
    turns->buckets = xcalloc(turns->bucket_count, sizeof(*turns->buckets));
    for (size_t i = 0; i < count; i++)
        for (struct turn *turn = before[i], *next; turn; turn = next) {
            struct turn **bucket = bucket_of(turns, turn->hash);

            next = turn->next;
            turn->next = *bucket;
            *bucket = turn;
        }
    free(before);
}

/* False: everything that could go is needed. */
static bool make_room(struct turns *turns, size_t bytes, const struct turn *parent)
{
    while (turns->bytes + bytes > turns->limit) {
        struct turn *last = oldest(turns);

        if (!last || last == parent || last->children > 0)
            return false;
        turn_drop(turns, last);
    }
    return true;
}

static void link_turn(struct turns *turns, struct turn *turn)
{
    struct turn **bucket = bucket_of(turns, turn->hash);

    turn->next = *bucket;
    *bucket = turn;
    if (turn->parent) {
        turn->parent->children++;
        *(turn->len == TURNS_CHUNK ? &turn->parent->heir : &turn->parent->tail) = turn;
        list_insert_before(turn->parent->age.next, &turn->age); /* just older than it */
    } else {
        list_push_front(&turns->young, &turn->age);
    }
    turns->bytes += turn_size(turn);
    turns->count++;
    grow(turns);
}

/* What is known of a text that is being kept. */
struct keeping {
    struct turns *turns;
    struct turns_owner owner;
    struct turns_tokens tokens;
    size_t known; /* ids that cuts do not count */
    const struct cut *cuts, *end;
    struct turn *parent; /* of the next chunk; NULL: it is the first */
    struct cut place;    /* the last one before it */
};

/* The node of the chunk that comes next; NULL: there is no room. */
static struct turn *turn_new(const struct keeping *keeping, struct slice chunk)
{
    struct turn *parent = keeping->parent, *turn;
    size_t before = parent ? parent->ids_before : 0, count = keeping->place.count - before;
    size_t keys_before = before / keeping->owner.block;
    size_t keys = keeping->place.count / keeping->owner.block - keys_before;
    size_t size = size_with(keys, count);
    uint64_t hash = parent ? parent->hash : first_hash(keeping->turns, keeping->owner);

    if (!make_room(keeping->turns, size, parent))
        return NULL;
    turn = xmalloc(size);
    *turn = (struct turn){ .parent = parent,
                           .owner = keeping->owner,
                           .hash = blocks_hash_bytes(hash, chunk),
                           .len = (uint32_t)chunk.len,
                           .count = (uint32_t)count,
                           .keys = (uint32_t)keys,
                           .place = keeping->place.at,
                           .ids_before = keeping->place.count };
    list_init(&turn->age);
    memcpy(turn->text, chunk.at, chunk.len);
    if (keys > 0)
        memcpy(turn->more, keeping->tokens.keys->at + keys_before, keys * sizeof(uint64_t));
    if (count > 0)
        memcpy(turn_ids(turn), keeping->tokens.ids->at + before, count * sizeof(uint32_t));
    return turn;
}

/* Goes on to the last place before byte `end` of the text, or there. */
static void advance(struct keeping *keeping, size_t end)
{
    for (; keeping->cuts < keeping->end && keeping->cuts->at <= end; keeping->cuts++)
        keeping->place = (struct cut){ keeping->cuts->at, keeping->known + keeping->cuts->count };
}

/* A whole chunk. A tail in its way is part of it. */
static bool keep_chunk(struct keeping *keeping, struct slice chunk)
{
    struct turn *turn;

    if (keeping->parent && keeping->parent->tail)
        turn_drop(keeping->turns, keeping->parent->tail);
    turn = turn_new(keeping, chunk);
    if (turn)
        link_turn(keeping->turns, turn);
    keeping->parent = turn;
    return turn;
}

/* What is left of the text, where there is a place in it. */
static void keep_tail(struct keeping *keeping, struct slice rest)
{
    struct turn *parent = keeping->parent, *turn;
    const struct turn *known = keeping->turns->ended ? keeping->turns->ended : parent;

    if (!parent || keeping->place.at <= known->place)
        return;
    if (parent->tail)
        turn_drop(keeping->turns, parent->tail);
    turn = turn_new(keeping, rest);
    if (turn)
        link_turn(keeping->turns, turn);
}

void turns_keep(struct turns *turns, struct turns_owner owner, struct slice text,
                struct turns_tokens tokens, size_t known, const struct cut *cuts, size_t cut_count)
{
    const struct turn *last = turns->ended ? turns->ended : turns->found;
    struct keeping keeping = { .turns = turns,
                               .owner = owner,
                               .tokens = tokens,
                               .known = known,
                               .cuts = cuts,
                               .end = cuts + cut_count,
                               .parent = turns->found };
    size_t at = turns->found_depth * TURNS_CHUNK;

    if (!keeping.parent && turns->found_depth > 0)
        return;
    if (last)
        keeping.place = (struct cut){ last->place, last->ids_before };
    for (; at + TURNS_CHUNK <= text.len; at += TURNS_CHUNK) {
        advance(&keeping, at + TURNS_CHUNK);
        if (!keep_chunk(&keeping, slice_of(text.at + at, TURNS_CHUNK)))
            return;
    }
    advance(&keeping, text.len);
    keep_tail(&keeping, slice_skip(text, at));
}
