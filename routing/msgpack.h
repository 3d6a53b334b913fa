/*
 * Reading msgpack where it lies: one item after the other, nothing copied, nothing allocated, no
 * recursion. (The format: github.com/msgpack/msgpack, spec.md.)
 *
 * A library would build a tree of 24 bytes for each of a batch's tokens first. After an error the
 * reader stands at its end: items are of type MSGPACK_BAD from then on.
 */
#ifndef SLUICE_ROUTING_MSGPACK_H
#define SLUICE_ROUTING_MSGPACK_H

#include "gateway/base/slice.h"

enum msgpack_type {
    MSGPACK_BAD,
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_UINT, /* not negative, whatever it was written as */
    MSGPACK_INT,  /* negative */
    MSGPACK_FLOAT,
    MSGPACK_STR,
    MSGPACK_BIN,
    MSGPACK_EXT,
    MSGPACK_ARRAY,
    MSGPACK_MAP,
};

struct msgpack_item {
    enum msgpack_type type;
    uint64_t number;    /* of UINT and INT (two's complement); items of an array; pairs of a map */
    struct slice bytes; /* of STR, BIN and EXT, borrowed */
};

struct msgpack {
    const uint8_t *at, *end;
};

static inline struct msgpack msgpack_of(struct slice bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    return (struct msgpack){ at, at ? at + bytes.len : at };
}

/* The next item; of an array or a map its head, the items come next. An array or map that says it
 * has more items than bytes are left is BAD. */
struct msgpack_item msgpack_next(struct msgpack *in);

/* Passes over so many items, with all that is in them. False: the bytes end before, or are not
 * msgpack. */
bool msgpack_skip(struct msgpack *in, uint64_t count);

#endif
