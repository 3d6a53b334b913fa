/*
 * A publisher of KV events. See kv_source.h.
 */
#include "routing/kv_source.h"

#include "gateway/token/blocks.h"

#include <string.h>

static const struct kv_replay no_replay = { .wanted = false };

void kv_source_init(struct kv_source *source, struct kv_column *column, uint32_t block,
                    uint64_t prefix_seed, struct slice cache, bool can_replay)
{
    memset(source, 0, sizeof(*source));
    kv_mirror_init(&source->mirror, column, block, prefix_seed, cache);
    kv_decoder_init(&source->decoder);
    source->can_replay = can_replay;
}

void kv_source_release(struct kv_source *source)
{
    kv_mirror_release(&source->mirror);
    kv_decoder_release(&source->decoder);
}

static uint64_t hash_of(struct slice payload)
{
    return blocks_hash_bytes(0, payload) | 1; /* 0 is none */
}

static bool is_remembered(const struct kv_source *source, uint64_t number, struct slice payload)
{
    return source->following && number < source->next && source->next - number <= KV_REMEMBERED &&
           source->remembered[number % KV_REMEMBERED] == hash_of(payload);
}

static void apply_event(void *user, const struct kv_event *event)
{
    kv_mirror_apply(user, event);
}

/* A batch that cannot be understood may have said that pages went: nothing before it holds. */
static void apply(struct kv_source *source, uint64_t number, struct slice payload)
{
    uint64_t malformed = source->tally.malformed;

    kv_mirror_begin(&source->mirror);
    if (!kv_decode(&source->decoder, payload, apply_event, &source->mirror, &source->tally) ||
        source->tally.malformed > malformed) {
        source->stats.malformed++;
        kv_mirror_clear(&source->mirror);
    }
    source->stats.batches++;
    source->following = true;
    source->next = number + 1;
    source->remembered[number % KV_REMEMBERED] = hash_of(payload);
}

/* What the engine holds is not known; whatever comes next is a beginning. */
static void forget(struct kv_source *source)
{
    kv_mirror_clear(&source->mirror);
    memset(source->remembered, 0, sizeof(source->remembered));
    source->following = source->adopts = false;
}

static struct kv_replay ask(struct kv_source *source, uint64_t from, uint64_t wanted)
{
    source->state =
        source->following && from < source->next ? KV_SOURCE_COMPARING : KV_SOURCE_FILLING;
    source->wanted = wanted;
    return (struct kv_replay){ .wanted = true, .from = from };
}

/* From the last batch that was had on. */
static struct kv_replay ask_for_more(struct kv_source *source, uint64_t wanted)
{
    if (!source->following)
        return ask(source, 0, wanted);
    return ask(source, source->next > 0 ? source->next - 1 : 0, wanted);
}

bool kv_source_is_replaying(const struct kv_source *source)
{
    return source->state != KV_SOURCE_LIVE;
}

struct kv_replay kv_source_connected(struct kv_source *source)
{
    source->state = KV_SOURCE_LIVE;
    if (!source->can_replay) {
        /* Batches may have been missed, and their numbers cannot tell whether an engine that
         * restarted has come as far as the old one. */
        if (source->following)
            forget(source);
        return no_replay;
    }
    return ask_for_more(source, /* wanted= */ 0);
}

static struct kv_replay on_gap(struct kv_source *source, uint64_t number, struct slice payload)
{
    source->stats.gaps++;
    if (source->can_replay)
        return ask_for_more(source, number + 1);
    source->stats.holes++;
    forget(source);
    apply(source, number, payload);
    return no_replay;
}

/* A number that was there before, with another batch. Without a replay it cannot be told from one
 * that was overtaken; either way what is known is void, and only a first batch is surely new. */
static struct kv_replay on_older(struct kv_source *source, uint64_t number, struct slice payload)
{
    source->stats.restarts++;
    forget(source);
    if (number == 0)
        apply(source, number, payload);
    else if (source->can_replay)
        return ask(source, 0, number + 1);
    return no_replay;
}

struct kv_replay kv_source_live(struct kv_source *source, uint64_t number, struct slice payload)
{
    if (is_remembered(source, number, payload)) {
        source->stats.repeated++;
        return no_replay;
    }
    if (source->following && number > source->next)
        return on_gap(source, number, payload);
    if (source->following && number < source->next)
        return on_older(source, number, payload);
    if (!source->following && number > 0 && source->can_replay && !source->adopts)
        return ask(source, 0, number + 1);
    apply(source, number, payload);
    return no_replay;
}

/* The batch that was had before the gap comes first. True: it is the same, or too old to be sent
 * again. */
static bool is_same_engine(struct kv_source *source, uint64_t number, struct slice payload)
{
    return number >= source->next || is_remembered(source, number, payload);
}

static void start_over(struct kv_source *source)
{
    source->stats.restarts++;
    forget(source);
    source->state = KV_SOURCE_STARTING_OVER;
}

/* What comes first of a replay tells whose it is. */
static void compare(struct kv_source *source, uint64_t number, struct slice payload)
{
    if (is_same_engine(source, number, payload))
        source->state = KV_SOURCE_FILLING;
    else
        start_over(source);
}

static void fill(struct kv_source *source, uint64_t number, struct slice payload)
{
    if (source->following && number < source->next)
        return;
    if (number > (source->following ? source->next : 0)) { /* older ones are no longer kept */
        source->stats.holes += source->following;
        forget(source);
    }
    apply(source, number, payload);
}

void kv_source_replayed(struct kv_source *source, uint64_t number, struct slice payload)
{
    if (source->state == KV_SOURCE_COMPARING)
        compare(source, number, payload);
    if (source->state == KV_SOURCE_FILLING)
        fill(source, number, payload);
}

static bool has_what_was_wanted(const struct kv_source *source)
{
    return source->wanted == 0 || (source->following && source->next >= source->wanted);
}

struct kv_replay kv_source_replay_ended(struct kv_source *source, bool complete)
{
    if (complete && source->state == KV_SOURCE_COMPARING)
        start_over(source); /* it has not come as far as the one whose batch was had before */
    if (source->state == KV_SOURCE_STARTING_OVER)
        return ask(source, 0, source->wanted);
    source->state = KV_SOURCE_LIVE;
    if (!complete || !has_what_was_wanted(source)) {
        source->stats.holes++;
        forget(source);
    }
    source->adopts = !source->following && (!complete || source->wanted > 0);
    return no_replay;
}
