/*
 * What a head is made of, from anybody: targets, authorities, field names and values. What is let
 * through must hold what the rest of the gateway relies on, asked in the simplest words.
 */
#include "gateway/http/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] <= ' ' || s.at[i] > '~')
            return false;
    return true;
}

static bool holds(struct slice s, const char *what)
{
    return s.len > 0 && memmem(s.at, s.len, what, strlen(what));
}

/* In the one form, which is its own form, and out of which nothing climbs. */
static void try_target(struct arena *arena, struct slice target)
{
    struct slice path = target, again, plain;

    if (http_normalise_path(arena, &path))
        return;
    again = path;
    CHECK(!http_normalise_path(arena, &again) && slice_eq(again, path));
    plain = slice_head(path, slice_find(path, '?'));
    CHECK(path.len <= target.len && is_visible(path) && slice_find(path, '#') == path.len);
    CHECK(slice_eq(path, SLICE("*")) || plain.at[0] == '/');
    CHECK(!holds(plain, "//") && !holds(plain, "/../") && !holds(plain, "/./") &&
          !holds(plain, "\\") && !holds(plain, "%00") && !holds(plain, "%2e") &&
          !holds(plain, "%2E"));
}

static void try_authority(struct slice s)
{
    if (http_is_authority(s))
        for (const char *bad = "/\\@,?#%"; *bad; bad++)
            CHECK(is_visible(s) && slice_find(s, *bad) == s.len);
}

static void try_field(struct arena *arena, struct slice name, struct slice value)
{
    struct message_limits limits = { .fields = 4, .bytes = 4096 };
    struct message message;

    message_init(&message, arena);
    if (field_flags(field_find(name)) & FIELD_FLAG_FRAME)
        return; /* a codec's */
    if (message_add(&message, name, value, &limits))
        return;
    CHECK(http_is_token(name) && is_visible(name) && name.len + value.len + 32 <= 4096);
    for (size_t i = 0; i < value.len; i++)
        CHECK((unsigned char)value.at[i] >= ' ' || value.at[i] == '\t');
    CHECK(message_find_name(&message, name) == &message.fields[0]);
    if (message_apply_connection(&message) == NULL)
        message_remove_flagged(&message, FIELD_FLAG_HOP);
    CHECK((message.count == 0) == (message.bytes == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice input = slice_of((const char *)bytes, size), name;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    try_target(&arena, input);
    try_authority(input);
    name = slice_cut(&input, ':');
    try_field(&arena, name, slice_trim(input));
    arena_release(&arena);
    return 0;
}
