/*
 * Heads of messages: their fields, and the rules every field meets on its way in.
 */
#include "gateway/http/message.h"

/* A request of an OpenAI client has 12 to 15 fields, an engine's answer 5 to 8. */
#define MESSAGE_FIELDS_FIRST 10

/* Per field, beyond name and value (RFC 9113, 6.5.2). */
#define MESSAGE_FIELD_OVERHEAD 32

/* More than any honest client names; each is compared with every field. */
#define CONNECTION_MEMBERS_MAX 32

void message_init(struct message *message, struct arena *arena)
{
    *message = (struct message){ .arena = arena, .length = MESSAGE_LENGTH_UNKNOWN };
}

static bool message_grow(struct message *message)
{
    uint32_t capacity = message->capacity ? message->capacity * 2 : MESSAGE_FIELDS_FIRST;
    struct field *fields = arena_try_alloc(message->arena, capacity * sizeof(*fields));

    if (!fields)
        return false;
    if (message->count > 0)
        memcpy(fields, message->fields, message->count * sizeof(*fields));
    message->fields = fields;
    message->capacity = capacity;
    return true;
}

static size_t field_bytes(struct slice name, struct slice value)
{
    return name.len + value.len + MESSAGE_FIELD_OVERHEAD;
}

/* Without a look at characters. False when the arena is full. */
static bool message_append(struct message *message, enum field_id id, struct slice name,
                           struct slice value)
{
    if (message->count == message->capacity && !message_grow(message))
        return false;
    message->fields[message->count++] = (struct field){
        .name = name, .value = value, .id = (uint16_t)id, .flags = (uint16_t)field_flags(id)
    };
    message->bytes += (uint32_t)field_bytes(name, value);
    return true;
}

static bool name_is_good(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] >= 'A' && name.at[i] <= 'Z')
            return false;
    return http_is_token(name);
}

static bool message_has_room(const struct message *message, size_t bytes,
                             const struct message_limits *limits)
{
    size_t limit_bytes = limits ? limits->bytes : UINT32_MAX;
    size_t limit_fields = limits ? limits->fields : UINT32_MAX;

    return message->count < limit_fields && bytes <= limit_bytes &&
           message->bytes <= limit_bytes - bytes;
}

/* Whether the field may be added; limits come first, so that what is too large is not looked at. */
static const struct reason *message_judge(const struct message *message, enum field_id id,
                                          struct slice name, struct slice value,
                                          const struct message_limits *limits)
{
    if (!message_has_room(message, field_bytes(name, value), limits))
        return &reason_head_too_large;
    if (!http_is_value(value) || (id == FIELD_OTHER && !name_is_good(name)))
        return &reason_bad_field;
    CHECK(!(field_flags(id) & FIELD_FLAG_FRAME));
    if ((field_flags(id) & FIELD_FLAG_ONCE) && message_find(message, id))
        return &reason_bad_field;
    return NULL;
}

const struct reason *message_add(struct message *message, struct slice name, struct slice value,
                                 const struct message_limits *limits)
{
    enum field_id id = field_find(name);
    const struct reason *reason = message_judge(message, id, name, value, limits);

    if (reason)
        return reason;
    return message_append(message, id, name, value) ? NULL : &reason_head_too_large;
}

const struct reason *message_add_copy(struct message *message, struct slice name,
                                      struct slice value, const struct message_limits *limits)
{
    enum field_id id = field_find(name);
    const struct reason *reason = message_judge(message, id, name, value, limits);
    size_t name_len = id == FIELD_OTHER ? name.len : 0; /* known names are static */
    char *copy;

    if (reason)
        return reason;
    copy = arena_try_alloc(message->arena, name_len + value.len);
    if (!copy)
        return &reason_head_too_large;
    memcpy(copy, name.at, name_len);
    if (value.len > 0)
        memcpy(copy + name_len, value.at, value.len);
    name = id == FIELD_OTHER ? slice_of(copy, name_len) : field_name(id);
    value = slice_of(copy + name_len, value.len);
    return message_append(message, id, name, value) ? NULL : &reason_head_too_large;
}

void message_put(struct message *message, enum field_id id, struct slice value)
{
    CHECK(id != FIELD_OTHER && !(field_flags(id) & FIELD_FLAG_FRAME));
    CHECK(http_is_value(value));
    CHECK(message_append(message, id, field_name(id), value));
}

void message_put_other(struct message *message, struct slice static_name, struct slice value)
{
    CHECK(field_find(static_name) == FIELD_OTHER && name_is_good(static_name));
    CHECK(http_is_value(value));
    CHECK(message_append(message, FIELD_OTHER, static_name, value));
}

const struct field *message_find(const struct message *message, enum field_id id)
{
    for (uint32_t i = 0; i < message->count; i++)
        if (message->fields[i].id == id)
            return &message->fields[i];
    return NULL;
}

const struct field *message_find_name(const struct message *message, struct slice lower_name)
{
    for (uint32_t i = 0; i < message->count; i++)
        if (slice_eq(message->fields[i].name, lower_name))
            return &message->fields[i];
    return NULL;
}

struct slice message_value(const struct message *message, enum field_id id)
{
    const struct field *field = message_find(message, id);

    return field ? field->value : slice_of("", 0);
}

void message_remove_where(struct message *message, message_goes_fn *goes, const void *what)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < message->count; i++) {
        struct field *field = &message->fields[i];

        if (goes(field, what))
            message->bytes -= (uint32_t)field_bytes(field->name, field->value);
        else if (kept++ < i)
            message->fields[kept - 1] = *field;
    }
    message->count = kept;
}

static bool field_has_id(const struct field *field, const void *id)
{
    return field->id == *(const enum field_id *)id;
}

static bool field_has_flag(const struct field *field, const void *flags)
{
    return field->flags & *(const unsigned *)flags;
}

void message_remove(struct message *message, enum field_id id)
{
    message_remove_where(message, field_has_id, &id);
}

void message_remove_flagged(struct message *message, unsigned flags)
{
    message_remove_where(message, field_has_flag, &flags);
}

/* The known field a Connection member names, in whatever case. */
static enum field_id connection_member_id(struct slice member)
{
    for (int id = FIELD_OTHER + 1; id < FIELD_COUNT; id++)
        if (slice_ieq(field_name((enum field_id)id), member))
            return (enum field_id)id;
    return FIELD_OTHER;
}

/* Marks the fields that have this name. */
static const struct reason *message_nominate(struct message *message, struct slice member)
{
    enum field_id id = connection_member_id(member);

    if (!http_is_token(member) || id == FIELD_authorization ||
        (field_flags(id) & (FIELD_FLAG_FRAME | FIELD_FLAG_EDGE)))
        return &reason_bad_field;
    for (uint32_t i = 0; i < message->count; i++)
        if (slice_ieq(message->fields[i].name, member))
            message->fields[i].flags |= FIELD_FLAG_HOP;
    return NULL;
}

static const struct reason *message_nominate_all(struct message *message, struct slice value,
                                                 uint32_t *members)
{
    const struct reason *reason = NULL;

    while (value.len > 0 && !reason) {
        struct slice member = slice_trim(slice_cut(&value, ','));

        if (member.len == 0)
            continue;
        reason = ++*members > CONNECTION_MEMBERS_MAX ? &reason_bad_field
                                                     : message_nominate(message, member);
    }
    return reason;
}

const struct reason *message_apply_connection(struct message *message)
{
    const struct reason *reason = NULL;
    uint32_t members = 0;

    for (uint32_t i = 0; i < message->count && !reason; i++)
        if (message->fields[i].id == FIELD_connection)
            reason = message_nominate_all(message, message->fields[i].value, &members);
    return reason;
}
