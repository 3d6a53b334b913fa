/*
 * How often a publisher is asked to send batches again, and how long it is listened to then.
 *
 * Live batches wait in their socket meanwhile, and each replay is a connection of its own. So one
 * has an end whatever the publisher sends, and none follows another at once: a publisher that
 * loses batch after batch is asked ten times a second; one whose replays do not bring what was
 * lost, half as often each time; one that does not come to an end, not for half a minute. (llm-d
 * gives a replay two minutes, 2 s without a batch, and pauses 30 s after one that failed.)
 *
 * No clock, no sockets: times are the caller's. Part of a feed; its thread.
 */
#ifndef SLUICE_ROUTING_KV_PATIENCE_H
#define SLUICE_ROUTING_KV_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum kv_replay_end {
    KV_REPLAY_USEFUL,  /* it brought what was wanted */
    KV_REPLAY_USELESS, /* it came to its end without that */
    KV_REPLAY_FAILED,  /* it stood still, or did not end */
};

struct kv_patience {
    uint64_t idle_us, over_us; /* when the replay under way has stood still, and has lasted, too
                                  long */
    uint64_t not_before_us;    /* the next one */
    uint64_t pause_us;         /* that the last one brought about; 0: there was none */
};

/* Whether a replay may be had soon enough to let live batches wait for it. */
bool kv_patience_allows(const struct kv_patience *patience, uint64_t now_us);
/* When it may begin, from now on. */
uint64_t kv_patience_next_us(const struct kv_patience *patience, uint64_t now_us);

void kv_patience_begun(struct kv_patience *patience, uint64_t now_us);
/* A message of it came. */
void kv_patience_heard(struct kv_patience *patience, uint64_t now_us);
/* When the replay under way has failed, if nothing is heard until then. */
uint64_t kv_patience_until_us(const struct kv_patience *patience);
void kv_patience_ended(struct kv_patience *patience, enum kv_replay_end end, uint64_t now_us);

#endif
