/*
 * Batches of KV events, as engines publish them: msgpack in two forms and three accents.
 *
 * A batch is [time, events, rank]. vLLM up to 0.23 and SGLang up to 0.5.18 write an event as an
 * array, later ones and TensorRT-LLM as a map; both may come in one batch. Hashes are unsigned,
 * signed (SGLang) or bytes, of which the last eight count. (../shared/facts is where the formats
 * are from: vLLM's kv_events.py, pull request 42892; SGLang's kv_events.py.)
 *
 * A pure function over bytes that anybody may have sent: it allocates nothing but the decoder's two
 * arrays, which grow to KV_TOKENS_MAX at most. Bytes are looked at three times at most. Any thread,
 * a decoder each.
 */
#ifndef SLUICE_ROUTING_KV_DECODE_H
#define SLUICE_ROUTING_KV_DECODE_H

#include "gateway/base/slice.h"
#include "routing/prefix_index.h"

#define KV_BATCH_BYTES_MAX (4u << 20) /* forty times what a step of 8,192 tokens stores */
#define KV_TOKENS_MAX      (1u << 20) /* an event's, its hashes too: eight times the longest prompt */
#define KV_EVENTS_MAX      65536      /* a batch's */
#define KV_NAME_MAX        1024       /* bytes of an adapter's name or a salt */
#define KV_PAGE_TOKENS_MAX 65536

enum kv_event_type { KV_EVENT_STORED, KV_EVENT_REMOVED, KV_EVENT_CLEARED, KV_EVENT_TYPES };

/* One event. Everything it points to is the decoder's or the payload's: borrowed for the call. */
struct kv_event {
    enum kv_event_type type;
    const uint64_t *hashes; /* of pages that follow each other */
    size_t hash_count;
    bool has_parent; /* false: the first page begins a sequence */
    uint64_t parent;
    const uint32_t *tokens; /* page_tokens for each hash */
    size_t token_count;
    uint32_t page_tokens;
    enum prefix_tier tier;
    uint32_t rank, group;
    struct slice lora, salt; /* empty: none */
    /* The first page whose contents are more than tokens (images, embeddings), or whose adapter has
     * no name: it and those after it have no key. hash_count when there is none. */
    size_t first_foreign;
};

/* What became of a batch's events. */
struct kv_tally {
    uint64_t events;  /* given to the callback */
    uint64_t unknown; /* of another type */
    uint64_t ignored; /* of a group that a prompt's prefix does not depend on, or of other media */
    uint64_t malformed; /* of a known type, and not as that type is */
};

struct kv_decoder {
    uint64_t *hashes;
    uint32_t *tokens;
    size_t hash_room, token_room;
};

typedef void kv_event_fn(void *user, const struct kv_event *event);

void kv_decoder_init(struct kv_decoder *decoder);
void kv_decoder_release(struct kv_decoder *decoder);

/*
 * Calls `each` for every event that is understood, in order, and adds to the tally. False: the
 * payload is no batch as a whole, or larger than the limits; nothing was given.
 */
bool kv_decode(struct kv_decoder *decoder, struct slice payload, kv_event_fn *each, void *user,
               struct kv_tally *tally) MUST_USE;

#endif
