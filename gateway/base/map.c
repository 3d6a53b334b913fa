/*
 * The hash map: linear probing in a table at most three quarters full. Removing shifts the entries
 * behind it back, so that there are no tombstones to grow over.
 */
#include "gateway/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAP_SIZE_MIN 16

static pthread_once_t map_key_once = PTHREAD_ONCE_INIT;
static uint64_t map_key[2];

static void map_key_make(void)
{
    CHECK(getrandom(map_key, sizeof(map_key), 0) == (ssize_t)sizeof(map_key));
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* The last word: what is left of the key, and its length in the top byte. Little-endian by
 * definition. */
static uint64_t sip_tail(const unsigned char *at, size_t left, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static uint64_t sip_load(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t map_siphash(const uint64_t key[2], struct slice text)
{
    struct sip s = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
    const unsigned char *at = (const unsigned char *)text.at;
    size_t words = text.len / 8;

    for (size_t i = 0; i < words; i++)
        sip_word(&s, sip_load(at + 8 * i));
    sip_word(&s, sip_tail(at + 8 * words, text.len % 8, text.len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t map_hash(struct slice key)
{
    pthread_once(&map_key_once, map_key_make);
    if (key.len == 0)
        key.at = "";
    return map_siphash(map_key, key);
}

void map_init(struct map *map)
{
    *map = (struct map){ 0 };
}

void map_release(struct map *map)
{
    free(map->entries);
    map_init(map);
}

/* The slot that holds `key`, or the free one where it would go. The table must not be empty. */
static struct map_entry *map_slot(const struct map *map, struct slice key, uint64_t hash)
{
    size_t at = hash & (map->size - 1);

    while (map->entries[at].value &&
           (map->entries[at].hash != hash || !slice_eq(map->entries[at].key, key)))
        at = (at + 1) & (map->size - 1);
    return &map->entries[at];
}

static void map_grow(struct map *map)
{
    struct map old = *map;

    map->size = old.size ? old.size * 2 : MAP_SIZE_MIN;
    map->entries = xcalloc(map->size, sizeof(*map->entries));
    for (size_t i = 0; i < old.size; i++)
        if (old.entries[i].value)
            *map_slot(map, old.entries[i].key, old.entries[i].hash) = old.entries[i];
    free(old.entries);
}

void *map_get(const struct map *map, struct slice key)
{
    return map->count ? map_slot(map, key, map_hash(key))->value : NULL;
}

void *map_put(struct map *map, struct slice key, void *value)
{
    uint64_t hash = map_hash(key);
    struct map_entry *slot;
    void *before;

    CHECK(value);
    if ((map->count + 1) * 4 > map->size * 3)
        map_grow(map);
    slot = map_slot(map, key, hash);
    before = slot->value;
    map->count += !before;
    *slot = (struct map_entry){ .key = key, .value = value, .hash = hash };
    return before;
}

/* Closes the gap at `hole`: entries behind it move up as far as their own place allows. */
static void map_close_gap(struct map *map, size_t hole)
{
    size_t mask = map->size - 1;

    for (size_t at = (hole + 1) & mask; map->entries[at].value; at = (at + 1) & mask) {
        size_t home = map->entries[at].hash & mask;

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct map_entry){ 0 };
}

void *map_remove(struct map *map, struct slice key)
{
    struct map_entry *slot;
    void *value;

    if (map->count == 0)
        return NULL;
    slot = map_slot(map, key, map_hash(key));
    value = slot->value;
    if (value) {
        map->count--;
        map_close_gap(map, (size_t)(slot - map->entries));
    }
    return value;
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->size) {
        void *value = map->entries[(*at)++].value;

        if (value)
            return value;
    }
    return NULL;
}
