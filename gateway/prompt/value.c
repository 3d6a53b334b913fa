/*
 * Values: building them, dicts. Lists and dicts grow by doubling; what they grew out of stays in
 * the arena.
 */
#include "gateway/prompt/value.h"

#include "gateway/base/map.h"
#include "gateway/prompt/value_number.h"

/* Loops and lengths count from 0: these ints are shared, as None, True and False are. */
#define SHARED_INTS 256

static struct value ints[SHARED_INTS];

/* Before main, so that no thread sees them half done. */
__attribute__((constructor)) static void make_ints(void)
{
    for (int i = 0; i < SHARED_INTS; i++)
        ints[i] = (struct value){ .kind = VALUE_INT, .integer = i };
}

static struct value none = { .kind = VALUE_NONE };
static struct value truths[2] = { { .kind = VALUE_BOOL, .integer = 0 },
                                  { .kind = VALUE_BOOL, .integer = 1 } };

struct value *value_none(void)
{
    return &none;
}

struct value *value_bool(bool truth)
{
    return &truths[truth];
}

struct value *value_new(struct arena *arena, enum value_kind kind)
{
    struct value *value = arena_try_alloc(arena, sizeof(*value));

    if (value)
        *value = (struct value){ .kind = (uint8_t)kind };
    return value;
}

struct value *value_int(struct arena *arena, int64_t number)
{
    struct value *value;

    if (number >= 0 && number < SHARED_INTS)
        return &ints[number];
    value = value_new(arena, VALUE_INT);
    if (value)
        value->integer = number;
    return value;
}

struct value *value_float(struct arena *arena, double number)
{
    struct value *value = value_new(arena, VALUE_FLOAT);

    if (value)
        value->real = number;
    return value;
}

struct value *value_text(struct arena *arena, struct slice text)
{
    struct value *value = text.len > UINT32_MAX ? NULL : value_new(arena, VALUE_TEXT);

    if (value) {
        value->text = text.at ? text.at : "";
        value->count = (uint32_t)text.len;
    }
    return value;
}

struct value *value_list(struct arena *arena)
{
    return value_new(arena, VALUE_LIST);
}

struct value *value_tuple(struct arena *arena)
{
    return value_new(arena, VALUE_TUPLE);
}

/* Items are given room in powers of two, from 4: the count alone tells when it is used up. */
static size_t room_for(size_t count)
{
    size_t room = 4;

    while (room < count)
        room *= 2;
    return room;
}

struct value *value_sequence(struct arena *arena, enum value_kind kind, size_t count)
{
    struct value *value = count > UINT32_MAX / 2 ? NULL : value_new(arena, kind);

    if (!value || count == 0)
        return value;
    value->items = arena_try_alloc(arena, room_for(count) * sizeof(*value->items));
    value->count = (uint32_t)count;
    return value->items ? value : NULL;
}

bool value_append(struct arena *arena, struct value *list, struct value *item)
{
    uint32_t count = list->count;

    if (!item || count >= UINT32_MAX / 2)
        return false;
    if (count == 0 || (count >= 4 && (count & (count - 1)) == 0)) {
        struct value **items = arena_try_alloc(arena, room_for(count + 1) * sizeof(*items));

        if (!items)
            return false;
        if (count)
            memcpy(items, list->items, count * sizeof(*items));
        list->items = items;
    }
    list->items[list->count++] = item;
    return true;
}

struct value *value_dict(struct arena *arena)
{
    struct value *value = value_new(arena, VALUE_DICT);

    if (!value)
        return NULL;
    value->dict = arena_try_alloc(arena, sizeof(*value->dict));
    if (!value->dict)
        return NULL;
    *value->dict = (struct dict){ 0 };
    return value;
}

/* Tuples in tuples in tuples: deeper than this nothing is a key, so that nothing recurses far. */
#define KEY_DEPTH_MAX 16

static bool hashable(const struct value *value, int depth)
{
    if (value->kind == VALUE_LIST || value->kind == VALUE_DICT || depth > KEY_DEPTH_MAX)
        return false;
    for (uint32_t i = 0; value->kind == VALUE_TUPLE && i < value->count; i++)
        if (!hashable(value->items[i], depth + 1))
            return false;
    return true;
}

bool value_hashable(const struct value *value)
{
    return hashable(value, 0);
}

static uint64_t mix(uint64_t x)
{
    return map_hash(slice_of((const char *)&x, sizeof(x)));
}

/* Equal keys have equal hashes, whatever their kinds. */
static uint64_t key_hash(const struct value *key)
{
    uint64_t hash = key->kind;

    switch ((enum value_kind)key->kind) {
    case VALUE_TEXT:
    case VALUE_BYTES:
        return map_hash(value_slice(key));
    case VALUE_BOOL:
    case VALUE_INT:
        return mix((uint64_t)key->integer);
    case VALUE_FLOAT:
    case VALUE_BIG:
        return mix(number_hash(key));
    case VALUE_TUPLE:
        for (uint32_t i = 0; i < key->count; i++)
            hash = mix(hash ^ key_hash(key->items[i]));
        return hash;
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return mix(hash);
    default:
        return mix((uint64_t)(uintptr_t)key->object);
    }
}

/* As memcmp, for names of a few bytes, which are not worth a call. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t a8[2], b8[2];
    uint32_t a4[2], b4[2];

    if (len > 16)
        return memcmp(a, b, len) == 0;
    if (len >= 8) {
        memcpy(&a8[0], a, 8);
        memcpy(&a8[1], a + len - 8, 8);
        memcpy(&b8[0], b, 8);
        memcpy(&b8[1], b + len - 8, 8);
        return ((a8[0] ^ b8[0]) | (a8[1] ^ b8[1])) == 0;
    }
    if (len >= 4) {
        memcpy(&a4[0], a, 4);
        memcpy(&a4[1], a + len - 4, 4);
        memcpy(&b4[0], b, 4);
        memcpy(&b4[1], b + len - 4, 4);
        return ((a4[0] ^ b4[0]) | (a4[1] ^ b4[1])) == 0;
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static inline bool same_text(const struct value *a, const struct value *b)
{
    return a->count == b->count && same_bytes(a->text, b->text, a->count);
}

bool value_key_equal(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT)
        return same_text(a, b);
    if (number_is(a) && number_is(b))
        return number_compare(a, b) == 0;
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_BYTES)
        return slice_eq(value_slice(a), value_slice(b));
    if (a->kind == VALUE_TUPLE) {
        if (a->count != b->count)
            return false;
        for (uint32_t i = 0; i < a->count; i++)
            if (!value_key_equal(a->items[i], b->items[i]))
                return false;
        return true;
    }
    return a->kind == VALUE_NONE || a->kind == VALUE_UNDEFINED || a->object == b->object;
}

static struct dict_entry *find_in_index(const struct value *dict, const struct value *key)
{
    const struct dict *d = dict->dict;
    uint32_t mask = d->slots - 1;

    for (uint64_t at = key_hash(key);; at++) {
        uint32_t number = d->index[at & mask];

        if (number == 0)
            return NULL;
        if (value_key_equal(&d->entries[number - 1].key, key))
            return &d->entries[number - 1];
    }
}

struct dict_entry *value_find(const struct value *dict, const struct value *key)
{
    if (dict->dict->slots)
        return find_in_index(dict, key);
    for (uint32_t i = 0; i < dict->count; i++)
        if (value_key_equal(&dict->dict->entries[i].key, key))
            return &dict->dict->entries[i];
    return NULL;
}

struct value *value_get(const struct value *dict, struct slice key)
{
    const struct dict *d = dict->dict;
    struct value text = { .kind = VALUE_TEXT, .count = (uint32_t)key.len, .text = key.at };
    struct dict_entry *entry;

    if (!d->slots) {
        for (uint32_t i = 0; i < dict->count; i++) {
            const struct value *have = &d->entries[i].key;

            if (have->kind == VALUE_TEXT && same_text(have, &text))
                return d->entries[i].item;
        }
        return NULL;
    }
    entry = find_in_index(dict, &text);
    return entry ? entry->item : NULL;
}

static void index_entry(struct dict *d, uint32_t number)
{
    uint64_t at = key_hash(&d->entries[number].key);

    while (d->index[at & (d->slots - 1)])
        at++;
    d->index[at & (d->slots - 1)] = number + 1;
}

/* Room for twice as many entries, and an index from DICT_SMALL on. */
static bool dict_grow(struct arena *arena, struct value *dict)
{
    struct dict *d = dict->dict;
    uint32_t room = d->room ? d->room * 2 : 4;
    struct dict_entry *entries;

    if (room > UINT32_MAX / 4)
        return false;
    entries = arena_try_alloc(arena, room * sizeof(*entries));
    if (!entries)
        return false;
    if (dict->count)
        memcpy(entries, d->entries, dict->count * sizeof(*entries));
    if (room > DICT_SMALL) {
        uint32_t *index = arena_try_alloc(arena, room * 2 * sizeof(*index));

        if (!index)
            return false;
        memset(index, 0, room * 2 * sizeof(*index));
        d->index = index;
        d->slots = room * 2;
    }
    d->entries = entries;
    d->room = room;
    for (uint32_t i = 0; d->slots && i < dict->count; i++)
        index_entry(d, i);
    return true;
}

bool value_put_key(struct arena *arena, struct value *dict, const struct value *key,
                   struct value *item)
{
    struct dict_entry *entry;

    if (!item)
        return false;
    entry = value_find(dict, key);
    if (entry) {
        entry->item = item;
        return true;
    }
    if (dict->count == dict->dict->room && !dict_grow(arena, dict))
        return false;
    dict->dict->entries[dict->count] = (struct dict_entry){ .key = *key, .item = item };
    if (dict->dict->slots)
        index_entry(dict->dict, dict->count);
    dict->count++;
    return true;
}

bool value_put(struct arena *arena, struct value *dict, struct slice key, struct value *item)
{
    struct value text = { .kind = VALUE_TEXT, .count = (uint32_t)key.len, .text = key.at };

    return key.len <= UINT32_MAX && value_put_key(arena, dict, &text, item);
}
