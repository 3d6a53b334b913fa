/*
 * A publisher of KV events: its batches in order, what to ask for again, when to start anew.
 *
 * Batches are numbered from 0 (or from anywhere) and come by a socket that drops what is too much
 * for it. Publishers may have a second socket that sends the last thousands of them again. This is
 * the state between the two, without sockets: the caller brings batches and is told when a replay
 * is wanted.
 *
 *     live --gap, older number, new connection--> comparing --the same--> filling --its end--> live
 *                       |                          |                         ^
 *                       | nothing to compare       | another engine's: all is forgotten
 *                       v                          v                         |
 *                    filling                    starting over ---its end-----+
 *
 * A replay is wanted in all states but the first, and live batches stay in their socket meanwhile.
 * It begins with the batch before the one that is missing: if that is not the same any more, the
 * engine is another one and had the same numbers before. A new connection ends it, whatever its
 * state. Where batches are lost for good, what the engine holds is not known any more, and it
 * begins empty (kv_mirror_clear): less than the truth, never more.
 *
 * One thread, the index's.
 */
#ifndef SLUICE_ROUTING_KV_SOURCE_H
#define SLUICE_ROUTING_KV_SOURCE_H

#include "routing/kv_mirror.h"

#define KV_REMEMBERED                                                                              \
    64 /* batches told from others with the same number: copies, and late ones                     \
        */

struct kv_source_stats {
    uint64_t batches;   /* applied */
    uint64_t repeated;  /* came again, and were passed over */
    uint64_t gaps;      /* numbers were missing */
    uint64_t holes;     /* batches lost for good */
    uint64_t restarts;  /* the engine began anew */
    uint64_t malformed; /* batches, or events in them, that are not what they must be */
};

enum kv_source_state {
    KV_SOURCE_LIVE,
    KV_SOURCE_COMPARING,     /* the replay's next batch is one that was had before */
    KV_SOURCE_FILLING,       /* its batches follow those that were had */
    KV_SOURCE_STARTING_OVER, /* its batches are of no use; another one, from 0, when it ends */
};

struct kv_source {
    struct kv_mirror mirror;
    struct kv_decoder decoder;
    struct kv_tally tally;
    bool can_replay; /* the caller's: lost batches may be asked for now */
    bool following;  /* `next` is known */
    bool adopts;     /* no replay helped: the next batch is a beginning, whatever its number */
    enum kv_source_state state;
    uint64_t next;   /* the number of the batch to be applied next */
    uint64_t wanted; /* the replay must bring all before it */
    uint64_t
        remembered[KV_REMEMBERED]; /* hashes of the batches before `next`, by number; 0: none */
    struct kv_source_stats stats;
};

/* A replay that is wanted, and from which number on. */
struct kv_replay {
    bool wanted;
    uint64_t from;
};

/* As kv_mirror_init. */
void kv_source_init(struct kv_source *source, struct kv_column *column, uint32_t block,
                    uint64_t prefix_seed, struct slice cache, bool can_replay);
void kv_source_release(struct kv_source *source);

/* A replay is wanted or under way: live batches are to wait. */
bool kv_source_is_replaying(const struct kv_source *source);

/* The connection to the publisher stands, for the first time or again. A replay that was wanted
 * before is not any more. */
struct kv_replay kv_source_connected(struct kv_source *source);
/* A batch came. If a replay is wanted then, this batch is to be in it. */
struct kv_replay kv_source_live(struct kv_source *source, uint64_t number, struct slice payload);
/* A batch of the replay came. */
void kv_source_replayed(struct kv_source *source, uint64_t number, struct slice payload);
/* The replay came to its end, or was given up. Another one may be wanted. */
struct kv_replay kv_source_replay_ended(struct kv_source *source, bool complete);

#endif
