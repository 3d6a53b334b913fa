/*
 * Batches of KV events. See kv_decode.h.
 */
#include "routing/kv_decode.h"

#include "routing/msgpack.h"

#include <stdlib.h>

/* An event being read, in whichever order its fields come. */
struct parse {
    struct kv_decoder *decoder;
    struct msgpack in;
    struct kv_event event;
    struct slice type;
    bool malformed, ignored;
    bool has_adapter_number; /* an adapter without a name cannot be told from another */
    struct msgpack extra;    /* where the pages' further keys begin, for when all else is known */
    uint64_t extra_count;
};

struct field {
    const char *name;
    uint8_t at[KV_EVENT_TYPES]; /* its place in an event's array, by type; 0: never there */
    bool (*read)(struct parse *parse, struct msgpack_item item);
};

static bool hash_of(struct msgpack_item item, uint64_t *ret_hash)
{
    uint64_t hash = 0;

    if (item.type == MSGPACK_UINT || item.type == MSGPACK_INT) {
        *ret_hash = item.number;
        return true;
    }
    if (item.type != MSGPACK_BIN || item.bytes.len == 0)
        return false;
    item.bytes = slice_skip(item.bytes, item.bytes.len > 8 ? item.bytes.len - 8 : 0);
    for (size_t i = 0; i < item.bytes.len; i++)
        hash = hash << 8 | (uint8_t)item.bytes.at[i];
    *ret_hash = hash;
    return true;
}

/* Text, or nil for none. */
static bool text_of(struct msgpack_item item, struct slice *ret_text)
{
    if (item.type == MSGPACK_NIL)
        return true;
    if ((item.type != MSGPACK_STR && item.type != MSGPACK_BIN) || item.bytes.len > KV_NAME_MAX)
        return false;
    *ret_text = item.bytes;
    return true;
}

static size_t room_for(size_t have, size_t need)
{
    return need <= have ? have : need < 2 * have ? 2 * have : need;
}

static bool read_hashes(struct parse *parse, struct msgpack_item item)
{
    struct kv_decoder *decoder = parse->decoder;

    if (item.type != MSGPACK_ARRAY || item.number > KV_TOKENS_MAX)
        return false;
    decoder->hash_room = room_for(decoder->hash_room, item.number);
    decoder->hashes =
        xrealloc(decoder->hashes, (decoder->hash_room + 1) * sizeof(*decoder->hashes));
    for (size_t i = 0; i < item.number; i++)
        if (!hash_of(msgpack_next(&parse->in), &decoder->hashes[i]))
            return false;
    parse->event.hashes = decoder->hashes;
    parse->event.hash_count = item.number;
    return true;
}

static bool read_parent(struct parse *parse, struct msgpack_item item)
{
    parse->event.has_parent = item.type != MSGPACK_NIL;
    return !parse->event.has_parent || hash_of(item, &parse->event.parent);
}

static bool read_tokens(struct parse *parse, struct msgpack_item item)
{
    struct kv_decoder *decoder = parse->decoder;

    if (item.type != MSGPACK_ARRAY || item.number > KV_TOKENS_MAX)
        return false;
    decoder->token_room = room_for(decoder->token_room, item.number);
    decoder->tokens =
        xrealloc(decoder->tokens, (decoder->token_room + 1) * sizeof(*decoder->tokens));
    for (size_t i = 0; i < item.number; i++) {
        struct msgpack_item token = msgpack_next(&parse->in);

        if (token.type != MSGPACK_UINT || token.number > UINT32_MAX)
            return false;
        decoder->tokens[i] = (uint32_t)token.number;
    }
    parse->event.tokens = decoder->tokens;
    parse->event.token_count = item.number;
    return true;
}

static bool read_page_tokens(struct parse *parse, struct msgpack_item item)
{
    parse->event.page_tokens = (uint32_t)item.number;
    return item.type == MSGPACK_UINT && item.number > 0 && item.number <= KV_PAGE_TOKENS_MAX;
}

static bool read_adapter_number(struct parse *parse, struct msgpack_item item)
{
    parse->has_adapter_number = item.type == MSGPACK_UINT && item.number > 0;
    return item.type == MSGPACK_UINT || item.type == MSGPACK_INT || item.type == MSGPACK_NIL;
}

/* Media as engines name them. REMOTE and the like are nobody's own and not here: ignored. */
static bool read_medium(struct parse *parse, struct msgpack_item item)
{
    static const struct {
        struct slice name;
        enum prefix_tier tier;
    } media[] = {
        { SLICE_INIT("GPU"), PREFIX_TIER_GPU },
        { SLICE_INIT("CPU"), PREFIX_TIER_HOST },
        { SLICE_INIT("CPU_PINNED"), PREFIX_TIER_HOST },
        { SLICE_INIT("STORAGE"), PREFIX_TIER_DISK },
        { SLICE_INIT("DISK"), PREFIX_TIER_DISK },
        { SLICE_INIT("EXTERNAL"), PREFIX_TIER_DISK },
    };
    struct slice medium = { NULL, 0 };

    if (!text_of(item, &medium))
        return false;
    if (medium.len == 0) /* before there were several */
        return true;
    for (size_t i = 0; i < ARRAY_LEN(media); i++)
        if (slice_eq(media[i].name, medium)) {
            parse->event.tier = media[i].tier;
            return true;
        }
    parse->ignored = true;
    return true;
}

static bool read_salt(struct parse *parse, struct msgpack_item item)
{
    return text_of(item, &parse->event.salt);
}

/* SGLang has a map where vLLM has the adapter's name. */
static bool read_metadata(struct parse *parse, uint64_t pairs)
{
    for (uint64_t i = 0; i < pairs; i++) {
        struct msgpack_item key = msgpack_next(&parse->in);

        if (key.type == MSGPACK_STR && slice_eq(key.bytes, SLICE("cache_salt"))) {
            if (!read_salt(parse, msgpack_next(&parse->in)))
                return false;
        } else if (key.type != MSGPACK_STR || !msgpack_skip(&parse->in, 1)) {
            return false;
        }
    }
    return true;
}

static bool read_adapter(struct parse *parse, struct msgpack_item item)
{
    if (item.type == MSGPACK_MAP)
        return read_metadata(parse, item.number);
    return text_of(item, &parse->event.lora);
}

static bool read_extra(struct parse *parse, struct msgpack_item item)
{
    if (item.type == MSGPACK_NIL)
        return true;
    if (item.type != MSGPACK_ARRAY)
        return false;
    parse->extra = parse->in;
    parse->extra_count = item.number;
    return msgpack_skip(&parse->in, item.number);
}

static bool read_group(struct parse *parse, struct msgpack_item item)
{
    if (item.type == MSGPACK_NIL)
        return true;
    parse->event.group = (uint32_t)item.number;
    return item.type == MSGPACK_UINT && item.number <= UINT16_MAX;
}

/* Groups that keep every token of a prefix; sliding windows and states are not what routing asks
 * for. */
static bool read_kind(struct parse *parse, struct msgpack_item item)
{
    static const struct slice kept[] = { SLICE_INIT("full_attention"), SLICE_INIT("mla_attention"),
                                         SLICE_INIT("sink_full_attention") };
    struct slice kind = { NULL, 0 };

    if (!text_of(item, &kind))
        return false;
    if (kind.len == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (slice_eq(kept[i], kind))
            return true;
    parse->ignored = true;
    return true;
}

static bool read_locality(struct parse *parse, struct msgpack_item item)
{
    struct slice locality = { NULL, 0 };

    if (!text_of(item, &locality))
        return false;
    parse->ignored |= slice_eq(locality, SLICE("REMOTE"));
    return true;
}

static const struct field fields[] = {
    { "block_hashes", { [KV_EVENT_STORED] = 1, [KV_EVENT_REMOVED] = 1 }, read_hashes },
    { "parent_block_hash", { [KV_EVENT_STORED] = 2 }, read_parent },
    { "token_ids", { [KV_EVENT_STORED] = 3 }, read_tokens },
    { "block_size", { [KV_EVENT_STORED] = 4 }, read_page_tokens },
    { "lora_id", { [KV_EVENT_STORED] = 5 }, read_adapter_number },
    { "medium", { [KV_EVENT_STORED] = 6, [KV_EVENT_REMOVED] = 2 }, read_medium },
    { "lora_name", { [KV_EVENT_STORED] = 7 }, read_adapter },
    { "extra_keys", { [KV_EVENT_STORED] = 8 }, read_extra },
    { "group_idx", { [KV_EVENT_STORED] = 9, [KV_EVENT_REMOVED] = 3 }, read_group },
    { "kv_cache_spec_kind", { [KV_EVENT_STORED] = 10 }, read_kind },
    { "cache_salt", { 0 }, read_salt },
    { "locality", { 0 }, read_locality },
};

static const struct slice type_names[KV_EVENT_TYPES] = {
    [KV_EVENT_STORED] = SLICE_INIT("BlockStored"),
    [KV_EVENT_REMOVED] = SLICE_INIT("BlockRemoved"),
    [KV_EVENT_CLEARED] = SLICE_INIT("AllBlocksCleared"),
};

static bool type_of(struct slice name, enum kv_event_type *ret_type)
{
    for (enum kv_event_type type = 0; type < KV_EVENT_TYPES; type++)
        if (slice_eq(type_names[type], name)) {
            *ret_type = type;
            return true;
        }
    return false;
}

/* A value that is not what its field should be is passed over as a whole; the event is lost, its
 * batch is not. */
static void read_value(struct parse *parse, const struct field *field)
{
    struct msgpack start = parse->in;

    if (field->read(parse, msgpack_next(&parse->in)))
        return;
    parse->malformed = true;
    parse->in = start;
    (void)!msgpack_skip(&parse->in, 1); /* cannot fail: the batch was passed over before */
}

static const struct field *field_named(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (slice_eq(slice_str(fields[i].name), name))
            return &fields[i];
    return NULL;
}

static const struct field *field_placed(enum kv_event_type type, uint64_t at)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (fields[i].at[type] == at)
            return &fields[i];
    return NULL;
}

static void read_or_skip(struct parse *parse, const struct field *field)
{
    if (field)
        read_value(parse, field);
    else
        (void)!msgpack_skip(&parse->in, 1);
}

static void read_map(struct parse *parse, uint64_t pairs)
{
    for (uint64_t i = 0; i < pairs; i++) {
        struct msgpack start = parse->in;
        struct msgpack_item key = msgpack_next(&parse->in);

        if (key.type == MSGPACK_STR && slice_eq(key.bytes, SLICE("type"))) {
            struct msgpack value = parse->in;

            parse->type = msgpack_next(&value).bytes;
            (void)!msgpack_skip(&parse->in, 1);
        } else if (key.type == MSGPACK_STR) {
            read_or_skip(parse, field_named(key.bytes));
        } else {
            parse->in = start;
            (void)!msgpack_skip(&parse->in, 2);
        }
    }
}

static void read_array(struct parse *parse, uint64_t count)
{
    struct msgpack tag = parse->in;
    enum kv_event_type type;

    if (count == 0)
        return;
    parse->type = msgpack_next(&tag).bytes;
    (void)!msgpack_skip(&parse->in, 1);
    if (!type_of(parse->type, &type)) {
        (void)!msgpack_skip(&parse->in, count - 1);
        return;
    }
    for (uint64_t at = 1; at < count; at++)
        read_or_skip(parse, field_placed(type, at));
}

/* Whether a page's further keys are all known: its adapter's name, and in the first page of a
 * sequence the salt. Anything else stands for contents that no token says. */
static bool page_is_ours(struct parse *parse, struct msgpack *in, bool begins_sequence)
{
    struct msgpack_item page = msgpack_next(in);

    if (page.type == MSGPACK_NIL)
        return true;
    if (page.type != MSGPACK_ARRAY)
        return false;
    for (uint64_t i = 0; i < page.number; i++) {
        struct msgpack_item key = msgpack_next(in);

        if (key.type != MSGPACK_STR || key.bytes.len > KV_NAME_MAX)
            return false;
        if (slice_eq(key.bytes, parse->event.lora))
            continue;
        if (!begins_sequence || (parse->event.salt.len && !slice_eq(parse->event.salt, key.bytes)))
            return false;
        parse->event.salt = key.bytes;
    }
    return true;
}

static size_t count_own_pages(struct parse *parse)
{
    const struct kv_event *event = &parse->event;
    size_t pages = event->hash_count;

    if (parse->has_adapter_number && event->lora.len == 0)
        return 0;
    for (size_t i = 0; i < pages && i < parse->extra_count; i++)
        if (!page_is_ours(parse, &parse->extra, i == 0 && !event->has_parent))
            return i;
    return pages;
}

static bool is_whole(const struct kv_event *event)
{
    if (event->type == KV_EVENT_CLEARED)
        return true;
    if (event->type == KV_EVENT_REMOVED)
        return event->hashes != NULL;
    return event->hashes && event->tokens && event->page_tokens &&
           event->token_count == event->hash_count * (uint64_t)event->page_tokens;
}

static void read_event(struct parse *parse)
{
    struct msgpack start = parse->in;
    struct msgpack_item item = msgpack_next(&parse->in);

    if (item.type == MSGPACK_MAP) {
        read_map(parse, item.number);
    } else if (item.type == MSGPACK_ARRAY) {
        read_array(parse, item.number);
    } else {
        parse->in = start;
        (void)!msgpack_skip(&parse->in, 1);
    }
}

static void give_event(struct parse *parse, kv_event_fn *each, void *user, struct kv_tally *tally)
{
    if (!type_of(parse->type, &parse->event.type)) {
        tally->unknown++;
    } else if (parse->malformed || (!parse->ignored && !is_whole(&parse->event))) {
        tally->malformed++;
    } else if (parse->ignored) {
        tally->ignored++;
    } else {
        tally->events++;
        parse->event.first_foreign = count_own_pages(parse);
        each(user, &parse->event);
    }
}

/* The batch's frame, and its rank, which comes last. Passes over the whole, so that whatever comes
 * later is known to be msgpack. */
static bool read_frame(struct slice payload, struct msgpack *ret_events, uint64_t *ret_count,
                       uint32_t *ret_rank)
{
    struct msgpack in = msgpack_of(payload);
    struct msgpack_item frame, events, rank;

    if (payload.len > KV_BATCH_BYTES_MAX)
        return false;
    frame = msgpack_next(&in);
    if (frame.type != MSGPACK_ARRAY || frame.number < 2 || !msgpack_skip(&in, 1))
        return false;
    events = msgpack_next(&in);
    *ret_events = in;
    *ret_count = events.number;
    *ret_rank = 0;
    if (events.type != MSGPACK_ARRAY || events.number > KV_EVENTS_MAX ||
        !msgpack_skip(&in, events.number))
        return false;
    if (frame.number == 2)
        return true;
    rank = msgpack_next(&in);
    if (rank.type == MSGPACK_UINT && rank.number <= UINT16_MAX)
        *ret_rank = (uint32_t)rank.number;
    else if (rank.type != MSGPACK_NIL)
        return false;
    return msgpack_skip(&in, frame.number - 3);
}

bool kv_decode(struct kv_decoder *decoder, struct slice payload, kv_event_fn *each, void *user,
               struct kv_tally *tally)
{
    struct msgpack in;
    uint64_t count;
    uint32_t rank;

    if (!read_frame(payload, &in, &count, &rank))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct parse parse = { .decoder = decoder, .in = in, .event.rank = rank };

        read_event(&parse);
        give_event(&parse, each, user, tally);
        in = parse.in;
    }
    return true;
}

void kv_decoder_init(struct kv_decoder *decoder)
{
    *decoder = (struct kv_decoder){ 0 };
}

void kv_decoder_release(struct kv_decoder *decoder)
{
    free(decoder->hashes);
    free(decoder->tokens);
}
