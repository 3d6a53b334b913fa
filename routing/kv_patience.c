/*
 * Patience with replays. See kv_patience.h.
 */
#include "routing/kv_patience.h"

#include "gateway/base/clock.h"

#define IDLE_US (2 * CLOCK_US_PER_S)
/* An engine keeps 10,000 batches, of some hundred pages at most: a second of the index thread. */
#define OVER_US      (30 * CLOCK_US_PER_S)
#define PAUSE_US     (100 * CLOCK_US_PER_MS)
#define PAUSE_MAX_US (30 * CLOCK_US_PER_S)
/* Live batches that wait so long are lost at the publisher: rather without the replay then. */
#define WAIT_US CLOCK_US_PER_S

bool kv_patience_allows(const struct kv_patience *patience, uint64_t now_us)
{
    return patience->not_before_us <= now_us + WAIT_US;
}

uint64_t kv_patience_next_us(const struct kv_patience *patience, uint64_t now_us)
{
    return patience->not_before_us > now_us ? patience->not_before_us : now_us;
}

void kv_patience_begun(struct kv_patience *patience, uint64_t now_us)
{
    patience->over_us = now_us + OVER_US;
    kv_patience_heard(patience, now_us);
}

void kv_patience_heard(struct kv_patience *patience, uint64_t now_us)
{
    patience->idle_us = now_us + IDLE_US;
}

uint64_t kv_patience_until_us(const struct kv_patience *patience)
{
    return patience->idle_us < patience->over_us ? patience->idle_us : patience->over_us;
}

static uint64_t pause_after(const struct kv_patience *patience, enum kv_replay_end end)
{
    if (end == KV_REPLAY_FAILED)
        return PAUSE_MAX_US;
    if (end == KV_REPLAY_USEFUL || patience->pause_us == 0)
        return PAUSE_US;
    return 2 * patience->pause_us < PAUSE_MAX_US ? 2 * patience->pause_us : PAUSE_MAX_US;
}

void kv_patience_ended(struct kv_patience *patience, enum kv_replay_end end, uint64_t now_us)
{
    patience->pause_us = pause_after(patience, end);
    patience->not_before_us = now_us + patience->pause_us;
}
