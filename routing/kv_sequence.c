/*
 * A publisher of KV events. See kv_sequence.h.
 */
#include "routing/kv_sequence.h"

#include "gateway/token/blocks.h"

#include <string.h>

static const struct kv_replay no_replay = { .wanted = false };

void kv_sequence_init(struct kv_sequence *sequence, struct kv_column *column, uint32_t block,
                      uint64_t prefix_seed, struct slice cache, bool can_replay)
{
    memset(sequence, 0, sizeof(*sequence));
    kv_mirror_init(&sequence->mirror, column, block, prefix_seed, cache);
    kv_decoder_init(&sequence->decoder);
    sequence->can_replay = can_replay;
}

void kv_sequence_release(struct kv_sequence *sequence)
{
    kv_mirror_release(&sequence->mirror);
    kv_decoder_release(&sequence->decoder);
}

static uint64_t hash_of(struct slice payload)
{
    return blocks_hash_bytes(0, payload) | 1; /* 0 is none */
}

static bool is_remembered(const struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    return sequence->following && number < sequence->next &&
           sequence->next - number <= KV_REMEMBERED &&
           sequence->remembered[number % KV_REMEMBERED] == hash_of(payload);
}

static void apply_event(void *user, const struct kv_event *event)
{
    kv_mirror_apply(user, event);
}

/* A batch that cannot be understood may have said that pages went: nothing before it holds. */
static void apply(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    uint64_t malformed = sequence->tally.malformed;

    kv_mirror_begin(&sequence->mirror);
    if (!kv_decode(&sequence->decoder, payload, apply_event, &sequence->mirror, &sequence->tally) ||
        sequence->tally.malformed > malformed) {
        sequence->stats.malformed++;
        kv_mirror_clear(&sequence->mirror);
    }
    sequence->stats.batches++;
    sequence->following = true;
    sequence->next = number + 1;
    sequence->remembered[number % KV_REMEMBERED] = hash_of(payload);
}

/* What the engine holds is not known; whatever comes next is a beginning. */
static void forget(struct kv_sequence *sequence)
{
    kv_mirror_clear(&sequence->mirror);
    memset(sequence->remembered, 0, sizeof(sequence->remembered));
    sequence->following = sequence->adopts = false;
}

static struct kv_replay ask(struct kv_sequence *sequence, uint64_t from, uint64_t wanted)
{
    sequence->state =
        sequence->following && from < sequence->next ? KV_SEQUENCE_COMPARING : KV_SEQUENCE_FILLING;
    sequence->wanted = wanted;
    return (struct kv_replay){ .wanted = true, .from = from };
}

/* From the last batch that was had on. */
static struct kv_replay ask_for_more(struct kv_sequence *sequence, uint64_t wanted)
{
    if (!sequence->following)
        return ask(sequence, 0, wanted);
    return ask(sequence, sequence->next > 0 ? sequence->next - 1 : 0, wanted);
}

bool kv_sequence_is_replaying(const struct kv_sequence *sequence)
{
    return sequence->state != KV_SEQUENCE_LIVE;
}

struct kv_replay kv_sequence_connected(struct kv_sequence *sequence)
{
    sequence->state = KV_SEQUENCE_LIVE;
    if (!sequence->can_replay) {
        /* Batches may have been missed, and their numbers cannot tell whether an engine that
         * restarted has come as far as the old one. */
        if (sequence->following)
            forget(sequence);
        return no_replay;
    }
    return ask_for_more(sequence, /* wanted= */ 0);
}

static struct kv_replay on_gap(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    sequence->stats.gaps++;
    if (sequence->can_replay)
        return ask_for_more(sequence, number + 1);
    sequence->stats.holes++;
    forget(sequence);
    apply(sequence, number, payload);
    return no_replay;
}

/* A number that was there before, with another batch. Without a replay it cannot be told from one
 * that was overtaken; either way what is known is void, and only a first batch is surely new. */
static struct kv_replay on_older(struct kv_sequence *sequence, uint64_t number,
                                 struct slice payload)
{
    sequence->stats.restarts++;
    forget(sequence);
    if (number == 0)
        apply(sequence, number, payload);
    else if (sequence->can_replay)
        return ask(sequence, 0, number + 1);
    return no_replay;
}

struct kv_replay kv_sequence_live(struct kv_sequence *sequence, uint64_t number,
                                  struct slice payload)
{
    if (is_remembered(sequence, number, payload)) {
        sequence->stats.repeated++;
        return no_replay;
    }
    if (sequence->following && number > sequence->next)
        return on_gap(sequence, number, payload);
    if (sequence->following && number < sequence->next)
        return on_older(sequence, number, payload);
    if (!sequence->following && number > 0 && sequence->can_replay && !sequence->adopts)
        return ask(sequence, 0, number + 1);
    apply(sequence, number, payload);
    return no_replay;
}

/* The batch that was had before the gap comes first. True: it is the same, or too old to be sent
 * again. */
static bool is_same_engine(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    return number >= sequence->next || is_remembered(sequence, number, payload);
}

static void start_over(struct kv_sequence *sequence)
{
    sequence->stats.restarts++;
    forget(sequence);
    sequence->state = KV_SEQUENCE_STARTING_OVER;
}

/* What comes first of a replay tells whose it is. */
static void compare(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    if (is_same_engine(sequence, number, payload))
        sequence->state = KV_SEQUENCE_FILLING;
    else
        start_over(sequence);
}

static void fill(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    if (sequence->following && number < sequence->next)
        return;
    if (number > (sequence->following ? sequence->next : 0)) { /* older ones are no longer kept */
        sequence->stats.holes += sequence->following;
        forget(sequence);
    }
    apply(sequence, number, payload);
}

void kv_sequence_replayed(struct kv_sequence *sequence, uint64_t number, struct slice payload)
{
    if (sequence->state == KV_SEQUENCE_COMPARING)
        compare(sequence, number, payload);
    if (sequence->state == KV_SEQUENCE_FILLING)
        fill(sequence, number, payload);
}

static bool has_what_was_wanted(const struct kv_sequence *sequence)
{
    return sequence->wanted == 0 || (sequence->following && sequence->next >= sequence->wanted);
}

struct kv_replay kv_sequence_replay_ended(struct kv_sequence *sequence, bool complete)
{
    if (complete && sequence->state == KV_SEQUENCE_COMPARING)
        start_over(sequence); /* it has not come as far as the one whose batch was had before */
    if (sequence->state == KV_SEQUENCE_STARTING_OVER)
        return ask(sequence, 0, sequence->wanted);
    sequence->state = KV_SEQUENCE_LIVE;
    if (!complete || !has_what_was_wanted(sequence)) {
        sequence->stats.holes++;
        forget(sequence);
    }
    sequence->adopts = !sequence->following && (!complete || sequence->wanted > 0);
    return no_replay;
}
