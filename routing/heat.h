/*
 * How often prompts that begin alike are asked for.
 *
 * What many ask for is worth having at many endpoints, what few ask for is not (scorers.def). Of
 * each prompt one block is noted, the deepest that any endpoint has: up to there another endpoint
 * would make a copy. Counts fade by the factor e in HEAT_S.
 *
 * Bounded: a line for each remainder of a key. Of two keys that meet there the one that was noted
 * more than once a while ago keeps it. Any thread, relaxed atomics: what two write at once may be
 * lost or mixed up until the next time, which a hint can bear. Zeroed: nothing was noted.
 */
#ifndef SLUICE_ROUTING_HEAT_H
#define SLUICE_ROUTING_HEAT_H

#include <stdatomic.h>
#include <stdint.h>

#define HEAT_LINES 16384 /* 256 KB a pool, touched as keys come */
#define HEAT_S     30    /* 10 and 60 were as good in the simulator */

struct heat {
    struct heat_line {
        _Atomic uint64_t key;
        _Atomic uint64_t noted; /* when, in ms, and how often up to then, a float's bits */
    } lines[HEAT_LINES];
};

/* How often the block was noted lately. */
double heat_of(const struct heat *heat, uint64_t key, uint64_t now_us);
/* A prompt was sent of which this is the block to be noted. */
void heat_note(struct heat *heat, uint64_t key, uint64_t now_us);

#endif
