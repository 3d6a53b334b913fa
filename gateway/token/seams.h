/*
 * Places where a long piece of code points may be cut without changing what it becomes, told by two
 * or three bytes: so that the cache meets words again where the split cuts no words.
 *
 * Built once, immutable, shared by threads. Says no more than merge_parts, and less: neighbours are
 * told apart by the last byte of the left one and the first of the right one.
 */
#ifndef SLUICE_TOKEN_SEAMS_H
#define SLUICE_TOKEN_SEAMS_H

#include "gateway/token/merge.h"
#include "gateway/token/words.h"

struct seams {
    bool any;
    uint64_t crossed[256][4]; /* by the left one's last byte, a bit for what the right one begins
                                 with: something may stand across the place between them */
};

/*
 * Borrows all for the call. `byte_ids`: what code points that are no token become; without all 256
 * of them there are no seams, since unknown ones may join or vanish. Pieces must begin as their
 * code points, with nothing put around them.
 */
void seams_init(struct seams *seams, const struct merge *merge, const struct words *words,
                const uint32_t byte_ids[256]);

/* Cuts `text` from `at` on: the ends of at most `max` parts, as split_type's. Returns how many. */
size_t seams_ends(const struct seams *seams, struct slice text, size_t at, uint32_t *ends,
                  size_t max);

#endif
