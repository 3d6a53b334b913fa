/*
 * Endpoints whose KV events do not come. See kv_silence.h.
 */
#include "routing/kv_silence.h"

static bool is_same(struct kv_feed_standing a, struct kv_feed_standing b)
{
    return a.kind == b.kind && a.rank == b.rank;
}

/* Whether something should have been heard by now, if it lasts. */
static bool is_wanting(const struct kv_silence *silence, const struct kv_silence_look *look)
{
    if (!look->well)
        return false;
    return look->standing.kind == KV_FEED_UNREACHED ||
           (look->standing.kind == KV_FEED_SILENT && look->served > silence->served);
}

bool kv_silence_is_due(struct kv_silence *silence, const struct kv_silence_look *look)
{
    bool first = silence->standing.kind == KV_FEED_DEAF;

    if (!is_same(silence->standing, look->standing))
        *silence = (struct kv_silence){ .standing = look->standing,
                                        .served = first ? silence->served : look->served };
    if (!silence->since_us || !is_wanting(silence, look))
        silence->since_us = look->now_us;
    if (silence->said || look->now_us - silence->since_us < KV_SILENCE_US)
        return false;
    silence->said = true;
    return true;
}
