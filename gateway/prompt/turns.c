/*
 * Turn reuse. Nodes lie in a table of chains and in one list by age; a node's parent is always the
 * younger of the two in it, so the oldest node has no children.
 */
#include "gateway/prompt/turns.h"

#include "gateway/base/list.h"
#include "gateway/token/blocks.h"

#include <stdlib.h>
#include <sys/random.h>

/*
 * What follows a place may decide whether it is one: a longer added token may begin where a shorter
 * one matched. Longer added tokens than this are not known of any model; so much text behind a
 * place must be the same before it counts.
 */
#define TURNS_MARGIN 256

#define TURNS_BUCKETS_FIRST 256

struct turn {
    struct list age;     /* turns->young, youngest first */
    struct turn *parent; /* NULL: of a text's first chunk */
    struct turn *heir;   /* the child met last; NULL: none, or it is gone */
    struct turn *next;   /* in its bucket */
    struct turns_owner owner;
    uint64_t hash; /* of all text up to the chunk's end, with the seed and the owner */
    uint32_t children;
    uint32_t count;    /* of ids: those from the parent's place to this one's */
    uint32_t keys;     /* of blocks that end among these ids */
    size_t place;      /* bytes of text before the place */
    size_t ids_before; /* ids of the text before the place */
    char text[TURNS_CHUNK];
    uint64_t tail[]; /* the keys; behind them the ids */
};

struct turns {
    struct turn **buckets;
    size_t bucket_count, count;
    struct list young;
    size_t bytes, limit;
    uint64_t seed;
    struct turn *found; /* the deepest node of the last turns_find */
    size_t found_depth; /* its chunks */
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
    return (uint32_t *)(turn->tail + turn->keys);
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
    }
    if (turns->found == turn)
        turns->found = NULL;
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
    return turn->parent == parent && turn->owner.recipe == owner.recipe &&
           turn->owner.scope == owner.scope && turn->owner.block == owner.block &&
           memcmp(turn->text, text, TURNS_CHUNK) == 0;
}

static uint64_t chunk_hash(uint64_t before, const char *text)
{
    return blocks_hash_bytes(before, slice_of(text, TURNS_CHUNK));
}

/* `before`: the hash of all text in front of the chunk. */
static struct turn *find_child(struct turns *turns, struct turn *parent, uint64_t before,
                               struct turns_owner owner, const char *text)
{
    struct turn *turn = parent ? parent->heir : NULL;
    uint64_t hash;

    if (turn && memcmp(turn->text, text, TURNS_CHUNK) == 0)
        return turn;
    hash = chunk_hash(before, text);
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
    blocks_append(tokens.keys, turn->tail, turn->keys);
}

size_t turns_find(struct turns *turns, struct turns_owner owner, struct slice text,
                  struct turns_tokens tokens)
{
    struct turn *turn = NULL, *child;

    turns->found_depth = 0;
    for (size_t at = 0; at + TURNS_CHUNK <= text.len; at += TURNS_CHUNK) {
        child = find_child(turns, turn, turn ? turn->hash : first_hash(turns, owner), owner,
                           text.at + at);
        if (!child)
            break;
        turn = child;
        turns->found_depth++;
        give(turn, tokens);
    }
    make_young(turns, turn);
    turns->found = turn;
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
        turn->parent->heir = turn;
        list_insert_before(turn->parent->age.next, &turn->age); /* just older than it */
    } else {
        list_push_front(&turns->young, &turn->age);
    }
    turns->bytes += turn_size(turn);
    turns->count++;
    grow(turns);
}

/* A chunk's node, made from what is known of the whole text; NULL: there is no room. */
static struct turn *turn_new(struct turns *turns, struct turn *parent, struct turns_owner owner,
                             struct cut place, const char *text, struct turns_tokens tokens)
{
    size_t before = parent ? parent->ids_before : 0, count = place.count - before;
    size_t keys_before = before / owner.block, keys = place.count / owner.block - keys_before;
    size_t size = size_with(keys, count);
    struct turn *turn;

    if (!make_room(turns, size, parent))
        return NULL;
    turn = xmalloc(size);
    *turn = (struct turn){ .parent = parent,
                           .owner = owner,
                           .count = (uint32_t)count,
                           .keys = (uint32_t)keys,
                           .place = place.at,
                           .ids_before = place.count };
    list_init(&turn->age);
    memcpy(turn->text, text, TURNS_CHUNK);
    if (keys > 0)
        memcpy(turn->tail, tokens.keys->at + keys_before, keys * sizeof(*turn->tail));
    if (count > 0)
        memcpy(turn_ids(turn), tokens.ids->at + before, count * sizeof(*tokens.ids->at));
    return turn;
}

void turns_keep(struct turns *turns, struct turns_owner owner, struct slice text,
                struct turns_tokens tokens, size_t known, const struct cut *cuts, size_t cut_count)
{
    struct turn *parent = turns->found, *turn;
    struct cut place = { parent ? parent->place : 0, parent ? parent->ids_before : 0 };
    uint64_t hash = parent ? parent->hash : first_hash(turns, owner);
    size_t next = 0;

    if (!parent && turns->found_depth > 0)
        return;
    for (size_t at = turns->found_depth * TURNS_CHUNK; at + TURNS_CHUNK <= text.len;
         at += TURNS_CHUNK, parent = turn) {
        hash = chunk_hash(hash, text.at + at);
        for (; next < cut_count && cuts[next].at + TURNS_MARGIN <= at + TURNS_CHUNK; next++)
            place = (struct cut){ cuts[next].at, known + cuts[next].count };
        turn = turn_new(turns, parent, owner, place, text.at + at, tokens);
        if (!turn)
            return;
        turn->hash = hash;
        link_turn(turns, turn);
    }
}
