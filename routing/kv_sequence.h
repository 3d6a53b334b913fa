/*
 * A publisher of KV events: its batches in order, what to ask for again, when to start anew.
 *
 * Batches are numbered from 0 (or from anywhere) and come by a socket that drops what is too much
 * for it. Publishers may have a second socket that sends the last thousands of them again. This is
 * the state between the two, without sockets: the caller brings batches and is told when a replay
 * is wanted.
 *
 *     from           to             when, and the function
 *     live           comparing      a gap, an older number, a new connection: ask
 *     live           filling        the same, and nothing was had that could be compared: ask
 *     comparing      filling        the batch that was had before comes again: compare
 *     comparing      starting over  another one comes, all is forgotten: compare
 *     filling        live           the replay's end: kv_sequence_replay_ended
 *     comparing      live           it was given up: kv_sequence_replay_ended
 *     comparing      filling        it ended without a batch, another one begins at 0: the same
 *     starting over  filling        its end, another one begins at 0: kv_sequence_replay_ended
 *     any            live           a new connection, which may ask anew: kv_sequence_connected
 *
 * A replay is wanted in all states but the first, and live batches stay in their socket meanwhile.
 * It begins with the batch before the one that is missing: if that is not the same any more, the
 * engine is another one and had the same numbers before. A new connection ends it, whatever its
 * state. Where batches are lost for good, what the engine holds is not known any more, and it
 * begins empty (kv_mirror_clear): less than the truth, never more.
 *
 * One thread, the index's.
 */
#ifndef SLUICE_ROUTING_KV_SEQUENCE_H
#define SLUICE_ROUTING_KV_SEQUENCE_H

#include "routing/kv_mirror.h"

/* Batches told from others with the same number: copies, and late ones. */
#define KV_REMEMBERED 64

struct kv_sequence_stats {
    uint64_t batches;   /* applied */
    uint64_t repeated;  /* came again, and were passed over */
    uint64_t gaps;      /* numbers were missing */
    uint64_t holes;     /* batches lost for good */
    uint64_t restarts;  /* the engine began anew */
    uint64_t malformed; /* batches, or events in them, that are not what they must be */
};

enum kv_sequence_state {
    KV_SEQUENCE_LIVE,
    KV_SEQUENCE_COMPARING,     /* the replay's next batch is one that was had before */
    KV_SEQUENCE_FILLING,       /* its batches follow those that were had */
    KV_SEQUENCE_STARTING_OVER, /* its batches are of no use; another one, from 0, when it ends */
};

struct kv_sequence {
    struct kv_mirror mirror;
    struct kv_decoder decoder;
    struct kv_tally tally;
    bool can_replay; /* the caller's: lost batches may be asked for now */
    bool following;  /* `next` is known */
    bool adopts;     /* no replay helped: the next batch is a beginning, whatever its number */
    enum kv_sequence_state state;
    uint64_t next;   /* the number of the batch to be applied next */
    uint64_t wanted; /* the replay must bring all before it */
    /* Hashes of the batches before `next`, by number; 0: none. */
    uint64_t remembered[KV_REMEMBERED];
    struct kv_sequence_stats stats;
};

/* A replay that is wanted, and from which number on. */
struct kv_replay {
    bool wanted;
    uint64_t from;
};

/* As kv_mirror_init. */
void kv_sequence_init(struct kv_sequence *sequence, struct kv_column *column, uint32_t block,
                      uint64_t prefix_seed, struct slice cache, bool can_replay);
void kv_sequence_release(struct kv_sequence *sequence);

/* A replay is wanted or under way: live batches are to wait. */
bool kv_sequence_is_replaying(const struct kv_sequence *sequence);

/* The connection to the publisher stands, for the first time or again. A replay that was wanted
 * before is not any more. */
struct kv_replay kv_sequence_connected(struct kv_sequence *sequence);
/* A batch came. If a replay is wanted then, this batch is to be in it. */
struct kv_replay kv_sequence_live(struct kv_sequence *sequence, uint64_t number,
                                  struct slice payload);
/* A batch of the replay came. */
void kv_sequence_replayed(struct kv_sequence *sequence, uint64_t number, struct slice payload);
/* The replay came to its end, or was given up. Another one may be wanted. */
struct kv_replay kv_sequence_replay_ended(struct kv_sequence *sequence, bool complete);

#endif
