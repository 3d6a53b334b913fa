/*
 * What templates compute with: Python's values as far as Jinja meets them.
 *
 * A value is 16 bytes, a pointer to it is what is passed around. It lies in the arena of the run
 * (or of the compiled template, for literals) and never changes once a run has begun; namespaces,
 * loops, cyclers, joiners and iterators are the exceptions, as they are in Python. Texts are UTF-8
 * and are indexed by code point. The builders that others use are declared in template.h.
 *
 * One thread an arena. None, True, False and literals are shared by all threads and never written.
 */
#ifndef SLUICE_PROMPT_VALUE_H
#define SLUICE_PROMPT_VALUE_H

#include "gateway/prompt/template.h"

enum value_kind {
    VALUE_UNDEFINED, /* text: the name that was looked for, may be empty */
    VALUE_NONE,
    VALUE_BOOL, /* integer: 0 or 1 */
    VALUE_INT,
    VALUE_BIG, /* an int beyond 64 bits; never one that would fit */
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_VIEW,      /* dict.keys(), values(), items() */
    VALUE_RANGE,     /* range(...) */
    VALUE_ITERATOR,  /* a generator: can be walked once */
    VALUE_NAMESPACE, /* namespace(...) */
    VALUE_LOOP,      /* `loop` inside a for */
    VALUE_MACRO,     /* {% macro %}, or the body of {% call %} */
    VALUE_FUNCTION,  /* a global */
    VALUE_METHOD,    /* a method with its object */
    VALUE_CYCLER,
    VALUE_JOINER,
};

enum value_flag {
    VALUE_NEGATIVE = 1, /* of VALUE_BIG */
    VALUE_MARKUP = 2,   /* of VALUE_TEXT: Markup, made by escape and safe */
    VALUE_GROUP = 4,    /* of VALUE_TUPLE: has .grouper and .list */
    VALUE_UNSAFE = 8,   /* of VALUE_UNDEFINED: the sandbox said no */
};

struct dict;

struct value {
    uint8_t kind;   /* enum value_kind */
    uint8_t flags;  /* enum value_flag */
    uint32_t count; /* bytes, items, entries or limbs */
    union {
        int64_t integer;
        double real;
        const char *text;     /* not terminated */
        struct value **items; /* room: the next power of two */
        struct dict *dict;
        const uint32_t *limbs; /* base 10^9, least first */
        void *object;
    };
};

/* In order of arrival. `index` finds entries once there are more than DICT_SMALL. */
struct dict_entry {
    struct value key;
    struct value *item;
};

struct dict {
    uint32_t room;   /* for entries */
    uint32_t slots;  /* of index: 0 or a power of two */
    uint32_t *index; /* an entry's number + 1, or 0 */
    struct dict_entry *entries;
};

/* Up to here a walk that compares lengths first beats hashing. */
#define DICT_SMALL 12

static inline struct slice value_slice(const struct value *text)
{
    return slice_of(text->text, text->count);
}

static inline bool value_is(const struct value *value, enum value_kind kind)
{
    return value->kind == kind;
}

static inline bool value_is_int(const struct value *value)
{
    return value->kind == VALUE_INT || value->kind == VALUE_BOOL;
}

/* NULL when the arena is full, as all builders. */
struct value *value_new(struct arena *arena, enum value_kind kind);
struct value *value_float(struct arena *arena, double number);
struct value *value_tuple(struct arena *arena);
/* A list (tuple) with room for and the length of `count` items, to be filled by the caller. */
struct value *value_sequence(struct arena *arena, enum value_kind kind, size_t count);
/* Any hashable key. */
bool value_put_key(struct arena *arena, struct value *dict, const struct value *key,
                   struct value *item) MUST_USE;

/* NULL when it is not there. */
struct value *value_get(const struct value *dict, struct slice key);
/* The entry with an equal key, or NULL. The key must be hashable. */
struct dict_entry *value_find(const struct value *dict, const struct value *key);

static inline const struct dict_entry *value_entry(const struct value *dict, size_t number)
{
    return &dict->dict->entries[number];
}

/* As Python's == between what can be a key, numbers of all kinds included (1 == 1.0 == True). */
bool value_key_equal(const struct value *a, const struct value *b);
/* May it be a key? */
bool value_hashable(const struct value *value);

#endif
