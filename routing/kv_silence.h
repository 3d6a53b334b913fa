/*
 * KV events that do not come: when it is to be said of an endpoint that its events are configured
 * and not heard. A model of its cache stands in, all goes on, and nobody would know otherwise.
 *
 * Said once, and again only after it was otherwise. No socket and no clock; control thread.
 */
#ifndef SLUICE_ROUTING_KV_SILENCE_H
#define SLUICE_ROUTING_KV_SILENCE_H

#include "gateway/base/clock.h"
#include "routing/kv_feed.h"

/* A connection takes milliseconds, and events leave an engine with the step that made them. */
#define KV_SILENCE_US (10 * CLOCK_US_PER_S)

/* Begins as zero but for `served`. */
struct kv_silence {
    struct kv_feed_standing standing; /* as it was seen last */
    uint64_t since_us;                /* it should have been otherwise */
    uint64_t served; /* when it became so; at first: when it began to be listened to */
    bool said;
};

/* What is seen of an endpoint now. */
struct kv_silence_look {
    struct kv_feed_standing standing;
    bool well;       /* else nobody is there who could publish */
    uint64_t served; /* requests that it answered, ever */
    uint64_t now_us;
};

/* To be asked every second or so. True: it has been silent for KV_SILENCE_US although it was well,
 * or since it answered a request although its publishers are connected, and is to be said. */
bool kv_silence_is_due(struct kv_silence *silence, const struct kv_silence_look *look);

#endif
