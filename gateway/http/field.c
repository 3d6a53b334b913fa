/*
 * Known header fields: found by length and by first and last byte, all rows compared at once.
 */
#include "gateway/http/message.h"

#include "gateway/base/bytes16.h"

#define HOP   FIELD_FLAG_HOP
#define FRAME FIELD_FLAG_FRAME
#define EDGE  FIELD_FLAG_EDGE
#define ONCE  FIELD_FLAG_ONCE
#define NOTRL FIELD_FLAG_NOTRL

struct field_row {
    struct slice name;
    uint16_t flags;
};

static const struct field_row field_rows[FIELD_COUNT] = {
#define FIELD(id, name, flags) [FIELD_##id] = { SLICE_INIT(name), flags },
#include "gateway/http/field.def"
#undef FIELD
};

#define FIELD_GROUPS ((FIELD_COUNT + 15) / 16)

union field_bytes {
    uint8_t of[FIELD_GROUPS * 16];
    bytes16 group[FIELD_GROUPS];
};

static const union field_bytes field_length = { {
#define FIELD(id, name, flags) [FIELD_##id] = sizeof(name) - 1,
#include "gateway/http/field.def"
#undef FIELD
} };

static const union field_bytes field_first = { {
#define FIELD(id, name, flags) [FIELD_##id] = (uint8_t)name[0],
#include "gateway/http/field.def"
#undef FIELD
} };

static const union field_bytes field_last = { {
#define FIELD(id, name, flags) [FIELD_##id] = (uint8_t)name[sizeof(name) - 2],
#include "gateway/http/field.def"
#undef FIELD
} };

/* The row that has this name, among sixteen whose lane in `same` says that it may be it. */
static enum field_id field_among(bytes16 same, size_t group, struct slice name)
{
    for (size_t i = bytes16_first(same); i < 16; i = bytes16_first(same)) {
        if (slice_eq(field_rows[group * 16 + i].name, name))
            return (enum field_id)(group * 16 + i);
        same[i] = 0;
    }
    return FIELD_OTHER;
}

enum field_id field_find(struct slice name)
{
    bytes16 length, first, last;
    enum field_id id = FIELD_OTHER;

    if (name.len == 0 || name.len > UINT8_MAX)
        return FIELD_OTHER;
    length = bytes16_all((uint8_t)name.len);
    first = bytes16_all((uint8_t)name.at[0]);
    last = bytes16_all((uint8_t)name.at[name.len - 1]);
    for (size_t group = 0; group < FIELD_GROUPS && id == FIELD_OTHER; group++) {
        bytes16 same =
            (bytes16)((field_length.group[group] == length) & (field_first.group[group] == first) &
                      (field_last.group[group] == last));

        if (bytes16_any(same))
            id = field_among(same, group, name);
    }
    return id;
}

struct slice field_name(enum field_id id)
{
    CHECK(id < FIELD_COUNT);
    return field_rows[id].name;
}

unsigned field_flags(enum field_id id)
{
    CHECK(id < FIELD_COUNT);
    return field_rows[id].flags;
}

bool field_has_token(struct slice value, struct slice token)
{
    while (value.len > 0)
        if (slice_ieq(slice_trim(slice_cut(&value, ',')), token))
            return true;
    return false;
}
