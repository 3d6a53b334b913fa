/*
 * KV events as engines write them. See kv_batch.h.
 */
#include "tests/engine/kv_batch.h"

#include "gateway/base/clock.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES_MAX (16u << 20)
#define RUN_MAX         1024 /* blocks of one event; a longer run is several */

const char *const kv_batch_forms[KV_BATCH_FORMS + 1] = { "arrays", "maps", "sglang", "bytes",
                                                         NULL };

static void put(struct buf *out, uint8_t first, uint64_t number, size_t size)
{
    char bytes[9] = { (char)first };

    for (size_t i = 0; i < size; i++)
        bytes[1 + i] = (char)(number >> 8 * (size - 1 - i));
    buf_add(out, slice_of(bytes, 1 + size));
}

static void put_nil(struct buf *out)
{
    put(out, 0xc0, 0, 0);
}

static void put_number(struct buf *out, uint64_t number)
{
    if (number < 128)
        put(out, (uint8_t)number, 0, 0);
    else if (number <= UINT32_MAX)
        put(out, 0xce, number, 4);
    else
        put(out, 0xcf, number, 8);
}

static void put_text(struct buf *out, const char *text)
{
    if (strlen(text) < 32)
        put(out, (uint8_t)(0xa0 | strlen(text)), 0, 0);
    else
        put(out, 0xda, strlen(text), 2);
    buf_add(out, slice_str(text));
}

static void put_array(struct buf *out, uint64_t count)
{
    put(out, 0xdd, count, 4);
}

static void put_hash(struct kv_batches *batches, uint64_t key)
{
    static const char digest[24] = "the digest's other bytes";

    switch (batches->form) {
    case KV_BATCH_SGLANG:
        put(&batches->events, 0xd3, key, 8);
        break;
    case KV_BATCH_BYTES:
        put(&batches->events, 0xc4, 32, 1);
        buf_add(&batches->events, slice_of(digest, sizeof(digest)));
        for (int shift = 56; shift >= 0; shift -= 8)
            put(&batches->events, (uint8_t)(key >> shift), 0, 0);
        break;
    default:
        put(&batches->events, 0xcf, key, 8);
    }
}

static bool has_maps(const struct kv_batches *batches)
{
    return batches->form == KV_BATCH_MAPS || batches->form == KV_BATCH_BYTES;
}

/* The event's head, with room for so many fields in a map, or items in an array, after its type. */
static void begin(struct kv_batches *batches, const char *type, unsigned fields, unsigned items)
{
    batches->event_count++;
    put(&batches->events, has_maps(batches) ? 0x81 + fields : 0x91 + items, 0, 0);
    if (has_maps(batches))
        put_text(&batches->events, "type");
    put_text(&batches->events, type);
}

static void name(struct kv_batches *batches, const char *field)
{
    if (has_maps(batches))
        put_text(&batches->events, field);
}

static void put_hashes(struct kv_batches *batches, const uint64_t *keys, uint32_t count)
{
    name(batches, "block_hashes");
    put_array(&batches->events, count);
    for (uint32_t i = 0; i < count; i++)
        put_hash(batches, keys[i]);
}

static void put_medium(struct kv_batches *batches)
{
    name(batches, "medium");
    put_text(&batches->events, "GPU");
}

/* The adapter and salt whose chain begins there; NULL: it is no such root. */
static const struct kv_root *root_at(const struct kv_batches *batches, uint64_t parent)
{
    for (uint32_t i = 0; i < batches->root_count; i++)
        if (batches->roots[i].root == parent)
            return &batches->roots[i];
    return NULL;
}

/* What a page's hash has beside its tokens: the adapter in each, the salt in the first. */
static void put_extra_keys(struct kv_batches *batches, const struct kv_root *root)
{
    struct buf *out = &batches->events;

    name(batches, "extra_keys");
    put_array(out, batches->run);
    for (uint32_t i = 0; i < batches->run; i++) {
        bool salted = i == 0 && root->salt[0];

        put_array(out, (root->adapter[0] != 0) + salted);
        if (root->adapter[0])
            put_text(out, root->adapter);
        if (salted)
            put_text(out, root->salt);
    }
}

/* vLLM's adapter and further keys; SGLang's salt, where vLLM has the adapter. */
static void put_root(struct kv_batches *batches, const struct kv_root *root)
{
    struct buf *out = &batches->events;

    if (batches->form == KV_BATCH_SGLANG) {
        put(out, 0x81, 0, 0);
        put_text(out, "cache_salt");
        put_text(out, root->salt);
        return;
    }
    name(batches, "lora_name");
    if (root->adapter[0])
        put_text(out, root->adapter);
    else
        put_nil(out);
    put_extra_keys(batches, root);
}

/* Writes the run of stored blocks. */
static void end_run(struct kv_batches *batches)
{
    struct buf *out = &batches->events;
    const struct kv_root *root = root_at(batches, batches->parent);
    unsigned more = !root ? 0 : batches->form == KV_BATCH_SGLANG ? 1 : 2;

    if (batches->run == 0)
        return;
    begin(batches, "BlockStored", 6 + more, 6 + more);
    put_hashes(batches, batches->keys, batches->run);
    name(batches, "parent_block_hash");
    if (root || batches->parent == batches->root)
        put_nil(out);
    else
        put_hash(batches, batches->parent);
    name(batches, "token_ids");
    put_array(out, (uint64_t)batches->run * batches->block_size);
    for (uint32_t i = 0; i < batches->run * batches->block_size; i++)
        put_number(out, batches->tokens[i]);
    name(batches, "block_size");
    put_number(out, batches->block_size);
    name(batches, "lora_id");
    put_nil(out);
    put_medium(batches);
    if (root)
        put_root(batches, root);
    batches->run = 0;
}

static void on_stored(struct cache_listener *listener, uint64_t parent, uint64_t key,
                      const uint32_t *tokens)
{
    struct kv_batches *batches = CONTAINER_OF(listener, struct kv_batches, listener);
    uint32_t size = batches->block_size;

    if (batches->run == RUN_MAX || (batches->run > 0 && parent != batches->keys[batches->run - 1]))
        end_run(batches);
    if (batches->run == 0)
        batches->parent = parent;
    memcpy(batches->tokens + (size_t)batches->run * size, tokens, size * sizeof(*tokens));
    batches->keys[batches->run++] = key;
}

static void on_removed(struct cache_listener *listener, uint64_t key)
{
    struct kv_batches *batches = CONTAINER_OF(listener, struct kv_batches, listener);

    end_run(batches);
    begin(batches, "BlockRemoved", 2, 2);
    put_hashes(batches, &key, 1);
    put_medium(batches);
}

static void on_cleared(struct cache_listener *listener)
{
    struct kv_batches *batches = CONTAINER_OF(listener, struct kv_batches, listener);

    end_run(batches);
    begin(batches, "AllBlocksCleared", 0, 0);
}

void kv_batches_init(struct kv_batches *batches, uint64_t root, uint32_t block_size, uint32_t keep)
{
    CHECK(keep > 0);
    *batches = (struct kv_batches){
        .listener = { .stored = on_stored, .removed = on_removed, .cleared = on_cleared },
        .block_size = block_size,
        .root = root,
        .keep = keep,
        .kept = xcalloc(keep, sizeof(struct kv_batch)),
        .keys = xmalloc(RUN_MAX * sizeof(uint64_t)),
        .tokens = xmalloc((size_t)RUN_MAX * block_size * sizeof(uint32_t)),
    };
    buf_init(&batches->events, BATCH_BYTES_MAX);
    for (uint32_t i = 0; i < keep; i++)
        buf_init(&batches->kept[i].payload, BATCH_BYTES_MAX);
}

void kv_batches_name_root(struct kv_batches *batches, uint64_t root, struct slice adapter,
                          struct slice salt)
{
    if (root == batches->root || root_at(batches, root) || batches->root_count == KV_ROOTS_MAX)
        return;
    batches->roots[batches->root_count++] =
        (struct kv_root){ .root = root, .adapter = slice_dup(adapter), .salt = slice_dup(salt) };
}

void kv_batches_release(struct kv_batches *batches)
{
    for (uint32_t i = 0; i < batches->root_count; i++) {
        free(batches->roots[i].adapter);
        free(batches->roots[i].salt);
    }
    for (uint32_t i = 0; i < batches->keep; i++)
        buf_release(&batches->kept[i].payload);
    buf_release(&batches->events);
    free(batches->kept);
    free(batches->keys);
    free(batches->tokens);
}

bool kv_batches_is_empty(const struct kv_batches *batches)
{
    return batches->event_count == 0 && batches->run == 0;
}

const struct kv_batch *kv_batches_flush(struct kv_batches *batches)
{
    struct kv_batch *batch = &batches->kept[batches->next % batches->keep];
    double now = (double)clock_wall_us() / 1e6;
    uint64_t bits;

    end_run(batches);
    memcpy(&bits, &now, sizeof(bits));
    buf_drop(&batch->payload, batch->payload.len);
    batch->number = batches->next++;
    put(&batch->payload, 0x93, 0, 0);
    put(&batch->payload, 0xcb, bits, 8);
    put_array(&batch->payload, batches->event_count);
    buf_move(&batch->payload, &batches->events, batches->events.len);
    put_number(&batch->payload, 0); /* rank */
    batches->event_count = 0;
    return batch;
}

const struct kv_batch *kv_batches_kept(const struct kv_batches *batches, uint64_t number)
{
    const struct kv_batch *batch = &batches->kept[number % batches->keep];

    return number < batches->next && batch->number == number ? batch : NULL;
}

void kv_batches_restart(struct kv_batches *batches)
{
    for (uint32_t i = 0; i < batches->keep; i++)
        batches->kept[i].number = UINT64_MAX;
    buf_drop(&batches->events, batches->events.len);
    batches->event_count = batches->run = 0;
    batches->next = 0;
}
