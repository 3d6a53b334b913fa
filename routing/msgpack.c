/*
 * Reading msgpack. See msgpack.h.
 */
#include "routing/msgpack.h"

#include <string.h>

/* How an item of one first byte is read; 0xc0 to 0xdf, the others say it in their upper bits. */
struct form {
    uint8_t type;
    uint8_t size; /* bytes of the number or the length that follow */
    bool is_signed;
};

static const struct form forms[32] = {
    [0x00] = { MSGPACK_NIL, 0, false },   [0x02] = { MSGPACK_BOOL, 0, false },
    [0x03] = { MSGPACK_BOOL, 0, false },  [0x04] = { MSGPACK_BIN, 1, false },
    [0x05] = { MSGPACK_BIN, 2, false },   [0x06] = { MSGPACK_BIN, 4, false },
    [0x07] = { MSGPACK_EXT, 1, false },   [0x08] = { MSGPACK_EXT, 2, false },
    [0x09] = { MSGPACK_EXT, 4, false },   [0x0a] = { MSGPACK_FLOAT, 4, false },
    [0x0b] = { MSGPACK_FLOAT, 8, false }, [0x0c] = { MSGPACK_UINT, 1, false },
    [0x0d] = { MSGPACK_UINT, 2, false },  [0x0e] = { MSGPACK_UINT, 4, false },
    [0x0f] = { MSGPACK_UINT, 8, false },  [0x10] = { MSGPACK_UINT, 1, true },
    [0x11] = { MSGPACK_UINT, 2, true },   [0x12] = { MSGPACK_UINT, 4, true },
    [0x13] = { MSGPACK_UINT, 8, true },   [0x14] = { MSGPACK_EXT, 0, false },
    [0x15] = { MSGPACK_EXT, 0, false },   [0x16] = { MSGPACK_EXT, 0, false },
    [0x17] = { MSGPACK_EXT, 0, false },   [0x18] = { MSGPACK_EXT, 0, false },
    [0x19] = { MSGPACK_STR, 1, false },   [0x1a] = { MSGPACK_STR, 2, false },
    [0x1b] = { MSGPACK_STR, 4, false },   [0x1c] = { MSGPACK_ARRAY, 2, false },
    [0x1d] = { MSGPACK_ARRAY, 4, false }, [0x1e] = { MSGPACK_MAP, 2, false },
    [0x1f] = { MSGPACK_MAP, 4, false },
};

static size_t left(const struct msgpack *in)
{
    return (size_t)(in->end - in->at);
}

static struct msgpack_item bad(struct msgpack *in)
{
    in->at = in->end;
    return (struct msgpack_item){ .type = MSGPACK_BAD };
}

static uint64_t big_endian(const uint8_t *at, size_t size, bool is_signed)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | at[i];
    if (is_signed && size < 8 && number >> (8 * size - 1))
        number |= ~(uint64_t)0 << 8 * size;
    return number;
}

/* The bytes of a string or its kin, or the check that items can be there. */
static struct msgpack_item finish(struct msgpack *in, struct msgpack_item item)
{
    switch (item.type) {
    case MSGPACK_STR:
    case MSGPACK_BIN:
    case MSGPACK_EXT:
        if (item.number > left(in))
            return bad(in);
        item.bytes = slice_of((const char *)in->at, item.number);
        in->at += item.number;
        break;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        if (item.number * (item.type == MSGPACK_MAP ? 2 : 1) > left(in))
            return bad(in);
        break;
    default:
        break;
    }
    return item;
}

/* First bytes 0xc0 to 0xdf. */
static struct msgpack_item long_form(struct msgpack *in, uint8_t first)
{
    struct form form = forms[first - 0xc0];
    struct msgpack_item item = { .type = form.type };

    if (form.type == MSGPACK_BAD || form.size > left(in))
        return bad(in);
    item.number = big_endian(in->at, form.size, form.is_signed);
    in->at += form.size;
    if (form.is_signed && (int64_t)item.number < 0)
        item.type = MSGPACK_INT;
    if (form.type == MSGPACK_BOOL)
        item.number = first & 1;
    if (form.type == MSGPACK_EXT) /* its type's byte comes before its own bytes */
        item.number = 1 + (form.size ? item.number : (uint64_t)1 << (first - 0xd4));
    return finish(in, item);
}

struct msgpack_item msgpack_next(struct msgpack *in)
{
    uint8_t first;

    if (in->at == in->end)
        return bad(in);
    first = *in->at++;
    if (first < 0x80)
        return (struct msgpack_item){ .type = MSGPACK_UINT, .number = first };
    if (first >= 0xe0)
        return (struct msgpack_item){ .type = MSGPACK_INT, .number = (uint64_t)(int8_t)first };
    if (first >= 0xc0)
        return long_form(in, first);
    if (first >= 0xa0)
        return finish(in, (struct msgpack_item){ .type = MSGPACK_STR, .number = first & 31 });
    return finish(in, (struct msgpack_item){ .type = first >= 0x90 ? MSGPACK_ARRAY : MSGPACK_MAP,
                                             .number = first & 15 });
}

bool msgpack_skip(struct msgpack *in, uint64_t count)
{
    while (count > 0) {
        struct msgpack_item item = msgpack_next(in);

        if (item.type == MSGPACK_BAD)
            return false;
        count--;
        if (item.type == MSGPACK_ARRAY)
            count += item.number;
        if (item.type == MSGPACK_MAP)
            count += 2 * item.number;
        if (count > left(in))
            return bad(in).type != MSGPACK_BAD;
    }
    return true;
}
